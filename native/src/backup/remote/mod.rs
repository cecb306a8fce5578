//! Backups in an object store that speaks S3: the same files, under `PREFIX/NAME/` in a bucket.
//!
//! An upload begins with the manifest under the name [`UNDER_WAY`] and ends with `SHA256SUMS`, so that a prefix with
//! the latter is complete and one with the former alone is an upload that may be under way.

mod client;
mod fault;
mod prefix;
mod reader;
mod staging;
mod upload;

use std::path::Path;

use super::create::Created;
use super::files::Files;
use crate::error::{Code, Error, Result};

/// The manifest's name while the rest of the backup is still being sent.
pub(super) const UNDER_WAY: &str = "unfinished.json";

/// An unfinished upload that began so long ago, in seconds, is nobody's any more.
pub const ABANDONED: f64 = 7.0 * 86_400.0;

/// Whether this is the name of a bucket, or of something in one.
pub fn is_remote(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"s3://")
}

/// What begins the places of other tools, or a misspelt one of ours.
const SCHEMES: [&str; 13] =
    ["s3", "gs", "gcs", "az", "azure", "abfs", "b2", "sftp", "rest", "rclone", "swift", "http", "https"];

/// Fails when a path only looks like a place in an object store or on a server: it must not become a folder of that name.
pub fn refuse_lookalike(path: &Path) -> Result<()> {
    if is_remote(path) {
        return Ok(());
    }
    let text = path.to_string_lossy();
    let Some((scheme, rest)) = text.split_once(':') else { return Ok(()) };
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if !(known || is_word(scheme) && rest.starts_with("//")) {
        return Ok(());
    }
    let text = format!(
        "{} is no place for backups that papyra knows: name a folder, or s3://BUCKET/PREFIX; if a folder is called so, \
         write ./ before it",
        called(path)
    );
    Err(Error::new(Code::Usage, text))
}

/// What messages call it: without credentials, should somebody have written some into it.
pub fn called(path: &Path) -> String {
    let text = crate::error::show(path);
    match text.split_once('@') {
        Some((before, place)) => format!("{}://…@{place}", before.split(':').next().unwrap_or_default()),
        None => text,
    }
}

/// What to send, and how.
pub struct Sending<'a> {
    /// The prefix that holds the backups.
    pub to: &'a Path,
    /// The backup's name, if it was given one.
    pub name: Option<&'a str>,
    /// What is backed up, in words: an unfinished upload is continued for the same source only.
    pub source: &'a str,
    /// The folder in which the backup is made before it is sent.
    pub scratch: &'a Path,
    /// Makes the backup in a folder.
    pub make: &'a dyn Fn(&Path) -> Result<Created>,
    /// Begins to show how much was sent of so many bytes.
    pub progress: &'a dyn Fn(u64) -> Box<dyn Fn(u64)>,
}

pub(super) fn open(path: &Path) -> Result<Box<dyn Files>> {
    Ok(Box::new(prefix::Prefix::open(path)?))
}

/// Makes a backup and sends it, or continues to send the one of that name.
pub fn send(sending: &Sending<'_>) -> Result<Created> {
    upload::send(sending)
}
