//! The connection to a bucket: settings from the environment, as other tools for S3 read them, and requests that wait
//! for their answer.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::{ClientConfigKey, RetryConfig};
use tokio::runtime::Runtime;

use super::fault::fault;
use crate::error::{Code, Error, Result, show};

/// A request, its body included, takes no longer than this; no body is larger than a part.
const TIMEOUT: &str = "120s";
const CONNECT_TIMEOUT: &str = "10s";

/// How often a request is tried again, and until when.
const RETRIES: (usize, Duration) = (5, Duration::from_secs(120));

/// The settings of which one says where credentials come from.
const CREDENTIALS: [AmazonS3ConfigKey; 5] = [
    AmazonS3ConfigKey::AccessKeyId,
    AmazonS3ConfigKey::SecretAccessKey,
    AmazonS3ConfigKey::WebIdentityTokenFile,
    AmazonS3ConfigKey::ContainerCredentialsRelativeUri,
    AmazonS3ConfigKey::ContainerCredentialsFullUri,
];

/// A connection to one bucket.
#[derive(Debug)]
pub(super) struct Client {
    runtime: Runtime,
    pub(super) store: AmazonS3,
}

impl Client {
    /// Makes ready for a bucket; nothing is sent yet.
    pub(super) fn new(bucket: &str) -> Result<Client> {
        // Redis may have chosen it before: it is the same one.
        _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig { max_retries: RETRIES.0, retry_timeout: RETRIES.1, ..RetryConfig::default() };
        let from_environment = AmazonS3Builder::from_env();
        let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
            .iter()
            .find_map(|key| from_environment.get_config_value(key));
        let anonymous = from_environment.get_config_value(&AmazonS3ConfigKey::SkipSignature).as_deref() == Some("true");
        let known = CREDENTIALS.iter().any(|key| from_environment.get_config_value(key).is_some());
        if endpoint.is_some() && !known && !anonymous {
            // Only Amazon's own machines have a place to ask for them.
            let text = "no credentials for the object store: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \
                        (profiles in ~/.aws are not read)";
            return Err(Error::new(Code::Config, text));
        }
        let plain = endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
        let builder = from_environment
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::Timeout), TIMEOUT)
            .with_config(AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout), CONNECT_TIMEOUT)
            .with_retry(retry)
            .with_bucket_name(bucket);
        // Whoever names such an endpoint wants it.
        let builder = if plain { builder.with_allow_http(true) } else { builder };
        let wrong = |why: String| Error::new(Code::Config, format!("the settings for s3://{bucket} are wrong: {why}"));
        let store = builder.build().map_err(|error| wrong(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Error::new(Code::Io, format!("cannot start the network's thread: {error}")))?;
        Ok(Client { runtime, store })
    }

    /// Waits for an answer.
    pub(super) fn wait<T>(&self, request: impl Future<Output = T>) -> T {
        self.runtime.block_on(request)
    }

    /// Begins a request whose answer is wanted later.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        request: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(request)
    }

    /// Waits for an answer; `what` was being done with `path`.
    pub(super) fn ask<T>(
        &self,
        what: &str,
        path: &Path,
        request: impl Future<Output = object_store::Result<T>>,
    ) -> Result<T> {
        self.wait(request).map_err(|error| fault(what, &show(path), &error))
    }
}
