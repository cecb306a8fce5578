//! `papyra persistence scan`

use std::io::Read;
use std::path::Path;

use papyra_core::escape::escape;
use papyra_core::folder::PassedOver;
use papyra_core::name;
use papyra_core::record::Note;
use papyra_core::redis::Remedy;
use papyra_core::report::{Backend, FileReport, Report, Role, Verdict as ReportVerdict};

use super::out::{self, Out, counted};
use super::progress::Progress;
use super::settings::{Common, Format, Settings};
use super::verdict::Verdict;
use super::{follow, redis_backup, shown};
use crate::TOOL;
use crate::archive;
use crate::disk::{self, name_of};
use crate::error::{Code, Error, Result};
use crate::offline::packed::{self, Holds};
use crate::offline::{self, Backup};
use crate::reading::{self, Effort};
use crate::redis;
use crate::source;
use crate::source::Source;

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
            let text = format!("--follow is for a log in a file; {} is not one", settings.called()?);
            return Err(Error::new(Code::Usage, text));
        }
        return follow::run(settings.path()?, damage, out);
    }
    if out.is_lines() {
        return Err(out::no_lines());
    }
    let source = settings.source()?;
    let progress = Progress::over(args.common.output.quiet, &source, 1);
    let (report, beyond) = report_as_far(&source, &settings, settings.effort(&progress))?;
    drop(progress);
    if let Some(error) = beyond {
        // What comes before it is told to people all the same; it is not a verdict on the whole.
        let shown = if out.format() == Format::Text { &report.files[..] } else { &[] };
        for file in shown {
            shown::print_file(report.backend, file, out);
            redis_backup::print(file, out);
        }
        return Err(error);
    }
    if !args.common.output.quiet {
        shown::name_passed_over(&report.passed_over);
    }
    match out.format() {
        Format::Json => out.json(&report)?,
        Format::Text => {
            shown::print(&report, advice(&source, &report, &settings)?.as_deref(), out);
        }
    }
    Ok(verdict(&report))
}

/// The command that would mend what a scan of the source found.
pub(super) fn advice(source: &Source, report: &Report, settings: &Settings) -> Result<Option<String>> {
    Ok(match source {
        Source::History(_) | Source::Folder(_) | Source::Server(_) => Some(settings.command()?),
        Source::Redis(..) => match Remedy::of(&report.files) {
            Remedy::Recover => Some(settings.command()?),
            Remedy::Export => Some(format!("papyra redis export --path {} --to FOLDER", settings.called()?)),
        },
        Source::Packed(..) | Source::Pipe(_) => None,
    })
}

pub(super) fn verdict(report: &Report) -> Verdict {
    if report.verdict == ReportVerdict::Clean { Verdict::Fine } else { Verdict::Anomalies }
}

/// Scans whatever the source is.
pub(super) fn report(source: &Source, settings: &Settings, effort: Effort<'_>) -> Result<Report> {
    let (report, beyond) = report_as_far(source, settings, effort)?;
    beyond.map_or(Ok(report), Err)
}

/// Scans whatever the source is, as far as it can be read, and tells what lies beyond.
fn report_as_far(source: &Source, settings: &Settings, effort: Effort<'_>) -> Result<(Report, Option<Error>)> {
    let mut beyond = None;
    let (backend, files) = match source {
        Source::History(history) => (history.backend, history.scan(effort)?),
        Source::Packed(path, format) => of_one(archive_report(path, *format, settings, effort)?),
        Source::Pipe(path) => of_one(stream_report(path, settings, effort)?),
        Source::Server(store) => (Backend::Redis, redis::scan::scan(store, effort)?),
        Source::Redis(_, backup) => {
            let (files, rest) = offline::scan::scan_as_far(backup, &settings.scope()?, effort)?;
            beyond = rest;
            (Backend::Redis, files)
        }
        Source::Folder(logs) => {
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
    let passed_over = source.passed_over()?;
    let loaded = if let Source::Folder(logs) = source { logs.loaded.clone() } else { None };
    let report = Report { passed_over, loaded, ..Report::new(TOOL, backend, files, settings.strict) };
    if beyond.is_none() {
        nothing_checked(&report, settings)?;
    }
    Ok((report, beyond))
}

/// Fails on a Redis backup in which no stream of Papyra's is: whole as it may be, no record was checked.
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
        settings.called()?,
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
