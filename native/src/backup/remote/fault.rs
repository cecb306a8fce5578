//! What an object store's failures mean, and what to do about them. Nothing secret is in what is said.

use object_store::Error as Failure;
use papyra_core::escape::escape;

use crate::error::{Code, Error};

/// Codes of S3's error answers, the exit code for each, and what to do.
/// Source: Amazon S3 API Reference, "Error responses".
const KNOWN: [(&str, Code, &str); 17] = [
    (
        "NoSuchBucket",
        Code::NoInput,
        "there is no such bucket: check its name, and AWS_ENDPOINT_URL if it is not Amazon's",
    ),
    ("InvalidBucketName", Code::Usage, "this cannot be a bucket's name: the form is s3://BUCKET/PREFIX"),
    ("InvalidAccessKeyId", Code::Unavailable, "the access key is not known there: check AWS_ACCESS_KEY_ID"),
    (
        "SignatureDoesNotMatch",
        Code::Unavailable,
        "the secret key does not belong to the access key: check AWS_SECRET_ACCESS_KEY",
    ),
    ("ExpiredToken", Code::Unavailable, "the session has expired: get new credentials"),
    ("InvalidToken", Code::Unavailable, "the session token is not valid: check AWS_SESSION_TOKEN"),
    (
        "RequestTimeTooSkewed",
        Code::Unavailable,
        "this machine's clock and the store's are too far apart: set the clock",
    ),
    ("AuthorizationHeaderMalformed", Code::Config, "the bucket is in another region: set AWS_REGION"),
    ("PermanentRedirect", Code::Config, "the bucket is in another region: set AWS_REGION, or AWS_ENDPOINT_URL"),
    ("IllegalLocationConstraintException", Code::Config, "the bucket is in another region: set AWS_REGION"),
    (
        "AccessDenied",
        Code::Unavailable,
        "access is denied: these credentials need s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject there",
    ),
    ("AllAccessDisabled", Code::Unavailable, "all access is disabled: ask whoever owns the bucket"),
    ("QuotaExceeded", Code::Io, "the store is full: make room with papyra backup prune, or raise the quota"),
    ("XMinioStorageFull", Code::Io, "the store is full: make room with papyra backup prune, or add disks"),
    (
        "NotImplemented",
        Code::Config,
        "the store does not know conditional writes: set AWS_CONDITIONAL_PUT=disabled, and never make two backups of \
         one name at a time",
    ),
    ("SlowDown", Code::Unavailable, "the store asks for fewer requests: try again later"),
    ("OperationAborted", Code::Unavailable, "somebody else is changing it: try again"),
];

/// The error for a request that failed while doing `what` with `path`.
pub(super) fn fault(what: &str, path: &str, failure: &Failure) -> Error {
    let chain = chain(failure);
    let told = chain.join(": ");
    let (code, advice) = explain(failure, &told, &Words::of(path));
    Error::new(code, format!("cannot {what} {path}: {advice}"))
}

/// What each provider calls what an operator has to set.
struct Words {
    endpoint: &'static str,
    credentials: &'static str,
    needed: &'static str,
}

impl Words {
    fn of(path: &str) -> Words {
        if path.starts_with("gs:") {
            return Words {
                endpoint: "STORAGE_EMULATOR_HOST",
                credentials: "GOOGLE_APPLICATION_CREDENTIALS",
                needed: "storage.objects.list, get and create, and for prune storage.objects.delete",
            };
        }
        if path.starts_with("az:") {
            return Words {
                endpoint: "AZURE_STORAGE_ACCOUNT_NAME",
                credentials: "AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN",
                needed: "the role Storage Blob Data Contributor, or a token that may list, read, write and delete",
            };
        }
        Words {
            endpoint: "AWS_ENDPOINT_URL",
            credentials: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile in ~/.aws",
            needed: "s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject",
        }
    }
}

fn explain(failure: &Failure, told: &str, words: &Words) -> (Code, String) {
    if let Some(named) = between(told, "<Code>", "</Code>") {
        if let Some((_, code, advice)) = KNOWN.iter().find(|(name, ..)| *name == named) {
            return (*code, (*advice).into());
        }
        let message = between(told, "<Message>", "</Message>").unwrap_or_default();
        let code = if matches!(failure, Failure::NotFound { .. }) { Code::NoInput } else { Code::Unavailable };
        return (code, format!("the store says {}: {}", escape(named.as_bytes()), escape(message.as_bytes())));
    }
    let of_kind = |text: &str| told.contains(text);
    match failure {
        Failure::NotFound { .. } => (Code::NoInput, "there is no such object".into()),
        Failure::Precondition { .. } | Failure::NotModified { .. } => {
            (Code::TryAgain, "it was replaced meanwhile: try again".into())
        }
        // An answer without a body, as to HEAD.
        Failure::PermissionDenied { .. } | Failure::Unauthenticated { .. } => {
            let text = format!("access is denied: check the credentials; they need {} there", words.needed);
            (Code::Unavailable, text)
        }
        _ if of_kind("status code: 3") => {
            let text = "the object store redirects to another address, which is not followed: set AWS_REGION, or \
                        AWS_ENDPOINT_URL to that address";
            (Code::Config, text.into())
        }
        _ if of_kind("incorrectly configured region") => {
            (Code::Config, "the bucket is in another region: set AWS_REGION, or AWS_ENDPOINT_URL".into())
        }
        _ if ["169.254.169.254", "169.254.170.2", "metadata.google.internal"].iter().any(|host| of_kind(host)) => {
            let text =
                format!("there are no credentials: set {}, or run where the machine has a role", words.credentials);
            (Code::Config, text)
        }
        _ if ["error sending request", "HTTP error", "nothing moved for"].iter().any(|kind| of_kind(kind)) => {
            let text = format!(
                "the object store cannot be reached ({}): check {} and the network",
                escape(last(told).as_bytes()),
                words.endpoint
            );
            (Code::Unavailable, text)
        }
        _ => (Code::Unavailable, format!("the object store fails: {}", escape(last(told).as_bytes()))),
    }
}

/// Whether it may be another time.
pub(super) fn is_passing(failure: &Failure) -> bool {
    let told = chain(failure).join(": ");
    matches!(failure, Failure::Generic { .. }) && (told.contains("HTTP error") || told.contains("status code: 5"))
}

/// What failed and why, from the outside in.
fn chain(failure: &Failure) -> Vec<String> {
    let mut chain = vec![failure.to_string()];
    let mut source = std::error::Error::source(failure);
    while let Some(inner) = source {
        chain.push(inner.to_string());
        source = inner.source();
    }
    chain
}

/// The innermost reason, without the system's number for it, and not longer than a line.
fn last(told: &str) -> String {
    let reason = told.rsplit(": ").find(|part| !part.trim().is_empty()).unwrap_or_default();
    reason.split(" (os error").next().unwrap_or_default().chars().take(200).collect::<String>().to_lowercase()
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    text.split_once(from)?.1.split_once(to).map(|(inner, _)| inner)
}
