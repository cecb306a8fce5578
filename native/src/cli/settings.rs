//! Where settings come from: flag, then environment, then `papyra.toml`. Nothing is guessed.

use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use papyra_core::manifest::is_label;
use papyra_core::redis::Scope;

use super::out;
pub(super) use super::out::{Format, Output};
use super::progress::Progress;
use super::redis_flags::RedisFlags;
pub(super) use super::settings_file::Backend;
use super::settings_file::Config;
use crate::backup::series::{Filing, Wanted, source_of};
use crate::backup::{Location, repository};
use crate::disk;
use crate::error::{Code, Error, Result, show};
use crate::history::Choice;
use crate::reading::ScanOptions;
use crate::recover;
use crate::redis::{self, Role, Store};
use crate::source::{Source, Task};

/// Flags that every verb on stored data takes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// The log, its rotation set, a Redis backup, a folder of these, or - for standard input
    #[arg(long, env = "PAPYRA_PATH", value_name = "PATH")]
    path: Option<PathBuf>,

    /// Same as --path
    #[arg(value_name = "PATH")]
    plain_path: Option<PathBuf>,

    /// How the log is stored; auto takes a rotation set where rotated files stand beside the log
    #[arg(long, env = "PAPYRA_BACKEND", value_name = "BACKEND", ignore_case = true)]
    backend: Option<Backend>,

    /// How many files a rotation set has, counting the active one; by default all that exist
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_files: Option<u32>,

    #[command(flatten)]
    pub(super) output: Output,

    /// Treat notes about intact records as anomalies
    #[arg(long)]
    strict: bool,

    /// How many anomalies to list per file; counts are always complete
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    max_findings: usize,

    /// Number of threads to scan one file; by default as many as the machine has
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    redis: RedisFlags,
}

/// Flags of the verbs on backups.
#[derive(Debug, Args)]
pub(super) struct SeriesFlags {
    /// The series of backups; by default that of --path, else the only one there is
    #[arg(long, env = "PAPYRA_SERIES", value_name = "NAME", value_parser = label)]
    pub(super) series: Option<String>,

    /// The source whose series of backups is meant
    #[arg(long, env = "PAPYRA_PATH", value_name = "PATH")]
    path: Option<PathBuf>,
}

/// Reads the name of a series, or a tag.
pub(super) fn label(text: &str) -> std::result::Result<String, String> {
    if is_label(text) { Ok(text.into()) } else { Err("must be text without control characters".into()) }
}

/// The settings in force.
#[derive(Debug)]
pub(super) struct Settings {
    path: Option<PathBuf>,
    choice: Choice,
    redis: Option<redis::ServerSettings>,
    max_files: Option<u32>,
    pub(super) quarantine_dir: Option<PathBuf>,
    backups: Option<PathBuf>,
    series: Option<String>,
    pub(super) strict: bool,
    threads: usize,
    max_findings: usize,
    scope: Option<Scope>,
}

impl Settings {
    /// Resolves the settings for `common`, and the quarantine folder that a verb's own flag named.
    pub(super) fn of(common: &Common, quarantine_dir: Option<&PathBuf>) -> Result<Settings> {
        let file = common.config.file()?;
        let backend = common.backend.or(file.backend).unwrap_or(Backend::Auto);
        // A path that was set for good, for other commands, is no mistake; one that was given to this command is.
        let is_set = |path: &&PathBuf| std::env::var_os("PAPYRA_PATH").is_some_and(|set| set == path.as_os_str());
        let given = match (common.path.as_ref().filter(|path| !is_set(path)), &common.plain_path) {
            (Some(path), Some(plain)) => {
                let text = format!("two paths: --path {} and {}; name one", show(path), show(plain));
                return Err(Error::new(Code::Usage, text));
            }
            (path, plain) => path.or(plain.as_ref()),
        };
        if let Some(path) = given.filter(|_| backend == Backend::Redis) {
            let text = format!(
                "--path {} names files, but the backend is a Redis server: leave out one of the two (--backend auto \
                 for files)",
                show(path)
            );
            return Err(Error::new(Code::Usage, text));
        }
        let choice = match backend {
            Backend::Auto | Backend::Redis => Choice::Auto,
            Backend::Json => Choice::Json,
            Backend::Rotating => Choice::Rotating,
        };
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            path: given.or(common.path.as_ref()).cloned().or(file.path),
            choice,
            scope: common.redis.scope(&file.redis),
            redis: (backend == Backend::Redis).then(|| common.redis.settings(file.redis)).transpose()?,
            max_files: common.max_files.or(file.max_files),
            quarantine_dir: quarantine_dir.cloned().or(file.quarantine_dir),
            backups: file.backups,
            series: file.series,
            strict: common.strict || file.strict.unwrap_or(false),
            threads: common.threads.or(file.threads).map_or_else(processors, usize::from),
            max_findings: common.max_findings,
        })
    }

    /// The server to work on, for verbs that know nothing else.
    pub(super) fn store(flags: &RedisFlags, config: &Config, role: Role) -> Result<Store> {
        Store::open(redis::ServerSettings { role, ..flags.settings(config.file()?.redis)? })
    }

    /// The same settings for another kind of work.
    pub(super) fn acting_as(mut self, role: Role) -> Settings {
        self.redis = self.redis.map(|redis| redis::ServerSettings { role, ..redis });
        self
    }

    /// Whether there is anything to work on, and what it is called.
    pub(super) fn called(&self) -> Result<String> {
        match &self.redis {
            Some(redis) => Ok(redis.called()),
            None => self.path().map(show),
        }
    }

    /// What a new backup is filed under, and what backups are filed under already.
    pub(super) fn filing(&self, series: Option<&String>, tags: &[String]) -> Result<Filing> {
        let named = series.or(self.series.as_ref()).map(String::as_str);
        Ok(Filing::new(named, &self.series_source()?, tags))
    }

    /// Which series is that of what is worked on.
    pub(super) fn wanted(&self, series: Option<&String>) -> Result<Wanted> {
        Ok(Wanted { named: series.or(self.series.as_ref()).cloned(), source: Some(self.series_source()?) })
    }

    fn series_source(&self) -> Result<String> {
        match &self.redis {
            Some(redis) => Ok(redis.called()),
            None => self.path().map(source_of),
        }
    }

    /// Which series is meant where nothing need be named: that of `--series`, `PAPYRA_SERIES` or the settings file,
    /// else that of what is backed up, as far as flag, environment or settings file say.
    pub(super) fn wanted_of(flags: &SeriesFlags, config: &Config) -> Result<Wanted> {
        #[derive(Debug, Parser)]
        struct Environment {
            #[arg(long, env = "PAPYRA_BACKEND", ignore_case = true)]
            backend: Option<Backend>,
            #[command(flatten)]
            redis: RedisFlags,
        }
        let wrong = |error: clap::Error| Error::new(Code::Config, error.render().to_string().trim().to_owned());
        let environment = Environment::try_parse_from(["papyra"]).map_err(wrong)?;
        let file = config.file()?;
        let is_redis = environment.backend.or(file.backend) == Some(Backend::Redis);
        let source = if !is_redis {
            flags.path.clone().or(file.path).map(|path| source_of(&path))
        } else if environment.redis.is_given(&file.redis) {
            Some(environment.redis.settings(file.redis)?.called())
        } else {
            None
        };
        Ok(Wanted { named: flags.series.clone().or(file.series), source })
    }

    /// Whether a Redis server is what to work on.
    pub(super) fn is_redis(&self) -> bool {
        self.redis.is_some()
    }

    /// The command that would mend what a scan found.
    pub(super) fn command(&self) -> Result<String> {
        match &self.redis {
            Some(redis) => Ok(redis::recover::command(redis)),
            None => self.path().map(|path| recover::command(path, None)),
        }
    }

    /// The path to work on.
    pub(super) fn path(&self) -> Result<&Path> {
        self.path.as_deref().ok_or_else(|| {
            Error::new(
                Code::Config,
                "no path given: use --path PATH, set PAPYRA_PATH, or write path = \"PATH\" into papyra.toml; \
                 --backend redis for a server",
            )
        })
    }

    /// The folder of backups: the one that was named, else the settings file's, else restic's repository.
    pub(super) fn backups(&self, named: Option<&PathBuf>) -> Result<Location> {
        backups(named.or(self.backups.as_ref()))
    }

    /// What the path leads to.
    pub(super) fn source(&self) -> Result<Source> {
        if self.is_redis() {
            return Ok(Source::Server(Box::new(self.open_store()?)));
        }
        Source::at(self.path()?, self.choice, self.max_files)
    }

    /// The server to work on.
    pub(super) fn open_store(&self) -> Result<Store> {
        let redis = self.redis.clone();
        redis.ok_or_else(|| Error::new(Code::Usage, "a server is needed: --backend redis")).and_then(Store::open)
    }

    /// Which streams of a backup are meant.
    pub(super) fn scope(&self) -> Result<Scope> {
        let text = "one system at a time in a backup: name one with --system-id, or none for all";
        self.scope.clone().ok_or_else(|| Error::new(Code::Usage, text))
    }

    /// How to scan.
    pub(super) fn scanning<'a>(&self, progress: &'a Progress) -> ScanOptions<'a> {
        ScanOptions { threads: self.threads, max_findings: self.max_findings, progress: progress.tick() }
    }

    /// Whether the folder of a log that is not there yet exists: a start may go on then.
    pub(super) fn is_not_there_yet(&self) -> bool {
        let (Some(path), None) = (&self.path, &self.redis) else { return false };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        disk::is_absent(path)
            && disk::is_folder(parent)
            && matches!(self.source(), Err(error) if error.code == Code::NoInput)
    }
}

/// Refuses what cannot be done with a source, and tells which files of a folder it is not done with.
pub(super) fn begin(task: Task, source: &Source) -> Result<()> {
    source.must_allow(task)?;
    source.not_done(task).iter().for_each(|text| out::message(text));
    Ok(())
}

/// The place of backups that is named, else restic's repository.
pub(super) fn backups(named: Option<&PathBuf>) -> Result<Location> {
    match named {
        Some(path) => Location::parse(path),
        None => repository::named()?.ok_or_else(|| {
            let text = "no folder of backups given: name it, set PAPYRA_BACKUPS, or write backups = \"FOLDER\" into \
                 papyra.toml";
            Error::new(Code::Config, text)
        }),
    }
}
