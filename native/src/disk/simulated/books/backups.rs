//! What a backup has to hold, and that it stays.

use std::collections::HashMap;

use papyra_core::digest::sha256;
use papyra_core::manifest;

use super::*;

/// Where backups go: another folder than the history's.
pub(in super::super) const BACKUPS: &str = "/elsewhere/backups";

/// A backup that was told to be made: its name, and its files.
pub(super) type Made = (String, Vec<(String, Vec<u8>)>);

impl Books {
    /// A backup begins: it has to hold what was told to be written by now, unless the world takes it away meanwhile.
    pub(in super::super) fn pin(&mut self, fs: &FileSystem) {
        self.pinned = self.read(fs);
        self.touched.clear();
        let told = |id: &usize| self.records[*id].told.is_some();
        self.due = self.pinned.iter().copied().filter(told).collect();
    }

    /// A backup was made.
    pub(in super::super) fn backed_up(&mut self, fs: &FileSystem, name: &str) -> Result<(), String> {
        let files = files_of(fs, name).ok_or_else(|| format!("the backup {name} is not there"))?;
        whole(name, &files)?;
        let mut members: Vec<(u32, &[u8])> =
            files.iter().filter_map(|(name, bytes)| Some((index(name)?, &**bytes))).collect();
        members.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
        let mut view = Vec::new();
        for (_, bytes) in members {
            let kept = self.kept(bytes);
            if let Some(text) = kept.texts.iter().find(|text| !self.strange.contains(*text)) {
                return Err(format!("nobody wrote what a backup holds {:?}", String::from_utf8_lossy(text)));
            }
            view.extend(kept.ids.into_iter().flatten());
        }
        let count = |ids: &[usize]| {
            let mut counts: HashMap<usize, usize> = HashMap::new();
            ids.iter().for_each(|id| *counts.entry(*id).or_default() += 1);
            counts
        };
        let (now, then, there) = (self.read(fs), count(&self.pinned), count(&view));
        let after = count(&now);
        for (id, record) in self.records.iter().enumerate() {
            let of = |counts: &HashMap<usize, usize>| counts.get(&id).copied().unwrap_or(0);
            let is_live = record.owed && record.state == State::Live && !record.released && !record.lost;
            let alone = self.twins(id).len() == 1 && !self.touched.contains(&id);
            if alone && is_live && self.due.contains(&id) && of(&then) > 0 && of(&after) > 0 && of(&there) == 0 {
                return Err(format!("record {id} is not in a backup {view:?}, {:?} then, {now:?} now", self.pinned));
            }
            if alone && of(&there) > of(&then).max(of(&after)).max(1) {
                return Err(format!("record {id} is twice in a backup {view:?}, {:?} then, {now:?} now", self.pinned));
            }
        }
        if self.in_order(&self.pinned).is_ok() && self.in_order(&now).is_ok() {
            self.in_order(&view).map_err(|text| format!("in a backup {text}"))?;
        }
        self.made.push((name.to_owned(), files));
        Ok(())
    }

    /// What was made stays, and what has a backup's name is one.
    pub(in super::super) fn backups_stay(&self, fs: &FileSystem) -> Result<(), String> {
        for (name, files) in &self.made {
            if files_of(fs, name).as_ref() != Some(files) {
                return Err(format!("a backup that was made is not what it was - {name}"));
            }
        }
        let Ok(folder) = fs.walk(ROOT_USER, Path::new(BACKUPS), true) else { return Ok(()) };
        for (name, _) in fs.names(folder) {
            let name = name.to_string_lossy();
            if !name.starts_with('.')
                && let Some(files) = files_of(fs, &name)
            {
                whole(&name, &files)?;
            }
        }
        Ok(())
    }
}

/// The files of a backup; `None` without a folder of this name.
fn files_of(fs: &FileSystem, name: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let folder =
        fs.walk(ROOT_USER, &Path::new(BACKUPS).join(name), true).ok().filter(|folder| fs.is_folder(*folder))?;
    let names = fs.names(folder).iter();
    let mut files: Vec<_> =
        names.map(|(name, inode)| (name.to_string_lossy().into_owned(), bytes_of(fs, *inode))).collect();
    files.sort();
    Some(files)
}

/// Which member a file of a backup is.
fn index(name: &str) -> Option<u32> {
    match name.strip_prefix(LOG)? {
        "" => Some(0),
        rest => rest.strip_prefix('.')?.parse().ok(),
    }
}

/// Every file of a backup is what its checksum says.
fn whole(name: &str, files: &[(String, Vec<u8>)]) -> Result<(), String> {
    let bytes = |wanted: &str| files.iter().find(|(name, _)| name == wanted).map(|(_, bytes)| &**bytes);
    let sums = bytes(manifest::SUMS).ok_or_else(|| format!("a backup without checksums has the name {name}"))?;
    for line in String::from_utf8_lossy(sums).lines() {
        let (sum, file) = line.split_once("  ").unwrap_or_default();
        if bytes(file).is_none_or(|bytes| sha256(bytes) != sum) {
            return Err(format!("a backup is not what its checksums say - {file} of {name}"));
        }
    }
    Ok(())
}

/// The files of all backups, finished or not.
pub(super) fn stored(fs: &FileSystem) -> HashSet<Inode> {
    let mut found = HashSet::new();
    let mut folders: Vec<Inode> = fs.walk(ROOT_USER, Path::new(BACKUPS), true).ok().into_iter().collect();
    while let Some(folder) = folders.pop() {
        for (_, inode) in fs.names(folder) {
            if fs.is_folder(*inode) {
                folders.push(*inode);
            } else {
                found.insert(*inode);
            }
        }
    }
    found
}
