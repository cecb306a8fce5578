//! What the world does to the records, by our books.

use memchr::memmem;

use super::*;

impl Books {
    /// The world has moved on.
    pub(in super::super) fn moved(&mut self) {
        self.view = None;
    }

    /// The world has written to a file: what a scan of it keeps is owed.
    pub(in super::super) fn wrote(&mut self, fs: &FileSystem, inode: Inode) {
        self.moved();
        if self.orphans.contains(&inode) {
            return;
        }
        let bytes = bytes_of(fs, inode);
        let kept = self.kept(&bytes);
        let (ids, texts) = (kept.ids, kept.texts);
        for text in texts {
            if self.is_completed(&text) {
                self.strange.insert(text);
                continue;
            }
            // What stands inside a payload is no record; what two writers tore makes one by itself.
            if self.records.iter().any(|record| is_inside(record, &text, &bytes)) {
                continue;
            }
            // What was torn is a part of it now, and a record to everybody.
            self.pieces.retain(|piece| memmem::find(&text, &piece.bytes).is_none());
            self.strange.insert(text);
        }
        // What the world has lost is not owed for our copy of it, which may have to go back where it came from.
        let is_copy = self.exchanged.iter().any(|(came, _)| *came == inode);
        let is_member = !is_copy && members(fs).iter().any(|member| member.inode == inode);
        self.each(&ids, |record| {
            let is_known = record.state != State::Gone && !record.released && !record.displaced;
            if is_known && (is_member || !record.lost) {
                record.owed = true;
                record.state = State::Live;
                record.lost = false;
            }
        });
        self.release(fs);
    }

    /// Whether what looks like a record begins in a torn payload and ends with what another writer wrote: nobody can
    /// tell that it is none. What was torn is then in two places.
    fn is_completed(&mut self, text: &[u8]) -> bool {
        let before = self.pieces.len();
        let mut heads = Vec::new();
        self.pieces.retain(|piece| {
            let compact = FORGED.replace(": ", ":").replace(", ", ",");
            let at = [FORGED, &*compact].iter().find_map(|text| memmem::find(&piece.bytes, text.as_bytes()));
            let Some(at) = at else { return true };
            let is_completed = text.len() > piece.bytes.len() - at && text.starts_with(&piece.bytes[at..]);
            if is_completed {
                let bytes = pieces_of(&piece.bytes[..at]);
                heads.extend(bytes.into_iter().map(|bytes| Piece { bytes, safe: piece.safe }));
            }
            !is_completed
        });
        let is_completed = self.pieces.len() < before;
        self.pieces.extend(heads);
        is_completed
    }

    /// Papyra begins to write one of its temporaries, or goes on: what it has read before may have been removed since,
    /// and what an earlier one held alone is lost.
    pub(in super::super) fn temporary(&mut self, fs: &FileSystem, inode: Inode, is_begun: bool) {
        let mut there = Vec::new();
        members(fs).iter().for_each(|member| there.extend(self.kept(&bytes_of(fs, member.inode)).ids));
        let mut ids = self.kept(&bytes_of(fs, inode)).ids;
        ids.retain(|id| !there.contains(id));
        self.each(&ids, |record| {
            // What is changed meanwhile in the file that it was read from is not changed here.
            record.displaced = false;
            if is_begun && record.owed {
                (record.state, record.owed, record.lost) = (State::Maybe, false, true);
            } else if record.state == State::Gone {
                record.state = State::Maybe;
            }
        });
    }

    /// The world has put its own copy of a file in the history's place, and does not sync what it writes.
    pub(in super::super) fn brought(&mut self, fs: &FileSystem, inode: Inode) {
        let ids = self.kept(&bytes_of(fs, inode)).ids;
        self.each(&ids, |record| {
            record.safe = false;
            if record.state == State::Gone || std::mem::take(&mut record.displaced) {
                record.state = State::Maybe;
            }
        });
        self.wrote(fs, inode);
    }

    /// A record was told to be written, to this file.
    pub(in super::super) fn told(&mut self, fs: &FileSystem, id: usize, inode: Inode, now: u64) {
        self.records[id].told = Some(now);
        if self.orphans.contains(&inode) {
            // One that looks like it may be owed, and it with that one, before it was written.
            (self.records[id].state, self.records[id].owed) = (State::Maybe, false);
        } else if memmem::find(&bytes_of(fs, inode), &self.records[id].text).is_none() && !self.records[id].owed {
            // Others wrote in between: it was never whole.
            self.records[id].state = State::Maybe;
        }
    }

    /// The world writes damage to a file.
    pub(in super::super) fn damaged(&mut self, inode: Inode, bytes: &[u8]) {
        if self.orphans.contains(&inode) {
            return;
        }
        self.pieces.extend(pieces_of(bytes).into_iter().map(|bytes| Piece { bytes, safe: false }));
    }

    /// The world changes a damaged line in place, to another of which it is not known whether it has reached the disk.
    pub(in super::super) fn damage_changed(&mut self, inode: Inode, old: &[u8], new: &[u8]) {
        self.pieces.retain(|piece| !piece.bytes.starts_with(old));
        self.damaged(inode, new);
    }

    /// The world removes a file from the history, what is in Papyra's own temporaries excepted; or empties it on
    /// purpose.
    pub(in super::super) fn removed(&mut self, fs: &FileSystem, inode: Inode, emptied: bool) {
        self.moved();
        if self.orphans.contains(&inode) {
            return;
        }
        let bytes = bytes_of(fs, inode);
        let kept = self.kept(&bytes);
        let ids = kept.ids;
        let elsewhere = self.in_temporaries(fs);
        let mut displaced = Vec::new();
        let (mut hidden, from) = (Vec::new(), inode);
        for (_, inode) in self::hidden(fs) {
            // What a swap of ours has in hand of this file goes with it.
            let other = self.kept(&bytes_of(fs, inode)).ids;
            let is_other = self.exchanged.iter().any(|pair| *pair == (inode, from) || *pair == (from, inode));
            if is_other || other.iter().any(|id| ids.contains(id)) {
                hidden.push(inode);
            }
        }
        let is_displaced = self.is_hidden(fs, inode);
        if emptied && is_displaced {
            for id in ids.iter().flatten().filter(|id| !elsewhere.contains(&Some(**id)) && self.twins(**id).len() == 1)
            {
                displaced.push(*id);
            }
        }
        self.touched.extend(ids.iter().flatten());
        let mut ids = ids;
        if !emptied {
            self.orphans.insert(inode);
            for inode in hidden {
                self.orphans.insert(inode);
                let others = self.kept(&bytes_of(fs, inode)).ids;
                ids.extend(others.into_iter().filter(|id| !ids.contains(id)).collect::<Vec<_>>());
            }
        }
        self.each(&ids, |record| {
            record.lost = true;
            record.owed = false;
            record.safe = false;
            record.state = if emptied && !is_displaced { State::Gone } else { State::Maybe };
        });
        let mut carried = if emptied { self.carried(fs) } else { Vec::new() };
        if emptied {
            carried.extend(self.elsewhere(fs, inode));
        }
        self.each(&carried, |record| {
            if record.state == State::Gone {
                record.state = State::Maybe;
            }
        });
        for id in displaced {
            let record: &mut Record = &mut self.records[id];
            record.displaced = true;
        }
        // Which of those that look alike it was, nobody knows.
        for id in ids.iter().flatten() {
            let twins = self.twins(*id).to_vec();
            for twin in twins.iter().filter(|_| twins.len() > 1) {
                (self.records[*twin].state, self.records[*twin].owed) = (State::Maybe, false);
            }
        }
        // A run of ours may have seen that the history holds what a temporary does, and be about to set that one aside.
        let is_seen = self.at_start.is_some();
        // Two temporaries may hold one record each, or the same one.
        let elsewhere: Vec<_> =
            elsewhere.into_iter().filter(|id| id.is_none_or(|id| self.twins(id).len() == 1)).collect();
        self.each(&elsewhere, |record| match record.state {
            State::Maybe if !emptied && !record.released && !is_seen => {
                (record.owed, record.state) = (true, State::Live)
            }
            // Nobody can tell the emptied log from one that was begun after a compaction was killed.
            State::Gone => record.state = State::Maybe,
            _ => {}
        });
        self.pieces.retain(|piece| memmem::find(&bytes, &piece.bytes).is_none());
    }

    /// A new record took an old one's place in its file.
    pub(in super::super) fn replaced(&mut self, fs: &FileSystem, old: usize, new: usize, inode: Inode) {
        self.moved();
        self.touched.insert(old);
        let (begun, told) = (self.records[old].begun, self.records[old].told);
        (self.records[new].begun, self.records[new].told) = (begun, told);
        if self.orphans.contains(&inode) {
            self.records[new].state = State::Maybe;
            return;
        }
        let in_temporaries = self.in_temporaries(fs);
        let twin = self.twins(old)[0];
        let stays = in_temporaries.contains(&Some(twin));
        let is_displaced = self.is_hidden(fs, inode);
        let elsewhere = self.elsewhere(fs, inode);
        let stays = stays || self.carried(fs).contains(&Some(twin)) || elsewhere.contains(&Some(twin));
        // Nobody can tell any more that the other is a copy: both stay.
        let there = self.kept(&bytes_of(fs, inode)).ids;
        for id in there.iter().flatten().filter(|id| elsewhere.contains(&Some(**id))) {
            self.records[*id].doubled = 1;
        }
        self.records[old].displaced = is_displaced;
        self.records[old].state = if stays || is_displaced { State::Maybe } else { State::Gone };
        (self.records[old].owed, self.records[old].safe) = (false, false);
        self.records[new].owed = true;
    }

    /// Whether the history holds a file and what a killed run of ours has made of it, until the next run.
    pub(in super::super) fn is_doubled(&self, fs: &FileSystem) -> bool {
        let mut met = HashSet::new();
        let ids = members(fs).into_iter().flat_map(|member| self.kept(&bytes_of(fs, member.inode)).ids);
        ids.flatten().any(|id| !met.insert(id) && self.twins(id).len() == 1)
    }

    /// What the other members have: an exchange that hit another file has left a file in two of them, until the next
    /// run.
    fn elsewhere(&self, fs: &FileSystem, inode: Inode) -> Vec<Option<usize>> {
        let others = members(fs).into_iter().filter(|member| member.inode != inode);
        others.flat_map(|member| self.kept(&bytes_of(fs, member.inode)).ids).collect()
    }

    /// The records of which nobody can tell whether an interrupted run has carried them over to the log.
    fn carried(&self, fs: &FileSystem) -> Vec<Option<usize>> {
        let mut found = Vec::new();
        for (name, inode) in hidden(fs) {
            let marks = |state: &str| Some(name.split_once(state)?.1.split('.').map(|mark| mark.split('-').next()));
            let size = |mark: Option<&str>| mark.and_then(|size| size.parse::<usize>().ok());
            let from = match (marks(".carried."), marks(".displaced.")) {
                (Some(marks), _) => marks.filter_map(size).next(),
                (_, Some(marks)) => marks.filter_map(size).skip(1).min(),
                _ => None,
            };
            let Some(size) = from else { continue };
            let bytes = bytes_of(fs, inode);
            found.extend(self.kept(bytes.get(size..).unwrap_or_default()).ids);
        }
        found
    }

    /// Whether we have taken the file's name: it is about to get it back, or what is added to it is carried on.
    fn is_hidden(&self, fs: &FileSystem, inode: Inode) -> bool {
        hidden(fs).iter().any(|(name, found)| *found == inode && name.starts_with(".papyra."))
    }

    /// A run of ours has said that all is well: what was changed in a file whose name it had taken is so in the
    /// history.
    pub(in super::super) fn all_is_well(&mut self, fs: &FileSystem) {
        // A leftover that it could do nothing about may hold what was changed.
        if hidden(fs).iter().any(|(name, _)| name.starts_with(".papyra.")) {
            return;
        }
        for record in &mut self.records {
            if std::mem::take(&mut record.displaced) && record.state == State::Maybe {
                record.state = State::Gone;
            }
        }
    }

    /// What Papyra's own temporaries hold.
    pub(super) fn in_temporaries(&self, fs: &FileSystem) -> Vec<Option<usize>> {
        let Ok(folder) = fs.walk(ROOT_USER, Path::new(FOLDER), true) else { return Vec::new() };
        let names = fs.names(folder).iter();
        let temporaries =
            names.filter(|(name, _)| name.as_bytes().ends_with(b".tmp") && !name.as_bytes().starts_with(b"."));
        temporaries.flat_map(|(_, inode)| self.kept(&bytes_of(fs, *inode)).ids).collect()
    }

    /// A whole record of this text, if just one has it and the file has it on a line of its own.
    pub(in super::super) fn alone(&self, text: &[u8]) -> Option<usize> {
        let id = self.find(text)?;
        (self.twins(id).len() == 1 && self.records[id].state == State::Live).then_some(id)
    }

    /// A run of ours begins.
    pub(in super::super) fn begin(&mut self, fs: &FileSystem) {
        self.rotated = false;
        self.at_start = Some(members(fs).iter().map(|member| member.inode).collect());
    }

    /// A run of ours has ended, one way or another.
    pub(in super::super) fn ended(&mut self) {
        self.at_start = None;
    }

    /// What a run of ours knows since it has begun, while a second one is at work.
    pub(in super::super) fn begun(&self) -> (Option<Vec<Inode>>, bool) {
        (self.at_start.clone(), self.rotated)
    }

    /// The first one goes on.
    pub(in super::super) fn goes_on(&mut self, (at_start, rotated): (Option<Vec<Inode>>, bool)) {
        self.at_start = at_start;
        self.rotated |= rotated;
    }

    /// A compaction of ours is at work, and is to leave the newest of so many.
    pub(in super::super) fn compact(&mut self, fs: &FileSystem, keep: Option<usize>) {
        self.keep = keep;
        self.release(fs);
    }

    /// Whatever is older than the newest may go.
    pub(super) fn release(&mut self, fs: &FileSystem) {
        let Some(keep) = self.keep else { return };
        let mut all = Vec::new();
        for member in members(fs) {
            all.extend(self.kept(&bytes_of(fs, member.inode)).ids);
        }
        for id in all[..all.len().saturating_sub(keep)].iter().flatten() {
            for twin in self.twins(*id).to_vec() {
                let record = &mut self.records[twin];
                record.owed = false;
                record.released = true;
                if record.state == State::Live {
                    record.state = State::Maybe;
                }
            }
        }
    }

    /// The lines that Papyra's own compaction writes of a file.
    pub(in super::super) fn lines(&self, fs: &FileSystem, inode: Inode) -> Vec<Vec<u8>> {
        let bytes = bytes_of(fs, inode);
        let lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).map(<[u8]>::trim_ascii);
        lines
            .filter_map(|line| {
                let id = self.find(line)?;
                let mut line = self.records[id].spaced.as_deref().unwrap_or(line).to_vec();
                line.push(b'\n');
                Some(line)
            })
            .collect()
    }

    /// All files are others now.
    pub(in super::super) fn copied(&mut self) {
        self.moved();
        self.orphans.clear();
        self.exchanged.clear();
    }
}

/// Whether a text is a part of a record, and goes on in the file as it does there.
fn is_inside(record: &Record, text: &[u8], bytes: &[u8]) -> bool {
    let after = |whole: &[u8], at: usize| whole.get(at + text.len()).copied();
    memmem::find(&record.text, text).is_some_and(|at| {
        let own = after(&record.text, at);
        memmem::find_iter(bytes, text).all(|there| after(bytes, there).is_none_or(|next| Some(next) == own))
    })
}
