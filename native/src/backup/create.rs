//! Making a backup: pinned files are read once, and hashed, scanned and written on the way.
//!
//! A file that grew meanwhile is cut at the end of the last record that was there when it was pinned; one that did not
//! is copied as it is, damage included.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use papyra_core::folder::PassedOver;
use papyra_core::manifest::{self, Compression, Content, LeftOut, Manifest, Origin, StoredFile};
use papyra_core::report::{Backend, FileReport, Report};
use papyra_core::summary::Summary;

use super::Location;
use super::access::Access;
use super::copy_end::{Stretch, identity, line_end, settled_end};
use super::guard::{self, Backups};
use super::output::{nanoseconds, origin};
use super::pipeline::{BLOCK, Passed};
use super::series::Filing;
use super::snapshot::{self, Archive, Snapshot};
use super::unfinished::{About, Attributes, Finished, Incoming, Unfinished};
use crate::TOOL;
use crate::disk::{File, name_of, sys};
use crate::error::{Code, Error, Result, show};
use crate::history::{self, History, Part};
use crate::reading::ScanOptions;
use crate::recover::rejects;
use crate::setting::Setting;
use crate::source::Source;

/// How often files that change under the copy are pinned anew.
const TRIES: usize = 3;

/// How to back up.
#[derive(Debug, Clone)]
pub struct CreateOptions {
    /// The folder that holds the backups.
    pub to: Location,
    /// The backup's name; by default one with the time in it.
    pub name: Option<String>,
    /// What it is filed under.
    pub filing: Filing,
    /// How to store the files.
    pub compression: Compression,
    /// Whether what recovery cut out and moved aside comes along.
    pub include_rejects: bool,
    /// The quarantine folder, if there is one.
    pub quarantine_dir: Option<PathBuf>,
    /// Whether nobody may write meanwhile.
    pub pause_check: bool,
    /// Whether to read what has not changed since the last backup, too.
    pub reread: bool,
    /// Whether to link the last backup's files where they hold the same.
    pub link: bool,
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
    /// How many bytes had to be written, where not all: what a repository did not have, compressed and encrypted, or
    /// what a folder does not share with the last backup.
    pub added: Option<u64>,
    /// What the operator should know.
    pub warnings: Vec<String>,
    /// Where a log may be, and could not be read.
    pub unread: Vec<PassedOver>,
}

/// What tells whether logs have changed: of each file its path, device, inode, size, and when content or inode changed.
pub type Marks = Vec<(PathBuf, Option<(u64, u64, u64, (i64, i64))>)>;

/// The marks of logs; `None` of what has none.
pub fn marks(source: &Source) -> Result<Option<Marks>> {
    if !matches!(source, Source::History(_) | Source::Folder(_)) {
        return Ok(None);
    }
    let mut marks = Vec::new();
    for history in source.histories() {
        for member in history.set()?.members {
            let stat = match history.place(&member.name)? {
                Some((folder, name)) => folder.stat(name)?,
                None => history.folder.stat(&member.name)?,
            };
            let mark = stat.map(|stat| (stat.device, stat.inode, stat.size, stat.changed));
            marks.push((history.folder.join(&member.name), mark));
        }
    }
    Ok(Some(marks))
}

/// Backs up what `find` leads to.
pub fn create(
    find: &dyn Fn() -> Result<Source>,
    options: &CreateOptions,
    scanning: ScanOptions<'_>,
) -> Result<Created> {
    if let Some(name) = options.name.as_ref().filter(|name| !manifest::is_name(name)) {
        let name = papyra_core::escape::escape(name.as_bytes());
        return Err(Error::new(Code::Usage, format!("{name} cannot be a backup's name: use letters, digits and -")));
    }
    find()?;
    let backups = guard::for_backups(&options.to)?;
    if options.link && matches!(backups, Backups::Repository(_)) {
        let text = format!("{} is a repository, which stores once what backups share without links", options.to);
        return Err(Error::new(Code::Usage, text).decided_by(&[Setting::Link]));
    }
    let mut tries = 1;
    loop {
        match Making::begin(&backups, find, options, scanning).and_then(Making::finish) {
            Err(error) if error.code == Code::TryAgain && tries < TRIES && !options.pause_check => tries += 1,
            other => return other,
        }
    }
}

/// A backup of files under way.
struct Making<'a> {
    options: &'a CreateOptions,
    scanning: ScanOptions<'a>,
    snapshot: Snapshot,
    to: Unfinished<'a>,
}

impl<'a> Making<'a> {
    fn begin(
        backups: &'a Backups,
        find: &dyn Fn() -> Result<Source>,
        options: &'a CreateOptions,
        scanning: ScanOptions<'a>,
    ) -> Result<Making<'a>> {
        let begun = sys::now();
        let snapshot = snapshot::take(find, options.patience)?;
        let name = options.name.as_deref();
        // By the clock that stamps the files: what is unchanged is told by both.
        let created = Timestamp::from_millisecond(sys::now()).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut to = Unfinished::begin(backups, name, &options.filing, begun, created, scanning)?;
        if !options.reread {
            to.build_on_the_last(options.link);
        }
        Ok(Making { options, scanning, snapshot, to })
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
            check_pause(&histories)?;
        }
        let rotating = histories.iter().any(|(history, _)| history.backend == Backend::Rotating);
        let backend = if rotating { Backend::Rotating } else { Backend::Json };
        let stat = self.snapshot.folder.stat_self()?;
        let folder = self.snapshot.folder.path();
        let folder = sys::canonical(folder).unwrap_or_else(|_| folder.to_owned());
        let source = manifest::Source {
            folder: papyra_core::name::text(folder.as_os_str().as_encoded_bytes()),
            path: None,
            mode: stat.mode & 0o7777,
            uid: stat.owner,
            gid: stat.group,
            redis: None,
        };
        let Snapshot { mut left_out, unread, mut warnings, .. } = self.snapshot;
        let named = unread.iter().cloned().map(|PassedOver { path, reason }| LeftOut { path, reason });
        left_out.extend(named);
        let scan = Report::new(TOOL, backend, reports, false);
        let about = About { source, compression: self.options.compression, left_out, scan };
        let mut finished = self.to.finish(about)?;
        warnings.append(&mut finished.warnings);
        let Finished { path, manifest, added, .. } = finished;
        Ok(Created { path, manifest, added, warnings, unread })
    }

    /// Copies a file of lines.
    fn log(&mut self, history: &History, part: Part<'_>) -> Result<Summary> {
        let path = history.folder.join(part.name);
        if part.packed()?.is_some() {
            let end = identity(part.file, &path)?.size;
            let mut source = Stretch { file: part.file, at: 0, end };
            let most = self.scanning.max_findings;
            let copied = self.store(part.name, Content::Archive, part.file, &mut source, &path, most)?;
            return Ok(self.keep(copied).summary);
        }
        let most = if part.is_member { self.scanning.max_findings } else { 0 };
        let seen = match part.seen {
            Some(seen) => seen,
            None => identity(part.file, &path)?,
        };
        if part.is_member
            && let Some(summary) = self.to.reuse(part.name, part.index, (part.file, &path), self.options.compression)?
        {
            return Ok(summary);
        }
        let mut end = settled_end(part.file, &path, seen.size)?;
        loop {
            let mut source = Stretch { file: part.file, at: 0, end };
            let (passed, mut stored) = self.store(part.name, Content::Log, part.file, &mut source, &path, most)?;
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
                    self.to.discard(&stored)?;
                    continue;
                }
            }
            let cut = grew.then_some(end);
            stored.source = Origin { index: part.index, seen_bytes: seen.size, cut, ..stored.source };
            self.to.add(stored);
            return Ok(passed.summary);
        }
    }

    /// Copies a log that is compressed already, and scans what is in it.
    fn archive(&mut self, archive: &Archive) -> Result<FileReport> {
        let path = self.snapshot.folder.join(&archive.name);
        let end = identity(&archive.file, &path)?.size;
        let mut source = Stretch { file: &archive.file, at: 0, end };
        let most = self.scanning.max_findings;
        let copied = self.store(&archive.name, Content::Archive, &archive.file, &mut source, &path, most)?;
        let passed = self.keep(copied);
        let ended = passed.seen.broken.map_or(Ok(()), Err);
        Ok(crate::archive::report(&archive.name, archive.format, passed.summary, ended))
    }

    /// Copies what recovery has cut out and moved aside, if that is wanted.
    fn others(&mut self) -> Result<()> {
        let quarantine = self.options.quarantine_dir.clone().and_then(|folder| {
            let inside = sys::canonical(folder.parent()?).ok()? == sys::canonical(self.snapshot.folder.path()).ok()?;
            inside.then(|| name_of(&folder)).flatten()
        });
        for name in [Some(rejects::FOLDER.to_owned()), quarantine].into_iter().flatten() {
            let Ok(folder) = self.snapshot.folder.existing_subfolder(&name) else { continue };
            if !self.options.include_rejects {
                let reason = "what recovery took out; it comes along where the rejects are included";
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
                let copied = self.store(&format!("{name}/{inner}"), Content::Other, &file, &mut source, &path, 0)?;
                self.keep(copied);
            }
        }
        Ok(())
    }

    /// Makes a file that was copied a part of the backup.
    fn keep(&mut self, (passed, stored): (Passed, StoredFile)) -> Passed {
        self.to.add(stored);
        passed
    }

    /// Copies one file, which is yet to be added.
    fn store(
        &mut self,
        name: &str,
        content: Content,
        from: &File,
        source: &mut Stretch<'_>,
        path: &Path,
        max_findings: usize,
    ) -> Result<(Passed, StoredFile)> {
        let stat = from.stat().map_err(|error| Error::cannot_read(path, 0, &error))?;
        let access = Access::of(from).map_err(|error| Error::cannot_read(path, 0, &error))?;
        let end = source.end;
        let file = Incoming {
            name,
            content,
            compression: if content == Content::Archive { Compression::None } else { self.options.compression },
            path,
            bytes: source,
            is_large: end > BLOCK as u64,
            max_findings,
            payload: None,
            attributes: Attributes { access, uid: stat.owner, modified_ns: nanoseconds(stat.modified) },
            origin: origin(&stat, end),
        };
        self.to.store(file, self.scanning)
    }
}

/// Fails when a file is no longer what it was when it was pinned.
fn check_pause(histories: &[(History, history::Listing)]) -> Result<()> {
    for (history, listing) in histories {
        let now = history.pin()?;
        let seen = |listing: &history::Listing| -> Vec<_> {
            listing.members.iter().map(|member| (member.name.clone(), member.identity)).collect()
        };
        let writing = |member: &history::Pinned| member.file.as_ref().is_ok_and(File::has_writer);
        if seen(&now) != seen(listing) || now.members.iter().any(writing) {
            let text = format!(
                "{} was written to while it was copied, though it was to be checked that nobody does: stop the writer \
                 and try again",
                show(&history.path())
            );
            return Err(Error::new(Code::TryAgain, text).decided_by(&[Setting::PauseCheck]));
        }
    }
    Ok(())
}
