//! `papyra backup restore`

use std::path::PathBuf;

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::redis::StreamId;
use papyra_core::report::Verdict as ReportVerdict;

use super::checking::{Which, from_future};
use super::reading::Reading;
use super::words::{describe, describe_stream, pace, source};
use crate::backup::redis::plain as plain_files;
use crate::backup::redis::{CutEntries, restore as streams};
use crate::backup::restore::{self, RestoreOptions, Restored};
use crate::backup::until::{CutOff, Until};
use crate::backup::{Backup, Location};
use crate::cli::out::{self, Out, counted, thousands};
use crate::cli::redis_flags::RedisFlags;
use crate::cli::settings::{Backend, Format};
use crate::cli::settings_file::File;
use crate::cli::verdict::Verdict;
use crate::cli::when;
use crate::error::{Code, Error, Result, show};
use crate::recover;
use crate::redis::{self, Role, Store, Systems};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    which: Which,

    /// The folder to restore files into; created if missing, refused if it is not empty
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,

    /// With --latest: the newest backup not later than this time: 2026-11-01T02:00:00Z; without a zone, UTC
    #[arg(long, value_name = "TIME", requires = "latest", value_parser = moment)]
    at: Option<Timestamp>,

    /// Restore what is not later than this, and tell what is cut off: a date (2026-01-31, 2026-01-31T12:00:00Z; UTC
    /// where none is named), how long ago (26h, 3d), of logs seconds of their own clock, of streams an entry's ID
    ///
    /// A log ends before its first record that is later, a rotated set as it was then. A stream keeps its last ID and
    /// its groups, so that no ID is given twice.
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = until)]
    until: Option<Until>,

    /// Restore only this file, by its path in what was backed up; may be given several times
    #[arg(long, value_name = "FILE")]
    include: Vec<String>,

    /// redis: restore streams to the server of --redis-url
    #[arg(long, env = "PAPYRA_BACKEND", value_name = "BACKEND", ignore_case = true)]
    backend: Option<Backend>,

    /// Rename existing data to NAME.replaced.TIME first (Redis: KEY:replaced:TIME)
    #[arg(long)]
    replace: bool,

    /// Verify the backup and show what would be restored, without changing anything
    #[arg(long)]
    dry_run: bool,

    #[command(flatten)]
    redis: RedisFlags,

    #[command(flatten)]
    reading: Reading,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    args.to.as_deref().map_or(Ok(()), Location::must_be_folder)?;
    let config = &args.reading.config;
    let file = config.file()?;
    let wanted = args.which.wanted(config)?;
    let redis_files = if args.to.is_none() { args.which.redis_files() } else { None };
    let (mut temporary, mut opened, mut warnings) = (None, None, Vec::new());
    let backup: &Backup = match &redis_files {
        // What a server wrote by itself is made a backup of first.
        Some((path, of)) => {
            let (settings, named) = args.redis.destination(config.file()?.redis)?;
            let which = plain_files::Which { prefix: named.prefix, systems: named.systems, db: settings.db() };
            let progress = args.reading.progress(of.size());
            let made = plain_files::temporary(of, path, &which, args.reading.scanning(&progress))?;
            warnings.clone_from(&made.warnings);
            &temporary.insert(made).backup
        }
        None => {
            let backup = args.which.open(config, args.at)?;
            if !args.include.is_empty() && backup.manifest.source.redis.is_some() {
                let text = "--include is for files: --system-id says which streams to restore";
                return Err(Error::new(Code::Usage, text));
            }
            opened.insert(if args.include.is_empty() { backup } else { backup.only(&args.include)? })
        }
    };
    let progress = args.reading.progress(backup.manifest.bytes());
    let options = RestoreOptions { replace: args.replace, dry_run: args.dry_run, wanted, until: args.until };
    let scanning = args.reading.scanning(&progress);
    let (mut done, repair) = match &args.to {
        Some(to) => {
            let done = restore::restore(backup, to, options, scanning)?;
            let repair = recover::command(&done.to, None);
            (done, repair)
        }
        None if args.backend.or(file.backend) != Some(Backend::Redis) => {
            let text = match &backup.manifest.source.redis {
                Some(_) => "the backup is one of streams: --backend redis and --redis-url say where to restore them",
                None => "name the folder to restore into with --to",
            };
            return Err(Error::new(Code::Usage, text));
        }
        None => {
            let store = store(args, file, backup)?;
            (streams::restore(backup, &store, options, scanning)?, redis::recover::command(&store.settings))
        }
    };
    drop(progress);
    if let Some((path, _)) = &redis_files {
        done.backup = path.to_path_buf();
        done.notes.append(&mut warnings);
    }
    match out.format() {
        Format::Json => out.json(&done)?,
        Format::Text => print(backup, &done, &repair, out),
    }
    Ok(Verdict::Fine)
}

/// Reads up to where a history is meant: an entry's ID, or what [`when::until`] takes.
fn until(text: &str) -> std::result::Result<Until, String> {
    if let Some(id) = text.contains('-').then(|| StreamId::parse(text.as_bytes(), 0)).flatten() {
        return Ok(Until::Entry(id));
    }
    match when::until(text) {
        Ok(moment) => Ok(Until::Time { seconds: moment.seconds(), is_unix: moment.is_unix() }),
        Err(expected) => Err(format!("{expected}, or a stream entry's ID such as 1700000000000-0")),
    }
}

/// Reads a moment; without a zone, it is UTC.
fn moment(text: &str) -> std::result::Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let civil: jiff::civil::DateTime = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    civil.to_zoned(jiff::tz::TimeZone::UTC).map(|time| time.timestamp()).map_err(|error| error.to_string())
}

/// The server, with the systems of the backup that are meant.
fn store(args: &Args, file: File, backup: &Backup) -> Result<Store> {
    let (mut settings, named) = args.redis.destination(file.redis)?;
    let redis = streams::source(backup)?;
    if let Some(prefix) = named.prefix.filter(|prefix| *prefix != redis.prefix) {
        let text = format!(
            "the backup's keys begin with {}, not {}: they are restored as they were; leave --prefix out",
            escape(redis.prefix.as_bytes()),
            escape(prefix.as_bytes())
        );
        return Err(Error::new(Code::Usage, text));
    }
    settings.role = Role::Restore;
    settings.prefix = redis.prefix.clone();
    settings.systems = Systems::Named(streams::systems(backup, &named.systems)?);
    Store::open(settings)
}

fn print_cut(off: &CutOff, out: &mut Out) {
    let time = |time: Option<f64>| time.map_or_else(|| "an unknown time".into(), |time| format!("{time:.3}"));
    out.info(&format!(
        "cut off: {} from {} at byte {} on: {}, {}, of {} to {}",
        escape(off.log.as_bytes()),
        escape(off.file.as_bytes()),
        thousands(off.offset),
        counted(off.records, "record", "records"),
        out::bytes(off.bytes),
        time(off.first_timestamp),
        time(off.last_timestamp)
    ));
    if off.not_later > 0 {
        let records = counted(off.not_later, "record", "records");
        out.bad(&format!("{records} behind the cut are not later than that: the writer's clock had gone back"));
    }
}

fn print_cut_entries(key: &str, off: &CutEntries, out: &mut Out) {
    out.info(&format!(
        "cut off: {} behind the last entry before {}: {}, {} to {}",
        escape(key.as_bytes()),
        off.first_id,
        counted(off.entries, "entry", "entries"),
        off.first_id,
        off.last_id
    ));
    if off.pending > 0 {
        let pending = counted(off.pending, "pending entry", "pending entries");
        out.info(&format!("groups keep {pending} of them, whose messages are gone: XAUTOCLAIM drops those"));
    }
}

fn print(backup: &Backup, done: &Restored, repair: &str, out: &mut Out) {
    if done.dry_run {
        out.info("Dry run: nothing was written");
        out.success(&format!("{} is intact and would be restored to {}", show(&done.backup), show(&done.to)));
    } else {
        out.success(&format!("restored to {}", show(&done.to)));
    }
    describe(backup, out);
    let streams = backup.manifest.source.redis.iter().flat_map(|redis| &redis.streams);
    for stream in streams.filter(|stream| done.streams.iter().any(|done| done.key == stream.key)) {
        out.detail(&describe_stream(&stream.key, &stream.facts));
    }
    out.info(&format!("{} in {}", out::bytes(done.bytes), pace(done.seconds, done.bytes)));
    for path in &done.replaced {
        out.info(&format!("existing data was renamed to {}", show(path)));
    }
    done.cut_off.iter().for_each(|off| print_cut(off, out));
    for (key, off) in done.streams.iter().filter_map(|stream| Some((&stream.key, stream.cut_off.as_ref()?))) {
        print_cut_entries(key, off, out);
    }
    if backup.is_from_future() {
        out.bad(&from_future(&backup.path, &backup.manifest.created));
    }
    for note in &done.notes {
        out.info(&format!("note: {note}"));
    }
    if done.scan.verdict == ReportVerdict::Anomalies {
        out.bad(&format!(
            "{} had {} when this was backed up, and has them now",
            source(backup),
            out::anomalies(done.scan.totals.anomalies)
        ));
        out.info(&format!("to repair: {repair}"));
    }
}
