//! `papyra persistence scan --follow`: a live log, validated as it grows.
//!
//! A line is judged when its newline is there; one that is left unfinished for a second is told too. A log that is
//! rotated is read to its end, then the new one from its start.

use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use papyra_core::escape::escape;
use papyra_core::finding::Finding;
use papyra_core::scan::{Flow, Scanner, Sink};
use serde::Serialize;

use super::out::{Format, Out, counted};
use super::shown;
use super::verdict::Verdict;
use crate::disk::{self, File};
use crate::error::{Error, Result};

/// What to do about damage in a log that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Damage {
    /// Print the first anomaly and exit with 2
    Exit,
    /// Print each anomaly and go on
    Print,
}

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// A last line that has not grown for so long is unfinished.
const PATIENCE: Duration = Duration::from_secs(1);

/// A finding of a log that is followed, as JSON.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub(super) struct Followed<'a> {
    schema: &'static str,
    tool: &'static str,
    path: &'a str,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// The file that the log's path led to, read so far.
struct Reading {
    file: File,
    scanner: Scanner,
    /// Where the last line begins.
    line: u64,
    /// Since when it has not grown; `None` when it is finished, or was told of.
    unfinished: Option<Instant>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Sink for Findings {
    fn finding(&mut self, finding: &Finding) -> Flow {
        self.0.push(finding.clone());
        Flow::Continue(())
    }
}

/// Follows the log until it is damaged, or for good.
pub(super) fn run(path: &Path, damage: Damage, out: &mut Out) -> Result<Verdict> {
    let mut reading = Reading::open(path)?;
    loop {
        let mut findings = Findings::default();
        let grew = reading.read_on(path, &mut findings)?;
        let rotated = reading.is_replaced(path)?;
        if let Some(new) = rotated {
            // What was written between the last look and the rotation.
            reading.read_on(path, &mut findings)?;
            reading.scanner.finish(&mut findings);
            reading = new;
        } else if !grew && reading.is_stuck() {
            // Told of as it stands; should it be finished later, it is judged then.
            let length = reading.scanner.offset() - reading.line;
            tell_unfinished(path, reading.line, length, out);
            if damage == Damage::Exit {
                return Ok(Verdict::Anomalies);
            }
        }
        for finding in &findings.0 {
            tell(path, finding, out)?;
        }
        if damage == Damage::Exit && !findings.0.is_empty() {
            return Ok(Verdict::Anomalies);
        }
        out.flush();
        if !out.raw(b"") {
            return Ok(Verdict::Fine);
        }
        if !grew {
            std::thread::sleep(PAUSE);
        }
    }
}

impl Reading {
    fn open(path: &Path) -> Result<Reading> {
        let file = disk::open(path).map_err(|error| Error::cannot_open(path, error))?;
        Ok(Reading { file, scanner: Scanner::new(0, 0), line: 0, unfinished: None })
    }

    /// Reads what was added. Returns whether anything was.
    fn read_on(&mut self, path: &Path, findings: &mut Findings) -> Result<bool> {
        let mut buffer = vec![0; 1 << 16];
        let begun = self.scanner.offset();
        loop {
            let read = match self.file.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::cannot_read(path, self.scanner.offset(), &error)),
            };
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
            if let Some(end) = memchr::memrchr(b'\n', bytes) {
                self.line = self.scanner.offset() + end as u64 + 1;
            }
            _ = self.scanner.push(bytes, findings);
            self.unfinished = (self.line < self.scanner.offset()).then(Instant::now);
        }
        Ok(self.scanner.offset() > begun)
    }

    /// Whether the last line was left unfinished. True once for each such line.
    fn is_stuck(&mut self) -> bool {
        let stuck = self.unfinished.is_some_and(|since| since.elapsed() >= PATIENCE);
        if stuck {
            self.unfinished = None;
        }
        stuck
    }

    /// The file that the path leads to now, if it is another one or was cut.
    fn is_replaced(&self, path: &Path) -> Result<Option<Reading>> {
        let now = match disk::stat(path) {
            Ok(now) => now,
            // In the middle of a rotation.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::cannot_open(path, error)),
        };
        let ours = self.file.stat().map_err(|error| Error::cannot_open(path, error))?;
        if (now.device, now.inode) == (ours.device, ours.inode) && now.size >= self.scanner.offset() {
            return Ok(None);
        }
        match Reading::open(path) {
            Ok(new) => Ok(Some(new)),
            Err(_) if !disk::exists(path) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn tell(path: &Path, finding: &Finding, out: &mut Out) -> Result<()> {
    let name = path.to_string_lossy();
    if out.format() == Format::Json {
        let followed = Followed { schema: "papyra.followed/1", tool: crate::TOOL, path: &name, finding };
        let text = serde_json::to_string(&followed)
            .map_err(|error| Error::new(crate::error::Code::Io, format!("cannot write the finding: {error}")))?;
        out.line(&text);
    } else {
        shown::print_finding(&name, finding, out);
    }
    Ok(())
}

fn tell_unfinished(path: &Path, line: u64, length: u64, out: &mut Out) {
    let name = path.to_string_lossy();
    if out.format() == Format::Json {
        let unfinished = serde_json::json!({
            "schema": "papyra.followed/1", "tool": crate::TOOL, "path": name, "type": "TRUNCATED_LINE",
            "reason": "torn_tail", "offset": line, "length": length,
            "detail": "the last line has been unfinished for a second",
        });
        out.line(&unfinished.to_string());
    } else {
        out.bad(&format!("- TRUNCATED_LINE: {} (missing newline)", escape(name.as_bytes())));
        let bytes = counted(length, "byte", "bytes");
        out.detail(&format!("torn_tail at byte {line}, {bytes}: the last line has been unfinished for a second"));
    }
}
