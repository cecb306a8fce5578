//! Text for people: Papyra's symbols, safe characters, figures that can be read.
//!
//! What comes from a log reaches a terminal only through [`Out`]'s callers having escaped it; colour only where a
//! terminal wants it. A reader that goes away (`| head`) ends the output, not the verdict.

use std::io::{self, Write};

use papyra_core::report::Report;
use papyra_core::summary::Counts;
use serde::Serialize;

use crate::error::{Code, Error, Result};
pub(super) use crate::figures::{bytes, counted, duration, duration_ms, thousands};

/// A message on standard error.
pub(super) fn message(text: &str) {
    let mut stderr = anstream::AutoStream::auto(io::stderr());
    // Nowhere left to complain to.
    _ = writeln!(stderr, "\x1b[34mℹ\x1b[0m {text}");
}

/// Standard output, and messages on standard error.
pub(super) struct Out {
    stdout: io::BufWriter<io::Stdout>,
    colour: bool,
    gone: bool,
    failed: Option<io::Error>,
}

impl Out {
    pub(super) fn new() -> Out {
        let colour = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
        Out { stdout: io::BufWriter::with_capacity(1 << 16, io::stdout()), colour, gone: false, failed: None }
    }

    /// Good news.
    pub(super) fn success(&mut self, text: &str) {
        self.marked("32", "✔", text);
    }

    /// News.
    pub(super) fn info(&mut self, text: &str) {
        self.marked("34", "ℹ", text);
    }

    /// Bad news.
    pub(super) fn bad(&mut self, text: &str) {
        self.marked("31", "✖", text);
    }

    fn marked(&mut self, colour: &str, symbol: &str, text: &str) {
        if self.colour {
            self.line(&format!("\x1b[{colour}m{symbol}\x1b[0m {text}"));
        } else {
            self.line(&format!("{symbol} {text}"));
        }
    }

    /// More about the line before.
    pub(super) fn detail(&mut self, text: &str) {
        let (dim, normal) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        self.line(&format!("    {dim}{text}{normal}"));
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) {
        self.raw(text.as_bytes());
        self.raw(b"\n");
    }

    /// Bytes as they are. `false` once nobody reads any more.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> bool {
        if !self.gone
            && let Err(error) = self.stdout.write_all(bytes)
        {
            self.gone = true;
            self.failed = (error.kind() != io::ErrorKind::BrokenPipe).then_some(error);
        }
        !self.gone
    }

    /// One JSON document, alone on standard output.
    pub(super) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Error::new(Code::Io, format!("cannot write the report: {error}")))?;
        self.line(&text);
        Ok(())
    }

    /// A message that is no part of the output.
    pub(super) fn message(&mut self, text: &str) {
        message(text);
    }

    /// Shows what was said so far, for a command that goes on.
    pub(super) fn flush(&mut self) {
        // A failure shows when the output is closed.
        _ = self.stdout.flush();
    }

    /// Why the command failed.
    pub(super) fn failure(&mut self, error: &Error) {
        _ = self.stdout.flush();
        let mut stderr = anstream::AutoStream::auto(io::stderr());
        _ = writeln!(stderr, "\x1b[31m✖\x1b[0m {error}");
    }

    /// Flushes; fails when the output could not be written for a reason other than a reader that went away.
    pub(super) fn close(&mut self) -> Result<()> {
        if let Err(error) = self.stdout.flush()
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            self.failed.get_or_insert(error);
        }
        match self.failed.take() {
            Some(error) => Err(Error::new(Code::Io, format!("writing the output failed: {error}"))),
            None => Ok(()),
        }
    }
}

/// `30 events, 2 audits, 3 dead letters`
pub(super) fn records(counts: &Counts) -> String {
    let named = [
        (counts.event, "event", "events"),
        (counts.audit, "audit", "audits"),
        (counts.dead_letter, "dead letter", "dead letters"),
        (counts.other, "record of another kind", "records of other kinds"),
    ];
    let parts: Vec<String> = named
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| counted(count, one, many))
        .collect();
    if parts.is_empty() { "0 records".into() } else { parts.join(", ") }
}

/// `1 anomaly`, `3 anomalies`
pub(super) fn anomalies(count: u64) -> String {
    counted(count, "anomaly", "anomalies")
}

/// The span of a history's clock; with dates when it can be Unix time.
pub(super) fn time_span(report: &Report) -> Option<String> {
    let (first, last) = (report.totals.first_timestamp?, report.totals.last_timestamp?);
    let date = |seconds: f64| -> Option<String> {
        let time = jiff::Timestamp::from_millisecond((seconds * 1e3) as i64).ok()?;
        Some(time.strftime("%Y-%m-%d %H:%M:%S").to_string())
    };
    if first >= 1e9
        && last >= 1e9
        && let (Some(from), Some(to)) = (date(first), date(last))
    {
        return Some(format!("{from} to {to} UTC ({first:.3} to {last:.3})"));
    }
    Some(format!("{first:.3} to {last:.3} s on the runtime's clock"))
}
