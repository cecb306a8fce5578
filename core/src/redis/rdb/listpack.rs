//! Listpacks: the packed sequence of strings and integers that a stream node is.
//!
//! Layout: total bytes (u32 LE), elements (u16 LE, 65535 means "count them"), elements, 0xFF. An element is an encoding
//! with its data and then its own length, written so that it can be read backwards (redis `listpack.c`). Both lengths
//! are checked here; what the elements mean is `node`'s affair.

const HEADER: usize = 6;
const END: u8 = 0xff;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element<'a> {
    Bytes(&'a [u8]),
    Int(i64),
}

/// Steps through the elements of a listpack.
#[derive(Debug, Clone)]
pub(crate) struct Elements<'a> {
    bytes: &'a [u8],
    pos: usize,
    seen: u32,
    declared: u16,
}

impl<'a> Elements<'a> {
    /// Checks the frame: the declared size is the real one and the end mark is there.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let (Some(head), Some(&last)) = (bytes.get(..HEADER), bytes.last()) else {
            return Err("shorter than its header");
        };
        if bytes.len() <= HEADER {
            return Err("shorter than its header");
        }
        let total = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
        if u64::from(total) != bytes.len() as u64 {
            return Err("the declared size is not the real one");
        }
        if last != END {
            return Err("the end mark is missing");
        }
        Ok(Self { bytes, pos: HEADER, seen: 0, declared: u16::from_le_bytes([head[4], head[5]]) })
    }

    /// Where the next element begins, in bytes from the start of the listpack.
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    /// The next element, or `None` at the end mark, where the number of elements is checked too.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Element<'a>>, &'static str> {
        let rest = self.bytes.get(self.pos..).unwrap_or_default();
        let Some(&first) = rest.first() else { return Err("an element runs past the end") };
        let (element, size) = match first {
            0..=0x7f => (Element::Int(i64::from(first)), 1),
            0x80..=0xbf => string(rest, 1, usize::from(first & 0x3f))?,
            0xc0..=0xdf => {
                let raw = (i64::from(first & 0x1f) << 8) | i64::from(*rest.get(1).ok_or(CUT)?);
                (Element::Int(if raw >= 1 << 12 { raw - (1 << 13) } else { raw }), 2)
            }
            0xe0..=0xef => string(rest, 2, (usize::from(first & 0x0f) << 8) | usize::from(*rest.get(1).ok_or(CUT)?))?,
            0xf0 => {
                let len = u32::from_le_bytes(fixed(rest)?);
                string(rest, 5, usize::try_from(len).map_err(|_| CUT)?)?
            }
            0xf1 => (Element::Int(i64::from(i16::from_le_bytes(fixed(rest)?))), 3),
            0xf2 => {
                let [a, b, c] = fixed(rest)?;
                (Element::Int(i64::from(i32::from_le_bytes([0, a, b, c]) >> 8)), 4)
            }
            0xf3 => (Element::Int(i64::from(i32::from_le_bytes(fixed(rest)?))), 5),
            0xf4 => (Element::Int(i64::from_le_bytes(fixed(rest)?)), 9),
            END if rest.len() == 1 => return self.at_end(),
            _ => return Err("an element's encoding is unknown"),
        };
        let back =
            back_length(rest.get(size..).unwrap_or_default(), size as u64).ok_or("an element's two lengths differ")?;
        self.pos += size + back;
        self.seen = self.seen.wrapping_add(1);
        Ok(Some(element))
    }

    fn at_end(&self) -> Result<Option<Element<'a>>, &'static str> {
        if self.declared != u16::MAX && u32::from(self.declared) != self.seen {
            return Err("the declared number of elements is not the real one");
        }
        Ok(None)
    }
}

const CUT: &str = "an element runs past the end";

#[inline]
fn string(rest: &[u8], head: usize, len: usize) -> Result<(Element<'_>, usize), &'static str> {
    let end = head.checked_add(len).ok_or(CUT)?;
    Ok((Element::Bytes(rest.get(head..end).ok_or(CUT)?), end))
}

#[inline]
fn fixed<const N: usize>(rest: &[u8]) -> Result<[u8; N], &'static str> {
    rest.get(1..=N).and_then(|raw| raw.try_into().ok()).ok_or(CUT)
}

/// The bytes that the backward length takes, if it is `size`. Seven bits a byte, the most significant first and without
/// the high bit. Servers differ at the borders (16383 takes three bytes in some, two in others), so one byte more
/// passes.
#[inline]
fn back_length(bytes: &[u8], size: u64) -> Option<usize> {
    if size <= 127 {
        return (*bytes.first()? == size as u8).then_some(1);
    }
    let least = (64 - size.leading_zeros() as usize).div_ceil(7);
    (least..=least + 1).find(|&n| {
        bytes.get(..n).is_some_and(|raw| {
            raw.iter().enumerate().all(|(at, &byte)| {
                let shift = 7 * (n - 1 - at);
                let bits = if shift < 64 { (size >> shift) as u8 & 127 } else { 0 };
                byte == if at == 0 { bits } else { bits | 128 }
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(body: &[u8], count: u16) -> Vec<u8> {
        let mut out = ((body.len() + 7) as u32).to_le_bytes().to_vec();
        out.extend(count.to_le_bytes());
        out.extend(body);
        out.push(END);
        out
    }

    fn read(bytes: &[u8]) -> Result<Vec<Element<'_>>, &'static str> {
        let mut elements = Elements::new(bytes)?;
        let mut out = Vec::new();
        while let Some(element) = elements.next()? {
            out.push(element);
        }
        Ok(out)
    }

    #[test]
    fn every_encoding() {
        let mut body = vec![5, 1, 0x82, b'h', b'i', 3, 0xdf, 0xff, 2, 0xc0 | 0x0f, 0xff, 2];
        body.extend([0xf1, 0xfe, 0xff, 3, 0xf2, 0, 0, 0x80, 4, 0xf3, 1, 0, 0, 0, 5]);
        body.extend([0xf4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 9]);
        body.extend([0xe1, 0x00]);
        body.extend([b'x'; 256]);
        body.extend([2, 128 | 2]);
        body.extend([0xf0, 1, 0, 0, 0, b'z', 6]);
        let bytes = pack(&body, 10);
        assert_eq!(
            read(&bytes).unwrap(),
            [
                Element::Int(5),
                Element::Bytes(b"hi"),
                Element::Int(-1),
                Element::Int(4095),
                Element::Int(-2),
                Element::Int(-(1 << 23)),
                Element::Int(1),
                Element::Int(i64::MAX),
                Element::Bytes(&[b'x'; 256]),
                Element::Bytes(b"z"),
            ]
        );
    }

    #[test]
    fn a_wrong_frame_is_named() {
        assert!(read(&[]).is_err());
        assert!(read(&pack(&[5, 1], 2)).is_err());
        assert!(read(&pack(&[5, 2], 1)).is_err());
        assert!(read(&pack(&[0xf5, 1], 1)).is_err());
        assert!(read(&pack(&[0xbf, 1], 1)).is_err());
        assert!(read(&pack(&[0xff, 1], 1)).is_err());
        assert_eq!(read(&pack(&[5, 1], u16::MAX)).unwrap().len(), 1);
        let mut bytes = pack(&[5, 1], 1);
        bytes[0] += 1;
        assert!(read(&bytes).is_err());
    }
}
