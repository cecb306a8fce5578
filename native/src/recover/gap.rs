//! Closing a gap in a rotation set: the older members are renamed down, so that Papyra reads on past what is lost.
//!
//! Nothing tells Papyra not to rotate meanwhile, and its rotation replaces what has the next number. So this is for a
//! set at rest: who has a member open for writing, or changes the set, makes it stop. And every file that moves has one
//! more name until the set was seen to be whole, so that not even a rotation at the worst moment makes an end of it.

use std::collections::BTreeMap;
use std::io::Write;

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::report::Backend;
use papyra_core::rotation::{RotationSet, member_name};
use serde_json::json;

use super::outcome::Recovered;
use super::rejects;
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};
use crate::history::History;

/// The note's schema.
const SCHEMA: &str = "papyra.gap/1";

/// One member's way.
struct Move {
    from: String,
    to: String,
    inode: u64,
}

/// Renames the members behind the gaps of a set, if it has any, and leaves a note of it beside the rejects.
pub(super) fn close(history: &History, dry_run: bool, outcome: &mut Recovered) -> Result<()> {
    let set = history.set()?;
    if history.backend != Backend::Rotating || set.gaps.is_empty() {
        return Ok(());
    }
    let moves = moves(history, &set)?;
    let told = |verb: &str| {
        let told =
            moves.iter().map(|step| format!("{} to {}", escape(step.from.as_bytes()), escape(step.to.as_bytes())));
        format!("the gap {verb} by renaming {}", told.collect::<Vec<_>>().join(", "))
    };
    if dry_run {
        outcome.warnings.push(told("would be closed"));
        return Ok(());
    }
    must_be_at_rest(history, &set)?;
    let folder = &history.folder;
    let kept = folder.subfolder(rejects::FOLDER)?;
    let note = note(history, &set, &moves, &kept)?;
    for step in &moves {
        let second = format!("{}.moving", step.from);
        if kept.stat(&second)?.is_some_and(|stat| stat.inode == step.inode) {
            // An earlier run was stopped here.
            kept.remove(&second)?;
        }
        if !folder.link_to(&step.from, &kept, &second)? {
            let text = format!("cannot rename {} safely: no hard links here", show(&folder.join(&step.from)));
            return Err(Error::new(Code::CannotCreate, text));
        }
        kept.sync()?;
        if !folder.move_to(&step.from, folder, &step.to)? || is_at(folder, &step.to)? != Some(step.inode) {
            return Err(rotated(history, &kept));
        }
    }
    folder.sync()?;
    let now = history.set()?;
    let stays = moves.iter().map(|step| Ok(is_at(folder, &step.to)? == Some(step.inode)));
    if !now.gaps.is_empty() || !stays.collect::<Result<Vec<bool>>>()?.into_iter().all(|stays| stays) {
        return Err(rotated(history, &kept));
    }
    must_be_at_rest(history, &now)?;
    for step in &moves {
        kept.remove(format!("{}.moving", step.from))?;
    }
    outcome.warnings.push(format!("{}; the note of it is {}", told("was closed"), show(&kept.join(&note))));
    Ok(())
}

/// Which member gets which name, the newest first, so that each name is free when its turn comes.
fn moves(history: &History, set: &RotationSet) -> Result<Vec<Move>> {
    let mut moves = Vec::new();
    let rotated = set.members.iter().rev().filter(|member| member.index > 0);
    for (index, member) in (1..).zip(rotated) {
        if member.index != index {
            let gone = || Error::new(Code::TryAgain, format!("{} is gone: try again", escape(member.name.as_bytes())));
            let inode = is_at(&history.folder, &member.name)?.ok_or_else(gone)?;
            moves.push(Move { from: member.name.clone(), to: member_name(&history.base, index), inode });
        }
    }
    Ok(moves)
}

/// Fails when anything speaks for somebody who is at work on the set, or was stopped at it.
fn must_be_at_rest(history: &History, set: &RotationSet) -> Result<()> {
    let doubt = |why: String| Err(Error::new(Code::TryAgain, format!("the gap was left as it is: {why}")));
    if let Some(temporary) = set.temporaries.first() {
        let name = show(&history.folder.join(&temporary.name));
        return doubt(format!("{name} was left by an interrupted compaction or recovery; recover it first"));
    }
    let mut names = BTreeMap::new();
    for member in &set.members {
        let path = history.folder.join(&member.name);
        let file = history.read(&member.name)?;
        if file.has_writer() {
            return doubt(format!("a process has {} open for writing; stop it, then try again", show(&path)));
        }
        if let Some(other) = names.insert(is_at(&history.folder, &member.name)?, &member.name) {
            return doubt(format!("{} and {} are one file", escape(other.as_bytes()), escape(member.name.as_bytes())));
        }
    }
    if history.set()? != *set {
        return doubt("the set changed meanwhile; stop whoever writes to it, then try again".into());
    }
    Ok(())
}

/// The inode that has this name.
fn is_at(folder: &Folder, name: &str) -> Result<Option<u64>> {
    Ok(folder.stat(name)?.map(|stat| stat.inode))
}

fn rotated(history: &History, kept: &Folder) -> Error {
    let text = format!(
        "{} was rotated while its gap was being closed; what was to move has one more name in {}, ending in .moving: \
         stop the writer, look which of them the set lacks, then try again",
        show(&history.path()),
        show(kept.path())
    );
    Error::new(Code::TryAgain, text)
}

/// Writes down what is about to be done; returns the note's name.
fn note(history: &History, set: &RotationSet, moves: &[Move], kept: &Folder) -> Result<String> {
    let now = Timestamp::now();
    let renamed: Vec<_> = moves.iter().map(|step| json!({"from": step.from, "to": step.to})).collect();
    let text = json!({
        "schema": SCHEMA, "tool": crate::TOOL, "source": history.base, "time": now.to_string(),
        "lost": set.gaps, "renamed": renamed,
    });
    let name = format!("{}.{}.gap.json", history.base, now.strftime("%Y%m%dT%H%M%S%.6fZ"));
    let mut file = kept.create_new(&name)?;
    file.write_all(format!("{text:#}\n").as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| Error::cannot_write("write", &kept.join(&name), error))?;
    kept.sync()?;
    Ok(name)
}
