//! One sink that feeds all who look on while a file is scanned: plan, line index, timeline, the list of fresh findings.

use papyra_core::browse::LineIndex;
use papyra_core::finding::Finding;
use papyra_core::plan::Plan;
use papyra_core::scan::{Flow, Record, Sink, Step};
use papyra_core::timeline::Timeline;

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
        self.timeline.record(&record.facts, self.place(record.span.offset));
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
