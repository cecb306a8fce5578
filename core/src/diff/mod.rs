//! Did a history change? Two histories, record by record: one that is only ever appended to may grow at its end and, by
//! retention, shrink at its front, and in between nothing may be gone, changed, doubled, moved or put in.
//!
//! Linear in time, and bounded in memory however long the histories are: after a difference the two are brought
//! together again within [`WINDOW`] records; when more than that was put in at one place, what follows is told as gone
//! and put in again. Whoever has the records hashes them and says where they stand; how they come does not change what
//! is found.

mod comparison;
mod difference;
mod report;

pub use comparison::{Comparison, Side};
pub use difference::{Change, Counts, Difference, Hash, Item, Kind, WINDOW};
pub use report::{Diff, LogDiff, RecordPlace, Spot, holds_streams, left_out, pairs};

/// Compares two histories, whose records `old` and `new` give one after the other. At most `most` changes are listed.
pub fn compare<P: Clone, E>(
    mut old: impl FnMut() -> Result<Option<Item<P>>, E>,
    mut new: impl FnMut() -> Result<Option<Item<P>>, E>,
    most: usize,
) -> Result<Difference<P>, E> {
    let mut comparison = Comparison::new();
    while let Some(side) = comparison.wanted() {
        let next = match side {
            Side::Old => old()?,
            Side::New => new()?,
        };
        match next {
            Some(item) => comparison.push(side, item),
            None => comparison.end(side),
        }
    }
    Ok(comparison.finish(most))
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
        fn however_the_records_come_the_same_is_found(
            old in prop::collection::vec(0_u32..300, 0..400),
            new in prop::collection::vec(0_u32..300, 0..400),
            portions in prop::collection::vec(1_usize..90, 1..9),
        ) {
            let mut sides = [old.iter(), new.iter()]
                .map(|ids| ids.enumerate().map(|(at, id)| Item { hash: hash(*id), at }));
            let mut comparison = Comparison::new();
            let mut turn = portions.iter().cycle();
            while let Some(side) = comparison.wanted() {
                let feed = &mut sides[side as usize];
                let before = feed.len();
                feed.take(*turn.next().unwrap_or(&1)).for_each(|item| comparison.push(side, item));
                if before == 0 {
                    comparison.end(side);
                }
            }
            prop_assert_eq!(comparison.finish(1000), diff(&old, &new));
        }

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
