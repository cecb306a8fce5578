//! Redis backups, read offline: RDB files, DUMP payloads and append-only files.
//!
//! Bytes come in chunks, facts and findings go out through a [`Visitor`]; nothing here talks to a server or a disk, and no input
//! makes it panic or spend memory on a declared length alone. Damage is a [`Finding`]; an [`Error`] means that the bytes are beyond
//! this reader: another format, an unknown version or type, or intact bytes that it does not understand.

mod aof;
mod backup;
mod backup_report;
mod error;
mod finding;
pub mod fuzz;
pub mod look;
mod rdb;
mod report;
mod sniff;
mod stream;
mod visit;

pub use aof::later::{Later, LaterCommands};
pub use aof::manifest::{FileRole, Manifest, ManifestFile};
pub use aof::names::AofNames;
pub use aof::plan::{AofPlan, Stretch, plan_aof};
pub use aof::reader::{AofReader, AofSummary};
pub use aof::rebuild::server_name;
pub use aof::replay::Replay;
pub use aof::resp::Command;
pub use aof::search::Search;
pub use aof::set::{Pass, SetReader, Want};
pub use aof::state::{GroupState, PendingState, StreamState};
pub use aof::survey::{Survey, Surveyor};
pub use aof::untold::Untold;
pub use backup::BackupScan;
pub use backup_report::{BackupFormat, BackupReport};
pub use error::{Error, ErrorKind};
pub use finding::{Finding, Reason};
pub use rdb::crc::seal_dump;
pub use rdb::encode::{NOBODY, PayloadBuilder, StreamPayload};
pub use rdb::header::{Checksum, Header, Limits, REDIS_VERSIONS, Summary, VALKEY_VERSIONS, Vendor};
pub use rdb::node::{Entry, Fields, Value};
pub use rdb::reader::{RdbReader, Templates};
pub use rdb::salvage::KeyFinder;
pub use rdb::stream::{STREAM_TYPES, dump_version};
pub use report::Remedy;
pub use sniff::{Format, SNIFF_END, SNIFF_START, Seems, is_dump, is_whole_dump, key_of, sniff};
pub use stream::digest::Entries;
pub use stream::export::{
    ConsumerExport, GroupExport, GroupsFile, PendingExport, StreamGroups, push_line, push_rejected,
};
pub use stream::facts::{Collector, ConsumerReport, GroupReport, Lines, StreamReport};
pub use stream::group::{Consumer, Group, Pending};
pub use stream::id::StreamId;
pub use stream::judged::{Judge, Judged, ReplayReport, judging};
pub use stream::keys::{NoRecord, PapyraKey, RecordCheck, Scope, StreamKind};
pub use stream::name::{name_of, written};
pub use stream::numbers::{Idempotency, StreamFacts};
pub use visit::{Flow, Key, Visitor};
