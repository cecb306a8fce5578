//! The comparison on its way: records of both histories come in, and it says of which one it needs more.

use std::collections::{HashMap, HashSet, VecDeque};

use super::difference::{Change, Counts, Difference, Hash, Item, Kind, WINDOW};

/// How many differing records are kept to be told apart; beyond that they are only counted.
const KEPT: usize = 1 << 16;

/// The first and the last stretch that is searched for where two histories go on together.
const SEARCHES: [usize; 5] = [1 << 5, 1 << 8, 1 << 11, 1 << 14, WINDOW];

/// How many records in a row must agree where the older history is entered.
const AGREEING: usize = 8;

/// One of the two histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The older one.
    Old,
    /// The newer one.
    New,
}

/// Two histories under comparison. As long as more is [`wanted`](Comparison::wanted) of one, its records are pushed, in
/// any portions, or it is ended.
pub struct Comparison<P> {
    old: Feed<P>,
    new: Feed<P>,
    stage: Stage<P>,
    recent: Recent<P>,
    /// The last records that have left at the front.
    front: HashSet<Hash>,
    events: Vec<Event<P>>,
    /// What differs beyond the events that are kept.
    beyond: Counts,
    common: u64,
    left: u64,
    added: u64,
}

/// How far the comparison is, and what it keeps while it waits for records.
enum Stage<P> {
    /// Looks for where the newer history begins in the older one.
    Entering {
        places: Option<HashMap<Hash, usize>>,
        passed: VecDeque<Item<P>>,
    },
    /// Goes through both; so many of the searches for where they go on together were in vain.
    Walking {
        searched: usize,
    },
    /// Passes over a long stretch that is gone, up to a record that stands here in the newer history.
    Skipping {
        places: HashMap<Hash, usize>,
    },
    /// Only one of the two has records left.
    Ending {
        missing: Option<HashSet<Hash>>,
    },
    Over,
}

/// More records of this history are needed to go on.
struct Short(Side);

impl<P: Clone> Default for Comparison<P> {
    fn default() -> Self {
        Comparison::new()
    }
}

impl<P: Clone> Comparison<P> {
    /// Nothing is known of either history.
    pub fn new() -> Comparison<P> {
        Comparison {
            old: Feed::new(Side::Old),
            new: Feed::new(Side::New),
            stage: Stage::Entering { places: None, passed: VecDeque::new() },
            recent: Recent { order: VecDeque::new(), places: HashMap::new() },
            front: HashSet::new(),
            events: Vec::new(),
            beyond: Counts::default(),
            common: 0,
            left: 0,
            added: 0,
        }
    }

    /// The next record of a history.
    pub fn push(&mut self, side: Side, item: Item<P>) {
        self.feed(side).waiting.push_back(item);
    }

    /// A history has no more records.
    pub fn end(&mut self, side: Side) {
        self.feed(side).closed = true;
    }

    fn feed(&mut self, side: Side) -> &mut Feed<P> {
        match side {
            Side::Old => &mut self.old,
            Side::New => &mut self.new,
        }
    }

    /// Goes on as far as the records at hand allow; of which history more are needed. `None`: both were seen to their
    /// end.
    pub fn wanted(&mut self) -> Option<Side> {
        loop {
            let mut stage = std::mem::replace(&mut self.stage, Stage::Over);
            let went = match &mut stage {
                Stage::Entering { places, passed } => self.enter(places, passed),
                Stage::Walking { searched } => self.walk(searched),
                Stage::Skipping { places } => self.skip(places),
                Stage::Ending { missing } => self.rest(missing),
                Stage::Over => return None,
            };
            match went {
                Ok(next) => self.stage = next,
                Err(Short(side)) => {
                    self.stage = stage;
                    return Some(side);
                }
            }
        }
    }

    /// Passes over what has left at the front: finds where the newer history begins in the older one.
    fn enter(
        &mut self,
        places: &mut Option<HashMap<Hash, usize>>,
        passed: &mut VecDeque<Item<P>>,
    ) -> Result<Stage<P>, Short> {
        self.new.fill(WINDOW)?;
        let places = &*places.get_or_insert_with(|| first_places(self.new.ahead.iter().take(WINDOW)));
        loop {
            self.old.fill(AGREEING)?;
            let Some(hash) = self.old.hash(0) else { break };
            if let Some(at) = places.get(hash).copied() {
                let (on, skipped) = if at == 0 && self.agree(0, 0, AGREEING) { (0, 0) } else { self.entry(places)? };
                for _ in 0..on {
                    passed.extend(self.old.take());
                }
                // What the newer history has before that stands where the last records of the older one stood.
                let instead = skipped.min(passed.len());
                self.left += (passed.len() - instead) as u64;
                let mut replaced = passed.split_off(passed.len() - instead);
                // One that comes again has not left.
                for item in passed.drain(..) {
                    self.front.insert(item.hash);
                    self.recent.pass(item);
                }
                for _ in 0..skipped {
                    let new = self.new.take();
                    self.differ(replaced.pop_front(), new);
                }
                return Ok(Stage::Walking { searched: 0 });
            }
            passed.extend(self.old.take());
            if passed.len() > WINDOW {
                passed.pop_front();
                self.left += 1;
            }
        }
        self.left += passed.len() as u64;
        Ok(Stage::Walking { searched: 0 })
    }

    /// Where the newer history begins in the older one, if not at once or not with its first record: how many records
    /// further on, and with which of its records. That is where the fewest records differ nearby.
    fn entry(&mut self, places: &HashMap<Hash, usize>) -> Result<(usize, usize), Short> {
        self.old.fill(WINDOW)?;
        let mut best = (usize::MAX, 0, 0);
        for on in 0..self.old.ahead.len() {
            let Some(at) = self.old.hash(on).and_then(|hash| places.get(hash)).copied() else { continue };
            if at < best.0 {
                best = best.min((at + self.differing(on, at), at, on));
            }
        }
        Ok((best.2, best.1))
    }

    /// How many records are passed over at the first difference from there on; 0 when there is none nearby.
    fn differing(&self, old: usize, new: usize) -> usize {
        let Some(run) = (0..AGREEING).find(|run| !self.agree(old + run, new + run, 1)) else { return 0 };
        let nearby = (0..2 * AGREEING).flat_map(|x| (0..2 * AGREEING).map(move |y| (x, y)));
        let same = nearby.filter(|(x, y)| {
            let (old, new) = (self.old.hash(old + run + x), self.new.hash(new + run + y));
            old.is_some() && old == new
        });
        same.map(|(x, y)| x + y).min().unwrap_or(4 * AGREEING)
    }

    /// Whether so many records in a row are the same from there on, as far as both are at hand.
    fn agree(&self, old: usize, new: usize, count: usize) -> bool {
        (0..count).all(|i| match (self.old.hash(old + i), self.new.hash(new + i)) {
            (Some(old), Some(new)) => old == new,
            _ => true,
        })
    }

    /// Goes through both as long as both have records.
    fn walk(&mut self, searched: &mut usize) -> Result<Stage<P>, Short> {
        loop {
            self.old.fill(1)?;
            self.new.fill(1)?;
            let (Some(old), Some(new)) = (self.old.hash(0), self.new.hash(0)) else {
                return Ok(Stage::Ending { missing: None });
            };
            if old == new {
                self.common += 1;
                self.new.take();
                if let Some(item) = self.old.take() {
                    self.recent.pass(item);
                }
            } else if self.resume(searched)? {
                *searched = 0;
            } else {
                // A long stretch is gone: what follows it is at hand.
                return Ok(Stage::Skipping { places: first_places(self.new.ahead.iter().take(WINDOW)) });
            }
        }
    }

    /// Passes over a difference: to where the two go on together, with as few records passed over as can be. `false`:
    /// that is nowhere near.
    fn resume(&mut self, searched: &mut usize) -> Result<bool, Short> {
        while let Some(width) = SEARCHES.get(*searched).copied() {
            self.old.fill(width)?;
            self.new.fill(width)?;
            let places = first_places(self.new.ahead.iter().take(width));
            // Where more than one record agrees, it is no accident.
            let mut best: Option<(bool, usize, usize)> = None;
            for old in 0..self.old.ahead.len().min(width) {
                if best.is_some_and(|(sure, x, y)| sure && x + y <= old) {
                    break;
                }
                let Some(new) = self.old.hash(old).and_then(|hash| places.get(hash)).copied() else { continue };
                let sure = old == new || self.agree(old, new, 2);
                let is_better = best.is_none_or(|(was, x, y)| if sure == was { old + new < x + y } else { sure });
                if is_better {
                    best = Some((sure, old, new));
                }
            }
            if let Some((_, old, new)) = best {
                self.pass_over(old, new);
                return Ok(true);
            }
            if self.old.ended && self.new.ended && self.old.ahead.len() <= width && self.new.ahead.len() <= width {
                break;
            }
            *searched += 1;
        }
        if self.old.ended && self.old.ahead.len() <= WINDOW {
            // Nothing of the older history comes any more: what is left of it was replaced, or is gone.
            let (old, new) = (self.old.ahead.len(), self.new.ahead.len());
            self.pass_over(old, old.min(new));
            return Ok(true);
        }
        Ok(false)
    }

    /// Passes over what is gone up to where the two go on together.
    fn skip(&mut self, places: &HashMap<Hash, usize>) -> Result<Stage<P>, Short> {
        loop {
            self.old.fill(1)?;
            match self.old.hash(0).map(|hash| places.get(hash)) {
                Some(None) => self.pass_over(1, 0),
                found => {
                    self.pass_over(0, found.flatten().copied().unwrap_or_default());
                    return Ok(Stage::Walking { searched: 0 });
                }
            }
        }
    }

    /// Passes over so many records of each.
    fn pass_over(&mut self, old: usize, new: usize) {
        for i in 0..old.max(new) {
            let old = if i < old { self.old.take() } else { None };
            let new = if i < new { self.new.take() } else { None };
            self.differ(old, new);
        }
    }

    /// What only one of the two has is left: records that were added, or that are gone at the end.
    fn rest(&mut self, missing: &mut Option<HashSet<Hash>>) -> Result<Stage<P>, Short> {
        // Without anything in common the older history has left as a whole, or is another.
        loop {
            self.old.fill(1)?;
            let Some(item) = self.old.take() else { break };
            self.differ(Some(item), None);
        }
        let missing = missing
            .get_or_insert_with(|| self.events.iter().filter_map(|event| Some(event.old.as_ref()?.hash)).collect());
        loop {
            self.new.fill(1)?;
            let Some(item) = self.new.take() else { return Ok(Stage::Over) };
            if missing.contains(&item.hash) || self.recent.places.contains_key(&item.hash) {
                self.differ(None, Some(item));
            } else {
                self.added += 1;
            }
        }
    }

    fn differ(&mut self, old: Option<Item<P>>, new: Option<Item<P>>) {
        let again = new.as_ref().and_then(|item| Some(self.recent.places.get(&item.hash)?.0.clone()));
        if let Some(old) = &old {
            self.recent.pass(old.clone());
        }
        if self.events.len() < KEPT {
            self.events.push(Event { old, new, again });
            return;
        }
        match (old, new) {
            (Some(_), Some(_)) => self.beyond.changed += 1,
            (Some(_), None) => self.beyond.gone += 1,
            (None, _) => self.beyond.inserted += 1,
        }
    }

    /// What was found, of which at most `most` changes are listed. It tells apart what happened: a record that is
    /// missing at one place and there at another was moved.
    pub fn finish(self, most: usize) -> Difference<P> {
        let mut missing: HashMap<Hash, Vec<usize>> = HashMap::new();
        for (number, event) in self.events.iter().enumerate().rev() {
            if let Some(old) = &event.old {
                missing.entry(old.hash).or_default().push(number);
            }
        }
        let mut moved_from = vec![false; self.events.len()];
        let mut moved_to: Vec<Option<usize>> = vec![None; self.events.len()];
        for (number, event) in self.events.iter().enumerate() {
            let from = event.new.as_ref().and_then(|new| missing.get_mut(&new.hash)?.pop());
            if let Some(from) = from {
                moved_from[from] = true;
                moved_to[number] = Some(from);
            }
        }
        let place = |item: &Option<Item<P>>| item.as_ref().map(|item| item.at.clone());
        let (mut counts, mut changes, mut left) = (self.beyond, Vec::new(), self.left);
        let mut front = self.front;
        for (number, event) in self.events.iter().enumerate() {
            let old = place(&event.old).filter(|_| !moved_from[number]);
            let mut new = place(&event.new);
            let mut tell = |kind: Kind, old: Option<P>, new: Option<P>| {
                *counts.of(kind) += 1;
                if changes.len() < most {
                    changes.push(Change { kind, old, new });
                }
            };
            if let Some(from) = moved_to[number] {
                tell(Kind::Moved, place(&self.events[from].old), new.take());
            } else if let Some(again) = event.again.clone().filter(|_| new.is_some()) {
                let has_moved = event.new.as_ref().is_some_and(|item| front.remove(&item.hash));
                left -= u64::from(has_moved);
                tell(if has_moved { Kind::Moved } else { Kind::Doubled }, Some(again), new.take());
            }
            match (old, new) {
                (Some(old), Some(new)) => tell(Kind::Changed, Some(old), Some(new)),
                (Some(old), None) => tell(Kind::Gone, Some(old), None),
                (None, Some(new)) => tell(Kind::Inserted, None, Some(new)),
                (None, None) => {}
            }
        }
        Difference {
            old: self.old.taken,
            new: self.new.taken,
            common: self.common,
            left,
            added: self.added,
            counts,
            changes,
        }
    }
}

/// The records of a history that are looked at.
struct Feed<P> {
    side: Side,
    /// Pushed, and not come to yet.
    waiting: VecDeque<Item<P>>,
    closed: bool,
    ahead: VecDeque<Item<P>>,
    ended: bool,
    taken: u64,
}

impl<P> Feed<P> {
    fn new(side: Side) -> Feed<P> {
        Feed { side, waiting: VecDeque::new(), closed: false, ahead: VecDeque::new(), ended: false, taken: 0 }
    }

    /// Has so many records at hand, as far as there are; never more because more were pushed.
    fn fill(&mut self, count: usize) -> Result<(), Short> {
        while !self.ended && self.ahead.len() < count {
            match self.waiting.pop_front() {
                Some(item) => self.ahead.push_back(item),
                None if self.closed => self.ended = true,
                None => return Err(Short(self.side)),
            }
        }
        Ok(())
    }

    fn take(&mut self) -> Option<Item<P>> {
        let item = self.ahead.pop_front()?;
        self.taken += 1;
        Some(item)
    }

    fn hash(&self, at: usize) -> Option<&Hash> {
        self.ahead.get(at).map(|item| &item.hash)
    }
}

/// The records of the older history that were passed last.
struct Recent<P> {
    order: VecDeque<Hash>,
    places: HashMap<Hash, (P, usize)>,
}

impl<P> Recent<P> {
    fn pass(&mut self, item: Item<P>) {
        if self.order.len() == WINDOW
            && let Some(oldest) = self.order.pop_front()
            && let Some((_, count)) = self.places.get_mut(&oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.places.remove(&oldest);
            }
        }
        self.order.push_back(item.hash);
        self.places.entry(item.hash).or_insert((item.at, 0)).1 += 1;
    }
}

/// A place where the two differ: a record of either, or one of each that stand at the same place.
struct Event<P> {
    old: Option<Item<P>>,
    new: Option<Item<P>>,
    /// Where the new record stands in the older history, should it be one that was passed already.
    again: Option<P>,
}

/// Where each record comes first.
fn first_places<'a, P: 'a>(items: impl Iterator<Item = &'a Item<P>>) -> HashMap<Hash, usize> {
    let mut places = HashMap::new();
    for (at, item) in items.enumerate() {
        places.entry(item.hash).or_insert(at);
    }
    places
}
