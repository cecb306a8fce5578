//! Object stores, which hold repositories: how they are reached (`connection`,
//! `connector`, `profile`), the files of a repository there (`bucket`), and what failures mean (`fault`).

mod bucket;
mod connection;
mod connector;
mod fault;
mod profile;

use std::sync::Arc;

use papyra_core::manifest;

use super::location::Prefix;
use super::repository::Site;
use crate::error::{Code, Error, Result, show};
use crate::recover::quoted;

/// In how many folders plain backups are looked for.
const LOOKS: usize = 8;

/// A place for a repository.
pub(super) fn site(location: &Prefix) -> Result<Arc<dyn Site>> {
    Ok(Arc::new(bucket::Bucket::at(location.clone())?))
}

/// A place for a repository in a bucket in memory.
#[cfg(test)]
pub(super) fn in_memory(location: &Prefix) -> Arc<dyn Site> {
    connection::Connection::in_memory(location);
    site(location).expect("a bucket")
}

/// Why nothing can be done at a place where no repository is.
pub(super) fn no_repository(at: &Prefix) -> Error {
    let place = quoted(&at.path);
    let text = match holds_plain_backups(at) {
        Err(error) => return error,
        Ok(true) => format!(
            "{} holds plain backups, as papyra made them there before repositories: aws s3 cp --recursive {place} \
             FOLDER fetches them, and papyra reads them in that folder; papyra backup init makes a repository under \
             another prefix",
            show(&at.path)
        ),
        Ok(false) => format!("there is no repository at {}: papyra backup init {place} makes one", show(&at.path)),
    };
    Error::new(Code::NoInput, text)
}

/// Whether a prefix holds plain backups, or is one.
fn holds_plain_backups(at: &Prefix) -> Result<bool> {
    let site = site(at)?;
    let tops = site.tops()?;
    if tops.names.iter().any(|name| [manifest::NAME, manifest::SUMS].contains(&&**name)) {
        return Ok(true);
    }
    for folder in tops.folders.iter().filter(|name| manifest::is_name(name)).take(LOOKS) {
        if site.size(&format!("{folder}/{}", manifest::SUMS))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
