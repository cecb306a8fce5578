//! Redis backups, read offline: RDB files, DUMP payloads and append-only files.
//!
//! Bytes come in chunks, facts and findings go out through a [`Visitor`]; nothing here talks to a server or a disk, and
//! no input makes it panic or spend memory on a declared length alone. Damage is a [`BackupFinding`]; an [`Error`]
//! means that the bytes are beyond this reader: another format, an unknown version or type, or intact bytes that it
//! does not understand.
//!
//! ```
//! # use papyra_core::redis::{Format, sniff};
//! assert_eq!(sniff(b"REDIS0011"), Some(Format::Rdb));
//! ```
//!
//! [`BackupScan`] makes the report of a whole file or set; [`RdbReader`] hands out what an RDB file holds, entry by
//! entry.

mod aof;
mod backup;
mod backup_report;
mod error;
mod finding;
#[doc(hidden)]
pub mod fuzz;
mod rdb;
mod report;
mod sniff;
#[doc(hidden)]
pub mod stored_streams;
mod stream;
mod visit;

pub use aof::names::AofNames;
pub use aof::resp::Command;
pub use aof::set::{Pass, Want};
pub use backup::BackupScan;
pub use backup_report::{BackupFormat, BackupReport};
pub use error::{Error, ErrorKind};
pub use finding::{BackupFinding, BackupReason};
pub use rdb::header::{Checksum, Header, Limits, REDIS_VERSIONS, RdbSummary, VALKEY_VERSIONS, Vendor};
pub use rdb::node::{Entry, Fields, Value};
pub use rdb::reader::RdbReader;
pub use sniff::{Format, SNIFF_END, SNIFF_START, is_dump, sniff};
pub use stream::facts::{ConsumerReport, GroupReport, StreamReport};
pub use stream::group::{Consumer, Group, Pending};
pub use stream::id::StreamId;
pub use stream::keys::{PapyraKey, Scope, StreamKind};
pub use stream::numbers::{Idempotency, StreamFacts};
pub use visit::{Flow, Key, Visitor};

// For papyra's own crates.
#[doc(hidden)]
pub use aof::{
    later::{Later, LaterCommands},
    manifest::{AofFile, AofManifest, FileRole},
    plan::{AofPlan, AofStretch, plan_aof},
    reader::{AofReader, AofSummary},
    rebuild::server_name,
    replay::Replay,
    search::Search,
    set::SetReader,
    state::{GroupState, PendingState, StreamState},
    survey::{Survey, Surveyor},
    untold::Untold,
};
#[doc(hidden)]
pub use rdb::{
    crc::seal_dump,
    encode::{NOBODY, PayloadBuilder, StreamPayload},
    reader::Templates,
    salvage::KeyFinder,
    stream::{STREAM_TYPES, dump_version},
};
#[doc(hidden)]
pub use report::Remedy;
#[doc(hidden)]
pub use sniff::{Seems, is_whole_dump, key_of};
#[doc(hidden)]
pub use stream::{
    digest::Entries,
    export::{ConsumerExport, GroupExport, GroupsFile, PendingExport, StreamGroups, push_line, push_rejected},
    facts::{Collector, Lines},
    judged::{Judge, Judged, ReplayReport, judging},
    keys::{NoRecord, RecordCheck},
    name::{name_of, written},
};
