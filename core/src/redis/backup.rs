//! The scan of a Redis backup, from the first byte to the reports of its files: what the command line prints and the
//! page shows.
//!
//! [`BackupScan::want`] says which bytes come next, and whoever has the files pushes them: nothing is read here.

use std::collections::BTreeMap;

use super::aof::names::AofNames;
use super::aof::set::{Pass, SetReader, Want};
use super::aof::survey::Survey;
use super::backup_report::{BackupFormat, BackupReport};
use super::error::Error;
use super::finding::{BackupFinding, BackupReason};
use super::rdb::header::{Checksum, Limits, RdbSummary};
use super::rdb::reader::RdbReader;
use super::report::dump_report;
use super::sniff::key_of;
use super::stream::facts::{Collector, Lines};
use super::stream::judged::{Judge, Judged, judging};
use super::stream::keys::Scope;
use super::visit::{Any, Flow};
use crate::entry::Tally;
use crate::finding::{self, AnomalyType, Finding, Reason};
use crate::record::Note;
use crate::report::{FileReport, NoteReport, Role};
use crate::summary::Summary;

/// Scans one backup: a dump, a DUMP payload, or a set of append-only files.
pub struct BackupScan {
    scope: Scope,
    max_findings: usize,
    reading: Reading,
}

enum Reading {
    Dump(Box<Dump>),
    Aof(Box<Set>),
}

/// An RDB file or a payload.
struct Dump {
    name: String,
    size: u64,
    format: BackupFormat,
    reader: Option<RdbReader>,
    facts: Collector,
    goes_on: bool,
    pushed: u64,
    summary: Option<RdbSummary>,
}

struct Set {
    names: AofNames,
    reader: SetReader<Judged, Judge>,
    /// It was read before, as the dump that it begins with.
    again: bool,
}

impl BackupScan {
    /// Scans an RDB file, or an append-only file that begins with one; lists the first `max_findings` findings of each
    /// file.
    pub fn rdb(name: &str, size: u64, scope: Scope, max_findings: usize) -> Self {
        Self::dump(name, size, BackupFormat::Rdb, RdbReader::new(Limits::default()), scope, max_findings)
    }

    /// Scans a DUMP payload; its key is the file's name.
    pub fn payload(name: &str, size: u64, scope: Scope, max_findings: usize) -> Self {
        Self::payload_of(name, key_of(name), size, scope, max_findings)
    }

    /// The same for a payload whose key is known otherwise.
    pub fn payload_of(name: &str, key: &[u8], size: u64, scope: Scope, max_findings: usize) -> Self {
        Self::dump(name, size, BackupFormat::Dump, RdbReader::dump(key, Limits::default()), scope, max_findings)
    }

    /// Scans append-only files of these sizes, `None` for one that is not there.
    pub fn aof(names: AofNames, sizes: Vec<Option<u64>>, scope: Scope, max_findings: usize) -> Self {
        let reader = SetReader::of(&names, sizes, scope.clone(), judging());
        let set = Set { names, reader, again: false };
        Self { scope, max_findings, reading: Reading::Aof(Box::new(set)) }
    }

    fn dump(name: &str, size: u64, format: BackupFormat, reader: RdbReader, scope: Scope, max_findings: usize) -> Self {
        let facts = Collector::new(scope.clone(), max_findings);
        let (name, reader) = (name.to_owned(), Some(reader));
        let dump = Dump { name, size, format, reader, facts, goes_on: false, pushed: 0, summary: None };
        Self { scope, max_findings, reading: Reading::Dump(Box::new(dump)) }
    }

    /// Before the first push: keeps a dump's records for [`BackupScan::take_lines`].
    pub fn keep_lines(&mut self) {
        if let Reading::Dump(dump) = &mut self.reading {
            dump.facts.lines = Some(Default::default());
        }
    }

    /// A dump's records since the last time, each as the line that an export writes of it. Nothing for append-only
    /// files, whose records show at the end alone; a file that begins as a dump may turn out to be one.
    pub fn take_lines(&mut self) -> Option<Lines> {
        match &mut self.reading {
            Reading::Dump(dump) => dump.facts.take_lines(),
            Reading::Aof(_) => None,
        }
    }

    /// What to push before the next [`BackupScan::end`]; nothing when the scan is done.
    pub fn want(&self) -> Option<Want> {
        match &self.reading {
            Reading::Dump(dump) => {
                dump.reader.as_ref().map(|_| Want { file: 0, range: 0..dump.size, pass: Pass::Read })
            }
            Reading::Aof(set) => {
                let want = set.reader.want()?;
                Some(if set.again && want.pass == Pass::Read { Want { pass: Pass::Replay, ..want } } else { want })
            }
        }
    }

    /// Takes the next bytes of what is wanted. [`Flow::Break`]: these were enough.
    pub fn push(&mut self, bytes: &[u8]) -> Flow {
        match &mut self.reading {
            Reading::Aof(set) => set.reader.push(bytes),
            Reading::Dump(dump) => {
                let Some(reader) = dump.reader.as_mut().filter(|_| !dump.goes_on) else { return Flow::Break(()) };
                reader.push::<Any<'_>>(bytes, &mut (&mut dump.facts as _))?;
                dump.pushed = reader.pushed();
                dump.goes_on = dump.format == BackupFormat::Rdb && reader.goes_on(bytes);
                if dump.goes_on { Flow::Break(()) } else { Flow::Continue(()) }
            }
        }
    }

    /// All that was wanted has been pushed.
    ///
    /// # Errors
    /// The backup is beyond the readers: which file, by its place in the order of reading, and why.
    pub fn end(&mut self) -> Result<(), (usize, Error)> {
        match &mut self.reading {
            Reading::Aof(set) => set.reader.end(),
            Reading::Dump(dump) if dump.goes_on => {
                let names = AofNames::one(&dump.name);
                let reader = SetReader::of(&names, vec![Some(dump.size)], self.scope.clone(), judging());
                let set = Set { names, reader, again: true };
                self.reading = Reading::Aof(Box::new(set));
                Ok(())
            }
            Reading::Dump(dump) => {
                let Some(reader) = dump.reader.take() else { return Ok(()) };
                dump.summary = Some(reader.finish::<Any<'_>>(&mut (&mut dump.facts as _)).map_err(|error| (0, error))?);
                Ok(())
            }
        }
    }

    /// Intact records so far; of append-only files they show at the end.
    pub fn records(&self) -> u64 {
        match &self.reading {
            Reading::Dump(dump) => dump.facts.records(),
            Reading::Aof(_) => 0,
        }
    }

    /// Findings so far; of append-only files they show at the end.
    pub fn findings(&self) -> &[BackupFinding] {
        match &self.reading {
            Reading::Dump(dump) => &dump.facts.findings,
            Reading::Aof(_) => &[],
        }
    }

    /// The reports of the files in the order of reading: of all there is, or of what was seen when the reading was
    /// stopped.
    pub fn finish(self) -> Vec<FileReport> {
        match self.reading {
            Reading::Dump(dump) => vec![dump.report()],
            Reading::Aof(set) => set.reports(&self.scope, self.max_findings),
        }
    }
}

impl Dump {
    fn report(mut self) -> FileReport {
        self.facts.stop();
        let seen = self.reader.and_then(|reader| reader.header());
        let header = self.summary.as_ref().map_or(seen, |summary| summary.header);
        let checksum = self.summary.map_or(Checksum::NotReached, |summary| summary.checksum);
        dump_report(self.name, self.format, header, checksum, self.pushed, self.facts)
    }
}

impl Set {
    fn reports(self, scope: &Scope, max_findings: usize) -> Vec<FileReport> {
        // Its finding stands before those of the files.
        let before = match (&self.names.manifest, self.names.reported()) {
            (Some(manifest), Some(finding)) if self.names.is_there => {
                let mut report = file(manifest, BackupFormat::Manifest);
                report.add(finding.into());
                Some(report)
            }
            (Some(manifest), Some(finding)) => Some(missing(manifest, &finding.detail)),
            _ => None,
        };
        let is_there: Vec<bool> = self.reader.sizes().iter().map(Option::is_some).collect();
        let lost_base = self.names.files.first().zip(self.reader.sizes().first().copied().flatten());
        let lost_base = lost_base.is_some_and(|(name, size)| AofNames::is_lost_base(name, size));
        let (mut replay, surveys) = self.reader.finish();
        let mut files: Vec<FileReport> = (self.names.files.iter().zip(surveys).zip(is_there))
            .map(|((name, survey), is_there)| match survey {
                Some(survey) => surveyed(name, survey, max_findings),
                None if is_there => file(name, BackupFormat::Aof),
                None => missing(name, "the manifest names a file that is not there"),
            })
            .collect();
        if let Some(base) = files.first_mut().filter(|_| lost_base) {
            let text = "the base is empty: a server would load only what follows it";
            add(base, BackupFinding::new(BackupReason::Truncated, 0, text), max_findings.max(1));
        }
        // Files are counted from 1.
        let at = |file: u32| (file as usize).saturating_sub(1);
        for (file, &(count, offset)) in &replay.untold.files {
            if let Some(report) = files.get_mut(at(*file)) {
                let (note, line, id) = (Note::UnknownCommand, None, None);
                report.notes.push(NoteReport { note, count, line, offset: Some(offset), id });
            }
        }
        let state = replay.report(scope, max_findings);
        for (file, notes) in state.notes {
            if let Some(report) = files.get_mut(at(file)) {
                report.notes.extend(notes.into_reports());
            }
        }
        let unlisted = state.found + replay.found - (state.findings.len() + replay.findings.len()) as u64;
        for (file, finding) in replay.findings.drain(..).chain(state.findings) {
            if let Some(report) = files.get_mut(at(file)) {
                add(report, finding, max_findings);
            }
        }
        for ((_, key), stream) in replay.streams() {
            let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
            for judged in stream.entries.values().filter(|_| scope.find(key).is_some()) {
                tallies.entry(judged.file).or_default().take(&judged.verdict);
            }
            for (file, tally) in tallies {
                let Some(report) = files.get_mut(at(file)) else { continue };
                report.lines += tally.records.total() + tally.bad;
                report.records.merge(tally.records);
                let earlier = report.first_timestamp.into_iter().chain(tally.first_timestamp());
                report.first_timestamp = earlier.reduce(f64::min);
                let later = report.last_timestamp.into_iter().chain(tally.last_timestamp());
                report.last_timestamp = later.reduce(f64::max);
            }
        }
        if let Some(last) = files.iter_mut().rev().find(|file| file.role != Role::Missing) {
            last.anomaly_count += unlisted;
            last.notes.extend(state.waiting.into_reports());
            last.streams = state.streams;
        }
        before.into_iter().chain(files).collect()
    }
}

fn file(name: &str, format: BackupFormat) -> FileReport {
    let mut report = FileReport::new(name, Role::Active, 0, Summary::default());
    let (header, checksum, commands, other_names) = (None, None, None, Vec::new());
    let (other_keys, other_streams) = (0, 0);
    report.backup = Some(BackupReport { format, header, checksum, commands, other_keys, other_names, other_streams });
    report
}

fn missing(name: &str, detail: &str) -> FileReport {
    let finding = Finding::of_file(AnomalyType::MissingFile, Reason::Backup(BackupReason::BrokenManifest), detail);
    FileReport::outside(name, Role::Missing, 0, Summary::default(), finding)
}

fn surveyed(name: &str, survey: Survey, max_findings: usize) -> FileReport {
    let front = survey.summary.preamble.as_ref();
    let mut report = file(name, BackupFormat::Aof);
    report.bytes = survey.size;
    report.backup = Some(BackupReport {
        format: BackupFormat::Aof,
        header: front.and_then(|front| front.header),
        checksum: front.map(|front| front.checksum),
        commands: Some(survey.summary.commands),
        other_keys: front.map_or(0, |front| front.keys - front.streams),
        other_names: Vec::new(),
        other_streams: 0,
    });
    if let Some(plan) = survey.plan {
        report.anomaly_count = plan.found;
        report.anomalies = plan.findings.into_iter().take(max_findings).map(Into::into).collect();
        report.reasons = finding::by_reason(&report.anomalies);
    }
    report
}

fn add(report: &mut FileReport, finding: BackupFinding, max_findings: usize) {
    report.anomaly_count += 1;
    *report.reasons.entry(finding.reason.into()).or_default() += 1;
    if report.anomalies.len() < max_findings {
        report.anomalies.push(finding.into());
    }
}
