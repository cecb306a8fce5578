//! The streams of a backup, one after the other: their entries in order, then their groups, then their facts.
//!
//! One interface over dumps, which pass by in pieces, and append-only files, whose live entries are held in memory. On
//! a damaged dump it goes on with the streams that can be found again after the damage.

use std::io;
use std::path::Path;

use papyra_core::redis::{
    BackupFinding, Entry, Fields, Flow, Group, Key, KeyFinder, Limits, PapyraKey, RdbReader, Replay, Scope,
    StreamFacts, StreamId, Survey, Untold, Visitor,
};

use super::{AofSet, ServerFiles, aof, beyond, feed, open};
use crate::archive::read_at;
use crate::disk::File;
use crate::error::{Error, Result};
use crate::reading::ScanOptions;

/// Takes Papyra's streams of a backup.
pub trait Streams {
    /// A stream begins. `salvaged`: it was found again after damage.
    fn begin(&mut self, db: u64, key: &PapyraKey, salvaged: bool) -> Flow;

    /// An entry.
    fn entry(&mut self, entry: &Entry<'_>) -> Flow;

    /// A consumer group.
    fn group(&mut self, _group: Group) {}

    /// Before all streams: commands whose effect is not known are among what was read.
    fn untold(&mut self, _untold: &Untold) {}

    /// The stream's end. A stream that damage cuts off has none.
    fn end(&mut self, _facts: &StreamFacts) {}
}

/// Hands on every stream of Papyra's; returns how many things are wrong.
pub fn each(backup: &ServerFiles, scope: &Scope, scanning: ScanOptions<'_>, to: &mut impl Streams) -> Result<u64> {
    match backup {
        ServerFiles::Rdb(path) => rdb(path, RdbReader::new(Limits::default()), scope, scanning, to),
        ServerFiles::Dump(path) => {
            rdb(path, RdbReader::dump(&super::scan::key_of(path), Limits::default()), scope, scanning, to)
        }
        ServerFiles::Aof(set) => append_only(set, scope, scanning, to),
    }
}

struct Bridge<'a, S> {
    to: &'a mut S,
    scope: &'a Scope,
    open: Option<PapyraKey>,
    known: Vec<(String, String)>,
    salvaged: bool,
    found: u64,
}

impl<'a, S> Bridge<'a, S> {
    fn new(scope: &'a Scope, to: &'a mut S) -> Bridge<'a, S> {
        Bridge { to, scope, open: None, known: Vec::new(), salvaged: false, found: 0 }
    }
}

impl<S: Streams> Visitor for Bridge<'_, S> {
    fn key(&mut self, key: &Key<'_>) -> Flow {
        self.open = self.scope.find(key.name).filter(|_| key.is_stream);
        let Some(papyra) = &self.open else { return Flow::Continue(()) };
        let system = (papyra.prefix.clone(), papyra.system_id.clone());
        if !self.known.contains(&system) {
            self.known.push(system);
        }
        self.to.begin(key.db, papyra, self.salvaged)
    }

    fn entry(&mut self, _key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        if self.open.is_none() {
            return Flow::Continue(());
        }
        self.to.entry(entry)
    }

    fn group(&mut self, _key: &Key<'_>, group: Group) -> Flow {
        if self.open.is_some() {
            self.to.group(group);
        }
        Flow::Continue(())
    }

    fn stream(&mut self, _key: &Key<'_>, facts: &StreamFacts) -> Flow {
        if self.open.take().is_some() {
            self.to.end(facts);
        }
        Flow::Continue(())
    }

    fn finding(&mut self, _finding: BackupFinding) -> Flow {
        self.found += 1;
        Flow::Continue(())
    }
}

/// A dump that comes in pieces, and only once.
pub(super) struct Dump<'a, S> {
    reader: RdbReader,
    bridge: Bridge<'a, S>,
    goes_on: bool,
}

impl<'a, S: Streams> Dump<'a, S> {
    pub(super) fn new(scope: &'a Scope, to: &'a mut S) -> Dump<'a, S> {
        Dump { reader: RdbReader::new(Limits::default()), bridge: Bridge::new(scope, to), goes_on: false }
    }

    /// Takes the next bytes, until nobody wants more or commands follow.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Flow {
        self.reader.push(bytes, &mut self.bridge)?;
        self.goes_on = self.reader.goes_on(bytes);
        if self.goes_on { Flow::Break(()) } else { Flow::Continue(()) }
    }

    /// What is wrong with what was taken; `None` when commands follow.
    pub(super) fn stopped(&self) -> Option<u64> {
        (!self.goes_on).then_some(self.bridge.found)
    }

    /// The end: what is wrong with it.
    pub(super) fn finish(mut self, path: &Path) -> Result<u64> {
        self.reader.finish(&mut self.bridge).map_err(|error| beyond(path, &error))?;
        Ok(self.bridge.found)
    }
}

fn rdb(
    path: &Path,
    mut reader: RdbReader,
    scope: &Scope,
    scanning: ScanOptions<'_>,
    to: &mut impl Streams,
) -> Result<u64> {
    let (file, size) = open(path)?;
    // Where the file does not say it at once, whether commands follow shows at the end, when the streams have been
    // handed on: so the end is looked for first.
    if is_append_only(path)? {
        return append_only(&AofSet::one(path), scope, scanning, to);
    }
    let mut bridge = Bridge::new(scope, to);
    let mut stopped = false;
    feed(&file, path, 0..size, scanning.progress, |bytes| {
        let flow = reader.push(bytes, &mut bridge);
        stopped = flow.is_break();
        flow
    })?;
    if stopped {
        return Ok(bridge.found);
    }
    let (header, db, templates) = (reader.header(), reader.db(), reader.templates().clone());
    let summary = reader.finish(&mut bridge).map_err(|error| beyond(path, &error))?;
    let (Some(header), Some(_), Some(from)) = (header, summary.lost_at, summary.last_key) else {
        return Ok(bridge.found);
    };
    let finder = KeyFinder::new(header, db, from, scope.clone(), bridge.known.clone(), Limits::default());
    let mut finder = finder.with_templates(templates.clone());
    feed(&file, path, from..size, &|_| {}, |bytes| {
        finder.push(bytes);
        Flow::Continue(())
    })?;
    if let Some(at) = finder.finish() {
        bridge.salvaged = true;
        let mut reader = RdbReader::resume(header, db, at, Limits::default()).with_templates(templates);
        feed(&file, path, at..size, &|_| {}, |bytes| reader.push(bytes, &mut bridge))?;
        reader.finish(&mut bridge).map_err(|error| beyond(path, &error))?;
    }
    Ok(bridge.found)
}

/// Whether a file that begins as a dump goes on with commands.
pub(crate) fn is_append_only(path: &Path) -> Result<bool> {
    let (file, size) = open(path)?;
    let mut reader = RdbReader::new(Limits::default());
    let (mut front, mut is_aof) = (Front::default(), false);
    let ends_as_dump = ends_as_dump(&file, size).map_err(|error| Error::cannot_read(path, 0, &error))?;
    feed(&file, path, 0..size, &|_| {}, |bytes| {
        reader.push(bytes, &mut front)?;
        is_aof = reader.goes_on(bytes);
        let is_dump = front.is_dump && ends_as_dump;
        if is_dump || is_aof || reader.end().is_some() || reader.lost_at().is_some() {
            return Flow::Break(());
        }
        Flow::Continue(())
    })?;
    Ok(is_aof)
}

/// What a server says at the front of a dump (Redis 4 and later): whether it is the front of an append-only file.
#[derive(Default)]
struct Front {
    is_dump: bool,
}

impl Visitor for Front {
    fn aux(&mut self, name: &[u8], value: &[u8]) {
        self.is_dump |= matches!(name, b"aof-base" | b"aof-preamble") && value == b"0";
    }
}

/// Whether the mark of a dump's end stands where it stands when nothing follows but the checksum.
fn ends_as_dump(file: &File, size: u64) -> io::Result<bool> {
    let mut mark = [0];
    let read = match size.checked_sub(9) {
        Some(at) => read_at(file, &mut mark, at)?,
        None => 0,
    };
    Ok(read == 1 && mark[0] == 0xff)
}

/// What is held of an entry: most have one field, `data`.
#[derive(Clone)]
enum Held {
    Data(Vec<u8>),
    Fields(Vec<Vec<u8>>),
}

impl Held {
    fn of(entry: &Entry<'_>) -> Held {
        let mut fields = entry.fields.clone();
        match (fields.next(), fields.next()) {
            (Some((name, data)), None) if name.as_bytes() == b"data" => Held::Data(data.as_bytes().to_vec()),
            _ => {
                let all = entry.fields.clone().flat_map(|(name, value)| [name, value]);
                Held::Fields(all.map(|part| part.as_bytes().to_vec()).collect())
            }
        }
    }

    fn hand_on(&self, id: StreamId, to: &mut impl Streams) -> Flow {
        let parts: Vec<&[u8]> = match self {
            Held::Data(data) => vec![b"data", data],
            Held::Fields(parts) => parts.iter().map(Vec::as_slice).collect(),
        };
        to.entry(&Entry { id, fields: Fields::of_arguments(&parts), offset: 0 })
    }
}

fn append_only(set: &AofSet, scope: &Scope, scanning: ScanOptions<'_>, to: &mut impl Streams) -> Result<u64> {
    let replay = Replay::new(|_, entry: &Entry<'_>| Held::of(entry));
    let (replay, surveys) = aof::replay(set, scope, replay, scanning)?.finish();
    let planned = |survey: &Survey| survey.plan.as_ref().map_or(0, |plan| plan.found);
    let damage: u64 = surveys.iter().map(|survey| survey.as_ref().map_or(1, planned)).sum();
    let found = damage + replay.found + u64::from(set.broken.is_some());
    if !replay.untold.files.is_empty() {
        to.untold(&replay.untold);
    }
    for ((db, key), stream) in replay.streams() {
        let Some(papyra) = scope.find(key) else { continue };
        if to.begin(*db, &papyra, damage > 0).is_break() {
            break;
        }
        if stream.entries.iter().any(|(id, held)| held.hand_on(*id, to).is_break()) {
            break;
        }
        stream.groups.iter().for_each(|(name, group)| to.group(group.to_group(name)));
        to.end(&stream.facts());
    }
    Ok(found)
}
