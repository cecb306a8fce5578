//! RDB lengths and strings, the two encodings that everything else in an RDB file is made of.
//!
//! A length takes 1, 2, 5 or 9 bytes by the upper bits of its first; `11` there means a string in a special form: an
//! integer of 1, 2 or 4 bytes, or LZF (redis `rdb.h`). Strings are read whole here; skipping one without reading it
//! is [`Head`]'s purpose.

use std::borrow::Cow;

use super::cursor::{Cursor, Read};
use super::lzf;
use crate::redis::error::{ErrorKind, Problem};

/// What a string begins with: enough to skip it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    /// So many bytes follow as they are.
    Raw(u64),
    /// The string was an integer and is stored as one.
    Int(i32),
    /// `packed` bytes follow that expand to `len`.
    Lzf { packed: u64, len: u64 },
}

/// Reads a length, which must not be a special form.
#[inline]
pub(crate) fn length(cur: &mut Cursor<'_>) -> Read<u64> {
    match either(cur)? {
        Ok(len) => Ok(len),
        Err(form) => Err(Problem::structure(format!("a length has the string encoding {form}")).into()),
    }
}

/// Reads the head of a string.
#[inline]
pub(crate) fn head(cur: &mut Cursor<'_>) -> Read<Head> {
    Ok(match either(cur)? {
        Ok(len) => Head::Raw(len),
        Err(0) => Head::Int(i32::from(cur.u8()? as i8)),
        Err(1) => Head::Int(i32::from(i16::from_le_bytes(cur.array()?))),
        Err(2) => Head::Int(i32::from_le_bytes(cur.array()?)),
        Err(3) => {
            let (packed, len) = (length(cur)?, length(cur)?);
            if !lzf::plausible(packed, len) {
                return Err(Problem::structure(format!(
                    "{packed} compressed bytes cannot expand to the declared {len}"
                ))
                .into());
            }
            Head::Lzf { packed, len }
        }
        Err(form) => return Err(Problem::structure(format!("string encoding {form} is unknown")).into()),
    })
}

/// A length, or else the number of a special form.
#[inline]
fn either(cur: &mut Cursor<'_>) -> Read<Result<u64, u8>> {
    let first = cur.u8()?;
    let low = first & 0x3f;
    Ok(Ok(match first >> 6 {
        0 => u64::from(low),
        1 => (u64::from(low) << 8) | u64::from(cur.u8()?),
        3 => return Ok(Err(low)),
        _ if first == 0x80 => u64::from(u32::from_be_bytes(cur.array()?)),
        _ if first == 0x81 => u64::from_be_bytes(cur.array()?),
        _ => return Err(Problem::structure(format!("a length begins with 0x{first:02x}")).into()),
    }))
}

/// A string as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Text<'a> {
    Raw(&'a [u8]),
    Int(i32),
    Lzf { packed: &'a [u8], len: usize },
}

/// Reads a string of at most `limit` bytes, compressed and expanded. One above the limit is refused before it is waited
/// for.
pub(crate) fn string<'a>(cur: &mut Cursor<'a>, limit: u64) -> Read<Text<'a>> {
    let bounded = |len: u64| match usize::try_from(len) {
        Ok(small) if len <= limit => Ok(small),
        _ => Err(Problem::unknown(
            ErrorKind::TooLarge(len),
            format!("a unit of {len} bytes is above the limit of {limit} bytes"),
        )),
    };
    Ok(match head(cur)? {
        Head::Raw(len) => Text::Raw(cur.take(bounded(len)?)?),
        Head::Int(n) => Text::Int(n),
        Head::Lzf { packed, len } => {
            let len = bounded(len)?;
            Text::Lzf { packed: cur.take(bounded(packed)?)?, len }
        }
    })
}

impl<'a> Text<'a> {
    /// How many bytes it says that it stands for.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Raw(bytes) => bytes.len(),
            Self::Int(n) => n.to_string().len(),
            Self::Lzf { len, .. } => len,
        }
    }

    /// The bytes that the string stands for; `scratch` holds them when they are not in the file as such.
    pub(crate) fn bytes<'b>(self, scratch: &'b mut Vec<u8>) -> Result<&'b [u8], Problem>
    where
        'a: 'b,
    {
        match self {
            Self::Raw(bytes) => Ok(bytes),
            Self::Int(n) => {
                scratch.clear();
                scratch.extend_from_slice(n.to_string().as_bytes());
                Ok(scratch)
            }
            Self::Lzf { packed, len } => match lzf::expand(packed, len, scratch) {
                Ok(()) => Ok(scratch),
                Err(fault) => {
                    Err(Problem::structure(format!("a compressed string does not expand: {}", fault.as_str())))
                }
            },
        }
    }

    /// The same, borrowed where that is possible.
    pub(crate) fn to_cow(self) -> Result<Cow<'a, [u8]>, Problem> {
        if let Self::Raw(bytes) = self {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut out = Vec::new();
        self.bytes(&mut out)?;
        Ok(Cow::Owned(out))
    }
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Stop;
    use super::*;

    #[test]
    fn lengths_of_every_size() {
        let read = |bytes: &[u8]| length(&mut Cursor::new(bytes)).ok();
        assert_eq!(read(&[5]), Some(5));
        assert_eq!(read(&[0x41, 2]), Some(258));
        assert_eq!(read(&[0x80, 0, 1, 0, 0]), Some(65536));
        assert_eq!(read(&[0x81, 255, 255, 255, 255, 255, 255, 255, 255]), Some(u64::MAX));
        assert_eq!(read(&[0x82]), None);
        assert_eq!(read(&[0xc0, 1]), None);
    }

    #[test]
    fn a_short_string_says_how_many_bytes_it_needs() {
        let mut cur = Cursor::new(b"\x05ab");
        assert!(matches!(string(&mut cur, 100), Err(Stop::More(6))));
        assert!(
            matches!(string(&mut Cursor::new(b"\x7f\xff"), 100), Err(Stop::Bad(p)) if p.kind == ErrorKind::TooLarge(16383))
        );
    }

    #[test]
    fn strings_in_every_form() {
        let read = |bytes: &[u8]| string(&mut Cursor::new(bytes), 100).ok().unwrap().to_cow().unwrap().into_owned();
        assert_eq!(read(b"\x02ab"), b"ab");
        assert_eq!(read(b"\xc0\xff"), b"-1");
        assert_eq!(read(b"\xc1\x00\x80"), b"-32768");
        assert_eq!(read(b"\xc2\x00\x00\x00\x80"), b"-2147483648");
        assert_eq!(read(b"\xc3\x05\x04\x03abcd"), b"abcd");
        assert!(string(&mut Cursor::new(b"\xc3\x01\x80\xff\xff\xff\xff."), u64::MAX).is_err());
    }
}
