//! Finishes compactions and recoveries of Papyra's that were killed midway, as far as that is certain.
//!
//! Papyra writes `NAME[.N].compact.tmp` or `NAME[.N].recovered.tmp`, removes the old files, and renames. Killed in
//! between, the only copy of older records may lie in the temporaries. A record counts as being in the set already
//! when its JSON means the same: Papyra writes records anew, so their text may differ. What the set lacks must be
//! older than all that it holds, or else nothing is done and the temporary stays reported.

use std::io::Write;
use std::time::Duration;

use papyra_core::report::Backend;
use papyra_core::rotation::{RotationSet, Temporary, TemporaryOf, member_name};
use papyra_core::scan::{Flow, Record};

use super::journal::unfinished;
use super::keeping::{Keeping, aside, owner_of};
use super::meaning::{Meaning, meaning};
use super::outcome::Recovered;
use super::quarantine;
use super::rejects::give_to;
use super::repair::Doing;
use super::swap::give_name;
use crate::disk::fault::Fault;
use crate::disk::{self, File, Stat, sparse, sys};
use crate::error::{Code, Error, Result, show};
use crate::history::History;
use crate::reading::ScanOptions;
use crate::records;

/// Puts temporaries of Papyra's in place, or aside when they hold nothing new.
pub(super) fn settle(doing: &Doing<'_>, outcome: &mut Recovered) -> Result<()> {
    let Doing { history, keeping, at_rest, scanning } = *doing;
    if history.set()?.temporaries.is_empty() {
        return Ok(());
    }
    wait_for_renames(history)?;
    let set = history.set()?;
    if set.temporaries.is_empty() || has_original_aside(history, &set, keeping)? {
        return Ok(());
    }
    if let ([], [temporary]) = (&*set.members, &*set.temporaries) {
        put_in_place(history, temporary, at_rest, outcome)?;
        return history.folder.sync();
    }
    match lacking(history, &set, scanning)? {
        Lacking::Undecided => {
            outcome.warnings.extend(set.temporaries.iter().map(|temporary| undecided(history, &temporary.name)));
            return Ok(());
        }
        Lacking::AtWork => return Err(at_work(history)),
        Lacking::TooMany(name) => {
            outcome.warnings.push(too_many(history, &name));
            return Ok(());
        }
        Lacking::Nothing => {}
        Lacking::Older { lines, overlap } => {
            let newest = set.members.iter().map(|member| member.index).max().unwrap_or(0);
            let whole = |temporary: &Temporary| temporary.index > newest || set.members.is_empty();
            let is_whole = !overlap && set.temporaries.iter().all(whole);
            let is_json = history.backend == Backend::Json;
            if is_whole || Fault::TemporaryTakenWhole.is_back() && !is_json {
                for temporary in &set.temporaries {
                    put_in_place(history, temporary, at_rest, outcome)?;
                }
            } else if is_json {
                doing.mend(&history.base, Some(&lines), outcome)?;
            } else if !is_free(history, &set, newest + 1)? {
                return Ok(());
            } else {
                add_oldest(history, newest + 1, &lines, at_rest, outcome)?;
            }
        }
    }
    let now = history.set()?;
    // Nobody may have taken a member away meanwhile: what goes aside has to be there.
    if !Fault::TemporaryAtWork.is_back() && !matches!(lacking(history, &now, scanning)?, Lacking::Nothing) {
        return Err(at_work(history));
    }
    for temporary in now.temporaries {
        let to = aside(&history.folder, &[&temporary.name], keeping)?;
        outcome.quarantined_files.push(quarantine::set_aside(&history.folder, &temporary.name, &to)?);
    }
    history.folder.sync()
}

/// The longest that Papyra takes from its temporaries' last byte to their last rename.
const RENAMING: Duration = Duration::from_millis(500);

/// How often its temporaries are looked at while they change.
const LOOKS: u32 = 20;

/// Papyra removes the old files and renames its temporaries right after it has written them: until then the set is not
/// what it will be. Whoever was killed there is not waited for twice.
fn wait_for_renames(history: &History) -> Result<()> {
    let look = || -> Result<Vec<(String, Option<Stat>)>> {
        let temporaries = history.set()?.temporaries.into_iter();
        temporaries.map(|Temporary { name, .. }| Ok((name.clone(), history.folder.stat(name)?))).collect()
    };
    let mut before = look()?;
    for _ in 0..LOOKS {
        let modified = before.iter().filter_map(|(_, stat)| Some(stat.as_ref()?.modified_ms())).max();
        let newest = modified.unwrap_or_default();
        let left = newest.saturating_add(RENAMING.as_millis() as i64).saturating_sub(sys::now());
        if left <= 0 || Fault::TemporaryAtWork.is_back() {
            return Ok(());
        }
        sys::pause(RENAMING.min(Duration::from_millis(left.unsigned_abs())));
        let now = look()?;
        // A stamp may lie ahead of this clock.
        if now == before {
            return Ok(());
        }
        before = now;
    }
    Err(at_work(history))
}

fn at_work(history: &History) -> Error {
    let text = format!("a compaction or recovery of {} is at work: try again", show(&history.path()));
    Error::new(Code::TryAgain, text)
}

/// Whether lines that the set lacks may become a member of this number: it is not there, Papyra had so many, and reads
/// so many.
fn is_free(history: &History, set: &RotationSet, index: u32) -> Result<bool> {
    let most = set.temporaries.iter().map(|temporary| temporary.index).max().unwrap_or(0) + 1;
    let is_read = index <= most && index < history.max_files().unwrap_or(PAPYRAS_FILES);
    Ok(is_read && history.folder.stat(member_name(&history.base, index))?.is_none())
}

/// The files of a set unless its owner said otherwise. Source: Papyra 0.3.0, `persistence/backends/rotating.py`.
const PAPYRAS_FILES: u32 = 5;

fn too_many(history: &History, name: &str) -> String {
    format!(
        "{} holds more records than are compared ({MOST}): whether the log has them all was not decided; compare the \
         two",
        show(&history.folder.join(name))
    )
}

fn undecided(history: &History, name: &str) -> String {
    format!(
        "{} was left by an interrupted compaction or recovery of Papyra's and holds records, and where they belong \
         cannot be proven: nothing was changed. Compare the two (papyra backup diff); where its records are the older \
         ones, stop the writer, append the log to it, give it the log's name, and recover again",
        show(&history.folder.join(name))
    )
}

/// Papyra's quarantine recovery moves the log away first: then the temporary may be half written, and the whole
/// original lies in a quarantine. Which of the two to take is the operator's to say.
fn has_original_aside(history: &History, set: &RotationSet, keeping: &Keeping) -> Result<bool> {
    if set.temporaries.iter().all(|temporary| temporary.of == TemporaryOf::Compaction) {
        return Ok(false);
    }
    let prefix = format!("{}.quarantine.", history.base);
    let mut names = history.folder.names()?;
    if let Keeping::Quarantine(folder) = keeping
        && disk::is_folder(folder)
    {
        names.extend(disk::Folder::open(folder)?.names()?);
    }
    Ok(names.iter().any(|name| name.starts_with(&prefix)))
}

/// Papyra does not sync what it writes: its name is no use without the bytes.
fn put_in_place(history: &History, temporary: &Temporary, at_rest: bool, outcome: &mut Recovered) -> Result<()> {
    let path = history.folder.join(&temporary.target);
    let file = history.folder.read(&temporary.name)?;
    if !Fault::TemporaryNotSynced.is_back() {
        file.sync_all().map_err(|error| Error::cannot_write("sync", &path, error))?;
    }
    give_name(&history.folder, &temporary.name, &temporary.target, at_rest)?;
    outcome.repaired_files.push(path);
    Ok(())
}

/// Writes a new oldest member, which belongs to whom the others belong to.
fn add_oldest(history: &History, index: u32, lines: &File, at_rest: bool, outcome: &mut Recovered) -> Result<()> {
    let name = member_name(&history.base, index);
    let temporary = unfinished(&name);
    let path = history.folder.join(&name);
    let next = history.read(&member_name(&history.base, index - 1)).and_then(|next| {
        let path = history.folder.join(&name);
        next.stat().map(Some).map_err(|error| Error::cannot_read(&path, 0, &error))
    });
    let like = next.or_else(|_| owner_of(&history.folder, &[]))?;
    let file = history.folder.create_new(&temporary)?;
    let write = || {
        sparse::copy(lines, lines.size()?, &file)?;
        if let Some(like) = &like {
            give_to(&file, like)?;
        }
        file.sync_all()
    };
    let done = write()
        .map_err(|error| Error::cannot_write("write", &path, error))
        .and_then(|()| give_name(&history.folder, &temporary, &name, at_rest))
        .and_then(|()| history.folder.sync());
    done.inspect_err(|_| _ = history.folder.remove(&temporary))?;
    outcome.repaired_files.push(path);
    Ok(())
}

/// What the temporaries hold and the set does not.
enum Lacking {
    Nothing,
    /// These lines, all older than what the set holds; whether it holds some of the temporaries' records too.
    Older {
        lines: File,
        overlap: bool,
    },
    Undecided,
    /// Papyra is writing one of them, or changes the set.
    AtWork,
    /// The temporary with so many records that telling them apart would cost too much memory.
    TooMany(String),
}

/// Records of temporaries that are told apart; 20 bytes each.
const MOST: usize = 2 << 20;

fn lacking(history: &History, set: &RotationSet, scanning: ScanOptions<'_>) -> Result<Lacking> {
    // Those of the temporaries, which compaction has made small, are held; the set may be large and is only read.
    let mut wanted: Vec<Meaning> = Vec::new();
    let temporaries = Held::all(history, set)?;
    let is_at_work = temporaries.iter().any(|temporary| temporary.file.has_writer());
    if is_at_work && !Fault::TemporaryAtWork.is_back() {
        return Ok(Lacking::AtWork);
    }
    for temporary in &temporaries {
        let mut records = 0;
        each_record(history, temporary, scanning, |record, _| {
            records += 1;
            if wanted.len() < MOST {
                wanted.push(meaning(record));
            }
            Ok(())
        })?;
        if records > 0 && wanted.len() == MOST {
            return Ok(Lacking::TooMany(temporary.name.to_owned()));
        }
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut there: Vec<u32> = vec![0; wanted.len()];
    // The oldest of what the set holds, and the newest of what it lacks.
    let (mut oldest, mut newest) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut has_records = false;
    // Whether the set begins with what the temporaries have in common with it.
    let (mut has_common, mut begins_otherwise) = (false, false);
    for member in history.pin()?.members {
        let file = member.file.map_err(|reason| Error::new(Code::NoInput, reason))?;
        // What somebody has cut from it may not come back after a power cut, beside the copy of it that goes in place.
        file.sync_all().map_err(|error| Error::cannot_write("sync", &history.folder.join(&member.name), error))?;
        let member = Held::of(history, &member.name, member.index, file)?;
        each_record(history, &member, scanning, |record, found| {
            has_records = true;
            oldest = oldest.min(found.facts.timestamp.unwrap_or(oldest));
            if let Ok(at) = wanted.binary_search(&meaning(record)) {
                there[at] = there[at].saturating_add(1);
                has_common = true;
            } else {
                begins_otherwise |= !has_common;
            }
            Ok(())
        })?;
    }
    let mut oldest_first: Vec<&Held<'_>> = temporaries.iter().collect();
    oldest_first.sort_by_key(|temporary| std::cmp::Reverse(temporary.index));
    let (mut overlap, mut decided) = (false, true);
    // Without a name once it is open: nothing stays behind.
    let hidden = unfinished(&history.base);
    if history.folder.stat(&hidden)?.is_some() {
        history.folder.remove(&hidden)?;
    }
    let lines = history.folder.create_new(&hidden)?;
    history.folder.remove(&hidden)?;
    let mut writer = sparse::SparseWriter::new(lines);
    // Which of them a record came from: one in two of them may be one record, which an older compaction held too.
    let mut from: Vec<u32> = vec![0; wanted.len()];
    // Whether the compaction's, and the recovery's, share records with the set, and hold others.
    let (mut shares, mut lacks) = ([false; 2], [false; 2]);
    for (temporary, own) in oldest_first.into_iter().zip(1..) {
        let kind = usize::from(is_compaction(set, temporary.name));
        each_record(history, temporary, scanning, |record, found| match wanted.binary_search(&meaning(record)) {
            Ok(at) if there[at] > 0 => {
                there[at] -= 1;
                (overlap, shares[kind]) = (true, true);
                Ok(())
            }
            at => {
                lacks[kind] = true;
                let before = at.map_or(0, |at| std::mem::replace(&mut from[at], own));
                decided &= !overlap && (before == 0 || before == own);
                newest = newest.max(found.facts.timestamp.unwrap_or(newest));
                writer.write_all(record)?;
                writer.write_all(b"\n")
            }
        })?;
    }
    // A rotation or a compaction meanwhile has changed what the set lacks.
    let has_changed = history.set()? != *set || temporaries.iter().any(|temporary| !temporary.is_still(history));
    if has_changed && !Fault::TemporaryAtWork.is_back() {
        return Ok(Lacking::AtWork);
    }
    let written = writer.finish();
    let (lines, size) = written.map_err(|error| Error::cannot_write("write", &history.folder.join(hidden), error))?;
    // The log's own is renamed first, when all the old files are gone.
    let is_renaming = set.temporaries.iter().all(|temporary| temporary.index > 0);
    // Nothing in common: a power cut may have brought back a log that the compaction had replaced, or a writer has
    // begun a new one. Their times alone, by clocks that begin anew with each process, do not tell the two apart.
    let is_older = !has_records || is_renaming && newest < oldest;
    // What another left shares with the set tells nothing of these.
    let is_beside = (0..2).all(|kind| shares[kind] || !lacks[kind]);
    decided &= is_beside || is_older || size == 0 || Fault::TimeUnchecked.is_back();
    // The set goes back further than they do: what they alone hold was changed since, or lies where nobody can tell.
    decided &= size == 0 || !overlap || !begins_otherwise;
    // In the middle of the renames what the set holds is beside what the others do: a record that both seem to hold was
    // there twice.
    decided &= size == 0 || !overlap || !is_renaming;
    Ok(match (size, decided) {
        (0, true) => Lacking::Nothing,
        (_, true) => Lacking::Older { lines, overlap },
        (_, false) => Lacking::Undecided,
    })
}

fn is_compaction(set: &RotationSet, name: &str) -> bool {
    set.temporaries.iter().any(|temporary| temporary.name == name && temporary.of == TemporaryOf::Compaction)
}

/// A file of the set, held open.
struct Held<'a> {
    name: &'a str,
    index: u32,
    file: File,
    /// When it was opened.
    size: u64,
}

impl Held<'_> {
    fn all<'a>(history: &History, set: &'a RotationSet) -> Result<Vec<Held<'a>>> {
        let held = |temporary: &'a Temporary| {
            Held::of(history, &temporary.name, temporary.index, history.read(&temporary.name)?)
        };
        set.temporaries.iter().map(held).collect()
    }

    fn of<'a>(history: &History, name: &'a str, index: u32, file: File) -> Result<Held<'a>> {
        let size = file.size().map_err(|error| Error::cannot_read(&history.folder.join(name), 0, &error))?;
        Ok(Held { name, index, file, size })
    }

    /// Whether its name still leads to it, and nothing was added.
    fn is_still(&self, history: &History) -> bool {
        let now = history.folder.stat(self.name).ok().flatten();
        now.is_some_and(|now| self.file.stat().is_ok_and(|open| open.inode == now.inode && now.size == self.size))
    }
}

/// Hands out the bytes of every record that recovery keeps of a file.
fn each_record(
    history: &History,
    held: &Held<'_>,
    scanning: ScanOptions<'_>,
    mut each: impl FnMut(&[u8], &Record<'_>) -> std::io::Result<()>,
) -> Result<()> {
    let path = history.folder.join(held.name);
    records::each(&held.file, &path, held.size, scanning, |record| {
        each(&record.bytes()?, record.record)?;
        Ok(Flow::Continue(()))
    })
    .map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use papyra_core::report::Report;

    use super::super::outcome::{Mode, RecoverOptions};
    use super::*;
    use crate::history::Choice;

    #[test]
    fn older_records_become_a_member_only_where_papyra_reads_one() {
        for (files, is_read) in [(2, false), (3, true)] {
            let place = tempfile::tempdir().expect("a folder");
            let path = |name: &str| place.path().join(name);
            let record = |time: u32| format!("{{\"kind\": \"event\", \"timestamp\": {time}.0}}\n");
            fs::write(path("log.1.compact.tmp"), record(1)).expect("written");
            fs::write(path("log.1"), record(2)).expect("written");
            fs::write(path("log"), record(3)).expect("written");
            let history = History::open(&path("log"), Choice::Rotating, Some(files)).expect("a set");
            let before = Report::new(crate::TOOL, history.backend, Vec::new(), false);
            let mut outcome = Recovered::begin(&RecoverOptions::new(Mode::Repair), before);
            let scanning = ScanOptions { threads: 1, max_findings: 0, progress: &|_| {} };
            let doing = Doing { history: &history, keeping: &Keeping::Rejects, at_rest: false, scanning };
            settle(&doing, &mut outcome).expect("settled");
            let read = |name: &str| fs::read_to_string(path(name)).ok();
            let (temporary, member) = (read("log.1.compact.tmp"), read("log.2"));
            let expected = if is_read { (None, Some(record(1))) } else { (Some(record(1)), None) };
            assert_eq!((temporary, member), expected, "{files} files");
        }
    }
}
