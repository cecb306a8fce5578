//! The command line: one file a verb. Words and exit codes live here and nowhere else.

mod arguments;
mod backup;
mod checklist;
mod compact;
mod completing;
mod config;
mod consumer_groups;
mod doctor;
mod failure;
mod follow;
mod inspect;
mod inspect_groups;
mod inspector;
mod meta;
mod metrics;
mod out;
mod persistence_inspect;
mod progress;
mod recover;
mod redis;
mod redis_backup;
mod redis_flags;
mod replay;
mod scan;
mod schemas;
mod settings;
mod settings_file;
mod shown;
mod verdict;
mod when;

use std::process::ExitCode;

use clap::{ArgAction, CommandFactory, Parser, Subcommand};

use crate::error::Result;
use out::Out;
use verdict::Verdict;

/// Backup, verification and recovery for Papyra's event, audit and dead-letter logs.
#[derive(Debug, Parser)]
#[command(name = "papyra", version = VERSION, propagate_version = true, disable_version_flag = true)]
#[command(max_term_width = 100, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 clean or done, 1 anomalies (startup-check, doctor), 2 anomalies (scan, backup) or \
anomalies remain (doctor), 3 recovered but anomalies remain, 64 wrong usage, 65 wrong data, 66 no input, \
69 Redis or object store unreachable or refusing, 73 cannot create output, 74 I/O error, 75 busy or changed \
meanwhile: try again, 78 wrong configuration."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print version
    #[arg(long, short = 'V', short_alias = 'v', global = true, action = ArgAction::Version)]
    version: Option<bool>,
}

/// Which tool this is, too: Papyra's own command has the same name.
const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (backup, verification and recovery; not the command of Papyra itself)");

#[derive(Debug, Subcommand)]
enum Command {
    /// Scan, recover, compact, inspect and replay logs and streams
    #[command(subcommand)]
    Persistence(Persistence),
    /// Create, verify, list, restore, prune and drill backups
    #[command(subcommand)]
    #[command(alias = "backups")]
    Backup(backup::What),
    /// Check persistence before a start, and repair it if asked to
    #[command(subcommand)]
    Doctor(Doctor),
    /// Show events, audits, dead letters and consumer groups
    #[command(subcommand)]
    Inspect(inspect::What),
    /// The inspector page: the same check in a browser, as one file that works without a network
    Inspector(inspector::Args),
    /// Manage consumer groups on a Redis or Valkey server, and export backups
    #[command(subcommand)]
    Redis(redis::Verb),
    /// Print metrics
    #[command(subcommand)]
    #[command(alias = "metric")]
    Metrics(metrics::What),
    /// Show the settings in effect
    #[command(subcommand)]
    Config(config::What),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the JSON Schemas of what --format json prints
    Schemas(schemas::Args),
    /// Print the manual, or write one man page per verb
    Man(meta::ManArgs),
}

#[derive(Debug, Subcommand)]
enum Persistence {
    /// Read every byte and report anomalies; changes nothing
    Scan(scan::Args),
    /// Remove damaged bytes and keep every intact record; what is removed is stored in a rejects file
    Recover(recover::Args),
    /// Scan before a start; exits with 1 on any anomaly
    StartupCheck(doctor::Args),
    /// Remove the oldest records by count, age or size
    Compact(compact::Args),
    /// Show counts and sizes of the stored records
    Inspect(persistence_inspect::Args),
    /// Print every intact record, oldest first, byte for byte
    Replay(replay::Args),
}

#[derive(Debug, Subcommand)]
enum Doctor {
    /// Scan, recover if --mode says so, and scan again
    Run(doctor::Args),
    /// Check that what an operator relies on is there: quarantine, backups, verification, drill; on Redis what the
    /// server does for its data
    Checklist(checklist::Args),
}

/// Runs the command line; the exit codes are listed in its help.
pub fn main() -> ExitCode {
    completing::answer(Cli::command);
    let (cli, matches) =
        match arguments::parse::<Cli>(Cli::command().name(out::called()), std::env::args_os().collect()) {
            Ok(parsed) => parsed,
            Err(code) => return code,
        };
    let mut verb = &matches;
    while let Some((_, below)) = verb.subcommand() {
        verb = below;
    }
    let mut out = Out::new(verb);
    match run(cli.command, &mut out).and_then(|verdict| out.close().map(|()| verdict)) {
        Ok(verdict) => {
            out.verdict(verdict as u8);
            ExitCode::from(verdict as u8)
        }
        Err(error) => {
            out.failure(&error);
            ExitCode::from(error.code as u8)
        }
    }
}

fn run(command: Command, out: &mut Out) -> Result<Verdict> {
    if out.is_lines() && !matches!(command, Command::Inspect(_) | Command::Persistence(Persistence::Scan(_))) {
        return Err(out::no_lines());
    }
    match command {
        Command::Persistence(Persistence::Scan(args)) => scan::run(&args, out),
        Command::Persistence(Persistence::Recover(args)) => recover::run(&args, out),
        Command::Persistence(Persistence::StartupCheck(args)) => doctor::startup_check(&args, out),
        Command::Persistence(Persistence::Compact(args)) => compact::run(&args, out),
        Command::Persistence(Persistence::Inspect(args)) => persistence_inspect::run(&args, out),
        Command::Persistence(Persistence::Replay(args)) => replay::run(&args, out),
        Command::Backup(what) => backup::run(&what, out),
        Command::Doctor(Doctor::Run(args)) => doctor::doctor(&args, out),
        Command::Doctor(Doctor::Checklist(args)) => checklist::run(&args, out),
        Command::Inspect(what) => inspect::run(&what, out),
        Command::Inspector(args) => inspector::run(&args, out),
        Command::Redis(verb) => redis::run(&verb, out),
        Command::Metrics(what) => metrics::run(&what, out),
        Command::Config(what) => config::run(&what, out),
        Command::Completions { shell } => completing::script(shell, out),
        Command::Schemas(args) => schemas::run(&args),
        Command::Man(args) => meta::man(&args, Cli::command(), out),
    }
}
