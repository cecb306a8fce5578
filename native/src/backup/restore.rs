//! Restoring a backup: everything is verified while it is written to a hidden folder, and only then put in place.
//!
//! How it is put in place, and what a kill leaves, is told in `super::into_place`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use papyra_core::manifest::{Content, StoredFile};
use papyra_core::report::{FileReport, Report};
use papyra_core::verification;

use super::access::Access;
use super::into_place::{self, Place};
use super::open_files::Seen;
use super::output::{Syncer, set_attributes};
use super::read_back::{Damage, read_back};
pub use super::restored::{RestoreOptions, Restored, RestoredStream};
use super::series::source_of;
use super::until::Cut;
use super::{Backup, guard, seconds_since};
use crate::TOOL;
use crate::disk::{self, Folder, file_name};
use crate::error::{Code, Error, Result, show};
use crate::figures::bytes;
use crate::reading::ScanOptions;
use crate::setting::Setting;

/// How long a writer or another restore is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Restores a backup into the folder `to`.
pub fn restore(backup: &Backup, to: &Path, options: RestoreOptions, scanning: ScanOptions<'_>) -> Result<Restored> {
    let begun = Instant::now();
    if let Some(redis) = &backup.manifest.source.redis {
        let text = format!(
            "{} holds streams of {}, not files: papyra backup restore --backend redis brings them back",
            show(&backup.path),
            papyra_core::escape::escape(redis.server.as_bytes())
        );
        return Err(Error::new(Code::Usage, text));
    }
    let to = resolved(to)?;
    guard::keep_out_of_backups(backup, &to)?;
    guard::keep_to_its_own(backup, &source_of(&to), &options.wanted)?;
    let parent_path = to.parent().unwrap_or(Path::new("/")).to_owned();
    if options.dry_run {
        let existing = Folder::open(&to).ok();
        refuse_occupied(existing.as_ref(), options.replace)?;
        existing.as_ref().map(Seen::of).transpose()?;
        let scan = check(backup, scanning)?;
        let cut = options.until.map(|until| until.find(backup, scanning)).transpose()?;
        return Ok(outcome(backup, to, true, begun, Place::default(), scan, cut));
    }
    let parent = Folder::create(&parent_path)?;
    let name = file_name(&to)?;
    let _parent_lock = parent.lock_within(PATIENCE)?;
    let mut place = Place::default();
    let target = match parent.stat(&name)? {
        None => None,
        Some(_) => Some(Folder::open(&to).map_err(|_| {
            Error::new(Code::CannotCreate, format!("{} is there and is not a folder: choose another place", show(&to)))
        })?),
    };
    let _target_lock = target.as_ref().map(|target| target.lock_within(PATIENCE)).transpose()?;
    into_place::settle_leftovers(&parent, &name, target.as_ref(), &mut place)?;
    refuse_occupied(target.as_ref(), options.replace)?;
    let seen = target.as_ref().map(Seen::of).transpose()?;
    let settled = place.replaced.len();
    refuse_too_large(backup, target.as_ref().unwrap_or(&parent))?;
    let owner = Owner::of(backup, target.as_ref())?;
    let cut = options.until.map(|until| until.find(backup, scanning)).transpose()?;
    let mut scan = None;
    let fill = |folder: &Folder| {
        let whole = fill(backup, folder, Some(&owner), scanning)?;
        scan = Some(match &cut {
            Some(cut) => cut.apply(backup, folder, whole, scanning)?,
            None => whole,
        });
        seen.iter().zip(&target).try_for_each(|(seen, target)| seen.must_be_unchanged(target))
    };
    into_place::put(&parent, &name, target.as_ref(), &backup.manifest_sha256, fill, &mut place)?;
    if let (Some(seen), Some(aside)) = (&seen, place.replaced.get(settled))
        && seen.has_changed(&Folder::open(aside)?)?
    {
        let text =
            format!("{} was written to at the last moment; what was written is kept there: check it", show(aside));
        place.notes.push(text);
    }
    let scan = scan.unwrap_or_else(|| backup.manifest.scan.clone());
    Ok(outcome(backup, to, false, begun, place, scan, cut))
}

fn outcome(
    backup: &Backup,
    to: PathBuf,
    dry_run: bool,
    begun: Instant,
    place: Place,
    scan: Report,
    cut: Option<Cut<'_>>,
) -> Restored {
    let mut notes = place.notes;
    notes.extend(cut.as_ref().and_then(|cut| cut.note.clone()));
    let (cut_off, gone) = cut.map(|cut| (cut.off(), cut.gone())).unwrap_or_default();
    Restored {
        schema: "papyra.restore/1",
        tool: TOOL,
        backup: backup.path.clone(),
        to,
        dry_run,
        files: backup.manifest.files.len() as u64 - gone,
        bytes: backup.manifest.bytes().saturating_sub(cut_off.iter().map(|off| off.bytes).sum()),
        seconds: seconds_since(begun),
        replaced: place.replaced,
        notes,
        cut_off,
        streams: Vec::new(),
        scan,
    }
}

/// The path without links, as far as it exists; one that leads nowhere is refused.
fn resolved(to: &Path) -> Result<PathBuf> {
    let path = disk::resolved(&std::path::absolute(to).map_err(|error| Error::cannot_open(to, error))?);
    if let Some(link) = path.ancestors().find(|part| disk::link(part).is_some()) {
        let text = format!("{} is a link that leads nowhere: remove it or choose another place", show(link));
        return Err(Error::new(Code::CannotCreate, text));
    }
    Ok(path)
}

fn refuse_occupied(target: Option<&Folder>, replace: bool) -> Result<()> {
    let Some(target) = target else { return Ok(()) };
    let occupants = into_place::occupants(target)?;
    if occupants.is_empty() || replace {
        return Ok(());
    }
    let text = format!(
        "{} is not empty ({} in it), and a restore never merges: choose another place, or have the existing data \
         renamed",
        show(target.path()),
        match occupants.len() {
            1 => "1 file or folder is".to_owned(),
            count => format!("{count} files or folders are"),
        }
    );
    Err(Error::new(Code::CannotCreate, text).decided_by(&[Setting::Replace]))
}

fn refuse_too_large(backup: &Backup, folder: &Folder) -> Result<()> {
    let Some(free) = folder.free_bytes() else { return Ok(()) };
    let needed = backup.manifest.bytes();
    if needed <= free {
        return Ok(());
    }
    let text = format!(
        "{} has {} free and the backup needs {}: free some space; nothing was changed",
        show(folder.path()),
        bytes(free),
        bytes(needed)
    );
    Err(Error::new(Code::CannotCreate, text))
}

/// To whom what is restored belongs, as far as that can be chosen.
pub(super) struct Owner {
    folder: Access,
    /// Permission bits of the folder beside those of [`Access`]: what sets the group of new files, and who may remove
    /// others' files.
    special: u32,
    /// User and group of the folder, where they can be given.
    owner: Option<(u32, u32)>,
    /// Whether the folder was there.
    is_old: bool,
}

impl Owner {
    /// Whoever owns the folder that is there, else whoever owned the source. Nothing that was not there is for
    /// everybody to change, whatever the manifest says.
    fn of(backup: &Backup, target: Option<&Folder>) -> Result<Owner> {
        let root = rustix::process::geteuid().is_root();
        Ok(match target {
            Some(target) => {
                let stat = target.stat_self()?;
                Owner {
                    folder: Access::of(target).map_err(|error| Error::cannot_open(target.path(), error))?,
                    special: stat.mode & 0o3000,
                    owner: root.then_some((stat.owner, stat.group)),
                    is_old: true,
                }
            }
            None => {
                let source = &backup.manifest.source;
                Owner {
                    folder: Access { mode: source.mode & 0o775 | 0o700, gid: source.gid, ..Access::PRIVATE },
                    special: source.mode & 0o2000,
                    owner: root.then_some((source.uid, source.gid)),
                    is_old: false,
                }
            }
        })
    }

    fn give_folder(&self, folder: &Folder) -> Result<()> {
        let failed = |error| Error::cannot_create("set the permissions of", folder.path(), error);
        self.folder.give(folder, self.owner).map_err(failed)?;
        let stat = folder.stat_self()?;
        if self.special != 0 && stat.group == self.folder.gid {
            folder.set_mode(stat.mode & 0o777 | self.special, None)?;
        }
        Ok(())
    }

    /// User and group of a file, where they can be given.
    fn of_file(&self, file: &StoredFile, access: &Access) -> Option<(u32, u32)> {
        let (uid, gid) = self.owner?;
        Some(match self.is_old {
            false => (file.uid, file.gid),
            // The same service's: its logs may be of another group than its folder.
            true if uid == file.uid => (uid, access.gid),
            true => (uid, gid),
        })
    }
}

/// Reads the whole backup and fails when anything in it is damaged.
fn check(backup: &Backup, scanning: ScanOptions<'_>) -> Result<Report> {
    let mut reports = Vec::new();
    for file in &backup.manifest.files {
        let read = read_back(backup, file, None, scanning)?;
        undamaged(backup, read.damage.as_ref())?;
        reports.extend(read.report(backup, file));
    }
    Ok(verification::whole_report(TOOL, &backup.manifest, reports))
}

/// Writes the whole backup into an empty folder, and fails when anything in it is damaged. All is on the disk then.
pub(super) fn fill(
    backup: &Backup,
    folder: &Folder,
    owner: Option<&Owner>,
    scanning: ScanOptions<'_>,
) -> Result<Report> {
    let mut reports: Vec<FileReport> = Vec::new();
    let mut syncer = Syncer::begin(scanning.threads > 1);
    let mut subfolders: Vec<Folder> = Vec::new();
    let as_source = |error| Error::cannot_write("restore into", folder.path(), error);
    for file in &backup.manifest.files {
        let subfolder = file.path.split_once('/').map(|(name, _)| folder.subfolder(name)).transpose()?;
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        let output = subfolder.as_ref().unwrap_or(folder).create_new(name)?;
        let read = read_back(backup, file, Some(&output), scanning)?;
        undamaged(backup, read.damage.as_ref())?;
        // Who may read the stored file, and no more people than might read its log: a manifest gives nobody anything.
        let access = read.access.clone().unwrap_or(Access::PRIVATE).within(file.mode);
        if file.content != Content::Other {
            reports.extend(read.report(backup, file));
        }
        let owner = owner.and_then(|owner| owner.of_file(file, &access));
        set_attributes(&output, &access, file.modified_ns, owner).map_err(as_source)?;
        syncer.add(output).map_err(as_source)?;
        subfolders.extend(subfolder);
    }
    syncer.end().map_err(as_source)?;
    subfolders.iter().try_for_each(Folder::sync)?;
    if let Some(owner) = owner {
        owner.give_folder(folder)?;
    }
    folder.sync()?;
    Ok(verification::whole_report(TOOL, &backup.manifest, reports))
}

pub(super) fn undamaged(backup: &Backup, damage: Option<&Damage>) -> Result<()> {
    let Some(damage) = damage else { return Ok(()) };
    let place = damage.offset.map(|offset| format!(" from byte {offset} on")).unwrap_or_default();
    let text = format!(
        "{} is damaged{place}: {}; nothing was restored; use another backup, or copy its files by hand and recover \
         them ({})",
        show(&backup.files.join(&damage.file)),
        damage.detail,
        damage.recovery
    );
    Err(Error::new(Code::Data, text))
}
