//! Plain text on its way through: one sink that feeds all who look on while it is scanned, plan, line index, timeline,
//! the list of fresh findings.

use papyra_core::browse::LineIndex;
use papyra_core::finding::Finding;
use papyra_core::plan::Plan;
use papyra_core::scan::{Flow, Record, Scanner, Sink, Step};
use papyra_core::sniff;
use papyra_core::timeline::Timeline;
use papyra_core::verification::Piece;

/// Parts of a plan that are kept; a file with more damage than that is for the command line.
const MOST_PARTS: usize = 250_000;
/// Plain bytes of a packed file that are handed back for random access.
const MOST_PLAIN: usize = 256 << 20;

/// Its plain bytes, and what comes of them.
pub(crate) struct Text {
    pub(crate) scanner: Scanner,
    pub(crate) gathered: Gathered,
    pub(crate) head: Vec<u8>,
    plain: Vec<u8>,
    plain_total: usize,
}

/// What is gathered of one file beside its summary.
pub(crate) struct Gathered {
    pub(crate) plan: Plan,
    pub(crate) index: LineIndex,
    /// Findings not yet shown, of which a file gets only so many.
    pub(crate) fresh: Vec<Finding>,
    pub(crate) room: usize,
}

pub(crate) struct Watch<'a> {
    pub(crate) gathered: &'a mut Gathered,
    pub(crate) timeline: &'a mut Timeline,
    /// Times that are better than those of the records, one for each.
    pub(crate) times: &'a [f64],
    /// Where the file begins in the whole history, and, for a packed file, how far into it its packed bytes are.
    pub(crate) base: u64,
    pub(crate) packed_at: Option<u64>,
}

impl Watch<'_> {
    #[inline]
    fn place(&self, offset: u64) -> u64 {
        self.base + self.packed_at.unwrap_or(offset)
    }
}

impl Sink for Watch<'_> {
    #[inline]
    fn record(&mut self, record: &Record<'_>) -> Flow {
        if !record.salvaged {
            self.gathered.index.line(record.line, record.span.offset);
        }
        match self.times.split_first() {
            None => self.timeline.record(&record.facts, self.place(record.span.offset)),
            Some((time, rest)) => {
                let mut facts = record.facts;
                facts.timestamp = Some(*time);
                self.timeline.record(&facts, self.place(record.span.offset));
                self.times = rest;
            }
        }
        Flow::Continue(())
    }

    fn finding(&mut self, finding: &Finding) -> Flow {
        if let (Some(line), Some(offset)) = (finding.line, finding.offset) {
            self.gathered.index.line(line, offset);
            self.timeline.anomaly(self.place(offset));
        }
        if self.gathered.room > 0 {
            self.gathered.room -= 1;
            self.gathered.fresh.push(finding.clone());
        }
        Flow::Continue(())
    }

    fn step(&mut self, step: Step) -> Flow {
        self.gathered.plan.step(step)
    }
}

impl Text {
    pub(crate) fn new() -> Text {
        let gathered = Gathered {
            plan: Plan::with_limit(MOST_PARTS),
            index: LineIndex::default(),
            fresh: Vec::new(),
            room: Scanner::MAX_FINDINGS,
        };
        let scanner = Scanner::new(0, Scanner::MAX_FINDINGS);
        Text { scanner, gathered, head: Vec::new(), plain: Vec::new(), plain_total: 0 }
    }

    /// Unpacked bytes that were not taken yet; nothing once there are too many to keep.
    pub(crate) fn take_plain(&mut self) -> Option<Vec<u8>> {
        (self.plain_total <= MOST_PLAIN).then(|| std::mem::take(&mut self.plain))
    }

    pub(crate) fn take(&mut self, Piece { plain, packed_at, times }: Piece<'_>, base: u64, timeline: &mut Timeline) {
        let missing = sniff::HEAD - self.head.len();
        self.head.extend_from_slice(&plain[..plain.len().min(missing)]);
        if packed_at.is_some() {
            self.plain_total += plain.len();
            if self.plain_total <= MOST_PLAIN {
                self.plain.extend_from_slice(plain);
            }
        }
        // The watch never stops a scan.
        let mut watch = Watch { gathered: &mut self.gathered, timeline, times, base, packed_at };
        _ = self.scanner.push(plain, &mut watch);
    }
}
