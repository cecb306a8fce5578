//! Where a location leads: to a repository, to the name of a backup in one, or to neither; and making a repository
//! where none is. What is in one that is open lives in [`super`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use papyra_core::manifest;
use rustic_core::{ConfigOptions, Credentials, FileType, KeyOptions, RepositoryBackends};

use super::root::Root;
use super::site::{Site, UNDER_WAY};
use super::store::{Store, Trust};
use super::{CONFIG, PATIENCE, Repository, options, resolved, secret};
use crate::backup::files::Files;
use crate::backup::location::{Location, Prefix, of_restic};
use crate::backup::remote;
use crate::disk::{Folder, file_name};
use crate::error::{Code, Error, Result, show};

/// The folder at a path, where it is a repository.
pub(in crate::backup) fn folder_of(path: &Path) -> Option<Folder> {
    Folder::open(path).ok().filter(is_one)
}

/// Whether a folder holds a repository, though a part of it may be lost.
pub(in crate::backup) fn is_one(folder: &Folder) -> bool {
    folder.tops().is_ok_and(|tops| tops.is_repository())
}

/// Where a path leads: a repository, and the name of a backup in it, if it leads to one.
type Led = (Arc<dyn Site>, Option<String>);

fn led(location: &Location) -> Result<Option<Led>> {
    let path = match location {
        Location::Folder(path) => path,
        Location::Store(prefix) => return led_far(prefix),
    };
    if let Some(folder) = folder_of(path) {
        return Ok(Some((Arc::new(folder), None)));
    }
    let parent = path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent });
    let name = file_name(path).ok().filter(|name| manifest::is_name(name));
    let (Some(parent), Some(name)) = (parent, name) else { return Ok(None) };
    let folder = if Folder::open(path).is_ok() { None } else { folder_of(parent) };
    Ok(folder.map(|folder| (Arc::new(folder) as _, Some(name))))
}

fn led_far(prefix: &Prefix) -> Result<Option<Led>> {
    let site = remote::site(prefix)?;
    if site.size(CONFIG)?.is_some() {
        return Ok(Some((site, None)));
    }
    if let Some((outer, name)) = prefix.split().filter(|(_, name)| manifest::is_name(name)) {
        let outer = remote::site(&outer)?;
        if outer.size(CONFIG)?.is_some() {
            return Ok(Some((outer, Some(name))));
        }
    }
    // Its configuration may be lost.
    Ok(if site.tops()?.is_repository() { Some((site, None)) } else { None })
}

/// Whether a path is a repository, or a name in one. `Err` says that nobody could look.
pub fn is_repository(location: &Location) -> Result<bool> {
    Ok(led(location)?.is_some())
}

/// The repository that lies there, if one does.
pub(in crate::backup) fn site_at(location: &Location) -> Result<Option<Arc<dyn Site>>> {
    Ok(led(location)?.filter(|(_, name)| name.is_none()).map(|(site, _)| site))
}

/// The repository, or the backup in one, that a path leads to; `None` when it leads to no repository.
pub(in crate::backup) fn find(location: &Location) -> Result<Option<Box<dyn Files>>> {
    let Some((site, name)) = led(location)? else { return Ok(None) };
    let Some(name) = name else {
        return Ok(Some(Box::new(Root(Arc::new(Repository::open(site, Trust::Kept)?)))));
    };
    // Whoever names a backup wants to know what the repository holds of it, not what it held.
    let repository = Arc::new(Repository::open(site, Trust::Fresh)?);
    repository.snapshot(&name, Trust::Fresh).map(|snapshot| Some(Box::new(snapshot) as _))
}

/// The repository that restic's own variable names.
pub fn named() -> Result<Option<Location>> {
    let Some(named) = std::env::var_os("RESTIC_REPOSITORY").filter(|value| !value.is_empty()) else { return Ok(None) };
    let path = named.to_str().map_or_else(|| Ok(PathBuf::from(&named)), of_restic)?;
    Location::parse(&path).map(Some)
}

/// Makes a repository in a folder or under a prefix, which must be empty.
pub fn init(location: &Location) -> Result<PathBuf> {
    let is_already = || Error::new(Code::CannotCreate, format!("{location} is a repository already"));
    let path = match location {
        Location::Folder(path) => path,
        Location::Store(prefix) => {
            let site = remote::site(prefix)?;
            if site.size(CONFIG)?.is_some() {
                return Err(is_already());
            }
            return begin(site, &secret::password(&prefix.path)?);
        }
    };
    if folder_of(path).is_some_and(|folder| folder.tops().is_ok_and(|tops| tops.has_config)) {
        return Err(is_already());
    }
    let credentials = secret::password(path)?;
    let folder = Folder::create(path)?;
    let _lock = folder.lock_within(PATIENCE)?;
    begin(Arc::new(folder), &credentials)
}

/// Makes a repository that these credentials open.
pub(in crate::backup) fn begin(site: Arc<dyn Site>, credentials: &Credentials) -> Result<PathBuf> {
    let store = Store::new(site);
    if !is_begun(&store)? {
        let text = format!("{} is not empty: name another place for the repository", show(store.site.path()));
        return Err(Error::new(Code::CannotCreate, text));
    }
    // A key that a run has left which was killed would open nothing.
    for (id, _) in store.list(FileType::Key)? {
        store.delete(FileType::Key, &id)?;
    }
    store.clear_leftovers()?;
    let opened = rustic_core::Repository::new(&options(), &RepositoryBackends::new(store.clone(), None));
    let made = opened.and_then(|new| new.init(credentials, &KeyOptions::default(), &ConfigOptions::default()));
    let made = made.map_err(|error| store.told("make", &error))?;
    // Another run that came later may have taken the key for one that was left behind, where no lock keeps it out.
    if let (true, Credentials::Password(password)) = (store.list(FileType::Key)?.is_empty(), credentials) {
        made.add_key(password, &KeyOptions::default()).map_err(|error| store.told("make", &error))?;
    }
    let path = resolved(&*store.site)?;
    secret::remember(&path, &made.key());
    Ok(path)
}

/// Whether a place is empty, or holds no more than a killed run of `init` leaves.
fn is_begun(store: &Store) -> Result<bool> {
    let known =
        |name: &String| ["keys", "snapshots", "index", "locks", "data"].contains(&&**name) || name.ends_with(UNDER_WAY);
    let holds = |kind| Ok::<_, Error>(!store.list(kind)?.is_empty());
    Ok(store.site.tops()?.names.iter().all(known)
        && !(holds(FileType::Snapshot)? || holds(FileType::Index)? || holds(FileType::Pack)?))
}
