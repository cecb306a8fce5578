//! The search for whole commands after damage: which bytes of a file it wants next, and the plan that comes of them.
//!
//! What stays and what goes is the planner's affair (`planner`). Here its windows are held while they are pushed, and
//! what it keeps after the first damage is read once more for the commands that a person must decide about.

use std::ops::Range;

use super::later::LaterCommands;
use super::plan::AofPlan;
use super::planner::AofPlanner;
use super::reader::AofReader;
use crate::redis::rdb::header::Limits;
use crate::redis::stream::keys::Scope;
use crate::redis::visit::{Any, Flow};

/// A window may grow to this many bytes, all of them a single damaged stretch.
const MOST_HELD: u64 = 1 << 30;

/// Makes a plan of a damaged file that is pushed in the pieces that it wants.
pub struct Search {
    scope: Scope,
    step: Step,
}

enum Step {
    Window(AofPlanner, Range<u64>, Vec<u8>),
    Later { plan: AofPlan, seen: LaterCommands, ranges: Vec<Range<u64>>, reader: Box<AofReader> },
    Done(Option<AofPlan>),
}

impl Search {
    pub(in crate::redis) fn new(planner: AofPlanner, scope: Scope) -> Self {
        let step = window(planner, &scope);
        Self { scope, step }
    }

    /// What to push before the next [`Search::end`]; nothing at the end.
    pub fn want(&self) -> Option<Range<u64>> {
        match &self.step {
            Step::Window(_, range, _) => Some(range.clone()),
            Step::Later { ranges, .. } => ranges.last().cloned(),
            Step::Done(_) => None,
        }
    }

    /// Takes the next bytes of what is wanted.
    pub fn push(&mut self, bytes: &[u8]) -> Flow {
        match &mut self.step {
            Step::Window(_, _, held) => {
                held.extend_from_slice(bytes);
                Flow::Continue(())
            }
            Step::Later { seen, reader, .. } => reader.push::<Any<'_>>(bytes, &mut (seen as _)),
            Step::Done(_) => Flow::Break(()),
        }
    }

    /// All that was wanted has been pushed.
    pub fn end(&mut self) {
        self.step = match std::mem::replace(&mut self.step, Step::Done(None)) {
            Step::Window(mut planner, _, held) => {
                planner.take(&held);
                drop(held);
                window(planner, &self.scope)
            }
            Step::Later { plan, seen, mut ranges, .. } => {
                ranges.pop();
                later(plan, seen, ranges)
            }
            done @ Step::Done(_) => done,
        };
    }

    /// The plan; `None` when a damaged stretch is too long to be searched.
    pub fn finish(self) -> Option<AofPlan> {
        match self.step {
            Step::Done(plan) => plan,
            _ => None,
        }
    }
}

fn window(mut planner: AofPlanner, scope: &Scope) -> Step {
    let Some(range) = planner.wants() else {
        if let Some(again) = planner.again() {
            return window(again, scope);
        }
        let plan = planner.finish();
        let seen = plan.later_commands(scope);
        let ranges = plan.undecided().into_iter().rev().collect();
        return later(plan, seen, ranges);
    };
    let (length, mut held) = (range.end - range.start, Vec::new());
    let fits =
        length <= MOST_HELD && usize::try_from(length).is_ok_and(|length| held.try_reserve_exact(length).is_ok());
    if fits { Step::Window(planner, range, held) } else { Step::Done(None) }
}

/// Goes on with the last of the ranges.
fn later(plan: AofPlan, seen: LaterCommands, ranges: Vec<Range<u64>>) -> Step {
    match ranges.last() {
        Some(range) => {
            let reader = Box::new(AofReader::part(range.start, Limits::default()));
            Step::Later { plan, seen, ranges, reader }
        }
        None => Step::Done(Some(AofPlan { later: seen.found(), ..plan })),
    }
}
