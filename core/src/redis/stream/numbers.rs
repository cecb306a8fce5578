//! The numbers of a stream: what it says of itself, wherever it was read from.

use serde::{Deserialize, Serialize};

use super::id::StreamId;

/// What a stream says of itself, and how many entries it was found to hold.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamFacts {
    /// Live entries as declared.
    pub length: u64,
    /// Live entries as counted.
    pub entries: u64,
    /// The first live entry's ID; `None` when there is none.
    pub first_id: Option<StreamId>,
    /// The greatest ID ever added.
    pub last_id: StreamId,
    /// The greatest ID ever deleted; 0-0 for none, and in files before Redis 7.0.
    pub max_deleted_id: StreamId,
    /// Entries ever added; files before Redis 7.0 do not say, and the server then takes the length.
    pub entries_added: u64,
    /// Consumer groups.
    pub groups: u64,
    /// Consumers of all groups.
    pub consumers: u64,
    /// Pending entries of all groups.
    pub pending: u64,
    /// Identified producers whose recent entries are remembered (Redis 8.6 and later).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub producers: u64,
    /// How entries are told apart, where it was set otherwise than servers do (Redis 8.6 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<Idempotency>,
}

/// What XCFGSET sets of a stream.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idempotency {
    /// How long a producer's IDs are remembered, in seconds.
    pub duration_s: u64,
    /// How many IDs of each producer are.
    pub max_ids: u64,
}

impl Idempotency {
    /// What a stream has unless it was told otherwise.
    pub(in crate::redis) const DEFAULT: Self = Self { duration_s: 100, max_ids: 100 };
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(n: &u64) -> bool {
    *n == 0
}
