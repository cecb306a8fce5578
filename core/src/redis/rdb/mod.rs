//! RDB files and DUMP payloads: their encodings, the reader that goes through one, and what is written of a stream for
//! RESTORE.
//!
//! What a stream is, wherever it was read from, is `stream`'s affair; who is told of it says `visit`.

pub(in crate::redis) mod crc;
pub(in crate::redis) mod cursor;
pub(in crate::redis) mod encode;
pub(in crate::redis) mod header;
pub(in crate::redis) mod listpack;
pub(in crate::redis) mod lzf;
pub(in crate::redis) mod node;
pub(in crate::redis) mod packed;
pub(in crate::redis) mod reader;
pub(in crate::redis) mod salvage;
pub(in crate::redis) mod skip;
pub(in crate::redis) mod stream;
pub(in crate::redis) mod text;
pub(in crate::redis) mod verdict;
