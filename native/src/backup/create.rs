//! Making a backup: pinned files are read once, and hashed, scanned and written on the way.
//!
//! A file that grew meanwhile is cut at the end of the last record that was there when it was pinned; one that did not
//! is copied as it is, damage included. The folder gets its final name when everything in it is on the disk.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use papyra_core::manifest::{self, Compression, Content, LeftOut, Manifest, Origin, Source, StoredFile};
use papyra_core::report::{Backend, FileReport, Report};
use papyra_core::summary::Summary;
use papyra_core::sums;

use super::cut::{Stretch, identity, line_end, settled_end};
use super::pass::{BLOCK, Passed, Task, pass, sha256};
use super::snapshot::{self, Archive, Snapshot};
use super::writing::{Syncer, pack, set_attributes};
use super::{UNFINISHED, clear_leftovers, rfc3339, seconds_since, stored, sums_of};
use crate::TOOL;
use crate::error::{Code, Error, Result, show};
use crate::folder::{Folder, Lock};
use crate::history::{self, History, Part};
use crate::lease;
use crate::reading::Effort;
use crate::recover::rejects;
use crate::target::Target;

/// How often files that change under the copy are pinned anew.
const TRIES: usize = 3;

/// How to back up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds the backups.
    pub to: PathBuf,
    /// The backup's name; by default one with the time in it.
    pub name: Option<String>,
    /// How to store the files.
    pub compression: Compression,
    /// Whether what recovery cut out and moved aside comes along.
    pub include_rejects: bool,
    /// The quarantine folder, if there is one.
    pub quarantine_dir: Option<PathBuf>,
    /// Whether nobody may write meanwhile.
    pub pause_check: bool,
    /// How long to wait for a recovery or compaction that is under way.
    pub patience: Duration,
}

/// A backup that was made.
#[derive(Debug)]
pub struct Created {
    /// Its folder.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// Backs up what `find` leads to.
pub fn create(find: &dyn Fn() -> Result<Target>, options: &Options, effort: Effort<'_>) -> Result<Created> {
    if let Some(name) = options.name.as_ref().filter(|name| !manifest::is_name(name)) {
        let name = papyra_core::escape::escape(name.as_bytes());
        return Err(Error::new(Code::Usage, format!("{name} cannot be a backup's name: use letters, digits and -")));
    }
    find()?;
    let backups = Folder::create(&options.to)?;
    let mut tries = 1;
    loop {
        match Making::begin(&backups, find, options, effort).and_then(Making::finish) {
            Err(error) if error.code == Code::TryAgain && tries < TRIES && !options.pause_check => tries += 1,
            other => return other,
        }
    }
}

/// A backup under way. Dropped unfinished, it leaves nothing behind.
struct Making<'a> {
    backups: &'a Folder,
    options: &'a Options,
    effort: Effort<'a>,
    snapshot: Snapshot,
    begun: Instant,
    created: Timestamp,
    name: String,
    folder: Folder,
    _lock: Lock,
    finished: bool,
    files: Vec<StoredFile>,
    syncer: Syncer,
}

impl<'a> Making<'a> {
    fn begin(
        backups: &'a Folder,
        find: &dyn Fn() -> Result<Target>,
        options: &'a Options,
        effort: Effort<'a>,
    ) -> Result<Making<'a>> {
        let begun = Instant::now();
        let snapshot = snapshot::take(find, options.patience)?;
        let created = Timestamp::now();
        let _names = backups.lock_within(Duration::from_secs(60))?;
        clear_leftovers(backups)?;
        let name = free_name(backups, options.name.as_deref(), created)?;
        let folder = backups.new_subfolder(&hidden(&name))?;
        let lock = folder.lock()?;
        let syncer = Syncer::begin(effort.threads > 1);
        let files = Vec::new();
        Ok(Making {
            backups,
            options,
            effort,
            snapshot,
            begun,
            created,
            name,
            folder,
            _lock: lock,
            finished: false,
            files,
            syncer,
        })
    }

    fn finish(mut self) -> Result<Created> {
        let histories = std::mem::take(&mut self.snapshot.histories);
        let mut reports = Vec::new();
        for (history, listing) in &histories {
            if let Some(reason) = listing.members.iter().find_map(|member| member.file.as_ref().err()) {
                let text = format!("{reason}; the backup would have a hole there, and was not made");
                return Err(Error::new(Code::NoInput, text));
            }
            reports.extend(history.report(listing, &mut |part| self.log(history, part))?);
        }
        for archive in std::mem::take(&mut self.snapshot.archives) {
            reports.push(self.archive(&archive)?);
        }
        self.others()?;
        if self.options.pause_check {
            self.check_pause(&histories)?;
        }
        let rotating = histories.iter().any(|(history, _)| history.backend == Backend::Rotating);
        let backend = if rotating { Backend::Rotating } else { Backend::Json };
        let manifest = self.manifest(Report::new(TOOL, backend, reports, false))?;
        self.write_text(manifest::NAME, &json(&manifest)?)?;
        let sums = sums_of(&manifest, &sha256(json(&manifest)?.as_bytes()));
        self.write_text(manifest::SUMS, &sums::write(&sums))?;
        let not_synced = |error| Error::cannot_write("write", &self.options.to, error).and("the backup was not made");
        self.syncer.end().map_err(not_synced)?;
        let mode = manifest.source.mode;
        self.folder.set_mode(mode | 0o700, None)?;
        self.folder.sync()?;
        let _names = self.backups.lock_within(Duration::from_secs(60))?;
        if !self.backups.put(&hidden(&self.name), self.backups, &self.name)? {
            let path = self.backups.join(&self.name);
            return Err(Error::cannot_create("put in place", &path, io::Error::other("the folder cannot be renamed")));
        }
        self.finished = true;
        self.backups.sync()?;
        let warnings = std::mem::take(&mut self.snapshot.warnings);
        Ok(Created { path: self.backups.join(&self.name), manifest, warnings })
    }

    /// Copies a file of lines.
    fn log(&mut self, history: &History, part: Part<'_>) -> Result<Summary> {
        let path = history.folder.join(part.name);
        let most = if part.is_member { self.effort.max_findings } else { 0 };
        let seen = match part.seen {
            Some(seen) => seen,
            None => identity(part.file, &path)?,
        };
        let mut end = settled_end(part.file, &path, seen.size)?;
        loop {
            let mut source = Stretch { file: part.file, at: 0, end };
            let passed = self.store(part.name, Content::Log, part.file, &mut source, &path, Some(most))?.0;
            let now = identity(part.file, &path)?;
            if passed.bytes < end || now.size < seen.size || (now.size == seen.size && now.modified != seen.modified) {
                let text = format!("{} was rewritten while it was copied: try again", show(&path));
                return Err(Error::new(Code::TryAgain, text));
            }
            let grew = now.size > seen.size;
            if grew {
                let failed = |error| Error::cannot_read(&path, seen.size, &error);
                let cut = line_end(part.file, seen.size).map_err(failed)?;
                if cut != end {
                    // What looked like a torn tail was a line under way.
                    end = cut;
                    self.discard(part.name)?;
                    continue;
                }
            }
            if let Some(file) = self.files.last_mut() {
                file.source.index = part.index;
                file.source.seen_bytes = seen.size;
                file.source.cut = grew.then_some(end);
            }
            return Ok(passed.summary.unwrap_or_default());
        }
    }

    /// Copies a log that is compressed already, and scans what is in it.
    fn archive(&mut self, archive: &Archive) -> Result<FileReport> {
        let path = self.snapshot.folder.join(&archive.name);
        let end = identity(&archive.file, &path)?.size;
        let mut source = Stretch { file: &archive.file, at: 0, end };
        let (_, scanned) = self.store(&archive.name, Content::Archive, &archive.file, &mut source, &path, None)?;
        let (summary, ended) = scanned.unwrap_or((Summary::default(), Ok(())));
        Ok(crate::archive::report(&archive.name, archive.format, summary, ended))
    }

    /// Copies what recovery has cut out and moved aside, if that is wanted.
    fn others(&mut self) -> Result<()> {
        let quarantine = self.options.quarantine_dir.clone().and_then(|folder| {
            let inside =
                std::fs::canonicalize(folder.parent()?).ok()? == self.snapshot.folder.path().canonicalize().ok()?;
            inside.then(|| folder.file_name()?.to_str().map(str::to_owned)).flatten()
        });
        for name in [Some(rejects::FOLDER.to_owned()), quarantine].into_iter().flatten() {
            let Ok(folder) = self.snapshot.folder.existing_subfolder(&name) else { continue };
            if !self.options.include_rejects {
                let reason = "what recovery took out; --include-rejects brings it along";
                self.snapshot.left_out.push(LeftOut { path: name, reason: reason.into() });
                continue;
            }
            let mut inside = folder.names()?;
            inside.retain(|name| !name.starts_with('.'));
            inside.sort();
            for inner in inside {
                let Ok(file) = folder.read(&inner) else { continue };
                let path = folder.join(&inner);
                let end = identity(&file, &path)?.size;
                let mut source = Stretch { file: &file, at: 0, end };
                self.store(&format!("{name}/{inner}"), Content::Other, &file, &mut source, &path, None)?;
            }
        }
        Ok(())
    }

    /// Writes one file of the backup.
    fn store(
        &mut self,
        name: &str,
        content: Content,
        from: &File,
        source: &mut Stretch<'_>,
        path: &Path,
        scan: Option<usize>,
    ) -> Result<(Passed, stored::OfArchive)> {
        let compression = if content == Content::Archive { Compression::None } else { self.options.compression };
        let stored = format!("{name}{}", compression.suffix());
        let (folder, file_name) = match stored.split_once('/') {
            None => (None, &*stored),
            Some((folder, name)) => (Some(self.folder.subfolder(folder)?), name),
        };
        let output = folder.as_ref().unwrap_or(&self.folder).create_new(file_name)?;
        let origin = rustix::fs::fstat(from).map_err(|error| Error::cannot_read(path, 0, &error.into()))?;
        let threads = self.effort.threads > 1 && source.end > BLOCK as u64;
        let mut copy = self.syncer.paced(&output);
        let task =
            |source, copy| Task { source, copy, scan, block: BLOCK as u64, threads, progress: self.effort.progress };
        let mut packed = None;
        let (passed, scanned) = match compression {
            Compression::None => {
                pass(task(source, Some(&mut copy)), |tap| stored::scan_archive(content, tap, self.effort))
            }
            Compression::Gzip | Compression::Zstd => {
                let (passed, done) = pass(task(source, None), |tap| pack(compression, tap, &mut copy));
                packed = Some(done);
                (passed, None)
            }
        };
        if let Some(error) = &passed.read_error {
            return Err(Error::cannot_read(path, passed.bytes, error).and("the backup was not made"));
        }
        let target = self.backups.join(&self.name).join(&stored);
        let not_written =
            |error: io::Error| Error::cannot_write("write", &target, error).and("the backup was not made");
        let (stored_bytes, stored_sha256) = match packed {
            None => (passed.bytes, passed.sha256.clone()),
            Some(done) => done.map_err(not_written)?,
        };
        let Passed { write_error: None, .. } = passed else {
            return Err(not_written(passed.write_error.unwrap_or_else(|| io::Error::other("unknown"))));
        };
        let modified_ns = origin
            .st_mtime
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::try_from(origin.st_mtime_nsec).unwrap_or(0));
        set_attributes(&output, origin.st_mode | 0o400, modified_ns, None).map_err(not_written)?;
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
            mode: origin.st_mode & 0o777,
            uid: origin.st_uid,
            gid: origin.st_gid,
            modified_ns,
            source: Origin { device: origin.st_dev, inode: origin.st_ino, index: 0, seen_bytes: source.end, cut: None },
        });
        Ok((passed, scanned))
    }

    /// Takes back the file that was stored last.
    fn discard(&mut self, name: &str) -> Result<()> {
        match self.files.pop() {
            Some(file) if file.path == name => self.folder.remove(&file.stored),
            _ => Ok(()),
        }
    }

    /// Fails when a file is no longer what it was when it was pinned.
    fn check_pause(&self, histories: &[(History, history::Listing)]) -> Result<()> {
        for (history, listing) in histories {
            let now = history.pin()?;
            let seen = |listing: &history::Listing| -> Vec<_> {
                listing.members.iter().map(|member| (member.name.clone(), member.identity)).collect()
            };
            let writing = |member: &history::Pinned| member.file.as_ref().is_ok_and(lease::has_writer);
            if seen(&now) != seen(listing) || now.members.iter().any(writing) {
                let text = format!(
                    "{} was written to while it was copied, and --pause-check forbids that: stop the writer and try \
                     again",
                    show(&history.path())
                );
                return Err(Error::new(Code::TryAgain, text));
            }
        }
        Ok(())
    }

    fn manifest(&mut self, scan: Report) -> Result<Manifest> {
        let stat = self.snapshot.folder.stat_self()?;
        let folder = self.snapshot.folder.path();
        let folder = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let manifest = Manifest {
            schema: manifest::SCHEMA.into(),
            tool: TOOL.into(),
            name: self.name.clone(),
            created: rfc3339(self.created),
            seconds: seconds_since(self.begun),
            source: Source {
                folder: folder.to_string_lossy().into_owned(),
                mode: stat.st_mode & 0o777,
                uid: stat.st_uid,
                gid: stat.st_gid,
            },
            compression: self.options.compression,
            files: std::mem::take(&mut self.files),
            left_out: std::mem::take(&mut self.snapshot.left_out),
            scan,
        };
        // What a restore would refuse must not be written.
        Manifest::parse(json(&manifest)?.as_bytes())
            .map(|_| manifest)
            .map_err(|why| Error::new(Code::Data, format!("these files cannot be backed up: {why}")))
    }

    fn write_text(&mut self, name: &str, text: &str) -> Result<()> {
        let mut file = self.folder.create_new(name)?;
        let mode = self.snapshot.folder.stat_self()?.st_mode & 0o666 | 0o400;
        let written = file.write_all(text.as_bytes()).and_then(|()| {
            rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(mode))?;
            Ok(())
        });
        written
            .and_then(|()| self.syncer.add(file))
            .map_err(|error| Error::cannot_write("write", &self.backups.join(&self.name).join(name), error))
    }
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // If it stays, the next backup clears it away.
            _ = self.backups.remove_tree(&hidden(&self.name));
        }
    }
}

fn hidden(name: &str) -> String {
    format!(".{name}{UNFINISHED}")
}

fn free_name(backups: &Folder, wanted: Option<&str>, now: Timestamp) -> Result<String> {
    let taken =
        |name: &str| -> Result<bool> { Ok(backups.stat(name)?.is_some() || backups.stat(&hidden(name))?.is_some()) };
    if let Some(wanted) = wanted {
        return match taken(wanted)? {
            false => Ok(wanted.into()),
            true => {
                let text = format!("{} exists already: choose another name", show(&backups.join(wanted)));
                Err(Error::new(Code::CannotCreate, text))
            }
        };
    }
    let stem = format!("papyra-{}", now.strftime("%Y-%m-%dT%H-%M-%SZ"));
    let mut name = stem.clone();
    for number in 2.. {
        if !taken(&name)? {
            break;
        }
        name = format!("{stem}-{number}");
    }
    Ok(name)
}

fn json(manifest: &Manifest) -> Result<String> {
    serde_json::to_string_pretty(manifest)
        .map(|text| text + "\n")
        .map_err(|error| Error::new(Code::Io, format!("cannot write the manifest: {error}")))
}
