//! One exported stream: its records as a log, and beside it what a log cannot hold.
//!
//! `STEM.ndjson` has the records; `STEM.rejected`, made with its first line, has the entries that are none, and of
//! records the fields besides `data`. Both are put in place together, when the stream is done.

use std::io::{BufWriter, Write};

use papyra_core::redis::{Entry, PapyraKey, RecordCheck, StreamFacts, StreamGroups, push_line, push_rejected};
use serde::Serialize;

use crate::disk::File;
use crate::disk::Folder;
use crate::error::{Error, Result};

/// One log.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Log {
    /// Its name in the folder.
    pub path: String,
    /// The stream that it was.
    pub key: String,
    /// The database that the stream was in.
    pub db: u64,
    /// Records in it.
    pub records: u64,
    /// Entries that are not records, and are not in it.
    pub bad_entries: u64,
    /// Records that have fields besides `data`, which are not in it.
    pub more_fields: u64,
    /// The file that keeps both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Damage cut the stream off, or it was found again after damage: it may not be all there was.
    pub salvaged: bool,
}

/// A stream that is being exported.
pub(super) struct StreamLog {
    pub(super) log: Log,
    pub(super) groups: StreamGroups,
    /// Its end was reached: damage does not cut it off.
    pub(super) ended: bool,
    stem: String,
    records: Unfinished,
    rejected: Option<Unfinished>,
    line: Vec<u8>,
}

impl StreamLog {
    pub(super) fn begin(folder: &Folder, db: u64, key: &PapyraKey, salvaged: bool) -> Result<StreamLog> {
        let database = if db == 0 { String::new() } else { format!("db{db}.") };
        let stem = format!("{database}{}.{}.{}", plain(&key.prefix), plain(&key.system_id), key.kind.name());
        let name = format!("{}:{}:{}", key.prefix, key.system_id, key.kind.name());
        let records = Unfinished::create(folder, &stem)?;
        let log = Log {
            path: String::new(),
            key: name.clone(),
            db,
            records: 0,
            bad_entries: 0,
            more_fields: 0,
            rejected: None,
            salvaged,
        };
        let (papyra, stream) = (key.clone(), StreamFacts::default());
        let groups = StreamGroups { key: name, db, papyra, stream, salvaged, groups: Vec::new() };
        Ok(StreamLog { log, groups, ended: false, stem, records, rejected: None, line: Vec::new() })
    }

    /// Writes an entry where it belongs.
    pub(super) fn take(&mut self, folder: &Folder, check: &mut RecordCheck, entry: &Entry<'_>) -> Result<()> {
        let data = entry.field(b"data");
        self.line.clear();
        match data.filter(|_| check.entry(entry).is_ok()) {
            Some(data) => {
                push_line(data.as_bytes(), &mut self.line);
                self.log.records += 1;
                self.records.write(folder, &self.line)?;
                if entry.fields.remaining() == 1 {
                    return Ok(());
                }
                self.log.more_fields += 1;
                // Of several fields called `data`, the last one counts.
                let is_data = |(name, _): &(_, _)| papyra_core::redis::Value::as_bytes(name) == b"data";
                let fields: Vec<_> = entry.fields.clone().collect();
                let own = fields.iter().rposition(is_data);
                let others = fields.iter().enumerate().filter(|(at, _)| Some(*at) != own).map(|(_, field)| field);
                let others = others.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
                self.line.clear();
                push_rejected(&self.log.key, entry.id, others, &mut self.line);
            }
            None => {
                self.log.bad_entries += 1;
                let fields: Vec<_> = entry.fields.clone().collect();
                let fields = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
                push_rejected(&self.log.key, entry.id, fields, &mut self.line);
            }
        }
        let rejected = match &mut self.rejected {
            Some(rejected) => rejected,
            none => none.insert(Unfinished::create(folder, &format!("{}.rejected", self.stem))?),
        };
        rejected.write(folder, &self.line)
    }

    /// Puts the files in place.
    pub(super) fn finish(mut self, folder: &Folder) -> Result<(Log, StreamGroups)> {
        self.log.salvaged |= !self.ended;
        self.groups.salvaged = self.log.salvaged;
        let stem = format!("{}{}", self.stem, if self.log.salvaged { ".salvaged" } else { "" });
        self.log.path = format!("{stem}.ndjson");
        if let Some(rejected) = self.rejected {
            let name = format!("{stem}.rejected");
            rejected.finish(folder, &name).inspect_err(|_| self.records.abandon(folder))?;
            self.log.rejected = Some(name);
        }
        self.records.finish(folder, &self.log.path)?;
        Ok((self.log, self.groups))
    }

    /// Takes away what was written.
    pub(super) fn abandon(self, folder: &Folder) {
        self.records.abandon(folder);
        self.rejected.iter().for_each(|rejected| rejected.abandon(folder));
    }
}

/// A file under a hidden name.
pub(super) struct Unfinished {
    hidden: String,
    file: BufWriter<File>,
}

impl Unfinished {
    pub(super) fn create(folder: &Folder, name: &str) -> Result<Unfinished> {
        let hidden = format!(".{name}.tmp");
        let file = BufWriter::with_capacity(1 << 18, folder.create_new(&hidden)?);
        Ok(Unfinished { hidden, file })
    }

    pub(super) fn write(&mut self, folder: &Folder, bytes: &[u8]) -> Result<()> {
        let result = self.file.write_all(bytes);
        result.map_err(|error| Error::cannot_write("write", &folder.join(&self.hidden), error))
    }

    /// Syncs it and gives it its name, unless there is something of that name.
    pub(super) fn finish(mut self, folder: &Folder, name: &str) -> Result<()> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced
            .map_err(|error| Error::cannot_write("write", &folder.join(name), error))
            .and_then(|()| folder.give_name(&self.hidden, name, true))
            .inspect_err(|_| self.abandon(folder))
    }

    pub(super) fn abandon(&self, folder: &Folder) {
        // The error that led here is the one to tell.
        _ = folder.remove(&self.hidden);
    }
}

/// A part of a key as a part of a file's name: no two keys have one name, and none is hidden or leads elsewhere.
pub(crate) fn plain(part: &str) -> String {
    let mut name = String::new();
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn names_are_plain_and_apart() {
        assert_eq!(plain("orders-1_a"), "orders-1_a");
        assert_eq!(plain("../a.b"), "%2E%2E%2Fa%2Eb");
        assert_ne!(plain("a:b"), plain("a%3Ab"));
    }
}
