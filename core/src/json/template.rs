//! Templates: what lines that [`fast`] accepted have in common, by which more of their kind are accepted sooner.
//!
//! A template is a line with holes where its texts and numbers were. A line that has a template's bytes between the
//! holes, and a well-formed text or number in each hole, differs from the accepted one in the values of these alone: it
//! is a record as that was, with the same fields of the same types. So nothing is asked of it but that; its
//! `event_type` and `timestamp` are read as [`fast`] reads them, and all else of its facts is known. Templates that
//! begin alike share that beginning: together they are a tree.
//!
//! Only lines without a note are learned from, and only when a second one of the same template comes. Logs whose lines
//! do not look alike are left to [`fast`] but for a try now and then, and the tree does not grow beyond [`NODES`]. A
//! template decides nothing but speed: of a line that has none, [`fast`] is asked, and then the careful reader.

use super::expected::{Text, WIDTH};
use super::nesting::Nesting;
use super::{fast, number};
use crate::record::{Field, RecordFacts, Shape};

/// The most nodes of all templates together.
const NODES: usize = 256;

/// Where there is no node.
const NONE: u16 = u16::MAX;

/// How many templates that were seen once are remembered.
const SEEN: usize = 256;

/// After so many lines without a template it is asked whether templates are worth their while.
const MISSES: u64 = 64;

/// If not, so many lines are left to [`fast`] before the next try, and twice as many after each that fails...
const PAUSE: u32 = 8_000;

/// ... up to this.
const LONGEST_PAUSE: u32 = 64_000;

/// What is behind a node's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hole {
    /// Nothing: the bytes are cut because there are too many of them.
    Cut,
    /// What is left of a text up to its closing quote.
    Text,
    /// The same, of the `event_type`.
    EventType,
    /// A number or literal below the top level, where its type does not matter.
    Scalar,
    /// A number of that type at the top level.
    Number(Shape),
    /// The `timestamp`'s number, of that type.
    Timestamp(Shape),
    /// The next line.
    End,
}

/// Bytes, the hole behind them, and how it goes on.
#[derive(Debug)]
struct Node {
    text: Text,
    hole: Hole,
    /// What may stand here instead.
    sibling: u16,
    /// What may come then; of an end, the facts.
    next: u16,
}

/// What was learned of a log.
#[derive(Debug)]
pub(crate) struct Templates {
    nodes: Vec<Node>,
    first: u16,
    /// What is known of the lines of a template, by the `next` of its end.
    facts: Vec<RecordFacts>,
    /// Hashes of templates, each in a place of its own.
    seen: Vec<u64>,
    tried: u64,
    missed: u64,
    pause: u32,
    next_pause: u32,
}

impl Default for Templates {
    fn default() -> Templates {
        let (nodes, facts, seen) = (Vec::new(), Vec::new(), Vec::new());
        Templates { nodes, first: NONE, facts, seen, tried: 0, missed: 0, pause: 0, next_pause: PAUSE }
    }
}

impl Templates {
    /// As [`fast::line`], and learns from what that accepts.
    #[inline(always)]
    pub(crate) fn line(&mut self, bytes: &[u8]) -> Option<(usize, RecordFacts)> {
        if self.pause > 0 {
            self.pause -= 1;
            return fast::line(bytes);
        }
        self.tried += 1;
        self.find(bytes).or_else(|| self.miss(bytes))
    }

    /// Reads a line that has one of the templates. Links lead to later nodes only, so that this comes to an end.
    #[inline(always)]
    fn find(&self, bytes: &[u8]) -> Option<(usize, RecordFacts)> {
        let nodes = self.nodes.as_slice();
        let (mut at, mut i, mut timestamp, mut event_type) = (self.first, 0, None, None);
        loop {
            let node = nodes.get(usize::from(at))?;
            if !node.text.is_at(bytes, i) {
                at = node.sibling;
                continue;
            }
            let start = i + node.text.length;
            let end = match node.hole {
                Hole::Cut => Some(start),
                Hole::Text => fast::text_end(bytes, start),
                Hole::EventType => fast::plain_text_end(bytes, start),
                Hole::Scalar => scalar(bytes, start).map(|scalar| scalar.end),
                Hole::Number(shape) => of_shape(scalar(bytes, start), shape).map(|number| number.end),
                Hole::Timestamp(shape) => of_shape(scalar(bytes, start), shape).map(|number| {
                    timestamp = number.value(bytes, start);
                    number.end
                }),
                Hole::End => {
                    let mut facts = *self.facts.get(usize::from(node.next))?;
                    facts.timestamp = timestamp;
                    if let Some(text) = event_type {
                        facts.event(text);
                    }
                    return Some((start, facts));
                }
            };
            match end {
                Some(end) => {
                    if node.hole == Hole::EventType {
                        event_type = Some(&bytes[start..end]);
                    }
                    (at, i) = (node.next, end);
                }
                None => at = node.sibling,
            }
        }
    }

    /// Reads a line of no template.
    #[inline(never)]
    fn miss(&mut self, bytes: &[u8]) -> Option<(usize, RecordFacts)> {
        let (length, facts) = fast::line(bytes)?;
        self.missed += 1;
        if self.missed == MISSES {
            self.weigh();
        } else if facts.notes().is_empty() {
            self.learn(&bytes[..length], &facts);
        }
        Some((length, facts))
    }

    /// Makes a pause, each longer than the one before, when more than one line in four had no template.
    fn weigh(&mut self) {
        if self.missed > self.tried / 4 {
            self.pause = self.next_pause;
            self.next_pause = (2 * self.next_pause).min(LONGEST_PAUSE);
            if self.nodes.len() > NODES / 2 {
                (self.nodes, self.facts, self.first) = (Vec::new(), Vec::new(), NONE);
            }
        } else {
            self.next_pause = PAUSE;
        }
        (self.tried, self.missed) = (0, 0);
    }

    fn learn(&mut self, line: &[u8], facts: &RecordFacts) {
        let (mut hash, mut count) = (0, 0);
        let cut = parts(line, |text, hole| {
            hash = hash_on(hash, text) ^ u64::from(hole == Hole::Text);
            count += 1;
        });
        self.seen.resize(SEEN, 0);
        let seen = &mut self.seen[(hash >> 32) as usize % SEEN];
        let again = std::mem::replace(seen, hash) == hash;
        if cut.is_some() && again && self.nodes.len() + count <= NODES {
            let mut before = None;
            _ = parts(line, |text, hole| before = Some(self.add(before, text, hole, facts)));
        }
    }

    /// The node with these bytes and that hole, behind another or as the first of all, which is made if there is none.
    fn add(&mut self, before: Option<u16>, text: &[u8], hole: Hole, facts: &RecordFacts) -> u16 {
        let mut older = None;
        let mut at = before.map_or(self.first, |before| self.nodes[usize::from(before)].next);
        while let Some(node) = self.nodes.get(usize::from(at)) {
            if node.text.bytes() == text && node.hole == hole {
                return at;
            }
            (older, at) = (Some(at), node.sibling);
        }
        let mut next = NONE;
        if hole == Hole::End {
            next = self.facts.len() as u16;
            self.facts.push(*facts);
        }
        let new = self.nodes.len() as u16;
        self.nodes.push(Node { text: Text::of(text), hole, sibling: NONE, next });
        match (older, before) {
            (Some(older), _) => self.nodes[usize::from(older)].sibling = new,
            (None, Some(before)) => self.nodes[usize::from(before)].next = new,
            (None, None) => self.first = new,
        }
        new
    }
}

/// A hash of the bytes so far and these. Nothing but speed depends on it.
pub(super) fn hash_on(hash: u64, text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    words
        .iter()
        .chain([&last])
        .fold(hash, |hash, word| (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(0x517c_c1b7_2722_0a95))
}

/// Cuts a record's line, its newline included, at its texts and numbers. `None` where something stands in it that
/// [`fast`] would not have accepted.
fn parts(line: &[u8], mut part: impl FnMut(&[u8], Hole)) -> Option<()> {
    let mut from = 0;
    let mut cut = |to: usize, hole, goes_on_at| {
        while to - from >= WIDTH {
            part(&line[from..][..WIDTH - 1], Hole::Cut);
            from += WIDTH - 1;
        }
        part(&line[from..to], hole);
        from = goes_on_at;
    };
    let mut nesting = Nesting::default();
    let (mut i, mut field) = (0, None);
    while let Some(byte) = line.get(i) {
        let start = i;
        i += 1;
        match byte {
            b'"' => {
                let end = fast::text_end(line, i)?;
                match field {
                    _ if nesting.key_due && nesting.depth == 1 => field = Field::of(&line[i..end]),
                    _ if nesting.key_due => {}
                    Some(Field::Kind) if nesting.depth == 1 => {}
                    Some(Field::EventType) if nesting.depth == 1 => cut(i, Hole::EventType, end),
                    _ => cut(i, Hole::Text, end),
                }
                nesting.key_due = false;
                i = end + 1;
            }
            b'{' | b'[' | b'}' | b']' | b',' => nesting.pass(*byte),
            b'-' | b'0'..=b'9' => {
                let (end, shape) = fast::finite(line, start)?;
                let hole = match field {
                    Some(Field::Timestamp) if nesting.depth == 1 => Hole::Timestamp(shape),
                    _ if nesting.depth == 1 => Hole::Number(shape),
                    _ => Hole::Scalar,
                };
                cut(start, hole, end);
                i = end;
            }
            _ => {}
        }
    }
    cut(line.len(), Hole::End, line.len());
    Some(())
}

/// A number or literal.
struct Scalar {
    shape: Shape,
    /// Where it ends.
    end: usize,
    /// How many digits it begins with, if it is a plain number that was read at one look.
    whole: Option<usize>,
}

impl Scalar {
    fn of((end, shape): (usize, Shape)) -> Scalar {
        Scalar { shape, end, whole: None }
    }

    /// The value of a number that begins at `start`.
    #[inline(always)]
    fn value(&self, bytes: &[u8], start: usize) -> Option<f64> {
        let text = bytes[start..].first_chunk::<32>();
        let plain = self.whole.zip(text).and_then(|(whole, text)| number::plain(text, whole, self.end - start));
        plain.or_else(|| number::value(&bytes[start..self.end]))
    }
}

#[inline(always)]
fn of_shape(scalar: Option<Scalar>, shape: Shape) -> Option<Scalar> {
    scalar.filter(|scalar| scalar.shape == shape)
}

/// Skips the number or literal at `i`: what most numbers are, digits and perhaps a point and more digits, at one look.
#[inline(always)]
fn scalar(bytes: &[u8], i: usize) -> Option<Scalar> {
    plain(bytes, i).or_else(|| fast::finite(bytes, i).map(Scalar::of))
}

#[inline(always)]
fn plain(bytes: &[u8], i: usize) -> Option<Scalar> {
    let text = bytes.get(i..)?.first_chunk::<32>()?;
    let digits = fast::digits_of(text);
    let whole = digits.trailing_ones() as usize;
    if whole == 0 || whole > 30 || (text[0] == b'0' && whole > 1) {
        return None;
    }
    let (shape, end) = match text[whole] {
        b'.' => (Shape::Float, whole + 1 + (digits >> (whole + 1)).trailing_ones() as usize),
        _ => (Shape::Integer, whole),
    };
    let more = *text.get(end)?;
    if end == whole + 1 || matches!(more, b'e' | b'E') {
        return None;
    }
    Some(Scalar { shape, end: i + end, whole: Some(whole) })
}
