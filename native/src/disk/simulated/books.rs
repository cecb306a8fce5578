//! The books: what the writers were told had been written, what was torn, and whether the disk holds it.
//!
//! A record is *owed* from the moment that a scan of its file would keep it, until the world itself (never we) takes it
//! away. It is *safe* once no power cut may take it. Of what is damaged, every piece must stay somewhere.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memchr::memmem;
use papyra_core::scan::{Flow, Record as Scanned, Scanner, Sink, Step};

use super::file_system::{FileSystem, Inode, Kind, Process};

const ROOT_USER: Process = Process { number: 0, user: 0 };

/// The folder and the name of the log of every schedule.
pub(super) const FOLDER: &str = "/d";
pub(super) const LOG: &str = "log";

/// Another folder, to which the log may be a link.
pub(super) const ELSEWHERE: &str = "/elsewhere";

/// What payloads hold that look like records, and no record begins with.
pub(super) const FORGED: &str = r#"{"kind": "event", "system_id": "forged","#;

/// What the world has done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Live,
    /// It may be there, or not: its own writers lost it, or it was never whole.
    Maybe,
    /// Removed on purpose, never to come back.
    Gone,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) text: Vec<u8>,
    /// As Papyra's compaction writes it, if otherwise.
    spaced: Option<Vec<u8>>,
    group: usize,
    /// When its append began, and when its writer was told that it is written.
    pub(super) begun: u64,
    pub(super) told: Option<u64>,
    pub(super) state: State,
    pub(super) owed: bool,
    safe: bool,
    /// A compaction of ours may remove it at any time from now on.
    released: bool,
    /// The world itself has lost it.
    lost: bool,
    /// It was changed or removed in a file whose name we had just taken: that is so in the history once a run of ours says
    /// that all is well.
    displaced: bool,
}

/// A piece of damage.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    safe: bool,
}

/// A member of the history: where it really is.
pub(super) struct Member {
    pub(super) index: u32,
    /// Its name in the history's folder.
    listed: String,
    folder: Inode,
    name: std::ffi::OsString,
    pub(super) inode: Inode,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) records: Vec<Record>,
    /// Those that a reader cannot tell from one another, by text, as it was written or as Papyra's compaction writes it.
    known: HashMap<Vec<u8>, usize>,
    alike: Vec<Vec<usize>>,
    pieces: Vec<Piece>,
    /// Whole records that nobody wrote: what two writers tore can look like one.
    strange: HashSet<Vec<u8>>,
    /// Files that the world itself took out of the history.
    orphans: HashSet<Inode>,
    /// What a reader saw last; `None` when the world has moved on since.
    view: Option<Vec<usize>>,
    /// See [`Books::compact`].
    keep: Option<usize>,
    /// The members when our run began, and before its call.
    at_start: Vec<Inode>,
    before: Vec<Inode>,
    /// The files that have taken one another's place.
    exchanged: Vec<(Inode, Inode)>,
    /// The world has renamed a member since our run began.
    pub(super) rotated: bool,
}

/// The members as Papyra reads them, oldest first.
pub(super) fn members(fs: &FileSystem) -> Vec<Member> {
    let Ok(folder) = fs.walk(ROOT_USER, Path::new(FOLDER), true) else { return Vec::new() };
    let mut found: Vec<Member> = Vec::new();
    for (name, inode) in fs.names(folder) {
        let Some(rest) = name.as_bytes().strip_prefix(LOG.as_bytes()) else { continue };
        let index = match rest {
            b"" => 0,
            [b'.', number @ ..] => match std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()) {
                Some(index) => index,
                None => continue,
            },
            _ => continue,
        };
        let listed = name.to_string_lossy().into_owned();
        let (mut folder, mut name, mut inode) = (folder, name.to_os_string(), *inode);
        if matches!(fs.nodes[inode].kind, Kind::Link(_)) {
            let Ok(place) = fs.place(ROOT_USER, &Path::new(FOLDER).join(&name)) else { continue };
            (folder, name) = place;
            let Some(real) = fs.lookup(folder, &name) else { continue };
            inode = real;
        }
        found.push(Member { index, listed, folder, name, inode });
    }
    found.sort_by_key(|member| std::cmp::Reverse(member.index));
    found
}

fn bytes_of(fs: &FileSystem, inode: Inode) -> Vec<u8> {
    fs.content(inode).map(super::content::Content::to_vec).unwrap_or_default()
}

/// Splits damage into what must be found again: white space and NULs say nothing.
fn pieces_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    for part in bytes.split(|byte| matches!(byte, b'\n' | b'\r' | 0)) {
        let mut rest = part.trim_ascii();
        while let Some(gap) = memmem::find(rest, b"  ") {
            pieces.push(rest[..gap].to_vec());
            rest = rest[gap..].trim_ascii();
        }
        pieces.push(rest.to_vec());
    }
    // What may be the beginning of any record says nothing either.
    pieces.retain(|piece| piece.len() >= if piece.starts_with(b"{") { 18 } else { 4 });
    pieces
}

/// Takes down what a scan keeps and rejects.
#[derive(Default)]
struct Kept<'a> {
    books: Option<&'a Books>,
    bytes: &'a [u8],
    ids: Vec<Option<usize>>,
    texts: Vec<Vec<u8>>,
    rejected: Vec<std::ops::Range<u64>>,
    anomalies: usize,
}

impl Sink for Kept<'_> {
    fn record(&mut self, record: &Scanned<'_>) -> Flow {
        let from = record.span.offset as usize;
        let text = self.bytes[from..from + record.span.length as usize].trim_ascii();
        let id = self.books.and_then(|books| books.find(text));
        if id.is_none() {
            self.texts.push(text.to_vec());
        }
        self.ids.push(id);
        Flow::Continue(())
    }

    fn finding(&mut self, _: &papyra_core::finding::Finding) -> Flow {
        self.anomalies += 1;
        Flow::Continue(())
    }

    fn step(&mut self, step: Step) -> Flow {
        if let Step::Reject(range) = step {
            self.rejected.push(range);
        }
        Flow::Continue(())
    }
}

impl Books {
    pub(super) fn add(&mut self, text: Vec<u8>, also: Option<Vec<u8>>, begun: u64) -> usize {
        let id = self.records.len();
        let spaced = also.as_ref().unwrap_or(&text);
        let group = *self.known.entry(spaced.clone()).or_insert(self.alike.len());
        if group == self.alike.len() {
            self.alike.push(Vec::new());
        }
        self.alike[group].push(id);
        self.known.insert(text.clone(), group);
        self.records.push(Record {
            text,
            spaced: also,
            group,
            begun,
            told: None,
            state: State::Live,
            owed: false,
            safe: false,
            released: false,
            lost: false,
            displaced: false,
        });
        id
    }

    fn find(&self, text: &[u8]) -> Option<usize> {
        self.known.get(text).map(|group| self.alike[*group][0])
    }

    /// All records with the same text as this one.
    fn twins(&self, id: usize) -> &[usize] {
        &self.alike[self.records[id].group]
    }

    fn kept<'a>(&'a self, bytes: &'a [u8]) -> Kept<'a> {
        let mut kept = Kept { books: Some(self), bytes, ..Kept::default() };
        let mut scanner = Scanner::new(0, 0);
        _ = scanner.push(bytes, &mut kept);
        scanner.finish(&mut kept);
        kept
    }

    /// Calls `mark` for each record, twins in the order they were made.
    fn each(&mut self, ids: &[Option<usize>], mut mark: impl FnMut(&mut Record)) {
        let mut met: HashMap<usize, usize> = HashMap::new();
        for id in ids.iter().flatten() {
            let nth = met.entry(*id).or_default();
            let twins = self.twins(*id);
            let one = twins[(*nth).min(twins.len() - 1)];
            *nth += 1;
            mark(&mut self.records[one]);
        }
    }

    // What the world does.

    /// The world has moved on.
    pub(super) fn moved(&mut self) {
        self.view = None;
    }

    /// The world has written to a file: what a scan of it keeps is owed.
    pub(super) fn wrote(&mut self, fs: &FileSystem, inode: Inode) {
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
            if self.records.iter().any(|record| memmem::find(&record.text, &text).is_some()) {
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

    /// Whether what looks like a record begins in a torn payload and ends with what another writer wrote: nobody can tell
    /// that it is none. What was torn is then in two places.
    fn is_completed(&mut self, text: &[u8]) -> bool {
        let before = self.pieces.len();
        let mut heads = Vec::new();
        self.pieces.retain(|piece| {
            let Some(at) = memmem::find(&piece.bytes, FORGED.as_bytes()) else { return true };
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

    /// Papyra begins to write one of its temporaries, or goes on: what it has read before may have been removed since, and
    /// what an earlier one held alone is lost.
    pub(super) fn temporary(&mut self, fs: &FileSystem, inode: Inode, is_begun: bool) {
        let mut there = Vec::new();
        members(fs).iter().for_each(|member| there.extend(self.kept(&bytes_of(fs, member.inode)).ids));
        let mut ids = self.kept(&bytes_of(fs, inode)).ids;
        ids.retain(|id| !there.contains(id));
        self.each(&ids, |record| {
            if is_begun && record.owed {
                (record.state, record.owed, record.lost) = (State::Maybe, false, true);
            } else if record.state == State::Gone {
                record.state = State::Maybe;
            }
        });
    }

    /// The world has put its own copy of a file in the history's place.
    pub(super) fn brought(&mut self, fs: &FileSystem, inode: Inode) {
        let ids = self.kept(&bytes_of(fs, inode)).ids;
        self.each(&ids, |record| {
            if record.state == State::Gone {
                record.state = State::Maybe;
            }
        });
        self.wrote(fs, inode);
    }

    /// A record was told to be written, to this file.
    pub(super) fn told(&mut self, fs: &FileSystem, id: usize, inode: Inode, now: u64) {
        self.records[id].told = Some(now);
        if self.orphans.contains(&inode) {
            self.records[id].state = State::Maybe;
        } else if memmem::find(&bytes_of(fs, inode), &self.records[id].text).is_none() && !self.records[id].owed {
            // Others wrote in between: it was never whole.
            self.records[id].state = State::Maybe;
        }
    }

    /// The world writes damage to a file.
    pub(super) fn damaged(&mut self, inode: Inode, bytes: &[u8]) {
        if self.orphans.contains(&inode) {
            return;
        }
        self.pieces.extend(pieces_of(bytes).into_iter().map(|bytes| Piece { bytes, safe: false }));
    }

    /// The world changes a damaged line in place, to another of which it is not known whether it has reached the disk.
    pub(super) fn damage_changed(&mut self, inode: Inode, old: &[u8], new: &[u8]) {
        self.pieces.retain(|piece| !piece.bytes.starts_with(old));
        self.damaged(inode, new);
    }

    /// The world removes a file from the history, what is in Papyra's own temporaries excepted; or empties it on
    /// purpose.
    pub(super) fn removed(&mut self, fs: &FileSystem, inode: Inode, emptied: bool) {
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
        let carried = if emptied { self.carried(fs) } else { Vec::new() };
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
        self.each(&elsewhere, |record| match record.state {
            State::Maybe if !emptied && !record.released => (record.owed, record.state) = (true, State::Live),
            // Nobody can tell the emptied log from one that was begun after a compaction was killed.
            State::Gone => record.state = State::Maybe,
            _ => {}
        });
        self.pieces.retain(|piece| memmem::find(&bytes, &piece.bytes).is_none());
    }

    /// A new record took an old one's place in its file.
    pub(super) fn replaced(&mut self, fs: &FileSystem, old: usize, new: usize, inode: Inode) {
        self.moved();

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
        let stays = stays || self.carried(fs).contains(&Some(twin));
        self.records[old].displaced = is_displaced;
        self.records[old].state = if stays || is_displaced { State::Maybe } else { State::Gone };
        (self.records[old].owed, self.records[old].safe) = (false, false);
        self.records[new].owed = true;
    }

    /// The records of which nobody can tell whether an interrupted run has carried them over to the log.
    fn carried(&self, fs: &FileSystem) -> Vec<Option<usize>> {
        let mut found = Vec::new();
        for (name, inode) in hidden(fs) {
            let Some((_, marks)) = name.split_once(".carried.") else { continue };
            let Some(size) = marks.split('-').next().and_then(|size| size.parse::<usize>().ok()) else { continue };
            let bytes = bytes_of(fs, inode);
            found.extend(self.kept(bytes.get(size..).unwrap_or_default()).ids);
        }
        found
    }

    /// Whether we have taken the file's name: it is about to get it back, or what is added to it is carried on.
    fn is_hidden(&self, fs: &FileSystem, inode: Inode) -> bool {
        hidden(fs).iter().any(|(name, found)| *found == inode && name.starts_with(".papyra."))
    }

    /// A run of ours has said that all is well: what was changed in a file whose name it had taken is so in the history.
    pub(super) fn all_is_well(&mut self) {
        for record in &mut self.records {
            if std::mem::take(&mut record.displaced) && record.state == State::Maybe {
                record.state = State::Gone;
            }
        }
    }

    /// What Papyra's own temporaries hold.
    fn in_temporaries(&self, fs: &FileSystem) -> Vec<Option<usize>> {
        let Ok(folder) = fs.walk(ROOT_USER, Path::new(FOLDER), true) else { return Vec::new() };
        let names = fs.names(folder).iter();
        let temporaries =
            names.filter(|(name, _)| name.as_bytes().ends_with(b".tmp") && !name.as_bytes().starts_with(b"."));
        temporaries.flat_map(|(_, inode)| self.kept(&bytes_of(fs, *inode)).ids).collect()
    }

    /// A whole record of this text, if just one has it and the file has it on a line of its own.
    pub(super) fn alone(&self, text: &[u8]) -> Option<usize> {
        let id = self.find(text)?;
        (self.twins(id).len() == 1 && self.records[id].state == State::Live).then_some(id)
    }

    /// A run of ours begins.
    pub(super) fn begin(&mut self, fs: &FileSystem) {
        self.rotated = false;
        self.at_start = members(fs).iter().map(|member| member.inode).collect();
    }

    /// What a run of ours knows since it has begun, while a second one is at work.
    pub(super) fn begun(&self) -> (Vec<Inode>, bool) {
        (self.at_start.clone(), self.rotated)
    }

    /// The first one goes on.
    pub(super) fn goes_on(&mut self, (at_start, rotated): (Vec<Inode>, bool)) {
        self.at_start = at_start;
        self.rotated |= rotated;
    }

    /// A compaction of ours is at work, and is to leave the newest of so many.
    pub(super) fn compact(&mut self, fs: &FileSystem, keep: Option<usize>) {
        self.keep = keep;
        self.release(fs);
    }

    /// Whatever is older than the newest may go.
    fn release(&mut self, fs: &FileSystem) {
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

    // What a reader sees.

    /// The history as Papyra reads it: its records, by text.
    pub(super) fn read(&self, fs: &FileSystem) -> Vec<usize> {
        let mut view = Vec::new();
        for member in members(fs) {
            let Some(content) = fs.content(member.inode) else { continue };
            for line in content.data().split(|byte| matches!(byte, b'\n' | b'\r')) {
                let line = line.trim_ascii();
                if line.len() > 20
                    && let Some(id) = self.find(line)
                {
                    view.push(id);
                }
            }
        }
        view
    }

    /// Before a call of ours.
    pub(super) fn look(&mut self, fs: &FileSystem) {
        self.release(fs);
        self.before = members(fs).iter().map(|member| member.inode).collect();
        if self.view.is_none() {
            self.view = Some(self.read(fs));
        }
    }

    /// After it: a reader must not see less, nor twice, nor elsewhere.
    /// Only an exchange, or the removal of an empty member, right behind a rotation may hit another file, if it is taken back.
    pub(super) fn compare(&mut self, fs: &FileSystem, is_exchange: bool) -> Result<(), String> {
        let after = self.read(fs);
        let before = self.view.replace(after).unwrap_or_default();
        let now: Vec<Inode> = members(fs).iter().map(|member| member.inode).collect();
        let came = now.iter().filter(|inode| !self.before.contains(inode));
        let went = self.before.iter().filter(|inode| !now.contains(inode));
        self.exchanged.extend(came.zip(went).map(|(came, went)| (*came, *went)));
        let after = self.view.as_deref().unwrap_or_default();
        if is_exchange && self.rotated {
            return Ok(());
        }
        // An exchange that is taken back brings back the damage: records without a newline between them.
        let is_back = |inode: &Inode| now.contains(inode) && !self.before.contains(inode);
        if is_exchange && self.at_start.iter().any(is_back) {
            return self.not_doubled(after);
        }
        let mut rest = after.iter();
        for id in &before {
            let record = &self.records[*id];
            let may_go = record.state == State::Maybe || record.released;
            if !may_go && !rest.any(|other| other == id) {
                let what = if after.contains(id) { "in another place" } else { "no more" };
                return Err(format!("a reader sees record {id} {what}: {before:?} became {after:?}"));
            }
        }
        self.not_doubled(after)
    }

    fn not_doubled(&self, view: &[usize]) -> Result<(), String> {
        let mut counts: HashMap<usize, usize> = HashMap::new();
        for id in view {
            let count = counts.entry(*id).or_default();
            *count += 1;
            let twins = self.twins(*id);
            let most = twins.iter().filter(|twin| self.records[**twin].state != State::Gone).count();
            if *count > most {
                let what = if most == 0 { "is back" } else { "is there twice" };
                return Err(format!("record {id} {what}: {view:?}"));
            }
        }
        Ok(())
    }

    // Power.

    /// Something was synced: what no power cut can take is safe.
    pub(super) fn synced(&mut self, fs: &FileSystem) {
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
        let ids = self.kept(bytes).ids;
        self.each(&ids, |record| record.safe = true);
        for piece in self.pieces.iter_mut().filter(|piece| !piece.safe) {
            piece.safe = memmem::find(bytes, &piece.bytes).is_some();
        }
    }

    /// A recovery has said that it repaired these members, and nobody else was at work: all of them is safe, and what
    /// was removed from them.
    pub(super) fn promised(&mut self, fs: &FileSystem, repaired: &[String]) {
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
    pub(super) fn power_cut(&mut self, fs: &FileSystem) -> Result<(), String> {
        self.moved();
        self.orphans.clear();
        let mut there: Vec<Option<usize>> = Vec::new();
        let mut damage = Vec::new();
        for member in members(fs) {
            let bytes = bytes_of(fs, member.inode);
            let kept = self.kept(&bytes);
            let (ids, texts) = (kept.ids, kept.texts);
            there.extend(ids);
            for range in kept.rejected {
                damage.push(self.without_records(&bytes[range.start as usize..range.end as usize]));
            }
            // Of a change in place, a part.
            self.strange.extend(texts);
        }
        // That a file was emptied may be undone while we have it in our hands, and then it goes back.
        for (_, inode) in hidden(fs) {
            let ids = self.kept(&bytes_of(fs, inode)).ids;
            self.each(&ids, |record| {
                if record.state == State::Gone {
                    (record.state, record.begun, record.told) = (State::Maybe, 0, None);
                }
            });
        }
        // What Papyra's own compaction has in its hands is put in place in the end.
        let in_temporaries: Vec<_> = self.in_temporaries(fs).into_iter().filter(|id| !there.contains(id)).collect();
        there.extend(in_temporaries);
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
            record.displaced = false;
            if found {
                record.safe = true;
                if record.state == State::Gone || record.lost {
                    // What had removed it was not on the disk yet, and what it has its place behind is not certain.
                    (record.state, record.begun, record.told) = (State::Maybe, 0, None);
                } else if !record.released {
                    (record.owed, record.state) = (true, State::Live);
                }
            } else if alone && record.safe && record.owed && record.state == State::Live {
                return Err(format!("the power cut took record {id}, which was safe: it left {there:?}"));
            } else if record.state == State::Live {
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

    // Judgement.

    /// What lies beside the log belongs to whom it belongs to, and all of it may be read by him.
    pub(super) fn belongs_to(&self, fs: &FileSystem, service: u32) -> Result<(), String> {
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
    pub(super) fn judge(&mut self, fs: &FileSystem, clean: bool) -> Result<(), String> {
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
        self.in_order(&view)
    }

    /// What was told before another's append began stands before it.
    fn in_order(&self, view: &[usize]) -> Result<(), String> {
        let mut latest = (0, 0);
        for id in view {
            let twins = self.twins(*id);
            let told = twins.iter().filter_map(|twin| self.records[*twin].told).max();
            if twins.len() == 1
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

/// All that any file on the disk holds that has a name.
fn everything(fs: &FileSystem) -> Vec<u8> {
    let mut all = Vec::new();
    for (inode, node) in fs.nodes.iter().enumerate() {
        if node.links > 0 && matches!(node.kind, Kind::File { .. }) {
            all.extend(bytes_of(fs, inode));
            all.push(0);
        }
    }
    all
}

/// The files that we have hidden; the log may be a link to another folder.
fn hidden(fs: &FileSystem) -> Vec<(String, Inode)> {
    let folders = [FOLDER, ELSEWHERE].into_iter().filter_map(|folder| fs.walk(ROOT_USER, Path::new(folder), true).ok());
    let names = folders.flat_map(|folder| fs.names(folder));
    let files = names.filter(|(name, inode)| name.as_bytes().starts_with(b".") && fs.content(*inode).is_some());
    files.map(|(name, inode)| (name.to_string_lossy().into_owned(), *inode)).collect()
}

/// Names of ours that a clean run must not leave.
pub(super) fn leftovers(fs: &FileSystem) -> Vec<String> {
    let Ok(folder) = fs.walk(ROOT_USER, Path::new(FOLDER), true) else { return Vec::new() };
    let hidden = |name: &OsStr| name.as_bytes().starts_with(b".") && name != ".papyra-rejected";
    let names = fs.names(folder).iter().filter(|(name, _)| hidden(name));
    names.map(|(name, _)| name.to_string_lossy().into_owned()).collect()
}

impl Books {
    /// The lines that Papyra's own compaction writes of a file.
    pub(super) fn lines(&self, fs: &FileSystem, inode: Inode) -> Vec<Vec<u8>> {
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
    pub(super) fn copied(&mut self) {
        self.moved();
        self.orphans.clear();
        self.exchanged.clear();
    }
}
