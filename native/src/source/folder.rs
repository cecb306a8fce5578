//! A folder with logs in it. Here the bytes are fetched; what they and the names say is decided in
//! [`papyra_core::folder`].

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use papyra_core::folder::{Contents, END, Ends, Entry, PassedOver, RedisFiles, START, Survey};
use papyra_core::report::{Backend, FileReport};

use super::found::Found;
use crate::archive::{self, Format};
use crate::disk::{File, Folder, os};
use crate::error::{Code, Error, Result, reason, show};
use crate::history::{Choice, History};
use crate::offline::{AofSet, ServerFiles};

/// How often a folder is read again while its files change names.
const TRIES: usize = 10;

/// What a folder holds.
#[derive(Debug)]
pub struct Logs {
    /// The folder.
    pub folder: Folder,
    /// Logs and sets, by name.
    pub histories: Vec<History>,
    /// Compressed logs, by name.
    pub archives: Vec<(PathBuf, Format)>,
    /// Redis backups, by name.
    pub backups: Vec<ServerFiles>,
    /// Where a log may be, and could not be read.
    pub unread: Vec<PassedOver>,
    /// What is not a log.
    pub passed_over: Vec<PassedOver>,
    /// Which of the Redis backups a server would load, in words, where that depends on its settings.
    pub loaded: Option<String>,
    /// The backend that a report on all of it names.
    pub backend: Backend,
    /// The size of the logs, in bytes.
    pub bytes: u64,
}

impl Logs {
    /// Whether there is a log in it, compressed or not.
    pub fn has_logs(&self) -> bool {
        !self.histories.is_empty() || !self.archives.is_empty()
    }

    /// What is stored here and is no plain log, by name; `None` when all of it is plain logs.
    pub fn left_out(&self) -> Option<Vec<String>> {
        let archives = self.archives.iter().map(|(path, _)| self.name_of(path));
        let names: Vec<String> = archives.chain(self.redis_backups()).collect();
        (!names.is_empty()).then_some(names)
    }

    /// The Redis backups, by name.
    pub fn redis_backups(&self) -> Vec<String> {
        self.backups.iter().map(|backup| self.name_of(&backup.path())).collect()
    }

    fn name_of(&self, path: &Path) -> String {
        let here = path.strip_prefix(self.folder.path()).unwrap_or(path);
        papyra_core::name::text(here.as_os_str().as_encoded_bytes())
    }

    /// The reports on what could not be read.
    pub fn unread_reports(&self) -> impl Iterator<Item = FileReport> {
        self.unread.iter().map(PassedOver::report)
    }

    /// Looks again when a name vanished on the way, as it does when a writer rotates.
    pub(super) fn in_folder(path: &Path, choice: Choice, max_files: Option<u32>) -> Result<Logs> {
        let folder = Folder::open(path)?;
        let mut tries = 1;
        loop {
            let names = folder.names()?;
            let contents = survey(&folder, names.clone())?.decide(choice, max_files);
            let is_known = |name: &String| contents.logs.iter().any(|log| name.starts_with(&log.base));
            if tries < TRIES && !contents.vanished.iter().all(is_known) {
                tries += 1;
                continue;
            }
            if contents.is_empty() {
                return Err(no_logs(path, &contents));
            }
            return Logs::of(folder, names, contents, choice, max_files);
        }
    }

    fn of(
        folder: Folder,
        mut names: Vec<String>,
        contents: Contents,
        choice: Choice,
        max_files: Option<u32>,
    ) -> Result<Logs> {
        names.sort();
        let names = std::sync::Arc::new(names);
        let backend = contents.backend();
        let at = |name: &str| folder.join(name);
        let set = |names| ServerFiles::Aof(AofSet { folder: folder.path().to_owned(), names });
        let backups = contents.backups.into_iter().map(|backup| match backup {
            RedisFiles::Rdb(name) => ServerFiles::Rdb(at(&name)),
            RedisFiles::Dump(name) => ServerFiles::Dump(at(&name)),
            RedisFiles::Aof(names) => set(names),
        });
        let mut backups: Vec<ServerFiles> = backups.collect();
        for name in &contents.append_only {
            backups.extend(Logs::in_folder(&at(name), choice, max_files)?.backups);
        }
        let bytes = contents.logs.iter().map(|log| log.size).chain(backups.iter().map(ServerFiles::size)).sum();
        let history = |log| History::listed(folder.clone(), log, names.clone(), max_files);
        Ok(Logs {
            histories: contents.logs.into_iter().map(history).collect(),
            archives: contents.archives.into_iter().map(|(name, format)| (at(&name), format)).collect(),
            backups,
            unread: contents.unread,
            passed_over: contents.passed_over,
            loaded: contents.loaded,
            backend,
            bytes,
            folder,
        })
    }
}

fn no_logs(path: &Path, contents: &Contents) -> Error {
    const MOST: usize = 5;
    let others = &contents.passed_over;
    let mut named: Vec<String> = others.iter().take(MOST).map(ToString::to_string).collect();
    if others.len() > MOST {
        named.push("…".into());
    }
    let named = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
    let none = match others.len() {
        0 => "it holds no visible file that could be a log".into(),
        1 => format!("the only file or folder in it holds no records{named}; name the log itself if this is it"),
        count => format!(
            "none of the {count} files and folders in it holds records{named}; name the log itself if it is one of them"
        ),
    };
    Error::new(Code::NoInput, format!("no logs in {}: {none}", show(path)))
}

/// The folder of append-only files, unless a server's `appenddirname` says otherwise.
const APPEND_ONLY: &str = "appendonlydir";

/// Fetches what is asked of a folder with these names in it.
fn survey(folder: &Folder, names: Vec<String>) -> Result<Survey> {
    let mut survey = Survey::of(names);
    let asked: Vec<(usize, PathBuf)> = survey.names().map(|(at, name)| (at, folder.path().join(os(name)))).collect();
    let mut start = vec![0; START];
    for (at, path) in asked {
        match Found::at(&path) {
            Found::Nothing => {}
            Found::Entry(Entry::Folder(_)) => {
                let names = Folder::open(&path).and_then(|folder| folder.names());
                let is_redis = path.file_name().is_some_and(|name| name == APPEND_ONLY);
                let entry = match names {
                    // A server's data may lie in it; of any other folder only the name is told.
                    Err(_) if is_redis => Entry::Closed("a folder that cannot be read".into()),
                    names => Entry::Folder(names.unwrap_or_default()),
                };
                survey.entry(at, entry);
            }
            Found::Entry(entry) => survey.entry(at, entry),
            Found::File(file) => {
                if let Err(error) = fetch(&mut survey, at, &file, &mut start) {
                    survey.entry(at, Entry::Closed(format!("a file that cannot be read: {}", reason(&error))));
                }
            }
        }
    }
    Ok(survey)
}

fn fetch(survey: &mut Survey, at: usize, file: &File, start: &mut [u8]) -> io::Result<()> {
    let size = file.size()?;
    let read = archive::read_at(file, start, 0)?;
    let start = &start[..read];
    let unpacked = Format::of(start).map(|format| archive::head(format, file)).unwrap_or_default();
    let mut end = [0; END];
    let read = archive::read_at(file, &mut end, size.saturating_sub(END as u64))?;
    if survey.file(at, &Ends { size, start, unpacked: &unpacked, end: &end[..read] }) {
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes)?;
        survey.content(at, &bytes);
    }
    Ok(())
}
