//! Packed values of keys that are no streams: the checks that a server makes on loading them, and no more.
//!
//! A server refuses a whole file for one value that fails them (redis `rdb.c`, `rdbLoadObject`, with `sanitize-dump-payload no`, the default: the
//! frame of a ziplist, listpack or intset is looked at, not what is in it).

/// How a value is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Ziplist,
    Listpack,
    Intset,
}

/// Would a server load this?
///
/// # Errors
/// What it would find wrong.
pub(crate) fn check(packing: Packing, bytes: &[u8]) -> Result<(), &'static str> {
    let number = |at: usize| bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    let size = bytes.len() as u64;
    let says_its_size = number(0).is_some_and(|total| u64::from(total) == size);
    match packing {
        // Total bytes, offset of the last element, count; elements; 0xFF (redis `ziplistValidateIntegrity`).
        Packing::Ziplist if bytes.len() < 11 => Err("a ziplist is shorter than its header"),
        Packing::Ziplist if !says_its_size => Err("a ziplist's declared size is not the real one"),
        Packing::Ziplist if bytes.last() != Some(&0xff) => Err("a ziplist's end mark is missing"),
        Packing::Ziplist if number(4).is_none_or(|tail| u64::from(tail) > size - 1) => {
            Err("a ziplist's last element lies outside of it")
        }
        // Total bytes, count; elements; 0xFF (redis `lpValidateIntegrity`).
        Packing::Listpack if bytes.len() < 7 => Err("a listpack is shorter than its header"),
        Packing::Listpack if !says_its_size => Err("a listpack's declared size is not the real one"),
        Packing::Listpack if bytes.last() != Some(&0xff) => Err("a listpack's end mark is missing"),
        // Bytes of a number, count; numbers (redis `intsetValidateIntegrity`).
        Packing::Intset => match (number(0), number(4)) {
            (Some(width @ (2 | 4 | 8)), Some(count @ 1..)) if 8 + u64::from(width) * u64::from(count) == size => Ok(()),
            _ => Err("an intset's declared size is not the real one"),
        },
        Packing::Ziplist | Packing::Listpack => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_looked_at_and_nothing_else() {
        let intset = [2, 0, 0, 0, 1, 0, 0, 0, 7, 0];
        let listpack = [8, 0, 0, 0, 1, 0, 99, 0xff];
        let ziplist = [12, 0, 0, 0, 10, 0, 0, 0, 1, 0, 99, 0xff];
        for (packing, sound) in
            [(Packing::Intset, &intset[..]), (Packing::Listpack, &listpack), (Packing::Ziplist, &ziplist)]
        {
            assert_eq!(check(packing, sound), Ok(()), "{packing:?}");
            for at in [0, sound.len() - 1] {
                let mut damaged = sound.to_vec();
                damaged[at] ^= 0x40;
                let is_number = packing == Packing::Intset && at > 0;
                assert_eq!(check(packing, &damaged).is_ok(), is_number, "{packing:?}, byte {at}");
            }
            for end in 0..sound.len() {
                assert!(check(packing, &sound[..end]).is_err(), "{packing:?}, {end} bytes");
            }
        }
    }
}
