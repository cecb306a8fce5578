//! A backup under way: a hidden folder that gets its final name when everything in it is on the disk.
//!
//! Where the bytes come from is the business of whoever makes the backup.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use papyra_core::manifest::{self, Compression, Content, LeftOut, Manifest, Origin, Source, StoredFile};
use papyra_core::report::Report;
use papyra_core::sums;
use papyra_core::verification::sums_of;

use super::access::Access;
use super::list::entries;
use super::pass::{BLOCK, Passed, Task, pass, sha256};
use super::redis::Payload;
use super::series::Filing;
use super::stored::{Inside, look_inside};
use super::writing::{Syncer, pack, set_attributes};
use super::{UNFINISHED, clear_leftovers, host_mark, rfc3339, seconds_since};
use crate::TOOL;
use crate::disk::{Folder, Lock};
use crate::error::{Code, Error, Result, show};
use crate::reading::Effort;

/// How long another run is waited for that is choosing a name.
const PATIENCE: Duration = Duration::from_secs(60);

/// A backup under way. Dropped unfinished, it leaves nothing behind.
pub(super) struct Unfinished<'a> {
    backups: &'a Folder,
    begun: Instant,
    created: Timestamp,
    name: String,
    filing: Filing,
    folder: Folder,
    _lock: Lock,
    finished: bool,
    /// What is in it so far.
    pub(super) files: Vec<StoredFile>,
    syncer: Syncer,
    /// Who may read the files so far.
    accesses: Vec<Access>,
    /// What the operator should know of the backups that are there.
    pub(super) warnings: Vec<String>,
}

/// One file of a backup, about to be written.
pub(super) struct Incoming<'a> {
    /// Its path in the source.
    pub(super) name: &'a str,
    pub(super) content: Content,
    pub(super) compression: Compression,
    /// What errors call it.
    pub(super) path: &'a Path,
    pub(super) bytes: &'a mut dyn Read,
    /// Large enough for threads.
    pub(super) is_large: bool,
    /// Scan it as lines, and list at most so many findings.
    pub(super) scan: Option<usize>,
    /// Look through it as streams; only for what is stored as it is.
    pub(super) payload: Option<Payload<'a>>,
    pub(super) attributes: Attributes,
    pub(super) origin: Origin,
}

/// What a restored file gets back.
pub(super) struct Attributes {
    pub(super) access: Access,
    pub(super) uid: u32,
    pub(super) modified_ns: i64,
}

/// What there is to say of a backup beside its files.
pub(super) struct About {
    pub(super) source: Source,
    pub(super) compression: Compression,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) scan: Report,
}

impl<'a> Unfinished<'a> {
    /// Begins a backup of what was pinned at `created`; `begun` is when that was begun.
    pub(super) fn begin(
        backups: &'a Folder,
        name: Option<&str>,
        filing: &Filing,
        begun: Instant,
        created: Timestamp,
        effort: Effort<'_>,
    ) -> Result<Unfinished<'a>> {
        if super::is_whole(backups) {
            let text = format!("{} is a backup itself: choose another folder for backups", show(backups.path()));
            return Err(Error::new(Code::CannotCreate, text));
        }
        let warnings = match entries(backups, created) {
            Ok(entries) => filing.warnings(&entries),
            Err(error) => vec![format!("the backups that are there cannot be looked at: {error}")],
        };
        let _names = backups.lock_within(PATIENCE)?;
        clear_leftovers(backups)?;
        let name = free_name(backups, name, created)?;
        let folder = backups.new_subfolder(&hidden(&name))?;
        let lock = folder.lock()?;
        let syncer = Syncer::begin(effort.threads > 1);
        Ok(Unfinished {
            backups,
            begun,
            created,
            name,
            filing: filing.clone(),
            folder,
            _lock: lock,
            finished: false,
            files: Vec::new(),
            syncer,
            accesses: Vec::new(),
            warnings,
        })
    }

    /// Where it will be.
    pub(super) fn path(&self) -> PathBuf {
        self.backups.join(&self.name)
    }

    /// Writes one file.
    pub(super) fn store(&mut self, file: Incoming<'_>, effort: Effort<'_>) -> Result<(Passed, Inside)> {
        let Incoming { name, content, compression, path, bytes, is_large, scan, payload, attributes, origin } = file;
        let stored = format!("{name}{}", compression.suffix());
        let (folder, file_name) = match stored.split_once('/') {
            None => (None, &*stored),
            Some((folder, name)) => (Some(self.folder.subfolder(folder)?), name),
        };
        let output = folder.as_ref().unwrap_or(&self.folder).create_new(file_name)?;
        let threads = effort.threads > 1 && is_large;
        let mut copy = self.syncer.paced(&output);
        let task = |source, copy| Task { source, copy, scan, block: BLOCK as u64, threads, progress: effort.progress };
        let mut packed = None;
        let (passed, scanned) = match compression {
            Compression::None => {
                pass(task(bytes, Some(&mut copy)), |tap| look_inside(content, payload, name, tap, effort))
            }
            Compression::Gzip | Compression::Zstd => {
                let (passed, done) = pass(task(bytes, None), |tap| pack(compression, tap, &mut copy));
                packed = Some(done);
                (passed, Inside::Nothing)
            }
        };
        if let Some(error) = &passed.read_error {
            return Err(Error::cannot_read(path, passed.bytes, error).and("the backup was not made"));
        }
        let target = self.path().join(&stored);
        let not_written =
            |error: io::Error| Error::cannot_write("write", &target, error).and("the backup was not made");
        let (stored_bytes, stored_sha256) = match packed {
            None => (passed.bytes, passed.sha256.clone()),
            Some(done) => done.map_err(not_written)?,
        };
        let Passed { write_error: None, .. } = passed else {
            return Err(not_written(passed.write_error.unwrap_or_else(|| io::Error::other("unknown"))));
        };
        copy.finish().map_err(not_written)?;
        let Attributes { access, uid, modified_ns } = attributes;
        set_attributes(&output, &access, modified_ns, None).map_err(not_written)?;
        self.accesses.push(Access::of(&output).map_err(not_written)?);
        self.syncer.add(output).map_err(not_written)?;
        self.files.push(StoredFile {
            path: name.to_owned(),
            stored,
            content,
            compression,
            bytes: passed.bytes,
            sha256: passed.sha256.clone(),
            blocks: passed.blocks.clone(),
            stored_bytes,
            stored_sha256,
            mode: access.mode,
            uid,
            gid: access.gid,
            modified_ns,
            source: origin,
        });
        Ok((passed, scanned))
    }

    /// Takes back the file that was stored last.
    pub(super) fn discard(&mut self, name: &str) -> Result<()> {
        match self.files.pop() {
            Some(file) if file.path == name => {
                self.accesses.pop();
                self.folder.remove(&file.stored)
            }
            _ => Ok(()),
        }
    }

    /// Writes the manifest, and gives the folder its name.
    pub(super) fn finish(mut self, about: About) -> Result<(PathBuf, Manifest)> {
        let manifest = self.manifest(about)?;
        self.write_text(manifest::NAME, json(&manifest)?.as_bytes())?;
        let sums = sums_of(&manifest, &sha256(json(&manifest)?.as_bytes()));
        self.write_text(manifest::SUMS, &sums::write(&sums))?;
        let path = self.path();
        let not_synced =
            |error| Error::cannot_write("write", self.backups.path(), error).and("the backup was not made");
        self.syncer.end().map_err(not_synced)?;
        self.folder.set_mode(0o700, None)?;
        self.folder.sync()?;
        let _names = self.backups.lock_within(PATIENCE)?;
        if !self.backups.put(&hidden(&self.name), self.backups, &self.name)? {
            return Err(Error::cannot_create("put in place", &path, io::Error::other("the folder cannot be renamed")));
        }
        self.finished = true;
        self.backups.sync()?;
        Ok((path, manifest))
    }

    fn manifest(&mut self, about: About) -> Result<Manifest> {
        let About { source, compression, left_out, scan } = about;
        let manifest = Manifest {
            schema: manifest::SCHEMA.into(),
            tool: TOOL.into(),
            name: self.name.clone(),
            series: Some(self.filing.series.clone()),
            host: Some(self.filing.host.clone()),
            tags: self.filing.tags.clone(),
            created: rfc3339(self.created),
            seconds: seconds_since(self.begun),
            source: Source { path: Some(self.filing.source.clone()), ..source },
            compression,
            files: std::mem::take(&mut self.files),
            left_out,
            scan,
        };
        // What a restore would refuse must not be written.
        Manifest::parse(json(&manifest)?.as_bytes())
            .map(|_| manifest)
            .map_err(|why| Error::new(Code::Data, format!("these files cannot be backed up: {why}")))
    }

    /// Writes a file that tells of the others, for no more people than may read each of them.
    fn write_text(&mut self, name: &str, text: &[u8]) -> Result<()> {
        let mut file = self.folder.create_new(name)?;
        let written = file.write_all(text).and_then(|()| {
            let gid = rustix::fs::fstat(&file)?.st_gid;
            let mode = self.accesses.iter().fold(0o044, |mode, access| mode & access.mode_for(gid));
            Access { mode: 0o600 | mode, gid, ..Access::PRIVATE }.give(&file, None)
        });
        written
            .and_then(|()| self.syncer.add(file))
            .map_err(|error| Error::cannot_write("write", &self.path().join(name), error))
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // If it stays, the next backup clears it away.
            _ = self.backups.remove_tree(&hidden(&self.name));
        }
    }
}

fn hidden(name: &str) -> String {
    format!(".{name}.{}{UNFINISHED}", host_mark())
}

fn free_name(backups: &Folder, wanted: Option<&str>, now: Timestamp) -> Result<String> {
    let taken =
        |name: &str| -> Result<bool> { Ok(backups.stat(name)?.is_some() || backups.stat(hidden(name))?.is_some()) };
    if let Some(wanted) = wanted {
        return match taken(wanted)? {
            false => Ok(wanted.into()),
            true => {
                let text = format!("{} exists already: choose another name", show(&backups.join(wanted)));
                Err(Error::new(Code::CannotCreate, text))
            }
        };
    }
    // Another host may choose a name in the same second, and where locks do not reach it neither sees the other's.
    let mut random = [0; 4];
    rustix::rand::getrandom(&mut random[..], rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Error::cannot_create("choose a name in", backups.path(), error))?;
    Ok(format!("papyra-{}-{:08x}Z", now.strftime("%Y-%m-%dT%H-%M-%S"), u32::from_ne_bytes(random)))
}

fn json(manifest: &Manifest) -> Result<String> {
    serde_json::to_string_pretty(manifest)
        .map(|text| text + "\n")
        .map_err(|error| Error::new(Code::Io, format!("cannot write the manifest: {error}")))
}
