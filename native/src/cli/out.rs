//! Text for people: Papyra's symbols, safe characters, figures that can be read. One place decides what goes where.
//!
//! What comes from a log reaches a terminal only through [`Out`]'s callers having escaped it; colour only where a
//! terminal wants it. A reader that goes away (`| head`) ends the output, not the verdict. What went wrong is told on
//! standard error too unless a person has just read it, so that `>/dev/null` in a job does not silence it.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use clap::{ArgMatches, Args, ValueEnum};
use papyra_core::escape::{escape, safe_json};
use papyra_core::report::Report;
use papyra_core::summary::Counts;
use serde::Serialize;

use super::failure::{ErrorReport, sentence};
use crate::error::{Code, Error, Result};
pub(super) use crate::figures::{bytes, counted, duration, duration_ms, thousands};

/// Flags of every verb that has something to say.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text", ignore_case = true)]
    format: FormatName,

    /// Same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,

    /// Print nothing unless something is wrong, and then on standard error; what was asked for as data (JSON, records)
    /// is printed all the same
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// What to print, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FormatName {
    /// Text for people, with the phrases of Papyra's own tool
    Text,
    /// One JSON document
    Json,
    /// One JSON document per line, for verbs that print records
    Ndjson,
}

/// What to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// JSON.
    Json,
}

/// The name that this command was called by: in a virtual environment `papyra` would be Papyra's own tool.
pub(super) fn called() -> &'static str {
    let name = std::env::args_os().next().unwrap_or_default();
    let name = std::path::Path::new(&name).file_stem().unwrap_or_default();
    if name == "papyractl" { "papyractl" } else { "papyra" }
}

/// A text with the commands in it as they have to be typed here.
fn spoken(text: &str) -> Cow<'_, str> {
    if called() == "papyra" || !text.contains("papyra ") {
        return text.into();
    }
    let groups = ["persistence", "backup", "doctor", "inspect", "inspector", "redis", "metrics", "config"];
    let replace = |text: String, group| text.replace(&format!("papyra {group}"), &format!("papyractl {group}"));
    groups.into_iter().fold(text.to_owned(), replace).into()
}

/// A message on standard error.
pub(super) fn message(text: &str) {
    let text = spoken(text);
    let mut stderr = anstream::AutoStream::auto(io::stderr());
    // Nowhere left to complain to.
    _ = writeln!(stderr, "\x1b[34mℹ\x1b[0m {}", safe(&text));
}

/// Whatever a message was put together from, a library's words included, no line of it moves a cursor.
fn safe(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| escape(line.as_bytes())).collect();
    lines.join("\n")
}

/// What is said of a bad verdict where the verb itself said nothing.
const FOUND: &str = "anomalies were found: the output says where";

/// A line of JSON on standard error.
pub(super) fn report(report: &ErrorReport<'_>) {
    if let Ok(text) = serde_json::to_string(report) {
        // Nowhere left to complain to.
        _ = writeln!(io::stderr(), "{}", spoken(&safe_json(&without_passwords(&text))));
    }
}

/// Standard output, and messages on standard error.
pub(super) struct Out {
    stdout: io::BufWriter<io::Stdout>,
    format: Format,
    lines: bool,
    colour: bool,
    gone: bool,
    failed: Option<io::Error>,
    /// With --quiet, what would have been said.
    held: Option<Vec<u8>>,
    /// The first bad news.
    worst: Option<String>,
}

impl Out {
    /// The output of a verb with these arguments.
    pub(super) fn new(verb: &ArgMatches) -> Out {
        let format = verb.try_get_one("format").ok().flatten().copied().unwrap_or(FormatName::Text);
        let is_set = |flag: &str| verb.try_get_one(flag).ok().flatten().copied().unwrap_or(false);
        let quiet = is_set("quiet");
        let colour = match quiet {
            true => anstream::AutoStream::choice(&io::stderr()),
            false => anstream::AutoStream::choice(&io::stdout()),
        };
        Out {
            stdout: io::BufWriter::with_capacity(1 << 16, io::stdout()),
            format: if is_set("json") || format != FormatName::Text { Format::Json } else { Format::Text },
            lines: format == FormatName::Ndjson,
            colour: colour != anstream::ColorChoice::Never,
            gone: false,
            failed: None,
            held: quiet.then(Vec::new),
            worst: None,
        }
    }

    /// What to print.
    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// Whether JSON is to be a document a line.
    pub(super) fn is_lines(&self) -> bool {
        self.lines
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
        self.worst.get_or_insert_with(|| text.to_owned());
        self.marked("31", "✖", text);
    }

    fn marked(&mut self, colour: &str, symbol: &str, text: &str) {
        let line = self.with_mark(colour, symbol, text);
        self.say(&line);
    }

    fn with_mark(&self, colour: &str, symbol: &str, text: &str) -> String {
        let text = spoken(text);
        if self.colour { format!("\x1b[{colour}m{symbol}\x1b[0m {text}") } else { format!("{symbol} {text}") }
    }

    fn say(&mut self, line: &str) {
        match &mut self.held {
            Some(held) => {
                held.extend_from_slice(line.as_bytes());
                held.push(b'\n');
            }
            None => self.line(line),
        }
    }

    /// A line of what was asked for, with the mark of news; --quiet does not hold it back.
    pub(super) fn listed(&mut self, text: &str) {
        let line = self.with_mark("34", "ℹ", text);
        self.line(&line);
    }

    /// More about the line before.
    pub(super) fn detail(&mut self, text: &str) {
        let (dim, normal) = if self.colour { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
        self.say(&format!("    {dim}{}{normal}", spoken(text)));
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
        self.line(&safe_json(&text));
        Ok(())
    }

    /// A message that is no part of the output.
    pub(super) fn message(&mut self, text: &str) {
        if self.held.is_none() {
            message(text);
        }
    }

    /// Shows what was said so far, for a command that goes on.
    pub(super) fn flush(&mut self) {
        // A failure shows when the output is closed.
        _ = self.stdout.flush();
        if let Some(held) = self.held.as_mut().filter(|_| self.worst.is_some()) {
            _ = anstream::AutoStream::auto(io::stderr()).write_all(held);
            held.clear();
        }
    }

    /// Why the command failed.
    pub(super) fn failure(&mut self, error: &Error) {
        _ = self.stdout.flush();
        let held = self.held.take().unwrap_or_default();
        let mut stderr = anstream::AutoStream::auto(io::stderr());
        _ = stderr.write_all(&held);
        match self.format {
            Format::Text => {
                let text = safe(&spoken(&without_passwords(&sentence(error))));
                _ = writeln!(stderr, "\x1b[31m✖\x1b[0m {text}");
            }
            Format::Json => report(&ErrorReport::new(error)),
        }
    }

    /// Tells standard error of bad news: with --quiet all that was held back, else the first of it, unless a person at
    /// a terminal has read it already. The exit code is 0 where the verdict is a good one.
    pub(super) fn verdict(&mut self, code: u8) {
        let held = self.held.take();
        if self.format == Format::Json {
            if code != 0 {
                report(&ErrorReport::verdict(code, FOUND));
            }
            return;
        }
        let mut stderr = anstream::AutoStream::auto(io::stderr());
        match held {
            Some(held) if code != 0 || self.worst.is_some() => _ = stderr.write_all(&held),
            Some(_) => {}
            None if code == 0 || io::stdout().is_terminal() && io::stderr().is_terminal() => {}
            None => {
                let worst = self.worst.as_deref().unwrap_or(FOUND);
                _ = writeln!(stderr, "\x1b[31m✖\x1b[0m {}", worst.trim_end_matches(':'));
            }
        }
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

/// A message without the passwords that addresses in it hold, whoever wrote them where.
pub(super) fn without_passwords(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ';');
        let (address, more) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        let host = address.split(['?', '#']).next().unwrap_or_default();
        let mut shown = match host.rfind('@') {
            Some(at) if !host[..at].ends_with(":***") => format!("***{}", &address[at..]),
            _ => address.to_owned(),
        };
        for name in ["pass=", "password="] {
            if let Some(from) = shown.find(name).map(|at| at + name.len()) {
                let to = shown[from..].find('&').map_or(shown.len(), |end| from + end);
                shown.replace_range(from..to, "***");
            }
        }
        out.push_str(&shown);
        rest = more;
    }
    out.push_str(rest);
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
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

/// JSON lines are for records.
pub(super) fn no_lines() -> Error {
    let text =
        "--format ndjson is for records (papyra inspect events, audits or dead-letters) and for papyra scan --follow";
    Error::new(Code::Usage, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_shows_a_password() {
        for (text, shown) in [
            ("cannot open redis://u:pw@h/0: no", "cannot open redis://***@h/0: no"),
            ("'rediss://:p@w@h:1/0' found", "'rediss://***@h:1/0' found"),
            ("at redis://me:***@h:1/0; look", "at redis://me:***@h:1/0; look"),
            ("unix:///s?user=me&pass=pw&db=1 x", "unix:///s?user=me&pass=***&db=1 x"),
            ("s3://bucket/prefix and http://h/a?b", "s3://bucket/prefix and http://h/a?b"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }
}
