//! The fast reader: accepts a clean record line that lies in one piece, and says nothing about any other.
//!
//! `None` means "let the careful reader look", never "damaged": escaped keys, deep nesting, huge numbers and unusual
//! white space go that way too. UTF-8 is checked by the caller, a window at a time. This is where the scan's speed is
//! won: one pass, no allocation, strings sixteen bytes at a step. What it accepts, [`super::template`] learns from.

use wide::u8x16;

use super::expected::{EVENT, Key, OPENINGS, after};
use super::number;
use crate::record::{Field, Kind, RecordFacts, Shape, mark};

/// Containers nested deeper than this below the record go to the careful reader (one bit each in a `u64`).
const DEPTH: u32 = 60;

/// Numbers longer than this go to the careful reader.
const NUMBER: usize = 60;

/// Reads the record that begins `bytes` and ends in `\n` or `\r\n`.
///
/// Returns the line's length in bytes with its newline, and its facts.
#[inline(never)]
pub(crate) fn line(bytes: &[u8]) -> Option<(usize, RecordFacts)> {
    if *bytes.first()? != b'{' {
        return None;
    }
    let mut facts = RecordFacts::default();
    let mut i = 1;
    let mut expected: &[Key] = &EVENT;
    if let Some(opening) = OPENINGS.iter().find(|opening| opening.text.is_at(bytes, 0)) {
        facts.kind = opening.kind;
        facts.saw(Field::Kind, Shape::String);
        i = opening.text.length;
        expected = opening.keys;
    }
    loop {
        let field = match expected.split_first() {
            Some((key, rest)) if key.text.is_at(bytes, i) => {
                expected = rest;
                i += key.text.length;
                Some(key.field)
            }
            _ => {
                let key = quoted(bytes, space(bytes, i))?;
                if key.escaped {
                    return None;
                }
                i = colon(bytes, key.end + 1)?;
                let field = Field::of(&bytes[key.start..key.end]);
                expected = field.map_or(expected, after);
                field
            }
        };
        let start = i;
        let shape = match *bytes.get(i)? {
            b'"' => {
                let text = quoted(bytes, i)?;
                i = text.end + 1;
                if let Some(Field::Kind | Field::EventType) = field {
                    if text.escaped {
                        return None;
                    }
                    let text = &bytes[text.start..text.end];
                    match field {
                        Some(Field::Kind) => facts.kind = Kind::of(text),
                        _ => facts.event(text),
                    }
                }
                Shape::String
            }
            open @ (b'{' | b'[') => {
                i = container(bytes, i, &mut facts)?;
                if open == b'{' { Shape::Object } else { Shape::Array }
            }
            _ => {
                let (end, shape) = scalar(bytes, i, &mut facts)?;
                i = end;
                shape
            }
        };
        match field {
            None => {}
            Some(Field::Timestamp) => {
                facts.timestamp = timestamp(&bytes[start..i], shape);
                facts.saw(Field::Timestamp, shape);
            }
            Some(field) => {
                if shape != Shape::String {
                    match field {
                        Field::Kind => facts.kind = Kind::Other,
                        Field::EventType => facts.event(b""),
                        _ => {}
                    }
                }
                facts.saw(field, shape);
            }
        }
        i = space(bytes, i);
        match *bytes.get(i)? {
            b',' => i = space(bytes, i + 1),
            b'}' => break,
            _ => return None,
        }
    }
    match (bytes.get(i + 1)?, bytes.get(i + 2)) {
        (b'\n', _) => Some((i + 2, facts)),
        (b'\r', Some(b'\n')) => Some((i + 3, facts)),
        _ => None,
    }
}

/// The value of a `timestamp` field, when it is a number.
#[inline]
fn timestamp(text: &[u8], shape: Shape) -> Option<f64> {
    match (shape, text) {
        (Shape::Integer | Shape::Float, b"NaN" | b"Infinity" | b"-Infinity") => Some(f64::NAN),
        (Shape::Integer | Shape::Float, _) => number::value(text),
        _ => None,
    }
}

/// The first offset at or after `i` that is neither a space nor a tab.
#[inline(always)]
fn space(bytes: &[u8], mut i: usize) -> usize {
    while matches!(bytes.get(i), Some(b' ' | b'\t')) {
        i += 1;
    }
    i
}

/// Skips the colon at or after `i`, and the white space around it.
#[inline(always)]
fn colon(bytes: &[u8], i: usize) -> Option<usize> {
    let i = space(bytes, i);
    (*bytes.get(i)? == b':').then(|| space(bytes, i + 1))
}

/// Where a string's text is, and whether there is an escape in it.
struct Quoted {
    start: usize,
    end: usize,
    escaped: bool,
}

/// Skips the string whose opening quote is at `i`.
#[inline(always)]
fn quoted(bytes: &[u8], i: usize) -> Option<Quoted> {
    if *bytes.get(i)? != b'"' {
        return None;
    }
    let start = i + 1;
    let mut i = start;
    let mut escaped = false;
    loop {
        i = stop(bytes, i)?;
        match bytes[i] {
            b'"' => return Some(Quoted { start, end: i, escaped }),
            b'\\' => {
                escaped = true;
                i = escape(bytes, i)?;
            }
            _ => return None,
        }
    }
}

/// The first quote, backslash or control character at or after `i`.
#[inline(always)]
fn stop(bytes: &[u8], mut i: usize) -> Option<usize> {
    while let Some((block, _)) = bytes.get(i..)?.split_first_chunk::<16>() {
        let block = u8x16::new(*block);
        let control = block.min(u8x16::splat(0x1f)).simd_eq(block);
        let hits = block.simd_eq(u8x16::splat(b'"')) | block.simd_eq(u8x16::splat(b'\\')) | control;
        let hits = hits.to_bitmask();
        if hits != 0 {
            return Some(i + hits.trailing_zeros() as usize);
        }
        i += 16;
    }
    last_stop(bytes, i)
}

/// The same, where fewer than sixteen bytes are left.
#[cold]
fn last_stop(bytes: &[u8], i: usize) -> Option<usize> {
    let rest = bytes.get(i..)?;
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).map(|at| i + at)
}

/// Where the text that goes on at `i` ends, if there is no escape in it.
#[inline(always)]
pub(crate) fn plain_text_end(bytes: &[u8], i: usize) -> Option<usize> {
    stop(bytes, i).filter(|end| bytes[*end] == b'"')
}

/// Where the text that goes on at `i` ends: the offset of its closing quote.
#[inline(always)]
pub(crate) fn text_end(bytes: &[u8], mut i: usize) -> Option<usize> {
    loop {
        i = stop(bytes, i)?;
        match bytes[i] {
            b'"' => return Some(i),
            b'\\' => i = escape(bytes, i)?,
            _ => return None,
        }
    }
}

/// Skips the escape whose backslash is at `i`.
#[inline]
fn escape(bytes: &[u8], i: usize) -> Option<usize> {
    match *bytes.get(i + 1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(i + 2),
        b'u' if bytes.get(i + 2..i + 6)?.iter().all(u8::is_ascii_hexdigit) => Some(i + 6),
        _ => None,
    }
}

/// Skips the number or literal at `i`.
#[inline(never)]
pub(crate) fn finite(bytes: &[u8], i: usize) -> Option<(usize, Shape)> {
    let mut facts = RecordFacts::default();
    scalar(bytes, i, &mut facts).filter(|_| facts.marks() == 0)
}

/// Skips the number, literal or Python constant at `i`.
#[inline(always)]
fn scalar(bytes: &[u8], i: usize, facts: &mut RecordFacts) -> Option<(usize, Shape)> {
    let rest = bytes.get(i..)?;
    match *rest.first()? {
        b'0'..=b'9' => number(bytes, i, i),
        b'-' if rest.get(1) != Some(&b'I') => number(bytes, i, i + 1),
        b'n' if rest.starts_with(b"null") => Some((i + 4, Shape::Null)),
        b't' if rest.starts_with(b"true") => Some((i + 4, Shape::Boolean)),
        b'f' if rest.starts_with(b"false") => Some((i + 5, Shape::Boolean)),
        _ => {
            facts.mark(mark::NON_FINITE);
            let constant = ["NaN", "Infinity", "-Infinity"].into_iter().find(|c| rest.starts_with(c.as_bytes()))?;
            Some((i + constant.len(), Shape::Float))
        }
    }
}

/// Skips the number that begins at `start`, whose first digit is at `i`.
#[inline(always)]
fn number(bytes: &[u8], start: usize, mut i: usize) -> Option<(usize, Shape)> {
    let mut shape = Shape::Integer;
    match *bytes.get(i)? {
        b'0' => i += 1,
        b'1'..=b'9' => i = digits(bytes, i + 1),
        _ => return None,
    }
    if bytes.get(i) == Some(&b'.') {
        shape = Shape::Float;
        let fraction = i + 1;
        i = digits(bytes, fraction);
        if i == fraction {
            return None;
        }
    }
    if matches!(bytes.get(i), Some(b'e' | b'E')) {
        shape = Shape::Float;
        let sign = usize::from(matches!(bytes.get(i + 1), Some(b'+' | b'-')));
        let exponent = i + 1 + sign;
        i = digits(bytes, exponent);
        // Three digits may leave a double's range; the careful reader decides.
        if i == exponent || i - exponent > 2 {
            return None;
        }
    }
    (i - start <= NUMBER).then_some((i, shape))
}

#[inline(always)]
fn digits(bytes: &[u8], mut i: usize) -> usize {
    while matches!(bytes.get(i), Some(b'0'..=b'9')) {
        i += 1;
    }
    i
}

/// Which of these bytes are digits, the first in the lowest bit.
#[inline(always)]
pub(crate) fn digits_of(bytes: &[u8; 32]) -> u32 {
    let (halves, _) = bytes.as_chunks::<16>();
    let digits = |half: &[u8; 16]| {
        let value = u8x16::new(*half) - u8x16::splat(b'0');
        value.min(u8x16::splat(9)).simd_eq(value).to_bitmask()
    };
    digits(&halves[0]) | digits(&halves[1]) << 16
}

/// Skips the object or array that opens at `i`; the stack is a word of bits, one for an object.
#[inline]
fn container(bytes: &[u8], mut i: usize, facts: &mut RecordFacts) -> Option<usize> {
    let mut stack: u64 = 1;
    'open: loop {
        if stack >> DEPTH != 0 {
            return None;
        }
        let object = bytes[i] == b'{';
        stack = stack << 1 | u64::from(object);
        i = space(bytes, i + 1);
        let mut closed = *bytes.get(i)? == if object { b'}' } else { b']' };
        loop {
            if closed {
                i += 1;
                stack >>= 1;
                if stack == 1 {
                    return Some(i);
                }
            } else {
                if stack & 1 == 1 {
                    i = colon(bytes, quoted(bytes, i)?.end + 1)?;
                }
                match *bytes.get(i)? {
                    b'"' => i = quoted(bytes, i)?.end + 1,
                    b'{' | b'[' => continue 'open,
                    _ => i = scalar(bytes, i, facts)?.0,
                }
            }
            i = space(bytes, i);
            closed = match (*bytes.get(i)?, stack & 1) {
                (b',', _) => {
                    i = space(bytes, i + 1);
                    false
                }
                (b'}', 1) | (b']', 0) => true,
                _ => return None,
            };
        }
    }
}
