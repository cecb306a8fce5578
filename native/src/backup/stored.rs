//! Reading a stored file back: unpacked, hashed, scanned, and compared with what the manifest says of it.

use crate::disk::File;
use std::io::{self, Read, Write};

use papyra_core::manifest::{Compression, Content, StoredFile};
use papyra_core::report::FileReport;
use papyra_core::summary::Summary;
use papyra_core::verification::{self, streams};

pub use papyra_core::verification::Damage;

use super::pass::{Hashed, Passed, Task, pass};
use super::redis::{Payload, Streams, look};
use super::{Backup, is_unreachable, remote};
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

/// Why a file of a backup could not be opened.
pub(super) fn why_not_opened(backup: &Backup, file: &StoredFile, error: &Error) -> String {
    match backup.files.size(&file.stored) {
        Ok(None) => "it is not there".into(),
        _ => error.to_string(),
    }
}

/// Reads a stored file and says whether it is what the manifest says; its content goes to `copy`.
///
/// `Err` is for the copy, and for what cannot be reached: a file that cannot be read is damaged.
pub(super) fn read_back(
    backup: &Backup,
    file: &StoredFile,
    copy: Option<&mut File>,
    effort: Effort<'_>,
) -> Result<ReadBack> {
    let path = backup.files.join(&file.stored);
    let gone = |why: String| ReadBack { damage: Some(Damage::gone(file, &why)), ..ReadBack::default() };
    let mut opened = match backup.files.read(&file.stored) {
        Ok(opened) => opened,
        Err(error) if is_unreachable(&error) => return Err(error),
        Err(error) => return Ok(gone(why_not_opened(backup, file, &error))),
    };
    let mut stored = Hashed::new(&mut opened);
    let to = copy.map(|copy| &mut *copy as &mut dyn Write);
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
    let rest = io::copy(&mut stored, &mut io::sink());
    let (stored_bytes, stored_sha256) = stored.finish();
    if let Some(error) = opened.failure() {
        return Err(error);
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
    if payload.is_some() {
        damage = streams::judge(&backup.manifest, file, damage, seen.as_deref(), remote::is_remote(&backup.path));
    }
    Ok(ReadBack { summary: scanned, streams: seen, damage })
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
