//! Who failed: actors by their crashes and restarts, dead letters by target, type and reason, events by type; in
//! bounded memory, while records go by.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

use crate::record::{CRASHED, Kind, RESTARTED};
use crate::view::View;

/// Names that are counted one by one, of each sort; what comes after is counted together.
const NAMES: usize = 10_000;
/// Names that are told.
const TOLD: usize = 100;
/// Bytes of a name that are kept.
const LENGTH: usize = 200;
/// So many restarts of one actor within so many seconds are a storm.
const STORM: usize = 5;
const WITHIN: f64 = 60.0;

/// What is counted while records go by.
#[derive(Debug, Clone, Default)]
pub struct Ranking {
    actors: HashMap<String, Life>,
    unnamed_actors: u64,
    targets: Counts,
    messages: Counts,
    reasons: Counts,
    events: Counts,
}

#[derive(Debug, Clone, Default)]
struct Life {
    crashes: u64,
    restarts: u64,
    last: Option<f64>,
    reason: String,
    recent: VecDeque<f64>,
    storms: u64,
    storming: bool,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    names: HashMap<String, u64>,
    beyond: u64,
}

/// What was counted, the most frequent first.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ranked {
    /// Actors that crashed or were restarted.
    pub actors: Vec<Actor>,
    /// How many actors there are in all; at most so many are counted one by one.
    pub actor_count: usize,
    /// Crashes and restarts of actors beyond these.
    pub beyond: u64,
    /// Dead letters by target.
    pub targets: Names,
    /// Dead letters by the type of the message.
    pub messages: Names,
    /// Dead letters and crashes by the reason or error in their payload, where one is.
    pub reasons: Names,
    /// Events by type.
    pub events: Names,
}

/// An actor that crashed or was restarted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Actor {
    /// Its address.
    pub name: String,
    /// Events that tell of a crash.
    pub crashes: u64,
    /// Events that tell of a restart.
    pub restarts: u64,
    /// The time of the last of either, in seconds.
    pub last: Option<f64>,
    /// The reason of its last crash, where one was given.
    pub reason: String,
    /// How often it was restarted five times within a minute.
    pub storms: u64,
}

/// Names and how often each was seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Names {
    /// The most frequent ones.
    pub names: Vec<(String, u64)>,
    /// How many names there are; at most so many are counted one by one.
    pub count: usize,
    /// How often any name beyond these was seen.
    pub beyond: u64,
}

impl Ranking {
    /// Counts a record.
    pub fn record(&mut self, kind: Kind, view: &View<'_>) {
        match kind {
            Kind::Event => {
                let what = view.what().unwrap_or_default();
                self.events.add(&what);
                let (crashed, restarted) = (what.as_bytes() == CRASHED, what.as_bytes() == RESTARTED);
                if crashed || restarted {
                    self.fall(view, crashed);
                }
            }
            Kind::DeadLetter => {
                self.targets.add(&view.actor().unwrap_or_default());
                self.messages.add(&view.what().unwrap_or_default());
                if let Some(reason) = view.reason() {
                    self.reasons.add(&reason);
                }
            }
            Kind::Audit | Kind::Other => {}
        }
    }

    fn fall(&mut self, view: &View<'_>, crashed: bool) {
        let reason = view.reason().filter(|_| crashed);
        if let Some(reason) = &reason {
            self.reasons.add(reason);
        }
        let name = cut(&view.actor().unwrap_or_default()).to_owned();
        if self.actors.len() == NAMES && !self.actors.contains_key(&name) {
            self.unnamed_actors += 1;
            return;
        }
        let life = self.actors.entry(name).or_default();
        let time = view.number("timestamp");
        life.last = time.or(life.last);
        if let Some(reason) = reason {
            life.reason = cut(&reason).to_owned();
        }
        if crashed {
            life.crashes += 1;
            return;
        }
        life.restarts += 1;
        life.restarted(time);
    }

    /// What was counted up to now.
    pub fn told(&self) -> Ranked {
        let mut actors: Vec<(&String, &Life)> = self.actors.iter().collect();
        actors.sort_by(|(a, one), (b, other)| {
            (other.crashes, other.restarts).cmp(&(one.crashes, one.restarts)).then_with(|| a.cmp(b))
        });
        let told = |(name, life): &(&String, &Life)| Actor {
            name: (*name).clone(),
            crashes: life.crashes,
            restarts: life.restarts,
            last: life.last,
            reason: life.reason.clone(),
            storms: life.storms,
        };
        Ranked {
            actors: actors.iter().take(TOLD).map(told).collect(),
            actor_count: actors.len(),
            beyond: self.unnamed_actors,
            targets: self.targets.told(),
            messages: self.messages.told(),
            reasons: self.reasons.told(),
            events: self.events.told(),
        }
    }
}

impl Life {
    /// A storm goes on while the last five restarts lie within a minute, and counts once.
    fn restarted(&mut self, time: Option<f64>) {
        let Some(time) = time else { return };
        self.recent.push_back(time);
        if self.recent.len() > STORM {
            self.recent.pop_front();
        }
        let span = self.recent.front().map_or(f64::INFINITY, |first| time - first);
        // A clock that was set back begins anew.
        let is_storm = self.recent.len() == STORM && (0.0..=WITHIN).contains(&span);
        self.storms += u64::from(is_storm && !self.storming);
        self.storming = is_storm;
    }
}

impl Counts {
    fn add(&mut self, name: &str) {
        let name = cut(name);
        if let Some(count) = self.names.get_mut(name) {
            *count += 1;
        } else if self.names.len() < NAMES {
            self.names.insert(name.to_owned(), 1);
        } else {
            self.beyond += 1;
        }
    }

    fn told(&self) -> Names {
        let mut names: Vec<(&String, &u64)> = self.names.iter().collect();
        names.sort_by(|(a, one), (b, other)| other.cmp(one).then_with(|| a.cmp(b)));
        let told = names.iter().take(TOLD).map(|(name, count)| ((*name).clone(), **count)).collect();
        Names { names: told, count: names.len(), beyond: self.beyond }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LENGTH)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::browse::kind_of;

    fn ranked(lines: impl IntoIterator<Item = String>) -> Ranked {
        let mut ranking = Ranking::default();
        for line in lines {
            let view = View::of(line.as_bytes());
            ranking.record(kind_of(&view), &view);
        }
        ranking.told()
    }

    fn event(actor: &str, what: &str, time: f64) -> String {
        format!(
            r#"{{"kind": "event", "event_type": "{what}", "actor_address": "{actor}", "payload": {{"reason": "why {actor}"}}, "timestamp": {time}}}"#
        )
    }

    #[test]
    fn actors_are_ranked_by_their_crashes_and_storms_are_counted_once() {
        let mut lines =
            vec![event("b", "ActorCrashed", 1.0), event("b", "ActorCrashed", 2.0), event("c", "ActorCrashed", 9.0)];
        // Two storms of seven restarts, and as many restarts that are no storm.
        lines.extend((0..7).map(|n| event("a", "ActorRestarted", f64::from(n))));
        lines.extend((0..7).map(|n| event("a", "ActorRestarted", 1000.0 + f64::from(n))));
        lines.extend((0..14).map(|n| event("c", "ActorRestarted", 100.0 * f64::from(n))));
        let ranked = ranked(lines);
        let facts: Vec<_> =
            ranked.actors.iter().map(|a| (&*a.name, a.crashes, a.restarts, a.storms, &*a.reason)).collect();
        assert_eq!(facts, [("b", 2, 0, 0, "why b"), ("c", 1, 14, 0, "why c"), ("a", 0, 14, 2, "")]);
        assert_eq!(ranked.events.names, [("ActorRestarted".into(), 28), ("ActorCrashed".into(), 3)]);
        assert_eq!(ranked.reasons.names, [("why b".into(), 2), ("why c".into(), 1)]);
    }

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let letter =
            |n: usize| format!(r#"{{"kind": "dead_letter", "target": "t:{n}", "message_type": "Pay", "payload": 1}}"#);
        let ranked = ranked((0..NAMES + 7).map(letter));
        assert_eq!((ranked.targets.count, ranked.targets.beyond, ranked.targets.names.len()), (NAMES, 7, TOLD));
        assert_eq!(ranked.messages.names, [("Pay".into(), NAMES as u64 + 7)]);
        assert_eq!(ranked.reasons.count, 0);
    }
}
