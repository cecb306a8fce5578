//! `papyra backup create`

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use papyra_core::escape::escape;
use papyra_core::finding::Reason;
use papyra_core::manifest::{self, Compression};
use papyra_core::report::Verdict as ReportVerdict;
use serde::Serialize;

use super::every::{self, Place};
use super::reading::tell;
use super::words::{command, describe_stream, pace};
use crate::backup::create::{self, CreateOptions, Created};
use crate::backup::prometheus::{Figures, Operation};
use crate::backup::redis::create as streams;
use crate::backup::redis::plain as plain_files;
use crate::cli::out::{self, Out, thousands};
use crate::cli::progress::Progress;
use crate::cli::settings::{Common, Format, Settings, label};
use crate::cli::verdict::Verdict;
use crate::error::{Code, Error, Result, show};
use crate::offline;
use crate::redis::Role;
use crate::source::redis_files;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Compress {
    /// Store files uncompressed
    None,
    /// Store files as .gz
    Gzip,
    /// Store files as .zst
    Zstd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    /// Read each stream with DUMP, all streams of a system in one transaction
    Dump,
    /// Back up the whole server: trigger BGSAVE and fetch the RDB file as a replica does
    Bgsave,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    common: Common,

    /// The folder of backups, or a repository: a folder, s3://BUCKET/PREFIX, gs://… or az://…
    #[arg(long, env = "PAPYRA_BACKUPS", value_name = "FOLDER")]
    to: Option<PathBuf>,

    /// How to copy streams of a server [default: dump]
    #[arg(long, value_name = "METHOD", ignore_case = true, help_heading = "Redis")]
    method: Option<Method>,

    /// With --method bgsave: read the RDB file here, where the server saves it, instead of over the network
    #[arg(long, value_name = "FILE", help_heading = "Redis")]
    rdb: Option<PathBuf>,

    /// The backup's name; by default papyra- and the time
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// The series that the backup belongs to; by default that of this host and what is backed up
    #[arg(long, env = "PAPYRA_SERIES", value_name = "NAME", value_parser = label)]
    series: Option<String>,

    /// Tag the backup, for list and prune; may be given several times
    #[arg(long, value_name = "TAG", value_delimiter = ',', value_parser = label)]
    tag: Vec<String>,

    /// Compression of the stored files
    #[arg(long, value_name = "FORMAT", default_value = "none", ignore_case = true)]
    compress: Compress,

    /// Include rejects and quarantined files of earlier recoveries
    #[arg(long)]
    include_rejects: bool,

    /// The quarantine folder
    #[arg(long, env = "PAPYRA_QUARANTINE_DIR", value_name = "FOLDER")]
    quarantine_dir: Option<PathBuf>,

    /// Fail (75) if the log is written to during the backup
    #[arg(long)]
    pause_check: bool,

    /// Read all files again, also those that have not changed since the series' last backup
    #[arg(long)]
    reread: bool,

    /// Folders: hard-link files that are the same as in the series' last backup; damage to one is then damage to both
    #[arg(long, conflicts_with = "reread")]
    link: bool,

    /// Exit with 0 even if the source has anomalies; without it, the backup is made and the exit code is 2
    #[arg(long)]
    accept_damage: bool,

    /// Seconds to wait for a running recovery or compaction before giving up with 75
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    wait: u64,

    /// Write metrics to this file for node-exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,

    #[command(flatten)]
    staying: every::Flags,
}

/// The backup that was made: schema `papyra.create/1`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Document<'a> {
    schema: &'static str,
    tool: &'static str,
    /// The backup's folder or URL.
    path: &'a Path,
    /// How many bytes had to be written: what a repository did not have, compressed and encrypted, or what a folder
    /// does not share with the series' last backup. Null in a folder where nothing is shared.
    new_bytes: Option<u64>,
    /// What the operator should know.
    warnings: &'a [String],
    manifest: &'a manifest::Manifest,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, args.quarantine_dir.as_ref())?.acting_as(Role::Backup);
    let make = || tell(args.prometheus.as_ref(), Operation::Create, create(args, &settings), figures);
    let Some(every) = args.staying.every()? else { return finish(&make()?, args, &settings, out) };
    if args.name.is_some() {
        return Err(Error::new(Code::Usage, "--name is for one backup, and --every makes many: leave it out"));
    }
    let (to, filing) = (settings.backups(args.to.as_ref())?, settings.filing(args.series.as_ref(), &args.tag)?);
    let place = Place { to: &to, series: &filing.series, settings: &settings };
    every::stay(&args.staying, every, &place, &make, &mut |created, out| _ = finish(created, args, &settings, out), out)
}

/// Makes a backup.
fn create(args: &Args, settings: &Settings) -> Result<Created> {
    let compression = match args.compress {
        Compress::None => Compression::None,
        Compress::Gzip => Compression::Gzip,
        Compress::Zstd => Compression::Zstd,
    };
    if settings.is_redis() {
        return redis(args, settings, compression);
    }
    if args.method.is_some() || args.rdb.is_some() {
        return Err(Error::new(Code::Usage, "--method and --rdb are for --backend redis"));
    }
    if let Some(of) = settings.path().ok().and_then(redis_files) {
        return of_redis_files(args, settings, &of, compression);
    }
    let options = CreateOptions {
        to: settings.backups(args.to.as_ref())?,
        name: args.name.clone(),
        filing: settings.filing(args.series.as_ref(), &args.tag)?,
        compression,
        include_rejects: args.include_rejects,
        quarantine_dir: settings.quarantine_dir.clone(),
        pause_check: args.pause_check,
        reread: args.reread,
        link: args.link,
        patience: Duration::from_secs(args.wait),
    };
    let progress = Progress::new(args.common.output.quiet, settings.source()?.size());
    create::create(&|| settings.source(), &options, settings.scanning(&progress))
}

fn figures(created: &Created) -> Figures {
    Figures {
        seconds: created.manifest.seconds,
        records: Some(created.manifest.scan.totals.records.total()),
        anomalies: created.manifest.scan.totals.anomalies,
        bytes: created.manifest.bytes(),
        created: created.manifest.created.parse().ok(),
        good: true,
    }
}

/// Backs up streams of a server.
fn redis(args: &Args, settings: &Settings, compression: Compression) -> Result<Created> {
    if args.pause_check || args.include_rejects || args.link {
        let text = "--pause-check, --include-rejects and --link are for logs in files: a server copies its streams at \
                    one moment, and their quarantine comes along";
        return Err(Error::new(Code::Usage, text));
    }
    let method = match args.method {
        Some(Method::Bgsave) => manifest::Method::Bgsave,
        _ => manifest::Method::Dump,
    };
    if method == manifest::Method::Dump && args.rdb.is_some() {
        return Err(Error::new(Code::Usage, "--rdb goes with --method bgsave"));
    }
    if method == manifest::Method::Bgsave && compression != Compression::None {
        let text = "an RDB file is compressed by the server already, and is stored as it is: leave --compress out";
        return Err(Error::new(Code::Usage, text));
    }
    let options = streams::StreamOptions {
        to: settings.backups(args.to.as_ref())?,
        name: args.name.clone(),
        filing: settings.filing(args.series.as_ref(), &args.tag)?,
        compression,
        method,
        rdb: args.rdb.clone(),
    };
    let progress = Progress::new(args.common.output.quiet, None);
    streams::create(&settings.open_store()?, &options, settings.scanning(&progress))
}

/// Makes a backup of what a server wrote by itself.
fn of_redis_files(
    args: &Args,
    settings: &Settings,
    of: &offline::ServerFiles,
    compression: Compression,
) -> Result<Created> {
    if args.pause_check || args.include_rejects || args.link {
        return Err(Error::new(Code::Usage, "--pause-check, --include-rejects and --link are for logs"));
    }
    let (path, scope) = (settings.path()?, settings.scope()?);
    let which = plain_files::Which { prefix: scope.prefix, systems: scope.system_id.into_iter().collect(), db: 0 };
    let storing = plain_files::Storing {
        to: settings.backups(args.to.as_ref())?,
        name: args.name.clone(),
        filing: settings.filing(args.series.as_ref(), &args.tag)?,
        compression,
    };
    let progress = Progress::new(args.common.output.quiet, Some(of.size()));
    plain_files::create(of, path, &which, &storing, settings.scanning(&progress))
}

fn finish(created: &Created, args: &Args, settings: &Settings, out: &mut Out) -> Result<Verdict> {
    match out.format() {
        Format::Json => {
            out.json(&Document {
                schema: "papyra.create/1",
                tool: crate::TOOL,
                path: &created.path,
                new_bytes: created.added,
                warnings: &created.warnings,
                manifest: &created.manifest,
            })?;
        }
        Format::Text => print(created, settings, out),
    }
    let damaged = created.manifest.scan.verdict == ReportVerdict::Anomalies;
    let is_bad = !is_complete(created) || damaged && !args.accept_damage;
    Ok(if is_bad { Verdict::Anomalies } else { Verdict::Fine })
}

/// Whether the backup holds every part of the log that Papyra would read, as far as it shows.
fn is_complete(created: &Created) -> bool {
    let is_part = |reason| matches!(reason, Reason::PackedMember | Reason::RenamedMember);
    let mut findings = created.manifest.scan.files.iter().flat_map(|file| &file.anomalies);
    created.unread.is_empty() && !findings.any(|finding| is_part(finding.reason))
}

fn print(created: &Created, settings: &Settings, out: &mut Out) {
    let manifest = &created.manifest;
    let totals = &manifest.scan.totals;
    out.success(&format!("backup {}", show(&created.path)));
    out.detail(&format!("of the series {}", escape(manifest.series().as_bytes())));
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
    if let Some(added) = created.added {
        out.detail(&format!("{} of new data were written", out::bytes(added)));
    }
    for stream in manifest.source.redis.iter().flat_map(|redis| &redis.streams) {
        out.detail(&describe_stream(&stream.key, &stream.facts));
    }
    let is_unread = |path: &str| created.unread.iter().any(|unread| unread.path == path);
    for left in &manifest.left_out {
        let text = format!("not in it: {} ({})", escape(left.path.as_bytes()), escape(left.reason.as_bytes()));
        if is_unread(&left.path) { out.bad(&text) } else { out.info(&text) }
    }
    for warning in &created.warnings {
        out.info(&format!("note: {warning}"));
    }
    if manifest.scan.verdict == ReportVerdict::Anomalies {
        let what = if settings.is_redis() { "the server" } else { "the log" };
        out.bad(&format!("{what} has {}, and so does the backup:", out::anomalies(totals.anomalies)));
        for file in &manifest.scan.files {
            for finding in file.anomalies.iter().take(3) {
                out.detail(&format!("{}: {}", escape(file.path.as_bytes()), finding.detail));
            }
        }
        if let Ok(command) = settings.command() {
            out.info(&format!("to repair {what}: {command}"));
        }
    }
    out.info(&format!("to verify: {}", command("verify", &created.path)));
}
