//! What two histories are compared by, and what is found: data only.

use serde::Serialize;

/// How many records of each history are looked at at a time, and how far back a doubled record is known.
pub const WINDOW: usize = 1 << 16;

/// The SHA-256 of a record's bytes.
pub type Hash = [u8; 32];

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item<P> {
    /// What it is.
    pub hash: Hash,
    /// Where it stands.
    pub at: P,
}

/// What happened to a record.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is not in the newer history.
    Gone,
    /// Another record is in its place.
    Changed,
    /// It is there once more.
    Doubled,
    /// It is at another place.
    Moved,
    /// A record that the older history does not have stands between records that it has.
    Inserted,
}

/// A difference that an append-only history cannot have.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change<P> {
    /// What happened.
    pub kind: Kind,
    /// Where the record stands in the older history; none when it was inserted.
    pub old: Option<P>,
    /// Where it, or what is in its place, stands in the newer one; none when it is gone.
    pub new: Option<P>,
}

/// How many records each thing happened to.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// Gone.
    pub gone: u64,
    /// Changed.
    pub changed: u64,
    /// Doubled.
    pub doubled: u64,
    /// Moved.
    pub moved: u64,
    /// Put in.
    pub inserted: u64,
}

/// What a comparison found.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference<P> {
    /// Records in the older history.
    pub old: u64,
    /// Records in the newer one.
    pub new: u64,
    /// Records that both have, in the same order.
    pub common: u64,
    /// Records that have left at the front.
    pub left: u64,
    /// Records that were added at the end.
    pub added: u64,
    /// How many differ otherwise.
    pub counts: Counts,
    /// Those that differ, as far as they are listed.
    pub changes: Vec<Change<P>>,
}

impl<P> Difference<P> {
    /// Whether the newer history is the older one, grown at its end and shrunk at its front. Where both hold records
    /// and none of them is the same, nothing shows that they are of one history.
    pub fn is_append_only(&self) -> bool {
        self.counts == Counts::default() && (self.common > 0 || self.old == 0)
    }
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.gone + self.changed + self.doubled + self.moved + self.inserted
    }

    pub(super) fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Gone => &mut self.gone,
            Kind::Changed => &mut self.changed,
            Kind::Doubled => &mut self.doubled,
            Kind::Moved => &mut self.moved,
            Kind::Inserted => &mut self.inserted,
        }
    }
}
