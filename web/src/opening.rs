//! What was opened together, told by content: logs, and Redis backups of one or more files.

use std::convert::Infallible;

use papyra_core::assembly::Arrangement;
use papyra_core::redis::{AofNames, BackupScan, Format, Scope, Seems, is_whole_dump};
use papyra_core::report::Backend;
use papyra_core::scan;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::redis::{Backup, RedisBackups};
use crate::text;

/// Files in the order in which they were opened.
#[wasm_bindgen]
#[derive(Default)]
pub struct Opening {
    files: Vec<File>,
}

struct File {
    name: String,
    size: u64,
    what: What,
}

enum What {
    Log,
    Rdb,
    Dump,
    Aof,
    Manifest(Box<AofNames>),
    /// Its whole content is needed: a manifest's, that of what may be a payload, or of what is called a manifest and does not look like one.
    Unsure(Seems),
}

/// A file that is only called a manifest is looked at up to this many bytes.
const MOST_MANIFEST: u64 = 1 << 20;

/// Where the files of a backup stand among those that were opened.
struct Group {
    what: &'static str,
    names: AofNames,
    /// In the order of reading; `None` for one that is not there.
    files: Vec<Option<usize>>,
    /// The manifest, and files that the server no longer needs.
    beside: Vec<usize>,
}

#[derive(Serialize)]
struct Arranged<'a> {
    order: &'a [usize],
    logs: usize,
    rotation: bool,
    backups: Vec<Told<'a>>,
}

#[derive(Serialize)]
struct Told<'a> {
    what: &'static str,
    manifest: Option<&'a String>,
    files: Vec<usize>,
    beside: Vec<usize>,
}

#[wasm_bindgen]
impl Opening {
    /// Nothing opened yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Opening {
        Opening::default()
    }

    /// One more file, by its first 512 and its last 10 bytes; `alone` if nothing else is opened with it. Whether all of its content is
    /// needed, see [`Opening::content`].
    pub fn add(&mut self, name: String, size: f64, start: &[u8], end: &[u8], alone: bool) -> bool {
        let size = size as u64;
        let what = match Seems::of(&name, start, end, size, alone) {
            Seems::Is(Format::Rdb) => What::Rdb,
            Seems::Is(Format::Dump) => What::Dump,
            Seems::Is(Format::Aof) => What::Aof,
            Seems::Other if !name.ends_with(".manifest") || size > MOST_MANIFEST => What::Log,
            unsure => What::Unsure(unsure),
        };
        let unsure = matches!(what, What::Unsure(_));
        self.files.push(File { name, size, what });
        unsure
    }

    /// All bytes of a file that asked for it.
    pub fn content(&mut self, file: usize, bytes: &[u8]) {
        let names = || Ok::<_, Infallible>(self.names());
        let Some(File { name, what: What::Unsure(seems), .. }) = self.files.get(file) else { return };
        let is_manifest = || *seems == Seems::Is(Format::Manifest) || AofNames::seems_manifest(name, names) == Ok(true);
        let what = match AofNames::of_manifest(name, bytes, names) {
            _ if *seems == Seems::IfWhole && is_whole_dump(bytes) => What::Dump,
            Ok(set) if is_manifest() => What::Manifest(Box::new(set)),
            _ => What::Log,
        };
        self.files[file].what = what;
    }

    /// The order in which the files are to be shown and the logs to be read: positions, logs first; how many of them are logs; whether
    /// those are a rotation set; and the backups, by places in that order.
    pub fn arrange(&self) -> String {
        let (order, logs, rotation) = self.order();
        let place = |at: &usize| order.iter().position(|other| other == at);
        let groups = self.groups();
        let backups = groups
            .iter()
            .map(|group| {
                let files: Vec<_> = group.files.iter().flatten().filter_map(place).collect();
                let beside: Vec<_> = group.beside.iter().filter_map(place).collect();
                // Only one that is there can be named to the command line.
                let manifest = group.names.manifest.as_ref().filter(|_| group.names.is_there);
                Told { what: group.what, manifest, files, beside }
            })
            .collect();
        text(&Arranged { order: &order, logs, rotation, backups })
    }

    /// The backups, to be scanned; files are meant by their places in the order that [`Opening::arrange`] gives.
    pub fn backups(&self) -> RedisBackups {
        let (order, ..) = self.order();
        let place = |at: &Option<usize>| at.and_then(|at| order.iter().position(|other| *other == at));
        let (scope, most) = (Scope::default(), scan::Scanner::MAX_FINDINGS);
        let backups = self.groups().into_iter().map(|group| {
            let sizes: Vec<Option<u64>> = group.files.iter().map(|at| at.map(|at| self.files[at].size)).collect();
            let size = sizes.first().copied().flatten().unwrap_or_default();
            let name = group.names.files.first().cloned().unwrap_or_default();
            let places = group.files.iter().map(place).collect();
            let manifest = place(&group.beside.first().copied().filter(|_| group.names.is_there));
            let scan = match group.what {
                "rdb" => BackupScan::rdb(&name, size, scope.clone(), most),
                "dump" => BackupScan::payload(&name, size, scope.clone(), most),
                _ => BackupScan::aof(group.names, sizes, scope.clone(), most),
            };
            Backup::new(scan, places, manifest)
        });
        RedisBackups::new(backups.collect())
    }
}

impl Opening {
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.files.iter().map(|file| file.name.clone()).collect();
        names.sort();
        names
    }

    fn groups(&self) -> Vec<Group> {
        let mut by_name: Vec<usize> = (0..self.files.len()).collect();
        by_name.sort_by_key(|&at| &self.files[at].name);
        let at_name = |name: &String| by_name.iter().copied().find(|&at| self.files[at].name == *name);
        let mut groups = Vec::new();
        let mut taken: Vec<usize> = Vec::new();
        // A manifest says which files belong together, whatever their names.
        for &at in &by_name {
            let What::Manifest(names) = &self.files[at].what else { continue };
            let beside: Vec<usize> = std::iter::once(at).chain(names.history.iter().filter_map(at_name)).collect();
            let files: Vec<Option<usize>> = names.files.iter().map(at_name).collect();
            taken.extend(beside.iter().chain(files.iter().flatten()));
            groups.push(Group { what: "aof", names: (**names).clone(), files, beside });
        }
        let names = self.names();
        let free: Vec<String> =
            names.iter().filter(|name| !at_name(name).is_some_and(|at| taken.contains(&at))).cloned().collect();
        for stem in AofNames::stems(&free) {
            // Files that no manifest speaks for.
            if !names.contains(&format!("{stem}.manifest")) {
                let set = AofNames::without_manifest(&stem, &names);
                let files: Vec<Option<usize>> = set.files.iter().map(at_name).collect();
                taken.extend(files.iter().flatten());
                groups.push(Group { what: "aof", names: set, files, beside: Vec::new() });
            }
        }
        for &at in &by_name {
            let what = match self.files[at].what {
                _ if taken.contains(&at) => continue,
                What::Rdb => "rdb",
                What::Dump => "dump",
                What::Aof => "aof",
                What::Log | What::Manifest(_) | What::Unsure(_) => continue,
            };
            let names = AofNames::one(&self.files[at].name);
            groups.push(Group { what, names, files: vec![Some(at)], beside: Vec::new() });
        }
        groups
    }

    /// Positions in the order of reading, logs first; the number of logs, and whether they are a rotation set.
    fn order(&self) -> (Vec<usize>, usize, bool) {
        let groups = self.groups();
        let mut rest = Vec::new();
        for at in groups.iter().flat_map(|group| group.files.iter().flatten().chain(&group.beside)) {
            if !rest.contains(at) {
                rest.push(*at);
            }
        }
        let logs: Vec<usize> = (0..self.files.len()).filter(|at| !rest.contains(at)).collect();
        let names: Vec<&str> = logs.iter().map(|&at| &*self.files[at].name).collect();
        let arrangement = Arrangement::of(&names);
        let order = arrangement.files.iter().map(|(at, _)| logs[*at]).chain(rest).collect();
        (order, logs.len(), arrangement.backend == Backend::Rotating)
    }
}
