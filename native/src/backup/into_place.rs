//! Putting a restored folder in place so that a kill leaves the old state or the new one.
//!
//! Where the folder can be renamed: the new one is built beside it under a hidden name, the two change names in one
//! step, and the old one keeps lying beside it as `NAME.replaced.<utc>`. Where it cannot (a mount point, a parent that
//! may not be written to): the new files are built inside it under `.papyra-restore`, a journal says what moves where,
//! and a later run finishes what the journal says.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::evidence::write_over;
use crate::disk::{self, Access, Folder};
use crate::error::{Code, Error, Result, show};

/// The folder, in the target, of a restore under way.
const INSIDE: &str = ".papyra-restore";

/// Where the new files are, in [`INSIDE`].
const NEW: &str = "new";

const JOURNAL: &str = "journal.json";

/// The beginning of the name, in the target, of what was there before.
const ASIDE: &str = ".papyra-replaced.";

/// What became of what was there.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) replaced: Vec<PathBuf>,
    pub(super) notes: Vec<String>,
}

/// What a restore inside a folder has decided on, schema `papyra.journal/1`.
#[derive(Debug, Serialize, Deserialize)]
struct Journal {
    schema: String,
    manifest_sha256: String,
    /// The folder that takes what was there.
    aside: String,
    /// What was there.
    old: Vec<String>,
    /// What comes.
    new: Vec<String>,
}

/// What is in a folder and would be in the way.
pub(super) fn occupants(target: &Folder) -> Result<Vec<String>> {
    let mut names = target.names()?;
    names.retain(|name| !matches!(&**name, INSIDE | "lost+found") && !name.starts_with(ASIDE));
    names.sort();
    Ok(names)
}

fn building(name: &str) -> String {
    format!(".{name}.papyra-restoring")
}

fn ready(name: &str) -> String {
    format!(".{name}.papyra-ready")
}

/// Deals with what killed runs have left: what was not finished goes, what was decided on is finished, and what may
/// be somebody's data is kept.
pub(super) fn settle_leftovers(parent: &Folder, name: &str, target: Option<&Folder>, place: &mut Place) -> Result<()> {
    if parent.stat(building(name))?.is_some() {
        parent.remove_tree(&building(name))?;
    }
    if parent.stat(ready(name))?.is_some() {
        // A restore was killed between its two last steps: this is the old folder, or the new one.
        let kept = set_aside(parent, &ready(name), name)?;
        place.notes.push(format!("an interrupted restore had left a whole folder; it is {} now", show(&kept)));
    }
    let Some(target) = target else { return Ok(()) };
    if target.stat(INSIDE)?.is_none() {
        return Ok(());
    }
    let inside = target.existing_subfolder(INSIDE)?;
    if inside.stat(JOURNAL)?.is_some() {
        let path = inside.join(JOURNAL);
        let bytes = disk::read(&path)?;
        let journal: Journal = serde_json::from_slice(&bytes).ok().filter(Journal::is_sound).ok_or_else(|| {
            let text = format!("{} is damaged: an interrupted restore cannot be finished by itself", show(&path));
            Error::new(Code::Data, text)
        })?;
        carry_out(target, &inside, &journal, place)?;
        place.notes.push("an interrupted restore was finished first".into());
    }
    target.remove_tree(INSIDE)
}

/// Has `fill` write a folder, and puts it in place as `name` in `parent`.
pub(super) fn put(
    parent: &Folder,
    name: &str,
    target: Option<&Folder>,
    manifest_sha256: &str,
    mut fill: impl FnMut(&Folder) -> Result<()>,
    place: &mut Place,
) -> Result<()> {
    let is_mount = |target: &Folder| Ok(target.identity()?.0 != parent.identity()?.0);
    if let Some(target) = target
        && is_mount(target)?
    {
        return put_inside(target, manifest_sha256, fill, place);
    }
    let folder = match (parent.new_subfolder(&building(name)), target) {
        (Ok(folder), _) => folder,
        // The folder is ours to write to and its parent is not.
        (Err(_), Some(target)) if disk::access(parent.path(), Access::WRITE_OK).is_err() => {
            return put_inside(target, manifest_sha256, fill, place);
        }
        (Err(error), _) => return Err(error),
    };
    fill(&folder).inspect_err(|_| _ = parent.remove_tree(&building(name)))?;
    parent.sync()?;
    let Some(target) = target else {
        let done = match parent.put(&building(name), parent, name) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::new(
                Code::CannotCreate,
                format!("{} cannot be put in place by a rename", show(&parent.join(name))),
            )),
            Err(error) => Err(error),
        };
        done.inspect_err(|_| _ = parent.remove_tree(&building(name)))?;
        return parent.sync();
    };
    parent.put(&building(name), parent, &ready(name))?;
    match parent.exchange(ready(name), name) {
        Ok(true) => {}
        Ok(false) => {
            parent.remove_tree(&ready(name))?;
            return put_inside(target, manifest_sha256, fill, place);
        }
        Err(error) => {
            _ = parent.remove_tree(&ready(name));
            return Err(error);
        }
    }
    parent.sync()?;
    if !parent.remove_if_empty(&ready(name)) {
        place.replaced.push(set_aside(parent, &ready(name), name)?);
    }
    parent.sync()
}

/// Gives a hidden folder a name that says what it is: what stood at `name` before.
fn set_aside(parent: &Folder, hidden: &str, name: &str) -> Result<PathBuf> {
    let to = free_name(parent, &format!("{name}.replaced."))?;
    if !parent.put(hidden, parent, &to)? {
        return Err(Error::new(Code::Io, format!("{} cannot be renamed", show(&parent.join(hidden)))));
    }
    Ok(parent.join(&to))
}

fn free_name(folder: &Folder, prefix: &str) -> Result<String> {
    let stem = format!("{prefix}{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"));
    let mut candidate = stem.clone();
    for number in 2.. {
        if folder.stat(&candidate)?.is_none() {
            break;
        }
        candidate = format!("{stem}-{number}");
    }
    Ok(candidate)
}

/// The way without a rename of the folder.
fn put_inside(
    target: &Folder,
    manifest_sha256: &str,
    mut fill: impl FnMut(&Folder) -> Result<()>,
    place: &mut Place,
) -> Result<()> {
    let inside = target.new_subfolder(INSIDE)?;
    let build = || -> Result<Journal> {
        let new = inside.new_subfolder(NEW)?;
        fill(&new)?;
        Ok(Journal {
            schema: "papyra.journal/1".into(),
            manifest_sha256: manifest_sha256.into(),
            aside: free_name(target, ASIDE)?,
            old: occupants(target)?,
            new: new.names()?,
        })
    };
    let mut build = build;
    let decided = build().and_then(|journal| {
        let text = serde_json::to_string_pretty(&journal).map_err(|error| Error::new(Code::Io, error.to_string()))?;
        inside.sync()?;
        write_over(&inside, JOURNAL, text.as_bytes())?;
        Ok(journal)
    });
    let journal = match decided {
        Ok(journal) => journal,
        // A journal that may have reached the disk is for the next run.
        Err(error) if matches!(inside.stat(JOURNAL), Ok(Some(_))) => return Err(error),
        Err(error) => {
            _ = target.remove_tree(INSIDE);
            return Err(error);
        }
    };
    carry_out(target, &inside, &journal, place)?;
    target.remove_tree(INSIDE)?;
    target.sync()
}

impl Journal {
    fn is_sound(&self) -> bool {
        let plain = |name: &String| !name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..";
        self.schema == "papyra.journal/1"
            && self.aside.starts_with(ASIDE)
            && plain(&self.aside)
            && self.old.iter().chain(&self.new).all(plain)
    }
}

/// First what was there goes aside, all of it; then what is new comes. Whatever has moved already is passed over.
fn carry_out(target: &Folder, inside: &Folder, journal: &Journal, place: &mut Place) -> Result<()> {
    let aside = target.subfolder(&journal.aside)?;
    let new = inside.existing_subfolder(NEW)?;
    let begun = journal.new.iter().any(|name| matches!(new.stat(name), Ok(None)));
    for name in &journal.old {
        if !begun && aside.stat(name)?.is_none() && target.stat(name)?.is_some() {
            moved(target.put(name, &aside, name)?, target, name)?;
        }
    }
    aside.sync()?;
    target.sync()?;
    for name in &journal.new {
        if new.stat(name)?.is_none() {
            continue;
        }
        if target.stat(name)?.is_some() {
            // A writer has begun a new log meanwhile.
            let late = free_name(&aside, &format!("{name}."))?;
            moved(target.put(name, &aside, &late)?, target, name)?;
        }
        moved(new.put(name, target, name)?, target, name)?;
    }
    target.sync()?;
    if aside.names()?.is_empty() {
        target.remove_if_empty(&journal.aside);
        return Ok(());
    }
    place.replaced.push(aside.path().to_owned());
    Ok(())
}

fn moved(done: bool, target: &Folder, name: &str) -> Result<()> {
    if done {
        return Ok(());
    }
    let text = format!("{} lies on another file system: move it away by hand", show(&target.join(name)));
    Err(Error::new(Code::CannotCreate, text))
}
