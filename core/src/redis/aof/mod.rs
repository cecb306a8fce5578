//! Append-only files: commands and where they break, what to keep of a damaged file, which files make up a state, and
//! the replay that computes it.
//!
//! An RDB file at the front of one is read by `rdb`.

pub(in crate::redis) mod arguments;
pub(in crate::redis) mod command;
pub(in crate::redis) mod key_commands;
pub(in crate::redis) mod later;
pub(in crate::redis) mod manifest;
pub(in crate::redis) mod misspelt;
pub(in crate::redis) mod names;
pub(in crate::redis) mod plan;
pub(in crate::redis) mod planner;
pub(in crate::redis) mod reader;
pub(in crate::redis) mod rebuild;
mod records;
pub(in crate::redis) mod replay;
pub(in crate::redis) mod resp;
pub(in crate::redis) mod resync;
pub(in crate::redis) mod search;
pub(in crate::redis) mod server;
pub(in crate::redis) mod set;
pub(in crate::redis) mod state;
pub(in crate::redis) mod stream_commands;
pub(in crate::redis) mod survey;
pub(in crate::redis) mod untold;
