//! The RDB file that a server makes for a replica, as `redis-cli --rdb` takes it.
//!
//! A connection of its own, since what follows SYNC is no reply that a client library knows: empty lines while the
//! server saves, then `$` and a length, or `$EOF:` and forty bytes that will stand behind the file, when the server
//! sends it without a stop at its disk (redis `replication.c`, `readSyncBulkPayload`).

use std::io::{self, BufRead, BufReader, Read};

use papyra_core::escape::escape;

use super::link::PATIENCE;
use super::wire::{Stream, Wire, trust};
use super::{Store, failure};
use crate::error::{Code, Error, Result};
use crate::setting::Setting;

/// The version of Valkey up to whose files we read. Valkey 9 writes files for the oldest replica that does not say its
/// own, and cannot where a hash has fields that expire (valkey `replication.c`, `replicaRdbVersion`).
const VALKEY_VERSION: &str = "9.2.0";

/// The bytes that stand behind a file of unknown length.
const MARK: usize = 40;

/// The file, byte by byte.
pub(crate) struct RdbStream {
    wire: BufReader<Box<dyn Stream>>,
    end: End,
}

enum End {
    /// So many bytes are left.
    After(u64),
    /// This stands behind the file; what was read and may be part of it.
    Mark { mark: [u8; MARK], held: Vec<u8>, over: bool },
}

impl Store {
    /// Has the server save, and hands on what it sends.
    pub(crate) fn rdb_stream(&self) -> Result<RdbStream> {
        let location = &self.settings.location;
        let refused = |error| failure::refused(location, "asking for the RDB file (SYNC)", &error);
        let trust = location.is_tls().then(|| trust(&self.settings.tls)).transpose()?;
        let wire = Wire::open(location, trust.as_ref(), self.settings.timeout);
        let mut wire = wire.map_err(|error| failure::unreachable(location, &error))?;
        wire.wait_at_most(self.settings.timeout.max(PATIENCE));
        let options = [["capa", "eof"], ["rdb-only", "1"], ["version", VALKEY_VERSION]];
        for words in options.map(|[name, value]| ["REPLCONF", name, value]) {
            match wire.say(&words) {
                Err(error) if error.is_io_error() => return Err(refused(error)),
                // Servers that do not know these send the file all the same.
                _ => {}
            }
        }
        let start = wire.say(&["SYNC"]).map_err(refused)?;
        let unknown = || {
            let start = escape(start.as_bytes());
            let text = format!("{location} answers SYNC with {start}: it sends no RDB file; take dumps from it");
            Error::new(Code::Unavailable, text).decided_by(&[Setting::ByDump])
        };
        let end = match start.strip_prefix("$EOF:") {
            Some(mark) => {
                let mark = mark.as_bytes().try_into().map_err(|_| unknown())?;
                End::Mark { mark, held: Vec::new(), over: false }
            }
            None => End::After(start.strip_prefix('$').and_then(|length| length.parse().ok()).ok_or_else(unknown)?),
        };
        Ok(RdbStream { wire: wire.into_stream(), end })
    }
}

impl Read for RdbStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let cut_off = || io::Error::new(io::ErrorKind::UnexpectedEof, "the server stopped in the middle of the file");
        match &mut self.end {
            End::After(left) => {
                if *left == 0 || buffer.is_empty() {
                    return Ok(0);
                }
                let most = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                let read = self.wire.read(&mut buffer[..most])?;
                *left -= read as u64;
                if read == 0 { Err(cut_off()) } else { Ok(read) }
            }
            End::Mark { mark, held, over } => {
                // Behind the mark the server sends nothing until it is answered, so it stands at the end of what came.
                while !*over && held.len() <= MARK {
                    let came = self.wire.fill_buf()?;
                    if came.is_empty() {
                        return Err(cut_off());
                    }
                    held.extend_from_slice(came);
                    let came = came.len();
                    self.wire.consume(came);
                    if held.ends_with(mark) {
                        held.truncate(held.len() - MARK);
                        *over = true;
                    }
                }
                let kept = if *over { 0 } else { MARK };
                let width = buffer.len().min(held.len() - kept);
                buffer[..width].copy_from_slice(&held[..width]);
                held.drain(..width);
                Ok(width)
            }
        }
    }
}
