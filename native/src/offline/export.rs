//! The streams of a backup as logs that Papyra's file backend reads, and their groups as `groups.json`.
//!
//! Every file is written under a hidden name, synced and renamed; nothing that is there is written over. Entries that are no record stay in
//! the backup, which is never changed.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use papyra_core::redis::{
    Flow, Group, GroupExport, GroupsFile, PapyraKey, RecordCheck, Scope, StreamFacts, StreamGroups, StreamId, push_line,
};
use serde::Serialize;

use super::Backup;
use super::entries::{self, Streams};
use crate::TOOL;
use crate::error::{Code, Error, Result, show};
use crate::folder::Folder;
use crate::reading::Effort;

/// The name of the list of groups.
pub const GROUPS: &str = "groups.json";

/// What was written: schema `papyra.export/1`.
#[derive(Debug, Serialize)]
pub struct Export {
    /// `papyra.export/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// The logs, in the order of the backup.
    pub logs: Vec<Log>,
    /// The list of groups.
    pub groups: &'static str,
    /// Groups that are listed there.
    pub group_count: u64,
    /// How many things are wrong with the backup itself; what a scan lists.
    pub damage: u64,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
}

/// One log.
#[derive(Debug, Serialize)]
pub struct Log {
    /// Its name in the folder.
    pub path: String,
    /// The stream that it was.
    pub key: String,
    /// The database that the stream was in.
    pub db: u64,
    /// Records in it.
    pub records: u64,
    /// Entries that are no record, and are not in it.
    pub bad_entries: u64,
    /// Damage cut the stream off, or it was found again after damage: it may not be all there was.
    pub salvaged: bool,
}

impl Export {
    /// Whether all of the backup is in the export.
    pub fn is_whole(&self) -> bool {
        self.damage == 0 && self.logs.iter().all(|log| log.bad_entries == 0)
    }
}

struct Open {
    log: Log,
    stem: String,
    temporary: String,
    file: BufWriter<File>,
    groups: StreamGroups,
    ended: bool,
}

struct Writer<'a> {
    folder: &'a Folder,
    check: RecordCheck,
    line: Vec<u8>,
    open: Option<Open>,
    logs: Vec<Log>,
    groups: Vec<StreamGroups>,
    warnings: Vec<String>,
    failed: Option<Error>,
}

/// Writes the streams of a backup to a folder, which must be empty or not there yet.
pub fn export(backup: &Backup, to: &Path, scope: &Scope, effort: Effort<'_>) -> Result<Export> {
    let folder = Folder::create(to)?;
    if !folder.names()?.is_empty() {
        let text = format!("{} is not empty, and nothing in it is written over: name another folder", show(to));
        return Err(Error::new(Code::CannotCreate, text));
    }
    let mut writer = Writer {
        folder: &folder,
        check: RecordCheck::default(),
        line: Vec::new(),
        open: None,
        logs: Vec::new(),
        groups: Vec::new(),
        warnings: Vec::new(),
        failed: None,
    };
    let done = entries::each(backup, scope, effort, &mut writer);
    let closed = match writer.failed.take() {
        Some(error) => Err(error),
        None => done.and_then(|damage| writer.close().map(|()| damage)),
    };
    let damage = closed.inspect_err(|_| {
        if let Some(open) = &writer.open {
            _ = folder.remove(&open.temporary);
        }
    })?;
    if writer.logs.is_empty() {
        let text =
            "the backup holds no stream of the systems asked for: check --prefix and --system-id; nothing was written";
        return Err(Error::new(Code::NoInput, text));
    }
    let list = GroupsFile::new(writer.groups);
    let group_count = list.streams.iter().map(|stream| stream.groups.len() as u64).sum();
    write_groups(&folder, &list)?;
    let (logs, warnings) = (writer.logs, writer.warnings);
    Ok(Export { schema: "papyra.export/1", tool: TOOL, logs, groups: GROUPS, group_count, damage, warnings })
}

fn write_groups(folder: &Folder, list: &GroupsFile) -> Result<()> {
    let temporary = format!(".{GROUPS}.tmp");
    let file = folder.create_new(&temporary)?;
    let write = || -> io::Result<()> {
        let mut buffered = BufWriter::new(&file);
        serde_json::to_writer_pretty(&mut buffered, list)?;
        buffered.write_all(b"\n")?;
        buffered.flush()?;
        file.sync_all()
    };
    write().map_err(|error| Error::cannot_write("write", &folder.join(GROUPS), error))?;
    put(folder, &temporary, GROUPS)?;
    folder.sync()
}

fn put(folder: &Folder, temporary: &str, name: &str) -> Result<()> {
    folder.move_to(temporary, folder, name).map(|_| ())
}

/// A part of a key as a part of a file's name: no two keys have one name, and none is hidden or leads elsewhere.
fn plain(part: &str) -> String {
    let mut name = String::new();
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    name
}

impl Writer<'_> {
    /// The stream under way is done, to its end or not.
    fn close(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        open.log.salvaged |= !open.ended;
        open.groups.salvaged = open.log.salvaged;
        open.log.path = format!("{}{}.ndjson", open.stem, if open.log.salvaged { ".salvaged" } else { "" });
        let path = self.folder.join(&open.log.path);
        let sync = open.file.flush().and_then(|()| open.file.get_ref().sync_all());
        let done = sync.map_err(|error| Error::cannot_write("write", &path, error));
        done.and_then(|()| put(self.folder, &open.temporary, &open.log.path))
            .inspect_err(|_| _ = self.folder.remove(&open.temporary))?;
        self.logs.push(open.log);
        self.groups.push(open.groups);
        Ok(())
    }

    fn start(&mut self, db: u64, key: &PapyraKey, salvaged: bool) -> Result<()> {
        self.close()?;
        let database = if db == 0 { String::new() } else { format!("db{db}.") };
        let stem = format!("{database}{}.{}.{}", plain(&key.prefix), plain(&key.system_id), key.kind.name());
        let name = format!("{}:{}:{}", key.prefix, key.system_id, key.kind.name());
        let temporary = format!(".{stem}.tmp");
        let file = BufWriter::with_capacity(1 << 18, self.folder.create_new(&temporary)?);
        let log = Log { path: String::new(), key: name.clone(), db, records: 0, bad_entries: 0, salvaged };
        let (papyra, stream) = (key.clone(), StreamFacts::default());
        let groups = StreamGroups { key: name, db, papyra, stream, salvaged, groups: Vec::new() };
        self.open = Some(Open { log, stem, temporary, file, groups, ended: false });
        Ok(())
    }
}

impl Streams for Writer<'_> {
    fn begin(&mut self, db: u64, key: &PapyraKey, salvaged: bool) -> Flow {
        match self.start(db, key, salvaged) {
            Ok(()) => Flow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                Flow::Break(())
            }
        }
    }

    fn entry(&mut self, _id: StreamId, data: Option<&[u8]>) -> Flow {
        let Some(open) = &mut self.open else { return Flow::Continue(()) };
        let Some(data) = data.filter(|data| self.check.data(data).is_ok()) else {
            open.log.bad_entries += 1;
            return Flow::Continue(());
        };
        self.line.clear();
        push_line(data, &mut self.line);
        open.log.records += 1;
        if let Err(error) = open.file.write_all(&self.line) {
            self.failed = Some(Error::cannot_write("write", &self.folder.join(&open.temporary), error));
            return Flow::Break(());
        }
        Flow::Continue(())
    }

    fn group(&mut self, group: Group) {
        let Some(open) = &mut self.open else { return };
        match GroupExport::of(&group) {
            Some(group) => open.groups.groups.push(group),
            None => self.warnings.push(format!(
                "a group of {} is not in {GROUPS}: a name in it is not UTF-8, or it waits for more entries than are listed",
                open.log.key
            )),
        }
    }

    fn end(&mut self, facts: &StreamFacts) {
        if let Some(open) = &mut self.open {
            open.groups.stream = facts.clone();
            open.ended = true;
        }
    }
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
