//! The flags and settings that only Redis has.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use papyra_core::redis::Scope;

use super::when::seconds;
use crate::error::{Code, Error, Result};
use crate::redis::{Location, Role, ServerSettings, Systems, Tls};

/// Where these flags stand in a verb's help, apart from its own.
const HEADING: &str = "Redis";

/// How to find a system's streams.
#[derive(Debug, Args)]
pub(super) struct RedisFlags {
    /// The server: redis://USER:PASSWORD@HOST:PORT/DB, rediss:// for TLS, redis+unix:///SOCKET?db=DB; a password is
    /// better kept in the environment than in the arguments, which others on the machine can see
    #[arg(long, help_heading = HEADING, env = "PAPYRA_REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis_url: Option<String>,

    /// Prefix of Papyra's keys [default: papyra]
    #[arg(long, help_heading = HEADING, env = "PAPYRA_PREFIX", value_name = "PREFIX")]
    prefix: Option<String>,

    /// The actor system; may be given several times [default: local]
    #[arg(long, help_heading = HEADING, env = "PAPYRA_SYSTEM_ID", value_name = "SYSTEM", value_delimiter = ',')]
    system_id: Vec<String>,

    /// All systems that have a stream under the prefix; --system-id is ignored
    #[arg(long, help_heading = HEADING)]
    all_systems: bool,

    /// Prefix of the quarantine streams' keys [default: PREFIX:SYSTEM:quarantine]
    #[arg(long, help_heading = HEADING, value_name = "PREFIX")]
    quarantine_prefix: Option<String>,

    /// Scan only the newest N entries of each stream, as Papyra does with 1000
    #[arg(long, help_heading = HEADING, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sample: Option<u64>,

    /// Report consumers idle for longer than this
    #[arg(long, help_heading = HEADING, value_name = "DURATION", default_value = "1d", value_parser = seconds)]
    max_idle: f64,

    /// Timeout for connecting, for each reply, and for each 64 KiB of a long reply
    #[arg(long, help_heading = HEADING, value_name = "DURATION", default_value = "5s", value_parser = seconds)]
    timeout: f64,

    /// Trust this certificate authority (PEM) instead of the system's
    #[arg(long, help_heading = HEADING, value_name = "FILE")]
    tls_ca: Option<PathBuf>,

    /// Client certificate (PEM) for mutual TLS
    #[arg(long, help_heading = HEADING, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// Private key (PEM, not encrypted) for mutual TLS
    #[arg(long, help_heading = HEADING, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// The same in `papyra.toml`, under `[redis]`.
#[derive(Debug, Default)]
pub(super) struct RedisFile {
    pub(super) url: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) system_id: Option<Vec<String>>,
    pub(super) quarantine_prefix: Option<String>,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
}

/// What flags, environment or settings name, and no default does.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) prefix: Option<String>,
    pub(super) systems: Vec<String>,
}

impl RedisFlags {
    /// Which streams of a backup to take for Papyra's: all of them unless flags, environment or settings name some.
    pub(super) fn scope(&self, file: &RedisFile) -> Option<Scope> {
        let systems = match &file.system_id {
            Some(systems) if self.system_id.is_empty() && !self.all_systems => systems.clone(),
            _ => self.system_id.clone(),
        };
        let prefix = self.prefix.clone().or_else(|| file.prefix.clone());
        (systems.len() <= 1).then(|| Scope { prefix, system_id: systems.into_iter().next() })
    }

    /// Where to restore to. Only what was named counts: the backup knows the rest.
    pub(super) fn destination(&self, file: RedisFile) -> Result<(ServerSettings, Named)> {
        let systems = match &file.system_id {
            _ if self.all_systems => Vec::new(),
            Some(systems) if self.system_id.is_empty() => systems.clone(),
            _ => self.system_id.clone(),
        };
        let prefix = self.prefix.clone().or_else(|| file.prefix.clone());
        Ok((self.settings(file)?, Named { prefix, systems }))
    }

    /// Whether a server is named.
    pub(super) fn is_given(&self, file: &RedisFile) -> bool {
        self.redis_url.is_some() || file.url.is_some()
    }

    /// The settings in force.
    pub(super) fn settings(&self, file: RedisFile) -> Result<ServerSettings> {
        let Some(url) = self.redis_url.clone().or(file.url) else {
            return Err(Error::new(
                Code::Config,
                "no Redis server given: use --redis-url URL, set PAPYRA_REDIS_URL, or write url = \"URL\" under \
                 [redis] into papyra.toml",
            ));
        };
        let mut named = self.system_id.clone();
        if named.is_empty() {
            named = file.system_id.filter(|systems| !systems.is_empty()).unwrap_or_else(|| vec!["local".into()]);
        }
        if named.iter().any(String::is_empty) {
            return Err(Error::new(Code::Config, "a system's name is empty: give --system-id a name"));
        }
        let mut systems = Vec::new();
        named.into_iter().for_each(|system| {
            if !systems.contains(&system) {
                systems.push(system)
            }
        });
        let location = Location::parse(&url)?;
        let named_tls = [(&self.tls_ca, "--tls-ca"), (&self.tls_cert, "--tls-cert"), (&self.tls_key, "--tls-key")];
        if let Some((_, flag)) = named_tls.into_iter().find(|(file, _)| file.is_some()).filter(|_| !location.is_tls()) {
            let text =
                format!("{flag} is for TLS, and {location} is not spoken to over TLS: write rediss:// in the URL");
            return Err(Error::new(Code::Config, text));
        }
        Ok(ServerSettings {
            location,
            tls: Tls {
                ca: self.tls_ca.clone().or(file.tls_ca),
                certificate: self.tls_cert.clone().or(file.tls_cert),
                key: self.tls_key.clone().or(file.tls_key),
            },
            prefix: self.prefix.clone().or(file.prefix).unwrap_or_else(|| "papyra".into()),
            systems: if self.all_systems { Systems::All } else { Systems::Named(systems) },
            quarantine_prefix: self.quarantine_prefix.clone().or(file.quarantine_prefix),
            sample: self.sample,
            max_idle: Duration::from_secs_f64(self.max_idle.min(1e9)),
            timeout: Duration::from_secs_f64(self.timeout.clamp(0.001, 1e6)),
            role: Role::Reader,
        })
    }
}
