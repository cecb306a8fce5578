//! What was opened together, told by content: logs and sets of them, and Redis backups of one or more files. Which
//! files of a folder are what, core decides.

use std::convert::Infallible;

use papyra_core::assembly::Standing;
use papyra_core::folder::{Contents, END, Ends, Entry, PassedOver, RedisFiles, START, Survey};
use papyra_core::redis::{AofNames, BackupFormat, Format, Seems, is_whole_dump};
use papyra_core::report::Backend;
use papyra_core::rotation::{Choice, Member};
use papyra_core::sniff;
use papyra_core::unpack::{Container, Input};
use serde::Serialize;
#[cfg(feature = "judge")]
use wasm_bindgen::prelude::wasm_bindgen;

use crate::text;

/// The kind of archive that a file with these first bytes is; nothing if it is none.
#[cfg_attr(feature = "judge", wasm_bindgen)]
pub fn archive(head: &[u8]) -> Option<String> {
    Container::at(head).map(|container| container.name().to_owned())
}

/// Files that were opened together, meant by their places in the order in which they were named.
#[cfg_attr(feature = "judge", wasm_bindgen)]
pub struct Opening {
    names: Vec<String>,
    pub(crate) sizes: Vec<u64>,
    asked: Asked,
}

/// What was asked: what one file is, or what is in a folder.
enum Asked {
    One(One),
    Folder(Box<Folder>),
}

struct Folder {
    /// The folder's own, and that of each folder in it whose files were named too, as `FOLDER/FILE`: what these begin
    /// with.
    surveys: Vec<(String, Survey)>,
    /// Where each file stands: in which survey, and at which of its names.
    places: Vec<Option<(usize, usize)>>,
}

enum One {
    Log,
    Redis(RedisFiles),
    /// All of its content is needed.
    Unsure(Seems),
}

/// A file that is only called a manifest is looked at up to this many bytes.
const MOST_MANIFEST: u64 = 1 << 20;

/// A log or a set, by the places of its files.
pub(crate) struct Set {
    pub(crate) base: String,
    pub(crate) backend: Backend,
    pub(crate) files: Vec<(usize, Standing)>,
    pub(crate) gaps: Vec<u32>,
}

/// Where the files of a Redis backup stand among those that were opened.
pub(crate) struct Group {
    pub(crate) what: BackupFormat,
    /// What the names of its files begin with.
    pub(crate) prefix: String,
    pub(crate) names: AofNames,
    /// In the order of reading; `None` for one that is not there.
    pub(crate) files: Vec<Option<usize>>,
    /// The manifest, and files that the server no longer needs.
    pub(crate) beside: Vec<usize>,
}

/// What all of it is.
pub(crate) struct Whole {
    /// In the order of the report.
    pub(crate) sets: Vec<Set>,
    pub(crate) backend: Backend,
    pub(crate) passed_over: Vec<PassedOver>,
    /// Which of a server's files it would load.
    pub(crate) loaded: Option<String>,
    /// Folders of append-only files, whose files belong to what was opened.
    append_only: Vec<String>,
    pub(crate) groups: Vec<Group>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Arranged<'a> {
    order: &'a [usize],
    logs: usize,
    rotation: bool,
    sets: Vec<ToldSet<'a>>,
    backups: Vec<Told>,
    aside: &'a [PassedOver],
    loaded: Option<&'a String>,
    append_only: &'a [String],
}

#[derive(Serialize)]
struct ToldSet<'a> {
    base: &'a str,
    rotating: bool,
    files: Vec<usize>,
}

#[derive(Serialize)]
struct Told {
    what: BackupFormat,
    manifest: Option<String>,
    files: Vec<usize>,
    beside: Vec<usize>,
}

#[cfg_attr(feature = "judge", wasm_bindgen)]
impl Opening {
    /// A file that was named by itself.
    #[cfg_attr(feature = "judge", wasm_bindgen(constructor))]
    pub fn new(names: Vec<String>) -> Opening {
        Opening { sizes: vec![0; names.len()], names, asked: Asked::One(One::Log) }
    }

    /// The files of a folder, and the folders in it: the name of each, and `FOLDER/FILE` for each file that lies in
    /// one. The files of a folder of append-only files are named among the first too, as `FOLDER/FILE`.
    pub fn of_folder(names: Vec<String>, folders: Vec<String>) -> Opening {
        let (inside, folders): (Vec<String>, Vec<String>) = folders.into_iter().partition(|path| path.contains('/'));
        let own = names.iter().filter(|name| !name.contains('/')).chain(&folders);
        let mut surveys = vec![(String::new(), Survey::of(own.cloned().collect()))];
        for folder in &folders {
            let prefix = format!("{folder}/");
            let own: Vec<String> =
                names.iter().filter_map(|name| name.strip_prefix(&*prefix)).map(str::to_owned).collect();
            if !own.is_empty() {
                surveys.push((prefix, Survey::of(own)));
            }
        }
        let mut places = vec![None; names.len()];
        for (number, (prefix, survey)) in surveys.iter_mut().enumerate() {
            let listed: Vec<(usize, String)> =
                survey.names().map(|(at, name)| (at, format!("{prefix}{name}"))).collect();
            for (at, name) in listed {
                match names.iter().position(|own| *own == name) {
                    Some(file) => places[file] = Some((number, at)),
                    None => {
                        let own = inside.iter().filter_map(|path| path.strip_prefix(&*name)?.strip_prefix('/'));
                        survey.entry(at, Entry::Folder(own.map(str::to_owned).collect()));
                    }
                }
            }
        }
        let asked = Asked::Folder(Box::new(Folder { surveys, places }));
        Opening { sizes: vec![0; names.len()], names, asked }
    }

    /// What a file is like: its size, its first bytes (64 KiB in a folder, else 512) and its last ten. Whether all of
    /// its content is needed, see [`Opening::content`].
    pub fn add(&mut self, file: usize, size: f64, start: &[u8], end: &[u8]) -> bool {
        let (Some(name), Some(own)) = (self.names.get(file), self.sizes.get_mut(file)) else { return false };
        *own = size as u64;
        let end = &end[end.len().saturating_sub(END)..];
        match &mut self.asked {
            Asked::Folder(folder) => {
                let start = &start[..start.len().min(START)];
                let mut unpacked = Vec::new();
                Input::default().push(start, &mut |plain, packed_at| {
                    let room = sniff::HEAD.saturating_sub(unpacked.len());
                    if packed_at.is_some() {
                        unpacked.extend_from_slice(&plain[..plain.len().min(room)]);
                    }
                });
                let ends = Ends { size: *own, start, unpacked: &unpacked, end };
                folder.places[file].is_some_and(|(number, at)| folder.surveys[number].1.file(at, &ends))
            }
            Asked::One(one) => {
                *one = match Seems::of(name, start, end, *own, true) {
                    Seems::Is(Format::Rdb) => One::Redis(RedisFiles::Rdb(name.clone())),
                    Seems::Is(Format::Dump) => One::Redis(RedisFiles::Dump(name.clone())),
                    Seems::Is(Format::Aof) => One::Redis(RedisFiles::Aof(Box::new(AofNames::one(name)))),
                    Seems::Other if !name.ends_with(".manifest") || *own > MOST_MANIFEST => One::Log,
                    unsure => One::Unsure(unsure),
                };
                matches!(one, One::Unsure(_))
            }
        }
    }

    /// All bytes of a file that asked for it.
    pub fn content(&mut self, file: usize, bytes: &[u8]) {
        match &mut self.asked {
            Asked::Folder(folder) => {
                if let Some(Some((number, at))) = folder.places.get(file) {
                    folder.surveys[*number].1.content(*at, bytes);
                }
            }
            Asked::One(one) => {
                let (One::Unsure(seems), Some(name)) = (&*one, self.names.get(file)) else { return };
                let names = || Ok::<_, Infallible>(self.names.clone());
                let is_manifest =
                    || *seems == Seems::Is(Format::Manifest) || AofNames::seems_manifest(name, names) == Ok(true);
                // Alone, it has nothing beside it.
                let beside = || Ok::<_, Infallible>(self.names.iter().map(|name| (name.clone(), 0)).collect());
                *one = match AofNames::of_manifest(name, bytes, beside) {
                    _ if *seems == Seems::IfWhole && is_whole_dump(bytes) => One::Redis(RedisFiles::Dump(name.clone())),
                    Ok(set) if is_manifest() => One::Redis(RedisFiles::Aof(Box::new(set))),
                    _ => One::Log,
                };
            }
        }
    }

    /// The order in which the files are to be shown and the logs to be read: places, logs first; how many of them are
    /// logs; whether there is a rotation set; the sets and the backups, by places in that order; what is not looked at;
    /// and folders of append-only files, whose files are to be named too.
    pub fn arrange(&self) -> String {
        let whole = self.whole();
        let order = whole.order();
        let place = |at: &usize| order.iter().position(|other| other == at);
        let backups = whole.groups.iter().map(|group| {
            let files: Vec<_> = group.files.iter().flatten().filter_map(place).collect();
            let beside: Vec<_> = group.beside.iter().filter_map(place).collect();
            // Only one that is there can be named to the command line.
            let manifest = group.names.manifest.as_ref().filter(|_| group.names.is_there);
            let manifest = manifest.map(|name| format!("{}{name}", group.prefix));
            Told { what: group.what, manifest, files, beside }
        });
        let sets = whole.sets.iter().map(|set| ToldSet {
            base: &set.base,
            rotating: set.backend == Backend::Rotating,
            files: set.files.iter().filter_map(|(at, _)| place(at)).collect(),
        });
        text(&Arranged {
            logs: whole.sets.iter().map(|set| set.files.len()).sum(),
            rotation: whole.sets.iter().any(|set| set.backend == Backend::Rotating),
            sets: sets.collect(),
            backups: backups.collect(),
            order: &order,
            aside: &whole.passed_over,
            loaded: whole.loaded.as_ref(),
            append_only: &whole.append_only,
        })
    }
}

impl Opening {
    /// What all of it is.
    pub(crate) fn whole(&self) -> Whole {
        let contents = match &self.asked {
            Asked::Folder(folder) => folder.surveys[0].1.clone().decide(Choice::Auto, None),
            Asked::One(One::Redis(files)) => Contents { backups: vec![files.clone()], ..Contents::default() },
            Asked::One(One::Log | One::Unsure(_)) => {
                let alone = |at, name: &String| Set {
                    base: name.clone(),
                    backend: Backend::Json,
                    files: vec![(at, member(0, name))],
                    gaps: Vec::new(),
                };
                let sets = self.names.iter().enumerate().map(|(at, name)| alone(at, name)).collect();
                return Whole::of(sets);
            }
        };
        let backend = contents.backend();
        let at = |name: &str| self.names.iter().position(|own| own == name);
        let mut sets: Vec<Set> = Vec::new();
        for log in contents.logs {
            let members = log.set.members.into_iter().map(|file| (at(&file.name), Standing::Member(file)));
            let temporaries = log.set.temporaries.into_iter().map(|file| (at(&file.name), Standing::Temporary(file)));
            let renamed = log.set.renamed.into_iter().map(|file| (at(&file.name), Standing::Renamed(file)));
            let orphans = log.set.orphans.into_iter().map(|file| (at(&file.name), Standing::Orphan(file)));
            let files = members.chain(temporaries).chain(renamed).chain(orphans);
            let files = files.filter_map(|(at, place)| Some((at?, place))).collect();
            sets.push(Set { base: log.base, backend: log.backend, files, gaps: log.set.gaps });
        }
        for (name, _) in contents.archives {
            let files = at(&name).map(|at| (at, member(0, &name))).into_iter().collect();
            sets.push(Set { base: name, backend: Backend::Json, files, gaps: Vec::new() });
        }
        let mut groups: Vec<Group> = contents.backups.into_iter().map(|files| self.group("", files)).collect();
        if let Asked::Folder(folder) = &self.asked {
            let inside =
                |name: &String| folder.surveys.iter().find(|(prefix, _)| prefix.strip_suffix('/') == Some(name));
            for (prefix, survey) in contents.append_only.iter().filter_map(inside) {
                let inner = survey.clone().decide(Choice::Auto, None);
                groups.extend(inner.backups.into_iter().map(|files| self.group(prefix, files)));
            }
        }
        let (passed_over, loaded, append_only) = (contents.passed_over, contents.loaded, contents.append_only);
        Whole { sets, backend, passed_over, loaded, append_only, groups }
    }

    fn group(&self, prefix: &str, files: RedisFiles) -> Group {
        let at = |name: &String| self.names.iter().position(|own| own.strip_prefix(prefix) == Some(name));
        let one = |what, name: &String| Group {
            what,
            prefix: prefix.to_owned(),
            names: AofNames::one(name),
            files: vec![at(name)],
            beside: Vec::new(),
        };
        match files {
            RedisFiles::Rdb(name) => one(BackupFormat::Rdb, &name),
            RedisFiles::Dump(name) => one(BackupFormat::Dump, &name),
            RedisFiles::Aof(names) => Group {
                what: BackupFormat::Aof,
                prefix: prefix.to_owned(),
                files: names.files.iter().map(at).collect(),
                beside: names.manifest.iter().chain(&names.history).filter_map(at).collect(),
                names: *names,
            },
        }
    }
}

impl Whole {
    /// Logs, each by itself, and nothing else.
    pub(crate) fn of(sets: Vec<Set>) -> Whole {
        Whole {
            sets,
            backend: Backend::Json,
            passed_over: Vec::new(),
            loaded: None,
            append_only: Vec::new(),
            groups: Vec::new(),
        }
    }

    /// What the report says was passed over: as on the command line, nothing where a Redis backup is all there is.
    pub(crate) fn reported(&self) -> &[PassedOver] {
        if self.sets.is_empty() && self.groups.len() == 1 { &[] } else { &self.passed_over }
    }

    /// Places in the order of reading, logs first.
    pub(crate) fn order(&self) -> Vec<usize> {
        let logs = self.sets.iter().flat_map(|set| set.files.iter().map(|(at, _)| at));
        let redis = self.groups.iter().flat_map(|group| group.files.iter().flatten().chain(&group.beside));
        let mut order: Vec<usize> = Vec::new();
        for at in logs.chain(redis) {
            if !order.contains(at) {
                order.push(*at);
            }
        }
        order
    }
}

fn member(index: u32, name: &str) -> Standing {
    Standing::Member(Member { index, name: name.to_owned() })
}
