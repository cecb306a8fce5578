//! `papyra backup create --every`: stays, and makes a backup whenever something was appended.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::prune::KeepFlags;
use crate::backup::create::{Created, Marks, marks};
use crate::backup::prune::prune;
use crate::backup::{Location, remember, repository};
use crate::cli::out::{self, Out, counted};
use crate::cli::settings::Settings;
use crate::cli::verdict::Verdict;
use crate::cli::when::seconds;
use crate::error::{Code, Error, Result};

/// How often backups are thinned out.
const THINNING: Duration = Duration::from_secs(3600);

/// How soon a signal is noticed.
const NAP: Duration = Duration::from_millis(100);

/// Flags of a command that stays.
#[derive(Debug, clap::Args)]
pub(super) struct Flags {
    /// Keep running, and make a backup this often if something was appended: 60s, 5m. Repositories only
    #[arg(long, value_name = "DURATION", value_parser = seconds, help_heading = "Staying")]
    every: Option<f64>,

    /// Write the time of the last successful round to this file, for a supervisor to check
    #[arg(long, value_name = "FILE", requires = "every", help_heading = "Staying")]
    health_file: Option<PathBuf>,

    /// Give up after this many failed rounds in a row; by default, try again forever
    #[arg(long, value_name = "N", requires = "every", help_heading = "Staying")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    give_up_after: Option<u32>,

    #[command(flatten)]
    keep: KeepFlags,
}

impl Flags {
    /// How long a round takes, if the command stays.
    pub(super) fn every(&self) -> Result<Option<Duration>> {
        let Some(every) = self.every else {
            let text = "--keep-… on create works with --every only; papyra backup prune removes backups at once";
            return if self.keep.keep().is_empty() { Ok(None) } else { Err(Error::new(Code::Usage, text)) };
        };
        match Duration::try_from_secs_f64(every) {
            Ok(every) if every >= Duration::from_secs(1) => Ok(Some(every)),
            _ => Err(Error::new(Code::Usage, "--every takes a second or more: 60s, 5m")),
        }
    }
}

/// What is backed up, and where to.
pub(super) struct Place<'a> {
    pub(super) to: &'a Location,
    pub(super) series: &'a str,
    pub(super) settings: &'a Settings,
}

/// Makes a backup with `make` whenever what is backed up has changed, until a signal ends it.
pub(super) fn stay(
    flags: &Flags,
    every: Duration,
    place: &Place<'_>,
    make: &dyn Fn() -> Result<Created>,
    show_created: &mut dyn FnMut(&Created, &mut Out),
    out: &mut Out,
) -> Result<Verdict> {
    let &Place { to, series, settings } = place;
    must_be_repository(to)?;
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // Whoever sends it once more does not want to wait.
        let registered = flag::register_conditional_default(signal, Arc::clone(&ended))
            .and_then(|_| flag::register(signal, Arc::clone(&ended)));
        registered.map_err(|error| Error::new(Code::Io, format!("cannot wait for signals: {error}")))?;
    }
    let (mut seen, mut thinned, mut failures): (Option<Marks>, Option<Instant>, u32) = (None, None, 0);
    let mut is_first = true;
    while !ended.load(Ordering::Relaxed) {
        let begun = Instant::now();
        match must_be_repository(to).and_then(|()| round(settings, &mut seen, make)) {
            Ok(created) => {
                failures = 0;
                if let Some(created) = &created {
                    show_created(created, out);
                    out.flush();
                }
                if let Some(file) = &flags.health_file
                    && let Err(error) = remember(file, format!("{}\n", Timestamp::now()).as_bytes())
                {
                    out::message(&error.to_string());
                }
            }
            Err(error) if is_first && matches!(error.code, Code::Usage | Code::Config) => return Err(error),
            Err(error) => {
                failures += 1;
                if flags.give_up_after.is_some_and(|most| failures >= most) {
                    return Err(error.and(&format!("gave up after {}", counted(failures.into(), "try", "tries"))));
                }
                out::message(&format!("{error}; trying again in {} s", every.as_secs()));
            }
        }
        is_first = false;
        if thinned.is_none_or(|thinned| thinned.elapsed() >= THINNING) {
            thinned = Some(Instant::now());
            thin_out(flags, to, series);
        }
        while begun.elapsed() < every && !ended.load(Ordering::Relaxed) {
            std::thread::sleep(NAP.min(every.saturating_sub(begun.elapsed())));
        }
    }
    Ok(Verdict::Fine)
}

/// Fails when the place is not a repository. One that is away for a while must not become a folder of plain backups.
fn must_be_repository(to: &Location) -> Result<()> {
    if repository::is_repository(to)? {
        return Ok(());
    }
    let text = format!("{to} is not a repository, and --every needs one: papyra backup init makes it");
    Err(Error::new(Code::NoInput, text))
}

/// Makes a backup, if anything has changed since the last one.
fn round(settings: &Settings, seen: &mut Option<Marks>, make: &dyn Fn() -> Result<Created>) -> Result<Option<Created>> {
    // A server tells what it holds no faster than it gives it.
    let now = if settings.is_redis() { None } else { marks(&settings.source()?)? };
    if now.is_some() && *seen == now {
        return Ok(None);
    }
    let created = make()?;
    *seen = now;
    Ok(Some(created))
}

/// Removes what the policy does not keep; when that fails, it is tried again an hour later.
fn thin_out(flags: &Flags, to: &Location, series: &str) {
    let keep = flags.keep.keep();
    if keep.is_empty() {
        return;
    }
    match prune(to, Some(series), &keep, true, Timestamp::now()) {
        Ok(decisions) => {
            for (name, why) in decisions.iter().filter_map(|decision| Some((&decision.name, decision.failed.as_ref()?)))
            {
                out::message(&format!("{name} could not be removed: {why}"));
            }
        }
        Err(error) => out::message(&format!("backups were not thinned out: {error}")),
    }
}
