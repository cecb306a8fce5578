//! Append-only files, fed in chunks: commands with their offsets, and where they end or break.
//!
//! A file may begin with a whole RDB file (Redis 4 to 6, and every base of a folder); what it holds goes to the same
//! visitor. The reader keeps the one command that is not complete yet. What the commands do is `replay`'s affair, what
//! to keep of a broken file `plan`'s.

use serde::Serialize;

use super::resp::{Broken, Command, Parsed, parse};
use crate::redis::error::{Error, ErrorKind, Problem};
use crate::redis::finding::{BackupFinding, BackupReason};
use crate::redis::rdb::header::{Limits, RdbSummary};
use crate::redis::rdb::reader::RdbReader;
use crate::redis::visit::{Flow, Visitor};

/// What is known when the bytes have ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AofSummary {
    /// Bytes that were pushed.
    pub bytes: u64,
    /// Whole commands, `MULTI` and the like included.
    pub commands: u64,
    /// The first and the last `#TS:` annotation, in Unix seconds.
    pub first_timestamp: Option<i64>,
    /// See above.
    pub last_timestamp: Option<i64>,
    /// Everything before this offset is whole.
    pub whole_to: u64,
    /// The file ends inside a command, or bytes that are no command follow.
    pub broken_at: Option<u64>,
    /// The `MULTI` that has no `EXEC`.
    pub open_transaction: Option<u64>,
    /// The RDB file at the start, if there is one.
    pub preamble: Option<RdbSummary>,
}

#[derive(Debug)]
enum State {
    Start,
    Preamble(Box<RdbReader>),
    Commands,
    Lost(u64, Broken),
}

/// Reads an append-only file that is pushed in chunks.
#[derive(Debug)]
pub struct AofReader {
    limits: Limits,
    state: State,
    held: Vec<u8>,
    need: usize,
    offset: u64,
    pushed: u64,
    args: Vec<std::ops::Range<usize>>,
    summary: AofSummary,
    failed: Option<Error>,
    flow: Flow,
    /// It is known to be an append-only file, whatever it begins with.
    is_certain: bool,
}

impl AofReader {
    /// A reader of a whole file.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Start,
            held: Vec::new(),
            need: 0,
            offset: 0,
            pushed: 0,
            args: Vec::new(),
            summary: AofSummary::default(),
            failed: None,
            flow: Flow::Continue(()),
            is_certain: false,
        }
    }

    /// A reader of a file that a manifest calls incremental: when it does not begin like an append-only file, it is
    /// damaged there.
    pub fn incremental(limits: Limits) -> Self {
        Self { is_certain: true, ..Self::new(limits) }
    }

    /// A reader of a stretch of commands that begins at `offset` of its file.
    pub fn part(offset: u64, limits: Limits) -> Self {
        Self { state: State::Commands, offset, pushed: offset, ..Self::new(limits) }
    }

    /// Does a file that begins so look like one for this reader? A few bytes are enough.
    pub fn recognises(start: &[u8]) -> bool {
        match start.first() {
            Some(b'*') => start.get(1).is_none_or(u8::is_ascii_digit),
            Some(b'#') => b"#TS:".starts_with(&start[..start.len().min(4)]),
            _ => false,
        }
    }

    /// Takes the next bytes.
    pub fn push<V: Visitor>(&mut self, chunk: &[u8], visitor: &mut V) -> Flow {
        self.flow?;
        self.pushed += chunk.len() as u64;
        let mut rest = chunk;
        while !rest.is_empty() && self.flow.is_continue() {
            match &mut self.state {
                State::Start => rest = self.start(rest),
                State::Preamble(reader) => {
                    let before = reader.pushed();
                    self.flow = reader.push(rest, visitor);
                    match reader.end() {
                        Some(end) => {
                            rest = &rest[usize::try_from(end - before).unwrap_or(rest.len()).min(rest.len())..];
                            self.offset = end;
                            self.leave_preamble(visitor);
                        }
                        None => rest = &[],
                    }
                }
                State::Commands => rest = self.commands(rest, visitor),
                State::Lost(..) => rest = &[],
            }
        }
        self.flow
    }

    /// Waits for the bytes that tell an RDB file from commands, and hands them on.
    fn start<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        match rest[0] {
            b'R' | b'V' => self.state = State::Preamble(Box::new(RdbReader::new(self.limits))),
            _ => self.state = State::Commands,
        }
        rest
    }

    fn leave_preamble<V: Visitor>(&mut self, visitor: &mut V) {
        let State::Preamble(reader) = std::mem::replace(&mut self.state, State::Commands) else { return };
        match reader.finish_at_end(visitor) {
            Ok(summary) => self.summary.preamble = Some(summary),
            Err(error) => self.failed = Some(error),
        }
    }

    fn commands<'a, V: Visitor>(&mut self, rest: &'a [u8], visitor: &mut V) -> &'a [u8] {
        if self.held.is_empty() {
            let used = self.run(rest, visitor);
            if matches!(self.state, State::Commands) && self.flow.is_continue() {
                self.held.extend_from_slice(&rest[used..]);
            }
            return &[];
        }
        // A command of many arguments asks for a little more at each of them: let what is held double, so that it is
        // not read from its start each time.
        let want = self.need.saturating_sub(self.held.len()).max(self.held.len()).clamp(1, rest.len());
        self.held.extend_from_slice(&rest[..want]);
        if self.held.len() >= self.need {
            let mut held = std::mem::take(&mut self.held);
            let used = self.run(&held, visitor);
            held.drain(..used);
            self.held = held;
        }
        &rest[want..]
    }

    fn run<V: Visitor>(&mut self, bytes: &[u8], visitor: &mut V) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.flow.is_continue() {
            let used = match parse(bytes, at, self.limits.unit, &mut self.args) {
                Parsed::More(need) => {
                    self.need = need;
                    break;
                }
                Parsed::Broken(broken) => {
                    self.state = State::Lost(self.offset + at as u64, Broken { at: broken.at - at, ..broken });
                    break;
                }
                Parsed::Note(used, time) => {
                    if let Some(time) = time {
                        self.summary.first_timestamp.get_or_insert(time);
                        self.summary.last_timestamp = Some(time);
                        visitor.timestamp(self.offset + at as u64, time);
                    }
                    used
                }
                Parsed::Command(used) => {
                    let args: Vec<&[u8]> = self.args.iter().map(|range| &bytes[range.clone()]).collect();
                    let offset = self.offset + at as u64;
                    self.command(&Command { offset, length: used as u64, args: &args }, visitor);
                    used
                }
            };
            at += used;
        }
        self.offset += at as u64;
        at
    }

    fn command<V: Visitor>(&mut self, command: &Command<'_>, visitor: &mut V) {
        self.summary.commands += 1;
        if command.is("MULTI") {
            self.summary.open_transaction.get_or_insert(command.offset);
        } else if command.is("EXEC") {
            self.summary.open_transaction = None;
        }
        self.flow = visitor.command(command);
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// As [`RdbReader::finish`] for an RDB file at the start; and bytes that do not begin like an append-only file.
    pub fn finish<V: Visitor>(mut self, visitor: &mut V) -> Result<AofSummary, Error> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.summary.bytes = self.pushed;
        self.summary.whole_to = self.offset;
        let rest = self.pushed - self.offset;
        match self.state {
            State::Preamble(reader) => {
                let summary = reader.finish(visitor)?;
                self.summary.broken_at = Some(summary.lost_at.unwrap_or(self.pushed));
                self.summary.preamble = Some(summary);
                return Ok(self.summary);
            }
            State::Lost(0, broken) if broken.at == 0 && !self.is_certain => {
                let text = "neither a command nor an RDB file stands at the start";
                return Err(Error::new(0, Problem::unknown(ErrorKind::NotRecognised, text)));
            }
            State::Lost(at, broken) => {
                let text = format!("{} (byte {} of the command)", broken.what, broken.at);
                self.summary.broken_at = Some(at);
                let _ = visitor.finding(BackupFinding::new(BackupReason::BrokenCommand, at, text).of_length(rest));
            }
            _ if rest > 0 && self.flow.is_continue() => {
                let text = format!("the file ends inside a command, after {rest} of its bytes");
                self.summary.broken_at = Some(self.offset);
                let _ = visitor.finding(BackupFinding::new(BackupReason::TornTail, self.offset, text).of_length(rest));
            }
            _ => {}
        }
        if let Some(at) = self.summary.open_transaction.filter(|_| self.flow.is_continue()) {
            let text = "a transaction was begun and not executed";
            let _ = visitor
                .finding(BackupFinding::new(BackupReason::UnfinishedTransaction, at, text).of_length(self.pushed - at));
        }
        Ok(self.summary)
    }
}
