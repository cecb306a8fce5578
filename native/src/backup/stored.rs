//! Reading a stored file back: unpacked, hashed, scanned, and compared with what the manifest says of it.

use std::fs::File;
use std::io::{self, Read, Write};

use papyra_core::manifest::{Blocks, Compression, Content, StoredFile};
use papyra_core::summary::Summary;
use serde::Serialize;

use super::Backup;
use super::pass::{Hashed, Passed, Task, pass};
use crate::archive::{self, Format};
use crate::error::{Error, Result};
use crate::reading::{self, Effort};

/// What is wrong with a stored file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Damage {
    /// The stored file.
    pub file: String,
    /// Where its content first differs, in bytes, as far as the checksums of its stretches tell.
    pub offset: Option<u64>,
    /// How many bytes from there on are in doubt.
    pub length: Option<u64>,
    /// What happened.
    pub detail: String,
    /// Whether recovery would bring back what the file held.
    pub recovery: String,
}

/// A stored file that was read to its end.
#[derive(Debug)]
pub(super) struct ReadBack {
    pub(super) summary: Option<Summary>,
    pub(super) damage: Option<Damage>,
}

/// Reads a stored file and says whether it is what the manifest says; its content goes to `copy`.
///
/// `Err` is for the copy alone: what cannot be read is damage.
pub(super) fn read_back(
    backup: &Backup,
    file: &StoredFile,
    copy: Option<&mut File>,
    effort: Effort<'_>,
) -> Result<ReadBack> {
    let path = backup.folder.join(&file.stored);
    let gone = |detail: String| ReadBack {
        summary: None,
        damage: Some(Damage {
            file: file.stored.clone(),
            offset: None,
            length: None,
            detail,
            recovery: "nothing of it can be brought back from here".into(),
        }),
    };
    let opened = match backup.read(&file.stored) {
        Ok(opened) => opened,
        Err(error) => return Ok(gone(error.to_string())),
    };
    let size = match opened.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) => return Ok(gone(Error::cannot_read(&path, 0, &error).to_string())),
    };
    let mut stored = Hashed::new(&opened);
    let to = copy.map(|copy| &mut *copy as &mut dyn Write);
    let threads = effort.threads > 1 && file.bytes > super::pass::BLOCK as u64;
    // One byte more than there may be shows that there are more.
    let most = file.bytes.saturating_add(1);
    let (passed, of_archive) = match unpacked(file.compression) {
        None => {
            let mut source = (&mut stored).take(most);
            run(file, &mut source, to, threads, effort)
        }
        Some(format) => {
            let mut source = archive::unpack(format, &mut stored).take(most);
            run(file, &mut source, to, threads, effort)
        }
    };
    if let Some(error) = passed.write_error {
        return Err(Error::cannot_write("write the copy of", &path, error));
    }
    let rest = io::copy(&mut stored, &mut io::sink());
    let (stored_bytes, stored_sha256) = stored.finish();
    let (scanned, ended) =
        of_archive.map_or((passed.summary.clone(), Ok(())), |(summary, ended)| (Some(summary), ended));
    let failed = passed.read_error.as_ref().map(ToString::to_string).or_else(|| Some(rest.as_ref().err()?.to_string()));
    let same = passed.sha256 == file.sha256
        && passed.bytes == file.bytes
        && stored_sha256 == file.stored_sha256
        && stored_bytes == file.stored_bytes;
    let damage = if same && failed.is_none() {
        None
    } else {
        let detail = match (failed, size.cmp(&file.stored_bytes)) {
            (Some(error), _) => format!("it cannot be read past byte {} of its content: {error}", passed.bytes),
            (None, std::cmp::Ordering::Less) => format!("it has {size} bytes where {} were written", file.stored_bytes),
            (None, std::cmp::Ordering::Greater) => {
                format!("it has {size} bytes, more than the {} that were written", file.stored_bytes)
            }
            (None, std::cmp::Ordering::Equal) => "its bytes are not those that were written".into(),
        };
        let place = first_difference(&file.blocks, &passed.blocks, file.bytes, passed.bytes);
        Some(Damage {
            file: file.stored.clone(),
            offset: place.map(|(offset, _)| offset),
            length: place.map(|(_, length)| length),
            detail: papyra_core::escape::escape(detail.as_bytes()),
            recovery: prospects(backup, file, scanned.as_ref(), ended.is_err()),
        })
    };
    Ok(ReadBack { summary: scanned, damage })
}

/// What a compressed log unpacks to, and how unpacking ended.
pub(super) type OfArchive = Option<(Summary, std::result::Result<(), io::Error>)>;

fn run<'a>(
    file: &StoredFile,
    source: &'a mut dyn Read,
    copy: Option<&'a mut dyn Write>,
    threads: bool,
    effort: Effort<'a>,
) -> (Passed, OfArchive) {
    let scan = (file.content == Content::Log).then_some(effort.max_findings);
    let task = Task { source, copy, scan, block: file.blocks.bytes, threads, progress: effort.progress };
    pass(task, |tap| scan_archive(file.content, tap, effort))
}

/// Scans what a compressed log unpacks to.
pub(super) fn scan_archive(content: Content, mut bytes: impl Read, effort: Effort<'_>) -> OfArchive {
    if content != Content::Archive {
        return None;
    }
    let mut head = Vec::new();
    if let Err(error) = bytes.by_ref().take(4).read_to_end(&mut head) {
        return Some((Summary::default(), Err(error)));
    }
    let format = Format::of(&head)?;
    let quiet = Effort { progress: &|_| {}, ..effort };
    Some(reading::scan_stream(archive::unpack(format, head.chain(bytes)), quiet, &mut ()))
}

/// The archive format of a stored file.
fn unpacked(compression: Compression) -> Option<Format> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(Format::Gzip),
        Compression::Zstd => Some(Format::Zstd),
    }
}

/// The first stretch, offset and length, whose checksum differs.
fn first_difference(written: &Blocks, read: &Blocks, bytes: u64, bytes_read: u64) -> Option<(u64, u64)> {
    let count = bytes.max(bytes_read).div_ceil(written.bytes.max(1));
    let at = (0..count).find(|index| {
        let index = usize::try_from(*index).unwrap_or(usize::MAX);
        written.get(index) != read.get(index) || read.get(index).is_none()
    })?;
    let offset = at * written.bytes;
    Some((offset, written.bytes.min(bytes.max(bytes_read) - offset)))
}

/// What recovery would make of the damaged content, in a sentence.
fn prospects(backup: &Backup, file: &StoredFile, now: Option<&Summary>, cut_short: bool) -> String {
    let then = backup.manifest.scan.files.iter().find(|report| report.path == file.path);
    let (Some(now), Some(then)) = (now, then) else {
        return "it holds no records that recovery could judge".into();
    };
    let (kept, held) = (now.records.total() + now.salvageable, then.records.total() + then.salvageable);
    if cut_short || kept < held {
        return format!("recovery would bring back {kept} of its {held} records");
    }
    if now.anomalies > then.anomaly_count {
        return format!("recovery would keep all of its {held} records");
    }
    format!(
        "every line is still a record, so recovery would keep all {held} and cannot tell which one is wrong: \
         use another backup"
    )
}
