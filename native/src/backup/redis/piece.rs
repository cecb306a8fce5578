//! One stream of a backup, as it is sent to a server: read once more, and compared with the manifest once more.

use std::cell::RefCell;
use std::io::{self, Read};

use papyra_core::manifest::{Content, StoredFile, StoredStream};
use papyra_core::redis::{Limits, RdbReader, Visitor, seal_dump};

use super::LARGEST;
use super::look::{Found, Payload, look};
use crate::archive;
use crate::backup::Backup;
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
    Slice { value: RefCell<Box<dyn Read>>, rdb_type: u8 },
}

impl Piece {
    /// Reads a stream that was found in a stored file.
    pub(super) fn of(backup: &Backup, stored: &StoredFile, stream: &StoredStream, found: &Found) -> Result<Piece> {
        let path = backup.files.join(&stored.stored);
        let mut file = backup.files.read(&stored.stored)?;
        let failed = |error: io::Error| Error::cannot_read(&path, 0, &error);
        let mut bytes = Vec::new();
        if stored.content == Content::Rdb {
            io::copy(&mut (&mut file).take(found.value.start), &mut io::sink()).map_err(failed)?;
            let length = found.value.end.saturating_sub(found.value.start);
            if length > LARGEST {
                return Ok(Piece::Slice { value: RefCell::new(Box::new(file.take(length))), rdb_type: found.rdb_type });
            }
            bytes.push(found.rdb_type);
            file.take(length).read_to_end(&mut bytes).map_err(failed)?;
            seal_dump(&mut bytes, found.version);
        } else {
            let most = stored.bytes.saturating_add(1);
            match unpacked(stored.compression) {
                None => file.take(most).read_to_end(&mut bytes),
                Some(format) => archive::unpack(format, file).take(most).read_to_end(&mut bytes),
            }
            .map_err(failed)?;
        }
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
            Piece::Slice { value, rdb_type } => {
                let mut flow = reader.push(&[*rdb_type], visitor);
                let mut buffer = vec![0; 1 << 18];
                while flow.is_continue() {
                    let failed = |error: io::Error| Error::cannot_read("the RDB file".as_ref(), 0, &error);
                    match value.borrow_mut().read(&mut buffer).map_err(failed)? {
                        0 => break,
                        read => flow = reader.push(&buffer[..read], visitor),
                    }
                }
                Ok(())
            }
        }
    }
}
