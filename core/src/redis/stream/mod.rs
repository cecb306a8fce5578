//! Streams, wherever they were read from: IDs, groups, which keys are Papyra's, whether an entry is a record, and what
//! is told of them.
//!
//! How the bytes are read is `rdb`'s and `aof`'s affair.

pub(in crate::redis) mod batch;
pub(in crate::redis) mod digest;
pub(in crate::redis) mod export;
pub(in crate::redis) mod facts;
pub(in crate::redis) mod gone;
pub(in crate::redis) mod group;
pub(in crate::redis) mod id;
pub(in crate::redis) mod judged;
pub(in crate::redis) mod keys;
pub(in crate::redis) mod name;
pub(in crate::redis) mod numbers;
