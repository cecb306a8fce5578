//! The scanner: chunks of a file in, findings and a [`Summary`] out.
//!
//! Chunk borders never change the result, and memory does not grow with the file or with its longest line. How the
//! bytes are fetched, progress and cancelling are the caller's affair.

use std::ops::{ControlFlow, Range};

use memchr::memchr2;

use crate::escape::Excerpt;
use crate::finding::{AnomalyType, DamagedLine, Finding, Reason, Span};
use crate::json::lines::{CleanLine, Lines};
use crate::line::{Line, Outcome, Segment};
use crate::record::RecordFacts;
use crate::sniff::{self, LONGEST_FIELD, names_a_field};
use crate::summary::Summary;

/// What a [`Sink`] answers: go on, or stop scanning.
pub type Flow = ControlFlow<()>;

/// What recovery does with the next stretch of the file. Stretches come in order and leave no byte out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// These bytes stay as they are.
    Keep(Range<u64>),
    /// These bytes go, and are kept elsewhere.
    Reject(Range<u64>),
    /// A newline is owed here.
    Newline,
}

/// An intact record.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// Where it stands in the file, its newline not counted.
    pub span: Span,
    /// Its line, from 1.
    pub line: u64,
    /// What its top level holds.
    pub facts: RecordFacts,
    /// The width in bytes of the newline that follows it; 0 when recovery has to add one.
    pub newline: u64,
    /// Whether it stands in a damaged line.
    pub salvaged: bool,
    /// Its bytes, when they lie in the chunk that was pushed last.
    pub bytes: Option<&'a [u8]>,
}

/// Receives what a scan comes across, in file order.
pub trait Sink {
    /// A record that recovery keeps: an intact line, or an intact record in a damaged one. It comes before the
    /// [`Step`] that keeps it.
    #[inline(always)]
    fn record(&mut self, _record: &Record<'_>) -> Flow {
        Flow::Continue(())
    }

    /// An anomaly. All of them come here, also those that the summary does not list.
    fn finding(&mut self, _finding: &Finding) -> Flow {
        Flow::Continue(())
    }

    /// What recovery does with the next stretch. Neighbouring clean lines come as one.
    fn step(&mut self, _step: Step) -> Flow {
        Flow::Continue(())
    }
}

/// The sink that wants nothing but the summary.
impl Sink for () {}

/// A line that the careful reader is in the middle of.
#[derive(Debug)]
struct OpenLine {
    start: u64,
    line: Line,
    excerpt: Excerpt,
    fields: Fields,
    salvaged: Vec<Span>,
    salvaged_count: u64,
    /// A carriage return has ended the line; a line feed that follows belongs to it.
    returned: bool,
}

/// The bytes that were pushed last, and where they stand in the file.
#[derive(Clone, Copy)]
struct Chunk<'a> {
    bytes: &'a [u8],
    offset: u64,
}

impl<'a> Chunk<'a> {
    fn slice(self, span: Span) -> Option<&'a [u8]> {
        let from = usize::try_from(span.offset.checked_sub(self.offset)?).ok()?;
        let length = usize::try_from(span.length).ok()?;
        self.bytes.get(from..from.checked_add(length)?)
    }
}

/// Scans one file, or a stretch of one that begins at a line's start.
///
/// ```
/// use papyra_core::scan::{Flow, Record, Scanner, Sink};
///
/// #[derive(Default)]
/// struct Lines(Vec<u64>);
///
/// impl Sink for Lines {
///     fn record(&mut self, record: &Record<'_>) -> Flow {
///         self.0.push(record.line);
///         Flow::Continue(())
///     }
/// }
///
/// let mut lines = Lines::default();
/// let mut scanner = Scanner::new(0, Scanner::MAX_FINDINGS);
/// for chunk in [&b"{\"kind\": \"ev"[..], b"ent\"}\nno record\n{}\n"] {
///     _ = scanner.push(chunk, &mut lines);
/// }
/// let summary = scanner.finish(&mut lines);
/// assert_eq!(lines.0, [1, 3]);
/// assert_eq!((summary.records.total(), summary.anomalies), (2, 1));
/// ```
#[derive(Debug)]
pub struct Scanner {
    max_findings: usize,
    summary: Summary,
    start: u64,
    at: u64,
    lines: Lines,
    open: Option<OpenLine>,
    segments: Vec<Segment>,
    /// Everything before this offset was handed out in [`Step`]s.
    settled: u64,
}

impl Scanner {
    /// How many findings a summary lists unless told otherwise.
    pub const MAX_FINDINGS: usize = 1_000;

    /// A scanner for the bytes from offset `start` on; its summary lists at most `max_findings` findings.
    pub fn new(start: u64, max_findings: usize) -> Scanner {
        Scanner {
            max_findings,
            summary: Summary::default(),
            start,
            at: start,
            lines: Lines::default(),
            open: None,
            segments: Vec::new(),
            settled: start,
        }
    }

    /// As on a processor that has nothing of use for whole lines.
    #[doc(hidden)]
    pub fn plain(start: u64, max_findings: usize) -> Scanner {
        Scanner { lines: Lines::plain(), ..Scanner::new(start, max_findings) }
    }

    /// The offset just past the last byte that was scanned.
    pub fn offset(&self) -> u64 {
        self.at
    }

    /// What was seen so far, an unfinished line not counted.
    pub fn so_far(&self) -> &Summary {
        &self.summary
    }

    /// Scans the next bytes. After a break, the scanner has no more to say.
    pub fn push(&mut self, bytes: &[u8], sink: &mut impl Sink) -> Flow {
        let chunk = Chunk { bytes, offset: self.at };
        self.lines.begin();
        let mut i = 0;
        while i < bytes.len() {
            if self.open.is_none() {
                i = self.clean_lines(chunk, i, sink)?;
                if i == bytes.len() {
                    break;
                }
                self.open = Some(OpenLine::new(chunk.offset + i as u64));
            }
            i = self.careful(chunk, i, sink)?;
        }
        Flow::Continue(())
    }

    /// Accepts clean lines from index `i` on for as long as they come; returns where they end.
    #[inline]
    fn clean_lines(&mut self, chunk: Chunk<'_>, mut i: usize, sink: &mut impl Sink) -> ControlFlow<(), usize> {
        while let Some(CleanLine { length, facts, notes }) = self.lines.next(chunk.bytes, i) {
            let offset = chunk.offset + i as u64;
            let text = &chunk.bytes[i..i + length - 1];
            let text = if let [text @ .., b'\r'] = text { text } else { text };
            i += length;
            self.at = chunk.offset + i as u64;
            self.summary.lines += 1;
            self.summary.add_record(&facts, notes, self.summary.lines, offset);
            sink.record(&Record {
                span: Span { offset, length: text.len() as u64 },
                line: self.summary.lines,
                facts,
                newline: (length - text.len()) as u64,
                salvaged: false,
                bytes: Some(text),
            })?;
        }
        ControlFlow::Continue(i)
    }

    /// Reads the open line on from index `i`; returns where it, its newline included, or the chunk ends.
    fn careful(&mut self, chunk: Chunk<'_>, i: usize, sink: &mut impl Sink) -> ControlFlow<(), usize> {
        let Some(mut open) = self.open.take() else { return ControlFlow::Continue(i) };
        let rest = &chunk.bytes[i..];
        if open.returned {
            let fed = usize::from(rest.first() == Some(&b'\n'));
            self.at += fed as u64;
            self.line_ended(open, 1 + fed as u64, chunk, sink)?;
            return ControlFlow::Continue(i + fed);
        }
        let newline = memchr2(b'\n', b'\r', rest);
        let text = &rest[..newline.unwrap_or(rest.len())];
        let mut segments = std::mem::take(&mut self.segments);
        open.line.feed(text, &mut segments);
        open.excerpt.feed(text);
        // A carriage return at the very end leaves the line open, for a line feed may follow.
        let ends_here = newline.is_some_and(|at| rest[at] == b'\n' || at + 1 < rest.len());
        if !ends_here || open.start < chunk.offset {
            open.fields.feed(text);
        }
        self.at += text.len() as u64;
        for segment in segments.drain(..) {
            self.salvage(&mut open, segment, segment.end, chunk, sink)?;
        }
        self.segments = segments;
        let Some(newline) = newline else {
            self.open = Some(open);
            return ControlFlow::Continue(chunk.bytes.len());
        };
        let width = match (rest[newline], rest.get(newline + 1)) {
            (b'\r', Some(b'\n')) => 2,
            (b'\r', None) => {
                self.at += 1;
                self.open = Some(OpenLine { returned: true, ..open });
                return ControlFlow::Continue(chunk.bytes.len());
            }
            _ => 1,
        };
        self.at += width;
        self.line_ended(open, width, chunk, sink)?;
        ControlFlow::Continue(i + newline + width as usize)
    }

    /// A line ended with a newline of `width` bytes, the last ones scanned; 0 at the end of the file.
    fn line_ended(&mut self, mut open: OpenLine, width: u64, chunk: Chunk<'_>, sink: &mut impl Sink) -> Flow {
        let end = self.at - width;
        let span = Span { offset: open.start, length: end - open.start };
        let outcome = std::mem::replace(&mut open.line, Line::new(end)).end(width > 0);
        match outcome {
            Outcome::Record(facts) if width > 0 => {
                self.summary.lines += 1;
                let line = self.summary.lines;
                self.summary.add_record(&facts, facts.notes(), line, span.offset);
                let bytes = chunk.slice(span);
                sink.record(&Record { span, line, facts, newline: width, salvaged: false, bytes })
            }
            Outcome::Record(facts) => {
                self.salvage(&mut open, Segment { start: span.offset, end, facts }, end, chunk, sink)?;
                self.summary.lines += 1;
                let finding = Finding {
                    kind: AnomalyType::TruncatedLine,
                    reason: Reason::MissingNewline,
                    line: Some(self.summary.lines),
                    offset: Some(span.offset),
                    length: Some(span.length),
                    key: None,
                    id: None,
                    detail: "the last record is intact: only its newline is missing; it is kept".into(),
                    excerpt: Some(open.excerpt.text()),
                    salvaged: open.salvaged,
                };
                self.found(finding, sink)
            }
            Outcome::Damaged { fault, broke_at, nul_bytes, last } => {
                if let Some(segment) = last {
                    // White space between the record and its newline does no harm and stays.
                    let to = if width > 0 { self.at } else { segment.end };
                    self.salvage(&mut open, segment, to, chunk, sink)?;
                }
                self.keep_to(open.start, sink)?;
                self.reject_to(self.at, sink)?;
                self.summary.lines += 1;
                let damaged = DamagedLine {
                    line: self.summary.lines,
                    span,
                    terminated: width > 0,
                    fault,
                    broke_at,
                    nul_bytes,
                    is_utf16: sniff::is_utf16(open.excerpt.head()),
                    salvaged: open.salvaged,
                    salvaged_count: open.salvaged_count,
                    excerpt: open.excerpt.text(),
                };
                // A line that lies in one piece is looked through only now that it matters.
                let named = open.fields.named || chunk.slice(span).is_some_and(names_a_field);
                self.summary.looks.add(damaged.reason(), open.excerpt.head(), named);
                self.found(damaged.into_finding(), sink)
            }
        }
    }

    /// Keeps an intact record of the open, damaged line and the bytes up to `to`. A newline is owed when none is there.
    fn salvage(
        &mut self,
        open: &mut OpenLine,
        segment: Segment,
        to: u64,
        chunk: Chunk<'_>,
        sink: &mut impl Sink,
    ) -> Flow {
        let span = Span { offset: segment.start, length: segment.end - segment.start };
        open.salvaged_count += 1;
        if open.salvaged.len() < Finding::MOST_SALVAGED {
            open.salvaged.push(span);
        }
        self.summary.salvageable += 1;
        self.summary.salvaged.add(segment.facts.kind);
        let (line, newline) = (self.summary.lines + 1, to - segment.end);
        let bytes = chunk.slice(span);
        sink.record(&Record { span, line, facts: segment.facts, newline, salvaged: true, bytes })?;
        self.keep_to(open.start, sink)?;
        self.reject_to(segment.start, sink)?;
        self.keep_to(to, sink)?;
        if newline == 0 {
            self.summary.newlines_owed += 1;
            sink.step(Step::Newline)?;
        }
        Flow::Continue(())
    }

    fn keep_to(&mut self, to: u64, sink: &mut impl Sink) -> Flow {
        if to <= self.settled {
            return Flow::Continue(());
        }
        let range = self.settled..to;
        self.settled = to;
        sink.step(Step::Keep(range))
    }

    fn reject_to(&mut self, to: u64, sink: &mut impl Sink) -> Flow {
        if to <= self.settled {
            return Flow::Continue(());
        }
        let range = self.settled..to;
        self.settled = to;
        self.summary.rejected_bytes += range.end - range.start;
        sink.step(Step::Reject(range))
    }

    fn found(&mut self, finding: Finding, sink: &mut impl Sink) -> Flow {
        let flow = sink.finding(&finding);
        self.summary.add_finding(finding, self.max_findings);
        flow
    }

    /// Makes ready for another stretch, which begins at offset `start`, a line's. What was learned of the log's lines
    /// stays, and makes a difference in speed only.
    pub fn begin(&mut self, start: u64, max_findings: usize) {
        (self.max_findings, self.summary, self.open) = (max_findings, Summary::default(), None);
        (self.start, self.at, self.settled) = (start, start, start);
    }

    /// The bytes have ended. What is open now is a line without a newline.
    pub fn finish(mut self, sink: &mut impl Sink) -> Summary {
        self.end(sink)
    }

    /// As [`Scanner::finish`], when another stretch may follow.
    pub fn end(&mut self, sink: &mut impl Sink) -> Summary {
        let chunk = Chunk { bytes: &[], offset: self.at };
        // A sink that wants no more still gets a whole summary.
        if let Some(open) = self.open.take() {
            let width = u64::from(open.returned);
            _ = self.line_ended(open, width, chunk, sink);
        }
        _ = self.keep_to(self.at, sink);
        self.summary.bytes = self.at - self.start;
        std::mem::take(&mut self.summary)
    }
}

/// Whether a line that comes in pieces holds text that only a record would hold.
#[derive(Debug, Default)]
struct Fields {
    named: bool,
    tail: Vec<u8>,
}

impl Fields {
    fn feed(&mut self, piece: &[u8]) {
        if self.named {
            return;
        }
        self.tail.extend_from_slice(&piece[..piece.len().min(LONGEST_FIELD)]);
        self.named = names_a_field(&self.tail) || names_a_field(piece);
        if piece.len() > LONGEST_FIELD {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - LONGEST_FIELD..]);
        }
        self.tail.drain(..self.tail.len().saturating_sub(LONGEST_FIELD));
    }
}

impl OpenLine {
    fn new(start: u64) -> OpenLine {
        OpenLine {
            start,
            line: Line::new(start),
            excerpt: Excerpt::default(),
            fields: Fields::default(),
            salvaged: Vec::new(),
            salvaged_count: 0,
            returned: false,
        }
    }
}
