//! A stream brought to a server under a name of its own, beside the one that it is to have.
//!
//! It goes by itself after an hour, should nobody come back for it, and nothing else looks at it meanwhile.

use papyra_core::escape::escape;
use papyra_core::manifest::StoredStream;
use papyra_core::redis::StreamPayload;

use super::WAITS;
use super::losses::Losses;
use super::outgoing::{LISTED, Outgoing};
use super::replay::replay;
use super::until::Cut;
use crate::error::{Code, Error, Result};
use crate::redis::Store;

/// A stream that waits for its place.
pub(super) struct Staged {
    /// Where it is now.
    pub(super) name: String,
    /// Where it belongs.
    pub(super) key: String,
    /// It was too large for the server to take as one.
    pub(super) was_too_large: bool,
    /// The server refused it as it was, and this could not be brought back.
    pub(super) changed: Option<Losses>,
}

/// Brings a stream to the server, which takes no argument above `largest` bytes, as far as it is not cut off. `mark`
/// tells this run's names from those of others.
pub(super) fn stage(
    store: &Store,
    stream: &StoredStream,
    piece: &Outgoing<'_>,
    largest: u64,
    cut: Option<&Cut>,
    mark: &str,
) -> Result<Staged> {
    let key = &stream.key;
    let name = store.beside(key, &format!("restoring:{mark}"));
    let brought = bring(store, stream, piece, largest, &name).and_then(|changed| {
        cut.map_or(Ok(()), |cut| cut.apply(store, &name, piece))?;
        Ok(changed)
    });
    let changed = brought.inspect_err(|_| forget(store, &name))?;
    Ok(Staged { name, key: key.clone(), was_too_large: piece.is_beyond(largest), changed })
}

/// Removes what waits; if that fails it goes by itself.
pub(super) fn forget(store: &Store, name: &str) {
    _ = store.try_command(name, redis::cmd("UNLINK").arg(name));
}

fn bring(
    store: &Store,
    stream: &StoredStream,
    piece: &Outgoing<'_>,
    largest: u64,
    name: &str,
) -> Result<Option<Losses>> {
    let changed = match piece {
        Outgoing::Whole(payload) if !piece.is_beyond(largest) => match restore_as_known(store, name, payload)? {
            Known::AsItIs => None,
            Known::Older(losses) => Some(losses),
            Known::Not => Some(replay(store, name, piece, stream.facts.groups > 0, &stream.entries_sha256)?),
        },
        piece => Some(replay(store, name, piece, stream.facts.groups > 0, &stream.entries_sha256)?),
    };
    let extent = store.extent(name)?.unwrap_or_default();
    let mut same = (extent.length, extent.last_id, extent.groups)
        == (stream.facts.length, stream.facts.last_id, stream.facts.groups);
    if changed.is_some() && same {
        same = store.entries_sha256(name)? == stream.entries_sha256;
    }
    if same {
        return Ok(changed);
    }
    let text = format!(
        "{} did not arrive at {} as it is in the backup; it was not put in place",
        escape(stream.key.as_bytes()),
        store.settings.location
    );
    Err(Error::new(Code::Io, text))
}

/// What a server made of a payload.
enum Known {
    AsItIs,
    /// Written as one of an older type.
    Older(Losses),
    Not,
}

/// Sends a payload, of an older type if the server does not know its own.
fn restore_as_known(store: &Store, name: &str, payload: &[u8]) -> Result<Known> {
    if restore(store, name, payload)? {
        return Ok(Known::AsItIs);
    }
    let Some(stream) = StreamPayload::of(payload, LISTED) else { return Ok(Known::Not) };
    for older in stream.older_types() {
        if restore(store, name, &stream.as_type(older))? {
            return Ok(Known::Older(Losses::of_type(&stream, older)));
        }
    }
    Ok(Known::Not)
}

/// Sends a payload. `false`: the server does not know its format, which a newer one wrote.
fn restore(store: &Store, name: &str, payload: &[u8]) -> Result<bool> {
    let mut command = redis::cmd("RESTORE");
    command.arg(name).arg(WAITS).arg(payload);
    match store.attempt_large(name, &command)? {
        Ok(_) => Ok(true),
        Err(error) => {
            let detail = error.detail().unwrap_or_default();
            if detail.contains("DUMP payload version") || detail.contains("Bad data format") {
                return Ok(false);
            }
            Err(store.refusal(&format!("restoring to {name}"), &error))
        }
    }
}
