//! Hidden names of backups under way and of backups that are being removed, and whose they are.

use papyra_core::digest::sha256;
use papyra_core::escape::escape;

use super::evidence::forget;
use crate::disk::{Folder, Stat, sys};
use crate::error::Result;

/// The end of the hidden name of a backup under way.
pub(super) const UNFINISHED: &str = ".papyra-backup.tmp";

/// The end of the hidden name of a backup that is being removed.
pub(super) const CONDEMNED: &str = ".papyra-pruned.tmp";

/// What another host's run has begun so long ago, in seconds, is nobody's any more.
const ABANDONED: f64 = 7.0 * 86_400.0;

/// What tells this host's hidden names from those of others.
pub(super) fn host_mark() -> String {
    sha256(host().as_bytes())[..8].to_owned()
}

/// Removes what runs that were killed left under hidden names. The caller holds the folder's lock.
pub(super) fn clear_leftovers(backups: &Folder) -> Result<()> {
    let ours = format!(".{}{UNFINISHED}", host_mark());
    for name in backups.names()? {
        if !name.starts_with('.') || !(name.ends_with(UNFINISHED) || name.ends_with(CONDEMNED)) {
            continue;
        }
        // Where locks do not reach other hosts, age alone tells that one of theirs is at work no more.
        let is_old = |stat: Stat| (sys::now() / 1000 - stat.modified.0) as f64 > ABANDONED;
        let is_anothers = name.ends_with(UNFINISHED) && !name.ends_with(&ours);
        if is_anothers && !backups.stat(&name)?.is_some_and(is_old) {
            continue;
        }
        // Whoever is still at work in it holds its lock.
        if backups.existing_subfolder(&name).is_ok_and(|folder| folder.lock().is_ok()) {
            if let Some(backup) = name[1..].strip_suffix(CONDEMNED) {
                forget(backups, backup)?;
            }
            backups.remove_tree(&name)?;
        }
    }
    Ok(())
}

/// The name of this host.
pub fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let name = escape(name.as_bytes());
    if name.trim().is_empty() { "localhost".into() } else { name }
}
