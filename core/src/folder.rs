//! What a folder holds: which of its files are logs, which sets these make, what else is stored there, and what cannot be read.
//!
//! Names, kinds of entry and first bytes in, decisions out; decided here once, for the command line and for the page. Whoever can read the
//! folder fetches what a [`Survey`] asks for. What is wrong inside a log is for a scan to say.

use crate::archive;
use crate::manifest;
use crate::redis::{AofNames, Format, GroupsFile, Seems, is_whole_dump};
use crate::report::Backend;
use crate::rotation::{self, Choice, RotationSet};
use crate::sniff::{self, Looks, names_a_field};

pub use crate::report::PassedOver;

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
    Other(Looks),
    Entry(Entry),
}

impl Survey {
    /// A survey of a folder with these names in it.
    pub fn of(mut names: Vec<String>) -> Survey {
        names.sort();
        let what = names.iter().map(|_| None).collect();
        Survey { names, what }
    }

    /// The names to read, with the positions by which they are meant here: all but hidden ones and a backup's own files.
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
                    let reason = "a folder: name it with --path to read it".into();
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

    /// A manifest says which files belong together, whatever their names; files that no manifest speaks for, their names.
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

/// Which of a server's files it loads. Redis before 7.0 knows one append-only file, later ones a folder of them; none loads two of these
/// (redis `server.c`, `loadDataFromDisk`).
fn loaded(contents: &Contents) -> Option<String> {
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

/// Which of the `names` in a folder may hold older parts of the log `base` and are not read with it, though no finding is due: what was
/// compressed or dated under a name that is not told from a copy's or another log's, and the rotated files of what is read as one file.
pub fn beside(base: &str, backend: Backend, names: &[String]) -> Vec<PassedOver> {
    let (stem, end) = base.rsplit_once('.').map_or((base, ""), |(stem, _)| (stem, &base[stem.len()..]));
    // logrotate with `extension`: events-20260102.ndjson, events.1.ndjson.gz.
    let is_dated = |name: &str| {
        let (name, is_packed) = archive::without_suffix(name).map_or((name, false), |name| (name, true));
        let mark = name.strip_prefix(stem).and_then(|name| name.strip_suffix(end)).unwrap_or_default();
        let digits = mark.bytes().filter(u8::is_ascii_digit).count();
        let marks = mark.strip_prefix(['-', '.', '_']).unwrap_or_default();
        let is_mark = !end.is_empty() && marks.bytes().all(|byte| byte.is_ascii_digit() || b"-._TZ:+".contains(&byte));
        is_mark && (digits >= 8 || is_packed && digits > 0)
    };
    let mut passed_over = Vec::new();
    for name in names {
        let reason = if archive::without_suffix(name) == Some(base) && backend == Backend::Json {
            "compressed; name it with --path to read it"
        } else if backend == Backend::Json && rotation::base_of(name).is_some_and(|(of, _)| of == base) {
            "a rotated file; leave out --backend json to read the whole set"
        } else if is_dated(name) {
            "perhaps an older part of the log; name it with --path to read it"
        } else {
            continue;
        };
        passed_over.push(PassedOver { path: name.clone(), reason: reason.into() });
    }
    passed_over.sort_by(|a, b| a.path.cmp(&b.path));
    passed_over
}

/// Whether a file is a log, by its first bytes: a line of it is an object that opens with a key, or holds text of a record. Damage may
/// have wiped them: then the name counts.
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

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &[u8] = b"{\"kind\": \"event\"}\n";

    fn survey(files: &[(&str, &[u8])], entries: &[(&str, Entry)]) -> Survey {
        let names = files.iter().map(|(name, _)| *name).chain(entries.iter().map(|(name, _)| *name));
        let mut survey = Survey::of(names.map(str::to_owned).collect());
        let asked: Vec<(usize, String)> = survey.names().map(|(at, name)| (at, name.to_owned())).collect();
        for (at, name) in asked {
            if let Some((_, bytes)) = files.iter().find(|(own, _)| *own == name) {
                let end = &bytes[bytes.len().saturating_sub(END)..];
                if survey.file(at, &Ends { size: bytes.len() as u64, start: bytes, unpacked: b"", end }) {
                    survey.content(at, bytes);
                }
            } else if let Some((_, entry)) = entries.iter().find(|(own, _)| *own == name) {
                survey.entry(at, entry.clone());
            }
        }
        survey
    }

    fn names(passed_over: &[PassedOver]) -> Vec<&str> {
        passed_over.iter().map(|file| &*file.path).collect()
    }

    #[test]
    fn logs_sets_and_all_else_are_told_apart() {
        let tar = [&[b'x'; 257][..], b"ustar\0", RECORD].concat();
        let files: [(&str, &[u8]); 17] = [
            ("a.ndjson", RECORD),
            ("a.ndjson.1.gz", b"\x1f\x8b\x08\0"),
            ("a.ndjson-20260102", RECORD),
            ("b.gz", b"\x1f\x8b\x08\0"),
            ("dump.rdb", b"REDIS0011\xfa"),
            ("flipped.log", b"\xef\xbb\xbf{\"kind\": \"audit\", \"s\x80ystem_id\": 1}\n"),
            ("lone.ndjson.compact.tmp", RECORD),
            ("logs.tar", &tar),
            ("logs.ndjson", b"PK\x03\x04{\"kind\": \"event\"}"),
            ("notes.txt", b"dear diary"),
            ("picture.png", b"\x89PNG\r\n\x1a\n{\n"),
            ("rot.log", b""),
            ("rot.log.2", RECORD),
            ("rot.log.bak", RECORD),
            ("wiped.log", &[0; 99]),
            ("x.manifest", RECORD),
            (".hidden.ndjson", RECORD),
        ];
        let closed = || Entry::Closed("a link to nowhere".into());
        let entries = [
            ("d", Entry::Folder(vec!["a.ndjson".into()])),
            ("data.ndjson", closed()),
            ("fifo.jsonl.1", Entry::Special("a named pipe")),
            ("redis.sock", Entry::Special("a socket")),
            ("rot.log.1", closed()),
        ];
        let contents = survey(&files, &entries).decide(Choice::Auto, None);
        let logs: Vec<(&str, Backend, usize)> =
            contents.logs.iter().map(|log| (&*log.base, log.backend, log.set.names().count())).collect();
        assert_eq!(
            logs,
            [
                ("a.ndjson", Backend::Json, 3),
                ("flipped.log", Backend::Json, 1),
                ("lone.ndjson", Backend::Json, 1),
                ("rot.log", Backend::Rotating, 4),
                ("wiped.log", Backend::Json, 1),
                ("x.manifest", Backend::Json, 1),
            ]
        );
        assert_eq!(contents.archives, [("b.gz".to_owned(), archive::Format::Gzip)]);
        assert_eq!(contents.backups, [RedisFiles::Rdb("dump.rdb".into())]);
        assert_eq!(names(&contents.unread), ["data.ndjson", "fifo.jsonl.1"]);
        let passed_over = ["d/", "logs.ndjson", "logs.tar", "notes.txt", "picture.png", "redis.sock"];
        assert_eq!(names(&contents.passed_over), passed_over);
        assert_eq!(contents.passed_over[2].to_string(), "logs.tar (a tar archive; unpack it with: tar -xf logs.tar)");
        assert_eq!((contents.backend(), contents.vanished.len()), (Backend::Rotating, 0));
    }

    #[test]
    fn a_servers_folder_holds_a_dump_and_append_only_files_and_which_is_loaded_is_said() {
        let inside = |names: &[&str]| Entry::Folder(names.iter().map(|&name| name.to_owned()).collect());
        let whole = ["a.aof.1.base.rdb", "a.aof.1.incr.aof", "a.aof.manifest"];
        let dump: (&str, &[u8]) = ("dump.rdb", b"REDIS0011\xfa");
        let old: (&str, &[u8]) = ("appendonly.aof", b"REDIS0009\xfa");
        for (files, entries, expected) in [
            (
                &[dump][..],
                &[("aof", inside(&whole))][..],
                Some(["loads aof/ and not dump.rdb; ", "loads dump.rdb alone"]),
            ),
            (
                &[dump, old],
                &[("aof", inside(&whole))],
                Some(["loads aof/ (before Redis 7.0: appendonly.aof) and", "dump.rdb alone"]),
            ),
            (&[dump, old], &[], Some(["loads appendonly.aof and not dump.rdb; ", "loads dump.rdb alone"])),
            (&[], &[("aof", inside(&whole[1..]))], None),
            (&[dump], &[], None),
            (&[dump], &[("logs", inside(&["a.ndjson", "b.manifest"]))], None),
        ] {
            let contents = survey(files, entries).decide(Choice::Auto, None);
            assert_eq!(contents.loaded.is_some(), expected.is_some(), "{:?}", contents.loaded);
            let said = contents.loaded.unwrap_or_default();
            assert!(expected.into_iter().flatten().all(|part| said.contains(part)), "{said}");
            let is_set = |entry: &&(&str, Entry)| entry.0 == "aof";
            assert_eq!(contents.append_only.len(), entries.iter().filter(is_set).count());
            assert_eq!(contents.passed_over.len(), entries.len() - contents.append_only.len());
        }
    }

    #[test]
    fn what_may_be_a_part_of_a_log_and_is_not_read_with_it_is_named() {
        let names = [
            "events.ndjson",
            "events.ndjson.1",
            "events.ndjson.2.gz",
            "events.ndjson.gz",
            "events-20260102.ndjson",
            "events.1.ndjson.gz",
            "events-2.ndjson",
            "events-old.ndjson",
            "events.ndjson.bak",
            "other-20260102.ndjson",
        ];
        let names: Vec<String> = names.map(str::to_owned).into();
        let told = |backend| names_of_all(&beside("events.ndjson", backend, &names));
        let both = ["events-20260102.ndjson", "events.1.ndjson.gz"];
        assert_eq!(told(Backend::Json), [&both[..], &["events.ndjson.1", "events.ndjson.gz"]].concat());
        assert_eq!(told(Backend::Rotating), both);
        assert!(beside("log", Backend::Json, &["log-20260102".into()]).is_empty());
    }

    fn names_of_all(passed_over: &[PassedOver]) -> Vec<String> {
        passed_over.iter().map(|file| file.path.clone()).collect()
    }

    #[test]
    fn no_file_is_both_a_log_and_passed_over_and_none_is_forgotten() {
        let kinds: [&[u8]; 5] = [RECORD, b"", b"words", b"\x1f\x8b\x08\0", b"REDIS0011"];
        let names = ["a", "a.1", "a.2", "a.1.gz", "a.compact.tmp", "b.manifest", "b.1.base.rdb", "b.1.incr.aof"];
        for number in 0..5_usize.pow(4) * 7 {
            let kind = |at: usize| kinds[(number / 5_usize.pow(at as u32 % 5) + at) % 5];
            let files: Vec<(&str, &[u8])> = names.iter().enumerate().map(|(at, name)| (*name, kind(at))).collect();
            for choice in [Choice::Auto, Choice::Json, Choice::Rotating] {
                let contents = survey(&files, &[]).decide(choice, None);
                let mut told: Vec<&str> = contents.logs.iter().flat_map(|log| log.set.names()).collect();
                told.extend(contents.archives.iter().map(|(name, _)| &**name));
                told.extend(names_of(&contents));
                told.extend(contents.passed_over.iter().map(|file| &*file.path));
                told.sort_unstable();
                let mut all = names.to_vec();
                all.sort_unstable();
                assert_eq!(told, all, "{choice:?} {files:?}");
            }
        }
    }

    fn names_of(contents: &Contents) -> impl Iterator<Item = &str> {
        contents.backups.iter().flat_map(|backup| match backup {
            RedisFiles::Rdb(name) | RedisFiles::Dump(name) => vec![&**name],
            RedisFiles::Aof(set) => {
                let manifest = set.manifest.iter().filter(|_| set.is_there);
                manifest.chain(&set.files).chain(&set.history).map(|name| &**name).collect()
            }
        })
    }
}
