//! A backup's manifest, schema `papyra.backup/1`: which bytes were copied from where, and what a scan of them said.
//!
//! A manifest that is read is untrusted input: [`Manifest::parse`] lets nothing through that could lead a restore out
//! of its folder or have it write more than the stored bytes can hold. Whether the stored bytes *are* what the manifest
//! says is for whoever can read them.

mod series;
mod stored;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name;
use crate::report::{Report, Role};
use crate::sums::is_hash;

pub use series::{derived, is_label};
pub use stored::{Blocks, Compression, Content, Origin, StoredFile};
pub use streams::{Method, RedisSource, StoredStream};

/// The schema of manifests, as [`Manifest::schema`] holds it.
pub const SCHEMA: &str = "papyra.backup/1";

/// The manifest's file name in a backup.
pub const NAME: &str = "manifest.json";

/// The name of the file in a backup that holds the SHA-256 of each stored file, as `sha256sum` writes it.
pub const SUMS: &str = "SHA256SUMS";

/// The largest manifest that is read, in bytes.
pub const GREATEST: u64 = 256 << 20;

/// No zstd or deflate data unpacks to more than this many times its size: a zstd block of four bytes stands for at
/// most 128 KiB (RFC 8878, 3.1.1.2).
const GREATEST_RATIO: u64 = 1 << 15;

/// A backup, as its manifest describes it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who made the backup: name and version.
    pub tool: String,
    /// The backup's name: that of its folder.
    pub name: String,
    /// The series that it belongs to, unless it was made before there were any: [`Manifest::series`] tells then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// The name of the host that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What the operator has called it besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// When its files were pinned, RFC 3339, UTC.
    pub created: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Where the files came from.
    pub source: Source,
    /// How the stored files are compressed.
    pub compression: Compression,
    /// What is stored, file by file.
    pub files: Vec<StoredFile>,
    /// Files beside them that are not in the backup.
    pub left_out: Vec<LeftOut>,
    /// What a scan of the copied bytes said, in the words of `papyra.scan/1`.
    pub scan: Report,
}

/// Where a backup came from.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The folder that held the files, or the server's address without its secrets.
    pub folder: String,
    /// What was backed up, as the series is derived from it: the path of a log, a set or a folder, or the systems and
    /// the server's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The permission bits of the source's folder.
    pub mode: u32,
    /// The number of the user whom it belongs to.
    pub uid: u32,
    /// The number of the group that it belongs to.
    pub gid: u32,
    /// The server, where the backup is one of streams.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redis: Option<RedisSource>,
}

/// A file that is not in the backup.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its path in the source's folder.
    pub path: String,
    /// Why it is not in the backup, in words.
    pub reason: String,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid(String);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

impl Manifest {
    /// Reads a manifest, which is untrusted.
    ///
    /// ```
    /// use papyra_core::manifest::Manifest;
    ///
    /// let refused = Manifest::parse(br#"{"schema": "papyra.backup/9"}"#).unwrap_err();
    /// assert!(refused.to_string().contains("papyra.backup/1"));
    /// ```
    ///
    /// # Errors
    /// It is no manifest of this schema, or says what no backup of papyra's says: a path that leads out of its folder,
    /// a size that the stored bytes cannot unpack to, one name twice.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, Invalid> {
        #[derive(Deserialize)]
        struct Head {
            schema: String,
        }
        let head: Head =
            serde_json::from_slice(bytes).map_err(|error| Invalid(format!("it is not a manifest: {error}")))?;
        if head.schema != SCHEMA {
            let schema: String = head.schema.chars().take(40).collect();
            return Err(Invalid(format!("its schema is {schema:?}, and this version reads {SCHEMA:?} only")));
        }
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(|error| Invalid(format!("it is not a manifest: {error}")))?;
        manifest.check()?;
        Ok(manifest)
    }

    /// The sum of the files' sizes in bytes.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// The sum of the stored files' sizes in bytes.
    pub fn stored_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.stored_bytes).sum()
    }

    fn check(&self) -> Result<(), Invalid> {
        let no = |text: String| Err(Invalid(text));
        if !is_name(&self.name) {
            return no(format!("the backup's name {:?} is not a name of a folder", self.name));
        }
        self.check_labels().map_err(Invalid)?;
        if self.files.is_empty() {
            return no("it lists no files: nothing could be restored".into());
        }
        let (mut paths, mut stored) = (BTreeSet::new(), BTreeSet::new());
        let (mut total, mut total_stored) = (0_u64, 0_u64);
        for file in &self.files {
            file.check()?;
            if !paths.insert(&file.path) || !stored.insert(&file.stored) {
                return no(format!("{:?} is listed twice", file.path));
            }
            let sums = (total.checked_add(file.bytes), total_stored.checked_add(file.stored_bytes));
            let (Some(sum), Some(sum_stored)) = sums else {
                return no("its files are larger than any disk".into());
            };
            (total, total_stored) = (sum, sum_stored);
        }
        if total > i64::MAX as u64 || total_stored > i64::MAX as u64 {
            return no("its files are larger than any disk".into());
        }
        let folders: BTreeSet<&str> =
            paths.iter().chain(&stored).filter_map(|path| Some(path.split_once('/')?.0)).collect();
        if let Some(both) = folders.iter().find(|name| paths.contains(&(**name).to_owned())) {
            return no(format!("{both:?} is listed as a file and as a folder"));
        }
        for report in self.scan.files.iter().filter(|file| file.role != Role::Missing) {
            if !paths.contains(&report.path) && matches!(report.role, Role::Active | Role::Rotated) {
                return no(format!("{:?} was scanned and is not among the files", report.path));
            }
        }
        let mut told: BTreeMap<&str, u64> = BTreeMap::new();
        for report in &self.scan.files {
            *told.entry(&report.path).or_default() += 1;
        }
        for file in self.files.iter().filter(|file| file.content != Content::Other) {
            if told.get(&*file.path) != Some(&1) {
                return no(format!("the scan does not tell of {:?}", file.path));
            }
        }
        match &self.source.redis {
            Some(redis) => redis.check(&self.files).map_err(Invalid),
            None => match self.files.iter().find(|file| matches!(file.content, Content::Dump | Content::Rdb)) {
                Some(file) => no(format!("{:?} is said to hold streams, and of no server", file.path)),
                None => Ok(()),
            },
        }
    }
}

impl StoredFile {
    fn check(&self) -> Result<(), Invalid> {
        let no = |text: String| Err(Invalid(text));
        for path in [&self.path, &self.stored] {
            if !is_path(path) {
                return no(format!("{path:?} leads out of the backup's folder or is not a name of a file of it"));
            }
        }
        if matches!(&*self.stored, NAME | SUMS) || matches!(&*self.path, NAME | SUMS) {
            return no(format!("{:?} cannot be one of its files", self.stored));
        }
        if self.stored != format!("{}{}", self.path, self.compression.suffix()) {
            return no(format!("{:?} is not the name under which {:?} is stored", self.stored, self.path));
        }
        if !is_hash(&self.sha256) || !is_hash(&self.stored_sha256) {
            return no(format!("{:?} has no SHA-256", self.path));
        }
        let fits = match self.compression {
            Compression::None => self.bytes == self.stored_bytes && self.sha256 == self.stored_sha256,
            _ => self.bytes / GREATEST_RATIO <= self.stored_bytes,
        };
        if !fits || self.bytes > i64::MAX as u64 || self.source.cut.is_some_and(|cut| cut != self.bytes) {
            return no(format!("{:?} cannot have {} bytes", self.path, self.bytes));
        }
        let stretch = self.blocks.bytes;
        let count = if stretch == 0 { 0 } else { self.bytes.div_ceil(stretch) };
        let digits = self.blocks.crc32.bytes().all(|byte| byte.is_ascii_hexdigit());
        if stretch < 4096 || !digits || count.checked_mul(8) != Some(self.blocks.crc32.len() as u64) {
            return no(format!("the checksums of {:?} are not those of a file of {} bytes", self.path, self.bytes));
        }
        Ok(())
    }
}

/// Whether this is the name of one file or folder, not hidden from `ls`.
pub fn is_name(name: &str) -> bool {
    is_component(name) && !name.starts_with('.') && name.len() <= 200
}

/// Whether this is a path of one or two components that stays where it starts.
fn is_path(path: &str) -> bool {
    path.split('/').count() <= 2 && path.split('/').all(is_component)
}

fn is_component(name: &str) -> bool {
    let fits = name::is_canonical(name) && name::bytes(name).len() <= 255;
    fits && !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}
