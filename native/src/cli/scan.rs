//! `papyra persistence scan`

use papyra_core::escape::escape;
use papyra_core::redis::Remedy;
use papyra_core::report::{Report, Verdict as ReportVerdict};

use super::out::{self, Out, counted};
use super::progress::Progress;
use super::settings::{Common, Format, Settings};
use super::verdict::Verdict;
use super::{follow, redis_backup, shown};
use crate::disk;
use crate::error::{Code, Error, Result};
use crate::reading::ScanOptions;
use crate::source::{NothingChecked, Scanned, Source};

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
    let Scanned { report, beyond } = scan(&source, &settings, settings.scanning(&progress))?;
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

/// Scans whatever the source is, to its end.
pub(super) fn report(source: &Source, settings: &Settings, scanning: ScanOptions<'_>) -> Result<Report> {
    let Scanned { report, beyond } = scan(source, settings, scanning)?;
    beyond.map_or(Ok(report), Err)
}

/// Scans whatever the source is. A Redis backup without a stream of Papyra's is an error.
fn scan(source: &Source, settings: &Settings, scanning: ScanOptions<'_>) -> Result<Scanned> {
    let scanned = source.scan(&|| settings.scope(), scanning, settings.strict)?;
    match scanned.nothing_checked() {
        Some(nothing) => Err(nothing_checked(&nothing, settings)?),
        None => Ok(scanned),
    }
}

fn nothing_checked(nothing: &NothingChecked, settings: &Settings) -> Result<Error> {
    let NothingChecked { keys, names, unknown_commands } = nothing;
    let scope = settings.scope()?;
    let part = |part: &Option<String>| part.as_deref().map_or("*".into(), |part| escape(part.as_bytes()));
    let holds = if names.is_empty() {
        "no keys that it could name".into()
    } else {
        let shown: Vec<String> = names.iter().map(|name| escape(name.as_bytes())).collect();
        let keys = counted((*keys).max(names.len() as u64), "other key", "other keys");
        format!("{keys}, among them {}", shown.join(", "))
    };
    let unknown = match unknown_commands {
        0 => String::new(),
        count => format!("; {} not known", counted(*count, "command is", "commands are")),
    };
    let text = format!(
        "nothing was checked: {} holds no stream {}:{}:events, …:audits or …:dead_letters, but {holds}{unknown}; check \
         --prefix and --system-id",
        settings.called()?,
        part(&scope.prefix),
        part(&scope.system_id)
    );
    Ok(Error::new(Code::NoInput, text))
}
