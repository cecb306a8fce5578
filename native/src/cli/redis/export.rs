//! `papyra redis export`

use std::path::PathBuf;

use papyra_core::escape::escape;

use crate::cli::out::{Out, anomalies, counted};
use crate::cli::progress::Progress;
use crate::cli::settings::{Common, Format, Settings};
use crate::cli::verdict::Verdict;
use crate::error::{Result, show};
use crate::offline::export::export;
use crate::source::{Source, Task};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    common: Common,

    /// The folder to write to; it must be empty or not exist yet
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, None)?;
    let source = settings.source()?;
    let Source::Redis(_, backup) = source else { return Err(source.refusal(Task::Export)) };
    let progress = Progress::new(args.common.output.quiet, Some(backup.size()));
    let done = export(&backup, &args.to, &settings.scope()?, settings.scanning(&progress))?;
    drop(progress);
    let verdict = if done.is_whole() { Verdict::Fine } else { Verdict::Anomalies };
    if out.format() == Format::Json {
        out.json(&done)?;
        return Ok(verdict);
    }
    for log in &done.logs {
        let salvaged = if log.salvaged { ", salvaged: the backup is damaged there" } else { "" };
        out.success(&format!(
            "{}: {}{salvaged}",
            show(&args.to.join(&log.path)),
            counted(log.records, "record", "records")
        ));
        let key = escape(log.key.as_bytes());
        if log.bad_entries > 0 {
            out.detail(&format!("{} of {key} without a record", counted(log.bad_entries, "entry", "entries")));
        }
        if log.more_fields > 0 {
            out.detail(&format!(
                "{} of {key} with fields besides `data`",
                counted(log.more_fields, "record", "records")
            ));
        }
        if let Some(rejected) = &log.rejected {
            out.detail(&format!("what the log cannot hold is kept in {}", show(&args.to.join(rejected))));
        }
    }
    out.success(&format!("{}: {}", show(&args.to.join(done.groups)), counted(done.group_count, "group", "groups")));
    done.warnings.iter().for_each(|warning| out.info(&format!("note: {}", escape(warning.as_bytes()))));
    if done.damage > 0 {
        out.bad(&format!("the backup has {}: `papyra persistence scan` lists them", anomalies(done.damage)));
    }
    Ok(verdict)
}
