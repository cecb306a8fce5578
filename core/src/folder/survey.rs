//! What is asked of a folder, name by name, and what the answers make of it.

use super::contents::{Contents, Log, RedisFiles, loaded};
use crate::archive;
use crate::manifest;
use crate::redis::{AofNames, Format, GroupsFile, Seems, is_whole_dump};
use crate::report::PassedOver;
use crate::rotation::{self, Choice, RotationSet};
use crate::sniff::{self, FileKind, names_a_field};

/// How many of a file's first bytes [`Survey::file`] makes use of.
pub const START: usize = 1 << 16;

/// How many of a file's last bytes [`Survey::file`] makes use of.
pub const END: usize = crate::redis::SNIFF_END;

/// A file that is only called a manifest of Redis is read up to this many bytes.
const MOST_MANIFEST: u64 = 1 << 20;

/// What a name leads to, when that is no file that can be read. Links are followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A folder with files of these names in it, as far as they are known.
    Folder(Vec<String>),
    /// A named pipe, socket or device, in words that begin with an article.
    Special(&'static str),
    /// Something that cannot be read, or nothing; why, in words.
    Closed(String),
}

/// The ends of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ends<'a> {
    /// Its size in bytes.
    pub size: u64,
    /// Its first [`START`] bytes, or all.
    pub start: &'a [u8],
    /// If it is compressed, the first [`sniff::HEAD`] bytes of what it unpacks to, or as many as can be had.
    pub unpacked: &'a [u8],
    /// Its last [`END`] bytes, or all.
    pub end: &'a [u8],
}

/// A survey of a folder, under way.
#[derive(Debug, Clone)]
pub struct Survey {
    /// All names, sorted.
    names: Vec<String>,
    /// What each is; `None` while it was not read.
    what: Vec<Option<What>>,
}

#[derive(Debug, Clone)]
struct What {
    size: u64,
    is: Is,
}

#[derive(Debug, Clone)]
enum Is {
    Log,
    Archive(archive::Format),
    Redis(Format),
    Manifest(Box<AofNames>),
    /// All of its bytes are needed to tell; the rest is what it is if it is nothing of Redis.
    Unsure(Seems, Box<Is>),
    Other(FileKind),
    Entry(Entry),
}

impl Survey {
    /// A survey of a folder with these names in it.
    pub fn of(mut names: Vec<String>) -> Survey {
        names.sort();
        let what = names.iter().map(|_| None).collect();
        Survey { names, what }
    }

    /// The names to read, with the positions by which they are meant here: all but hidden ones and a backup's own
    /// files.
    pub fn names(&self) -> impl Iterator<Item = (usize, &str)> {
        // A list of groups may be called so anywhere; in a backup it is one of its own files.
        let is_backup = self.names.iter().any(|name| name == manifest::NAME);
        let is_own =
            move |name: &str| matches!(name, manifest::NAME | manifest::SUMS) || is_backup && name == GroupsFile::NAME;
        let is_meant = move |name: &str| !name.starts_with('.') && !is_own(name);
        self.names.iter().map(String::as_str).enumerate().filter(move |(_, name)| is_meant(name))
    }

    /// The name at `at` is not a file that can be read.
    pub fn entry(&mut self, at: usize, entry: Entry) {
        self.set(at, 0, Is::Entry(entry));
    }

    /// The name at `at` is a file with these ends. Whether all its bytes are needed, see [`Survey::content`].
    pub fn file(&mut self, at: usize, ends: &Ends<'_>) -> bool {
        let Some(name) = self.names.get(at) else { return false };
        let head = ends.start.get(..sniff::HEAD).unwrap_or(ends.start);
        let plain = || if holds_records(name, ends.start) { Is::Log } else { Is::Other(sniff::sniff(head)) };
        let is = match archive::Format::of(ends.start) {
            Some(format) => match sniff::sniff(ends.unpacked) {
                looks if looks.is_archive() => Is::Other(looks.packed(format)),
                _ => Is::Archive(format),
            },
            None => match Seems::of(name, ends.start, ends.end, ends.size, false) {
                Seems::Is(format) if format != Format::Manifest => Is::Redis(format),
                Seems::Other if !name.ends_with(".manifest") || ends.size > MOST_MANIFEST => plain(),
                unsure => Is::Unsure(unsure, Box::new(plain())),
            },
        };
        let is_unsure = matches!(is, Is::Unsure(..));
        self.set(at, ends.size, is);
        is_unsure
    }

    /// All bytes of the file at `at`, when [`Survey::file`] asked for them.
    pub fn content(&mut self, at: usize, bytes: &[u8]) {
        let Some(Some(What { size, is: Is::Unsure(seems, _) })) = self.what.get(at) else { return };
        let (size, seems, name) = (*size, *seems, &self.names[at]);
        let beside = || Ok::<_, std::convert::Infallible>(self.names.clone());
        let size_of = |at: usize| self.what.get(at).and_then(Option::as_ref).map_or(0, |what| what.size);
        let sizes = || {
            let sizes = self.names.iter().enumerate().map(|(at, name)| (name.clone(), size_of(at)));
            Ok::<_, std::convert::Infallible>(sizes.collect())
        };
        let is_manifest = || seems == Seems::Is(Format::Manifest) || AofNames::seems_manifest(name, beside) == Ok(true);
        if seems == Seems::IfWhole && is_whole_dump(bytes) {
            self.set(at, size, Is::Redis(Format::Dump));
        } else if is_manifest()
            && let Ok(names) = AofNames::of_manifest(name, bytes, sizes)
        {
            self.set(at, size, Is::Manifest(Box::new(names)));
        }
    }

    /// What all this makes of the folder.
    pub fn decide(self, choice: Choice, max_files: Option<u32>) -> Contents {
        let mut contents = Contents::default();
        let mut taken = vec![false; self.names.len()];
        self.take_sets_of_redis(&mut contents, &mut taken);
        let meant: Vec<usize> = self.names().map(|(at, _)| at).collect();
        let logs = meant.iter().filter(|at| matches!(self.is(**at), Some(Is::Log)) && !taken[**at]);
        let mut logs: Vec<(String, usize)> = logs.map(|at| (self.base(*at, choice), *at)).collect();
        // A log comes before those whose names begin with its own, and may take them.
        logs.sort();
        for (base, at) in logs {
            if !taken[at] {
                let log = self.log(&base, choice, max_files);
                for name in log.set.names() {
                    if let Some(at) = self.at(name) {
                        taken[at] = true;
                    }
                }
                taken[at] = true;
                contents.logs.push(log);
            }
        }
        for at in meant.into_iter().filter(|at| !taken[*at]) {
            let name = self.names[at].clone();
            match self.is(at) {
                None => contents.vanished.push(name),
                Some(Is::Log) => {}
                Some(Is::Archive(format)) => contents.archives.push((name, *format)),
                Some(Is::Redis(Format::Rdb)) => contents.backups.push(RedisFiles::Rdb(name)),
                Some(Is::Redis(Format::Dump)) => contents.backups.push(RedisFiles::Dump(name)),
                Some(Is::Redis(Format::Aof | Format::Manifest)) => {
                    contents.backups.push(RedisFiles::Aof(Box::new(AofNames::one(name))));
                }
                Some(Is::Manifest(names)) => contents.backups.push(RedisFiles::Aof(names.clone())),
                Some(Is::Entry(Entry::Closed(reason))) => {
                    contents.unread.push(PassedOver { path: name, reason: reason.clone() });
                }
                Some(Is::Entry(Entry::Special(reason))) if is_named_like_a_log(&name) => {
                    contents.unread.push(PassedOver { path: name, reason: (*reason).into() });
                }
                Some(Is::Entry(Entry::Special(reason))) => {
                    contents.passed_over.push(PassedOver { path: name, reason: (*reason).into() });
                }
                Some(Is::Entry(Entry::Folder(names))) if AofNames::is_folder(names) => contents.append_only.push(name),
                Some(Is::Entry(Entry::Folder(_))) => {
                    let reason = "a folder: it is read when it is named by itself".into();
                    contents.passed_over.push(PassedOver { path: name + "/", reason });
                }
                Some(Is::Other(looks)) => {
                    let reason = looks.passed_over(&name);
                    contents.passed_over.push(PassedOver { path: name, reason });
                }
                // What [`Survey::is`] sees through.
                Some(Is::Unsure(..)) => {}
            }
        }
        contents.loaded = loaded(&contents);
        contents
    }

    fn set(&mut self, at: usize, size: u64, is: Is) {
        if let Some(what) = self.what.get_mut(at) {
            *what = Some(What { size, is });
        }
    }

    fn at(&self, name: &str) -> Option<usize> {
        self.names.binary_search_by(|own| own.as_str().cmp(name)).ok()
    }

    fn is(&self, at: usize) -> Option<&Is> {
        match &self.what.get(at)?.as_ref()?.is {
            Is::Unsure(_, otherwise) => Some(otherwise),
            is => Some(is),
        }
    }

    /// The log that the file at `at` belongs to.
    fn base(&self, at: usize, choice: Choice) -> String {
        let name = &self.names[at];
        let base = if choice == Choice::Json { name } else { rotation::log_of(name) };
        // A folder of that name is not a log.
        let is_folder = self.at(base).is_some_and(|at| matches!(self.is(at), Some(Is::Entry(Entry::Folder(_)))));
        if is_folder { name.clone() } else { base.to_owned() }
    }

    fn log(&self, base: &str, choice: Choice, max_files: Option<u32>) -> Log {
        let from = self.names.partition_point(|name| name.as_str() < base);
        let names = self.names[from..].iter().map(String::as_str).take_while(|name| name.starts_with(base));
        let (backend, set) = RotationSet::of(base, names, max_files).as_chosen(choice);
        let sizes = set.members.iter().filter_map(|member| self.what[self.at(&member.name)?].as_ref());
        Log { base: base.to_owned(), backend, size: sizes.map(|what| what.size).sum(), set }
    }

    /// A manifest says which files belong together, whatever their names; files that no manifest speaks for, their
    /// names.
    fn take_sets_of_redis(&self, contents: &mut Contents, taken: &mut [bool]) {
        let mut take = |set: &AofNames| {
            for name in set.manifest.iter().chain(&set.files).chain(&set.history) {
                if let Some(at) = self.at(name) {
                    taken[at] = true;
                }
            }
        };
        for (at, _) in self.names() {
            if let Some(Is::Manifest(set)) = self.is(at) {
                take(set);
                contents.backups.push(RedisFiles::Aof(set.clone()));
            }
        }
        let free: Vec<String> = self.names().filter(|(at, _)| !taken[*at]).map(|(_, name)| name.to_owned()).collect();
        for stem in AofNames::stems(&free) {
            if self.at(&format!("{stem}.manifest")).is_none() {
                let set = AofNames::without_manifest(&stem, &self.names);
                for name in &set.files {
                    if let Some(at) = self.at(name) {
                        taken[at] = true;
                    }
                }
                contents.backups.push(RedisFiles::Aof(Box::new(set)));
            }
        }
    }
}

/// Whether a file is a log, by its first bytes: a line of it is an object that opens with a key, or holds text of a
/// record. Damage may have wiped them: then the name counts.
fn holds_records(name: &str, start: &[u8]) -> bool {
    if sniff::sniff(start.get(..sniff::HEAD).unwrap_or(start)).is_archive() {
        return false;
    }
    let opens = |line: &[u8]| line.trim_ascii().starts_with(b"{\"");
    let log = rotation::log_of(name);
    let is_wiped = || start.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace());
    [".ndjson", ".jsonl"].iter().any(|end| log.ends_with(end))
        || start.split(|byte| matches!(byte, b'\n' | b'\r')).any(opens)
        || names_a_field(start)
        || log.ends_with(".log") && is_wiped()
}

/// Whether a log could have this name, where its bytes cannot be asked.
fn is_named_like_a_log(name: &str) -> bool {
    let log = rotation::log_of(name);
    [".ndjson", ".jsonl", ".log"].iter().any(|end| log.ends_with(end))
}
