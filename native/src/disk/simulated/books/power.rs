//! What a power cut may take, and what it may not.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;

use memchr::memmem;

use super::*;

impl Books {
    /// Something was synced: what no power cut can take is safe.
    pub(in super::super) fn synced(&mut self, fs: &FileSystem) {
        let Ok(folder) = fs.walk(ROOT_USER, Path::new(FOLDER), true) else { return };
        for member in members(fs) {
            let name_stays = fs.is_durable(folder, OsStr::new(&member.listed));
            if !name_stays || !fs.is_durable(member.folder, &member.name) {
                continue;
            }
            let Some(content) = fs.synced(member.inode) else { continue };
            let bytes = content.to_vec();
            self.make_safe(&bytes);
        }
    }

    fn make_safe(&mut self, bytes: &[u8]) {
        let Kept { ids, rejected, .. } = self.kept(bytes);
        self.each(&ids, |record| record.safe = true);
        // A whole record may begin as a torn one does.
        let is_rejected = |piece: &Piece| {
            let mut damage = rejected.iter().map(|range| &bytes[range.start as usize..range.end as usize]);
            damage.any(|damage| memmem::find(damage, &piece.bytes).is_some())
        };
        for piece in self.pieces.iter_mut().filter(|piece| !piece.safe) {
            piece.safe = is_rejected(piece);
        }
    }

    /// A recovery has said that it repaired these members, and nobody else was at work: all of them is safe, and what
    /// was removed from them.
    pub(in super::super) fn promised(&mut self, fs: &FileSystem, repaired: &[String]) {
        if repaired.is_empty() {
            return;
        }
        let Ok(folder) = fs.walk(ROOT_USER, Path::new(FOLDER), true) else { return };
        for member in members(fs).into_iter().filter(|member| repaired.contains(&member.listed)) {
            // That a link was renamed is not ours to sync.
            if !fs.is_durable(folder, OsStr::new(&member.listed)) {
                continue;
            }
            self.make_safe(&bytes_of(fs, member.inode));
        }
        // What is in no member any more was removed, now or before.
        let mut members_hold = Vec::new();
        members(fs).iter().for_each(|member| members_hold.extend(bytes_of(fs, member.inode)));
        let all = everything(fs);
        for piece in &mut self.pieces {
            let is_kept =
                memmem::find(&members_hold, &piece.bytes).is_none() && memmem::find(&all, &piece.bytes).is_some();
            piece.safe = piece.safe || is_kept;
        }
    }

    /// The power went and came back.
    pub(in super::super) fn power_cut(&mut self, fs: &FileSystem) -> Result<(), String> {
        self.moved();
        self.orphans.clear();
        let mut there: Vec<Option<usize>> = Vec::new();
        let mut damage = Vec::new();
        for member in members(fs) {
            let bytes = bytes_of(fs, member.inode);
            let kept = self.kept(&bytes);
            let (ids, texts, rejected) = (kept.ids, kept.texts, kept.rejected);
            if self.compacted.contains(&member.inode) {
                self.each(&ids, |record| (record.begun, record.told) = (0, None));
            }
            there.extend(ids);
            for range in rejected {
                damage.push(self.without_records(&bytes[range.start as usize..range.end as usize]));
            }
            // Of a change in place, a part.
            self.strange.extend(texts);
        }
        // Papyra syncs nothing: of a file that it has written twice, what it held first may be back beside the others.
        if members(fs).iter().any(|member| self.compacted.contains(&member.inode)) {
            let mut counts: HashMap<usize, usize> = HashMap::new();
            there.iter().flatten().for_each(|id| *counts.entry(*id).or_default() += 1);
            for (id, count) in counts {
                self.records[id].doubled = count.saturating_sub(self.twins(id).len());
            }
        }
        // What its temporaries hold has its place by the time alone, which is one for all that are alike.
        if !self.in_temporaries(fs).is_empty() {
            let alike = ALIKE.to_string();
            for record in
                self.records.iter_mut().filter(|record| memmem::find(&record.text, alike.as_bytes()).is_some())
            {
                (record.begun, record.told) = (0, None);
            }
        }
        self.compacted.clear();
        // That a file was emptied may be undone while we have it in our hands, and then it goes back.
        for (_, inode) in hidden(fs) {
            let ids = self.kept(&bytes_of(fs, inode)).ids;
            self.each(&ids, |record| {
                if record.state == State::Gone {
                    (record.state, record.begun, record.told) = (State::Maybe, 0, None);
                }
            });
        }
        // What Papyra's own compaction has in its hands is put in place in the end, and so is a member that a rotation
        // had moved to where an empty one was to go.
        let mut in_hand = self.in_temporaries(fs);
        // One that an exchange has hit instead of another is given back, or named.
        let mut in_swaps = Vec::new();
        for (name, inode) in hidden(fs) {
            let ids = self.kept(&bytes_of(fs, inode)).ids;
            match &*name {
                name if name.ends_with(".emptied") => in_hand.extend(ids),
                name if name.contains(".swap.") || name.contains(".displaced.") => in_swaps.extend(ids),
                _ => {}
            }
        }
        in_hand.retain(|id| !there.contains(id));
        there.extend(in_hand);
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for id in there.iter().flatten() {
            *counts.entry(*id).or_default() += 1;
        }
        for id in 0..self.records.len() {
            let first = self.twins(id)[0];
            let found = counts.get_mut(&first).is_some_and(|count| {
                let found = *count > 0;
                *count = count.saturating_sub(1);
                found
            });
            let alone = self.twins(id).len() == 1;
            let record = &mut self.records[id];
            // Whether the change has reached the disk, nobody can tell.
            let was_displaced = std::mem::take(&mut record.displaced);
            if found {
                record.safe = true;
                // A swap under way has all of a file twice: which of those that look alike are there, nobody can tell.
                let is_doubtful = !alone && !in_swaps.is_empty();
                if record.state == State::Gone || record.lost || was_displaced || is_doubtful {
                    // What had removed it was not on the disk yet, and what it has its place behind is not certain.
                    (record.state, record.begun, record.told) = (State::Maybe, 0, None);
                } else if !record.released {
                    (record.owed, record.state) = (true, State::Live);
                }
            } else if alone
                && record.safe
                && record.owed
                && record.state == State::Live
                && !in_swaps.contains(&Some(id))
            {
                return Err(format!("the power cut took record {id}, which was safe: it left {there:?}"));
            } else if record.state != State::Gone {
                (record.owed, record.state, record.safe) = (false, State::Maybe, false);
            }
        }
        let all = everything(fs);
        let lost = self.pieces.iter().find(|piece| piece.safe && memmem::find(&all, &piece.bytes).is_none());
        if let Some(piece) = lost {
            return Err(format!(
                "the power cut took damage that was safe: {:?}",
                String::from_utf8_lossy(&piece.bytes)
            ));
        }
        self.pieces.retain(|piece| piece.safe);
        for bytes in damage {
            self.pieces.extend(pieces_of(&bytes).into_iter().map(|bytes| Piece { bytes, safe: true }));
        }
        Ok(())
    }

    /// Damage, without what would be a record if its line had ended.
    fn without_records(&self, damage: &[u8]) -> Vec<u8> {
        let mut rest = damage.to_vec();
        for record in &self.records {
            while let Some(at) = memmem::find(&rest, &record.text) {
                rest.splice(at..at + record.text.len(), [b'\n']);
            }
        }
        rest
    }
}
