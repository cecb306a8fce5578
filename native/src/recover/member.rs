//! Repairs one file: scan, write anew, verify, secure what goes, swap.

use crate::disk::File;
use std::path::PathBuf;

use papyra_core::plan::Plan;
use papyra_core::summary::Summary;
use rustix::fs::{self, Gid, Mode, Uid};

use super::quarantine::{self, Kept};
use super::rejects::{Rejects, Secured};
use super::rewrite::{Filter, Rewriter, Rewritten};
use super::swap::{self, Ready};
use crate::disk::{Folder, Identity};
use crate::error::{Code, Error, Result, show};
use crate::history::scan_settled;
use crate::reading::{self, Effort};

/// Where removed bytes go.
#[derive(Debug, Clone)]
pub(crate) enum Keeping {
    /// To a rejects file beside the log.
    Rejects,
    /// The whole original to this folder.
    Quarantine(PathBuf),
    /// Nowhere: the operator said so.
    Nothing,
}

/// What is to be done to a file besides leaving out what is damaged.
pub(crate) struct Job<'a> {
    pub(crate) keeping: &'a Keeping,
    /// Whole lines to stand before the file's own.
    pub(crate) prefix: &'a [u8],
    /// Drops records; without it all stay.
    pub(crate) filter: Option<Filter<'a>>,
    /// The device and inode that the filter was made for: a rotation meanwhile must not have it applied to another.
    pub(crate) only: Option<(u64, u64)>,
}

/// What was done to a file.
#[derive(Debug)]
pub(crate) struct Repaired {
    pub(crate) plan: Plan,
    pub(crate) rejected_ranges: u64,
    pub(crate) quarantined: Option<PathBuf>,
    pub(crate) rejects: Option<PathBuf>,
    pub(crate) late_bytes: u64,
    pub(crate) warnings: Vec<String>,
}

/// Rewrites the file `log` in `folder` without what is damaged, and as `job` says.
///
/// `None` when there is nothing to do. Any error leaves the log as its writers left it.
pub(crate) fn repair(folder: &Folder, log: &str, job: Job<'_>, effort: Effort<'_>) -> Result<Option<Repaired>> {
    let Job { keeping, prefix, filter, only } = job;
    let path = folder.join(log);
    let source = folder.read(log)?;
    let before = scan_settled(&source, &path, Effort { max_findings: 0, ..effort })?;
    // What is appended from now on comes late, and the swap carries it over.
    let identity = Identity {
        size: before.bytes,
        ..Identity::of_file(&source).map_err(|error| Error::cannot_read(&path, 0, &error))?
    };
    if only.is_some_and(|only| only != (identity.device, identity.inode)) {
        return Err(Error::new(Code::TryAgain, format!("{} was rotated meanwhile: try again", show(&path))));
    }
    if before.anomalies == 0 && prefix.is_empty() && filter.is_none() {
        return Ok(None);
    }
    let temporary = swap::unfinished(log);
    let output = folder.create_new(&temporary)?;
    let mut rejects = match keeping {
        Keeping::Rejects if before.rejected_bytes > 0 => {
            Rejects::beside(folder, log, &identity).inspect_err(|_| _ = folder.remove(&temporary))?
        }
        _ => Rejects::discarded(),
    };
    let written =
        write(&source, &output, &before, prefix, &mut rejects, filter.unwrap_or(&mut |_| true), &path, effort)
            .and_then(|done| verify(&output, &folder.join(&temporary), &done.0, prefix, effort).map(|()| done));
    let nothing_to_do =
        matches!(&written, Ok((done, plan)) if plan.is_empty() && done.dropped == 0 && prefix.is_empty());
    let (done, plan) = match written {
        Ok(written) if !nothing_to_do => written,
        other => {
            rejects.abandon();
            folder.remove(&temporary)?;
            return other.map(|_| None);
        }
    };
    let (_, rejected_ranges) = rejects.amount();
    let new = NewFile { output: &output, rejects, resume_at: done.resume_at, size: done.size };
    let placed = put_in_place(folder, log, (&source, &identity), new, keeping)?;
    Ok(Some(Repaired {
        plan,
        rejected_ranges,
        quarantined: placed.quarantined,
        rejects: placed.rejects,
        late_bytes: placed.late_bytes,
        warnings: placed.warnings,
    }))
}

/// A repaired file that was written and verified, under its unfinished name.
pub(super) struct NewFile<'a> {
    pub(super) output: &'a File,
    /// What was left out of it.
    pub(super) rejects: Rejects,
    /// See [`Ready::resume_at`].
    pub(super) resume_at: u64,
    pub(super) size: u64,
}

/// What came of putting it in place.
pub(super) struct Placed {
    pub(super) quarantined: Option<PathBuf>,
    pub(super) rejects: Option<PathBuf>,
    pub(super) late_bytes: u64,
    pub(super) warnings: Vec<String>,
}

/// Syncs the new file, secures what it lacks, and swaps it in. Any error leaves the file as its writers left it.
pub(super) fn put_in_place(
    folder: &Folder,
    log: &str,
    (source, identity): (&File, &Identity),
    new: NewFile<'_>,
    keeping: &Keeping,
) -> Result<Placed> {
    let (path, temporary) = (folder.join(log), swap::unfinished(log));
    let NewFile { output, rejects, resume_at, size: new_size } = new;
    let finish = || -> Result<(Option<Kept>, Option<Secured>, Vec<String>)> {
        let warnings = like_the_original(source, output, &path)?;
        output.sync_all().map_err(|error| Error::cannot_write("write", &folder.join(&temporary), error))?;
        let original = match keeping {
            Keeping::Quarantine(quarantine) => {
                Some(quarantine::keep_original(folder, log, source, identity, quarantine)?)
            }
            Keeping::Rejects | Keeping::Nothing => None,
        };
        let secured = match rejects.secure() {
            Ok(secured) => secured,
            Err(error) => {
                original.into_iter().for_each(Kept::abandon);
                return Err(error);
            }
        };
        Ok((original, secured, warnings))
    };
    let (original, secured, warnings) = finish().inspect_err(|_| _ = folder.remove(&temporary))?;
    let (inode, size) = (identity.inode, identity.size);
    let ready = Ready { inode, size, resume_at, new_size };
    match swap::swap(folder, log, (source, identity), output, ready) {
        Ok(late_bytes) => Ok(Placed {
            quarantined: original.map(|kept| kept.path),
            rejects: secured.map(|secured| secured.path),
            late_bytes,
            warnings,
        }),
        Err(failed) if failed.swapped => Err(failed.error.and("run the same command again to finish")),
        Err(failed) => {
            _ = folder.remove(&temporary);
            original.into_iter().for_each(Kept::abandon);
            secured.into_iter().for_each(Secured::abandon);
            Err(failed.error)
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn write(
    source: &File,
    output: &File,
    before: &Summary,
    prefix: &[u8],
    rejects: &mut Rejects,
    filter: Filter<'_>,
    path: &std::path::Path,
    effort: Effort<'_>,
) -> Result<(Rewritten, Plan)> {
    let failed = |error| Error::cannot_write("write a repaired copy of", path, error);
    let mut rewriter = Rewriter::new(source, output, rejects, filter, effort.max_findings);
    rewriter.begin_with(prefix).map_err(failed)?;
    let effort = Effort { max_findings: 0, ..effort };
    let again = reading::scan_range(source, path, 0, before.bytes, effort, &mut rewriter)?;
    let (done, plan) = rewriter.finish().map_err(failed)?;
    if again != *before {
        return Err(Error::new(Code::TryAgain, format!("{} changed while it was read: try again", show(path))));
    }
    Ok((done, plan))
}

/// Scans the new file: it must be clean and hold what was kept, no more and no less.
fn verify(output: &File, path: &std::path::Path, done: &Rewritten, prefix: &[u8], effort: Effort<'_>) -> Result<()> {
    let size = output.size().map_err(|error| Error::cannot_read(path, 0, &error))?;
    let after = reading::scan_file(output, path, size, Effort { max_findings: 0, ..effort })?;
    let expected = done.records.total() + memchr::memchr_iter(b'\n', prefix).count() as u64;
    if after.anomalies == 0 && after.bytes == done.size && after.records.total() == expected {
        return Ok(());
    }
    let text = format!(
        "the repaired copy of the log does not hold what it should ({} of {expected} records, {} anomalies): \
         the log was left as it is; please report this",
        after.records.total(),
        after.anomalies
    );
    Err(Error::new(Code::Io, text))
}

/// Gives the new file the original's owner, mode and extended attributes (access lists among them).
fn like_the_original(source: &File, output: &File, path: &std::path::Path) -> Result<Vec<String>> {
    let failed = |error: std::io::Error| Error::cannot_create("keep owner and mode of", path, error);
    let (old, new) = (source.stat().map_err(failed)?, output.stat().map_err(failed)?);
    if (old.owner, old.group) != (new.owner, new.group) {
        let (owner, group) = (Uid::from_raw(old.owner), Gid::from_raw(old.group));
        fs::fchown(output, Some(owner), Some(group)).map_err(|_| {
            let text = format!("cannot keep owner and group of {}: run as root or as its owner", show(path));
            Error::new(Code::CannotCreate, text)
        })?;
    }
    fs::fchmod(output, Mode::from_raw_mode(old.mode & 0o7777)).map_err(|error| failed(error.into()))?;
    let mut warnings = Vec::new();
    if let Err(error) = copy_attributes(source, output) {
        warnings.push(format!("the extended attributes of {} could not be kept: {error}", show(path)));
    }
    if old.links > 1 {
        warnings.push(format!(
            "{} has {} more names (hard links): they keep the old content",
            show(path),
            old.links - 1
        ));
    }
    Ok(warnings)
}

fn copy_attributes(source: &File, output: &File) -> std::io::Result<()> {
    let mut names = vec![0; 1 << 16];
    let length = match fs::flistxattr(source, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut value = vec![0; 1 << 16];
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let length = fs::fgetxattr(source, name, &mut value[..])?;
        fs::fsetxattr(output, name, &value[..length], fs::XattrFlags::empty())?;
    }
    Ok(())
}
