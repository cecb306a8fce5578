//! A backup under way: a hidden folder that gets its final name when everything in it is on the disk, or blobs in a
//! repository that get their snapshot then.
//!
//! Where the bytes come from is the business of whoever makes the backup.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use papyra_core::manifest::{self, Compression, Content, LeftOut, Manifest, Origin, Source, StoredFile};
use papyra_core::report::Report;
use papyra_core::summary::Summary;
use papyra_core::sums;
use papyra_core::verification::{self, Inside, sums_of};

use super::access::Access;
use super::brief::Brief;
use super::guard::Backups;
use super::list::{Entry, entries};
use super::output::Packer;
use super::pipeline::{BLOCK, Passed, Task, run, sha256};
use super::redis::Payload;
use super::repository::{packing, packing::Packing};
use super::series::Filing;
use super::share::Last;
use super::under_way::{Hidden, PATIENCE, hidden};
use super::{clear_leftovers, rfc3339};
use crate::TOOL;
use crate::disk::{File, sys};
use crate::error::{Code, Error, Result, show};
use crate::reading::ScanOptions;

/// A backup under way. Dropped unfinished, it leaves nothing behind.
pub(super) struct Unfinished<'a> {
    backups: &'a Backups,
    /// Milliseconds since 1970.
    begun: i64,
    created: Timestamp,
    name: String,
    filing: Filing,
    to: To<'a>,
    /// The name of the series' last backup, unless that is damaged.
    last: Option<String>,
    /// What is in it so far.
    pub(super) files: Vec<StoredFile>,
    /// What the operator should know of the backups that are there.
    warnings: Vec<String>,
}

/// Where the files go.
enum To<'a> {
    Folder(Hidden<'a>),
    Repository(Box<Packing>),
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
    /// How many findings are listed of the lines in it.
    pub(super) max_findings: usize,
    /// What it is, if it holds streams that are to be read.
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

/// A backup that was made.
pub(super) struct Finished {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    /// How many bytes had to be written, where not all.
    pub(super) added: Option<u64>,
    /// What the operator should know.
    pub(super) warnings: Vec<String>,
}

impl<'a> Unfinished<'a> {
    /// Begins a backup of what was pinned at `created`; `begun` is when that was begun, in milliseconds since 1970.
    pub(super) fn begin(
        backups: &'a Backups,
        name: Option<&str>,
        filing: &Filing,
        begun: i64,
        created: Timestamp,
        scanning: ScanOptions<'_>,
    ) -> Result<Unfinished<'a>> {
        if let Backups::Folder(folder) = backups
            && super::is_whole(folder)
        {
            let text = format!("{} is a backup itself: choose another folder for backups", show(folder.path()));
            return Err(Error::new(Code::CannotCreate, text));
        }
        let (mut warnings, last);
        let (name, to) = match backups {
            Backups::Repository(site) => {
                let packing = Packing::begin(Arc::clone(site), scanning.threads)?;
                let entries = entries(&packing.backups(), created)?;
                warnings = filing.warnings(&entries);
                warnings.extend(packing.warning()?);
                last = last_of(&filing.series, &entries);
                let taken = |name: &str| Ok(entries.iter().any(|entry| entry.name == name));
                (free_name(backups, name, created, &taken)?, To::Repository(Box::new(packing)))
            }
            Backups::Folder(folder) => {
                (last, warnings) = match entries(folder, created) {
                    Ok(entries) => (last_of(&filing.series, &entries), filing.warnings(&entries)),
                    Err(error) => (None, vec![format!("the backups that are there cannot be read: {error}")]),
                };
                let _names = folder.lock_within(PATIENCE)?;
                clear_leftovers(folder)?;
                let taken = |name: &str| Ok(folder.stat(name)?.is_some() || folder.stat(hidden(name))?.is_some());
                let name = free_name(backups, name, created, &taken)?;
                let hidden = Hidden::begin(folder, hidden(&name), scanning)?;
                (name, To::Folder(hidden))
            }
        };
        let (filing, files) = (filing.clone(), Vec::new());
        Ok(Unfinished { backups, begun, created, name, filing, to, last, files, warnings })
    }

    /// Where it will be.
    pub(super) fn path(&self) -> PathBuf {
        match &self.to {
            To::Folder(_) => self.backups.path().join(&self.name),
            To::Repository(packing) => packing.path(&self.name),
        }
    }

    /// Writes one file, which is a part of the backup once it is [added](Self::add).
    pub(super) fn store(&mut self, file: Incoming<'_>, scanning: ScanOptions<'_>) -> Result<(Passed, StoredFile)> {
        let Incoming { name, content, compression, path, bytes, is_large, max_findings, payload, attributes, origin } =
            file;
        // A repository compresses by itself.
        let compression = if matches!(self.to, To::Repository(_)) { Compression::None } else { compression };
        let stored = format!("{name}{}", compression.suffix());
        let target = self.path().join(&stored);
        let not_written =
            |error: io::Error| Error::cannot_write("write", &target, error).and("the backup was not made");
        let mut output = match &mut self.to {
            To::Folder(hidden) => Output::File(hidden.create(&stored)?),
            To::Repository(packing) => Output::Blobs(Box::new(packing.file(Some((origin.device, origin.inode)))?)),
        };
        let (mut passed, packed) = {
            let mut copy: Box<dyn Write + '_> = match (&mut output, &self.to) {
                (Output::File(file), To::Folder(hidden)) => Box::new(hidden.syncer.paced(file)),
                (Output::Blobs(file), _) => Box::new(file),
                (Output::File(file), _) => Box::new(file),
            };
            let threads = if is_large { scanning.threads } else { 1 };
            let mut task = Task {
                source: bytes,
                copy: None,
                inside: Inside::new(content, payload, name, max_findings),
                max_findings,
                block: BLOCK as u64,
                threads: threads > 1,
                progress: scanning.progress,
            };
            match verification::format(compression) {
                None => {
                    task.copy = Some(&mut *copy);
                    (run(task), None)
                }
                Some(format) => {
                    let mut packer = Packer::new(format, threads, &mut *copy).map_err(not_written)?;
                    task.copy = Some(&mut packer);
                    (run(task), Some(packer.finish()))
                }
            }
        };
        if let Some(error) = &passed.read_error {
            return Err(Error::cannot_read(path, passed.bytes, error).and("the backup was not made"));
        }
        // Blobs tell their own errors when they are added.
        if let (Output::File(_), Some(error)) = (&output, passed.write_error.take()) {
            return Err(not_written(error));
        }
        let (stored_bytes, stored_sha256) = match packed {
            None => (passed.bytes, passed.sha256.clone()),
            Some(done) => done.map_err(not_written)?,
        };
        let Attributes { access, uid, modified_ns } = attributes;
        match (output, &mut self.to) {
            (Output::Blobs(file), To::Repository(packing)) => {
                let attributes = packing::Attributes {
                    mode: access.mode,
                    uid,
                    gid: access.gid,
                    modified_ns,
                    changed_ns: origin.changed_ns.unwrap_or_default(),
                    device: origin.device,
                    inode: origin.inode,
                };
                packing.add(&stored, *file, &attributes)?;
            }
            (Output::File(output), To::Folder(hidden)) => {
                output.set_size(stored_bytes).map_err(not_written)?;
                hidden.keep(output, Some((&access, modified_ns)), &stored)?;
            }
            _ => return Err(not_written(io::Error::other("it changed its place"))),
        }
        let file = StoredFile {
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
        };
        Ok((passed, file))
    }

    /// Makes a file that was stored a part of the backup.
    pub(super) fn add(&mut self, file: StoredFile) {
        self.files.push(file);
    }

    /// From now on takes from the series' last backup what has not changed since: in a folder cloned, or linked.
    pub(super) fn build_on_the_last(&mut self, link: bool) {
        let Some(last) = &self.last else { return };
        match &mut self.to {
            // Without what cannot be opened, all is copied; a list says what is wrong with it.
            To::Folder(hidden) => hidden.last = Last::open(hidden.backups, last, link).ok().map(Box::new),
            To::Repository(packing) => packing.build_on(last),
        }
    }

    /// Takes a log from the series' last backup, if it is still the same and all of it is there. Returns what a scan of
    /// it said.
    pub(super) fn reuse(
        &mut self,
        name: &str,
        index: u32,
        (from, path): (&File, &Path),
        compression: Compression,
    ) -> Result<Option<Summary>> {
        let failed = |error: io::Error| Error::cannot_read(path, 0, &error);
        let stat = from.stat().map_err(failed)?;
        let reused = match &mut self.to {
            To::Repository(packing) => {
                let known = packing.reuse(name, &stat)?;
                known.map(|(file, summary)| (StoredFile { stored: name.to_owned(), ..file }, summary))
            }
            To::Folder(hidden) => {
                let access = Access::of(from).map_err(failed)?;
                hidden.reuse(name, (from, &stat, &access), compression, &mut self.warnings)?
            }
        };
        let Some((file, summary)) = reused else { return Ok(None) };
        let source = Origin { index, ..file.source };
        self.add(StoredFile { path: name.to_owned(), source, ..file });
        Ok(Some(summary))
    }

    /// Takes back a file that was stored and not added.
    pub(super) fn discard(&mut self, file: &StoredFile) -> Result<()> {
        match &mut self.to {
            To::Folder(hidden) => hidden.discard(&file.stored),
            To::Repository(packing) => {
                packing.discard(&file.stored);
                Ok(())
            }
        }
    }

    /// Writes the manifest, and gives the backup its name.
    pub(super) fn finish(mut self, about: About) -> Result<Finished> {
        let manifest = self.manifest(about)?;
        let path = self.path();
        let text = json(&manifest)?;
        let brief = Brief::of(&manifest, &sha256(text.as_bytes()));
        let sums = sums::write(&sums_of(&manifest, &brief.manifest_sha256));
        let texts = [(manifest::NAME, text.as_bytes()), (manifest::SUMS, &sums[..])];
        let (added, left) = match self.to {
            To::Folder(mut hidden) => {
                texts.into_iter().try_for_each(|(name, text)| hidden.write_text(name, text))?;
                hidden.finish(&self.name)?;
                ((hidden.shared > 0).then(|| manifest.stored_bytes().saturating_sub(hidden.shared)), None)
            }
            To::Repository(mut packing) => {
                let attributes = packing::Attributes {
                    mode: 0o600,
                    uid: manifest.source.uid,
                    gid: manifest.source.gid,
                    modified_ns: i64::try_from(self.created.as_nanosecond()).unwrap_or_default(),
                    changed_ns: 0,
                    device: 0,
                    inode: 0,
                };
                for (name, text) in texts {
                    let mut file = packing.file(None)?;
                    // Why it failed is told by the next call.
                    _ = file.write_all(text);
                    packing.add(name, file, &attributes)?;
                }
                let (added, left) = packing.finish(&manifest, brief)?;
                (Some(added), left)
            }
        };
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.extend(left);
        Ok(Finished { path, manifest, added, warnings })
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
            seconds: (sys::now() - self.begun).max(0) as f64 / 1e3,
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
}

/// A file that is being written.
enum Output {
    File(File),
    Blobs(Box<packing::Incoming>),
}

/// The newest backup of the series that could be restored, unless that is damaged.
fn last_of(series: &str, entries: &[Entry]) -> Option<String> {
    let ours = |entry: &&Entry| entry.series.as_deref() == Some(series) && entry.is_restorable();
    let last = entries.iter().rev().find(ours).filter(|entry| !entry.is_damaged())?;
    Some(last.name.clone())
}

fn free_name(
    backups: &Backups,
    wanted: Option<&str>,
    now: Timestamp,
    taken: &dyn Fn(&str) -> Result<bool>,
) -> Result<String> {
    if let Some(wanted) = wanted {
        return match taken(wanted)? {
            false => Ok(wanted.into()),
            true => {
                let text = format!("{} exists already: choose another name", show(&backups.path().join(wanted)));
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
