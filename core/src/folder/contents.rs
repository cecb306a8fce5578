//! What a folder holds, once all is known of it.

use crate::archive;
use crate::redis::AofNames;
use crate::report::{Backend, PassedOver};
use crate::rotation::RotationSet;

/// A log of a folder, or its rotation set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The active file's name.
    pub base: String,
    /// How it is stored.
    pub backend: Backend,
    /// Its files.
    pub set: RotationSet,
    /// The size of its members, in bytes.
    pub size: u64,
}

/// A Redis backup in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisFiles {
    /// An RDB file, or an old append-only file that begins with one.
    Rdb(String),
    /// A DUMP payload.
    Dump(String),
    /// An append-only file, or a set of them.
    Aof(Box<AofNames>),
}

/// What a folder holds, each by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// Logs and sets.
    pub logs: Vec<Log>,
    /// Compressed logs.
    pub archives: Vec<(String, archive::Format)>,
    /// Redis backups.
    pub backups: Vec<RedisFiles>,
    /// Folders of append-only files, whose content is to be read too.
    pub append_only: Vec<String>,
    /// Which of the Redis files a server would load, in words, where that depends on its settings.
    pub loaded: Option<String>,
    /// Where a log may be, and could not be read; with the reason.
    pub unread: Vec<PassedOver>,
    /// What is not a log.
    pub passed_over: Vec<PassedOver>,
    /// Names that were listed, and were gone when they were to be read.
    pub vanished: Vec<String>,
}

impl Contents {
    /// Whether there is nothing in the folder that could be checked.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty()
            && self.archives.is_empty()
            && self.backups.is_empty()
            && self.append_only.is_empty()
            && self.unread.is_empty()
    }

    /// The backend that a report on all of it names.
    pub fn backend(&self) -> Backend {
        if self.logs.iter().any(|log| log.backend == Backend::Rotating) {
            Backend::Rotating
        } else if self.logs.is_empty()
            && self.archives.is_empty()
            && !(self.backups.is_empty() && self.append_only.is_empty())
        {
            Backend::Redis
        } else {
            Backend::Json
        }
    }
}

/// Which of a server's files it loads. Redis before 7.0 knows one append-only file, later ones a folder of them; none
/// loads two of these (redis `server.c`, `loadDataFromDisk`).
pub(super) fn loaded(contents: &Contents) -> Option<String> {
    let is_aof = |name: &str| name.ends_with(".aof");
    let (mut dumps, mut files) = (Vec::new(), Vec::new());
    for backup in &contents.backups {
        match backup {
            RedisFiles::Rdb(name) if is_aof(name) => files.push(name.clone()),
            RedisFiles::Rdb(name) => dumps.push(name.clone()),
            RedisFiles::Aof(set) => files.extend(set.manifest.iter().chain(&set.files).next().cloned()),
            RedisFiles::Dump(_) => {}
        }
    }
    let folders: Vec<String> = contents.append_only.iter().map(|name| format!("{name}/")).collect();
    let appended = if folders.is_empty() { &files } else { &folders };
    if appended.is_empty() || dumps.is_empty() && files.len() + folders.len() < 2 {
        return None;
    }
    let all = |names: &[String]| names.join(" or ");
    let setting = if folders.is_empty() { "appendfilename" } else { "appenddirname" };
    let which = |names: &[String], setting: &str| {
        if names.len() > 1 { format!(", whichever {setting} names") } else { String::new() }
    };
    let mut text = format!("a server with `appendonly yes` loads {}{}", all(appended), which(appended, setting));
    if !folders.is_empty() && !files.is_empty() {
        text.push_str(&format!(" (before Redis 7.0: {})", all(&files)));
    }
    if !dumps.is_empty() {
        text.push_str(&format!(" and not {}", all(&dumps)));
    }
    text.push_str("; with `appendonly no` it loads ");
    text.push_str(&if dumps.is_empty() {
        "none of them".into()
    } else {
        format!("{} alone{}", all(&dumps), which(&dumps, "dbfilename"))
    });
    Some(text)
}
