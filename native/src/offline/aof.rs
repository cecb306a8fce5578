//! Append-only files: whether one is whole, what of it stays, and the state that a set of them comes to.
//!
//! A file is gone through once in pieces to see whether it is whole. A damaged one is gone through again in windows, to find the commands after
//! the damage.

use std::fs::File;
use std::path::Path;

use papyra_core::redis::{
    AofPlan, AofPlanner, AofReader, AofSummary, Databases, Entry, Finding, Flow, Limits, Reason, Replay, Scope, Visitor,
};

use super::{AofSet, beyond, feed, open, read_at, shorter};
use crate::error::{Error, Result};
use crate::reading::Effort;

/// So many bytes are searched for commands after damage, at most: they are held in memory for that.
const MOST_SEARCHED: u64 = 1 << 30;

/// What a first pass over a file has shown.
pub(crate) struct Survey {
    pub(crate) size: u64,
    pub(crate) summary: AofSummary,
    /// What to keep, if the file is damaged and commands after the damage were found, or certainly are none.
    pub(crate) plan: Option<AofPlan>,
    /// Its commands are damaged, or its last transaction was not finished.
    pub(crate) damaged: bool,
    /// The RDB file at its front is.
    pub(crate) front_damaged: bool,
}

#[derive(Default)]
struct Check {
    commands: u64,
    front: u64,
    seen_command: bool,
}

impl Visitor for Check {
    fn command(&mut self, _command: &papyra_core::redis::Command<'_>) -> Flow {
        self.seen_command = true;
        Flow::Continue(())
    }

    fn finding(&mut self, finding: Finding) -> Flow {
        match finding.reason {
            Reason::BrokenCommand | Reason::TornTail | Reason::UnfinishedTransaction => self.commands += 1,
            _ => self.front += 1,
        }
        Flow::Continue(())
    }
}

/// Goes through a file, and plans when it is damaged.
pub(crate) fn survey(file: &File, path: &Path, size: u64, scope: &Scope, effort: Effort<'_>) -> Result<Survey> {
    let mut check = Check::default();
    let mut reader = AofReader::new(Limits::default());
    let mut databases = Databases::default();
    feed(file, path, 0..size, effort.progress, |bytes| {
        databases.push(bytes);
        reader.push(bytes, &mut check)
    })?;
    let summary = reader.finish(&mut check).map_err(|error| beyond(path, &error))?;
    let start = summary.preamble.as_ref().map_or(Some(0), |front| front.end);
    let damaged = check.commands > 0;
    let plan = match start {
        Some(start) if damaged => {
            let planner = AofPlanner::new(start, size, databases.are_several(), Limits::default());
            plan(planner, file, path, scope)?
        }
        _ => None,
    };
    Ok(Survey { size, summary, plan, damaged, front_damaged: check.front > 0 })
}

/// Makes a plan; `None` when a damaged stretch is too long to be searched.
fn plan(mut planner: AofPlanner, file: &File, path: &Path, scope: &Scope) -> Result<Option<AofPlan>> {
    while let Some(range) = planner.wants() {
        let length = range.end - range.start;
        if length > MOST_SEARCHED {
            return Ok(None);
        }
        let mut window = vec![0; usize::try_from(length).unwrap_or(0)];
        let read =
            read_at(file, &mut window, range.start).map_err(|error| Error::cannot_read(path, range.start, &error))?;
        if read < window.len() {
            return Err(shorter(path));
        }
        planner.take(&window);
    }
    let mut plan = planner.finish();
    let mut later = plan.later_commands(scope);
    for range in plan.undecided() {
        let mut reader = AofReader::part(range.start, Limits::default());
        feed(file, path, range, &|_| {}, |bytes| reader.push(bytes, &mut later))?;
    }
    plan.later = later.found();
    Ok(Some(plan))
}

/// Replays a set, and tells what each of its files is like. Of a damaged file, what recovery would keep is replayed.
pub(crate) fn replay<P: Clone, F: FnMut(u32, &Entry<'_>) -> P>(
    set: &AofSet,
    scope: &Scope,
    replay: &mut Replay<P, F>,
    effort: Effort<'_>,
) -> Result<Vec<Option<Survey>>> {
    let mut surveys = Vec::new();
    for name in &set.files {
        replay.next_file();
        let path = set.path(name);
        if set.manifest.is_some() && !path.exists() {
            surveys.push(None);
            continue;
        }
        let (file, size) = open(&path)?;
        let survey = survey(&file, &path, size, scope, effort)?;
        let kept = survey.plan.as_ref().map(|plan| plan.stretches.iter().filter(|part| part.keep));
        let ranges: Vec<_> = match kept {
            Some(kept) => kept.map(|part| part.offset..part.offset + part.length).collect(),
            None => std::iter::once(0..size).collect(),
        };
        for range in ranges {
            let mut reader = match range.start {
                0 => AofReader::new(Limits::default()),
                start => AofReader::part(start, Limits::default()),
            };
            feed(&file, &path, range, &|_| {}, |bytes| reader.push(bytes, replay))?;
            reader.finish(replay).map_err(|error| beyond(&path, &error))?;
        }
        surveys.push(Some(survey));
    }
    Ok(surveys)
}
