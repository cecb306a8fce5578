//! What to keep of an append-only file: ranges of bytes that stay and ranges that go.
//!
//! Only what is damaged goes, with what cannot be told because of it: the MULTI or EXEC whose other half is lost,
//! commands after a SELECT that may be lost (up to the next one), the rest after damage where no command can be found
//! again. Whole commands of a damaged transaction stay. Kept and rejected ranges tile the file. Whether later commands,
//! and those of a damaged transaction, on keys that are no Papyra streams may stay is for a person to say, see
//! [`Later`].
//!
//! [`plan_aof`] is for a file in memory; a larger one is gone through in windows by [`Search`](crate::redis::Search).

use std::ops::Range;

use serde::Serialize;

use super::later::{Later, LaterCommands};
use super::planner::AofPlanner;
use super::reader::AofReader;
use crate::redis::finding::BackupFinding;
use crate::redis::rdb::header::Limits;
use crate::redis::stream::keys::Scope;

/// A stretch of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AofStretch {
    /// Of its first byte.
    pub offset: u64,
    /// Its bytes.
    pub length: u64,
    /// Does it stay?
    pub keep: bool,
}

/// What to keep of an append-only file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AofPlan {
    /// The whole file, in order, kept and rejected stretches alternating.
    pub stretches: Vec<AofStretch>,
    /// What is wrong, one finding a place: the first of them.
    pub findings: Vec<BackupFinding>,
    /// How many there are.
    #[serde(skip)]
    pub found: u64,
    /// Intact records among what goes, each with a finding that says why.
    pub records_that_go: u64,
    /// Set when later commands may be kept only if someone says so; the other way out is to cut the file at
    /// `truncate_at`.
    pub later: Option<Later>,
    /// Where a plain truncation would cut: the start of the first damage, or of the transaction that it is in.
    pub truncate_at: u64,
    /// From here on, commands follow a place that was found again without proof.
    #[serde(skip)]
    pub(in crate::redis) unproven_from: Option<u64>,
}

impl AofPlan {
    /// Is everything kept?
    pub fn is_clean(&self) -> bool {
        self.stretches.iter().all(|stretch| stretch.keep)
    }

    /// Bytes that go.
    pub fn rejected(&self) -> u64 {
        self.stretches.iter().filter(|stretch| !stretch.keep).map(|stretch| stretch.length).sum()
    }

    /// What is to be shown the commands of [`undecided`](Self::undecided) stretches, to find `later`.
    pub(in crate::redis) fn later_commands(&self, scope: &Scope) -> LaterCommands {
        LaterCommands::new(scope.clone()).unproven_from(self.unproven_from)
    }

    /// What is kept after the first damage, and of the transaction that it is in.
    pub(in crate::redis) fn undecided(&self) -> Vec<Range<u64>> {
        let kept = self.stretches.iter().filter(|part| part.keep);
        let after = kept.map(|part| part.offset.max(self.truncate_at)..part.offset + part.length);
        after.filter(|range| !range.is_empty()).collect()
    }

    /// A plan that cuts a file of `total` bytes at `at`.
    pub fn cut(at: u64, total: u64) -> Self {
        let stretches = tiles(vec![(at, total)], total);
        Self {
            stretches,
            findings: Vec::new(),
            found: 0,
            records_that_go: 0,
            later: None,
            truncate_at: at,
            unproven_from: None,
        }
    }

    /// The same file cut at the first damage, as `redis-check-aof --fix` would.
    pub fn truncated(&self) -> Self {
        let total = self.stretches.iter().map(|stretch| stretch.length).sum();
        let rejects = if self.is_clean() { vec![] } else { vec![(self.truncate_at, total)] };
        Self { stretches: tiles(rejects, total), later: None, records_that_go: 0, ..self.clone() }
    }
}

/// Plans for the commands of `bytes` from `start` on (the end of an RDB file at the front, else 0).
pub fn plan_aof(bytes: &[u8], start: u64, scope: &Scope, limits: Limits) -> AofPlan {
    plan_in_windows(bytes, start, scope, limits, bytes.len())
}

/// The same, in windows of at least so many bytes.
pub(in crate::redis) fn plan_in_windows(
    bytes: &[u8],
    start: u64,
    scope: &Scope,
    limits: Limits,
    least: usize,
) -> AofPlan {
    let mut databases = Databases::default();
    bytes.chunks(least.max(1)).for_each(|chunk| databases.push(chunk));
    let several = databases.are_several();
    let (total, least) = (bytes.len() as u64, least.max(1) as u64);
    let mut planner = AofPlanner::with_windows(start, total, several, scope.clone(), limits, least);
    loop {
        while let Some(range) = planner.wants() {
            planner.take(&bytes[range.start as usize..range.end as usize]);
        }
        match planner.again() {
            Some(again) => planner = again,
            None => break,
        }
    }
    let mut plan = planner.finish();
    let mut later = plan.later_commands(scope);
    for range in plan.undecided() {
        let mut reader = AofReader::part(range.start, limits);
        let _ = reader.push(&bytes[range.start as usize..range.end as usize], &mut later);
    }
    plan.later = later.found();
    plan
}

impl AofPlanner {
    /// The plan, with `later` still to be found: see [`AofPlan::later_commands`].
    pub(in crate::redis) fn finish(self) -> AofPlan {
        let first = self.rejects.iter().map(|reject| reject.0).chain(self.first_damage).min();
        AofPlan {
            stretches: tiles(self.rejects, self.total),
            findings: self.findings,
            found: self.found,
            records_that_go: self.records_that_go,
            later: None,
            truncate_at: first.unwrap_or(self.total),
            unproven_from: self.unproven_from,
        }
    }
}

/// Whether an append-only file selects more than one database. What looks like it inside a payload counts too: better
/// safe.
#[derive(Debug, Default)]
pub(in crate::redis) struct Databases {
    held: Vec<u8>,
    first: Option<Vec<u8>>,
    several: bool,
}

impl Databases {
    const MARK: &[u8] = b"\r\nSELECT\r\n$";
    /// Bytes from the mark's beginning to behind the number.
    const REACH: usize = Self::MARK.len() + 16;

    /// Takes the next bytes.
    pub(in crate::redis) fn push(&mut self, bytes: &[u8]) {
        // What was held may be the beginning of a mark.
        let joined = bytes.len().min(Self::REACH);
        self.held.extend_from_slice(&bytes[..joined]);
        let held = std::mem::take(&mut self.held);
        self.look(&held);
        self.look(bytes);
        let tail = if bytes.len() > Self::REACH { &bytes[bytes.len() - Self::REACH..] } else { &held[..] };
        self.held = tail[tail.len() - tail.len().min(Self::REACH)..].to_vec();
    }

    fn look(&mut self, bytes: &[u8]) {
        for at in memchr::memmem::find_iter(bytes, Self::MARK) {
            let rest = &bytes[at + Self::MARK.len()..];
            let line = &rest[..rest.len().min(16)];
            // A number that is cut off is looked at again, with what follows.
            let mut lines = line.split_inclusive(|&byte| byte == b'\n').skip(1);
            let Some(db) = lines.next().filter(|db| db.ends_with(b"\n") || line.len() == 16) else { continue };
            match &self.first {
                None => self.first = Some(db.to_vec()),
                Some(other) => self.several |= other != db,
            }
        }
    }

    /// What all the bytes so far say.
    pub(in crate::redis) fn are_several(&self) -> bool {
        self.several || self.first.as_ref().is_some_and(|db| db != b"0\r\n")
    }
}

/// Makes kept and rejected stretches of ranges that may overlap.
fn tiles(mut rejects: Vec<(u64, u64)>, total: u64) -> Vec<AofStretch> {
    rejects.sort_unstable();
    let mut out: Vec<AofStretch> = Vec::new();
    let mut at = 0;
    let mut add = |from: u64, to: u64, keep: bool| {
        if to <= from {
            return;
        }
        match out.last_mut() {
            Some(last) if last.keep == keep => last.length += to - from,
            _ => out.push(AofStretch { offset: from, length: to - from, keep }),
        }
    };
    for (from, to) in rejects {
        add(at, from, true);
        add(from.max(at), to, false);
        at = at.max(to);
    }
    add(at, total, true);
    out
}
