//! One member of a history, repaired where it really is.

use super::keeping::Keeping;
use super::member::{Job, repair};
use super::outcome::{FilePlan, Recovered, Rejected};
use crate::disk::File;
use crate::error::{Code, Error, Result, show};
use crate::history::History;
use crate::reading::ScanOptions;

/// How often a file that changes meanwhile is tried again.
const TRIES: usize = 5;

/// What is being recovered, and how.
#[derive(Clone, Copy)]
pub(super) struct Doing<'a> {
    pub(super) history: &'a History,
    pub(super) keeping: &'a Keeping,
    pub(super) at_rest: bool,
    pub(super) scanning: ScanOptions<'a>,
}

impl Doing<'_> {
    /// Repairs one member where it really is, and adds what was done to the outcome. Lines of `prefix` come before its
    /// own.
    pub(super) fn mend(&self, name: &str, prefix: Option<&File>, outcome: &mut Recovered) -> Result<()> {
        let Doing { history, keeping, at_rest, scanning } = *self;
        let place = history.place(name)?;
        let (folder, log) = place.as_ref().map_or((&history.folder, name), |(folder, log)| (folder, log));
        let mut tries = 1;
        let inode = || Ok::<_, Error>(folder.stat(log)?.map(|stat| stat.inode));
        let first = if prefix.is_some() { inode()? } else { None };
        // Lines that a swap has put there must not come before themselves.
        let may_try_again = || Ok::<_, Error>(prefix.is_none() || inode()? == first);
        let repaired = loop {
            match repair(folder, log, Job { keeping, prefix, filter: None, only: None, at_rest }, scanning) {
                // Between the two steps of a rotation there is no file of this name.
                Err(error)
                    if matches!(error.code, Code::TryAgain | Code::NoInput) && tries < TRIES && may_try_again()? =>
                {
                    tries += 1;
                }
                // It may be there again by now.
                Err(error)
                    if error.code == Code::NoInput && (folder.stat(log)?.is_none() || folder.read(log).is_ok()) =>
                {
                    let text = format!("{} was rotated away meanwhile: try again", show(&folder.join(log)));
                    return Err(Error::new(Code::TryAgain, text));
                }
                other => break other?,
            }
        };
        let Some(repaired) = repaired else { return Ok(()) };
        outcome.repaired_files.push(history.folder.join(name));
        outcome.quarantined_files.extend(repaired.quarantined);
        let ranges = repaired.rejected_ranges;
        if repaired.plan.rejected_bytes > 0 {
            let (bytes, source) = (repaired.plan.rejected_bytes, name.to_owned());
            outcome.rejected.push(Rejected { file: repaired.rejects, source, bytes, ranges });
        }
        outcome.warnings.extend(repaired.warnings);
        if repaired.late_bytes > 0 {
            let (bytes, path) = (repaired.late_bytes, show(&folder.join(log)));
            let text = format!("{bytes} bytes that were appended to {path} meanwhile were carried over");
            outcome.warnings.push(text);
        }
        outcome.plan.push(FilePlan { path: name.to_owned(), plan: repaired.plan });
        Ok(())
    }
}
