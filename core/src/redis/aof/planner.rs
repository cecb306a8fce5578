//! The planner: goes through a damaged append-only file in windows, and says what is to go.
//!
//! It asks for a window, decides as much as the bytes in it decide, and asks for the next; a window grows only while
//! what stands after it could change the answer. So memory is that of the longest command or damaged stretch, and the
//! answer is that of one window over the whole file. What comes of the answer is `plan`'s affair.

use std::ops::Range;

use super::command::is_known_name;
use super::misspelt::{Misspelt, Names, is_damaged};
use super::resp::Broken;
use super::resync::{Finder, Item};
use crate::redis::finding::{BackupFinding, BackupReason, MOST_FINDINGS};
use crate::redis::rdb::header::Limits;
use crate::redis::stream::id::decimal;
use crate::redis::stream::keys::Scope;

/// Bytes of a window that has not grown.
pub(in crate::redis) const WINDOW: u64 = 4 << 20;
/// With fewer bytes left in a window, the next one decides.
const MARGIN: usize = 128;

/// Plans for an append-only file whose bytes it asks for.
#[derive(Debug)]
pub(in crate::redis) struct AofPlanner {
    pub(super) limits: Limits,
    pub(super) scope: Scope,
    start: u64,
    pub(in crate::redis) total: u64,
    at: u64,
    least: u64,
    size: u64,
    pub(in crate::redis) rejects: Vec<(u64, u64)>,
    /// The first of them, and how many there are.
    pub(in crate::redis) findings: Vec<BackupFinding>,
    pub(in crate::redis) found: u64,
    db: u64,
    /// Where the command before begins.
    previous: Option<u64>,
    /// The open MULTI.
    transaction: Option<Transaction>,
    /// After damage that may hide a MULTI, until the next MULTI or EXEC.
    unsettled: bool,
    /// After a SELECT that may be lost: where commands were found again.
    without_db: Option<u64>,
    several_dbs: bool,
    /// Of the first damage, or of the transaction that it is in.
    pub(in crate::redis) first_damage: Option<u64>,
    pub(in crate::redis) unproven_from: Option<u64>,
    /// Records that go although they are whole.
    pub(in crate::redis) records_that_go: u64,
    names: Names,
    /// What an earlier pass over the file has found in [`Names`].
    misspelt: Option<Misspelt>,
}

#[derive(Debug)]
struct Transaction {
    /// Where its MULTI begins and ends; several when one stands within another, which a server would pass over.
    multis: Vec<(u64, u64)>,
    /// Something is missing from it, perhaps its EXEC.
    is_damaged: bool,
}

struct Window<'a> {
    bytes: &'a [u8],
    offset: u64,
    last: bool,
    finder: Finder<'a>,
}

impl AofPlanner {
    /// A plan for a file of `total` bytes, from `start` on (the end of an RDB file at the front, else 0).
    /// `several_dbs`: what [`Databases`](super::plan::Databases) says of all of it.
    pub(in crate::redis) fn new(start: u64, total: u64, several_dbs: bool, scope: Scope, limits: Limits) -> Self {
        Self::with_windows(start, total, several_dbs, scope, limits, WINDOW)
    }

    pub(in crate::redis) fn with_windows(
        start: u64,
        total: u64,
        several_dbs: bool,
        scope: Scope,
        limits: Limits,
        least: u64,
    ) -> Self {
        Self {
            limits,
            scope,
            start,
            total,
            at: start.min(total),
            least,
            size: least,
            rejects: Vec::new(),
            findings: Vec::new(),
            found: 0,
            db: 0,
            previous: None,
            transaction: None,
            unsettled: false,
            without_db: None,
            several_dbs,
            first_damage: None,
            unproven_from: None,
            records_that_go: 0,
            names: Names::default(),
            misspelt: None,
        }
    }

    /// The same once more, when the pass that is done has shown that names in the file are damaged.
    pub(in crate::redis) fn again(&mut self) -> Option<Self> {
        let found = self.names.misspelt();
        if self.misspelt.is_some() || found.is_empty() {
            return None;
        }
        let (scope, limits) = (self.scope.clone(), self.limits);
        let new = Self::with_windows(self.start, self.total, self.several_dbs, scope, limits, self.least);
        Some(Self { misspelt: Some(found), ..new })
    }

    /// The stretch of the file that is to be taken next; `None` at the end.
    pub(in crate::redis) fn wants(&self) -> Option<Range<u64>> {
        let from = self.previous.unwrap_or(self.at);
        (self.at < self.total).then(|| from..self.total.min(from.saturating_add(self.size)))
    }

    /// Takes that stretch.
    pub(in crate::redis) fn take(&mut self, bytes: &[u8]) {
        let offset = self.previous.unwrap_or(self.at);
        let last = offset + bytes.len() as u64 >= self.total;
        let mut window = Window { bytes, offset, last, finder: Finder::new(bytes, self.limits.unit) };
        let begun = self.at;
        let mut at = (self.at - offset) as usize;
        while at < bytes.len() && (last || bytes.len() - at >= MARGIN) {
            let Some(next) = self.item(&mut window, at) else { break };
            at = next;
            self.at = offset + at as u64;
        }
        // The command before is asked for again: a window that holds little else must grow.
        let moved = self.at - begun > self.size / 2;
        self.size = if moved { self.least } else { self.size.saturating_mul(2) };
        if self.at >= self.total {
            self.end();
        }
    }

    /// Deals with what stands at `at`; where the next thing stands, unless what comes after the window decides.
    fn item(&mut self, window: &mut Window<'_>, at: usize) -> Option<usize> {
        let item = window.finder.item(at);
        if window.finder.met_the_end() && !window.last {
            return None;
        }
        let here = window.offset + at as u64;
        let (end, is_sound) = match item {
            Item::Command { length, args } => {
                self.names.see(&args, &self.scope);
                let damaged = is_damaged(&args, self.misspelt.as_ref().unwrap_or(&Misspelt::new()));
                if damaged {
                    self.misspelt_command(here, here + length as u64, &args);
                } else {
                    self.command(here, here + length as u64, &args);
                }
                (at + length, !damaged)
            }
            Item::Note { length } => (at + length, false),
            Item::Torn => {
                let text = "the file ends inside a command";
                self.reject(here, self.total, BackupReason::TornTail, text);
                (window.bytes.len(), false)
            }
            Item::Broken(broken) => (self.broken(window, at, &broken)?, false),
        };
        self.previous = is_sound.then_some(here);
        Some(end)
    }

    fn end(&mut self) {
        if let Some(from) = self.without_db {
            self.rejects.push((from, self.total));
        }
        self.without_exec();
    }

    /// The open transaction has lost its EXEC: its whole commands stay, and count by themselves. A server that begins
    /// to write a transaction has executed it.
    fn without_exec(&mut self) {
        for (from, to) in self.transaction.take().map_or(Vec::new(), |open| open.multis) {
            let text = "the end of a transaction is lost: its whole commands stay, outside of a transaction";
            self.first_damage = self.first_damage.into_iter().chain([from]).min();
            self.reject(from, to, BackupReason::UnfinishedTransaction, text);
        }
    }

    fn reject(&mut self, from: u64, to: u64, reason: BackupReason, text: impl Into<String>) {
        self.rejects.push((from, to));
        self.note(BackupFinding::new(reason, from, text).of_length(to - from));
    }

    pub(super) fn note(&mut self, finding: BackupFinding) {
        self.found += 1;
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }

    /// A whole command: what it settles about losses before it.
    fn command(&mut self, from: u64, to: u64, args: &[&[u8]]) {
        let is = |name: &str| args[0].eq_ignore_ascii_case(name.as_bytes());
        if is("SELECT") {
            if let Some(lost) = self.without_db.take() {
                self.rejects.push((lost, from));
                // A beginning that goes with them leaves its end alone.
                if let Some(open) = &mut self.transaction {
                    open.multis.retain(|(multi, _)| *multi < lost);
                    if open.multis.is_empty() {
                        self.transaction = None;
                        self.unsettled = true;
                    }
                }
            }
            self.db = args.get(1).and_then(|db| decimal(db)).unwrap_or(self.db);
        } else if is("MULTI") {
            self.unsettled = false;
            if self.transaction.as_ref().is_some_and(|open| open.is_damaged) {
                self.without_exec();
            }
            let new = || Transaction { multis: Vec::new(), is_damaged: false };
            self.transaction.get_or_insert_with(new).multis.push((from, to));
        } else if is("EXEC") {
            if std::mem::take(&mut self.unsettled) && self.transaction.is_none() {
                let text = "the beginning of a transaction is lost: its whole commands stay, outside of a transaction";
                self.reject(from, to, BackupReason::BrokenCommand, text);
            }
            if let (Some(lost), Some(open)) = (self.without_db, &mut self.transaction) {
                // It goes, as the database of what came before is not known: so does a beginning that stands before
                // that.
                open.multis.retain(|(multi, _)| *multi < lost);
                self.without_exec();
            }
            self.transaction = None;
        } else if self.without_db.is_some() && is("XADD") {
            let text =
                "an intact record goes: the SELECT before it may be lost, and with it which database it belongs to";
            self.record_that_goes(BackupReason::UnknownDatabase, from, to - from, args, text);
        }
    }

    /// Sound framing around a name that only damage can have made.
    fn misspelt_command(&mut self, at: u64, end: u64, args: &[&[u8]]) {
        // What the name may have been, unless only the argument after it is damaged.
        let shape = (args.len(), args[0].len());
        let is_select = args[0].eq_ignore_ascii_case(b"SELECT");
        // After a SELECT the database is known no more, unless it is the one that is selected.
        let selects = is_select || shape == (2, 6) && decimal(args[1]) != Some(self.db);
        let brackets = shape == (1, 5) || shape == (1, 4);
        let shown: Vec<_> =
            args.iter().take(if is_select || args[0].eq_ignore_ascii_case(b"XGROUP") { 2 } else { 1 }).collect();
        let shown: Vec<_> = shown.into_iter().map(|arg| String::from_utf8_lossy(arg)).collect();
        let text = format!("{:?} is the damaged name of another command", shown.join(" "));
        self.damage(at, at, end, text, selects, brackets || self.transaction.is_some());
    }

    /// Damage: goes on where commands begin again. `None`: what stands after the window decides.
    fn broken(&mut self, window: &mut Window<'_>, at: usize, broken: &Broken) -> Option<usize> {
        let found = window.finder.after(at, broken);
        if window.finder.met_the_end() && !window.last {
            return None;
        }
        self.names.lose();
        let end = found.map_or(window.bytes.len(), |found| found.at);
        let previous = self.previous.map(|previous| (previous - window.offset) as usize);
        let from = match (found.is_some_and(|found| found.includes_previous), previous) {
            (true, Some(previous)) => previous,
            _ => at,
        };
        let proven = found.is_none_or(|found| found.proven);
        if !proven {
            self.unproven_from.get_or_insert(window.offset + end as u64);
        }
        let gap = &window.bytes[from..end];
        let name = first_argument(window.bytes, from).filter(|_| proven);
        let is = |names: &[&str]| {
            name.is_none_or(|name| names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes())))
        };
        // One of the database that is selected anyway is no loss.
        let same = format!("SELECT\r\n${}\r\n{}\r\n", self.db.to_string().len(), self.db);
        let gap = gap.to_ascii_uppercase();
        let differs = |at: usize| !gap[at..].starts_with(same.as_bytes());
        let traces = self.several_dbs || memchr::memmem::find_iter(&gap, b"SELECT").any(differs);
        let selects = is(&["SELECT"]) && traces;
        let brackets = is(&["MULTI", "EXEC"]) || self.transaction.is_some();
        let text = format!("{} (at byte {})", broken.what, window.offset + broken.at as u64);
        let place = |at: usize| window.offset + at as u64;
        self.damage(place(from), place(at), place(end), text, selects, brackets);
        // Otherwise it is one command, and what is within it is an argument.
        if found.is_none_or(|found| !found.proven) {
            self.records_within(&window.bytes[from..end], place(from));
        }
        Some(end)
    }

    fn damage(&mut self, from: u64, seen: u64, end: u64, text: String, may_hide_select: bool, may_hide_brackets: bool) {
        self.rejects.push((from, end));
        self.note(BackupFinding::new(BackupReason::BrokenCommand, seen.max(from), text).of_length(end - from));
        let begin = self.transaction.as_ref().map_or(from, |open| open.multis[0].0);
        self.first_damage = self.first_damage.into_iter().chain([begin]).min();
        match &mut self.transaction {
            Some(open) => open.is_damaged = true,
            None => self.unsettled |= may_hide_brackets,
        }
        if may_hide_select {
            self.without_db.get_or_insert(end);
        }
    }
}

/// The name of a broken command, when it can be read.
fn first_argument(bytes: &[u8], start: usize) -> Option<&[u8]> {
    let line = memchr::memchr(b'\n', bytes.get(start..)?.get(..24)?)?;
    let rest = &bytes[start + line + 1..];
    let end = memchr::memchr(b'\n', &rest[..rest.len().min(6)])?;
    let len = usize::try_from(decimal(rest.get(1..end.checked_sub(1)?)?)?).ok()?;
    let name = rest.get(end + 1..)?.get(..len.min(64))?;
    is_known_name(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::super::plan::{plan_aof, plan_in_windows};
    use super::*;
    use crate::redis::stream::keys::Scope;

    fn command(args: &[&str]) -> Vec<u8> {
        let bulk = |arg: &&str| format!("${}\r\n{arg}\r\n", arg.len());
        format!("*{}\r\n{}", args.len(), args.iter().map(bulk).collect::<String>()).into_bytes()
    }

    #[test]
    fn every_damage_is_counted_and_the_first_are_held() {
        let (sound, damaged) = (command(&["XACK", "k", "g", "1-1"]), command(&["SELECT", "z"]));
        let bytes = [&sound[..], &damaged[..]].concat().repeat(MOST_FINDINGS + 5);
        let plan = plan_aof(&bytes, 0, &Scope::default(), Limits::default());
        assert_eq!((plan.findings.len(), plan.found), (MOST_FINDINGS, MOST_FINDINGS as u64 + 5));
    }

    /// Damage wherever it falls: small windows plan what one window over the whole file does.
    #[test]
    fn windows_do_not_change_the_plan() {
        let mut whole = Vec::new();
        for n in 0..120 {
            let id = format!("{n}-1");
            let long = "x".repeat(400);
            let data = ["{}", "a\r\n*1\r\n$8\r\nFLUSHALL\r\n", &long][n % 3];
            whole.extend(match n % 40 {
                7 => command(&["MULTI"]),
                11 => command(&["EXEC"]),
                20 => command(&["SELECT", if n < 80 { "0" } else { "1" }]),
                30 => b"#TS:1700000000\r\n".to_vec(),
                31 => command(&["INCR", "n"]),
                _ => command(&["XADD", "papyra:a:events", &id, "data", data]),
            });
        }
        let mut state = 5_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (state >> 33) as usize % below
        };
        let mut damaged = 0;
        for round in 0..200 {
            let mut bytes = whole.clone();
            for _ in 0..random(4) {
                let (at, length) = (random(bytes.len()), 1 + random([1, 3, 900][round % 3]));
                let end = (at + length).min(bytes.len());
                match random(3) {
                    0 => drop(bytes.drain(at..end)),
                    1 => bytes[at..end].fill(0),
                    _ => bytes[at..end].iter_mut().for_each(|byte| *byte = random(256) as u8),
                }
            }
            let plan = plan_aof(&bytes, 0, &Scope::default(), Limits::default());
            damaged += usize::from(!plan.is_clean());
            for least in [60, 2000] {
                let windows = plan_in_windows(&bytes, 0, &Scope::default(), Limits::default(), least);
                assert_eq!(windows, plan, "round {round}, windows of {least} bytes");
            }
        }
        assert!(damaged > 100, "{damaged}");
    }
}
