//! What to keep of an append-only file: ranges of bytes that stay and ranges that go.
//!
//! Only what is damaged goes, with what cannot be trusted because of it: a transaction of which a part is lost, commands after a SELECT that may
//! be lost (up to the next one), the rest after damage where no command can be found again. Kept and rejected ranges tile the file. Whether later
//! commands on keys that are no Papyra streams may stay is for a person to say, see [`Later`].
//!
//! The file lies in memory (or is mapped): searching goes back and forth in it.

use serde::Serialize;

use super::aof_later::{Later, LaterCommands};
use super::command::{is_known_name, unknown};
use super::finding::{Finding, Reason};
use super::header::Limits;
use super::id::decimal;
use super::keys::Scope;
use super::resp::Command;
use super::resync::{Finder, Item, known};

/// A stretch of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stretch {
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
    pub stretches: Vec<Stretch>,
    /// What is wrong, one finding a place.
    pub findings: Vec<Finding>,
    /// Set when later commands may be kept only if someone says so; the other way out is to cut the file at `truncate_at`.
    pub later: Option<Later>,
    /// Where a plain truncation would cut: the start of the first damage, or of the transaction around it.
    pub truncate_at: u64,
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

    /// The same file cut at the first damage, as `redis-check-aof --fix` would.
    pub fn truncated(&self) -> Self {
        let total = self.stretches.iter().map(|stretch| stretch.length).sum();
        let rejects = if self.is_clean() { vec![] } else { vec![(self.truncate_at, total)] };
        Self { stretches: tiles(rejects, total), later: None, ..self.clone() }
    }
}

/// Plans for the commands of `bytes` from `start` on (the end of an RDB file at the front, else 0).
pub fn plan_aof(bytes: &[u8], start: u64, scope: &Scope, limits: Limits) -> AofPlan {
    let total = bytes.len() as u64;
    let mut planner = Planner {
        bytes,
        finder: Finder::new(bytes, limits.unit),
        rejects: Vec::new(),
        findings: Vec::new(),
        db: 0,
        previous: None,
        transaction: None,
        unsettled: None,
        without_db: None,
        several_dbs: several_databases(bytes),
        unproven_from: None,
    };
    planner.run(usize::try_from(start).unwrap_or(bytes.len()).min(bytes.len()));
    let (rejects, findings) = (planner.rejects, planner.findings);
    let first = rejects.iter().map(|reject| reject.0).min();
    let stretches = tiles(rejects, total);
    let later = first.and_then(|first| later(bytes, first, &stretches, scope, limits, planner.unproven_from));
    AofPlan { stretches, findings, later, truncate_at: first.unwrap_or(total) }
}

struct Planner<'a> {
    bytes: &'a [u8],
    finder: Finder<'a>,
    rejects: Vec<(u64, u64)>,
    findings: Vec<Finding>,
    db: u64,
    /// Where the command before begins.
    previous: Option<usize>,
    /// Where the open MULTI stands.
    transaction: Option<usize>,
    /// After damage, until a MULTI or EXEC shows whether a transaction was open: where commands were found again.
    unsettled: Option<usize>,
    /// After a SELECT that may be lost: where commands were found again.
    without_db: Option<usize>,
    several_dbs: bool,
    unproven_from: Option<usize>,
}

impl<'a> Planner<'a> {
    fn run(&mut self, start: usize) {
        let mut at = start;
        while at < self.bytes.len() {
            at = match self.finder.item(at) {
                Item::Command { length, args } if known(at, length, &args) => {
                    self.command(at, at + length, &args);
                    self.previous = Some(at);
                    at + length
                }
                Item::Command { length, args } => self.unknown_command(at, at + length, &args),
                Item::Note { length } => {
                    self.previous = None;
                    at + length
                }
                Item::Torn => {
                    let text = "the file ends inside a command";
                    self.reject(at, self.bytes.len(), Reason::TornTail, text);
                    break;
                }
                Item::Broken(broken) => {
                    let end = self.broken(at, &broken);
                    self.previous = None;
                    end
                }
            };
        }
        if let Some(from) = self.without_db {
            self.rejects.push((from as u64, self.bytes.len() as u64));
        }
        if let Some(from) = self.transaction {
            let text = "a transaction was begun and not executed: its commands do not count";
            self.reject(from, self.bytes.len(), Reason::UnfinishedTransaction, text);
        }
    }

    fn reject(&mut self, from: usize, to: usize, reason: Reason, text: impl Into<String>) {
        self.rejects.push((from as u64, to as u64));
        self.findings.push(Finding::new(reason, from as u64, text).of_length((to - from) as u64));
    }

    /// A whole command: what it settles about losses before it.
    fn command(&mut self, at: usize, end: usize, args: &[&[u8]]) {
        let is = |name: &str| args[0].eq_ignore_ascii_case(name.as_bytes());
        if is("SELECT") {
            if let Some(from) = self.without_db.take() {
                self.rejects.push((from as u64, at as u64));
            }
            self.db = args.get(1).and_then(|db| decimal(db)).unwrap_or(self.db);
        } else if is("MULTI") {
            self.unsettled = None;
            self.transaction.get_or_insert(at);
        } else if is("EXEC") {
            // An EXEC whose MULTI is lost: all of its transaction that is left goes.
            if let (Some(from), None) = (self.unsettled.take(), self.transaction) {
                self.reject(from, end, Reason::BrokenCommand, "a transaction of which a part is lost");
            }
            self.transaction = None;
        }
    }

    /// Sound framing around a name that no server writes: the name is damaged.
    fn unknown_command(&mut self, at: usize, end: usize, args: &[&[u8]]) -> usize {
        // What the name may have been, unless only the argument after it is damaged.
        let named = is_known_name(args[0]) && !args[0].eq_ignore_ascii_case(b"SELECT");
        let shape = if named { (0, 0) } else { (args.len(), args[0].len()) };
        // After a SELECT the database is known no more, unless it is the one that is selected.
        let selects = shape == (2, 6) && decimal(args[1]) != Some(self.db);
        let brackets = shape == (1, 5) || shape == (1, 4);
        self.damage(at, at, end, Reason::BrokenCommand, unknown(args), selects, brackets || self.transaction.is_some());
        self.previous = None;
        end
    }

    fn broken(&mut self, at: usize, broken: &super::resp::Broken) -> usize {
        let found = self.finder.after(at, broken);
        let end = found.map_or(self.bytes.len(), |found| found.at);
        let from = match (found.is_some_and(|found| found.includes_previous), self.previous) {
            (true, Some(previous)) => previous,
            _ => at,
        };
        let proven = found.is_none_or(|found| found.proven);
        if !proven {
            self.unproven_from.get_or_insert(end);
        }
        let gap = &self.bytes[from..end];
        let name = self.first_argument(from).filter(|_| proven);
        let is = |names: &[&str]| {
            name.is_none_or(|name| names.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes())))
        };
        let traces = self.several_dbs || memchr::memmem::find(&gap.to_ascii_uppercase(), b"SELECT").is_some();
        let selects = is(&["SELECT"]) && traces;
        let brackets = is(&["MULTI", "EXEC"]) || self.transaction.is_some();
        let text = format!("{} (at byte {})", broken.what, broken.at);
        self.damage(from, at, end, Reason::BrokenCommand, text, selects, brackets);
        end
    }

    /// The name of a broken command, when it can be read.
    fn first_argument(&self, start: usize) -> Option<&'a [u8]> {
        let line = memchr::memchr(b'\n', self.bytes.get(start..)?.get(..24)?)?;
        let rest = &self.bytes[start + line + 1..];
        let end = memchr::memchr(b'\n', &rest[..rest.len().min(6)])?;
        let len = usize::try_from(decimal(rest.get(1..end.checked_sub(1)?)?)?).ok()?;
        let name = rest.get(end + 1..)?.get(..len.min(64))?;
        is_known_name(name).then_some(name)
    }

    #[allow(clippy::too_many_arguments)]
    fn damage(
        &mut self,
        from: usize,
        seen: usize,
        end: usize,
        reason: Reason,
        text: String,
        may_hide_select: bool,
        may_hide_brackets: bool,
    ) {
        self.rejects.push((from as u64, end as u64));
        let finding = Finding::new(reason, seen.max(from) as u64, text).of_length((end - from) as u64);
        self.findings.push(finding);
        if let Some(multi) = self.transaction.take() {
            self.rejects.push((multi as u64, from as u64));
        }
        if may_hide_brackets {
            // Damaged twice before anything showed whether a transaction is open: what lies between may be a part of it.
            self.unsettled.get_or_insert(end);
        }
        if may_hide_select {
            self.without_db.get_or_insert(end);
        }
    }
}

/// Does the file select more than one database? What looks like it inside a payload counts too: better safe.
fn several_databases(bytes: &[u8]) -> bool {
    let mut first: Option<&[u8]> = None;
    for at in memchr::memmem::find_iter(bytes, b"\r\nSELECT\r\n$") {
        let rest = &bytes[at + 11..];
        let line = &rest[..rest.len().min(16)];
        let Some(db) = line.split(|&byte| byte == b'\n').nth(1) else { continue };
        match first {
            None => first = Some(db),
            Some(other) if other != db => return true,
            Some(_) => {}
        }
    }
    first.is_some_and(|db| db != b"0\r")
}

/// Makes kept and rejected stretches of ranges that may overlap.
fn tiles(mut rejects: Vec<(u64, u64)>, total: u64) -> Vec<Stretch> {
    rejects.sort_unstable();
    let mut out: Vec<Stretch> = Vec::new();
    let mut at = 0;
    let mut add = |from: u64, to: u64, keep: bool| {
        if to <= from {
            return;
        }
        match out.last_mut() {
            Some(last) if last.keep == keep => last.length += to - from,
            _ => out.push(Stretch { offset: from, length: to - from, keep }),
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

/// What someone must decide about the kept commands after the first damage.
fn later(
    bytes: &[u8],
    first: u64,
    stretches: &[Stretch],
    scope: &Scope,
    limits: Limits,
    unproven_from: Option<usize>,
) -> Option<Later> {
    let mut seen = LaterCommands::new(scope.clone());
    let mut finder = Finder::new(bytes, limits.unit);
    for stretch in stretches.iter().filter(|stretch| stretch.keep && stretch.offset >= first) {
        let (mut at, end) = (stretch.offset as usize, (stretch.offset + stretch.length) as usize);
        while at < end {
            at += match finder.item(at) {
                Item::Command { length, args } => {
                    let command = Command { offset: at as u64, length: length as u64, args: &args };
                    seen.see(&command, unproven_from.is_some_and(|from| at >= from));
                    length
                }
                Item::Note { length } => length,
                Item::Torn | Item::Broken(_) => break,
            };
        }
    }
    seen.found()
}
