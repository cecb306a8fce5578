//! What a path on the command line leads to: a log, a set, a compressed log, a Redis backup, a pipe, or a folder of these.
//!
//! Told by content, not by name, so that a wrong file is not taken for a clean log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use papyra_core::redis::AofNames;
use papyra_core::rotation;

use crate::archive::{self, Format};
use crate::disk::{Folder, file_name};
use crate::error::{Code, Error, Result, show};
use crate::history::{Choice, History};
use crate::offline::{AofSet, Backup};
use crate::redis::Store;

/// How often a folder is looked at again while its files change names.
const TRIES: usize = 10;

/// What a path leads to.
#[derive(Debug)]
pub enum Target {
    /// A log or a rotation set.
    History(History),
    /// A compressed log.
    Archive(PathBuf, Format),
    /// A pipe, or `-` for standard input.
    Stream(PathBuf),
    /// A folder with logs in it.
    Folder(Logs),
    /// A Redis backup.
    Backup(Backup),
    /// Streams of a server.
    Redis(Box<Store>),
}

/// The logs of a folder.
#[derive(Debug)]
pub struct Logs {
    /// Logs and sets, by name.
    pub histories: Vec<History>,
    /// Compressed logs, by name.
    pub archives: Vec<(PathBuf, Format)>,
    /// Redis backups, by name.
    pub backups: Vec<Backup>,
    /// Files that hold no log, by name.
    pub passed_over: Vec<String>,
}

impl Target {
    /// Looks at what `path` is.
    pub fn at(path: &Path, choice: Choice, max_files: Option<u32>) -> Result<Target> {
        if path == Path::new("-") {
            return Ok(Target::Stream(path.into()));
        }
        let history = || History::open(path, choice, max_files).map(Target::History);
        // A set may be without its active file, for good or while a writer rotates.
        let is_gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if is_gone(&error) => return history(),
            Err(error) => return Err(Error::cannot_open(path, error)),
        };
        if metadata.is_dir() {
            let mut logs = Logs::in_folder(path, choice, max_files)?;
            let alone = logs.histories.is_empty() && logs.archives.is_empty() && logs.backups.len() == 1;
            return Ok(match if alone { logs.backups.pop() } else { None } {
                Some(backup) => Target::Backup(backup),
                None => Target::Folder(logs),
            });
        }
        if !metadata.is_file() {
            return Ok(Target::Stream(path.into()));
        }
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if is_gone(&error) => return history(),
            Err(error) => return Err(Error::cannot_open(path, error)),
        };
        match archive::of_file(&file).map_err(|error| Error::cannot_open(path, error))? {
            Some(format) => Ok(Target::Archive(path.into(), format)),
            None => Backup::of(&file, path, true)?.map_or_else(history, |backup| Ok(Target::Backup(backup))),
        }
    }
}

impl Logs {
    /// What is stored here and is no plain log, by name; `None` when all of it is plain logs.
    pub fn left_out(&self) -> Option<Vec<String>> {
        let archives = self.archives.iter().map(|(path, _)| path.clone());
        let backups = self.backups.iter().map(Backup::path);
        let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let names: Vec<String> = archives.chain(backups).filter_map(name).collect();
        (!names.is_empty()).then_some(names)
    }

    /// Looks again when a name vanished on the way, as it does when a writer rotates.
    fn in_folder(path: &Path, choice: Choice, max_files: Option<u32>) -> Result<Logs> {
        let mut tries = 1;
        loop {
            let (logs, vanished) = Logs::look(path, choice, max_files)?;
            let is_known = |name: &String| logs.histories.iter().any(|history| name.starts_with(&history.base));
            if tries < TRIES && !vanished.iter().all(is_known) {
                tries += 1;
                continue;
            }
            if logs.histories.is_empty() && logs.archives.is_empty() && logs.backups.is_empty() {
                let text = format!(
                    "no logs in {}: looked at {} files and none holds records; name the log itself if it is one of \
                     them",
                    show(path),
                    logs.passed_over.len()
                );
                return Err(Error::new(Code::NoInput, text));
            }
            return Ok(logs);
        }
    }

    /// Fails on what holds records under a name that is not UTF-8, which no report can tell: it would pass unseen.
    fn name_all(folder: &Path) -> Result<()> {
        let entries = std::fs::read_dir(folder).map_err(|error| Error::cannot_open(folder, error))?;
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()) {
            let Err(error) = file_name(&path) else { continue };
            let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
            if !is_hidden && !matches!(Content::of(&path)?, None | Some(Content::Nothing)) {
                return Err(error);
            }
        }
        Ok(())
    }

    /// The logs, and the names that were listed and then gone.
    fn look(path: &Path, choice: Choice, max_files: Option<u32>) -> Result<(Logs, Vec<String>)> {
        let mut names = Folder::open(path)?.names()?;
        Logs::name_all(path)?;
        names.retain(|name| !name.starts_with('.') && !matches!(&**name, "manifest.json" | "SHA256SUMS"));
        names.sort();
        let mut logs =
            Logs { histories: Vec::new(), archives: Vec::new(), backups: Vec::new(), passed_over: Vec::new() };
        let mut taken: Vec<String> = Vec::new();
        let mut vanished = Vec::new();
        // A manifest says which files belong together, whatever their names.
        for full in names.iter().map(|name| path.join(name)).filter(|full| full.is_file()) {
            // One that cannot be opened, or is gone, is met again below.
            let Ok(file) = File::open(&full) else { continue };
            if let Some(Backup::Aof(set)) = Backup::of(&file, &full, false)?
                && set.manifest.is_some()
            {
                taken.extend(names.iter().filter(|name| set.holds(name)).cloned());
                logs.backups.push(Backup::Aof(set));
            }
        }
        let free: Vec<String> = names.iter().filter(|name| !taken.contains(name)).cloned().collect();
        for stem in AofNames::stems(&free) {
            // Files that no manifest speaks for.
            let manifest = format!("{stem}.manifest");
            if !names.contains(&manifest) {
                let set = AofSet::without_manifest(path, &stem)?;
                taken.extend(names.iter().filter(|name| set.holds(name)).cloned());
                logs.backups.push(Backup::Aof(set));
            }
        }
        for name in &names {
            let full = path.join(name);
            if taken.contains(name) {
                continue;
            }
            match full.metadata() {
                Ok(metadata) if metadata.is_file() => {}
                Ok(_) => continue,
                Err(_) => {
                    vanished.push(name.clone());
                    continue;
                }
            }
            let Some(content) = Content::of(&full)? else {
                vanished.push(name.clone());
                continue;
            };
            match content {
                Content::Archive(format) => logs.archives.push((full, format)),
                Content::Backup(backup) => logs.backups.push(*backup),
                Content::Nothing => logs.passed_over.push(name.clone()),
                Content::Log => {
                    let base = rotation::base_of(name).map_or(&**name, |(base, _)| base);
                    // A name that a rotation has given anew since its set was listed.
                    if logs.histories.iter().any(|history| history.base == base) {
                        continue;
                    }
                    let history = match History::open(&path.join(base), choice, max_files) {
                        Err(error) if error.code == Code::NoInput && choice != Choice::Json => {
                            vanished.push(name.clone());
                            continue;
                        }
                        history => history?,
                    };
                    let set = history.set()?;
                    taken.extend(set.members.into_iter().map(|member| member.name));
                    taken.extend(set.temporaries.into_iter().map(|temporary| temporary.name));
                    taken.extend(set.orphans.into_iter().map(|orphan| orphan.name));
                    logs.histories.push(history);
                }
            }
        }
        logs.passed_over.retain(|name| !taken.contains(name));
        Ok((logs, vanished))
    }
}

/// What the first bytes of a file say.
enum Content {
    Log,
    Archive(Format),
    Backup(Box<Backup>),
    Nothing,
}

impl Content {
    /// A log's first lines hold an object that opens with a key, unless damage has wiped them: then its name counts. `None`: there is no
    /// such file any more. Under a writer that rotates, the name may be another file's by now: what is open is what is looked at.
    fn of(path: &Path) -> Result<Option<Content>> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(|error| Error::cannot_open(path, error))?,
        };
        let mut head = vec![0; 1 << 16];
        let read = file.read_at(&mut head, 0).map_err(|error| Error::cannot_read(path, 0, &error))?;
        let head = &head[..read];
        if let Some(format) = Format::of(head) {
            return Ok(Some(Content::Archive(format)));
        }
        if let Some(backup) = Backup::of(&file, path, false)? {
            return Ok(Some(Content::Backup(Box::new(backup))));
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let base = rotation::base_of(&name).map_or(&*name, |(base, _)| base);
        let named = [".ndjson", ".jsonl"].iter().any(|end| base.ends_with(end));
        let holds = head.split(|byte| matches!(byte, b'\n' | b'\r')).any(|line| line.trim_ascii().starts_with(b"{\""));
        Ok(Some(if named || holds { Content::Log } else { Content::Nothing }))
    }
}
