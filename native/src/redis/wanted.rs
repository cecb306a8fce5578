//! Consumer groups that are to be there: named one by one, or in a saved list.

use papyra_core::escape::escape;
use papyra_core::redis::{GroupsFile, PendingExport};

use super::{Naming, Store};
use crate::error::{Code, Error, Result};
use crate::setting::Setting;

/// A group that is to be there.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The stream's key.
    pub key: String,
    /// The group's name, written as in a [`GroupsFile`]; so are its consumers'.
    pub group: String,
    /// What a new group counts as delivered: an ID, or `$` for all there is.
    pub start: String,
    /// Entries read, where known.
    pub entries_read: Option<i64>,
    /// Its consumers.
    pub consumers: Vec<String>,
    /// Its pending entries.
    pub pending: Vec<PendingExport>,
}

impl Wanted {
    /// The groups of a saved list that belong to the store's systems.
    pub fn from_list(store: &Store, list: &GroupsFile) -> Result<Vec<Wanted>> {
        if list.schema != GroupsFile::SCHEMA {
            let text = format!(
                "the list of groups has the schema {}, not {}",
                escape(list.schema.as_bytes()),
                GroupsFile::SCHEMA
            );
            return Err(Error::new(Code::Data, text));
        }
        let keys: Vec<String> = store.streams().iter().map(Naming::key).collect();
        let streams = list.streams.iter().filter(|stream| keys.contains(&stream.key));
        let wanted: Vec<Wanted> = streams
            .flat_map(|stream| {
                stream.groups.iter().map(|group| Wanted {
                    key: stream.key.clone(),
                    group: group.name.clone(),
                    start: group.last_delivered.to_string(),
                    entries_read: group.entries_read.filter(|read| *read >= 0),
                    consumers: group.consumers.iter().map(|consumer| consumer.name.clone()).collect(),
                    pending: group.pending.clone(),
                })
            })
            .collect();
        if wanted.is_empty() {
            let listed: Vec<String> = list.streams.iter().map(|stream| escape(stream.key.as_bytes())).collect();
            let text = format!(
                "the list holds no group of the systems asked for, only of these streams: {}; name theirs",
                listed.join(", ")
            );
            return Err(Error::new(Code::NoInput, text).decided_by(&[Setting::Prefix, Setting::System]));
        }
        Ok(wanted)
    }
}
