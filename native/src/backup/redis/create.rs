//! Making a backup of streams, by DUMP or as an RDB file. What was read is what the manifest tells of: every payload is
//! looked through on its way.

use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::manifest::{Compression, Content, Method, Origin, RedisSource, Source, StoredStream};
use papyra_core::redis::{GroupsFile, PapyraKey, StreamGroups, StreamKind};
use papyra_core::report::{Backend, FileReport, Report};
use papyra_core::verification::Seen;

use super::payload::{FoundStream, Payload, Streams, survey};
use super::{LARGEST, bgsave};
use crate::TOOL;
use crate::backup::Location;
use crate::backup::access::Access;
use crate::backup::create::Created;
use crate::backup::guard::{self, Backups};
use crate::backup::series::Filing;
use crate::backup::unfinished::{About, Attributes, Finished, Incoming, Unfinished};
use crate::disk::{File, sys};
use crate::error::{Code, Error, Result};
use crate::offline::beyond;
use crate::offline::export::{GROUPS, plain};
use crate::reading::ScanOptions;
use crate::redis::{Naming, Store, Systems};
use crate::setting::Setting;

/// How to back up.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// The folder that holds the backups.
    pub to: Location,
    /// The backup's name; by default one with the time in it.
    pub name: Option<String>,
    /// What it is filed under.
    pub filing: Filing,
    /// How to store payloads. An RDB file is compressed already.
    pub compression: Compression,
    /// How to copy.
    pub method: Method,
    /// Where the server saves its RDB file; by default it is asked for the file itself.
    pub rdb: Option<PathBuf>,
}

/// Backs up the streams of a store's systems.
pub fn create(store: &Store, options: &StreamOptions, scanning: ScanOptions<'_>) -> Result<Created> {
    if let Some(name) = options.name.as_ref().filter(|name| !papyra_core::manifest::is_name(name)) {
        let name = escape(name.as_bytes());
        return Err(Error::new(Code::Usage, format!("{name} cannot be a backup's name: use letters, digits and -")));
    }
    let begun = sys::now();
    let (present, _) = store.present()?;
    let backups = guard::for_backups(&options.to)?;
    let of = Of {
        called: store.settings.location.to_string(),
        db: store.settings.db(),
        prefix: store.settings.prefix.clone(),
        quarantine_prefix: store.settings.quarantine_prefix.clone(),
        systems: store.systems.clone(),
    };
    let mut making = Making::begin(of, &backups, begun, options, scanning)?;
    match options.method {
        Method::Dump => making.dump(store, &present)?,
        Method::Bgsave => making.save(store, &present)?,
    }
    let about = store.about()?;
    making.finish(about)
}

/// What is backed up.
pub(super) struct Of {
    /// Its address or path, without secrets.
    pub(super) called: String,
    pub(super) db: u64,
    pub(super) prefix: String,
    pub(super) quarantine_prefix: Option<String>,
    pub(super) systems: Vec<String>,
}

pub(super) struct Making<'a> {
    of: Of,
    options: &'a StreamOptions,
    scanning: ScanOptions<'a>,
    to: Unfinished<'a>,
    streams: Vec<StoredStream>,
    groups: Vec<StreamGroups>,
    reports: Vec<FileReport>,
    pub(super) warnings: Vec<String>,
}

/// A key that belongs to a system, there or not.
pub(super) struct Wanted {
    pub(super) papyra: PapyraKey,
    pub(super) quarantine: bool,
    pub(super) key: String,
}

/// All keys of a system: its streams, and those that bad entries are moved to.
pub(super) fn wanted(prefix: &str, system_id: &str, quarantine_prefix: Option<&str>) -> Vec<Wanted> {
    let both = |quarantine: bool| {
        StreamKind::ALL.map(|kind| {
            let papyra = PapyraKey { prefix: prefix.to_owned(), system_id: system_id.to_owned(), kind };
            let key = if quarantine { papyra.quarantine(quarantine_prefix) } else { papyra.key() };
            Wanted { papyra, quarantine, key }
        })
    };
    both(false).into_iter().chain(both(true)).collect()
}

impl<'a> Making<'a> {
    pub(super) fn begin(
        of: Of,
        backups: &'a Backups,
        begun: i64,
        options: &'a StreamOptions,
        scanning: ScanOptions<'a>,
    ) -> Result<Making<'a>> {
        let to =
            Unfinished::begin(backups, options.name.as_deref(), &options.filing, begun, Timestamp::now(), scanning)?;
        let (streams, groups, reports, warnings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Making { of, options, scanning, to, streams, groups, reports, warnings })
    }

    fn wanted(&self, system_id: &str) -> Vec<Wanted> {
        wanted(&self.of.prefix, system_id, self.of.quarantine_prefix.as_deref())
    }

    /// Each stream by DUMP, all of a system at one moment where one server has them all.
    fn dump(&mut self, store: &Store, present: &[PapyraKey]) -> Result<()> {
        for system_id in &store.systems {
            let mut wanted = self.wanted(system_id);
            for stream in &wanted {
                refuse_huge(store, &stream.key)?;
            }
            let groups = store.together(wanted.iter().map(|stream| stream.key.clone()).collect());
            if groups.iter().filter(|keys| present.iter().any(|stream| keys.contains(&stream.key()))).count() > 1 {
                self.warnings.push(format!(
                    "the streams of {} lie on different slots of a cluster: they were not copied at the same moment",
                    escape(system_id.as_bytes())
                ));
            }
            for keys in groups {
                for (key, dumped) in keys.iter().zip(store.dump(&keys)?) {
                    let Some(dumped) = dumped else {
                        still_there(key, present)?;
                        continue;
                    };
                    if let Some(at) = wanted.iter().position(|stream| stream.key == *key) {
                        self.keep(wanted.swap_remove(at), &dumped.payload, dumped.expire_ms)?;
                    }
                }
            }
            self.streams.sort_by_key(|stream| stream.quarantine);
        }
        Ok(())
    }

    /// The stream of a payload that is a file.
    pub(super) fn payload_file(&mut self, papyra: PapyraKey, bytes: &[u8], expire_ms: Option<i64>) -> Result<()> {
        let key = papyra.key();
        self.keep(Wanted { papyra, quarantine: false, key }, bytes, expire_ms)
    }

    fn keep(&mut self, wanted: Wanted, bytes: &[u8], expire_ms: Option<i64>) -> Result<()> {
        let quarantine = if wanted.quarantine { "quarantine." } else { "" };
        let kind = wanted.papyra.kind.name();
        let name = format!("{}.{quarantine}{kind}.dump", plain(&wanted.papyra.system_id));
        let payload = self.payload(Some(&wanted.key));
        let seen = self.whole(survey(payload, &name, bytes, self.scanning.max_findings)?)?;
        let [found] = &seen.found[..] else {
            let text = format!(
                "{} holds something other than a stream: check the prefix and the system",
                escape(wanted.key.as_bytes())
            );
            return Err(Error::new(Code::NoInput, text).decided_by(&[Setting::Prefix, Setting::System]));
        };
        let found = FoundStream { expire_ms, ..found.clone() };
        self.store_bytes(&name, Content::Dump, self.options.compression, &mut &*bytes, bytes.len() as u64)?;
        self.tell(wanted, &found, &name);
        self.reports.push(seen.report);
        Ok(())
    }

    /// All that the server holds, as an RDB file.
    fn save(&mut self, store: &Store, present: &[PapyraKey]) -> Result<()> {
        const NAME: &str = "dump.rdb";
        if store.is_cluster() {
            let text = "a cluster has no RDB file of all its nodes: take dumps from it";
            return Err(Error::new(Code::Usage, text).decided_by(&[Setting::ByDump]));
        }
        let seen = match &self.options.rdb {
            Some(path) => {
                let (file, size, since) = bgsave::save(store, path)?;
                let seen = self.store_bytes(NAME, Content::Rdb, Compression::None, &mut &file, size)?;
                if let Some(Ok(streams)) = &seen.streams {
                    bgsave::is_the_one(streams.written, since, path)?;
                }
                seen
            }
            None => {
                let mut stream = store.rdb_stream()?;
                self.store_bytes(NAME, Content::Rdb, Compression::None, &mut stream, u64::MAX)?
            }
        };
        // Systems that began since.
        self.tell_file(seen, NAME, store.settings.systems == Systems::All, present)
    }

    /// A copy of an RDB file that lies somewhere.
    pub(super) fn rdb_file(&mut self, file: &File, size: u64, present: &[PapyraKey]) -> Result<()> {
        const NAME: &str = "dump.rdb";
        let seen = self.store_bytes(NAME, Content::Rdb, Compression::None, &mut &*file, size)?;
        self.tell_file(seen, NAME, false, present)
    }

    fn tell_file(&mut self, seen: Seen, name: &str, all: bool, present: &[PapyraKey]) -> Result<()> {
        let read = seen.streams.ok_or_else(|| Error::new(Code::Data, "the RDB file was not read"))?;
        let mut seen = self.whole(read.map_err(|error| beyond(name.as_ref(), &error))?)?;
        let mut systems = self.of.systems.clone();
        if all {
            let all = seen.report.streams.iter().filter_map(|stream| stream.papyra.as_ref());
            systems.extend(all.map(|key| key.system_id.clone()));
            systems.sort();
            systems.dedup();
        }
        for system_id in systems {
            for wanted in self.wanted(&system_id) {
                let at = seen.found.iter().position(|found| found.key == wanted.key.as_bytes());
                match at {
                    Some(at) => self.tell(wanted, &seen.found.swap_remove(at), name),
                    None => still_there(&wanted.key, present)?,
                }
            }
        }
        self.reports.push(seen.report);
        Ok(())
    }

    fn payload<'b>(&'b self, key: Option<&'b str>) -> Payload<'b> {
        Payload { key, db: self.of.db, prefix: &self.of.prefix }
    }

    /// What a server has just written is whole, or it did not arrive.
    fn whole(&self, streams: Streams) -> Result<Streams> {
        let Some(damage) = &streams.damage else { return Ok(streams) };
        let text = format!(
            "what came from {} as {} is damaged at byte {}: {}; the backup was not made: try again",
            escape(self.of.called.as_bytes()),
            escape(streams.report.path.as_bytes()),
            damage.offset,
            escape(damage.detail.as_bytes())
        );
        Err(Error::new(Code::Io, text))
    }

    fn tell(&mut self, wanted: Wanted, found: &FoundStream, file: &str) {
        let Wanted { papyra, quarantine, key } = wanted;
        if found.untold_groups > 0 {
            self.warnings.push(format!(
                "{} groups of {} are in the backup and not in {GROUPS}: they wait for more entries than are listed",
                found.untold_groups,
                escape(key.as_bytes())
            ));
        }
        if let Some(at) = found.expire_ms.and_then(|at| Timestamp::from_millisecond(at).ok()) {
            let key = escape(key.as_bytes());
            self.warnings.push(format!("{key} was to expire at {at}; a restored one will not"));
        }
        if !quarantine {
            self.groups.push(StreamGroups {
                key: key.clone(),
                db: self.of.db,
                papyra: papyra.clone(),
                stream: found.facts.clone(),
                salvaged: false,
                groups: found.groups.clone(),
            });
        }
        self.streams.push(StoredStream {
            key,
            system_id: papyra.system_id,
            kind: papyra.kind,
            quarantine,
            file: file.to_owned(),
            expire_ms: found.expire_ms,
            entries_sha256: found.entries_sha256.clone(),
            facts: found.facts.clone(),
        });
    }

    fn store_bytes(
        &mut self,
        name: &str,
        content: Content,
        compression: Compression,
        bytes: &mut dyn Read,
        size: u64,
    ) -> Result<Seen> {
        let now = i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0);
        let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        let called = self.of.called.clone();
        let prefix = self.of.prefix.clone();
        let payload = Payload { key: None, db: self.of.db, prefix: &prefix };
        let file = Incoming {
            name,
            content,
            compression,
            path: Path::new(&called),
            bytes,
            is_large: size > 1 << 20,
            max_findings: self.scanning.max_findings,
            payload: (content == Content::Rdb).then_some(payload),
            attributes: Attributes { access: Access { gid, ..Access::PRIVATE }, uid, modified_ns: now },
            origin: Origin { device: 0, inode: 0, changed_ns: None, index: 0, seen_bytes: 0, cut: None },
        };
        let (passed, mut stored) = self.to.store(file, self.scanning)?;
        stored.source.seen_bytes = passed.bytes;
        self.to.add(stored);
        Ok(passed.seen)
    }

    pub(super) fn finish(mut self, about: crate::redis::About) -> Result<Created> {
        let list = GroupsFile::new(std::mem::take(&mut self.groups));
        let list = serde_json::to_string_pretty(&list).map_err(|error| Error::new(Code::Io, error.to_string()))? + "\n";
        self.store_bytes(GROUPS, Content::Other, Compression::None, &mut list.as_bytes(), list.len() as u64)?;
        let server = self.of.called.clone();
        let redis = RedisSource {
            server: server.clone(),
            version: about.version,
            run_id: about.run_id,
            db: self.of.db,
            prefix: self.of.prefix.clone(),
            method: self.options.method,
            streams: self.streams,
        };
        let source = Source {
            folder: server,
            path: None,
            // What a password protects on the server is for its owner only here.
            mode: 0o700,
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            redis: Some(redis),
        };
        let scan = Report::new(TOOL, Backend::Redis, self.reports, false);
        let compression = self.options.compression;
        let finished = self.to.finish(About { source, compression, left_out: Vec::new(), scan })?;
        let Finished { path, manifest, added, warnings } = finished;
        self.warnings.extend(warnings);
        Ok(Created { path, manifest, added, warnings: self.warnings, unread: Vec::new() })
    }
}

/// What is not in the copy was not there when it was begun either.
fn still_there(key: &str, present: &[PapyraKey]) -> Result<()> {
    if !present.iter().any(|stream| stream.key() == key) {
        return Ok(());
    }
    let key = escape(key.as_bytes());
    let text = format!("{key} was there when the backup was begun, and is not in what the server gave: try again");
    Err(Error::new(Code::TryAgain, text))
}

/// A payload is held whole, by the server and here.
fn refuse_huge(store: &Store, key: &str) -> Result<()> {
    let Some(bytes) = store.memory(key)?.filter(|bytes| *bytes > LARGEST) else { return Ok(()) };
    let text = format!(
        "{} takes up {} MiB of the server's memory, and DUMP would hold a copy of that size there and here, which no \
         server takes back above {} MiB: take an RDB file",
        escape(key.as_bytes()),
        bytes >> 20,
        LARGEST >> 20
    );
    Err(Error::new(Code::Unavailable, text).decided_by(&[Setting::ByRdbFile]))
}
