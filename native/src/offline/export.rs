//! The streams of a backup as logs that Papyra's file backend reads, and their groups as `groups.json`.
//!
//! Every file is written under a hidden name, synced and renamed; nothing that is there is written over. What a log
//! cannot hold is kept beside it, see `log`. The backup is never changed.

mod log;

pub use log::Log;
pub(crate) use log::plain;

use std::path::Path;

use papyra_core::escape::escape;
use papyra_core::redis::{
    Entry, Flow, Group, GroupExport, GroupsFile, PapyraKey, RecordCheck, Scope, StreamFacts, StreamGroups, Untold,
};
use serde::Serialize;

use self::log::{StreamLog, Unfinished};

use super::ServerFiles;
use super::entries::{self, Streams};
use crate::TOOL;
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};
use crate::reading::ScanOptions;
use crate::setting::Setting;

/// The name of the list of groups.
pub const GROUPS: &str = GroupsFile::NAME;

/// What was written: schema `papyra.export/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
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
    /// Groups that are not, as they wait for more entries than a backup's reader holds.
    pub groups_left_out: u64,
    /// How many things are wrong with the backup itself; what a scan lists.
    pub damage: u64,
    /// Streams of which there may be more than was written: commands on them have names that papyra does not know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncertain: Vec<String>,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
}

impl Export {
    /// Whether all of the backup is in the export.
    pub fn is_whole(&self) -> bool {
        self.damage == 0
            && self.groups_left_out == 0
            && self.uncertain.is_empty()
            && self.logs.iter().all(|log| log.bad_entries == 0)
    }
}

struct Writer<'a> {
    folder: &'a Folder,
    scope: &'a Scope,
    check: RecordCheck,
    open: Option<StreamLog>,
    logs: Vec<Log>,
    groups: Vec<StreamGroups>,
    left_out: u64,
    uncertain: Vec<String>,
    warnings: Vec<String>,
    failed: Option<Error>,
}

/// Writes the streams of a backup to a folder, which must be empty or not there yet.
pub fn export(backup: &ServerFiles, to: &Path, scope: &Scope, scanning: ScanOptions<'_>) -> Result<Export> {
    let folder = Folder::create(to)?;
    if !folder.names()?.is_empty() {
        let text = format!("{} is not empty, and nothing in it is written over: name another folder", show(to));
        return Err(Error::new(Code::CannotCreate, text));
    }
    let mut writer = Writer {
        folder: &folder,
        scope,
        check: RecordCheck::default(),
        open: None,
        logs: Vec::new(),
        groups: Vec::new(),
        left_out: 0,
        uncertain: Vec::new(),
        warnings: Vec::new(),
        failed: None,
    };
    let done = entries::each(backup, scope, scanning, &mut writer);
    let closed = match writer.failed.take() {
        Some(error) => Err(error),
        None => done.and_then(|damage| writer.close().map(|()| damage)),
    };
    let damage = closed.inspect_err(|_| {
        if let Some(open) = writer.open.take() {
            open.abandon(&folder);
        }
    })?;
    if writer.logs.is_empty() {
        let mut text = String::from(
            "the backup holds no stream of the systems asked for: check the prefix and the system; nothing was written",
        );
        writer.warnings.iter().for_each(|warning| text.push_str(&format!("; {}", escape(warning.as_bytes()))));
        return Err(Error::new(Code::NoInput, text).decided_by(&[Setting::Prefix, Setting::System]));
    }
    let list = GroupsFile::new(writer.groups);
    let group_count = list.streams.iter().map(|stream| stream.groups.len() as u64).sum();
    write_groups(&folder, &list)?;
    Ok(Export {
        schema: "papyra.export/1",
        tool: TOOL,
        logs: writer.logs,
        groups: GROUPS,
        group_count,
        groups_left_out: writer.left_out,
        uncertain: writer.uncertain,
        damage,
        warnings: writer.warnings,
    })
}

fn write_groups(folder: &Folder, list: &GroupsFile) -> Result<()> {
    let mut file = Unfinished::create(folder, GROUPS)?;
    let text = serde_json::to_vec_pretty(list).map_err(|error| Error::new(Code::Io, format!("{GROUPS}: {error}")))?;
    file.write(folder, &text)?;
    file.write(folder, b"\n")?;
    file.finish(folder, GROUPS)?;
    folder.sync()
}

impl Writer<'_> {
    /// The stream under way is done, to its end or not.
    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let (log, groups) = open.finish(self.folder)?;
        self.logs.push(log);
        self.groups.push(groups);
        Ok(())
    }

    fn begun(&mut self, db: u64, key: &PapyraKey, salvaged: bool) -> Result<()> {
        self.close()?;
        self.open = Some(StreamLog::begin(self.folder, db, key, salvaged)?);
        Ok(())
    }

    fn flow(&mut self, result: Result<()>) -> Flow {
        match result {
            Ok(()) => Flow::Continue(()),
            Err(error) => {
                self.failed = Some(error);
                Flow::Break(())
            }
        }
    }
}

impl Streams for Writer<'_> {
    fn untold(&mut self, untold: &Untold) {
        let keys = untold.keys().filter(|(_, key)| self.scope.find(key).is_some());
        self.uncertain = keys.map(|(_, key)| String::from_utf8_lossy(key).into_owned()).collect();
        if untold.is_everything() {
            self.uncertain.push("*".into());
        }
        if !self.uncertain.is_empty() {
            let names: Vec<&str> = untold.names.keys().map(String::as_str).collect();
            let text = format!(
                "there may be more in {} than was written: papyra does not know what {} did (a server with \
                 `rename-command`, a module, a script or a later version has written it)",
                self.uncertain.join(", "),
                names.join(", ")
            );
            self.warnings.push(text);
        }
    }

    fn begin(&mut self, db: u64, key: &PapyraKey, salvaged: bool) -> Flow {
        let begun = self.begun(db, key, salvaged);
        self.flow(begun)
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Flow {
        let Some(open) = &mut self.open else { return Flow::Continue(()) };
        let taken = open.take(self.folder, &mut self.check, entry);
        self.flow(taken)
    }

    fn group(&mut self, group: Group) {
        let Some(open) = &mut self.open else { return };
        match GroupExport::of(&group) {
            Some(group) => open.groups.groups.push(group),
            None => {
                self.left_out += 1;
                self.warnings.push(format!(
                    "a group of {} is not in {GROUPS}: it waits for more entries than are listed",
                    open.log.key
                ));
            }
        }
    }

    fn end(&mut self, facts: &StreamFacts) {
        if let Some(open) = &mut self.open {
            open.groups.stream = facts.clone();
            open.ended = true;
        }
    }
}
