//! Did a history change? Two histories, record by record: one that is only ever appended to may grow at its end and, by
//! retention, shrink at its front, and in between nothing may be gone, changed, doubled, moved or put in.
//!
//! Linear in time, and bounded in memory however long the histories are: after a difference the two are brought together
//! again within [`WINDOW`] records; when more than that was put in at one place, what follows is told as gone and put in
//! again. Whoever has the records hashes them and says where they stand.

use std::collections::{HashMap, HashSet, VecDeque};

use serde::Serialize;

/// How many records of each history are looked at at a time, and how far back a doubled record is known.
pub const WINDOW: usize = 1 << 16;

/// How many differing records are kept to be told apart; beyond that they are only counted.
const KEPT: usize = 1 << 16;

/// The first and the last stretch that is searched for where two histories go on together.
const SEARCHES: [usize; 5] = [1 << 5, 1 << 8, 1 << 11, 1 << 14, WINDOW];

/// How many records in a row must agree where the older history is entered.
const AGREEING: usize = 8;

/// The SHA-256 of a record's bytes.
pub type Hash = [u8; 32];

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<P> {
    /// What it is.
    pub hash: Hash,
    /// Where it stands.
    pub at: P,
}

/// What happened to a record.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is not in the newer history.
    Gone,
    /// Another record is in its place.
    Changed,
    /// It is there once more.
    Doubled,
    /// It is at another place.
    Moved,
    /// A record that the older history does not have stands between records that it has.
    Inserted,
}

/// A difference that an append-only history cannot have.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<P> {
    /// What happened.
    pub kind: Kind,
    /// Where the record stands in the older history; none of one that was put in.
    pub old: Option<P>,
    /// Where it, or what is in its place, stands in the newer one; none of one that is gone.
    pub new: Option<P>,
}

/// How many records each thing happened to.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Gone.
    pub gone: u64,
    /// Changed.
    pub changed: u64,
    /// Doubled.
    pub doubled: u64,
    /// Moved.
    pub moved: u64,
    /// Put in.
    pub inserted: u64,
}

/// What a comparison found.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference<P> {
    /// Records in the older history.
    pub old: u64,
    /// Records in the newer one.
    pub new: u64,
    /// Records that both have, in the same order.
    pub common: u64,
    /// Records that have left at the front.
    pub left: u64,
    /// Records that were added at the end.
    pub added: u64,
    /// How many differ otherwise.
    pub counts: Counts,
    /// Those that differ, as far as they are listed.
    pub changes: Vec<Change<P>>,
}

impl<P> Difference<P> {
    /// Whether the newer history is the older one, grown at its end and shrunk at its front. Where both hold records and
    /// none of them is the same, nothing shows that they are of one history.
    pub fn is_append_only(&self) -> bool {
        self.counts == Counts::default() && (self.common > 0 || self.old == 0)
    }
}

/// Compares two histories, whose records `old` and `new` give one after the other. At most `most` changes are listed.
pub fn compare<P: Clone, E>(
    old: impl FnMut() -> Result<Option<Item<P>>, E>,
    new: impl FnMut() -> Result<Option<Item<P>>, E>,
    most: usize,
) -> Result<Difference<P>, E> {
    let mut comparison = Comparison {
        old: Feed::new(old),
        new: Feed::new(new),
        recent: Recent { order: VecDeque::new(), places: HashMap::new() },
        front: HashSet::new(),
        events: Vec::new(),
        beyond: Counts::default(),
        common: 0,
        left: 0,
        added: 0,
    };
    comparison.enter()?;
    comparison.walk()?;
    comparison.rest()?;
    Ok(comparison.finish(most))
}

/// The records of a history that are looked at.
struct Feed<F, P> {
    next: F,
    ahead: VecDeque<Item<P>>,
    ended: bool,
    taken: u64,
}

impl<P, E, F: FnMut() -> Result<Option<Item<P>>, E>> Feed<F, P> {
    fn new(next: F) -> Feed<F, P> {
        Feed { next, ahead: VecDeque::new(), ended: false, taken: 0 }
    }

    /// Has so many records at hand, as far as there are.
    fn fill(&mut self, count: usize) -> Result<(), E> {
        while !self.ended && self.ahead.len() < count {
            match (self.next)()? {
                Some(item) => self.ahead.push_back(item),
                None => self.ended = true,
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

struct Comparison<F, G, P> {
    old: Feed<F, P>,
    new: Feed<G, P>,
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

impl<P, E, F, G> Comparison<F, G, P>
where
    P: Clone,
    F: FnMut() -> Result<Option<Item<P>>, E>,
    G: FnMut() -> Result<Option<Item<P>>, E>,
{
    /// Passes over what has left at the front: finds where the newer history begins in the older one.
    fn enter(&mut self) -> Result<(), E> {
        self.new.fill(WINDOW)?;
        let places = first_places(self.new.ahead.iter().take(WINDOW));
        let mut passed: VecDeque<Item<P>> = VecDeque::new();
        loop {
            self.old.fill(AGREEING)?;
            let Some(hash) = self.old.hash(0) else { break };
            if let Some(at) = places.get(hash).copied() {
                let (on, skipped) = if at == 0 && self.agree(0, 0, AGREEING) { (0, 0) } else { self.entry(&places)? };
                for _ in 0..on {
                    passed.extend(self.old.take());
                }
                // What the newer history has before that stands where the last records of the older one stood.
                let instead = skipped.min(passed.len());
                self.left += (passed.len() - instead) as u64;
                let mut replaced = passed.split_off(passed.len() - instead);
                // One that comes again has not left.
                for item in passed {
                    self.front.insert(item.hash);
                    self.recent.pass(item);
                }
                for _ in 0..skipped {
                    let new = self.new.take();
                    self.differ(replaced.pop_front(), new);
                }
                return Ok(());
            }
            passed.extend(self.old.take());
            if passed.len() > WINDOW {
                passed.pop_front();
                self.left += 1;
            }
        }
        self.left += passed.len() as u64;
        Ok(())
    }

    /// Where the newer history begins in the older one, if not at once or not with its first record: how many records
    /// further on, and with which of its records. That is where the fewest records differ nearby.
    fn entry(&mut self, places: &HashMap<Hash, usize>) -> Result<(usize, usize), E> {
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
    fn walk(&mut self) -> Result<(), E> {
        loop {
            self.old.fill(1)?;
            self.new.fill(1)?;
            match (self.old.hash(0), self.new.hash(0)) {
                (Some(old), Some(new)) if old == new => {
                    self.common += 1;
                    self.new.take();
                    if let Some(item) = self.old.take() {
                        self.recent.pass(item);
                    }
                }
                (Some(_), Some(_)) => self.resume()?,
                _ => return Ok(()),
            }
        }
    }

    /// Passes over a difference: to where the two go on together, with as few records passed over as can be.
    fn resume(&mut self) -> Result<(), E> {
        for width in SEARCHES {
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
                return Ok(());
            }
            if self.old.ended && self.new.ended && self.old.ahead.len() <= width && self.new.ahead.len() <= width {
                break;
            }
        }
        if self.old.ended && self.old.ahead.len() <= WINDOW {
            // Nothing of the older history comes any more: what is left of it was replaced, or is gone.
            let (old, new) = (self.old.ahead.len(), self.new.ahead.len());
            self.pass_over(old, old.min(new));
            return Ok(());
        }
        // A long stretch is gone: what follows it is at hand.
        let places = first_places(self.new.ahead.iter().take(WINDOW));
        loop {
            self.old.fill(1)?;
            match self.old.hash(0).map(|hash| places.get(hash)) {
                None => return Ok(()),
                Some(Some(new)) => {
                    self.pass_over(0, *new);
                    return Ok(());
                }
                Some(None) => self.pass_over(1, 0),
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
    fn rest(&mut self) -> Result<(), E> {
        // Without anything in common the older history has left as a whole, or is another.
        loop {
            self.old.fill(1)?;
            let Some(item) = self.old.take() else { break };
            self.differ(Some(item), None);
        }
        let missing: HashSet<Hash> = self.events.iter().filter_map(|event| Some(event.old.as_ref()?.hash)).collect();
        loop {
            self.new.fill(1)?;
            let Some(item) = self.new.take() else { return Ok(()) };
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

    /// Tells apart what happened: a record that is missing at one place and there at another was moved.
    fn finish(self, most: usize) -> Difference<P> {
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

impl Counts {
    fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Gone => &mut self.gone,
            Kind::Changed => &mut self.changed,
            Kind::Doubled => &mut self.doubled,
            Kind::Moved => &mut self.moved,
            Kind::Inserted => &mut self.inserted,
        }
    }
}

/// Where each record comes first.
fn first_places<'a, P: 'a>(items: impl Iterator<Item = &'a Item<P>>) -> HashMap<Hash, usize> {
    let mut places = HashMap::new();
    for (at, item) in items.enumerate() {
        places.entry(item.hash).or_insert(at);
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hash(id: u32) -> Hash {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&id.to_le_bytes());
        hash
    }

    fn diff(old: &[u32], new: &[u32]) -> Difference<usize> {
        let feed = |ids: &[u32]| {
            let items: Vec<Item<usize>> = ids.iter().enumerate().map(|(at, id)| Item { hash: hash(*id), at }).collect();
            let mut items = items.into_iter();
            move || Ok::<_, ()>(items.next())
        };
        compare(feed(old), feed(new), 1000).expect("nothing fails")
    }

    fn range(from: u32, to: u32) -> Vec<u32> {
        (from..to).collect()
    }

    #[test]
    fn what_grew_at_its_end_and_shrank_at_its_front_has_not_changed() {
        for (old, new, left, common, added) in [
            (0..0, 0..0, 0, 0, 0),
            (0..0, 0..5, 0, 0, 5),
            (0..5, 0..5, 0, 5, 0),
            (0..5, 3..9, 3, 2, 4),
            (0..5, 4..5, 4, 1, 0),
            (0..300_000, 200_000..300_010, 200_000, 100_000, 10),
        ] {
            let found = diff(&range(old.start, old.end), &range(new.start, new.end));
            assert!(found.is_append_only(), "{old:?} {new:?}");
            assert_eq!((found.left, found.common, found.added), (left, common, added), "{old:?} {new:?}");
        }
    }

    #[test]
    fn histories_with_nothing_in_common_are_not_one() {
        for (old, new) in [(range(0, 5), range(5, 9)), (range(0, 5), vec![])] {
            assert!(!diff(&old, &new).is_append_only());
        }
    }

    #[test]
    fn each_edit_is_named_wherever_it_is() {
        let len = 200_u32;
        for at in 1..len as usize - 1 {
            let old = range(0, len);
            let one = |kind, old, new| Change { kind, old, new };
            let mut gone = range(0, len + 9);
            gone.remove(at);
            assert_eq!(diff(&old, &gone).changes, [one(Kind::Gone, Some(at), None)]);
            let mut changed = range(0, len + 9);
            changed[at] = 9999;
            assert_eq!(diff(&old, &changed).changes, [one(Kind::Changed, Some(at), Some(at))]);
            let mut doubled = range(0, len + 9);
            doubled.insert(at + 1, at as u32);
            assert_eq!(diff(&old, &doubled).changes, [one(Kind::Doubled, Some(at), Some(at + 1))]);
            let mut again = range(0, len + 9);
            again.push(at as u32);
            assert_eq!(diff(&old, &again).changes, [one(Kind::Doubled, Some(at), Some(len as usize + 9))]);
            let mut put_in = range(0, len + 9);
            put_in.insert(at, 9999);
            assert_eq!(diff(&old, &put_in).changes, [one(Kind::Inserted, None, Some(at))]);
            let mut moved = range(0, len + 9);
            let id = moved.remove(at);
            moved.push(id);
            assert_eq!(diff(&old, &moved).changes, [one(Kind::Moved, Some(at), Some(len as usize + 8))]);
        }
    }

    #[test]
    fn a_record_that_left_at_the_front_and_comes_again_was_moved() {
        let new: Vec<u32> = [28, 24, 25, 26, 27, 23, 1000].to_vec();
        let found = diff(&range(0, 29), &new);
        assert_eq!(found.counts, Counts { moved: 5, ..Counts::default() });
        assert_eq!((found.common, found.left, found.added), (1, 23, 1));
    }

    #[test]
    fn a_first_record_that_was_changed_is_no_record_that_has_left() {
        let mut new = range(3, 20);
        new[0] = 9999;
        let found = diff(&range(0, 10), &new);
        assert_eq!(found.changes, [Change { kind: Kind::Changed, old: Some(3), new: Some(0) }]);
        assert_eq!((found.left, found.common, found.added), (3, 6, 10));
    }

    #[test]
    fn a_long_stretch_that_is_gone_is_gone_and_nothing_else_is() {
        let new = [range(0, 1000), range(101_000, 300_000)].concat();
        let found = diff(&range(0, 200_000), &new);
        assert_eq!(found.counts, Counts { gone: 100_000, ..Counts::default() });
        assert_eq!((found.common, found.added, found.changes.len()), (100_000, 100_000, 1000));
        // As far as one looks, what was put in is found too.
        let put_in = [range(0, 1000), range(500_000, 560_000), range(1000, 300_000)].concat();
        assert_eq!(diff(&range(0, 200_000), &put_in).counts, Counts { inserted: 60_000, ..Counts::default() });
    }

    proptest! {
        #[test]
        fn only_a_suffix_with_new_records_behind_it_is_append_only(
            old in 1_usize..40,
            left in 0_usize..40,
            added in 0_usize..10,
            edits in prop::collection::vec((0_u8..4, any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        ) {
            let old = range(0, old as u32);
            let mut new = old[left.min(old.len() - 1)..].to_vec();
            new.extend(1000..1000 + added as u32);
            for (kind, at, to) in edits {
                if new.is_empty() {
                    break;
                }
                let (at, to) = (at.index(new.len()), to.index(new.len()));
                match kind {
                    0 => _ = new.remove(at),
                    1 => new[at] = 5000 + to as u32,
                    2 => new.insert(to, new[at]),
                    _ => new.swap(at, to),
                }
            }
            let expected = (0..old.len()).any(|from| {
                new.starts_with(&old[from..]) && new[old.len() - from..].iter().all(|id| !old.contains(id))
            });
            let found = diff(&old, &new);
            prop_assert_eq!(found.is_append_only(), expected, "{:?} {:?} {:?}", old, new, found);
            prop_assert_eq!(found.old, old.len() as u64);
            prop_assert_eq!(found.new, new.len() as u64);
        }
    }
}
