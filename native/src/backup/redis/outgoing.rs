//! One stream of a backup, as it is sent to a server: read once more, and compared with the manifest once more.

use std::io::Read;
use std::path::PathBuf;

use papyra_core::manifest::{Content, StoredFile, StoredStream};
use papyra_core::redis::{Limits, RdbReader, Visitor, dump_version, seal_dump};
use papyra_core::verification;

use super::payload::{FoundStream, Payload, survey};
use crate::archive;
use crate::backup::Backup;
use crate::error::{Code, Error, Result, show};

/// Pending entries and consumers of one group that can be told one by one.
pub(super) const LISTED: usize = 20_000_000;

/// Bytes of version and checksum at a payload's end.
const SEAL: usize = 10;

/// A stream's bytes.
pub(super) enum Outgoing<'a> {
    /// A DUMP payload.
    Whole(Vec<u8>),
    /// A value in an RDB file that is too large to be sent as one: where it begins, and how many bytes it has.
    Slice { backup: &'a Backup, stored: &'a str, rdb_type: u8, at: u64, length: u64 },
}

impl<'a> Outgoing<'a> {
    /// Reads a stream that was found in a stored file, for a server that takes no argument above `largest` bytes.
    pub(super) fn of(
        backup: &'a Backup,
        stored: &'a StoredFile,
        stream: &StoredStream,
        found: &FoundStream,
        largest: u64,
    ) -> Result<Outgoing<'a>> {
        let path = backup.files.join(&stored.stored);
        let mut bytes = Vec::new();
        if stored.content == Content::Rdb {
            let at = found.value.start;
            let length = found.value.end.saturating_sub(at);
            if length > largest {
                return Ok(Outgoing::Slice { backup, stored: &stored.stored, rdb_type: found.rdb_type, at, length });
            }
            let mut file = backup.files.read_from(&stored.stored, at)?;
            bytes.push(found.rdb_type);
            let read = (&mut file).take(length).read_to_end(&mut bytes);
            read.map_err(|error| file.failed(&path, at, &error))?;
            bytes.extend([0; SEAL]);
        } else {
            let mut file = backup.files.read(&stored.stored)?;
            let most = stored.bytes.saturating_add(1);
            let format = verification::format(stored.compression);
            let read = archive::content(format, &mut file).take(most).read_to_end(&mut bytes);
            read.map_err(|error| file.failed(&path, 0, &error))?;
        }
        seal_for_the_oldest(&mut bytes, found.version);
        let payload = Payload { key: Some(&stream.key), db: 0, prefix: "papyra" };
        let seen = survey(payload, &stored.path, &bytes, 0)?;
        let same = |again: &FoundStream| again.facts == stream.facts && again.entries_sha256 == stream.entries_sha256;
        if seen.damage.is_none() && seen.found.len() == 1 && seen.found.iter().all(same) {
            return Ok(Outgoing::Whole(bytes));
        }
        let text = format!("{} changed since it was verified: nothing of it was restored", show(&path));
        Err(Error::new(Code::Data, text))
    }

    /// Whether it is too large for a server that takes no argument above `largest` bytes.
    pub(super) fn is_beyond(&self, largest: u64) -> bool {
        match self {
            Outgoing::Whole(payload) => payload.len() as u64 > largest,
            Outgoing::Slice { .. } => true,
        }
    }

    /// Reads it as entries and groups, from its start each time.
    pub(super) fn read(&self, visitor: &mut impl Visitor) -> Result<()> {
        let limits = Limits { listed: LISTED, ..Limits::default() };
        let mut reader = RdbReader::dump(b"", limits);
        match self {
            Outgoing::Whole(bytes) => {
                for piece in bytes.chunks(1 << 20) {
                    if reader.push(piece, visitor).is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Outgoing::Slice { backup, stored, rdb_type, at, length } => {
                let mut value = backup.files.read_from(stored, *at)?.take(*length);
                let mut flow = reader.push(&[*rdb_type], visitor);
                let mut buffer = vec![0; 1 << 18];
                while flow.is_continue() {
                    match value.read(&mut buffer) {
                        Ok(0) => break,
                        Ok(read) => flow = reader.push(&buffer[..read], visitor),
                        Err(error) => {
                            let path: PathBuf = backup.files.join(stored);
                            return Err(value.get_mut().failed(&path, *at, &error));
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

/// Gives a payload the lowest version under which its type is known: a server refuses those above its own.
fn seal_for_the_oldest(payload: &mut Vec<u8>, version: u16) {
    let lowest = payload.first().and_then(|rdb_type| dump_version(*rdb_type)).unwrap_or(version);
    if payload.len() > SEAL {
        payload.truncate(payload.len() - SEAL);
        seal_dump(payload, lowest);
    }
}
