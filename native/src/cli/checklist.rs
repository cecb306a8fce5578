//! `papyra doctor checklist`

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use super::failure::with_flags;
use super::out::Out;
use super::settings::{Common, Format, Settings, label};
use super::verdict::Verdict;
use super::when::seconds;
use crate::checklist::{Item, Wanted, check};
use crate::error::{Code, Result};
use crate::redis::{self, checklist::Limits};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    /// The quarantine folder
    #[arg(long, env = "PAPYRA_QUARANTINE_DIR", value_name = "FOLDER")]
    quarantine_dir: Option<PathBuf>,

    /// The folder that holds the backups
    #[arg(long, env = "PAPYRA_BACKUPS", value_name = "FOLDER")]
    backups: Option<PathBuf>,

    /// The series of backups to check; by default that of the checked source
    #[arg(long, env = "PAPYRA_SERIES", value_name = "NAME", value_parser = label)]
    series: Option<String>,

    /// How old the newest backup may be
    #[arg(long, value_name = "DURATION", default_value = "26h", value_parser = seconds)]
    max_backup_age: f64,

    /// How long ago the last verification may be
    #[arg(long, value_name = "DURATION", default_value = "8d", value_parser = seconds)]
    max_verify_age: f64,

    /// How long ago the last drill may be
    #[arg(long, value_name = "DURATION", default_value = "35d", value_parser = seconds)]
    max_drill_age: f64,

    /// Redis: how old the last snapshot may be while something has changed since
    #[arg(long, value_name = "DURATION", default_value = "26h", value_parser = seconds)]
    max_save_age: f64,

    /// Redis: how long an entry may have been delivered and not acknowledged
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = seconds)]
    max_pending_age: f64,
}

/// The checklist: schema `papyra.checklist/1`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Checklist<'a> {
    schema: &'static str,
    tool: &'static str,
    /// Whether nothing failed.
    passed: bool,
    items: &'a [Item],
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, args.quarantine_dir.as_ref())?;
    let mut items = Vec::new();
    let (mut path, mut bytes) = (None, None);
    if settings.is_redis() {
        let limits = Limits {
            save_age_ms: (args.max_save_age * 1e3) as u64,
            pending_age_ms: (args.max_pending_age * 1e3) as u64,
        };
        items.extend(redis::checklist::check(&settings.open_store()?, limits)?);
    } else {
        path = Some(settings.path()?.to_owned());
        bytes = settings.source().ok().and_then(|source| source.size());
    }
    let wanted = Wanted {
        path,
        quarantine_dir: settings.quarantine_dir.clone(),
        backups: match settings.backups(args.backups.as_ref()) {
            Err(error) if error.code == Code::Config => None,
            found => Some(found),
        },
        series: settings.wanted(args.series.as_ref())?,
        bytes,
        backup_age: args.max_backup_age,
        verify_age: args.max_verify_age,
        drill_age: args.max_drill_age,
    };
    items.extend(check(&wanted, Timestamp::now()));
    let failed = items.iter().filter(|item| item.passed == Some(false)).count();
    match out.format() {
        Format::Json => out.json(&Checklist {
            schema: "papyra.checklist/1",
            tool: crate::TOOL,
            passed: failed == 0,
            items: &items,
        })?,
        Format::Text => {
            for item in items {
                let line = format!("{}: {}", item.check, item.detail);
                match item.passed {
                    Some(true) => out.success(&line),
                    Some(false) => out.bad(&line),
                    None => out.info(&line),
                }
                if let Some(advice) = item.advice {
                    out.detail(&with_flags(advice, item.settings));
                }
            }
        }
    }
    Ok(if failed == 0 { Verdict::Fine } else { Verdict::Anomalies })
}
