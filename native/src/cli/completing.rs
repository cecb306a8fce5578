//! What a shell completes: verbs and flags, files, and what only this command knows, the names of backups and of
//! series.
//!
//! The script that `papyra completions` prints asks the command itself. What cannot be looked at completes to nothing,
//! and nothing is asked of an object store or a server while somebody types.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, Parser};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use jiff::Timestamp;
use papyra_core::manifest::is_name;

use super::backup::folder_of_backups;
use super::out::{Out, called};
use super::settings_file::Config;
use super::verdict::Verdict;
use crate::backup::{self, Location, list, repository};
use crate::error::{Code, Error, Result};

/// By this variable the script tells the command that it is to complete.
const VARIABLE: &str = "_PAPYRA_COMPLETE";

/// Answers the shell, if it is the shell that asks: then this does not return.
pub(super) fn answer(cli: impl Fn() -> Command) {
    CompleteEnv::with_factory(|| with_candidates(cli())).var(VARIABLE).complete();
}

/// Prints the script for a shell.
pub(super) fn script(shell: Shell, out: &mut Out) -> Result<Verdict> {
    let failed = |why: String| Error::new(Code::Io, format!("cannot write the script: {why}"));
    let shells = Shells::builtins();
    let shell = shells.completer(&shell.to_string()).ok_or_else(|| failed(format!("{shell} is not known")))?;
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, called(), called(), called(), &mut script)
        .map_err(|error| failed(error.to_string()))?;
    if shell.name() == "zsh" {
        // As a file that zsh loads when it is first needed, it answers at once.
        let name = called();
        script.extend(format!("\n[ \"$funcstack[1]\" = _{name} ] && _clap_dynamic_completer_{name} \"$@\"\n").bytes());
    }
    out.raw(&script);
    Ok(Verdict::Fine)
}

/// The command line, with what its arguments complete to.
fn with_candidates(cli: Command) -> Command {
    let with_names = |arg: Arg| {
        let is_called = |names: &[&str]| {
            arg.get_value_names().is_some_and(|values| values.iter().any(|value| names.contains(&value.as_str())))
        };
        match () {
            () if arg.get_id() == "series" => arg.add(ArgValueCompleter::new(|current: &OsStr| series(current))),
            () if is_called(&["BACKUP", "OLD", "NEW"]) => {
                arg.add(ArgValueCompleter::new(|current: &OsStr| paths(current)))
            }
            () => arg,
        }
    };
    let each = |group: Command| group.mut_subcommands(|verb| verb.mut_args(with_names));
    cli.name(called()).mut_subcommand("backup", each).mut_subcommand("doctor", each)
}

/// The place of backups that environment and settings name, if it can be read at once.
fn place() -> Option<Location> {
    #[derive(Debug, Parser)]
    struct Environment {
        #[command(flatten)]
        config: Config,
    }
    let config = Environment::try_parse_from(["papyra"]).ok()?.config;
    folder_of_backups(None, &config).ok().filter(|place| matches!(place, Location::Folder(_)))
}

/// Files and folders that begin so, or the backups of the repository that was typed; where nothing was typed, those of
/// the usual place too.
fn paths(current: &OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let names = |place: &Location| -> Vec<PathBuf> {
        names_in(place).into_iter().map(|name| place.path().join(name)).collect()
    };
    let repository = typed.rsplit_once('/').and_then(|(folder, _)| Location::parse(Path::new(folder)).ok());
    if let Some(repository) = repository.filter(is_repository) {
        let mut paths = names(&repository);
        paths.retain(|path| path.to_string_lossy().starts_with(&*typed));
        return paths.into_iter().map(CompletionCandidate::new).collect();
    }
    let usual = place().filter(|_| typed.is_empty());
    let backups = usual.iter().flat_map(names).map(CompletionCandidate::new);
    backups.chain(PathCompleter::any().complete(current)).collect()
}

fn is_repository(place: &Location) -> bool {
    matches!(place, Location::Folder(_)) && repository::is_repository(place).unwrap_or(false)
}

fn names_in(place: &Location) -> Vec<String> {
    let mut names = backup::at(place).and_then(|files| files.names()).unwrap_or_default();
    names.retain(|name| is_name(name));
    names.sort();
    names
}

/// The series of the usual place.
fn series(current: &OsStr) -> Vec<CompletionCandidate> {
    let entries = place().and_then(|place| list::list(&place, Timestamp::now()).ok()).unwrap_or_default();
    let mut names: Vec<String> = entries.into_iter().filter_map(|entry| entry.series).collect();
    names.sort();
    names.dedup();
    names.retain(|name| name.starts_with(&*current.to_string_lossy()));
    names.into_iter().map(CompletionCandidate::new).collect()
}
