//! Whether somebody writes to the folder that a restore is to replace. Papyra takes no lock and opens its log anew for
//! each record, so the kernel is asked who has a file open, and the files are looked at again before they move.

use crate::disk::{Folder, Identity};
use crate::error::{Code, Error, Result, show};

/// What the files in a folder looked like.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen(Vec<(String, Identity)>);

impl Seen {
    /// Looks at the files directly in a folder, and fails when somebody has one of them open for writing.
    pub(super) fn of(folder: &Folder) -> Result<Seen> {
        let seen = Seen::now(folder)?;
        for (name, _) in &seen.0 {
            if folder.read(name).is_ok_and(|file| file.has_writer()) {
                return Err(is_written_to(&folder.join(name)));
            }
        }
        Ok(seen)
    }

    fn now(folder: &Folder) -> Result<Seen> {
        let mut names = super::into_place::occupants(folder)?;
        names.sort();
        let mut seen = Vec::new();
        for name in names {
            // A log that has just been rotated away shows as a change.
            if let Some(stat) = folder.stat(&name)?
                && stat.is_file()
            {
                seen.push((name, Identity::of(&stat)));
            }
        }
        Ok(Seen(seen))
    }

    /// Fails when a file has changed since, come or gone.
    pub(super) fn must_be_unchanged(&self, folder: &Folder) -> Result<()> {
        match self.has_changed(folder)? {
            false => Ok(()),
            true => Err(is_written_to(folder.path())),
        }
    }

    /// Whether a file has changed since, come or gone. The folder may have moved meanwhile.
    pub(super) fn has_changed(&self, folder: &Folder) -> Result<bool> {
        Ok(Seen::now(folder)? != *self)
    }
}

fn is_written_to(path: &std::path::Path) -> Error {
    let text = format!(
        "{} is being written to: stop Papyra, then restore; nothing was changed, for what it writes now would be \
         missing from the restored log",
        show(path)
    );
    Error::new(Code::TryAgain, text)
}
