//! What a scan says of a Redis backup: findings by file and byte, and the streams with their groups.

use std::path::Path;

use papyra_core::finding::{AnomalyType, Finding, Reason};
use papyra_core::redis::{
    self, BackupFormat, BackupReport, Collector, Flow, Limits, RdbReader, Scope, judging, stream_records,
};
use papyra_core::report::{FileReport, Role};
use papyra_core::summary::Summary;

use super::{AofSet, Backup, aof, beyond, feed, open};
use crate::error::Result;
use crate::reading::Effort;

/// Scans a backup, file by file.
pub fn scan(backup: &Backup, scope: &Scope, effort: Effort<'_>) -> Result<Vec<FileReport>> {
    match backup {
        Backup::Rdb(path) => match rdb(path, BackupFormat::Rdb, scope, effort)? {
            Some(report) => Ok(vec![report]),
            None => append_only(&AofSet::one(path), scope, Effort { progress: &|_| {}, ..effort }),
        },
        Backup::Dump(path) => Ok(rdb(path, BackupFormat::Dump, scope, effort)?.into_iter().collect()),
        Backup::Aof(set) => append_only(set, scope, effort),
    }
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The key that a payload's file is named after.
pub(crate) fn key_of(path: &Path) -> Vec<u8> {
    let name = name(path);
    name.strip_suffix(".dump").unwrap_or(&name).as_bytes().to_vec()
}

/// Whether a pushed piece shows that commands follow the end of an RDB file.
pub(crate) fn goes_on(reader: &RdbReader, bytes: &[u8], pushed: u64) -> bool {
    let rest = reader.end().and_then(|end| usize::try_from(end.checked_sub(pushed)?).ok()).and_then(|at| bytes.get(at));
    matches!(rest, Some(b'*' | b'#'))
}

/// `None`: an append-only file that begins with an RDB file.
fn rdb(path: &Path, format: BackupFormat, scope: &Scope, effort: Effort<'_>) -> Result<Option<FileReport>> {
    let (file, size) = open(path)?;
    let mut facts = Collector::new(scope.clone(), effort.max_findings);
    let mut reader = match format {
        BackupFormat::Dump => RdbReader::dump(&key_of(path), Limits::default()),
        _ => RdbReader::new(Limits::default()),
    };
    let (mut pushed, mut is_aof) = (0, false);
    feed(&file, path, 0..size, effort.progress, |bytes| {
        reader.push(bytes, &mut facts)?;
        is_aof = format == BackupFormat::Rdb && goes_on(&reader, bytes, pushed);
        pushed += bytes.len() as u64;
        if is_aof { Flow::Break(()) } else { Flow::Continue(()) }
    })?;
    if is_aof {
        return Ok(None);
    }
    let summary = reader.finish(&mut facts).map_err(|error| beyond(path, &error))?;
    let mut report = FileReport::new(name(path), Role::Active, 0, Summary::default());
    report.bytes = size;
    report.anomaly_count = facts.found();
    report.anomalies = facts.findings.into_iter().map(Finding::from).collect();
    report.backup = Some(BackupReport {
        format,
        header: summary.header,
        checksum: Some(summary.checksum),
        commands: None,
        other_keys: facts.other_keys,
        other_streams: facts.other_streams,
    });
    stream_records(&mut report, facts.streams);
    Ok(Some(report))
}

fn append_only(set: &AofSet, scope: &Scope, effort: Effort<'_>) -> Result<Vec<FileReport>> {
    let mut files = Vec::new();
    // Its finding stands before those of the files, which are counted from 1.
    let mut before = None;
    if let (Some(manifest), Some(finding)) = (&set.manifest, &set.broken) {
        let mut report = FileReport::new(manifest, Role::Active, 0, Summary::default());
        let format = BackupFormat::Manifest;
        let (header, checksum, commands, other_keys, other_streams) = (None, None, None, 0, 0);
        report.backup = Some(BackupReport { format, header, checksum, commands, other_keys, other_streams });
        report.add((**finding).clone().into());
        if !set.folder.join(manifest).exists() {
            let reason = Reason::Backup(finding.reason);
            let missing = Finding::of_file(AnomalyType::MissingFile, reason, finding.detail.as_str());
            report = FileReport::outside(manifest, Role::Missing, 0, Summary::default(), missing);
        }
        before = Some(report);
    }
    let mut replay = judging();
    let surveys = aof::replay(set, scope, &mut replay, effort)?;
    for (name, survey) in set.files.iter().zip(surveys) {
        let Some(survey) = survey else {
            let reason = Reason::Backup(redis::Reason::BrokenManifest);
            let finding =
                Finding::of_file(AnomalyType::MissingFile, reason, "the manifest names a file that is not there");
            files.push(FileReport::outside(name, Role::Missing, 0, Summary::default(), finding));
            continue;
        };
        let mut report = FileReport::new(name, Role::Active, 0, Summary::default());
        let front = survey.summary.preamble.as_ref();
        report.bytes = survey.size;
        report.backup = Some(BackupReport {
            format: BackupFormat::Aof,
            header: front.and_then(|front| front.header),
            checksum: front.map(|front| front.checksum),
            commands: Some(survey.summary.commands),
            other_keys: front.map_or(0, |front| front.keys - front.streams),
            other_streams: 0,
        });
        let planned = survey.plan.map(|plan| plan.findings).unwrap_or_default();
        planned.into_iter().for_each(|finding| add(&mut report, finding, effort));
        files.push(report);
    }
    let state = replay.report(scope, effort.max_findings);
    let at = |file: u32| (file as usize).saturating_sub(1);
    let unlisted = state.found - state.findings.len() as u64;
    for (file, finding) in replay.findings.drain(..).chain(state.findings) {
        if let Some(report) = files.get_mut(at(file)) {
            add(report, finding, effort);
        }
    }
    for ((_, key), stream) in replay.streams() {
        for judged in stream.entries.values().filter(|_| scope.find(key).is_some()) {
            let Some(report) = files.get_mut(at(judged.file)) else { continue };
            report.lines += 1;
            if let Ok((kind, time)) = judged.verdict {
                report.records.add(kind);
                report.first_timestamp = report.first_timestamp.into_iter().chain(time).reduce(f64::min);
                report.last_timestamp = report.last_timestamp.into_iter().chain(time).reduce(f64::max);
            }
        }
    }
    if let Some(last) = files.iter_mut().rev().find(|file| file.role != Role::Missing) {
        last.anomaly_count += unlisted;
        last.streams = state.streams;
    }
    Ok(before.into_iter().chain(files).collect())
}

fn add(report: &mut FileReport, finding: redis::Finding, effort: Effort<'_>) {
    report.anomaly_count += 1;
    if report.anomalies.len() < effort.max_findings {
        report.anomalies.push(finding.into());
    }
}
