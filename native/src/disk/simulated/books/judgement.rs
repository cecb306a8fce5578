//! The judgement when everybody has finished.

use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memchr::memmem;

use super::*;

impl Books {
    /// What lies beside the log belongs to whom it belongs to, and all of it may be read by him.
    pub(in super::super) fn belongs_to(&self, fs: &FileSystem, service: u32) -> Result<(), String> {
        let Ok(folder) = fs.walk(ROOT_USER, Path::new(FOLDER), true) else { return Ok(()) };
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for (name, inode) in fs.names(folder) {
                let meta = &fs.nodes[*inode].meta;
                // An empty folder, or what a killed run has begun, may be removed by whose folder it is in, and is.
                let may_be = match &fs.nodes[*inode].kind {
                    Kind::Folder { now, .. } => now.is_empty(),
                    Kind::Link(_) => true,
                    Kind::File { .. } => name.as_bytes().starts_with(b".") && name.as_bytes().ends_with(b".tmp"),
                };
                if meta.owner != service && !may_be {
                    return Err(format!("{} belongs to {}", name.to_string_lossy(), meta.owner));
                }
                if matches!(fs.nodes[*inode].kind, Kind::Folder { .. }) {
                    folders.push(*inode);
                }
            }
        }
        Ok(())
    }

    /// Everybody has finished: `clean` says that recovery called it clean.
    pub(in super::super) fn judge(&mut self, fs: &FileSystem, clean: bool) -> Result<(), String> {
        let mut view: Vec<usize> = Vec::new();
        for member in members(fs) {
            let bytes = bytes_of(fs, member.inode);
            let kept = self.kept(&bytes);
            if let Some(text) = kept.texts.iter().find(|text| !self.strange.contains(*text)) {
                return Err(format!("nobody wrote the record {:?}", String::from_utf8_lossy(text)));
            }
            if clean && kept.anomalies > 0 {
                return Err(format!("not clean after all: {:?}", String::from_utf8_lossy(&bytes)));
            }
            view.extend(kept.ids.into_iter().flatten());
        }
        self.not_doubled(&view)?;
        let all = everything(fs);
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for id in &view {
            *counts.entry(*id).or_default() += 1;
        }
        for (id, record) in self.records.iter().enumerate() {
            let first = self.twins(id)[0];
            let owed = self.twins(first).iter().filter(|twin| self.records[**twin].owed).count();
            let there = counts.get(&first).copied().unwrap_or(0);
            // Which of those that look alike it is, nobody can tell.
            let kept = self.twins(first).iter().map(|twin| &self.records[*twin]).any(|twin| {
                let texts = [Some(&twin.text), twin.spaced.as_ref()];
                texts.into_iter().flatten().any(|text| memmem::find(&all, text).is_some())
            });
            if record.owed && there < owed && (clean || !kept) {
                return Err(format!(
                    "record {id} is {}: {view:?}",
                    if kept { "not in the history" } else { "nowhere" }
                ));
            }
        }
        if let Some(piece) = self.pieces.iter().find(|piece| memmem::find(&all, &piece.bytes).is_none()) {
            return Err(format!("what was damaged is nowhere: {:?}", String::from_utf8_lossy(&piece.bytes)));
        }
        // What the world itself has lost, and a hidden file that is named holds, has no place any more.
        view.retain(|id| clean || self.twins(*id).iter().any(|twin| self.records[*twin].owed));
        self.in_order(&view)
    }

    /// What was told before another's append began stands before it.
    pub(super) fn in_order(&self, view: &[usize]) -> Result<(), String> {
        let mut latest = (0, 0);
        for id in view {
            let twins = self.twins(*id);
            let told = twins.iter().filter_map(|twin| self.records[*twin].told).max();
            if twins.len() == 1
                && self.records[*id].doubled == 0
                && let Some(told) = told
                && told < latest.0
            {
                return Err(format!("record {id} stands behind record {}, which is younger: {view:?}", latest.1));
            }
            let begun = twins.iter().map(|twin| self.records[*twin].begun).min().unwrap_or(0);
            latest = latest.max((begun, *id));
        }
        Ok(())
    }
}
