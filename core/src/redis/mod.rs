//! Redis backups, read offline: RDB files, DUMP payloads and append-only files.
//!
//! Bytes come in chunks, facts and findings go out through a [`Visitor`]; nothing here talks to a server or a disk, and no input
//! makes it panic or spend memory on a declared length alone. Damage is a [`Finding`]; an [`Error`] means that the bytes are beyond
//! this reader: another format, an unknown version or type, or intact bytes that it does not understand.

mod aof;
mod aof_later;
mod aof_plan;
mod aof_planner;
mod arguments;
mod command;
mod crc;
mod cursor;
mod error;
mod export;
mod facts;
mod finding;
pub mod fuzz;
mod group;
mod header;
mod id;
mod judged;
mod keys;
mod listpack;
mod lzf;
mod manifest;
mod name;
mod node;
mod rdb;
mod rebuild;
mod replay;
mod report;
mod resp;
mod resync;
mod salvage;
mod skip;
mod sniff;
mod state;
mod stream;
mod stream_commands;
mod text;
mod verdict;
mod visit;

pub use aof::{AofReader, AofSummary};
pub use aof_later::{Later, LaterCommands};
pub use aof_plan::{AofPlan, Databases, Stretch, plan_aof};
pub use aof_planner::AofPlanner;
pub use error::{Error, ErrorKind};
pub use export::{ConsumerExport, GroupExport, GroupsFile, PendingExport, StreamGroups, push_line, push_rejected};
pub use facts::{Collector, ConsumerReport, GroupReport, RecordCounts, StreamReport};
pub use finding::{Finding, Reason};
pub use group::{Consumer, Group, Pending};
pub use header::{Checksum, Header, Limits, REDIS_VERSIONS, Summary, VALKEY_VERSIONS, Vendor};
pub use id::StreamId;
pub use judged::{Judged, ReplayReport, judging};
pub use keys::{NoRecord, PapyraKey, RecordCheck, Scope, StreamKind};
pub use manifest::{FileRole, Manifest, ManifestFile};
pub use name::{name_of, written};
pub use node::{Entry, Fields, Value};
pub use rdb::RdbReader;
pub use rebuild::server_name;
pub use replay::Replay;
pub use report::{BackupFormat, BackupReport, stream_records};
pub use resp::Command;
pub use salvage::KeyFinder;
pub use sniff::{Format, SNIFF_END, SNIFF_START, is_dump, is_whole_dump, sniff};
pub use state::{GroupState, PendingState, StreamState};
pub use stream::{STREAM_TYPES, StreamFacts};
pub use visit::{Flow, Key, Visitor};
