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
use crate::error::Result;

/// The manifest's name while the rest of the backup is still being sent.
pub(super) const UNDER_WAY: &str = "unfinished.json";

/// An unfinished upload that began so long ago, in seconds, is nobody's any more.
pub const ABANDONED: f64 = 7.0 * 86_400.0;

/// Whether this is the name of a bucket, or of something in one.
pub fn is_remote(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().starts_with(b"s3://")
}

/// What messages call it: without credentials, should somebody have written some into it.
pub fn called(path: &Path) -> String {
    let text = crate::error::show(path);
    match text.split_once('@') {
        Some((_, place)) => format!("s3://…@{place}"),
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
