//! How the reading of an RDB file or payload ends: is it intact, damaged, or beyond this reader?
//!
//! The checksum decides. Where it holds, bytes that could not be followed are an [`Error`]; where it does not, a
//! [`BackupFinding`].

use super::header::{Checksum, RdbSummary};
use super::reader::{Form, RdbReader, State};
use crate::redis::error::{Error, ErrorKind, Problem};
use crate::redis::finding::{BackupFinding, BackupReason};
use crate::redis::visit::Visitor;

impl RdbReader {
    /// Ends the reading of a file that goes on after the backup's end, which was reached.
    pub(crate) fn finish_at_end<V: Visitor>(mut self, visitor: &mut V) -> Result<RdbSummary, Error> {
        self.pushed = self.end.unwrap_or(self.pushed);
        self.finish(visitor)
    }

    /// Ends the reading: judges the checksum and what was left open.
    ///
    /// # Errors
    /// The bytes are of another format, or of a version or type that is not known, or intact and not understood.
    pub fn finish<V: Visitor>(mut self, visitor: &mut V) -> Result<RdbSummary, Error> {
        let checksum = self.checksum();
        let mut tell = |finding| {
            if self.flow.is_continue() {
                self.flow = visitor.finding(finding);
            }
        };
        let lost = match std::mem::replace(&mut self.state, State::End) {
            State::Lost(at, problem) => Some((at, problem, BackupReason::BrokenStructure)),
            State::End | State::Drain => None,
            open => Some((self.offset, cut_short(&open, self.pushed), BackupReason::Truncated)),
        };
        let intact = checksum == Checksum::Verified;
        if let Some((at, problem, reason)) = &lost {
            let names_a_limit = matches!(problem.kind, ErrorKind::UnknownType(_) | ErrorKind::TooLarge(_));
            let hopeless = matches!(problem.kind, ErrorKind::NotRecognised | ErrorKind::UnknownVersion(_));
            if hopeless || intact || (names_a_limit && checksum != Checksum::Mismatch) {
                return Err(Error::new(*at, problem.clone()));
            }
            tell(BackupFinding::new(*reason, *at, problem.detail.clone()).of_length(self.pushed.saturating_sub(*at)));
        } else if let Some((at, problem)) = self.broken_node.filter(|_| intact) {
            return Err(Error::new(at, problem));
        } else if checksum == Checksum::Mismatch {
            let at = self.end.unwrap_or(self.pushed).saturating_sub(8);
            let text = "the checksum at the end is not that of the bytes before it";
            tell(BackupFinding::new(BackupReason::ChecksumMismatch, at, text).of_length(8));
        }
        if let Some(end) = self.end.filter(|&end| lost.is_none() && end < self.pushed) {
            let more = self.pushed - end;
            tell(
                BackupFinding::new(BackupReason::TrailingBytes, end, format!("{more} bytes follow the end"))
                    .of_length(more),
            );
        }
        Ok(RdbSummary {
            header: self.header,
            checksum,
            bytes: self.pushed,
            end: self.end.filter(|_| lost.is_none()),
            keys: self.keys,
            streams: self.streams,
            lost_at: lost.map(|(at, ..)| at),
            last_key: Some(self.current.offset).filter(|_| self.keys > 0),
        })
    }

    fn checksum(&self) -> Checksum {
        let has_one = self.form == Form::Dump || self.header.is_some_and(|h| h.version >= 5);
        if self.form == Form::Part {
            return Checksum::NotReached;
        }
        if !has_one {
            return if matches!(self.state, State::End) { Checksum::NotChecksummed } else { Checksum::NotReached };
        }
        match self.crc.split() {
            None => Checksum::NotReached,
            Some((_, 0)) => Checksum::NotChecksummed,
            Some((computed, stored)) if computed == stored => Checksum::Verified,
            Some(_) => Checksum::Mismatch,
        }
    }
}

fn cut_short(state: &State, total: u64) -> Problem {
    let section = match state {
        State::Header if total == 0 => {
            return Problem::structure("the file is empty: a server does not start on it");
        }
        State::Header => "the header",
        State::Opcode => "the list of keys",
        State::Skip(_) | State::Templated => "a value that is not a stream",
        State::Template => "a hash template",
        State::Stream(stream) => stream.section(),
        State::DumpType => "the payload's type",
        State::DumpEnd | State::Trailer => "the checksum",
        State::Drain | State::End | State::Lost(..) => "the file",
    };
    Problem::structure(format!("the bytes end inside {section}"))
}
