//! Packed values of keys that are no streams: the checks that a server makes on loading them, and no more.
//!
//! A server refuses a whole file for one value that fails them (redis `rdb.c`, `rdbLoadObject`, with
//! `sanitize-dump-payload no`, the default). Of a listpack or intset Redis looks at the frame, not at what is in it;
//! Valkey 9, which has no such setting any more, looks at every element. So do all of them since Redis 7.0 at ziplists
//! and zipmaps, which they turn into listpacks on loading.

use std::collections::HashSet;

use super::listpack::{Element, Elements};

/// How a value is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Ziplist,
    /// A ziplist of names that are all different, each with a value.
    ZiplistOfPairs,
    Zipmap,
    /// The frame of one.
    Listpack,
    /// All elements of one; every so many begin with a name, and these are all different. 0: there are no names.
    ListpackOf(usize),
    /// The frame of one.
    Intset,
    /// An intset in which each number is greater than the one before it.
    SortedIntset,
}

/// Would a server load this?
///
/// # Errors
/// What it would find wrong.
pub(crate) fn check(packing: Packing, bytes: &[u8]) -> Result<(), &'static str> {
    let number = |at: usize| u32_at(bytes, at);
    let size = bytes.len() as u64;
    let says_its_size = number(0).is_some_and(|total| u64::from(total) == size);
    match packing {
        Packing::Ziplist => ziplist(bytes, None),
        Packing::ZiplistOfPairs => ziplist(bytes, Some(&mut HashSet::new())),
        Packing::Zipmap => zipmap(bytes).ok_or("a zipmap's fields do not follow one another to its end"),
        // Total bytes, count; elements; 0xFF (redis `lpValidateIntegrity`).
        Packing::Listpack if bytes.len() < 7 => Err("a listpack is shorter than its header"),
        Packing::Listpack if !says_its_size => Err("a listpack's declared size is not the real one"),
        Packing::Listpack if bytes.last() != Some(&0xff) => Err("a listpack's end mark is missing"),
        Packing::Listpack => Ok(()),
        Packing::ListpackOf(names) => listpack(bytes, names),
        // Bytes of a number, count; numbers (redis `intsetValidateIntegrity`).
        Packing::Intset | Packing::SortedIntset => match (number(0), number(4)) {
            (Some(width @ (2 | 4 | 8)), Some(count @ 1..)) if 8 + u64::from(width) * u64::from(count) == size => {
                let number = |raw: &[u8]| integer(raw);
                let numbers = || bytes[8..].chunks_exact(width as usize).map(number);
                match packing == Packing::Intset || numbers().is_sorted_by(|a, b| a < b) {
                    true => Ok(()),
                    false => Err("an intset's numbers are out of order"),
                }
            }
            _ => Err("an intset's declared size is not the real one"),
        },
    }
}

/// All elements of a listpack (redis `lpValidateIntegrityAndDups`, deep).
fn listpack(bytes: &[u8], names: usize) -> Result<(), &'static str> {
    check(Packing::Listpack, bytes)?;
    let fault = "a listpack's elements do not follow one another to its end";
    let mut elements = Elements::new(bytes).map_err(|_| fault)?;
    let (mut seen, mut count) = (HashSet::new(), 0);
    while let Some(element) = elements.next().map_err(|_| fault)? {
        if names > 0 && count % names == 0 {
            let name = match element {
                Element::Bytes(name) => name.to_vec(),
                Element::Int(number) => number.to_string().into_bytes(),
            };
            if !seen.insert(name) {
                return Err("two fields in a listpack have one name");
            }
        }
        count += 1;
    }
    if names > 0 && count % names != 0 { Err("a field in a listpack has no value") } else { Ok(()) }
}

/// A number of so many bytes, the lowest first.
fn integer(raw: &[u8]) -> i64 {
    let mut wide = if raw.last().is_some_and(|byte| byte & 0x80 != 0) { [0xff; 8] } else { [0; 8] };
    wide.iter_mut().zip(raw).for_each(|(to, from)| *to = *from);
    i64::from_le_bytes(wide)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

/// Total bytes, offset of the last element, count; elements; 0xFF (redis `ziplistValidateIntegrity`, deep). `names`:
/// every other element is a name, and they are all different (redis `ziplistPairsConvertAndValidateIntegrity`).
fn ziplist(bytes: &[u8], mut names: Option<&mut HashSet<Vec<u8>>>) -> Result<(), &'static str> {
    const HEADER: usize = 10;
    let (Some(total), Some(tail), Some(count)) =
        (u32_at(bytes, 0), u32_at(bytes, 4), bytes.get(8..10).and_then(|count| count.first_chunk().copied()))
    else {
        return Err("a ziplist is shorter than its header");
    };
    let Some(end) = bytes.len().checked_sub(1).filter(|end| *end >= HEADER) else {
        return Err("a ziplist is shorter than its header");
    };
    if total as usize != bytes.len() {
        return Err("a ziplist's declared size is not the real one");
    }
    if bytes[end] != 0xff {
        return Err("a ziplist's end mark is missing");
    }
    if tail as usize > end {
        return Err("a ziplist's last element lies outside of it");
    }
    let (mut at, mut before, mut last, mut seen) = (HEADER, 0, None, 0_u64);
    while bytes[at] != 0xff {
        let (size, value) =
            element(bytes, at, end, before).ok_or("a ziplist's elements do not follow one another to its end")?;
        if let Some(names) = names.as_deref_mut().filter(|_| seen % 2 == 0)
            && !names.insert(value)
        {
            return Err("two fields in a ziplist have one name");
        }
        (last, before) = (Some(at), size);
        at += size;
        seen += 1;
    }
    let count = u16::from_le_bytes(count);
    if at != end || last.is_some_and(|last| last != tail as usize) {
        return Err("a ziplist's last element is not where it says");
    }
    if count != u16::MAX && u64::from(count) != seen {
        return Err("a ziplist's declared number of elements is not the real one");
    }
    if names.is_some() && seen % 2 != 0 {
        return Err("a field in a ziplist has no value");
    }
    Ok(())
}

/// The element at `at`: its size and its value as text. `before`: the size of the one before it, which it repeats
/// (redis `zipEntrySafe`).
fn element(bytes: &[u8], at: usize, end: usize, before: usize) -> Option<(usize, Vec<u8>)> {
    let inside = |to: usize| (to <= end).then_some(to);
    let encoding_at = inside(at + if bytes[at] < 254 { 1 } else { 5 })?;
    let repeated = if bytes[at] < 254 { usize::from(bytes[at]) } else { u32_at(bytes, at + 1)? as usize };
    let encoding = bytes[encoding_at];
    let head = match encoding {
        0..=0x3f => 1,
        0x40..=0x7f => 2,
        0x80..=0xbf => 5,
        _ => 1,
    };
    let value_at = inside(encoding_at + head)?;
    let length = match encoding {
        0..=0x3f => usize::from(encoding & 0x3f),
        0x40..=0x7f => usize::from(encoding & 0x3f) << 8 | usize::from(bytes[encoding_at + 1]),
        0x80..=0xbf => u32::from_be_bytes(*bytes.get(encoding_at + 1..)?.first_chunk()?) as usize,
        0xc0 => 2,
        0xd0 => 4,
        0xe0 => 8,
        0xf0 => 3,
        0xfe => 1,
        0xf1..=0xfd => 0,
        _ => return None,
    };
    let to = inside(value_at.checked_add(length)?)?;
    let raw = bytes.get(value_at..to)?;
    let value = match encoding {
        0xf1..=0xfd => (encoding - 0xf1).to_string().into_bytes(),
        0xc0..=0xfe => integer(raw).to_string().into_bytes(),
        _ => raw.to_vec(),
    };
    (repeated == before).then_some((to - at, value))
}

/// A count; names and values, each with its length, the values with room after them; 0xFF (redis
/// `zipmapValidateIntegrity`, deep).
fn zipmap(bytes: &[u8]) -> Option<()> {
    let end = bytes.len().checked_sub(1).filter(|end| *end >= 1 && bytes[*end] == 0xff)?;
    let mut names = HashSet::new();
    let mut at = 1;
    // Where it ends, and how long what follows is.
    let length = |at: usize| {
        let begin = at + if bytes[at] < 254 { 1 } else { 5 };
        let length = if bytes[at] < 254 { usize::from(bytes[at]) } else { u32_at(bytes, at + 1)? as usize };
        (begin <= end).then_some((begin, length))
    };
    while bytes[at] != 0xff {
        let (begin, name) = length(at)?;
        let value_at = begin.checked_add(name).filter(|to| *to <= end)?;
        let is_new = names.insert(bytes.get(begin..value_at)?);
        let (begin, value) = length(value_at)?;
        let room = usize::from(*bytes.get(begin)?);
        at = begin.checked_add(1)?.checked_add(value)?.checked_add(room).filter(|to| *to <= end)?;
        is_new.then_some(())?;
    }
    let is_counted = bytes[0] >= 254 || usize::from(bytes[0]) == names.len();
    (!names.is_empty() && is_counted).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elements of a ziplist, with the size of the one before each.
    fn packed(elements: &[&[u8]]) -> Vec<u8> {
        let (mut body, mut before, mut tail) = (Vec::new(), 0, 10);
        for element in elements {
            tail = 10 + body.len();
            body.push(before);
            body.extend_from_slice(element);
            before = element.len() as u8 + 1;
        }
        let total = (body.len() + 11) as u32;
        [&total.to_le_bytes()[..], &(tail as u32).to_le_bytes(), &(elements.len() as u16).to_le_bytes(), &body, &[0xff]]
            .concat()
    }

    #[test]
    fn ziplists_are_gone_through() {
        let elements: [&[u8]; 8] = [
            b"\x01a",
            b"\xf1",
            b"\x40\x02ab",
            b"\xfe\x80",
            b"\x80\0\0\0\x01c",
            b"\xc0\x01\x02",
            b"\xf0\x01\x02\xff",
            b"\xd0\0\0\0\0",
        ];
        assert_eq!(check(Packing::Ziplist, &packed(&elements)), Ok(()));
        assert_eq!(check(Packing::ZiplistOfPairs, &packed(&elements)), Ok(()));
        assert_eq!(check(Packing::Ziplist, &packed(&elements[..3])), Ok(()));
        assert!(check(Packing::ZiplistOfPairs, &packed(&elements[..3])).is_err(), "a name without a value");
        // -1 twice, written as one byte and as three.
        assert!(
            check(Packing::ZiplistOfPairs, &packed(&[b"\xfe\xff", b"\xf2", b"\xf0\xff\xff\xff", b"\xf2"])).is_err()
        );
        assert_eq!(check(Packing::Ziplist, &packed(&[])), Ok(()));
        assert!(check(Packing::Ziplist, &packed(&[b"\xff"])).is_err(), "no encoding");
        // Nothing panics, whatever stands there.
        let whole = packed(&elements);
        for at in 0..whole.len() {
            for byte in 0..=255 {
                let mut damaged = whole.clone();
                damaged[at] = byte;
                _ = check(Packing::ZiplistOfPairs, &damaged);
                _ = check(Packing::Zipmap, &damaged);
            }
        }
    }

    #[test]
    fn what_valkey_9_looks_at() {
        let listpack = |body: &[u8], count: u16| {
            [&((body.len() + 7) as u32).to_le_bytes()[..], &count.to_le_bytes(), body, &[0xff]].concat()
        };
        let (one, two) = (listpack(b"\x01\x01", 1), listpack(b"\x01\x01\x811\x02", 2));
        for (bytes, names, fits) in
            [(&one, 0, true), (&one, 1, true), (&one, 2, false), (&two, 2, true), (&two, 1, false), (&two, 0, true)]
        {
            assert_eq!(check(Packing::ListpackOf(names), bytes).is_ok(), fits, "{bytes:?}, {names}");
            assert_eq!(check(Packing::Listpack, bytes), Ok(()));
        }
        assert!(check(Packing::ListpackOf(0), &listpack(b"\x01\x02", 1)).is_err());
        let intset = |numbers: [i16; 3]| {
            let numbers = numbers.iter().flat_map(|number| number.to_le_bytes());
            [2, 0, 0, 0, 3, 0, 0, 0].into_iter().chain(numbers).collect::<Vec<u8>>()
        };
        assert_eq!(check(Packing::SortedIntset, &intset([-3, 0, 7])), Ok(()));
        for numbers in [[0, 0, 7], [0, -3, 7]] {
            assert!(check(Packing::SortedIntset, &intset(numbers)).is_err());
            assert_eq!(check(Packing::Intset, &intset(numbers)), Ok(()));
        }
    }

    #[test]
    fn zipmaps_are_gone_through() {
        assert_eq!(check(Packing::Zipmap, b"\x02\x01a\x01\0x\x01b\x01\x02y__\xff"), Ok(()));
        for broken in [
            &b"\x01\x01a\x01\0x\x01b\x01\0y\xff"[..],
            b"\x02\x01a\x01\0x\x01a\x01\0y\xff",
            b"\x01\x01a\x09\0x\xff",
            b"\0\xff",
            b"\xff",
            b"",
        ] {
            assert!(check(Packing::Zipmap, broken).is_err(), "{broken:?}");
        }
    }

    #[test]
    fn frames_are_looked_at_and_nothing_else() {
        let intset = [2, 0, 0, 0, 1, 0, 0, 0, 7, 0];
        let listpack = [8, 0, 0, 0, 1, 0, 99, 0xff];
        let ziplist = [13, 0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0xf3, 0xff];
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
