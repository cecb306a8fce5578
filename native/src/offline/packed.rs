//! Dumps that come as a stream: compressed, or through a pipe. They are read once, from their first byte to their last.
//!
//! Append-only files are not read so: a damaged one is gone through more than once.

use std::io::{self, Read};
use std::path::Path;

use papyra_core::redis::{BackupScan, Format, SNIFF_START, Scope, sniff};
use papyra_core::report::FileReport;

use super::entries::{Dump, Streams};
use super::{BUFFER, beyond};
use crate::error::{Code, Error, Result, show};
use crate::reading::ScanOptions;

/// What a stream holds, by its first bytes, and all of it to be read.
pub(crate) enum Holds<R> {
    /// A dump.
    Dump(io::Chain<io::Cursor<Vec<u8>>, R>),
    /// Something else.
    Other(io::Chain<io::Cursor<Vec<u8>>, R>),
}

/// Looks at the first bytes of a stream; `path` is what it is called.
///
/// # Errors
/// It is an append-only file.
pub(crate) fn peek<R: Read>(path: &Path, mut input: R) -> Result<Holds<R>> {
    let mut head = Vec::new();
    // An archive that is cut short fails here, and again where it is read.
    let failed = input.by_ref().take(SNIFF_START as u64).read_to_end(&mut head).is_err();
    let found = sniff(&head).filter(|_| !failed);
    let input = io::Cursor::new(head).chain(input);
    match found {
        Some(Format::Rdb) => Ok(Holds::Dump(input)),
        Some(Format::Aof) => {
            let text = format!(
                "{} is an append-only file of Redis, which is read more than once: unpack it, or write it to a file, \
                 and name that",
                show(path)
            );
            Err(Error::new(Code::Usage, text))
        }
        _ => Ok(Holds::Other(input)),
    }
}

/// Hands on every stream of Papyra's in a dump; returns how many things are wrong.
pub(crate) fn each(
    path: &Path,
    mut input: impl Read,
    scope: &Scope,
    scanning: ScanOptions<'_>,
    to: &mut impl Streams,
) -> Result<u64> {
    let mut dump = Dump::new(scope, to);
    let mut buffer = vec![0; BUFFER];
    loop {
        match input.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // What is missing then is told as of a dump that was cut short.
            Err(_) | Ok(0) => return dump.finish(path),
            Ok(read) => {
                (scanning.progress)(read as u64);
                if dump.push(&buffer[..read]).is_break() {
                    return dump.stopped().ok_or_else(|| goes_on(path));
                }
            }
        }
    }
}

/// Scans a dump. One that ends too early, or whose archive does, is an anomaly.
pub(crate) fn scan(
    path: &Path,
    name: &str,
    mut input: impl Read,
    scope: &Scope,
    scanning: ScanOptions<'_>,
) -> Result<FileReport> {
    let mut scan = BackupScan::rdb(name, 0, scope.clone(), scanning.max_findings);
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = match input.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // What is missing then is told as of a dump that was cut short.
            Err(_) | Ok(0) => break,
            Ok(read) => read,
        };
        (scanning.progress)(read as u64);
        if scan.push(&buffer[..read]).is_break() {
            return Err(goes_on(path));
        }
    }
    scan.end().map_err(|(_, error)| beyond(path, &error))?;
    let text = || Error::new(Code::Io, format!("{}: the scan has no report; please report this", show(path)));
    scan.finish().into_iter().next().ok_or_else(text)
}

fn goes_on(path: &Path) -> Error {
    let text = format!(
        "commands follow the dump in {}: it is an append-only file, which is read more than once. Unpack it, or write \
         it to a file, and name that",
        show(path)
    );
    Error::new(Code::Usage, text)
}
