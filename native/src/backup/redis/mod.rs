//! Backups of streams: the same folders, with a DUMP payload a stream or one RDB file, and `groups.json`.
//!
//! - [`create`] copies streams by DUMP in one transaction, or has the server save (`bgsave`).
//! - [`plain`] makes a backup of files that a server wrote by itself.
//! - `payload` reads stored bytes, for every verb.
//! - [`restore`] brings streams back: each is built under a name of its own (`stage`; by commands where the server
//!   takes no payload of that size, `replay`; what it has no place for is counted, `losses`), and all of a system
//!   change places in one transaction (`swap`).
//! - `until` takes out of it what is behind an ID, where only a part is wanted.
//! - [`drill`] restores into a server started for it (`scratch`).

mod bgsave;
pub mod create;
pub mod drill;
mod losses;
mod outgoing;
mod payload;
pub mod plain;
mod replay;
pub mod restore;
mod scratch;
mod stage;
mod swap;
mod until;

use std::time::Duration;

pub use losses::Losses;
pub(super) use payload::{Payload, Streams};
pub use scratch::Trial;
pub use until::CutEntries;

/// The largest payload that a server takes as one argument, in bytes, unless it was told otherwise (redis
/// `proto-max-bulk-len`).
const LARGEST: u64 = 512 << 20;

/// How long a stream waits for its place, in milliseconds.
const WAITS: u64 = Duration::from_secs(3_600).as_millis() as u64;
