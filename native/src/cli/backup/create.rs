//! `papyra backup create`

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use papyra_core::escape::escape;
use papyra_core::manifest::Compression;
use papyra_core::report::Verdict as ReportVerdict;
use serde_json::json;

use super::{command, pace, tell};
use crate::backup::create::{self, Created, Options};
use crate::backup::prometheus::{Figures, Operation};
use crate::backup::remote::{self, Sending};
use crate::cli::Verdict;
use crate::cli::out::{self, Out, thousands};
use crate::cli::progress::Progress;
use crate::cli::scan;
use crate::cli::settings::{Common, Format, Settings};
use crate::error::{Result, show};
use crate::recover;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Compress {
    /// As they are
    None,
    /// As .gz files
    Gzip,
    /// As .zst files
    Zstd,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    common: Common,

    /// The folder that holds the backups, or s3://BUCKET/PREFIX
    #[arg(long, env = "PAPYRA_BACKUPS", value_name = "FOLDER")]
    to: Option<PathBuf>,

    /// S3: the folder in which the backup is made before it is sent; by default the system's for temporary files
    #[arg(long, value_name = "FOLDER")]
    scratch: Option<PathBuf>,

    /// The backup's name; by default papyra- and the time
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// How to store the files
    #[arg(long, value_name = "FORMAT", default_value = "none", ignore_case = true)]
    compress: Compress,

    /// Bring along what recovery cut out and moved aside
    #[arg(long)]
    include_rejects: bool,

    /// The quarantine folder
    #[arg(long, env = "PAPYRA_QUARANTINE_DIR", value_name = "FOLDER")]
    quarantine_dir: Option<PathBuf>,

    /// Insist that nobody writes meanwhile; exits with 75 when somebody does
    #[arg(long)]
    pause_check: bool,

    /// Seconds to wait for a recovery or compaction under way before giving up with 75
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,

    /// Write figures for node-exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, args.quarantine_dir.as_ref())?;
    let options = Options {
        to: settings.backups(args.to.as_ref())?.to_owned(),
        name: args.name.clone(),
        compression: match args.compress {
            Compress::None => Compression::None,
            Compress::Gzip => Compression::Gzip,
            Compress::Zstd => Compression::Zstd,
        },
        include_rejects: args.include_rejects,
        quarantine_dir: settings.quarantine_dir.clone(),
        pause_check: args.pause_check,
        patience: Duration::from_secs(args.wait),
    };
    let made = || -> Result<Created> {
        if remote::is_remote(&options.to) { send(args, &settings, &options) } else { make(args, &settings, &options) }
    };
    let created = tell(args.prometheus.as_ref(), Operation::Create, made(), |created| Figures {
        seconds: created.manifest.seconds,
        records: created.manifest.scan.totals.records.total(),
        anomalies: created.manifest.scan.totals.anomalies,
        bytes: created.manifest.bytes(),
        created: created.manifest.created.parse().ok(),
        good: true,
    })?;
    match args.common.format {
        Format::Json => {
            let warnings = &created.warnings;
            out.json(&json!({ "path": created.path, "warnings": warnings, "manifest": created.manifest }))?;
        }
        Format::Text => print(&created, &settings, out),
    }
    Ok(Verdict::Fine)
}

fn make(args: &Args, settings: &Settings, options: &Options) -> Result<Created> {
    let progress = Progress::new(args.common.quiet, scan::size(&settings.target()?));
    create::create(&|| settings.target(), options, settings.effort(&progress))
}

/// Makes the backup in the scratch folder and sends it.
fn send(args: &Args, settings: &Settings, options: &Options) -> Result<Created> {
    let progress = |bytes| -> Box<dyn Fn(u64)> {
        let progress = Progress::new(args.common.quiet, Some(bytes));
        Box::new(move |bytes| progress.tick()(bytes))
    };
    remote::send(&Sending {
        to: &options.to,
        name: options.name.as_deref(),
        source: &settings.source()?,
        scratch: &args.scratch.clone().unwrap_or_else(std::env::temp_dir),
        make: &|folder| make(args, settings, &Options { to: folder.to_owned(), ..options.clone() }),
        progress: &progress,
    })
}

fn print(created: &Created, settings: &Settings, out: &mut Out) {
    let manifest = &created.manifest;
    let totals = &manifest.scan.totals;
    out.success(&format!("backup {}", show(&created.path)));
    for file in &manifest.files {
        let cut = match file.source.cut {
            Some(cut) => format!(", cut at byte {} since it is being written", thousands(cut)),
            None => String::new(),
        };
        let packed = match file.compression {
            Compression::None => String::new(),
            _ => format!(" as {}, {}", escape(file.stored.as_bytes()), out::bytes(file.stored_bytes)),
        };
        out.detail(&format!("{}: {}{packed}{cut}", escape(file.path.as_bytes()), out::bytes(file.bytes)));
    }
    out.info(&format!(
        "{}, {} in {}",
        out::records(&totals.records),
        out::bytes(manifest.bytes()),
        pace(manifest.seconds, manifest.bytes())
    ));
    for left in &manifest.left_out {
        out.info(&format!("not in it: {} ({})", escape(left.path.as_bytes()), left.reason));
    }
    for warning in &created.warnings {
        out.info(&format!("note: {warning}"));
    }
    if manifest.scan.verdict == ReportVerdict::Anomalies {
        out.bad(&format!("the log has {}, and the backup has them too:", out::anomalies(totals.anomalies)));
        for file in &manifest.scan.files {
            for finding in file.anomalies.iter().take(3) {
                out.detail(&format!("{}: {}", escape(file.path.as_bytes()), finding.detail));
            }
        }
        if let Ok(path) = settings.path() {
            out.info(&format!("to repair the log: {}", recover::command(path, None)));
        }
    }
    out.info(&format!("to verify: {}", command("verify", &created.path)));
}
