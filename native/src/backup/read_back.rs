//! Reading a stored file back: unpacked, hashed, scanned, and compared with what the manifest says of it.

use crate::disk::File;
use std::io::{self, Read, Write};

use papyra_core::manifest::StoredFile;
use papyra_core::report::FileReport;
use papyra_core::summary::Summary;
use papyra_core::verification::{self, Inside, streams};

pub use papyra_core::verification::Damage;

use super::Backup;
use super::access::Access;
use super::files::Status;
use super::output::Sparse;
use super::pipeline::{BLOCK, Hashed, Task, run};
use super::redis::Streams;
use crate::archive;
use crate::error::{Error, Result};
use crate::reading::ScanOptions;

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
    scanning: ScanOptions<'_>,
) -> Result<ReadBack> {
    let found = backup.files.status(&file.stored)?;
    if !matches!(found, Status::File(_)) {
        let why = found.differs(file.stored_bytes).unwrap_or_default();
        return Ok(ReadBack { damage: Some(Damage::gone(file, &why)), ..ReadBack::default() });
    }
    let read = read_once(backup, file, copy, scanning)?;
    if read.damage.is_none() {
        return Ok(read);
    }
    if let Some(copy) = &copy {
        copy.set_size(0)
            .map_err(|error| Error::cannot_write("write the copy of", &backup.files.join(&file.stored), error))?;
    }
    read_once(backup, file, copy, ScanOptions { progress: &|_| {}, ..scanning })
}

fn read_once(backup: &Backup, file: &StoredFile, copy: Option<&File>, scanning: ScanOptions<'_>) -> Result<ReadBack> {
    let path = backup.files.join(&file.stored);
    let mut opened = backup.files.read(&file.stored)?;
    let access = opened.access().map_err(|error| Error::cannot_read(&path, 0, &error))?;
    let mut stored = Hashed::new(&mut opened);
    let mut sparse = copy.map(Sparse::new);
    // One byte more than there may be shows that there are more.
    let most = file.bytes.saturating_add(1);
    let payload = streams::payload(&backup.manifest, file);
    let passed = {
        let mut source = archive::content(verification::format(file.compression), &mut stored).take(most);
        run(Task {
            source: &mut source,
            copy: sparse.as_mut().map(|sparse| sparse as &mut dyn Write),
            inside: Inside::new(file.content, payload, &file.path, scanning.max_findings),
            max_findings: scanning.max_findings,
            block: file.blocks.bytes,
            threads: scanning.threads > 1 && file.bytes > BLOCK as u64,
            progress: scanning.progress,
        })
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
    let holds_lines = passed.seen.holds_lines;
    let read = verification::ReadBack {
        stored_bytes,
        stored_sha256,
        bytes: passed.bytes,
        sha256: passed.sha256,
        blocks: passed.blocks,
        failed: passed.read_error.or_else(|| rest.err()).map(|error| error.to_string()),
        summary: Some(&passed.summary),
    };
    let (mut damage, streams) = read.judge(&backup.manifest, file, passed.seen, backup.files.is_far());
    if let (Some(damage), Some(why)) = (&mut damage, opened.damage()) {
        damage.detail = format!("{why}; {}", damage.detail);
    }
    let summary = holds_lines.then_some(passed.summary);
    Ok(ReadBack { summary, streams: streams.map(Box::new), damage, access: Some(access) })
}
