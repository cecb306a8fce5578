//! A scan's report for people: Papyra's words first, then what Papyra never says.

use papyra_core::escape::escape;
use papyra_core::finding::{AnomalyType, Finding, Reason};
use papyra_core::folder::PassedOver;
use papyra_core::report::{Backend, FileReport, Report, Role, Verdict};

use super::out::{self, Out, counted, thousands};
use super::redis_backup;
use super::settings::Common;

/// Says what was not read.
pub(super) fn name_passed_over(passed_over: &[PassedOver]) {
    const MOST: usize = 20;
    let mut names: Vec<String> = passed_over.iter().take(MOST).map(ToString::to_string).collect();
    if passed_over.len() > MOST {
        names.push(format!("and {} more", passed_over.len() - MOST));
    }
    if !names.is_empty() {
        out::message(&format!("not read: {}", names.join(", ")));
    }
}

/// The report for people: Papyra's words first, then what Papyra never says.
pub(super) fn print(report: &Report, advice: Option<&str>, out: &mut Out) {
    let totals = &report.totals;
    if totals.anomalies == 0 {
        out.success("Persistence is healthy.");
    } else {
        out.bad(&format!("Found {} persistence anomalies:", thousands(totals.anomalies)));
        for file in &report.files {
            for finding in &file.anomalies {
                print_finding(&file.path, finding, out);
            }
            let unlisted = file.anomaly_count - file.anomalies.len() as u64;
            if unlisted > 0 {
                let path = escape(file.path.as_bytes());
                out.detail(&format!("… and {} more in {path} (--max-findings lists more)", out::anomalies(unlisted)));
            }
        }
    }
    let is_backup = report.files.iter().any(|file| file.backup.is_some());
    for file in &report.files {
        print_file(report.backend, file, out);
        redis_backup::print(file, out);
    }
    if report.files.len() > 1 {
        out.info(&format!(
            "total: {} {}{}, {}, {}",
            totals.files,
            if report.backend == Backend::Redis && !is_backup { "stream" } else { "file" },
            if totals.files == 1 { "" } else { "s" },
            out::bytes(totals.bytes),
            out::records(&totals.records)
        ));
    }
    if let Some(span) = out::time_span(report) {
        out.info(&format!("time: {span}"));
    }
    if let Some(loaded) = &report.loaded {
        out.info(&escape(loaded.as_bytes()));
    }
    for (note, count) in &totals.notes {
        out.info(&format!("note: {} {} {}", thousands(*count), note.subject(*count), note.meaning()));
    }
    if report.is_no_log() {
        out.bad("this does not look like a Papyra log: not one record in it");
    }
    if totals.anomalies > 0 && !report.is_no_log() {
        let salvage = match totals.salvageable {
            0 => String::new(),
            1 => " and bring back 1 from damaged lines".into(),
            n => format!(" and bring back {} from damaged lines", thousands(n)),
        };
        out.info(&format!("recovery would keep {} intact records{salvage}", thousands(totals.records.total())));
        if let Some(command) = advice {
            out.info(&format!("to repair: {command}"));
        }
    } else if totals.anomalies == 0 && report.verdict == Verdict::Anomalies {
        out.bad("the notes count because of --strict");
    }
}

pub(super) fn print_finding(path: &str, finding: &Finding, out: &mut Out) {
    let path = escape(path.as_bytes());
    // Papyra's own words for what it knows, so that scripts which look for them go on working.
    let papyra = match (finding.kind, finding.line) {
        (_, None) if matches!(finding.reason, Reason::Backup(_) | Reason::TornTail) => "Redis backup".into(),
        (AnomalyType::CorruptedLine, _) if finding.id.is_some() => match finding.reason {
            Reason::MissingDataField => "Missing 'data' field or non-string payload".into(),
            Reason::NotAnObject => "JSON payload is not an object/dict".into(),
            _ => "Invalid JSON payload in stream entry".into(),
        },
        (AnomalyType::TruncatedLine, Some(line)) => format!("Line {line} missing newline"),
        (AnomalyType::CorruptedLine, Some(line)) => format!("Invalid JSON at line {line}"),
        (AnomalyType::OrphanedRotatedFile, _) => "Unexpected file in rotation set".into(),
        (AnomalyType::PartialWrite, _) => "File could not be read fully".into(),
        (AnomalyType::MissingFile, _) => "File missing from rotation set".into(),
        _ => "Unexpected file".into(),
    };
    out.bad(&format!("- {}: {path} ({papyra})", finding.kind.name()));
    let place = match (&finding.id, finding.offset, finding.length) {
        (Some(id), _, Some(length)) => format!(" in entry {id}, {length} bytes"),
        (Some(id), Some(offset), None) => format!(" in entry {id} at byte {offset}"),
        (None, Some(offset), None) => format!(" at byte {offset}"),
        (_, Some(offset), Some(length)) => format!(" at byte {offset}, {length} bytes"),
        _ => String::new(),
    };
    let key = finding.key.as_ref().filter(|key| escape(key.as_bytes()) != path);
    let key = key.map(|key| format!(" of {}", escape(key.as_bytes()))).unwrap_or_default();
    let detail = escape(finding.detail.as_bytes());
    out.detail(&format!("{}{place}{key}: {detail}", finding.reason.name()));
    if let Some(excerpt) = &finding.excerpt {
        out.detail(excerpt);
    }
}

pub(super) fn print_file(backend: Backend, file: &FileReport, out: &mut Out) {
    let path = escape(file.path.as_bytes());
    let (line, lines) = if backend == Backend::Redis { ("entry", "entries") } else { ("line", "lines") };
    match file.role {
        Role::Missing if file.anomaly_count == 0 => out.info(&format!("{path}: not there")),
        Role::Active | Role::Rotated if file.bytes == 0 => out.info(&format!("{path}: empty, 0 records")),
        Role::Active | Role::Rotated => out.info(&format!(
            "{path}: {}, {}: {}",
            out::bytes(file.bytes),
            counted(file.lines, line, lines),
            out::records(&file.records)
        )),
        Role::Orphan | Role::Temporary | Role::Missing => {}
    }
}

/// Says that what was listed may not be all.
pub(super) fn may_not_be_all(anomalies: u64, common: &Common, out: &mut Out) {
    if anomalies > 0 && !common.output.quiet {
        let anomalies = out::anomalies(anomalies);
        out.message(&format!("{anomalies} passed over, so this may not be all: `papyra persistence scan` says where"));
    }
}
