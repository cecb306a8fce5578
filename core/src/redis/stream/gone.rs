//! Pending entries whose message is gone: told from the IDs of a stream's entries, which stand before its groups.
//!
//! The IDs are kept packed, as differences: two to four bytes for most.

use super::id::StreamId;

/// The IDs of a stream's entries, in their order.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    packed: Vec<u8>,
    last: StreamId,
}

impl Ids {
    /// Forgets all: another stream begins.
    pub(crate) fn clear(&mut self) {
        self.packed.clear();
        self.last = StreamId::MIN;
    }

    /// The next one.
    pub(crate) fn add(&mut self, id: StreamId) {
        push(&mut self.packed, id.ms.wrapping_sub(self.last.ms));
        push(&mut self.packed, id.seq.wrapping_sub(self.last.seq));
        self.last = id;
    }

    /// How many of the `pending` ones, which grow, are not among them, and the first of those.
    pub(crate) fn lack(&self, pending: impl Iterator<Item = StreamId>) -> (u64, Option<StreamId>) {
        let (mut rest, mut at) = (&self.packed[..], None);
        let (mut gone, mut first) = (0, None);
        for id in pending {
            while at.is_none_or(|at| at < id) {
                let Some((ms, seq)) = next(&mut rest).zip(next(&mut rest)) else { break };
                let before = at.unwrap_or(StreamId::MIN);
                at = Some(StreamId::new(before.ms.wrapping_add(ms), before.seq.wrapping_add(seq)));
            }
            if at != Some(id) {
                gone += 1;
                first.get_or_insert(id);
            }
        }
        (gone, first)
    }
}

/// Seven bits a byte, the lowest first; all but the last have the eighth set.
fn push(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn next(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_and_not_there() {
        let id = StreamId::new;
        let entries = [id(0, 1), id(5, u64::MAX), id(6, 0), id(6, 1), id(u64::MAX, 3), StreamId::MAX];
        let mut ids = Ids::default();
        entries.iter().for_each(|entry| ids.add(*entry));
        assert_eq!(ids.lack(entries.into_iter()), (0, None));
        assert_eq!(ids.lack([].into_iter()), (0, None));
        let pending = [StreamId::MIN, id(0, 1), id(5, 0), id(6, 1), id(7, 0), StreamId::MAX];
        assert_eq!(ids.lack(pending.into_iter()), (3, Some(StreamId::MIN)));
        assert_eq!(ids.lack(pending[4..].iter().copied()), (1, Some(id(7, 0))));
        ids.clear();
        assert_eq!(ids.lack(pending.into_iter()), (6, Some(StreamId::MIN)));
    }
}
