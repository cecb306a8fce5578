//! Backups of streams: the same folders, with a DUMP payload a stream or one RDB file, and `groups.json`.
//!
//! - [`create`] copies streams by DUMP in one transaction, or has the server save ([`saved`]).
//! - [`look`] reads stored bytes, for every verb; [`digest`] is one number for the entries of a stream.
//! - [`restore`] brings streams back: each is built under a name of its own ([`stage`], and [`replay`] where the server
//!   refuses the payload), and all of a system change places in one transaction ([`swap`]).
//! - [`drill`] restores into a server started for it ([`scratch`]).

pub mod create;
mod digest;
pub mod drill;
mod look;
mod piece;
mod replay;
pub mod restore;
mod saved;
mod scratch;
mod stage;
mod swap;

use papyra_core::manifest::{Compression, Content, StoredFile};

use super::stored::Damage;
use super::{Backup, remote};

pub(super) use look::{Payload, Streams, look};
pub use replay::Losses;
pub use restore::RestoredStream;

/// The largest payload that a server takes as one argument, in bytes, unless it was told otherwise (redis
/// `proto-max-bulk-len`).
const LARGEST: u64 = 512 << 20;

/// What a stored file is, if it holds streams.
pub(super) fn payload<'a>(backup: &'a Backup, file: &StoredFile) -> Option<Payload<'a>> {
    let redis = backup.manifest.source.redis.as_ref()?;
    let key = match file.content {
        Content::Dump => Some(&*redis.stream_in(&file.path)?.key),
        Content::Rdb => None,
        _ => return None,
    };
    Some(Payload { key, db: redis.db, prefix: &redis.prefix })
}

/// Where the streams of an undamaged file are not what the manifest says of them.
pub(super) fn disagreement(backup: &Backup, file: &StoredFile, streams: &Streams) -> Option<Damage> {
    let redis = backup.manifest.source.redis.as_ref()?;
    let differs = redis.streams.iter().filter(|stream| stream.file == file.path).find(|stream| {
        let found = streams.found.iter().find(|found| found.key == stream.key.as_bytes());
        found.is_none_or(|found| found.facts != stream.facts || found.entries_sha256 != stream.entries_sha256)
    })?;
    let key = papyra_core::escape::escape(differs.key.as_bytes());
    Some(Damage {
        file: file.stored.clone(),
        offset: None,
        length: None,
        detail: format!("it is the file that was written, and the manifest says something else of {key}"),
        recovery: "one of the two was changed by hand: use another backup".into(),
    })
}

/// What could still be read of damaged streams, in a sentence.
pub(super) fn prospects(backup: &Backup, file: &StoredFile, now: Option<&Streams>) -> String {
    let then = backup.manifest.scan.files.iter().find(|report| report.path == file.path);
    let held = then.map_or(0, |report| report.records.total());
    let left = now.map_or(0, |streams| streams.report.records.total());
    let first = match (remote::is_remote(&backup.path), file.compression) {
        (false, Compression::None) => "",
        (true, Compression::None) => "fetch the file, and ",
        (false, _) => "unpack the file, and ",
        (true, _) => "fetch and unpack the file, and ",
    };
    format!("{left} of its {held} records can still be read: {first}`papyra redis export` writes them as a log")
}
