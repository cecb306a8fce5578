//! `papyra config show`: the settings in force, and where each comes from.

use std::path::PathBuf;

use serde::Serialize;

use super::out::{Format, Out, Output};
use super::settings_file::{Config, File, places};
use super::verdict::Verdict;
use crate::error::{Result, show};
use crate::redis::Location;

#[derive(Debug, clap::Subcommand)]
pub(super) enum What {
    /// Show the settings in effect and where each comes from; secrets are hidden
    Show(Args),
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    output: Output,
}

/// `papyra config show --format json`
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub(super) struct Shown {
    schema: &'static str,
    tool: &'static str,
    /// The settings file that holds.
    file: Option<String>,
    /// Where one is looked for, the first first.
    places: Vec<String>,
    settings: Vec<Setting>,
}

/// A setting in force.
#[derive(schemars::JsonSchema, Debug, Serialize)]
struct Setting {
    key: &'static str,
    /// Its value as text; null where it is not set.
    value: Option<String>,
    /// An environment variable's name, `settings file`, or null.
    from: Option<&'static str>,
}

pub(super) fn run(what: &What, out: &mut Out) -> Result<Verdict> {
    let What::Show(args) = what;
    let file = args.config.file()?;
    let found = settings(&file);
    let places: Vec<String> = places().iter().map(|place| show(place)).collect();
    if out.format() == Format::Json {
        let file = file.from.as_deref().map(show);
        let shown = Shown { schema: "papyra.config/1", tool: crate::TOOL, file, places, settings: found };
        out.json(&shown)?;
        return Ok(Verdict::Fine);
    }
    match &file.from {
        Some(from) => out.listed(&format!("settings file: {}", show(from))),
        None => out.listed(&format!("no settings file: none of {} exists", places.join(", "))),
    }
    for setting in found {
        match (setting.value, setting.from) {
            (Some(value), Some(from)) => out.listed(&format!("{} = {value}  ({from})", setting.key)),
            _ => out.listed(&format!("{} is not set", setting.key)),
        }
    }
    out.detail("a verb's flags win over both");
    Ok(Verdict::Fine)
}

/// The settings in force without any flag: the environment's, then the file's.
fn settings(file: &File) -> Vec<Setting> {
    let text = |path: &Option<PathBuf>| path.as_deref().map(show);
    let safe = |text: &Option<String>| text.as_ref().map(|text| papyra_core::escape::escape(text.as_bytes()));
    let hidden = |url: String| Location::parse(&url).map_or("(not a URL of a server)".into(), |url| url.to_string());
    let redis = &file.redis;
    let rows = [
        ("path", Some("PAPYRA_PATH"), text(&file.path)),
        ("backend", Some("PAPYRA_BACKEND"), file.backend.map(|backend| backend.name())),
        ("max_files", None, file.max_files.map(|number| number.to_string())),
        ("quarantine_dir", Some("PAPYRA_QUARANTINE_DIR"), text(&file.quarantine_dir)),
        ("backups", Some("PAPYRA_BACKUPS"), text(&file.backups)),
        ("series", Some("PAPYRA_SERIES"), safe(&file.series)),
        ("strict", None, file.strict.map(|strict| strict.to_string())),
        ("threads", None, file.threads.map(|number| number.to_string())),
        ("redis.url", Some("PAPYRA_REDIS_URL"), redis.url.clone().map(hidden)),
        ("redis.prefix", Some("PAPYRA_PREFIX"), safe(&redis.prefix)),
        ("redis.system_id", Some("PAPYRA_SYSTEM_ID"), safe(&redis.system_id.as_ref().map(|names| names.join(",")))),
        ("redis.quarantine_prefix", None, safe(&redis.quarantine_prefix)),
        ("redis.tls_ca", None, text(&redis.tls_ca)),
        ("redis.tls_cert", None, text(&redis.tls_cert)),
        ("redis.tls_key", None, text(&redis.tls_key)),
    ];
    rows.into_iter()
        .map(|(key, variable, value)| {
            let set = variable.and_then(|name| Some((std::env::var_os(name)?, name)));
            match set {
                Some((set, name)) => {
                    let set = papyra_core::escape::escape(set.as_encoded_bytes());
                    let set = if key == "redis.url" { hidden(set) } else { set };
                    Setting { key, value: Some(set), from: Some(name) }
                }
                None => Setting { key, from: value.is_some().then_some("settings file"), value },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read() {
        let text = "path = 'p'\nbackend = 'rotating'\nmax_files = 0x5\nquarantine_dir = 'q'\nbackups = \
                    's3://b/p'\nseries = 'x'\nstrict = true\nthreads = 2\n[redis]\nurl = 'redis://h'\nprefix = \
                    'x'\nsystem_id = ['a', 'b']\nquarantine_prefix = 'y'\ntls_ca = 'ca'\ntls_cert = 'c'\ntls_key = \
                    'k'\n";
        let file = File::parse(text).expect("settings");
        assert_eq!((file.max_files, file.threads, file.strict), (Some(5), Some(2), Some(true)));
        assert_eq!(file.redis.system_id, Some(vec!["a".into(), "b".into()]));
        assert!(settings(&file).iter().all(|setting| setting.value.is_some()));
    }
}
