//! `papyra persistence scan`

use std::io::Read;
use std::path::Path;

use papyra_core::escape::escape;
use papyra_core::finding::{AnomalyType, Finding, Reason};
use papyra_core::folder::PassedOver;
use papyra_core::name;
use papyra_core::record::Note;
use papyra_core::redis::Remedy;
use papyra_core::report::{Backend, FileReport, Report, Role, Verdict as ReportVerdict};

use super::out::{self, Out, counted, thousands};
use super::progress::Progress;
use super::settings::{Common, Format, Settings};
use super::{Verdict, follow, redis_backup};
use crate::TOOL;
use crate::archive;
use crate::disk::{self, name_of};
use crate::error::{Code, Error, Result};
use crate::history::History;
use crate::offline::packed::{self, Holds};
use crate::offline::{self, Backup};
use crate::reading::{self, Effort};
use crate::redis;
use crate::source;
use crate::target::Target;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    /// Stay, and validate the log as it grows and is rotated: exit with 2 at the first damage, or with --follow=print
    /// print each and go on; JSON is a line for each
    #[arg(long, value_name = "DAMAGE", num_args = 0..=1, require_equals = true, default_missing_value = "exit")]
    follow: Option<follow::Damage>,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, None)?;
    if let Some(damage) = args.follow {
        if settings.is_redis() || !disk::stat(settings.path()?).is_ok_and(|stat| stat.is_file()) {
            let text = format!("--follow is for a log in a file; {} is none", settings.source()?);
            return Err(Error::new(Code::Usage, text));
        }
        return follow::run(settings.path()?, damage, out);
    }
    if out.is_lines() {
        return Err(super::no_lines());
    }
    let target = settings.target()?;
    let progress = Progress::over(args.common.output.quiet, &target, 1);
    let (report, beyond) = report_as_far(&target, &settings, settings.effort(&progress))?;
    drop(progress);
    if let Some(error) = beyond {
        // What comes before it is told to people all the same; it is not a verdict on the whole.
        let shown = if out.format() == Format::Text { &report.files[..] } else { &[] };
        for file in shown {
            print_file(report.backend, file, out);
            redis_backup::print(file, out);
        }
        return Err(error);
    }
    if !args.common.output.quiet {
        name_passed_over(&report.passed_over);
    }
    match out.format() {
        Format::Json => out.json(&report)?,
        Format::Text => {
            print(&report, advice(&target, &report, &settings)?.as_deref(), out);
        }
    }
    Ok(verdict(&report))
}

/// Says what was not looked at.
pub(super) fn name_passed_over(passed_over: &[PassedOver]) {
    const MOST: usize = 20;
    let mut names: Vec<String> = passed_over.iter().take(MOST).map(ToString::to_string).collect();
    if passed_over.len() > MOST {
        names.push(format!("and {} more", passed_over.len() - MOST));
    }
    if !names.is_empty() {
        out::message(&format!("not looked at: {}", names.join(", ")));
    }
}

/// The command that would mend what a scan of the target found.
pub(super) fn advice(target: &Target, report: &Report, settings: &Settings) -> Result<Option<String>> {
    Ok(match target {
        Target::History(_) | Target::Folder(_) | Target::Redis(_) => Some(settings.command()?),
        Target::Backup(_) => match Remedy::of(&report.files) {
            Remedy::Recover => Some(settings.command()?),
            Remedy::Export => Some(format!("papyra redis export --path {} --to FOLDER", settings.source()?)),
        },
        Target::Archive(..) | Target::Stream(_) => None,
    })
}

pub(super) fn verdict(report: &Report) -> Verdict {
    if report.verdict == ReportVerdict::Clean { Verdict::Fine } else { Verdict::Anomalies }
}

/// The bytes that a scan of the target will read.
pub(super) fn size(target: &Target) -> Option<u64> {
    let of = |history: &History| -> u64 {
        let members = history.set().map(|set| set.members).unwrap_or_default();
        let sizes = members.iter().filter_map(|member| disk::stat(&history.folder.join(&member.name)).ok());
        sizes.map(|stat| stat.size).sum()
    };
    match target {
        Target::History(history) => Some(of(history)),
        Target::Backup(backup) => Some(backup.size()),
        Target::Folder(logs) if logs.archives.is_empty() => Some(logs.bytes),
        _ => None,
    }
}

/// Scans whatever the target is.
pub(super) fn report(target: &Target, settings: &Settings, effort: Effort<'_>) -> Result<Report> {
    let (report, beyond) = report_as_far(target, settings, effort)?;
    beyond.map_or(Ok(report), Err)
}

/// Scans whatever the target is, as far as it can be read, and tells what lies beyond.
fn report_as_far(target: &Target, settings: &Settings, effort: Effort<'_>) -> Result<(Report, Option<Error>)> {
    let mut beyond = None;
    let (backend, files) = match target {
        Target::History(history) => (history.backend, history.scan(effort)?),
        Target::Archive(path, format) => of_one(archive_report(path, *format, settings, effort)?),
        Target::Stream(path) => of_one(stream_report(path, settings, effort)?),
        Target::Redis(store) => (Backend::Redis, redis::scan::scan(store, effort)?),
        Target::Backup(backup) => {
            let (files, rest) = offline::scan::scan_as_far(backup, &settings.scope()?, effort)?;
            beyond = rest;
            (Backend::Redis, files)
        }
        Target::Folder(logs) => {
            let mut files = Vec::new();
            for history in &logs.histories {
                match history.scan(effort) {
                    // One that cannot be read must not keep the others from being looked at.
                    Err(error) if error.code == Code::NoInput => {
                        let (path, reason) = (history.base.clone(), error.to_string());
                        files.push(PassedOver { path, reason }.report());
                    }
                    scanned => files.extend(scanned?),
                }
            }
            for (path, format) in &logs.archives {
                files.push(archive_report(path, *format, settings, effort)?);
            }
            for backup in &logs.backups {
                let mut scanned = offline::scan::scan(backup, &settings.scope()?, effort)?;
                // Those in a folder of their own.
                if let Backup::Aof(set) = backup
                    && let Ok(inner) = set.folder.strip_prefix(logs.folder.path())
                    && !inner.as_os_str().is_empty()
                {
                    let inner = name::text(inner.as_os_str().as_encoded_bytes());
                    scanned.iter_mut().for_each(|file| file.path = format!("{inner}/{}", file.path));
                }
                files.extend(scanned);
            }
            files.extend(logs.unread_reports());
            (logs.backend, files)
        }
    };
    let passed_over = target.passed_over()?;
    let loaded = if let Target::Folder(logs) = target { logs.loaded.clone() } else { None };
    let report = Report { passed_over, loaded, ..Report::new(TOOL, backend, files, settings.strict) };
    if beyond.is_none() {
        nothing_checked(&report, settings)?;
    }
    Ok((report, beyond))
}

/// Fails on a Redis backup in which no stream of Papyra's is: whole as it may be, no record was looked at.
fn nothing_checked(report: &Report, settings: &Settings) -> Result<()> {
    let files = &report.files;
    let is_checked = files.iter().any(|file| file.streams.iter().any(|stream| stream.papyra.is_some()));
    if is_checked || files.is_empty() || files.iter().any(|file| file.backup.is_none()) || report.totals.anomalies > 0 {
        return Ok(());
    }
    let backups = || files.iter().filter_map(|file| file.backup.as_ref());
    let keys: u64 = backups().map(|backup| backup.other_keys + backup.other_streams).sum();
    let streams = files.iter().flat_map(|file| &file.streams).map(|stream| &stream.key);
    let names: Vec<String> = streams.chain(backups().flat_map(|backup| &backup.other_names)).take(5).cloned().collect();
    let scope = settings.scope()?;
    let part = |part: &Option<String>| part.as_deref().map_or("*".into(), |part| escape(part.as_bytes()));
    let holds = match (names.is_empty(), keys) {
        (true, _) => "no keys that it could name".into(),
        (false, keys) => {
            let names: Vec<String> = names.iter().map(|name| escape(name.as_bytes())).collect();
            format!(
                "{}, among them {}",
                counted(keys.max(names.len() as u64), "other key", "other keys"),
                names.join(", ")
            )
        }
    };
    let unknown = match report.totals.notes.get(&Note::UnknownCommand) {
        Some(count) => format!("; {} not known", counted(*count, "command is", "commands are")),
        None => String::new(),
    };
    let text = format!(
        "nothing was checked: {} holds no stream {}:{}:events, …:audits or …:dead_letters, but {holds}{unknown}; check --prefix and \
         --system-id",
        settings.source()?,
        part(&scope.prefix),
        part(&scope.system_id)
    );
    Err(Error::new(Code::NoInput, text))
}

/// A report of one file, with the backend that it shows.
fn of_one(file: FileReport) -> (Backend, Vec<FileReport>) {
    (if file.backup.is_some() { Backend::Redis } else { Backend::Json }, vec![file])
}

fn archive_report(path: &Path, format: archive::Format, settings: &Settings, effort: Effort<'_>) -> Result<FileReport> {
    let file = disk::open(path).map_err(|error| Error::cannot_open(path, error))?;
    let name = name_of(path).unwrap_or_default();
    unpacked_report(path, name, format, file, settings, effort)
}

fn unpacked_report(
    path: &Path,
    name: String,
    format: archive::Format,
    input: impl Read,
    settings: &Settings,
    effort: Effort<'_>,
) -> Result<FileReport> {
    match packed::look(path, archive::unpack(format, input))? {
        Holds::Dump(input) => packed::scan(path, &name, input, &settings.scope()?, effort),
        Holds::Other(input) => {
            let (summary, ended) = reading::scan_stream(input, effort, &mut ());
            Ok(archive::report(name, format, summary, ended))
        }
    }
}

fn stream_report(path: &Path, settings: &Settings, effort: Effort<'_>) -> Result<FileReport> {
    let (format, input) = source::stream(path)?;
    let name = name::text(path.as_os_str().as_encoded_bytes());
    if let Some(format) = format {
        return unpacked_report(path, name, format, input, settings, effort);
    }
    let input = match packed::look(path, input)? {
        Holds::Dump(input) => return packed::scan(path, &name, input, &settings.scope()?, effort),
        Holds::Other(input) => input,
    };
    let (summary, ended) = reading::scan_stream(input, effort, &mut ());
    ended.map_err(|error| Error::cannot_read(path, summary.bytes, &error))?;
    Ok(FileReport::new(name, Role::Active, 0, summary))
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
    } else if totals.anomalies == 0 && report.verdict == ReportVerdict::Anomalies {
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

fn print_file(backend: Backend, file: &FileReport, out: &mut Out) {
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
