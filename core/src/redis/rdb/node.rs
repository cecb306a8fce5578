//! One node of a stream: the entries packed in a listpack, relative to the node's master ID.
//!
//! The listpack begins with a master entry (live entries, deleted entries, field names, 0); every entry after it has
//! flags, two ID deltas, its fields, and the number of its elements (redis `t_stream.c`, "stream listpacks").
//! Everything the server checks on load is checked here, and also that IDs grow.

use super::listpack::{Element, Elements};
use crate::redis::stream::id::StreamId;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// A field name or value: bytes as they are, or the decimal text of an integer that was stored as one.
#[derive(Clone, Copy)]
pub struct Value<'a>(Repr<'a>);

#[derive(Clone, Copy)]
enum Repr<'a> {
    Bytes(&'a [u8]),
    Digits([u8; 20], u8),
}

impl<'a> Value<'a> {
    fn of(element: Element<'a>) -> Self {
        match element {
            Element::Bytes(bytes) => Self::new(bytes),
            Element::Int(n) => {
                let mut text = [0; 20];
                let mut left = n.unsigned_abs();
                let mut at = text.len();
                loop {
                    at -= 1;
                    text[at] = b'0' + (left % 10) as u8;
                    left /= 10;
                    if left == 0 {
                        break;
                    }
                }
                if n < 0 {
                    at -= 1;
                    text[at] = b'-';
                }
                Self(Repr::Digits(text, at as u8))
            }
        }
    }

    /// A value that is these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(Repr::Bytes(bytes))
    }

    /// The value's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Bytes(bytes) => bytes,
            Repr::Digits(text, at) => &text[usize::from(*at)..],
        }
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

/// One entry of a stream.
#[derive(Debug, Clone)]
pub struct Entry<'a> {
    /// Its ID.
    pub id: StreamId,
    /// Field names and values, in order; a name may occur twice.
    pub fields: Fields<'a>,
    /// Bytes from the start of the file: of the entry, or of its node where that is compressed.
    pub offset: u64,
}

impl<'a> Entry<'a> {
    /// The value of the field `name`; the last one if there are several, as a reader that makes a map of them has it.
    pub fn field(&self, name: &[u8]) -> Option<Value<'a>> {
        self.fields.clone().filter(|(key, _)| key.as_bytes() == name).last().map(|(_, value)| value)
    }
}

/// The fields of an entry, read where they lie: nothing is copied.
#[derive(Clone)]
pub struct Fields<'a> {
    left: u64,
    source: Source<'a>,
}

#[derive(Clone)]
enum Source<'a> {
    /// Names and values alternate.
    Own(Elements<'a>),
    /// The names are those of the master entry.
    Same { names: Elements<'a>, values: Elements<'a> },
    /// The arguments of a command: names and values alternate.
    Arguments(&'a [&'a [u8]]),
    /// As a server has told them.
    Pairs(&'a [(Vec<u8>, Vec<u8>)]),
}

impl<'a> Fields<'a> {
    /// The fields of an XADD, names and values alternating; a last name without a value is left out.
    pub fn of_arguments(arguments: &'a [&'a [u8]]) -> Self {
        Self { left: (arguments.len() / 2) as u64, source: Source::Arguments(arguments) }
    }

    /// The fields of an entry that a server has told.
    pub fn of_pairs(pairs: &'a [(Vec<u8>, Vec<u8>)]) -> Self {
        Self { left: pairs.len() as u64, source: Source::Pairs(pairs) }
    }

    /// How many are left.
    pub fn remaining(&self) -> u64 {
        self.left
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        match &mut self.source {
            Source::Own(both) => {
                let name = Value::of(both.next().ok()??);
                Some((name, Value::of(both.next().ok()??)))
            }
            Source::Same { names, values } => Some((Value::of(names.next().ok()??), Value::of(values.next().ok()??))),
            Source::Arguments(rest) => {
                let [name, value, tail @ ..] = *rest else { return None };
                *rest = tail;
                Some((Value::new(name), Value::new(value)))
            }
            Source::Pairs(rest) => {
                let [(name, value), tail @ ..] = *rest else { return None };
                *rest = tail;
                Some((Value::new(name), Value::new(value)))
            }
        }
    }
}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// What a node turned out to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NodeFacts {
    pub(crate) live: u64,
    pub(crate) first: Option<StreamId>,
    /// The greatest ID seen, deleted entries included.
    pub(crate) greatest: Option<StreamId>,
    /// The first entry that was not greater than the one before it.
    pub(crate) disorder: Option<StreamId>,
}

/// Walks through the entries of a node and hands every live one, with its position in the listpack, to `each`,
/// which may end the walk by returning `false`.
///
/// The fault's text says what does not follow the format; entries handed over before it are sound by themselves.
pub(crate) fn walk<'a>(
    bytes: &'a [u8],
    master: StreamId,
    mut each: impl FnMut(StreamId, Fields<'a>, usize) -> bool,
) -> (NodeFacts, Result<(), &'static str>) {
    let mut facts = NodeFacts::default();
    let result = walk_entries(bytes, master, &mut facts, &mut each);
    (facts, result)
}

fn walk_entries<'a>(
    bytes: &'a [u8],
    master: StreamId,
    facts: &mut NodeFacts,
    each: &mut impl FnMut(StreamId, Fields<'a>, usize) -> bool,
) -> Result<(), &'static str> {
    let mut elements = Elements::new(bytes)?;
    let live = count(&mut elements)?;
    let deleted = count(&mut elements)?;
    let shared = count(&mut elements)?;
    let names = elements.clone();
    pass(&mut elements, shared)?;
    if int(&mut elements)? != 0 {
        return Err("the master entry does not end with 0");
    }
    let mut seen_deleted = 0u64;
    let mut at = elements.pos();
    while let Some(flags) = elements.next()? {
        let Element::Int(flags) = flags else { return Err("an entry's flags are no integer") };
        let (ms, seq) = (int(&mut elements)?, int(&mut elements)?);
        let id = master.plus(ms, seq);
        let (fields, expected) = if flags & SAME_FIELDS != 0 {
            let source = Source::Same { names: names.clone(), values: elements.clone() };
            pass(&mut elements, shared)?;
            (Fields { left: shared, source }, shared.checked_add(3))
        } else {
            let own = count(&mut elements)?;
            let source = Source::Own(elements.clone());
            let both = own.checked_mul(2).ok_or(ENDS)?;
            pass(&mut elements, both)?;
            (Fields { left: own, source }, both.checked_add(4))
        };
        if expected != Some(count(&mut elements)?) {
            return Err("an entry's number of elements is not the real one");
        }
        if facts.greatest.is_some_and(|before| id <= before) {
            facts.disorder.get_or_insert(id);
        }
        facts.greatest = facts.greatest.max(Some(id));
        if flags & DELETED != 0 {
            seen_deleted += 1;
        } else {
            facts.live += 1;
            facts.first.get_or_insert(id);
            if !each(id, fields, at) {
                return Ok(());
            }
        }
        at = elements.pos();
    }
    if (facts.live, seen_deleted) != (live, deleted) {
        return Err("the declared numbers of live and deleted entries are not the real ones");
    }
    Ok(())
}

/// Steps over `n` elements.
fn pass(elements: &mut Elements<'_>, n: u64) -> Result<(), &'static str> {
    for _ in 0..n {
        elements.next()?.ok_or(ENDS)?;
    }
    Ok(())
}

const ENDS: &str = "the node ends inside an entry";

fn int(elements: &mut Elements<'_>) -> Result<i64, &'static str> {
    match elements.next()? {
        Some(Element::Int(n)) => Ok(n),
        Some(Element::Bytes(_)) => Err("a string stands where an integer belongs"),
        None => Err(ENDS),
    }
}

fn count(elements: &mut Elements<'_>) -> Result<u64, &'static str> {
    u64::try_from(int(elements)?).map_err(|_| "a count is negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_read_as_text() {
        for n in [0, 7, -1, i64::MIN, i64::MAX] {
            assert_eq!(Value::of(Element::Int(n)).as_bytes(), n.to_string().as_bytes());
        }
    }

    /// Elements as one byte integers and short strings.
    fn node(parts: &[&[u8]]) -> Vec<u8> {
        let mut body = Vec::new();
        for part in parts {
            body.extend_from_slice(part);
            body.push(part.len() as u8);
        }
        let mut out = ((body.len() + 7) as u32).to_le_bytes().to_vec();
        out.extend((parts.len() as u16).to_le_bytes());
        out.extend(body);
        out.push(0xff);
        out
    }

    type Seen = Vec<(StreamId, String)>;

    fn read(bytes: &[u8]) -> (Seen, NodeFacts, Result<(), &'static str>) {
        let mut seen = Vec::new();
        let (facts, result) = walk(bytes, StreamId::new(100, 5), |id, fields, _| {
            seen.push((id, format!("{fields:?}")));
            true
        });
        (seen, facts, result)
    }

    #[test]
    fn master_fields_own_fields_deleted_entries_and_negative_deltas() {
        let bytes = node(&[
            &[2],
            &[1],
            &[1],
            b"\x84data",
            &[0], // master
            &[2],
            &[0],
            &[0],
            b"\x81x",
            &[4], // same fields
            &[3],
            &[0],
            &[1],
            b"\x81y",
            &[4], // deleted
            &[0],
            &[1],
            &[0xdf, 0xfb],
            &[1],
            b"\x81a",
            &[9],
            &[6], // own fields, sequence delta -5
        ]);
        let (seen, facts, result) = read(&bytes);
        assert_eq!(result, Ok(()));
        assert_eq!(seen[0], (StreamId::new(100, 5), r#"[("data", "x")]"#.to_owned()));
        assert_eq!(seen[1], (StreamId::new(101, 0), r#"[("a", "9")]"#.to_owned()));
        assert_eq!((facts.live, facts.disorder), (2, None));
        assert_eq!(facts.greatest, Some(StreamId::new(101, 0)));
    }

    #[test]
    fn wrong_counts_and_orders_are_seen() {
        let bytes = node(&[&[2], &[0], &[0], &[0], &[2], &[0], &[0], &[3]]);
        assert!(read(&bytes).2.is_err(), "one entry where two are declared");
        let bytes = node(&[&[1], &[0], &[0], &[0], &[2], &[0], &[0], &[4]]);
        assert!(read(&bytes).2.is_err(), "wrong number of elements");
        let bytes = node(&[&[2], &[0], &[0], &[0], &[2], &[0], &[1], &[3], &[2], &[0], &[1], &[3]]);
        assert_eq!(read(&bytes).1.disorder, Some(StreamId::new(100, 6)));
        let bytes = node(&[&[1], &[0], &[127], &[0]]);
        assert!(read(&bytes).2.is_err(), "field names run out");
    }
}
