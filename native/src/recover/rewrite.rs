//! Writes what stays of a log to a new file, and what goes to the rejects, as the scanner says it.
//!
//! The scan's steps are carried out while they come, so that a plan of any length costs no memory. A filter may drop
//! intact records besides: that is what compaction adds to a repair.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};
use std::ops::Range;

use papyra_core::plan::Plan;
use papyra_core::scan::{Flow, Record, Sink, Step};
use papyra_core::summary::Counts;

use super::rejects::Rejects;
use crate::disk::{File, sparse};

/// What a rewrite has to show for itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rewritten {
    /// The size of the new file in bytes.
    pub(crate) size: u64,
    /// The records in it.
    pub(crate) records: Counts,
    /// The records that the filter dropped.
    pub(crate) dropped: u64,
    /// The lines that were written before those of the source.
    pub(crate) prefix_lines: u64,
    /// Whether the new file is what the source begins with, but for a newline at its end.
    pub(crate) is_beginning: bool,
}

/// Whether a record stays.
pub(crate) type Filter<'a> = &'a mut dyn FnMut(&Record<'_>) -> bool;

/// The sink that writes.
pub(crate) struct Rewriter<'a> {
    source: &'a File,
    output: BufWriter<&'a File>,
    rejects: &'a mut Rejects,
    filter: Filter<'a>,
    /// Stretches that the filter dropped and no step has covered yet, in order.
    dropped: VecDeque<Range<u64>>,
    /// Whether the stretch kept last was dropped whole, so that no newline is owed to it.
    dropped_whole: bool,
    done: Rewritten,
    pub(crate) plan: Plan,
    is_quiet: &'a dyn Fn() -> bool,
    records: u32,
    has_gap: bool,
    failed: Option<io::Error>,
}

/// Records between two looks at whether somebody waits for the log.
const LOOK_EVERY: u32 = 1 << 12;

impl<'a> Rewriter<'a> {
    /// Reads from `source` and writes to `output`; `listed` parts of the plan are remembered.
    pub(crate) fn new(
        source: &'a File,
        output: &'a File,
        rejects: &'a mut Rejects,
        filter: Filter<'a>,
        is_quiet: &'a dyn Fn() -> bool,
        listed: usize,
    ) -> Rewriter<'a> {
        Rewriter {
            source,
            output: BufWriter::with_capacity(1 << 18, output),
            rejects,
            filter,
            dropped: VecDeque::new(),
            dropped_whole: false,
            done: Rewritten { is_beginning: true, ..Rewritten::default() },
            plan: Plan::with_limit(listed),
            is_quiet,
            records: 0,
            has_gap: false,
            failed: None,
        }
    }

    /// Writes whole lines that stand before the source's.
    pub(crate) fn begin_with(&mut self, lines: &File) -> io::Result<()> {
        let size = lines.size()?;
        self.done.size += size;
        self.done.is_beginning = false;
        let (output, count) = (&mut self.output, &mut self.done.prefix_lines);
        sparse::each_piece(lines, 0..size, |bytes| {
            *count += memchr::memchr_iter(b'\n', bytes).count() as u64;
            output.write_all(bytes)
        })
    }

    /// All steps have come.
    pub(crate) fn finish(mut self) -> io::Result<(Rewritten, Plan)> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.output.flush()?;
        Ok((self.done, self.plan))
    }

    fn carry_out(&mut self, step: &Step) -> io::Result<()> {
        match step {
            Step::Keep(range) => {
                self.done.is_beginning &= !self.has_gap;
                self.keep(range.clone())?;
            }
            Step::Reject(range) => {
                self.has_gap = true;
                let rejects = &mut self.rejects;
                sparse::each_piece(self.source, range.clone(), |bytes| rejects.write(bytes))?;
                self.rejects.add_range(range.clone());
            }
            Step::Newline if self.dropped_whole => {}
            Step::Newline => {
                self.output.write_all(b"\n")?;
                self.done.size += 1;
                self.has_gap = true;
            }
        }
        Ok(())
    }

    fn keep(&mut self, range: Range<u64>) -> io::Result<()> {
        let before = self.done.size;
        let mut at = range.start;
        while let Some(gap) = self.dropped.front().filter(|gap| gap.start < range.end).cloned() {
            self.dropped.pop_front();
            self.copy(at..gap.start)?;
            at = gap.end.min(range.end);
            if gap.end > range.end {
                // A record may be dropped before the step that would keep it has come.
                self.dropped.push_front(range.end..gap.end);
            }
        }
        self.copy(at..range.end)?;
        self.dropped_whole = self.done.size == before && !range.is_empty();
        Ok(())
    }

    fn copy(&mut self, range: Range<u64>) -> io::Result<()> {
        let output = &mut self.output;
        self.done.size += range.end.saturating_sub(range.start);
        sparse::each_piece(self.source, range, |bytes| output.write_all(bytes))
    }
}

impl Sink for Rewriter<'_> {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        self.records += 1;
        if self.records.is_multiple_of(LOOK_EVERY) && !(self.is_quiet)() {
            return Flow::Break(());
        }
        if (self.filter)(record) {
            self.done.records.add(record.facts.kind);
            return Flow::Continue(());
        }
        self.done.dropped += 1;
        self.done.is_beginning = false;
        let (start, end) = (record.span.offset, record.span.offset + record.span.length + record.newline);
        match self.dropped.back_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => self.dropped.push_back(start..end),
        }
        Flow::Continue(())
    }

    fn step(&mut self, step: Step) -> Flow {
        if let Err(error) = self.carry_out(&step) {
            self.failed = Some(error);
            return Flow::Break(());
        }
        self.plan.step(step)
    }
}
