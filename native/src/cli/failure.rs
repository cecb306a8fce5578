//! How an error is told: its own words, and the flags of what it says the caller may set.

use serde::Serialize;

use crate::error::Error;
use crate::setting::Setting;

/// An [`Error`], or a verdict other than "clean", as `--format json` prints it on standard error: one line.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub(super) struct ErrorReport<'a> {
    schema: &'static str,
    tool: &'static str,
    /// The exit code's name; `anomalies` where it is 1, 2 or 3.
    kind: &'static str,
    /// The exit code.
    code: u8,
    /// The file or folder that it is about, with unprintable characters escaped; null when there is none, or when only
    /// the message names it.
    path: Option<&'a str>,
    /// What happened.
    message: &'a str,
    /// What to do next, where the message does not say it.
    advice: Option<&'a str>,
    /// The flags by which it would be otherwise.
    flags: Vec<&'static str>,
}

impl<'a> ErrorReport<'a> {
    pub(super) fn new(error: &'a Error) -> ErrorReport<'a> {
        let (path, advice, flags) = (error.path(), error.advice(), flags(error.settings()));
        ErrorReport { path, advice, flags, ..ErrorReport::of(error.code.name(), error.code as u8, error.message()) }
    }

    /// A verdict other than "clean"; what was found stands in the document on standard output.
    pub(super) fn verdict(code: u8, message: &'a str) -> ErrorReport<'a> {
        ErrorReport::of("anomalies", code, message)
    }

    fn of(kind: &'static str, code: u8, message: &'a str) -> ErrorReport<'a> {
        let (schema, tool) = ("papyra.error/1", crate::TOOL);
        ErrorReport { schema, tool, kind, code, path: None, message, advice: None, flags: Vec::new() }
    }
}

/// An error in one sentence.
pub(super) fn sentence(error: &Error) -> String {
    with_flags(error.to_string(), error.settings())
}

/// A text, and the flags of what it says the caller may set.
pub(super) fn with_flags(text: String, settings: &[Setting]) -> String {
    if settings.is_empty() { text } else { format!("{text} ({})", flags(settings).join(", ")) }
}

fn flags(settings: &[Setting]) -> Vec<&'static str> {
    settings.iter().map(|setting| flag(*setting)).collect()
}

/// How a setting is spelled on the command line.
fn flag(setting: Setting) -> &'static str {
    match setting {
        Setting::Prefix => "--prefix",
        Setting::System => "--system-id",
        Setting::Timeout => "--timeout",
        Setting::Certificate => "--tls-cert",
        Setting::PrivateKey => "--tls-key",
        Setting::Authority => "--tls-ca",
        Setting::ByDump => "--method dump",
        Setting::ByRdbFile => "--method bgsave",
        Setting::ServerProgram => "--redis-server",
        Setting::Force => "--force",
        Setting::MaxAge => "--max-age",
        Setting::MaxRecords => "--max-records",
        Setting::MaxTotalBytes => "--max-total-bytes",
        Setting::Path => "--path",
        Setting::Destination => "--to",
        Setting::KeepLater => "--keep-later",
        Setting::Truncate => "--truncate",
        Setting::AtRest => "--at-rest",
        Setting::NotALog => "--not-a-log",
        Setting::QuarantineFolder => "--quarantine-dir",
        Setting::DiscardRejects => "--discard-rejects",
        Setting::Series => "--series",
        Setting::Backups => "--backups",
        Setting::Name => "--name",
        Setting::Until => "--until",
        Setting::Replace => "--replace",
        Setting::Link => "--link",
        Setting::PauseCheck => "--pause-check",
        Setting::Compression => "--compress",
        Setting::Scratch => "--scratch",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use clap::{Command, CommandFactory};

    use super::super::Cli;
    use crate::sources;

    fn flags_of(command: &Command, all: &mut BTreeSet<String>) {
        all.extend(command.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?))));
        command.get_subcommands().for_each(|verb| flags_of(verb, all));
    }

    fn flags() -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        flags_of(&Cli::command(), &mut all);
        all
    }

    /// The flag-like words of a text.
    fn words(text: &str) -> impl Iterator<Item = &str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| word.starts_with("--"))
    }

    #[test]
    fn every_setting_is_a_flag_of_some_verb() {
        let (all, own) = (flags(), include_str!("failure.rs"));
        let spelled: Vec<&str> =
            own.lines().filter(|line| line.trim_start().starts_with("Setting::")).flat_map(words).collect();
        assert!(spelled.len() > 20, "{spelled:?}");
        let unknown: Vec<&&str> = spelled.iter().filter(|flag| !all.contains(**flag)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    #[test]
    fn no_text_outside_the_command_line_names_a_flag_but_as_part_of_a_whole_command() {
        let all = flags();
        let mut named = Vec::new();
        for folder in ["src", "../core/src"] {
            let mut files = sources::below(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
            files.retain(|(name, _)| !name.starts_with("cli/"));
            for (name, text) in files {
                let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
                let commands = ["papyra ", "redis-cli ", r#"" --"#];
                let lines = lines.filter(|(_, line)| !commands.iter().any(|command| line.contains(command)));
                for (number, line) in lines {
                    let flags = words(line).filter(|word| all.contains(*word));
                    named.extend(flags.map(|flag| format!("{folder}/{name}:{}: {flag}", number + 1)));
                }
            }
        }
        assert!(named.is_empty(), "{}", named.join("\n"));
    }
}
