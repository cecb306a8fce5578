//! The connection to a bucket: settings from the environment and from where each provider's own tools keep them, and
//! requests that wait for their answer.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, Checksum};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{ClientConfigKey, ObjectStore, RetryConfig};
use papyra_core::escape::escape;
use tokio::runtime::Runtime;

use super::connector::Connector;
use super::profile::{Keys, Profile, is_key, variable};
use crate::backup::location::{Prefix, Scheme};
use crate::error::{Code, Error, Result};

/// How often a request is tried again, and until when.
const RETRIES: (usize, Duration) = (5, Duration::from_secs(120));

/// Threads that carry requests.
const THREADS: usize = 2;

/// A connection to one bucket. Credentials are asked for once in a process.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    runtime: &'static Runtime,
    pub(super) store: Arc<dyn ObjectStore>,
}

/// Settings by name, as they are given.
type Settings = Vec<(String, String)>;

/// Settings under names that other tools have for them.
const OTHER_NAMES: [(&str, &str); 9] = [
    ("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_NAME"),
    ("AZURE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_NAME"),
    ("AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
    ("AZURE_ACCOUNT_KEY", "AZURE_STORAGE_ACCOUNT_KEY"),
    ("AZURE_ACCOUNT_SAS", "AZURE_STORAGE_SAS_TOKEN"),
    ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"),
    ("AWS_ENDPOINT_URL", "AWS_ENDPOINT"),
    ("AWS_DEFAULT_REGION", "AWS_REGION"),
    ("STORAGE_EMULATOR_HOST", "GOOGLE_BASE_URL"),
];

/// The connections of this process.
static OPEN: LazyLock<Mutex<HashMap<Bucket, Connection>>> = LazyLock::new(Mutex::default);

/// What tells buckets apart.
type Bucket = (Scheme, String, Option<String>);

fn bucket(location: &Prefix) -> Bucket {
    (location.scheme, location.bucket.clone(), location.endpoint.clone())
}

impl Connection {
    /// Makes ready for a bucket; nothing is sent yet.
    pub(super) fn to(location: &Prefix) -> Result<Connection> {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = open.get(&bucket(location)) {
            return Ok(connection.clone());
        }
        // Redis may have chosen it before: it is the same one.
        _ = rustls::crypto::ring::default_provider().install_default();
        let connection = Connection { runtime: runtime()?, store: store(location)? };
        open.insert(bucket(location), connection.clone());
        Ok(connection)
    }

    /// From here on the bucket of a location is one in memory.
    #[cfg(test)]
    pub(super) fn in_memory(location: &Prefix) {
        let store = Arc::new(object_store::memory::InMemory::new());
        let connection = Connection { runtime: runtime().expect("threads"), store };
        OPEN.lock().expect("the connections").insert(bucket(location), connection);
    }

    /// Waits for an answer.
    pub(super) fn wait<T>(&self, request: impl Future<Output = T>) -> T {
        self.runtime.block_on(request)
    }
}

fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    let make = || tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let made = RUNTIME.get_or_init(make).as_ref();
    made.map_err(|error| Error::new(Code::Io, format!("cannot start the network's threads: {error}")))
}

fn wrong(name: &str, why: &str) -> Error {
    Error::new(Code::Config, format!("{name} is wrong: {why}"))
}

fn store(location: &Prefix) -> Result<Arc<dyn ObjectStore>> {
    let retry = RetryConfig { max_retries: RETRIES.0, retry_timeout: RETRIES.1, ..RetryConfig::default() };
    match location.scheme {
        Scheme::S3 => s3(location, retry),
        Scheme::Google => {
            let settings = settings("GOOGLE_", &["STORAGE_EMULATOR_HOST"])?;
            let is_emulated = settings.iter().any(|(name, _)| name == "GOOGLE_BASE_URL");
            let build = |settings: &Settings| {
                let mut builder = GoogleCloudStorageBuilder::new()
                    .with_bucket_name(&location.bucket)
                    .with_retry(retry.clone())
                    .with_http_connector(Connector::default());
                for (key, value) in known::<GoogleConfigKey>(settings) {
                    builder = builder.with_config(key, value);
                }
                if is_emulated {
                    builder = builder
                        .with_config(GoogleConfigKey::Client(ClientConfigKey::AllowHttp), "true")
                        .with_config(GoogleConfigKey::SkipSignature, "true");
                }
                builder.build()
            };
            built(location, settings, build)
        }
        Scheme::Azure => {
            let settings = settings("AZURE_", &[])?;
            let is_plain = settings.iter().any(|(name, value)| {
                name == "AZURE_STORAGE_USE_EMULATOR"
                    || matches!(&**name, "AZURE_STORAGE_ENDPOINT" | "AZURE_ENDPOINT") && value.starts_with("http://")
            });
            let build = |settings: &Settings| {
                let mut builder = MicrosoftAzureBuilder::new()
                    .with_container_name(&location.bucket)
                    .with_retry(retry.clone())
                    .with_http_connector(Connector::default());
                for (key, value) in known::<AzureConfigKey>(settings) {
                    builder = builder.with_config(key, value);
                }
                if is_plain { builder.with_allow_http(true).build() } else { builder.build() }
            };
            if !settings.iter().any(|(name, _)| name == "AZURE_STORAGE_ACCOUNT_NAME")
                && !settings.iter().any(|(name, _)| name == "AZURE_STORAGE_USE_EMULATOR")
            {
                let text =
                    "AZURE_STORAGE_ACCOUNT_NAME is not set: it names the storage account of az://CONTAINER/PREFIX";
                return Err(Error::new(Code::Config, text));
            }
            built(location, settings, build)
        }
    }
}

fn s3(location: &Prefix, retry: RetryConfig) -> Result<Arc<dyn ObjectStore>> {
    let mut settings = settings("AWS_", &[])?;
    let has = |settings: &Settings, name: &str| settings.iter().any(|(given, _)| given == name);
    let mut keys = None;
    let is_anonymous = settings.iter().any(|(name, value)| name == "AWS_SKIP_SIGNATURE" && value == "true");
    let has_keys = has(&settings, "AWS_ACCESS_KEY_ID") || has(&settings, "AWS_SECRET_ACCESS_KEY");
    if let Some(profile) = Profile::find()? {
        let more = [("region", "AWS_REGION"), ("endpoint_url", "AWS_ENDPOINT")];
        for (name, setting) in more.into_iter().filter_map(|(key, name)| Some((name, profile.get(key)?))) {
            if !has(&settings, name) {
                settings.push((name.into(), setting.to_owned()));
            }
        }
        if !has_keys && !is_anonymous && !has(&settings, "AWS_WEB_IDENTITY_TOKEN_FILE") {
            keys = profile.keys()?;
        }
    }
    if let Some(endpoint) = &location.endpoint {
        settings.retain(|(name, _)| name != "AWS_ENDPOINT");
        settings.push(("AWS_ENDPOINT".into(), endpoint.clone()));
    }
    let endpoint = settings.iter().find(|(name, _)| name == "AWS_ENDPOINT").map(|(_, value)| value.clone());
    if let Some(endpoint) = &endpoint {
        let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/') || host.contains(['@', ' ', '?', '#'])) {
            return Err(wrong("AWS_ENDPOINT_URL", "the form is https://HOST or http://HOST:PORT"));
        }
    }
    if let Some((_, region)) = settings.iter().find(|(name, _)| name == "AWS_REGION")
        && !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        return Err(wrong("AWS_REGION", "a region is letters, digits and dashes, such as eu-central-1"));
    }
    let others =
        ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"];
    let is_known = has_keys || keys.is_some() || is_anonymous || others.iter().any(|name| has(&settings, name));
    if endpoint.is_some() && !is_known {
        // Only Amazon's own machines have a place to ask for them.
        let text = "no credentials for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or \
                    AWS_PROFILE to a profile in ~/.aws";
        return Err(Error::new(Code::Config, text));
    }
    let is_plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let keys = keys.map(|keys| Arc::new(Keys::beginning_with(keys)));
    let build = |settings: &Settings| {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(&location.bucket)
            .with_retry(retry.clone())
            // Where objects are locked for a time, what comes without a checksum is refused.
            .with_checksum_algorithm(Checksum::SHA256)
            // Not every store that speaks S3 knows how to delete many at once.
            .with_disable_bulk_delete(true)
            .with_http_connector(Connector::default());
        for (key, value) in known::<AmazonS3ConfigKey>(settings) {
            builder = builder.with_config(key, value);
        }
        if let Some(keys) = &keys {
            builder = builder.with_credentials(Arc::clone(keys) as _);
        }
        // Whoever names such an endpoint wants it.
        if is_plain { builder.with_allow_http(true).build() } else { builder.build() }
    };
    built(location, settings, build)
}

/// The settings that begin so, and those of `more`, under the names that `object_store` knows.
fn settings(begin: &str, more: &[&str]) -> Result<Settings> {
    let mut settings = Settings::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(begin) || more.contains(name)) else { continue };
        if value.is_empty() {
            continue;
        }
        let value = value.to_str().ok_or_else(|| wrong(name, "it is not UTF-8"))?;
        if value.chars().any(char::is_control) {
            return Err(wrong(name, "it has a line break or another control character in it"));
        }
        let is_secret = matches!(name, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN");
        if is_secret && !is_key(value) {
            return Err(wrong(name, "it has a blank or a character in it that no key has"));
        }
        settings.push((name.to_owned(), value.to_owned()));
    }
    for (other, name) in OTHER_NAMES {
        let Some(at) = settings.iter().position(|(given, _)| given == other) else { continue };
        let (_, mut value) = settings.remove(at);
        if other == "STORAGE_EMULATOR_HOST" && !value.contains("://") {
            value = format!("http://{value}");
        }
        if !settings.iter().any(|(given, _)| given == name) {
            settings.push((name.to_owned(), value));
        }
    }
    Ok(settings)
}

/// Those of the settings that a provider knows.
fn known<Key: std::str::FromStr>(settings: &Settings) -> impl Iterator<Item = (Key, &String)> {
    settings.iter().filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
}

/// Builds a store; when that fails, the setting is named without which it would not.
fn built<Store: ObjectStore>(
    location: &Prefix,
    settings: Settings,
    build: impl Fn(&Settings) -> object_store::Result<Store>,
) -> Result<Arc<dyn ObjectStore>> {
    let error = match build(&settings) {
        Ok(store) => return Ok(Arc::new(store)),
        Err(error) => error,
    };
    let why: String = escape(error.to_string().as_bytes()).chars().take(200).collect();
    for (at, (name, _)) in settings.iter().enumerate() {
        let mut others = settings.clone();
        others.remove(at);
        if build(&others).is_ok() {
            let name = OTHER_NAMES.iter().find(|(other, known)| known == name && variable(other).is_some());
            return Err(wrong(name.map_or(&*settings[at].0, |(other, _)| other), &why));
        }
    }
    Err(Error::new(Code::Config, format!("the settings for {} are wrong: {why}", location.bucket_name())))
}
