//! Finishes compactions and recoveries of Papyra's that were killed midway, as far as that is certain.
//!
//! Papyra writes `NAME[.N].compact.tmp` or `NAME[.N].recovered.tmp`, removes the old files, and renames. Killed in
//! between, the only copy of older records may lie in the temporaries. A record counts as being in the set already
//! when its JSON means the same: Papyra writes records anew, so their text may differ. What the set lacks must be
//! older than all that it holds, or else nothing is done and the temporary stays reported.

use std::collections::HashMap;

use papyra_core::report::Backend;
use papyra_core::rotation::{RotationSet, Temporary, TemporaryOf, member_name};
use papyra_core::scan::Flow;
use papyra_core::view;

use super::member::Keeping;
use super::{Outcome, aside, mend, quarantine};
use crate::error::{Error, Result};
use crate::history::History;
use crate::reading::Effort;
use crate::records;

/// Puts temporaries of Papyra's in place, or aside when they hold nothing new.
pub(super) fn settle(history: &History, keeping: &Keeping, effort: Effort<'_>, outcome: &mut Outcome) -> Result<()> {
    let set = history.set()?;
    if set.temporaries.is_empty() || has_original_aside(history, &set, keeping)? {
        return Ok(());
    }
    if set.members.is_empty() {
        for temporary in &set.temporaries {
            put_in_place(history, temporary, outcome)?;
        }
        return history.folder.sync();
    }
    match lacking(history, &set, effort)? {
        Lacking::Undecided => return Ok(()),
        Lacking::Nothing => {}
        Lacking::Older(lines) => {
            let newest = set.members.iter().map(|member| member.index).max().unwrap_or(0);
            let whole = |temporary: &Temporary| temporary.index > newest;
            if history.backend == Backend::Json {
                let name = history.base.clone();
                mend(history, &name, keeping, &lines, effort, outcome)?;
            } else if set.temporaries.iter().all(whole) {
                for temporary in &set.temporaries {
                    put_in_place(history, temporary, outcome)?;
                }
            } else {
                add_oldest(history, newest + 1, &lines, outcome)?;
            }
        }
    }
    for temporary in history.set()?.temporaries {
        let path = quarantine::set_aside(&history.folder, &temporary.name, &aside(&history.folder, keeping)?)?;
        outcome.quarantined_files.push(path);
    }
    history.folder.sync()
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
        && folder.is_dir()
    {
        names.extend(crate::disk::Folder::open(folder)?.names()?);
    }
    Ok(names.iter().any(|name| name.starts_with(&prefix)))
}

fn put_in_place(history: &History, temporary: &Temporary, outcome: &mut Outcome) -> Result<()> {
    history.folder.move_to(&temporary.name, &history.folder, &temporary.target)?;
    outcome.repaired_files.push(history.folder.join(&temporary.target));
    Ok(())
}

/// Writes a new oldest member.
fn add_oldest(history: &History, index: u32, lines: &[u8], outcome: &mut Outcome) -> Result<()> {
    use std::io::Write;
    let name = member_name(&history.base, index);
    let temporary = super::swap::unfinished(&name);
    let path = history.folder.join(&name);
    let mut file = history.folder.create_new(&temporary)?;
    let written = file.write_all(lines).and_then(|()| file.sync_all());
    let done = written
        .map_err(|error| Error::cannot_write("write", &path, error))
        .and_then(|()| history.folder.move_to(&temporary, &history.folder, &name));
    done.inspect_err(|_| _ = history.folder.remove(&temporary))?;
    outcome.repaired_files.push(path);
    Ok(())
}

/// What the temporaries hold and the set does not.
enum Lacking {
    Nothing,
    /// These lines, all older than what the set holds.
    Older(Vec<u8>),
    Undecided,
}

fn lacking(history: &History, set: &RotationSet, effort: Effort<'_>) -> Result<Lacking> {
    let mut there: HashMap<u64, u64> = HashMap::new();
    for member in &set.members {
        each_record(history, &member.name, effort, |record| *there.entry(meaning(record)).or_default() += 1)?;
    }
    let mut oldest_first: Vec<&Temporary> = set.temporaries.iter().collect();
    oldest_first.sort_by_key(|temporary| std::cmp::Reverse(temporary.index));
    let (mut lines, mut overlap, mut decided) = (Vec::new(), false, true);
    for temporary in oldest_first {
        each_record(history, &temporary.name, effort, |record| {
            match there.get_mut(&meaning(record)).filter(|count| **count > 0) {
                Some(count) => {
                    *count -= 1;
                    overlap = true;
                }
                None => {
                    decided &= !overlap;
                    lines.extend_from_slice(record);
                    lines.push(b'\n');
                }
            }
        })?;
    }
    Ok(match (lines.is_empty(), decided) {
        (true, _) => Lacking::Nothing,
        (false, true) => Lacking::Older(lines),
        (false, false) => Lacking::Undecided,
    })
}

/// Hands out the bytes of every record that recovery keeps of a file.
fn each_record(history: &History, name: &str, effort: Effort<'_>, mut each: impl FnMut(&[u8])) -> Result<()> {
    let file = history.read(name)?;
    let path = history.folder.join(name);
    let size = file.size().map_err(|error| Error::cannot_read(&path, 0, &error))?;
    records::each(&file, &path, size, effort, |record| {
        each(&record.bytes()?);
        Ok(Flow::Continue(()))
    })
    .map(|_| ())
}

/// A hash of what a record means: white space, escapes and the way a float is written make no difference.
fn meaning(record: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for token in view::tokens(record) {
        match token.parse::<f64>() {
            Ok(number) if token.contains(['.', 'e', 'E']) => number.to_bits().hash(&mut hasher),
            _ => view::unescape(token).hash(&mut hasher),
        }
    }
    hasher.finish()
}
