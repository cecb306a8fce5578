//! The backups in a folder, as their manifests, the records beside them, and names and sizes of their files tell; no
//! stored log is read, and far away no manifest where a snapshot notes what it says.

use std::path::PathBuf;

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::manifest::Compression;
use papyra_core::report::Verdict;
use serde::Serialize;

use super::brief::Brief;
use super::files::side_by_side;
use super::{Attestation, Attested, Backup, Files, Location, at, evidence, is_from_future, is_unreachable, names};
use crate::error::{Code, Error, Result, show};

/// A backup in a list.
#[derive(schemars::JsonSchema, Debug, Clone, Serialize)]
pub struct Entry {
    /// Its folder's name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// The series that it belongs to; unknown when its manifest cannot be read.
    pub series: Option<String>,
    /// The host that made it.
    pub host: Option<String>,
    /// What was backed up.
    pub source: Option<String>,
    /// What the operator has called it.
    pub tags: Vec<String>,
    /// Why no more can be said of it.
    pub problem: Option<String>,
    /// Why it could not be read: it may be intact or damaged.
    pub unreadable: Option<String>,
    /// What its files' names and sizes show not to be what was written.
    pub damage: Option<String>,
    /// When it was made, RFC 3339, UTC.
    pub created: Option<String>,
    /// How long ago, in seconds.
    pub age_seconds: Option<f64>,
    /// Whether it is dated more than a day ahead, and so counts for nothing.
    pub from_future: bool,
    /// Size of the logs in bytes.
    pub bytes: u64,
    /// Size of the backup's files in bytes.
    pub stored_bytes: u64,
    /// How many bytes of them no earlier backup had, where backups share what is the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_bytes: Option<u64>,
    /// How they are stored.
    pub compression: Option<Compression>,
    /// Intact records.
    pub records: u64,
    /// What the scan said when it was made.
    pub verdict: Option<Verdict>,
    /// The last verification.
    pub verified: Option<Attestation>,
    /// The last drill.
    pub drilled: Option<Attestation>,
    /// What the operator should know.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub(super) time: Option<Timestamp>,
    #[serde(skip)]
    pub(super) folder: Option<String>,
    #[serde(skip)]
    pub(super) manifest_sha256: String,
    #[serde(skip)]
    pub(super) stored: Vec<(String, u64)>,
    #[serde(skip)]
    pub(super) code: Option<Code>,
}

impl Entry {
    pub(super) fn new(name: String, path: PathBuf) -> Entry {
        Entry {
            name,
            path,
            series: None,
            host: None,
            source: None,
            tags: Vec::new(),
            problem: None,
            unreadable: None,
            damage: None,
            created: None,
            age_seconds: None,
            from_future: false,
            bytes: 0,
            stored_bytes: 0,
            new_bytes: None,
            compression: None,
            records: 0,
            verdict: None,
            verified: None,
            drilled: None,
            notes: Vec::new(),
            time: None,
            folder: None,
            manifest_sha256: String::new(),
            stored: Vec::new(),
            code: None,
        }
    }

    /// Whether there is a backup that could be restored, as far as its manifest tells.
    pub fn is_restorable(&self) -> bool {
        self.problem.is_none() && self.damage.is_none() && self.unreadable.is_none()
    }

    /// What is known of it from reading all of it: the newer of the last verification and the last drill. Of two at one
    /// moment, the worse.
    pub fn evidence(&self) -> Option<&Attestation> {
        let both = [self.verified.as_ref(), self.drilled.as_ref()].into_iter().flatten();
        both.max_by_key(|record| (record.when(), !record.is_good(), !record.intact))
    }

    /// Whether all of it was read, is what was written, and is clean.
    pub fn is_verified_clean(&self) -> bool {
        self.is_restorable() && self.evidence().is_some_and(Attestation::is_good)
    }

    /// Whether it is known not to be what was written.
    pub fn is_damaged(&self) -> bool {
        self.problem.is_some() || self.damage.is_some() || self.evidence().is_some_and(|evidence| !evidence.intact)
    }

    /// Whether it is a backup of that source by that host.
    pub fn is_of(&self, host: &str, source: &str) -> bool {
        self.host.as_deref() == Some(host) && self.source.as_deref() == Some(source)
    }

    /// What the manifest says.
    fn tell(&mut self, brief: Brief, now: Timestamp) {
        self.time = brief.created.parse().ok();
        if self.time.is_none() {
            self.problem = Some("its manifest does not say when it was made".into());
        }
        self.created = self.time.map(super::rfc3339);
        self.age_seconds = self.time.map(|time| now.duration_since(time).as_secs_f64());
        self.from_future = self.time.is_some_and(|time| is_from_future(time, now));
        self.series = Some(brief.series);
        self.host = brief.host;
        self.source = brief.source;
        self.folder = Some(brief.folder);
        self.tags = brief.tags;
        self.bytes = brief.bytes;
        self.stored_bytes = brief.stored_bytes;
        self.compression = Some(brief.compression);
        self.records = brief.records;
        self.verdict = Some(brief.verdict);
        self.manifest_sha256 = brief.manifest_sha256;
    }

    /// Reads what may change of a backup that is there: the records beside it, and names and sizes of its files.
    fn check(&mut self, folder: &dyn Files, files: &dyn Files, now: Timestamp) -> Result<()> {
        self.damage = None;
        for (name, bytes) in &self.stored {
            if let Some(why) =
                files.status(name)?.differs(*bytes).map_or_else(|| files.lacks(name), |why| Ok(Some(why)))?
            {
                self.damage = Some(format!("{}: {why}", escape(name.as_bytes())));
                break;
            }
        }
        self.look_beside(folder, now)
    }

    /// Reads the records beside it.
    fn look_beside(&mut self, folder: &dyn Files, now: Timestamp) -> Result<()> {
        let mut notes = Vec::new();
        let mut find = |what| evidence::find(folder, &self.name, &self.manifest_sha256, what, &mut notes);
        (self.verified, self.drilled) = (find(Attested::Verified)?, find(Attested::Drilled)?);
        for record in [&mut self.verified, &mut self.drilled] {
            // A good one must not hide what is found after it.
            if record.take_if(|record| record.is_good() && record.is_from_future(now)).is_some() {
                notes.push("a verification or drill of it is dated in the future and does not count".into());
            }
        }
        self.notes = notes;
        Ok(())
    }

    /// Whether the same would be said of it now.
    pub(super) fn is_as_it_was(&self, folder: &dyn Files, now: Timestamp) -> Result<bool> {
        let mut again = self.clone();
        again.check(folder, &*folder.folder(&self.name)?, now)?;
        Ok((&again.damage, &again.verified, &again.drilled) == (&self.damage, &self.verified, &self.drilled))
    }
}

/// The backups in a folder, oldest first; those that cannot be read come first of all.
pub fn list(backups: &Location, now: Timestamp) -> Result<Vec<Entry>> {
    entries(&*at(backups)?, now)
}

/// The same of a folder that is open.
pub fn entries(folder: &dyn Files, now: Timestamp) -> Result<Vec<Entry>> {
    sorted(folder, now, Depth::Noted)
}

/// The same, with a look into every backup, whatever is noted of it.
pub(super) fn entries_opened(folder: &dyn Files, now: Timestamp) -> Result<Vec<Entry>> {
    sorted(folder, now, Depth::Opened)
}

/// Whether what is noted of a backup is good enough.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Depth {
    Noted,
    Opened,
}

fn sorted(folder: &dyn Files, now: Timestamp, depth: Depth) -> Result<Vec<Entry>> {
    let names = names(folder)?;
    let all = side_by_side(folder.width(), &names, |name| entry(folder, name.clone(), now, depth))?;
    let mut entries: Vec<Entry> = all.into_iter().flatten().collect();
    entries.sort_by(|a, b| (a.time, &a.name).cmp(&(b.time, &b.name)));
    Ok(entries)
}

/// Fails when one of the backups could not be read; `so` says what that means for the caller.
pub fn all_readable<'a>(entries: impl IntoIterator<Item = &'a Entry>, so: &str) -> Result<()> {
    let Some((entry, why)) = entries.into_iter().find_map(|entry| Some((entry, entry.unreadable.as_ref()?))) else {
        return Ok(());
    };
    let text = format!("{} cannot be read: {why}; {so}", show(&entry.path));
    Err(Error::new(entry.code.unwrap_or(Code::Io), text))
}

/// What there is to say of one backup; `None` when it has gone meanwhile.
fn entry(folder: &dyn Files, name: String, now: Timestamp, depth: Depth) -> Result<Option<Entry>> {
    let path = folder.join(&name);
    let mut entry = Entry::new(name, path);
    match describe(&mut entry, folder, now, depth) {
        Ok(()) => {}
        Err(error) if is_unreachable(&error) => return Err(error),
        Err(_) if folder.status(&entry.name)? == super::files::Status::Nothing => return Ok(None),
        Err(error) if error.code == Code::Data => entry.problem = Some(error.to_string()),
        Err(error) => {
            entry.unreadable = Some(error.to_string());
            entry.code = Some(error.code);
        }
    }
    Ok(Some(entry))
}

fn describe(entry: &mut Entry, folder: &dyn Files, now: Timestamp, depth: Depth) -> Result<()> {
    if depth == Depth::Noted
        && let Some((brief, added)) = folder.noted(&entry.name)?
    {
        entry.tell(brief, now);
        entry.new_bytes = added;
        return entry.look_beside(folder, now);
    }
    let files = folder.folder(&entry.name)?;
    // Without a lock: a backup that is being restored is listed all the same.
    let backup = Backup::read(files)?;
    entry.tell(Brief::of(&backup.manifest, &backup.manifest_sha256), now);
    entry.new_bytes = backup.files.added();
    entry.stored = backup.manifest.files.iter().map(|file| (file.stored.clone(), file.stored_bytes)).collect();
    entry.check(folder, &*backup.files, now)
}
