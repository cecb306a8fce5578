//! `papyra persistence startup-check` and `papyra doctor run`: one path, scan → decide → recover → scan again, and
//! two sets of words and exit codes, which are Papyra's.

use std::path::PathBuf;

use clap::ValueEnum;
use papyra_core::escape::escape;
use papyra_core::report::Report;

use super::out::{self, Out};
use super::progress::Progress;
use super::recover::{self, ModeName};
use super::settings::{Common, Format, Settings};
use super::verdict::Verdict;
use super::{scan, shown};
use crate::error::Result;
use crate::recover::RecoverOptions;
use crate::recover::aof::After;
use crate::redis::Role;
use crate::source::Source;

/// What to do about anomalies, by Papyra's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Mode {
    /// Exit with 0 whatever is found
    Ignore,
    /// Print anomalies and exit with 0
    #[value(alias = "scan-only")]
    ScanOnly,
    /// Fail on any anomaly
    #[value(alias = "fail-on-anomaly")]
    FailOnAnomaly,
    /// Recover, and fail if anomalies remain
    Recover,
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    /// What to do about anomalies
    #[arg(long, value_name = "MODE", default_value = "fail_on_anomaly", ignore_case = true)]
    mode: Mode,

    /// How to recover
    #[arg(long, value_name = "MODE", default_value = "repair", ignore_case = true)]
    recovery_mode: ModeName,

    /// The quarantine folder: it keeps the whole originals of recovered files
    #[arg(long, env = "PAPYRA_QUARANTINE_DIR", value_name = "FOLDER")]
    quarantine_dir: Option<PathBuf>,

    /// Go on where the file system cannot keep writers away (network file systems, another user's log): you vouch that
    /// nothing writes to it
    #[arg(long)]
    at_rest: bool,
}

/// How a check ended.
enum End {
    NothingYet,
    Healthy(Report),
    /// With the command that would mend it.
    Passed(Report, Option<String>),
    Failed(Report, Option<String>),
    Recovered(Report),
    Remain(Report),
}

/// There is no log yet: schema `papyra.check/1`.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub(super) struct NotChecked {
    schema: &'static str,
    tool: &'static str,
    checked: bool,
    detail: &'static str,
}

pub(super) fn startup_check(args: &Args, out: &mut Out) -> Result<Verdict> {
    let end = check(args, out)?;
    Ok(match end {
        End::Remain(_) | End::Failed(..) => Verdict::Refused,
        _ => Verdict::Fine,
    })
}

pub(super) fn doctor(args: &Args, out: &mut Out) -> Result<Verdict> {
    let end = check(args, out)?;
    Ok(match end {
        End::Failed(..) => Verdict::Refused,
        End::Remain(_) => Verdict::Anomalies,
        _ => Verdict::Fine,
    })
}

fn check(args: &Args, out: &mut Out) -> Result<End> {
    let role = if args.mode == Mode::Recover { Role::Recover } else { Role::Reader };
    let settings = Settings::of(&args.common, args.quarantine_dir.as_ref())?.acting_as(role);
    let end = decide(args, &settings)?;
    match &end {
        End::Healthy(report) | End::Passed(report, _) | End::Failed(report, _) if !args.common.output.quiet => {
            shown::name_passed_over(&report.passed_over);
        }
        End::Recovered(report) | End::Remain(report) if !args.common.output.quiet => {
            shown::name_passed_over(&report.passed_over);
        }
        _ => {}
    }
    if out.format() == Format::Json {
        match &end {
            End::NothingYet => out.json(&NotChecked {
                schema: "papyra.check/1",
                tool: crate::TOOL,
                checked: false,
                detail: "there is no log yet: nothing was checked",
            })?,
            End::Healthy(report) | End::Passed(report, _) | End::Failed(report, _) => out.json(report)?,
            End::Recovered(report) | End::Remain(report) => out.json(report)?,
        }
        return Ok(end);
    }
    match &end {
        End::NothingYet => {
            out.info("Persistence is healthy");
            out.detail(&format!("there is no log at {} yet: nothing was checked", settings.called()?));
        }
        End::Healthy(report) => {
            out.info("Persistence is healthy");
            out.detail(&format!("{} checked", out::records(&report.totals.records)));
        }
        End::Passed(report, _) if args.mode == Mode::Ignore => {
            out.bad(&format!("Persistence anomalies detected (ignored): {}", listed(report)));
        }
        End::Passed(report, advice) | End::Failed(report, advice) => {
            out.bad(&format!("Persistence anomalies detected: {}", listed(report)));
            shown::print(report, advice.as_deref(), out);
        }
        End::Recovered(report) => {
            out.info("Recovery successful");
            out.detail(&format!("{} in the log now", out::records(&report.totals.records)));
        }
        End::Remain(report) => {
            out.bad("Recovery attempted but anomalies still exist");
            shown::print(report, None, out);
        }
    }
    Ok(end)
}

fn decide(args: &Args, settings: &Settings) -> Result<End> {
    settings.called()?;
    let options = RecoverOptions {
        quarantine_dir: settings.quarantine_dir.clone(),
        at_rest: args.at_rest,
        ..RecoverOptions::new(args.recovery_mode.into())
    };
    if args.mode == Mode::Recover {
        recover::check(settings, &options)?;
    }
    if settings.is_not_there_yet() {
        return Ok(End::NothingYet);
    }
    let source = settings.source()?;
    if let Source::Server(store) = &source
        && store.is_empty()?
    {
        return Ok(End::NothingYet);
    }
    let progress = Progress::over(args.common.output.quiet, &source, 1);
    let scanning = settings.scanning(&progress);
    let before = scan::report(&source, settings, scanning)?;
    let clean = scan::verdict(&before) == Verdict::Fine;
    let advice = scan::advice(&source, &before, settings)?;
    Ok(match args.mode {
        _ if clean => End::Healthy(before),
        Mode::Ignore | Mode::ScanOnly => End::Passed(before, advice),
        Mode::FailOnAnomaly => End::Failed(before, advice),
        Mode::Recover => {
            recover::each(settings, &source, &options, After::default(), None, scanning, |_| ())?;
            let after = scan::report(&settings.source()?, settings, scanning)?;
            if scan::verdict(&after) == Verdict::Fine { End::Recovered(after) } else { End::Remain(after) }
        }
    })
}

/// The anomalies in one line.
fn listed(report: &Report) -> String {
    let findings = report.files.iter().flat_map(|file| file.anomalies.iter().map(move |finding| (file, finding)));
    let mut texts: Vec<String> = findings
        .take(3)
        .map(|(file, finding)| format!("{} {}", finding.kind.name(), escape(file.path.as_bytes())))
        .collect();
    if report.totals.anomalies > texts.len() as u64 {
        texts.push(format!("{} in all", report.totals.anomalies));
    }
    texts.join(", ")
}
