//! `papyra.toml`: where it is looked for, and what may stand in it.
//!
//! A mistake in it is told by its line and by the key that was probably meant, never by the line's text: that may hold
//! a password.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use papyra_core::manifest::is_label;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::redis_flags::RedisFile;
use crate::backup::Location;
use crate::error::{Code, Error, Result, show};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Backend {
    Auto,
    Json,
    Rotating,
    Redis,
}

impl Backend {
    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The settings file that a verb reads.
#[derive(Debug, clap::Args)]
pub(super) struct Config {
    /// Settings file; by default the first that exists of ./papyra.toml, $XDG_CONFIG_HOME/papyra/papyra.toml and
    /// /etc/papyra.toml
    #[arg(long, env = "PAPYRA_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What a settings file says. Relative paths in it start at its folder.
#[derive(Debug, Default)]
pub(super) struct File {
    /// Where it was found; `None` when there is none.
    pub(super) from: Option<PathBuf>,
    pub(super) path: Option<PathBuf>,
    pub(super) backend: Option<Backend>,
    pub(super) max_files: Option<u32>,
    pub(super) quarantine_dir: Option<PathBuf>,
    pub(super) backups: Option<PathBuf>,
    pub(super) series: Option<String>,
    pub(super) strict: Option<bool>,
    pub(super) threads: Option<u16>,
    pub(super) redis: RedisFile,
}

impl Config {
    /// Reads the settings file, if there is one.
    pub(super) fn file(&self) -> Result<File> {
        match self.config.clone().or_else(|| places().into_iter().find(|place| place.exists())) {
            Some(path) => File::read(&path),
            None => Ok(File::default()),
        }
    }
}

/// Where a settings file is looked for, the first first.
pub(super) fn places() -> Vec<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let personal = folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")));
    let personal = personal.filter(|folder| folder.is_absolute()).map(|folder| folder.join("papyra/papyra.toml"));
    [Some("papyra.toml".into()), personal, Some("/etc/papyra.toml".into())].into_iter().flatten().collect()
}

impl File {
    fn read(path: &Path) -> Result<File> {
        let wrong = |why: String| Error::new(Code::Config, format!("cannot use {}: {why}", show(path)));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let mut file = File::parse(&text).map_err(wrong)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let RedisFile { tls_ca, tls_cert, tls_key, .. } = &mut file.redis;
        let backups = file.backups.as_mut().filter(|path| matches!(Location::parse(path), Ok(Location::Folder(_))));
        let relatives = [&mut file.path, &mut file.quarantine_dir, tls_ca, tls_cert, tls_key];
        for relative in relatives.into_iter().flatten().chain(backups) {
            *relative = folder.join(&*relative);
        }
        file.from = Some(path.to_owned());
        Ok(file)
    }

    pub(super) fn parse(text: &str) -> std::result::Result<File, String> {
        let document = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            format!("line {line} is not TOML: {}", error.message())
        })?;
        let mut keys = Keys { text, section: "", values: split(document.into_inner()), known: Vec::new() };
        let mut file = File {
            from: None,
            path: keys.take("path", "a path in quotes", path)?,
            backend: keys.take("backend", "\"auto\", \"json\", \"rotating\" or \"redis\"", backend)?,
            max_files: keys.take("max_files", "a number from 1 on", number)?,
            quarantine_dir: keys.take("quarantine_dir", "a folder in quotes", path)?,
            backups: keys.take("backups", "a folder or a URL of s3, gs or az in quotes", path)?,
            series: keys.take("series", "text in quotes, without control characters", |value| {
                string(value).filter(|text| is_label(text))
            })?,
            strict: keys.take("strict", "true or false", DeValue::as_bool)?,
            threads: keys.take("threads", "a number from 1 on", number)?,
            redis: RedisFile::default(),
        };
        let table = keys.take("redis", "a section: [redis]", |value| value.as_table().cloned())?;
        keys.finish()?;
        if let Some(table) = table {
            let mut keys = Keys { text, section: "redis.", values: split(table), known: Vec::new() };
            file.redis = RedisFile {
                url: keys.take("url", "a URL in quotes", string)?,
                prefix: keys.take("prefix", "text in quotes", string)?,
                system_id: keys.take("system_id", "a name in quotes, or a list of names in quotes", strings)?,
                quarantine_prefix: keys.take("quarantine_prefix", "text in quotes", string)?,
                tls_ca: keys.take("tls_ca", "a file in quotes", path)?,
                tls_cert: keys.take("tls_cert", "a file in quotes", path)?,
                tls_key: keys.take("tls_key", "a file in quotes", path)?,
            };
            keys.finish()?;
        }
        Ok(file)
    }
}

/// The values of a section by key, each with its key's place.
type Values<'a> = BTreeMap<String, (usize, DeValue<'a>)>;

fn split<'a>(table: DeTable<'a>) -> Values<'a> {
    let entry = |(key, value): (Spanned<_>, Spanned<DeValue<'a>>)| {
        let place = key.span().start;
        let key: std::borrow::Cow<'_, str> = key.into_inner();
        (key.into_owned(), (place, value.into_inner()))
    };
    table.into_iter().map(entry).collect()
}

/// A section of the file, while its keys are read.
struct Keys<'a> {
    text: &'a str,
    section: &'static str,
    values: Values<'a>,
    known: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    /// The value of `key`, which must be what `read` takes.
    fn take<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&DeValue<'a>) -> Option<T>,
    ) -> std::result::Result<Option<T>, String> {
        self.known.push(key);
        let Some((place, value)) = self.values.remove(key) else { return Ok(None) };
        let wrong = || format!("line {}: {}{key} must be {expected}", line_of(self.text, place), self.section);
        read(&value).map(Some).ok_or_else(wrong)
    }

    /// No key may be left.
    fn finish(self) -> std::result::Result<(), String> {
        let Some((key, (place, _))) = self.values.into_iter().min_by_key(|(_, (place, _))| *place) else {
            return Ok(());
        };
        let nearest = self.known.iter().max_by(|a, b| {
            let near = |known: &str| strsim::normalized_damerau_levenshtein(known, &key);
            near(a).total_cmp(&near(b))
        });
        let line = line_of(self.text, place);
        let nearest = nearest.copied().unwrap_or_default();
        let section = self.section;
        let all: Vec<String> = self.known.iter().map(|key| format!("{section}{key}")).collect();
        Err(format!("line {line}: unknown key; did you mean {section}{nearest}? Known are {}", all.join(", ")))
    }
}

/// The 1-based line of a place in the text.
fn line_of(text: &str, place: usize) -> usize {
    text.as_bytes().iter().take(place).filter(|byte| **byte == b'\n').count() + 1
}

fn string(value: &DeValue<'_>) -> Option<String> {
    value.as_str().map(str::to_owned)
}

fn path(value: &DeValue<'_>) -> Option<PathBuf> {
    value.as_str().map(PathBuf::from)
}

fn strings(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::Array(values) => values.iter().map(|value| string(value.get_ref())).collect(),
        one => Some(vec![string(one)?]),
    }
}

fn backend(value: &DeValue<'_>) -> Option<Backend> {
    Backend::from_str(value.as_str()?, true).ok()
}

fn number<N: TryFrom<u32>>(value: &DeValue<'_>) -> Option<N> {
    let DeValue::Integer(number) = value else { return None };
    let number = u32::from_str_radix(number.as_str(), number.radix()).ok().filter(|number| *number > 0)?;
    N::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_by_line_and_nearest_key_and_never_by_the_text() {
        for (text, told) in [
            ("path = \"a\"\nquarantine_folder = \"SECRET\"\n", "line 2: unknown key; did you mean quarantine_dir?"),
            ("[redis]\nurl = [\"redis://u:SECRET@h:1/0\"]\n", "line 2: redis.url must be a URL in quotes"),
            ("[redis]\nulr = \"redis://u:SECRET@h:1/0\"\n", "line 2: unknown key; did you mean redis.url?"),
            ("[redis]\nurl = \"redis://u:SECRET@h:1/0\n", "line 2 is not TOML: "),
            ("[redsi]\nurl = \"redis://u:SECRET@h:1/0\"\n", "line 1: unknown key; did you mean redis?"),
            ("url redis://u:SECRET@h\n", "line 1 is not TOML: "),
            ("\"redis://u:SECRET@h\" = 1\n", "line 1: unknown key"),
            ("path = SECRET\n", "line 1 is not TOML: "),
            ("threads = 0\n", "line 1: threads must be a number from 1 on"),
            ("threads = 70000\n", "line 1: threads must be a number from 1 on"),
            ("backend = \"SECRET\"\n", "line 1: backend must be \"auto\", "),
        ] {
            let why = File::parse(text).expect_err(text);
            assert!(why.starts_with(told) && !why.contains("SECRET"), "{text}: {why}");
        }
    }
}
