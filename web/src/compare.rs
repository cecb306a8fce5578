//! Two histories compared for JavaScript, as `papyra backup diff` compares them. It says which bytes it needs next;
//! what they come to is for core.

use std::collections::BTreeMap;

use papyra_core::diff::{self, Comparison, Diff, Item, LogDiff, Spot, holds_streams, pairs};
use papyra_core::digest;
use papyra_core::escape::escape;
use papyra_core::manifest::{Manifest, StoredFile};
use papyra_core::records::Records;
use papyra_core::scan::{Record, Scanner};
use papyra_core::unpack::Input;
use papyra_core::verification::{self, Piece, Stored};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::text;

/// Two sides, the older one first, each with its logs.
#[wasm_bindgen]
#[derive(Default)]
pub struct Compared {
    sides: [Side; 2],
    /// Those that are still to be compared, and that which is under way.
    pairs: Vec<(Option<String>, Option<String>)>,
    under_way: Option<Pair>,
    logs: Vec<LogDiff>,
}

#[derive(Default)]
struct Side {
    /// What manifest the files are under, if they are a backup's.
    manifest: Option<Manifest>,
    logs: Vec<(String, Vec<File>)>,
    left_out: Vec<String>,
}

/// A file of a log.
#[derive(Clone)]
struct File {
    /// Where it stands among those that were opened; none of one that is not there.
    at: Option<usize>,
    name: String,
    stored: Option<StoredFile>,
}

/// Two logs under comparison.
struct Pair {
    comparison: Comparison<Spot>,
    readings: [Reading; 2],
}

/// One side of it: the files of its log, the first `done` of which were read.
struct Reading {
    log: Option<String>,
    files: Vec<File>,
    done: usize,
    open: Option<Open>,
}

/// A file on its way through.
struct Open {
    source: Source,
    records: Records,
}

enum Source {
    File(Input),
    Stored(Box<Stored>),
}

/// The next bytes of this file are needed.
#[derive(Serialize)]
struct Wanted {
    side: usize,
    file: usize,
}

const SIDES: [diff::Side; 2] = [diff::Side::Old, diff::Side::New];

#[wasm_bindgen]
impl Compared {
    /// Nothing to compare yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Compared {
        Compared::default()
    }

    /// A log of a side: its name, and its files, oldest records first, with their places among those that were opened.
    pub fn add_log(&mut self, side: usize, name: String, names: Vec<String>, places: Vec<u32>) {
        let file = |(name, at): (String, u32)| File { at: Some(at as usize), name, stored: None };
        self.sides[side].logs.push((name, names.into_iter().zip(places).map(file).collect()));
    }

    /// A side holds this beside its logs, and it cannot be compared.
    pub fn add_other(&mut self, side: usize, name: String) {
        self.sides[side].left_out.push(name);
    }

    /// A side is a backup with files at these paths. A text says why it cannot be compared.
    pub fn add_backup(&mut self, side: usize, manifest: &[u8], sums: &[u8], paths: Vec<String>) -> Option<String> {
        let opened = verification::open(manifest, &digest::sha256(manifest), sums);
        let manifest = match opened {
            Err(refused) => return Some(refused.to_string()),
            Ok(manifest) if manifest.source.redis.is_some() => return Some(holds_streams().into()),
            Ok(manifest) => manifest,
        };
        let at: BTreeMap<&str, usize> = paths.iter().enumerate().map(|(at, path)| (&**path, at)).collect();
        let file = |stored: &StoredFile| File {
            at: at.get(&*stored.stored).copied(),
            name: stored.path.clone(),
            stored: Some(stored.clone()),
        };
        let logs = manifest.logs().into_iter().map(|(log, files)| (log, files.into_iter().map(file).collect()));
        self.sides[side] = Side { logs: logs.collect(), left_out: Vec::new(), manifest: Some(manifest) };
        None
    }

    /// Why this side cannot be compared; nothing when it can.
    pub fn refused(&self, side: usize) -> Option<String> {
        let Side { left_out, logs, .. } = &self.sides[side];
        match left_out.is_empty() {
            false if logs.is_empty() => Some(holds_streams().into()),
            false => Some(diff::left_out(left_out)),
            true => None,
        }
    }

    /// Begins: all sides are known.
    pub fn begin(&mut self) {
        let names = |side: &Side| side.logs.iter().map(|(name, _)| name.clone()).collect();
        self.pairs = pairs(names(&self.sides[0]), names(&self.sides[1]));
        self.pairs.reverse();
    }

    /// Of which file the next bytes are needed, or its end: as JSON; nothing when all is told.
    pub fn wanted(&mut self) -> Result<Option<String>, String> {
        loop {
            let pair = match &mut self.under_way {
                Some(pair) => pair,
                None => match self.pairs.pop() {
                    Some(logs) => self.under_way.insert(Pair::new(&self.sides, logs)),
                    None => return Ok(None),
                },
            };
            let Some(wanted) = pair.comparison.wanted() else {
                self.logs.extend(self.under_way.take().map(Pair::finish));
                continue;
            };
            let side = wanted as usize;
            let reading = &mut pair.readings[side];
            match reading.files.get(reading.done) {
                None => pair.comparison.end(wanted),
                Some(File { at: Some(file), .. }) => return Ok(Some(text(&Wanted { side, file: *file }))),
                Some(File { name, .. }) => {
                    return Err(format!(
                        "{} is not in the backup, so that it cannot be compared",
                        escape(name.as_bytes())
                    ));
                }
            }
        }
    }

    /// The next bytes of the file that is read of a side.
    pub fn push(&mut self, side: usize, bytes: &[u8]) -> Result<(), String> {
        let Some(pair) = &mut self.under_way else { return Ok(()) };
        pair.push(side, self.sides[side].manifest.as_ref(), Some(bytes))
    }

    /// That file is over.
    pub fn end_file(&mut self, side: usize) -> Result<(), String> {
        let Some(pair) = &mut self.under_way else { return Ok(()) };
        pair.push(side, self.sides[side].manifest.as_ref(), None)
    }

    /// What was found: the report as the command line prints it, and for each log the words.
    pub fn told(&mut self, old: String, new: String) -> String {
        #[derive(Serialize)]
        struct Told {
            json: String,
            logs: Vec<Words>,
        }
        #[derive(Serialize)]
        struct Words {
            says: String,
            facts: String,
            changes: Vec<String>,
            unlisted: u64,
        }
        let words = |log: &LogDiff| Words {
            says: log.says(),
            facts: log.facts(),
            changes: log.difference.changes.iter().map(diff::Change::says).collect(),
            unlisted: log.unlisted(),
        };
        let logs = self.logs.iter().map(words).collect();
        let report = Diff::new(crate::TOOL, old, new, std::mem::take(&mut self.logs));
        text(&Told { json: text(&report) + "\n", logs })
    }
}

impl Pair {
    fn new(sides: &[Side; 2], (old, new): (Option<String>, Option<String>)) -> Pair {
        let reading = |side: &Side, log: Option<String>| {
            let found = side.logs.iter().find(|(name, _)| Some(name) == log.as_ref());
            let files = found.map(|(_, files)| files.clone()).unwrap_or_default();
            Reading { log, files, done: 0, open: None }
        };
        Pair { comparison: Comparison::new(), readings: [reading(&sides[0], old), reading(&sides[1], new)] }
    }

    /// Takes the next bytes of a side's file; without bytes it is over.
    fn push(&mut self, side: usize, manifest: Option<&Manifest>, bytes: Option<&[u8]>) -> Result<(), String> {
        let Pair { comparison, readings } = self;
        let reading = &mut readings[side];
        let Some(file) = reading.files.get(reading.done) else { return Ok(()) };
        let Open { source, records } = reading.open.get_or_insert_with(|| Open::new(file, manifest));
        let at = reading.done;
        let mut each = |bytes: &[u8], record: &Record<'_>| {
            let hash = digest::of(bytes.trim_ascii());
            comparison.push(SIDES[side], Item { hash, at: Spot::of(at, record) });
        };
        let mut failed = Ok(());
        let mut take = |plain: &[u8]| {
            if failed.is_ok() {
                failed = records.push(plain, &mut each);
            }
        };
        match (source, bytes) {
            (Source::File(input), Some(bytes)) => input.push(bytes, &mut |plain, _| take(plain)),
            (Source::File(input), None) => input.finish(&mut |plain, _| take(plain)),
            (Source::Stored(stored), Some(bytes)) => stored.push(bytes, &mut |piece: Piece<'_>| take(piece.plain)),
            (Source::Stored(stored), None) => stored.finish(&mut |piece: Piece<'_>| take(piece.plain)),
        }
        let name = || escape(file.name.as_bytes());
        failed.map_err(|error| format!("{} cannot be compared: {error}", name()))?;
        if bytes.is_some() {
            return Ok(());
        }
        let Some(Open { source, records }) = reading.open.take() else { return Ok(()) };
        records.finish(&mut each);
        reading.done += 1;
        let wrong = match (source, manifest, &file.stored) {
            // Damage is no change of the history.
            (Source::Stored(stored), Some(manifest), Some(kept)) => {
                stored.judge(manifest, kept, None).0.map(|_| format!("{} is damaged", escape(kept.stored.as_bytes())))
            }
            (Source::File(input), ..) => input.failed().map(|_| format!("{} cannot be unpacked completely", name())),
            (Source::Stored(_), ..) => None,
        };
        wrong.map_or(Ok(()), |what| Err(format!("{what}, so that it cannot be compared")))
    }

    fn finish(self) -> LogDiff {
        let [old, new] = self.readings.map(|reading| {
            let names: Vec<String> = reading.files.into_iter().map(|file| file.name).collect();
            (reading.log, names)
        });
        LogDiff::new((old.0, &old.1), (new.0, &new.1), self.comparison.finish(Scanner::MAX_FINDINGS))
    }
}

impl Open {
    fn new(file: &File, manifest: Option<&Manifest>) -> Open {
        let source = match (manifest, &file.stored) {
            (Some(manifest), Some(stored)) => Source::Stored(Box::new(Stored::new(manifest, stored))),
            _ => Source::File(Input::default()),
        };
        Open { source, records: Records::default() }
    }
}
