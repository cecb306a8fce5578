//! Reading a stored file back: unpacked, hashed, scanned, and compared with what the manifest says of it.

use std::fs::File;
use std::io::{self, Read, Write};

use papyra_core::manifest::{Compression, Content, StoredFile};
use papyra_core::summary::Summary;
use papyra_core::verification;

pub use papyra_core::verification::Damage;

use super::pass::{Hashed, Passed, Task, pass};
use super::{Backup, is_unreachable};
use crate::archive::{self, Format};
use crate::error::{Error, Result};
use crate::reading::{self, Effort};

/// A stored file that was read to its end.
#[derive(Debug)]
pub(super) struct ReadBack {
    pub(super) summary: Option<Summary>,
    pub(super) damage: Option<Damage>,
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
    let gone = |why: String| ReadBack { summary: None, damage: Some(Damage::gone(file, &why)) };
    let mut opened = match backup.files.read(&file.stored) {
        Ok(opened) => opened,
        Err(error) if is_unreachable(&error) => return Err(error),
        Err(error) => return Ok(gone(error.to_string())),
    };
    let mut stored = Hashed::new(&mut opened);
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
    if let Some(error) = opened.failure() {
        return Err(error);
    }
    let (scanned, ended) =
        of_archive.map_or((passed.summary.clone(), Ok(())), |(summary, ended)| (Some(summary), ended));
    let failed = passed.read_error.as_ref().map(ToString::to_string).or_else(|| Some(rest.as_ref().err()?.to_string()));
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
    let damage = read.damage(&backup.manifest, file);
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
