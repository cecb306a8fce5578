//! Recovery of append-only files: whole commands stay, what is damaged goes, by the same steps as for logs.
//!
//! What to keep is core's plan. A server must not have the files open meanwhile: it is refused then, since a server
//! appends at an offset of its own.

use crate::disk::{self, File};

use papyra_core::plan::Plan;
use papyra_core::redis::{AofNames, AofPlan, AofReader, AofStretch, LaterCommands, Limits, Scope, Survey};
use papyra_core::report::{Backend, Report};
use papyra_core::scan::{Sink, Step};

use super::journal::{id, id_of, unfinished};
use super::keeping::{Keeping, aside};
use super::manifest;
use super::member::{self, NewFile};
use super::outcome::{FilePlan, Mode, RecoverOptions, Recovered, Rejected};
use super::quarantine;
use super::rejects::Rejects;
use crate::TOOL;
use crate::disk::{Folder, sparse};
use crate::error::{Code, Error, Result, show};
use crate::offline::entries::is_append_only;
use crate::offline::{AofSet, ServerFiles, feed, open, scan, survey};
use crate::reading::ScanOptions;
use crate::setting::Setting;

/// What an operator decides about the commands after the damage.
#[derive(Debug, Clone, Copy, Default)]
pub struct After {
    /// Keep them, whatever keys they are on.
    pub keep: bool,
    /// Cut the file at the damage, as redis-check-aof does.
    pub truncate: bool,
}

/// Recovers an append-only file or a folder of them.
pub fn recover(
    backup: &ServerFiles,
    options: &RecoverOptions,
    after: After,
    scope: &Scope,
    scanning: ScanOptions<'_>,
) -> Result<Recovered> {
    let alone;
    let set = match backup {
        ServerFiles::Aof(set) => set,
        ServerFiles::Rdb(path) if is_append_only(path)? => {
            alone = AofSet::one(path);
            &alone
        }
        ServerFiles::Rdb(path) | ServerFiles::Dump(path) => {
            let text = format!(
                "{} is a dump, and a dump is not repaired in place: `papyra redis export` salvages what is intact in \
                 it",
                show(path)
            );
            return Err(Error::new(Code::Usage, text));
        }
    };
    let keeping = options.keeping()?;
    let quiet = ScanOptions { progress: &|_| {}, ..scanning };
    let report = |scanning| Ok(Report::new(TOOL, Backend::Redis, scan::scan(backup, scope, scanning)?, false));
    if let (Some(broken), Err(why)) = (&set.broken, &set.rebuilt) {
        return Err(manifest::undecided(set, broken, why));
    }
    let folder = Folder::open(&set.folder)?;
    let writes = !options.dry_run && options.mode != Mode::Ignore;
    let _lock = if writes { Some(folder.lock()?) } else { None };
    let mut outcome = Recovered::begin(options, report(scanning)?);
    let Plans { damaged, missing, following } = plans(set, after, scope, quiet)?;
    for (name, plan) in &damaged {
        outcome.rejected_records += plan.records_that_go;
        outcome.plan.push(FilePlan { path: name.clone(), plan: written_down(plan, scanning.max_findings) });
    }
    let renewed = manifest::renewed(set, &missing, &following)?;
    outcome.warnings.extend(renewed.iter().map(|renewed| renewed.words.clone()));
    if !writes {
        return Ok(outcome);
    }
    set.files
        .iter()
        .filter(|name| !missing.contains(name))
        .try_for_each(|name| no_writer(&folder, name, options.at_rest))?;
    for name in set.files.iter().chain(&set.manifest) {
        // Hidden files of a run that was killed: before the swap a copy, after it the original.
        for hidden in folder.names()?.into_iter().filter(|hidden| id_of(hidden) == Some(&id(name))) {
            let path = quarantine::set_aside(&folder, &hidden, &aside(&folder, &[&hidden], &keeping)?)?;
            outcome.quarantined_files.push(path);
        }
    }
    // The manifest first: a run that is killed after it finds the same damage, and what no manifest names any more.
    if let Some(renewed) = renewed {
        manifest::put(&folder, set, &renewed, &keeping, options.at_rest, &mut outcome)?;
    }
    for name in manifest::no_longer_named(&folder, set, after.truncate)? {
        let path = quarantine::set_aside(&folder, &name, &aside(&folder, &[&name], &keeping)?)?;
        outcome.quarantined_files.push(path);
    }
    for (name, plan) in &damaged {
        repair(&folder, name, plan, &keeping, options.at_rest, scope, quiet, &mut outcome)?;
    }
    let again = match &set.manifest {
        Some(manifest) => ServerFiles::at(&set.folder.join(manifest), true)?,
        None => None,
    };
    let files = scan::scan(again.as_ref().unwrap_or(backup), scope, quiet)?;
    outcome.after = Report::new(TOOL, Backend::Redis, files, false);
    Ok(outcome)
}

/// What is to be done to the files of a set.
#[derive(Default)]
struct Plans {
    /// The damaged ones, and what to keep of each.
    damaged: Vec<(String, AofPlan)>,
    /// Those that the manifest names and that are not there.
    missing: Vec<String>,
    /// Those after the first damage, when they go with it.
    following: Vec<String>,
}

impl Plans {
    fn first(&self) -> Option<&String> {
        self.missing.first().or(self.damaged.first().map(|(name, _)| name))
    }
}

fn plans(set: &AofSet, after: After, scope: &Scope, scanning: ScanOptions<'_>) -> Result<Plans> {
    let mut plans = Plans::default();
    for (at, name) in set.files.iter().enumerate() {
        let path = set.path(name);
        if plans.first().is_some() && after.truncate {
            plans.following.push(name.clone());
            continue;
        }
        if set.manifest.is_some() && !disk::exists(&path) {
            if at == 0 && !after.keep {
                let text = format!(
                    "{} is missing, and all that follows continues it: put it back from a backup, or keep \
                     the commands that follow without it; nothing was changed",
                    show(&path)
                );
                return Err(Error::new(Code::Usage, text).decided_by(&[Setting::KeepLater]));
            }
            plans.missing.push(name.clone());
            continue;
        }
        let (file, size) = open(&path)?;
        if plans.first().is_some() {
            let mut later = LaterCommands::new(scope.clone());
            let mut reader = AofReader::new(Limits::default());
            feed(&file, &path, 0..size, scanning.progress, |bytes| reader.push(bytes, &mut later))?;
            if let Some(later) = later.found().filter(|_| !after.keep) {
                return Err(undecided(&show(&path), later.others, &later.first_command, later.first_offset));
            }
        }
        let found = survey(&file, &path, size, at >= set.dumps, scope, scanning)?;
        if AofNames::is_lost_base(name, size) && !after.keep {
            let text = format!(
                "{} is empty, and all that follows continues it: put it back from a backup, or keep the commands that \
                 follow without it; nothing was changed",
                show(&path)
            );
            return Err(Error::new(Code::Usage, text).decided_by(&[Setting::KeepLater]));
        }
        if found.front_damaged {
            let text = format!(
                "the dump at the front of {} is damaged, and a dump is not repaired in place: `papyra redis export` \
                 salvages what is intact in it",
                show(&path)
            );
            return Err(Error::new(Code::Usage, text));
        }
        if !found.damaged {
            continue;
        }
        let plan = plan_of(found, after, &show(&path))?;
        if let Some(later) = plan.later.as_ref().filter(|_| !after.keep) {
            let count = later.others + later.whole_databases;
            return Err(undecided(&show(&path), count, &later.first_command, later.first_offset));
        }
        plans.damaged.push((name.clone(), plan));
    }
    Ok(plans)
}

fn plan_of(found: Survey, after: After, path: &str) -> Result<AofPlan> {
    if let Some(plan) = found.plan {
        return Ok(if after.truncate { plan.truncated() } else { plan });
    }
    let begin = [found.summary.broken_at, found.summary.open_transaction].into_iter().flatten().min();
    match begin.filter(|_| after.truncate) {
        Some(at) => Ok(AofPlan::cut(at, found.size)),
        None => {
            let text = format!(
                "{path} is damaged, and no whole command was found in the 1 GiB after the damage: it can be cut \
                 there; nothing was changed"
            );
            Err(Error::new(Code::Data, text).decided_by(&[Setting::Truncate]))
        }
    }
}

fn undecided(path: &str, count: u64, first: &str, offset: u64) -> Error {
    let first = papyra_core::escape::escape(first.as_bytes());
    let text = format!(
        "{path}: {count} commands after the damage may depend on what was lost (the first is {first} at byte \
         {offset}): they move streams or whole databases, or are on keys that are no Papyra streams; say whether they \
         are kept, or the file is cut there and what follows left out; nothing was changed"
    );
    Error::new(Code::Usage, text).decided_by(&[Setting::KeepLater, Setting::Truncate])
}

/// A server that has one of the files open would not see what is done to the others.
fn no_writer(folder: &Folder, name: &str, vouched: bool) -> Result<()> {
    match member::at_rest(folder, name, &folder.read(name)?, vouched) {
        Err(error) if error.code == Code::TryAgain => {
            let text = format!("a process has {} open for writing: stop the server first", show(&folder.join(name)));
            Err(Error::new(Code::TryAgain, text))
        }
        other => other.map(drop),
    }
}

fn step(part: &AofStretch) -> Step {
    let range = part.offset..part.offset + part.length;
    if part.keep { Step::Keep(range) } else { Step::Reject(range) }
}

fn written_down(plan: &AofPlan, limit: usize) -> Plan {
    let mut written = Plan::with_limit(limit);
    plan.stretches.iter().for_each(|part| _ = written.step(step(part)));
    written
}

/// Writes a file anew by its plan, looks at it, and swaps it in.
#[allow(clippy::too_many_arguments)]
fn repair(
    folder: &Folder,
    name: &str,
    plan: &AofPlan,
    keeping: &Keeping,
    at_rest: bool,
    scope: &Scope,
    scanning: ScanOptions<'_>,
    outcome: &mut Recovered,
) -> Result<()> {
    let path = folder.join(name);
    let source = folder.read(name)?;
    let stat = source.stat().map_err(|error| Error::cannot_read(&path, 0, &error))?;
    let size: u64 = plan.stretches.iter().map(|part| part.length).sum();
    if stat.size != size {
        return Err(Error::new(Code::TryAgain, format!("{} is being written to: try again", show(&path))));
    }
    let temporary = unfinished(name);
    let output = folder.create_new(&temporary)?;
    let mut rejects = match keeping {
        Keeping::Rejects => Rejects::beside(folder, name, &stat).inspect_err(|_| _ = folder.remove(&temporary))?,
        Keeping::Quarantine(_) | Keeping::Nothing => Rejects::discarded(),
    };
    let written = write(&source, &output, plan, &mut rejects)
        .map_err(|error| Error::cannot_write("write a repaired copy of", &path, error))
        .and_then(|()| verify(&output, folder, &temporary, size - plan.rejected(), scope, scanning));
    if let Err(error) = written {
        rejects.abandon();
        folder.remove(&temporary)?;
        return Err(error);
    }
    let (bytes, ranges) = rejects.amount();
    let new = NewFile { output: &output, rejects, size: size - plan.rejected() };
    let lease = member::at_rest(folder, name, &source, at_rest)?;
    let placed = member::put_in_place(folder, name, (&source, lease, size), new, keeping, at_rest)?;
    outcome.repaired_files.push(path);
    outcome.quarantined_files.extend(placed.quarantined);
    outcome.rejected.push(Rejected { file: placed.rejects, source: name.to_owned(), bytes, ranges });
    outcome.warnings.extend(placed.warnings);
    Ok(())
}

fn write(source: &File, output: &File, plan: &AofPlan, rejects: &mut Rejects) -> std::io::Result<()> {
    use std::io::Write;
    let mut output = output;
    for part in &plan.stretches {
        let range = part.offset..part.offset + part.length;
        if part.keep {
            sparse::each_piece(source, range, |bytes| output.write_all(bytes))?;
        } else {
            sparse::each_piece(source, range.clone(), |bytes| rejects.write(bytes))?;
            rejects.add_range(range);
        }
    }
    Ok(())
}

/// The new file must be whole.
fn verify(
    output: &File,
    folder: &Folder,
    temporary: &str,
    size: u64,
    scope: &Scope,
    scanning: ScanOptions<'_>,
) -> Result<()> {
    let path = folder.join(temporary);
    let found = survey(output, &path, size, false, scope, scanning)?;
    let length = output.size().map_err(|error| Error::cannot_read(&path, 0, &error))?;
    if length == size && !found.damaged && !found.front_damaged {
        return Ok(());
    }
    let text = "the repaired copy is not intact: the file was left as it is; please report this";
    Err(Error::new(Code::Io, text))
}
