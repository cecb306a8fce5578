//! Where a restore must not go: into or over backups, and to the place of another series.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use papyra_core::escape::escape;

use super::list::{Entry, entries};
use super::repository::Site;
use super::series::{Wanted, host};
use super::{Backup, Location, is_whole, remote, repository};
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};
use crate::setting::Setting;

/// How deep backups are looked for in what a restore would move aside.
const DEPTH: u32 = 4;

/// Fails when files restored to `to` would lie in a backup, or when backups lie in what is there: they would move aside
/// with the rest.
pub(super) fn keep_out_of_backups(backup: &Backup, to: &Path) -> Result<()> {
    refuse_inside(to)?;
    let Ok(target) = Folder::open(to) else { return Ok(()) };
    let mut held = None;
    if !backup.files.is_far() {
        let identity = target.identity()?;
        let is_target = |path: &&Path| Folder::open(path).and_then(|folder| folder.identity()).ok() == Some(identity);
        held = backup.path.ancestors().find(is_target).map(|_| backup.path.clone());
    }
    let Some(held) = held.or_else(|| backup_in(&target, DEPTH)) else { return Ok(()) };
    let text = format!(
        "{} holds the backup {}, which would move aside with the rest: restore to another place; nothing was changed",
        show(to),
        show(&held)
    );
    Err(Error::new(Code::CannotCreate, text))
}

/// Fails when a path is a backup or lies in one.
pub(super) fn refuse_inside(to: &Path) -> Result<()> {
    let inside = to.ancestors().find(|path| Folder::open(path).is_ok_and(|folder| holds_backups(&folder)));
    let Some(inside) = inside else { return Ok(()) };
    let text = format!(
        "{} is {}, which holds backups, or is in it, and nothing is ever written there: choose another place",
        show(to),
        show(inside)
    );
    Err(Error::new(Code::CannotCreate, text))
}

/// Where backups are to go.
#[derive(Debug)]
pub(super) enum Backups {
    /// A folder of plain backups.
    Folder(Folder),
    /// A repository.
    Repository(Arc<dyn Site>),
}

impl Backups {
    pub(super) fn path(&self) -> &Path {
        match self {
            Backups::Folder(folder) => folder.path(),
            Backups::Repository(site) => site.path(),
        }
    }
}

/// Where backups are to go: a repository, or a folder, made if it is not there. It does not lie in a repository.
pub(super) fn for_backups(location: &Location) -> Result<Backups> {
    let to = match location {
        Location::Folder(to) => to,
        Location::Store(prefix) => {
            let site = repository::site_at(location)?;
            return site.map(Backups::Repository).ok_or_else(|| remote::no_repository(prefix));
        }
    };
    let absolute = std::path::absolute(to).map_err(|error| Error::cannot_open(to, error))?;
    let Some(inside) = absolute.ancestors().skip(1).find(|path| repository::folder_of(path).is_some()) else {
        let folder = Folder::create(to)?;
        return Ok(match repository::is_one(&folder) {
            true => Backups::Repository(Arc::new(folder)),
            false => Backups::Folder(folder),
        });
    };
    let text =
        format!("{} lies in the repository {}: back up to that, and give the backup that name", show(to), show(inside));
    Err(Error::new(Code::CannotCreate, text).decided_by(&[Setting::Name]))
}

/// Whether a folder is a backup, or a repository of some.
fn holds_backups(folder: &Folder) -> bool {
    is_whole(folder) || repository::is_one(folder)
}

/// A backup in a folder, at most so many folders deep.
fn backup_in(folder: &Folder, depth: u32) -> Option<PathBuf> {
    let mut names = folder.names().unwrap_or_default();
    names.sort();
    let mut inner = names.iter().filter_map(|name| folder.existing_subfolder(name).ok());
    inner.find_map(|inner| match holds_backups(&inner) {
        true => Some(inner.path().to_owned()),
        _ if depth > 1 => backup_in(&inner, depth - 1),
        _ => None,
    })
}

/// Fails when `here`, a source, is that of another series, or in the folder of another's log, or when it is what the
/// settings say is backed up; unless the series of the backup was named.
pub(super) fn keep_to_its_own(backup: &Backup, here: &str, wanted: &Wanted) -> Result<()> {
    let manifest = &backup.manifest;
    let series = manifest.series();
    if wanted.named.as_ref() == Some(&series) {
        return Ok(());
    }
    let is_here = |folder: Option<&str>, source: Option<&str>| {
        folder.is_some_and(|folder| escape(folder.as_bytes()) == here) || source == Some(here)
    };
    let is_own = is_here(Some(&manifest.source.folder), manifest.source.path.as_deref());
    // A backup that lies by itself has no others beside it.
    let beside = backup.files.parent().and_then(|parent| entries(&*parent, Timestamp::now())).unwrap_or_default();
    let mut others = beside.iter().filter(|entry| {
        entry.series.as_ref() != Some(&series) && is_here(entry.folder.as_deref(), entry.source.as_deref())
    });
    let host = host();
    let other = others.find(|entry: &&Entry| !is_own || entry.host.as_ref() == Some(&host));
    // What the settings say that is backed up here may have no backup yet.
    let configured = wanted.source.as_ref().filter(|source| {
        let folder = Path::new(source).parent().map(|folder| folder.to_string_lossy().into_owned());
        (*source == here || folder.as_deref() == Some(here))
            && manifest.source.path.as_ref() != Some(*source)
            && !is_own
    });
    let whose = match (other, configured) {
        (Some(other), _) => format!("the series {}", escape(other.series.as_deref().unwrap_or_default().as_bytes())),
        (None, Some(source)) => escape(source.as_bytes()),
        (None, None) => return Ok(()),
    };
    let text = format!(
        "{} belongs to {whose}, and {} is a backup of the series {}: if that is what you mean, name that series; \
         nothing was changed",
        escape(here.as_bytes()),
        show(&backup.path),
        escape(series.as_bytes())
    );
    Err(Error::new(Code::Usage, text).decided_by(&[Setting::Series]))
}
