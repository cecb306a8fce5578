//! Did a history change? Both sides are read at the same time, record by record; what that means is decided in
//! [`papyra_core::diff`].

use std::convert::Infallible;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use papyra_core::diff::{Diff, Item, LogDiff, Spot, compare, holds_streams, pairs};
use papyra_core::manifest::{Content, StoredFile};
use papyra_core::scan::{Flow, Record};
use papyra_core::verification;
use sha2::{Digest, Sha256};

use super::pipeline::Hashed;
use super::{Backup, Location, is_backup, names, repository};
use crate::TOOL;
use crate::archive::{self, Format};
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};
use crate::history::{Choice, History};
use crate::reading::ScanOptions;
use crate::records;
use crate::source::{Source, Task};

/// Records that are handed over at a time, and how often one side may be ahead of the other.
const BATCH: usize = 1024;
const AHEAD: usize = 8;

/// Compares two sides, each a backup, a log, a rotation set or a folder of logs. Of each log at most `most` changes are
/// listed.
pub fn diff(old: &Location, new: &Location, most: usize, scanning: ScanOptions<'_>) -> Result<Diff> {
    let (before, after) = (Side::open(old)?.logs(), Side::open(new)?.logs());
    let mut logs = Vec::new();
    for (old_log, new_log) in pairs(before, after) {
        logs.push(one(old, old_log, new, new_log, most, scanning)?);
    }
    let name = |path: &Path| papyra_core::name::text(path.as_os_str().as_encoded_bytes());
    Ok(Diff::new(TOOL, name(old.path()), name(new.path()), logs))
}

/// Compares one log.
fn one(
    old: &Location,
    old_log: Option<String>,
    new: &Location,
    new_log: Option<String>,
    most: usize,
    scanning: ScanOptions<'_>,
) -> Result<LogDiff> {
    std::thread::scope(|scope| {
        let side = |at, log: &Option<String>| {
            let (to, from) = sync_channel(AHEAD);
            let log = log.clone();
            (scope.spawn(move || read(at, log.as_deref(), to, scanning)), Batches::new(from))
        };
        let (old_side, mut old_records) = side(old, &old_log);
        let (new_side, mut new_records) = side(new, &new_log);
        let found = compare(|| Ok::<_, Infallible>(old_records.next()), || Ok(new_records.next()), most);
        let Ok(found) = found;
        // A side that failed has seemed to end there: its failure counts, and not what was found.
        let names = |side: std::thread::ScopedJoinHandle<'_, Result<Vec<String>>>| {
            side.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        let (old_names, new_names) = (names(old_side)?, names(new_side)?);
        Ok(LogDiff::new((old_log, &old_names), (new_log, &new_names), found))
    })
}

/// Records that another thread reads.
struct Batches {
    from: Receiver<Vec<Item<Spot>>>,
    batch: std::vec::IntoIter<Item<Spot>>,
}

impl Batches {
    fn new(from: Receiver<Vec<Item<Spot>>>) -> Batches {
        Batches { from, batch: Vec::new().into_iter() }
    }

    fn next(&mut self) -> Option<Item<Spot>> {
        loop {
            if let Some(item) = self.batch.next() {
                return Some(item);
            }
            self.batch = self.from.recv().ok()?.into_iter();
        }
    }
}

/// Reads the records of a log to their end; returns the names of its files.
fn read(
    at: &Location,
    log: Option<&str>,
    to: SyncSender<Vec<Item<Spot>>>,
    scanning: ScanOptions<'_>,
) -> Result<Vec<String>> {
    let Some(log) = log else { return Ok(Vec::new()) };
    let mut batch = Vec::with_capacity(BATCH);
    let names = Side::open(at)?.each(log, scanning, &mut |item| {
        batch.push(item);
        if batch.len() == BATCH {
            // Nobody stops listening before the end.
            _ = to.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)));
        }
    })?;
    _ = to.send(batch);
    Ok(names)
}

/// One side of a comparison.
enum Side {
    Backup(Box<Backup>),
    Logs(Vec<History>),
}

impl Side {
    fn open(location: &Location) -> Result<Side> {
        let path = match location {
            Location::Folder(path) if !repository::is_repository(location)? => path,
            _ => return Side::of_backup(location),
        };
        let folder = Folder::open(path);
        if folder.as_ref().is_ok_and(|folder| is_backup(folder).unwrap_or(false)) {
            return Side::of_backup(location);
        }
        let source = Source::at(path, Choice::Auto, None).map_err(|error| {
            let holds_backups = folder.and_then(|folder| names(&folder)).is_ok_and(|names| !names.is_empty());
            Backup::open(location).err().filter(|_| holds_backups).unwrap_or(error)
        });
        let source = source?;
        source.must_allow(Task::Compare)?;
        Ok(Side::Logs(source.histories().to_vec()))
    }

    fn of_backup(location: &Location) -> Result<Side> {
        let backup = Backup::open(location)?;
        if backup.manifest.source.redis.is_some() {
            let text = format!("cannot compare {location}: {}", holds_streams());
            return Err(Error::new(Code::Usage, text));
        }
        Ok(Side::Backup(Box::new(backup)))
    }

    /// The names of the logs in it.
    fn logs(&self) -> Vec<String> {
        match self {
            Side::Backup(backup) => backup.manifest.logs().into_iter().map(|(log, _)| log).collect(),
            Side::Logs(histories) => histories.iter().map(|history| history.base.clone()).collect(),
        }
    }

    /// Hands on the records of a log, oldest first; returns the names of its files.
    fn each(&self, log: &str, scanning: ScanOptions<'_>, each: &mut dyn FnMut(Item<Spot>)) -> Result<Vec<String>> {
        let mut names = Vec::new();
        match self {
            Side::Backup(backup) => {
                let files = backup.manifest.logs().into_iter().find(|(name, _)| name == log);
                for file in files.into_iter().flat_map(|(_, files)| files) {
                    each_stored(backup, file, "compared", &mut |bytes, record| {
                        each(Item {
                            hash: Sha256::digest(bytes.trim_ascii()).into(),
                            at: Spot::of(names.len(), record),
                        });
                    })?;
                    names.push(file.path.clone());
                }
            }
            Side::Logs(histories) => {
                for history in histories.iter().filter(|history| history.base == log) {
                    for member in history.pin()?.members {
                        let path = history.folder.join(&member.name);
                        let unread = |why| Error::new(Code::NoInput, format!("{why}; the history has a hole there"));
                        let file = member.file.map_err(unread)?;
                        let size = member.identity.map_or(0, |identity| identity.size);
                        let quiet = ScanOptions { progress: &|_| {}, ..scanning };
                        _ = records::each(&file, &path, size, quiet, |found| {
                            let mut hash = Sha256::new();
                            found.copy(|piece| {
                                hash.update(piece);
                                Ok(())
                            })?;
                            each(Item { hash: hash.finalize().into(), at: Spot::of(names.len(), found.record) });
                            Ok(Flow::Continue(()))
                        })?;
                        names.push(member.name);
                    }
                }
            }
        }
        Ok(names)
    }
}

/// Hands on the records of a stored file, which is to be `what`. Damage is an error: it is no change of the history.
pub(super) fn each_stored(
    backup: &Backup,
    file: &StoredFile,
    what: &str,
    each: &mut dyn FnMut(&[u8], &Record<'_>),
) -> Result<()> {
    let path = backup.files.join(&file.stored);
    let mut opened = backup.files.read(&file.stored)?;
    let mut stored = Hashed::new(&mut opened);
    let most = file.bytes.saturating_add(1);
    let mut content = Hashed::new(archive::content(verification::format(file.compression), &mut stored).take(most));
    let read = each_record(file, &mut content, each).and_then(|()| io::copy(&mut content, &mut io::sink()).map(|_| ()));
    let (bytes, sha256) = content.finish();
    if let Some(error) = stored.failed.take() {
        return Err(opened.failed(&path, bytes, &error));
    }
    if (bytes, &sha256) != (file.bytes, &file.sha256) {
        let text = format!(
            "{} is damaged, so that it cannot be {what}: papyra backup verify {} tells where",
            show(&path),
            crate::recover::quoted(&backup.path)
        );
        return Err(Error::new(Code::Data, text));
    }
    read.map_err(|error| Error::new(Code::Data, format!("{} cannot be {what}: {error}", show(&path))))
}

fn each_record(file: &StoredFile, content: &mut dyn Read, each: &mut dyn FnMut(&[u8], &Record<'_>)) -> io::Result<()> {
    if file.content != Content::Archive {
        return records::each_in(content, each).map(drop);
    }
    let mut head = Vec::new();
    (&mut *content).take(4).read_to_end(&mut head)?;
    match Format::of(&head) {
        Some(format) => records::each_in(&mut archive::unpack(format, head.chain(content)), each).map(drop),
        None => Err(io::Error::other("it is not compressed, though the manifest says so")),
    }
}
