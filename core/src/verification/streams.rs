//! Verifying a backup of streams: is what lies in an undamaged file what the manifest says, and what could still be had
//! from a damaged one?

use super::damage::Damage;
use crate::escape::escape;
use crate::figures::thousands;
use crate::manifest::{Compression, Content, Manifest, StoredFile};
use crate::redis::stored_streams::{Payload, Streams};

/// What a stored file is, if it holds streams.
pub fn payload<'a>(manifest: &'a Manifest, file: &StoredFile) -> Option<Payload<'a>> {
    let redis = manifest.source.redis.as_ref()?;
    let key = match file.content {
        Content::Dump => Some(&*redis.stream_in(&file.path)?.key),
        Content::Rdb => None,
        _ => return None,
    };
    Some(Payload { key, db: redis.db, prefix: &redis.prefix })
}

/// What is wrong with a file of streams: `damage` is what its bytes told, `streams` what could be read, and `remote`
/// whether it must be fetched before anything is done with it.
pub fn judge(
    manifest: &Manifest,
    file: &StoredFile,
    damage: Option<Damage>,
    streams: Option<&Streams>,
    remote: bool,
) -> Option<Damage> {
    match damage {
        Some(damage) => Some(Damage { recovery: prospects(manifest, file, streams, remote), ..damage }),
        None => disagreement(manifest, file, streams?),
    }
}

/// Where the streams of an undamaged file are not what the manifest says of them.
fn disagreement(manifest: &Manifest, file: &StoredFile, streams: &Streams) -> Option<Damage> {
    let redis = manifest.source.redis.as_ref()?;
    let differs = redis.streams.iter().filter(|stream| stream.file == file.path).find(|stream| {
        let found = streams.found.iter().find(|found| found.key == stream.key.as_bytes());
        found.is_none_or(|found| found.facts != stream.facts || found.entries_sha256 != stream.entries_sha256)
    })?;
    let key = escape(differs.key.as_bytes());
    Some(Damage {
        file: file.stored.clone(),
        offset: None,
        length: None,
        detail: format!("it is the file that was written, and the manifest says something else of {key}"),
        recovery: "one of the two was changed by hand: use another backup".into(),
    })
}

/// What could still be read of damaged streams, in a sentence.
fn prospects(manifest: &Manifest, file: &StoredFile, now: Option<&Streams>, remote: bool) -> String {
    let then = manifest.scan.files.iter().find(|report| report.path == file.path);
    let held = then.map_or(0, |report| report.records.total());
    let left = now.map_or(0, |streams| streams.report.records.total());
    let first = match (remote, file.compression) {
        (false, Compression::None) => "",
        (true, Compression::None) => "fetch the file, and ",
        (false, _) => "unpack the file, and ",
        (true, _) => "fetch and unpack the file, and ",
    };
    let (left, held) = (thousands(left), thousands(held));
    format!("{left} of its {held} records can still be read: {first}`papyra redis export` writes them as a log")
}
