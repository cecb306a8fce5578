//! Pinning the files of one moment, though a writer appends and rotates.
//!
//! Every file is held open, so that it does not matter what becomes of its name afterwards. The pinned set is that of
//! one moment when every name still leads to its file after all were opened ([`History::pin`]); a compaction or
//! recovery under way, a rotation caught between two renames, and a file that is there twice are waited for.

use crate::disk::File;
use crate::disk::fault::Fault;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use papyra_core::escape::escape;
use papyra_core::folder::PassedOver;
use papyra_core::manifest::LeftOut;

use crate::archive::Format;
use crate::disk::{Folder, Identity, Lock, file_name, sys};
use crate::error::{Code, Error, Result, show};
use crate::history::{History, Listing, leftovers};
use crate::source::{Source, Task};

/// A temporary of Papyra's that was written to so recently belongs to a compaction or recovery under way.
const FRESH: Duration = Duration::from_secs(30);

/// How long what looks like a rotation between two renames is waited for before it is taken as it is.
const SETTLING: Duration = Duration::from_millis(500);

/// As much of each file's beginning as tells two files of a set apart.
const HEAD: usize = 4096;

/// The files to back up, open.
pub(super) struct Snapshot {
    /// The folder that they are in.
    pub(super) folder: Folder,
    pub(super) histories: Vec<(History, Listing)>,
    pub(super) archives: Vec<Archive>,
    pub(super) left_out: Vec<LeftOut>,
    /// Where a log may be, and could not be read.
    pub(super) unread: Vec<PassedOver>,
    /// What the operator should know.
    pub(super) warnings: Vec<String>,
}

/// A log that is compressed already.
pub(super) struct Archive {
    pub(super) name: String,
    pub(super) file: File,
    pub(super) format: Format,
}

/// Why the files are not taken yet.
enum Unsettled {
    /// This has to end first.
    Busy(String),
    /// This may be a moment of a rotation, or for good.
    Odd(Vec<String>),
}

/// Pins what `find` leads to, waiting at most `patience` for others.
pub(super) fn take(find: &dyn Fn() -> Result<Source>, patience: Duration) -> Result<Snapshot> {
    allow_many_files();
    let begun = sys::now();
    let elapsed = || Duration::from_millis((sys::now() - begun).max(0).unsigned_abs());
    loop {
        let left = patience.saturating_sub(elapsed());
        let failure = match try_take(find, left) {
            Ok((snapshot, None)) => return Ok(snapshot),
            Ok((mut snapshot, Some(Unsettled::Odd(what)))) if elapsed() >= SETTLING.min(patience) => {
                snapshot.warnings.extend(what);
                return Ok(snapshot);
            }
            Ok((_, Some(Unsettled::Busy(why)))) => Error::new(Code::TryAgain, why),
            Ok((_, Some(Unsettled::Odd(what)))) => Error::new(Code::TryAgain, what.join("; ")),
            Err(error) if error.code == Code::TryAgain => error,
            Err(error) => return Err(error),
        };
        if elapsed() >= patience {
            return Err(failure);
        }
        sys::pause(Duration::from_millis(5));
    }
}

/// A set of hundreds of files is held open at once: as many as the system lets us have.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If it is refused, opening the one file too many says so.
    _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

fn try_take(find: &dyn Fn() -> Result<Source>, patience: Duration) -> Result<(Snapshot, Option<Unsettled>)> {
    let found = Found::of(find()?)?;
    let _locks = lock(&found.histories, patience)?;
    let mut histories = Vec::new();
    for history in found.histories {
        let listing = history.pin()?;
        histories.push((history, listing));
    }
    let archives = found.archives.into_iter().map(|(path, format)| {
        let name = file_name(&path)?;
        Ok(Archive { file: found.folder.read(&name)?, name, format })
    });
    let archives = archives.collect::<Result<Vec<_>>>()?;
    let unsettled = unsettled(&histories)?.or_else(|| {
        // A log that began to rotate meanwhile is a set now, and was pinned as a file.
        let again = find().and_then(Found::of).ok()?;
        let kinds = |of: &mut dyn Iterator<Item = &History>| -> Vec<_> {
            of.map(|history| (history.base.clone(), history.backend)).collect()
        };
        let same = kinds(&mut again.histories.iter()) == kinds(&mut histories.iter().map(|(history, _)| history));
        (!same).then(|| Unsettled::Busy(format!("the files in {} changed names: try again", show(again.folder.path()))))
    });
    let mut left_out = found.left_out;
    for (history, _) in &histories {
        for hidden in leftovers(history)?.into_iter().map(|leftover| leftover.hidden) {
            let reason = "left by an interrupted recovery: run papyra persistence recover, then back up again";
            left_out.push(LeftOut { path: hidden, reason: reason.into() });
        }
    }
    let unsettled = unsettled.filter(|_| !Fault::BackupAmongRenames.is_back());
    let snapshot =
        Snapshot { folder: found.folder, histories, archives, left_out, unread: found.unread, warnings: Vec::new() };
    Ok((snapshot, unsettled))
}

/// What a path led to.
struct Found {
    folder: Folder,
    histories: Vec<History>,
    archives: Vec<(PathBuf, Format)>,
    left_out: Vec<LeftOut>,
    unread: Vec<PassedOver>,
}

impl Found {
    fn of(source: Source) -> Result<Found> {
        source.must_allow(Task::BackUp)?;
        let left_out = source.passed_over()?.into_iter();
        let left_out: Vec<LeftOut> = left_out.map(|PassedOver { path, reason }| LeftOut { path, reason }).collect();
        let mut found = match source {
            Source::History(history) => Found {
                folder: Folder::open(history.folder.path())?,
                histories: vec![history],
                archives: Vec::new(),
                left_out,
                unread: Vec::new(),
            },
            Source::Packed(path, format) => {
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                let folder = Folder::open(parent.unwrap_or(std::path::Path::new(".")))?;
                Found { folder, histories: Vec::new(), archives: vec![(path, format)], left_out, unread: Vec::new() }
            }
            Source::Folder(logs) => {
                let redis = logs.backups.iter().map(|backup| {
                    let path = backup.path();
                    let path = path.strip_prefix(logs.folder.path()).unwrap_or(&path);
                    let path = papyra_core::name::text(path.as_os_str().as_encoded_bytes());
                    LeftOut { path, reason: "a Redis backup: named by itself, a backup is made of it".into() }
                });
                let left_out = left_out.into_iter().chain(redis).collect();
                Found {
                    folder: logs.folder,
                    histories: logs.histories,
                    archives: logs.archives,
                    left_out,
                    unread: logs.unread,
                }
            }
            other => return Err(other.refusal(Task::BackUp)),
        };
        found.histories.sort_by(|a, b| a.base.cmp(&b.base));
        Ok(found)
    }
}

/// Locks every folder that the histories have files in: a recovery or compaction of ours ends first.
fn lock(histories: &[History], patience: Duration) -> Result<Vec<Lock>> {
    let (mut locked, mut locks) = (Vec::new(), Vec::new());
    let mut take = |folder: &Folder| -> Result<()> {
        let identity = folder.identity()?;
        if !locked.contains(&identity) {
            locks.push(folder.lock_within(patience)?);
            locked.push(identity);
        }
        Ok(())
    };
    for history in histories {
        take(&history.folder)?;
        for member in history.set()?.members {
            if let Ok(Some((folder, _))) = history.place(&member.name) {
                take(&folder)?;
            }
        }
    }
    Ok(locks)
}

fn unsettled(histories: &[(History, Listing)]) -> Result<Option<Unsettled>> {
    let mut odd = Vec::new();
    for (history, listing) in histories {
        for temporary in &listing.set.temporaries {
            let path = history.folder.join(&temporary.name);
            let Some(stat) = history.folder.stat(&temporary.name)? else {
                return Ok(Some(Unsettled::Busy(format!("{} was there a moment ago: try again", show(&path)))));
            };
            if sys::now().saturating_sub(stat.modified_ms()) < FRESH.as_millis() as i64 {
                let text = format!(
                    "a compaction or recovery of Papyra's is under way ({} was written to in the last {} seconds): \
                     try again when it is done",
                    show(&path),
                    FRESH.as_secs()
                );
                return Ok(Some(Unsettled::Busy(text)));
            }
        }
        for index in &listing.set.gaps {
            odd.push(format!("{}.{index} is missing from the set", escape(history.base.as_bytes())));
        }
        odd.extend(twins(history, listing)?);
    }
    Ok(if odd.is_empty() { None } else { Some(Unsettled::Odd(odd)) })
}

/// Members that are the same file, or begin with the same bytes: a rotation that copies, or links and unlinks, may be
/// halfway, and records would be there twice.
fn twins(history: &History, listing: &Listing) -> Result<Vec<String>> {
    let (mut heads, mut inodes) = (BTreeMap::new(), BTreeMap::new());
    let mut twins = Vec::new();
    for member in &listing.members {
        let (Ok(file), Some(Identity { device, inode, .. })) = (&member.file, member.identity) else { continue };
        let mut head = vec![0; HEAD];
        let read = file
            .read_at(&mut head, 0)
            .map_err(|error| Error::cannot_read(&history.folder.join(&member.name), 0, &error))?;
        head.truncate(read);
        let same_file = inodes.insert((device, inode), &member.name);
        let same_head = if head.is_empty() { None } else { heads.insert(head, &member.name) };
        if let Some(other) = same_file.or(same_head) {
            let [one, other] = [other, &member.name].map(|name| escape(name.as_bytes()));
            twins.push(format!("{one} and {other} begin with the same records: one may be a copy of the other"));
        }
    }
    Ok(twins)
}
