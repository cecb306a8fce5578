//! What was typed, around clap: a verb without its group gets the group, and clap's errors get the exact command and
//! nothing raw of what was typed.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, FromArgMatches};
use papyra_core::escape::escape;

use super::failure::ErrorReport;
use super::out;
use crate::error::{Code, Error};

/// Parses what was typed. `Err` is the end of it: help and version were printed, or the error was.
pub(super) fn parse<C: FromArgMatches>(
    command: Command,
    typed: Vec<OsString>,
) -> Result<(C, clap::ArgMatches), ExitCode> {
    let mut command = without_values(command);
    let arguments = with_group(&command, typed);
    let parsed = command.try_get_matches_from_mut(&arguments).and_then(|matches| {
        let cli = C::from_arg_matches(&matches)?;
        Ok((cli, matches))
    });
    parsed.map_err(|error| {
        // A group without a verb shows its verbs, as Papyra's own tool does.
        let asked = !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        if !asked {
            complain(&command, error, wants_json(&arguments));
            return ExitCode::from(Code::Usage as u8);
        }
        // Nobody may be reading any more.
        anstream::print!("{}", error.render().ansi());
        ExitCode::SUCCESS
    })
}

/// The help names the variables of the environment; what is in them goes to no terminal.
fn without_values(command: Command) -> Command {
    command.mut_args(|argument| argument.hide_env_values(true)).mut_subcommands(without_values)
}

/// Puts the group before a verb that only one group has.
fn with_group(command: &Command, mut arguments: Vec<OsString>) -> Vec<OsString> {
    let at = if arguments.get(1).is_some_and(|word| word == "help") { 2 } else { 1 };
    let Some(word) = arguments.get(at).and_then(|word| word.to_str()).map(str::to_owned) else { return arguments };
    if word == "version" {
        arguments[at] = "--version".into();
    } else if command.find_subcommand(&word).is_none()
        && let [path] = &paths(command, &word)[..]
    {
        let group = path.split(' ').next().unwrap_or_default().to_owned();
        arguments.insert(at, group.into());
    }
    arguments
}

/// The groups and verbs under `command` with that name: `backup verify`, `redis groups list`.
fn paths(command: &Command, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for group in command.get_subcommands().filter(|group| group.has_subcommands()) {
        if let Some(verb) = group.find_subcommand(name) {
            found.push(format!("{} {}", group.get_name(), verb.get_name()));
        }
    }
    found
}

/// Prints a clap error with what is foreign in it made safe, and the command that was probably meant.
fn complain(command: &Command, mut error: clap::Error, json: bool) {
    let foreign: Vec<(ContextKind, String)> = error
        .context()
        .filter_map(|(kind, value)| match value {
            ContextValue::String(text) => Some((kind, escape(text.as_bytes()))),
            _ => None,
        })
        .collect();
    let meant = foreign.iter().find(|(kind, _)| *kind == ContextKind::InvalidSubcommand).map(|(_, verb)| verb.clone());
    for (kind, text) in foreign {
        error.insert(kind, ContextValue::String(text));
    }
    let rendered = error.render().to_string();
    let mut lines: Vec<String> =
        out::without_passwords(&rendered).trim_end().lines().map(|line| escape(line.as_bytes())).collect();
    let commands = meant.map(|verb| paths(command, &verb)).unwrap_or_default();
    lines.extend(commands.iter().map(|path| format!("  {} {path}", out::called())));
    if json {
        let text: Vec<&str> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
        let error = Error::new(Code::Usage, text.join(" ").trim_start_matches("error: "));
        return out::report(&ErrorReport::new(&error));
    }
    eprintln!("{}", lines.join("\n"));
}

/// Whether errors are to be JSON, of arguments that could not be parsed.
fn wants_json(arguments: &[OsString]) -> bool {
    let is = |word: &OsString, text: &str| word.to_str().is_some_and(|word| word.eq_ignore_ascii_case(text));
    arguments.iter().any(|word| is(word, "--json") || is(word, "--format=json"))
        || arguments.windows(2).any(|pair| is(&pair[0], "--format") && is(&pair[1], "json"))
}
