//! Reading a stored file back: unpacked, hashed, scanned, and compared with what the manifest says of it.

use crate::disk::File;
use std::io::{self, Read, Write};

use papyra_core::manifest::{Compression, Content, StoredFile};
use papyra_core::report::FileReport;
use papyra_core::summary::Summary;
use papyra_core::verification::{self, streams};

pub use papyra_core::verification::Damage;

use super::access::Access;
use super::files::Look;
use super::pass::{Hashed, Passed, Task, pass};
use super::redis::{Payload, Streams, look};
use super::writing::Sparse;
use super::{Backup, remote};
use crate::archive::{self, Format};
use crate::error::{Error, Result};
use crate::reading::{self, Effort};

/// A stored file that was read to its end.
#[derive(Debug, Default)]
pub(super) struct ReadBack {
    pub(super) summary: Option<Summary>,
    /// What it is beside lines of a log.
    pub(super) streams: Option<Box<Streams>>,
    pub(super) damage: Option<Damage>,
    /// Who may read and change the stored file.
    pub(super) access: Option<Access>,
}

impl ReadBack {
    /// The report on the file: what was just read, with the role that the manifest gives it.
    pub(super) fn report(self, backup: &Backup, file: &StoredFile) -> Option<FileReport> {
        match self.streams {
            Some(streams) => Some(streams.report),
            None => verification::file_report(&backup.manifest, file, self.summary),
        }
    }
}

/// Reads a stored file and says whether it is what the manifest says; its content goes to `copy`.
///
/// A file whose bytes differ is read once more before it is called damaged. `Err` is for the copy, and for a file that
/// is there and cannot be read: nothing is known of it then.
pub(super) fn read_back(
    backup: &Backup,
    file: &StoredFile,
    copy: Option<&File>,
    effort: Effort<'_>,
) -> Result<ReadBack> {
    let found = backup.files.look(&file.stored)?;
    if !matches!(found, Look::File(_)) {
        let why = found.differs(file.stored_bytes).unwrap_or_default();
        return Ok(ReadBack { damage: Some(Damage::gone(file, &why)), ..ReadBack::default() });
    }
    let read = read_once(backup, file, copy, effort)?;
    if read.damage.is_none() {
        return Ok(read);
    }
    if let Some(copy) = &copy {
        copy.set_size(0)
            .map_err(|error| Error::cannot_write("write the copy of", &backup.files.join(&file.stored), error))?;
    }
    read_once(backup, file, copy, Effort { progress: &|_| {}, ..effort })
}

fn read_once(backup: &Backup, file: &StoredFile, copy: Option<&File>, effort: Effort<'_>) -> Result<ReadBack> {
    let path = backup.files.join(&file.stored);
    let mut opened = backup.files.read(&file.stored)?;
    let access = opened.access().map_err(|error| Error::cannot_read(&path, 0, &error))?;
    let mut stored = Hashed::new(&mut opened);
    let mut sparse = copy.map(Sparse::new);
    let to = sparse.as_mut().map(|sparse| sparse as &mut dyn Write);
    let threads = effort.threads > 1 && file.bytes > super::pass::BLOCK as u64;
    // One byte more than there may be shows that there are more.
    let most = file.bytes.saturating_add(1);
    let payload = streams::payload(&backup.manifest, file);
    let (passed, inside) = match unpacked(file.compression) {
        None => {
            let mut source = (&mut stored).take(most);
            run(file, payload, &mut source, to, threads, effort)
        }
        Some(format) => {
            let mut source = archive::unpack(format, &mut stored).take(most);
            run(file, payload, &mut source, to, threads, effort)
        }
    };
    if let Some(error) = passed.write_error {
        return Err(Error::cannot_write("write the copy of", &path, error));
    }
    if let Some(sparse) = sparse {
        sparse.finish().map_err(|error| Error::cannot_write("write the copy of", &path, error))?;
    }
    let rest = io::copy(&mut stored, &mut io::sink());
    let unread = stored.failed.take();
    let (stored_bytes, stored_sha256) = stored.finish();
    if let Some(error) = unread {
        return Err(opened.failed(&path, stored_bytes, &error));
    }
    let mut seen = None;
    let (scanned, ended) = match inside {
        Inside::Nothing => (passed.summary.clone(), Ok(())),
        Inside::Archive(summary, ended) => (Some(summary), ended),
        Inside::Streams(Ok(Ok(read))) => {
            seen = Some(Box::new(read));
            (None, Ok(()))
        }
        Inside::Streams(Ok(Err(error))) => (None, Err(error)),
        Inside::Streams(Err(error)) => (None, Err(io::Error::other(error.to_string()))),
    };
    let mut failed =
        passed.read_error.as_ref().map(ToString::to_string).or_else(|| Some(rest.as_ref().err()?.to_string()));
    if payload.is_some() && failed.is_none() {
        failed = ended.as_ref().err().map(ToString::to_string);
    }
    let read = verification::ReadBack {
        stored_bytes,
        stored_sha256,
        bytes: passed.bytes,
        sha256: passed.sha256,
        blocks: passed.blocks,
        failed,
        summary: scanned.as_ref(),
        cut_short: ended.is_err(),
    };
    let mut damage = read.damage(&backup.manifest, file);
    if let (Some(damage), Some(why)) = (&mut damage, opened.damage()) {
        damage.detail = format!("{why}; {}", damage.detail);
    }
    if payload.is_some() {
        damage = streams::judge(&backup.manifest, file, damage, seen.as_deref(), remote::is_remote(&backup.path));
    }
    Ok(ReadBack { summary: scanned, streams: seen, damage, access: Some(access) })
}

/// What a file shows that is more than lines of a log.
#[derive(Debug)]
pub(super) enum Inside {
    Nothing,
    /// What a compressed log unpacks to, and how unpacking ended.
    Archive(Summary, std::result::Result<(), io::Error>),
    /// The streams of a payload; the inner error is that of reading the bytes.
    Streams(Result<io::Result<Streams>>),
}

fn run<'a>(
    file: &StoredFile,
    payload: Option<Payload<'a>>,
    source: &'a mut dyn Read,
    copy: Option<&'a mut dyn Write>,
    threads: bool,
    effort: Effort<'a>,
) -> (Passed, Inside) {
    let scan = (file.content == Content::Log).then_some(effort.max_findings);
    let task = Task { source, copy, scan, block: file.blocks.bytes, threads, progress: effort.progress };
    pass(task, |tap| look_inside(file.content, payload, &file.path, tap, effort))
}

/// Scans what a compressed log unpacks to, and the streams of a payload.
pub(super) fn look_inside(
    content: Content,
    payload: Option<Payload<'_>>,
    name: &str,
    bytes: &mut dyn Read,
    effort: Effort<'_>,
) -> Inside {
    if let Some(payload) = payload {
        return Inside::Streams(look(payload, name, bytes, effort));
    }
    if content != Content::Archive {
        return Inside::Nothing;
    }
    let mut head = Vec::new();
    if let Err(error) = bytes.take(4).read_to_end(&mut head) {
        return Inside::Archive(Summary::default(), Err(error));
    }
    let Some(format) = Format::of(&head) else { return Inside::Nothing };
    let quiet = Effort { progress: &|_| {}, ..effort };
    let (summary, ended) = reading::scan_stream(archive::unpack(format, head.chain(bytes)), quiet, &mut ());
    Inside::Archive(summary, ended)
}

/// The archive format of a stored file.
pub(super) fn unpacked(compression: Compression) -> Option<Format> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(Format::Gzip),
        Compression::Zstd => Some(Format::Zstd),
    }
}
