//! `papyra man`

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_mangen::Man;

use super::out::{Out, called};
use super::verdict::Verdict;
use crate::error::{Code, Error, Result};

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// Write a page for each verb into this folder, which is created if need be, instead of all of them to standard
    /// output
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
}

/// Prints the manual: the command and each of its verbs.
pub(super) fn man(args: &ManArgs, cli: Command, out: &mut Out) -> Result<Verdict> {
    let mut root = cli.name(called());
    root.build();
    let mut verbs = Vec::new();
    gather(&root, Vec::new(), &mut verbs);
    if let Some(folder) = &args.to {
        std::fs::create_dir_all(folder).map_err(|error| Error::cannot_create("create the folder", folder, error))?;
    }
    for (path, command) in &verbs {
        let mut page = Vec::new();
        render(command, path, &verbs, &mut page)
            .map_err(|error| Error::new(Code::Io, format!("cannot write the manual: {error}")))?;
        match &args.to {
            Some(folder) => write(&folder.join(format!("{}.1", path.join("-"))), &page)?,
            None => _ = out.raw(&page),
        }
    }
    Ok(Verdict::Fine)
}

fn write(path: &Path, page: &[u8]) -> Result<()> {
    std::fs::write(path, page).map_err(|error| Error::cannot_create("write the page", path, error))
}

/// A command and those under it, each with the words that call it.
fn gather(command: &Command, mut path: Vec<String>, verbs: &mut Vec<(Vec<String>, Command)>) {
    path.push(command.get_name().to_owned());
    verbs.push((path.clone(), command.clone()));
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        gather(verb, path.clone(), verbs);
    }
}

fn render(
    command: &Command,
    path: &[String],
    verbs: &[(Vec<String>, Command)],
    page: &mut Vec<u8>,
) -> std::io::Result<()> {
    let name = path.join("-");
    let man = Man::new(command.clone().display_name(name.clone())).title(name).source(crate::TOOL);
    man.render_title(page)?;
    man.render_name_section(page)?;
    Man::new(command.clone().bin_name(path.join(" "))).render_synopsis_section(page)?;
    man.render_description_section(page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(page)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(page)?;
    }
    let verb = path[1..].join(" ");
    let examples: Vec<&str> = EXAMPLES.iter().filter(|(of, _)| *of == verb).map(|(_, example)| *example).collect();
    if !examples.is_empty() {
        section(page, "EXAMPLES")?;
        for example in examples {
            writeln!(page, ".PP\n.nf\n    {} {}\n.fi", path[0], example.replace('-', "\\-"))?;
        }
    }
    let variables = command.get_arguments().filter_map(|argument| Some((argument.get_env()?.to_str()?, argument)));
    let variables: Vec<String> = variables
        .filter_map(|(variable, argument)| Some(format!(".TP\n{variable}\nas \\-\\-{}", argument.get_long()?)))
        .collect();
    if !variables.is_empty() {
        section(page, "ENVIRONMENT")?;
        writeln!(page, "{}", variables.join("\n"))?;
        section(page, "FILES")?;
        writeln!(page, ".TP\n\\&./papyra.toml, $XDG_CONFIG_HOME/papyra/papyra.toml, /etc/papyra.toml")?;
        writeln!(page, "The settings; the first that exists is read.")?;
    }
    if !command.has_subcommands() || path.len() == 1 {
        section(page, "EXIT STATUS")?;
        for (code, meaning) in EXIT {
            writeln!(page, ".TP\n{code}\n{meaning}")?;
        }
    }
    let group = &path[..path.len().max(2) - 1];
    let related = verbs.iter().map(|(other, _)| other).filter(|other| {
        let is_beside = other.len() == group.len() + 1 && other.starts_with(group);
        other[..] != *path && (other[..] == *group || is_beside)
    });
    let related: Vec<String> = related.map(|other| format!("{}(1)", other.join("-").replace('-', "\\-"))).collect();
    section(page, "SEE ALSO")?;
    writeln!(page, "{}", related.join(", "))
}

fn section(page: &mut Vec<u8>, name: &str) -> std::io::Result<()> {
    writeln!(page, ".SH \"{name}\"")
}

/// The exit codes, as manual pages list them.
const EXIT: [(&str, &str); 12] = [
    ("0", "Clean, or done."),
    ("1", "startup-check, doctor run: anomalies found."),
    ("2", "scan, backup, doctor, redis export: anomalies found, or a backup is old, damaged or unverified."),
    ("3", "recover: done, but anomalies remain."),
    ("64", "Wrong usage."),
    ("65", "The input is not what it claims to be."),
    ("66", "The input does not exist, cannot be read, or holds nothing that could be checked."),
    ("69", "Redis or the object store cannot be reached or refuses."),
    ("73", "The output exists already or cannot be created."),
    ("74", "Reading or writing failed midway."),
    ("75", "Another papyra is at work there, or the source changed meanwhile: try again."),
    ("78", "Wrong configuration."),
];

/// Examples by verb.
const EXAMPLES: [(&str, &str); 25] = [
    ("persistence scan", "persistence scan --path persistence/events.ndjson"),
    ("persistence scan", "persistence scan --path kept/ --format json"),
    ("persistence recover", "persistence recover --path persistence/events.ndjson --dry-run"),
    ("persistence recover", "persistence recover --path events.ndjson --mode quarantine --quarantine-dir quarantine"),
    ("persistence startup-check", "persistence startup-check --path persistence/events.ndjson"),
    ("persistence compact", "persistence compact --path persistence/events.ndjson --max-records 100000 --dry-run"),
    ("persistence inspect", "persistence inspect --path persistence/events.ndjson"),
    ("persistence replay", "persistence replay --path persistence/rot.log > history.ndjson"),
    ("backup create", "backup create --path persistence/ --to kept/"),
    ("backup create", "backup create --backend redis --system-id orders --to s3://history/orders"),
    ("backup verify", "backup verify --latest kept/"),
    ("backup list", "backup list kept/ --max-age 26h"),
    ("backup restore", "backup restore --latest kept/ --to persistence/"),
    ("backup prune", "backup prune kept/ --keep-daily 7 --keep-weekly 5 --apply"),
    ("backup drill", "backup drill --latest kept/"),
    ("doctor run", "doctor run --path persistence/events.ndjson --mode recover"),
    ("doctor checklist", "doctor checklist --path persistence/ --backups kept/"),
    ("inspect events", "inspect events --path persistence/events.ndjson --event-type ActorCrashed --since 26h"),
    ("inspect audits", "inspect audits --path persistence/events.ndjson --limit 1"),
    ("inspect dead-letters", "inspect dead-letters --path persistence/events.ndjson --actor local:6 --format ndjson"),
    ("inspect summary", "inspect summary --path persistence/events.ndjson"),
    ("inspector", "inspector --output papyra-inspector.html"),
    ("redis export", "redis export --path dump.rdb --to exported"),
    ("metrics persistence", "metrics persistence --path persistence/events.ndjson --prometheus"),
    ("config show", "config show"),
];

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    #[test]
    fn every_verb_has_a_page_and_every_example_is_a_command() {
        let mut root = Cli::command();
        root.build();
        let mut verbs = Vec::new();
        gather(&root, Vec::new(), &mut verbs);
        let names: Vec<String> = verbs.iter().map(|(path, _)| path.join("-")).collect();
        for (path, command) in &verbs {
            let mut page = Vec::new();
            render(command, path, &verbs, &mut page).expect("a page");
            let page = String::from_utf8(page).expect("text");
            assert!(page.contains("SEE ALSO\"\npapyra"), "{page}");
            let line = page.lines().find(|line| line.starts_with('.') && line[1..].starts_with(['/', ' ']));
            assert_eq!(line, None, "taken for a macro");
        }
        assert!(verbs.len() > 30, "{names:?}");
        for (verb, example) in EXAMPLES {
            assert!(names.contains(&format!("papyra-{}", verb.replace(' ', "-"))), "{verb}");
            let words = example.split(" > ").next().into_iter().flat_map(str::split_whitespace);
            let parsed = Cli::command().try_get_matches_from(std::iter::once("papyra").chain(words));
            assert!(parsed.is_ok(), "{example}: {}", parsed.err().map(|error| error.to_string()).unwrap_or_default());
        }
    }
}
