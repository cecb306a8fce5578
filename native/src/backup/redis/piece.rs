//! One stream of a backup, as it is sent to a server: read once more, and compared with the manifest once more.

use std::cell::RefCell;
use std::io::{self, Read};
use std::path::PathBuf;

use papyra_core::manifest::{Content, StoredFile, StoredStream};
use papyra_core::redis::{Limits, RdbReader, Visitor, seal_dump};

use super::look::{Found, Payload, look};
use crate::archive;
use crate::backup::Backup;
use crate::backup::files::Bytes;
use crate::backup::stored::unpacked;
use crate::error::{Code, Error, Result, show};
use crate::reading::Effort;

/// Pending entries and consumers of one group that can be told one by one.
const LISTED: usize = 20_000_000;

/// A stream's bytes.
pub(super) enum Piece {
    /// A DUMP payload.
    Whole(Vec<u8>),
    /// A value in an RDB file that is too large to be sent as one.
    Slice { value: RefCell<io::Take<Box<dyn Bytes>>>, rdb_type: u8, at: u64, path: PathBuf },
}

impl Piece {
    /// Reads a stream that was found in a stored file, for a server that takes no argument above `largest` bytes.
    pub(super) fn of(
        backup: &Backup,
        stored: &StoredFile,
        stream: &StoredStream,
        found: &Found,
        largest: u64,
    ) -> Result<Piece> {
        let path = backup.files.join(&stored.stored);
        let mut bytes = Vec::new();
        if stored.content == Content::Rdb {
            let at = found.value.start;
            let mut file = backup.files.read_from(&stored.stored, at)?;
            let length = found.value.end.saturating_sub(at);
            if length > largest {
                return Ok(Piece::Slice { value: RefCell::new(file.take(length)), rdb_type: found.rdb_type, at, path });
            }
            bytes.push(found.rdb_type);
            let read = (&mut file).take(length).read_to_end(&mut bytes);
            read.map_err(|error| file.failed(&path, at, &error))?;
            seal_dump(&mut bytes, found.version);
        } else {
            let mut file = backup.files.read(&stored.stored)?;
            let most = stored.bytes.saturating_add(1);
            let read = match unpacked(stored.compression) {
                None => (&mut file).take(most).read_to_end(&mut bytes),
                Some(format) => archive::unpack(format, &mut file).take(most).read_to_end(&mut bytes),
            };
            read.map_err(|error| file.failed(&path, 0, &error))?;
        }
        let failed = |error: io::Error| Error::cannot_read(&path, 0, &error);
        let payload = Payload { key: Some(&stream.key), db: 0, prefix: "papyra" };
        let effort = Effort { threads: 1, max_findings: 0, progress: &|_| {} };
        let seen = look(payload, &stored.path, &mut &*bytes, effort)?.map_err(failed)?;
        let same = |again: &Found| again.facts == stream.facts && again.entries_sha256 == stream.entries_sha256;
        if seen.damage.is_none() && seen.found.len() == 1 && seen.found.iter().all(same) {
            return Ok(Piece::Whole(bytes));
        }
        let text = format!("{} changed since it was verified: nothing of it was restored", show(&path));
        Err(Error::new(Code::Data, text))
    }

    /// Whether it is too large for a server that takes no argument above `largest` bytes.
    pub(super) fn is_beyond(&self, largest: u64) -> bool {
        match self {
            Piece::Whole(payload) => payload.len() as u64 > largest,
            Piece::Slice { .. } => true,
        }
    }

    /// Reads it as entries and groups.
    pub(super) fn read(&self, visitor: &mut impl Visitor) -> Result<()> {
        let limits = Limits { listed: LISTED, ..Limits::default() };
        let mut reader = RdbReader::dump(b"", limits);
        match self {
            Piece::Whole(bytes) => {
                for piece in bytes.chunks(1 << 20) {
                    if reader.push(piece, visitor).is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Piece::Slice { value, rdb_type, at, path } => {
                let mut flow = reader.push(&[*rdb_type], visitor);
                let mut buffer = vec![0; 1 << 18];
                while flow.is_continue() {
                    let mut value = value.borrow_mut();
                    match value.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(read) => flow = reader.push(&buffer[..read], visitor),
                        Err(error) => return Err(value.get_mut().failed(path, *at, &error)),
                    }
                }
                Ok(())
            }
        }
    }
}
