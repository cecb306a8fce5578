//! Where a stream of a known system begins again after damage in an RDB file.
//!
//! A value may hold anything, a whole dump included, so a place that looks like a key is only taken when everything
//! from there on reads without a fault and ends exactly where the file does. Candidates are tried side by side while
//! the bytes go by once; memory is that of a few readers.

use super::cursor::Cursor;
use super::header::{Header, Limits};
use super::reader::{RdbReader, Templates};
use super::stream::STREAM_TYPES;
use super::text::string;
use crate::redis::finding::{BackupFinding, BackupReason};
use crate::redis::stream::keys::{PapyraKey, Scope};
use crate::redis::stream::numbers::StreamFacts;
use crate::redis::visit::{Flow, Key, Visitor};

/// Readers that try side by side.
const MOST_TRIALS: usize = 16;
/// The longest key that is looked for, in bytes, compressed or not.
const LONGEST_KEY: u64 = 512;
/// The bytes after a type code that are enough to read such a key.
const AHEAD: usize = LONGEST_KEY as usize + 16;

/// Looks for the next key of known systems, in the bytes after the damage.
#[derive(Debug)]
pub struct KeyFinder {
    header: Header,
    db: u64,
    scope: Scope,
    known: Vec<(String, String)>,
    limits: Limits,
    templates: Templates,
    trials: Vec<Trial>,
    /// The last bytes: a key that begins in them may go on in the next chunk.
    window: Vec<u8>,
    /// File offset of the window's start.
    offset: u64,
    /// Below this offset every place was looked at.
    looked_to: u64,
}

#[derive(Debug)]
struct Trial {
    offset: u64,
    reader: RdbReader,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Seen {
    streams: u64,
    /// Where keys begin according to this reader: no other reader need try from there.
    keys: Vec<u64>,
}

impl Visitor for Seen {
    fn key(&mut self, key: &Key<'_>) -> Flow {
        self.keys.push(key.offset);
        Flow::Continue(())
    }

    fn stream(&mut self, _key: &Key<'_>, _facts: &StreamFacts) -> Flow {
        self.streams += 1;
        Flow::Continue(())
    }

    fn finding(&mut self, finding: BackupFinding) -> Flow {
        // What stands in another value does not make the place doubtful.
        if finding.reason == BackupReason::RefusedValue { Flow::Continue(()) } else { Flow::Break(()) }
    }
}

impl KeyFinder {
    /// Looks in the bytes from `offset` on, which is where a reader got lost, for keys of the systems in `known`
    /// (prefix and system ID, as they were met before the damage) or, when `scope` names both, of that one.
    pub fn new(
        header: Header,
        db: u64,
        offset: u64,
        scope: Scope,
        known: Vec<(String, String)>,
        limits: Limits,
    ) -> Self {
        let trials = Vec::new();
        let (window, templates) = (Vec::new(), Templates::new());
        Self { header, db, scope, known, limits, templates, trials, window, offset, looked_to: offset + 1 }
    }

    /// The same, knowing the hash templates that a reader has met before the damage.
    pub fn with_templates(self, templates: Templates) -> Self {
        Self { templates, ..self }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, chunk: &[u8]) {
        self.trials.retain_mut(|trial| trial.reader.push(chunk, &mut trial.seen).is_continue());
        self.window.extend_from_slice(chunk);
        self.look(AHEAD);
        let keep = self.window.len().min(AHEAD);
        self.offset += (self.window.len() - keep) as u64;
        self.window.drain(..self.window.len() - keep);
        for trial in &mut self.trials {
            let from = self.offset;
            trial.seen.keys.retain(|&at| at >= from);
        }
    }

    /// The offset of the first key from which the rest of the file reads without a fault to its exact end: see
    /// [`RdbReader::resume`].
    pub fn finish(mut self) -> Option<u64> {
        self.look(0);
        let total = self.offset + self.window.len() as u64;
        let whole = |trial: &Trial| trial.seen.streams > 0 && trial.reader.end() == Some(total);
        self.trials.into_iter().filter(whole).map(|trial| trial.offset).min()
    }

    /// Tries every place in the window that has `ahead` bytes after it.
    fn look(&mut self, ahead: usize) {
        let end = self.window.len().saturating_sub(ahead);
        let begin = usize::try_from(self.looked_to.saturating_sub(self.offset)).unwrap_or(end).min(end);
        for at in begin..end {
            if !STREAM_TYPES.contains(&self.window[at]) || !self.is_key(&self.window[at + 1..]) {
                continue;
            }
            let offset = self.offset + at as u64;
            if self.trials.len() >= MOST_TRIALS || self.trials.iter().any(|trial| trial.seen.keys.contains(&offset)) {
                continue;
            }
            let reader = RdbReader::resume(self.header, self.db, offset, self.limits);
            let reader = reader.with_templates(self.templates.clone());
            let mut trial = Trial { offset, reader, seen: Seen::default() };
            if trial.reader.push(&self.window[at..], &mut trial.seen).is_continue() {
                self.trials.push(trial);
            }
        }
        self.looked_to = self.looked_to.max(self.offset + end as u64);
        self.trials.retain(|trial| trial.reader.lost_at().is_none());
    }

    fn is_key(&self, bytes: &[u8]) -> bool {
        let Ok(text) = string(&mut Cursor::new(bytes), LONGEST_KEY) else { return false };
        let Ok(name) = text.to_cow() else { return false };
        let named = self.scope.prefix.is_some() && self.scope.system_id.is_some();
        let is_known = |key: PapyraKey| named || self.known.contains(&(key.prefix, key.system_id));
        self.scope.find(&name).is_some_and(is_known)
    }
}
