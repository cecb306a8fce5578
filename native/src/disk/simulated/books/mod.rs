//! The books: what the writers were told had been written, what was torn, and whether the disk holds it.
//!
//! A record is *owed* from the moment that a scan of its file would keep it, until the world itself (never we) takes it
//! away. It is *safe* once no power cut may take it. Of what is damaged, every piece must stay somewhere.

mod backups;
mod judgement;
mod power;
mod reader;
mod world;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use memchr::memmem;
use papyra_core::scan::{Flow, Record as Scanned, Scanner, Sink, Step};

use super::file_system::{FileSystem, Inode, Kind, Process};
pub(super) use backups::BACKUPS;
use backups::Made;

const ROOT_USER: Process = Process { number: 0, user: 0 };

/// The folder and the name of the log of every schedule.
pub(super) const FOLDER: &str = "/d";
pub(super) const LOG: &str = "log";

/// Another folder, to which the log may be a link.
pub(super) const ELSEWHERE: &str = "/elsewhere";

/// The number, and so the time, of records that are alike.
pub(super) const ALIKE: usize = 7_000;

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
    /// The world itself has it so many times more than it was written.
    doubled: usize,
    /// It was changed or removed in a file whose name we had just taken: that is so in the history once a run of ours
    /// says that all is well.
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
    /// Those that a reader cannot tell from one another, by text, as it was written or as Papyra's compaction writes
    /// it.
    known: HashMap<Vec<u8>, usize>,
    alike: Vec<Vec<usize>>,
    pieces: Vec<Piece>,
    /// Whole records that nobody wrote: what two writers tore can look like one.
    strange: HashSet<Vec<u8>>,
    /// Files that the world itself took out of the history.
    orphans: HashSet<Inode>,
    /// Files that Papyra's compaction has written over and not synced: the power may go and bring back what they held.
    pub(super) compacted: HashSet<Inode>,
    /// What a reader saw last; `None` when the world has moved on since.
    view: Option<Vec<usize>>,
    /// See [`Books::compact`].
    keep: Option<usize>,
    /// The members when our run began, until it ends.
    at_start: Option<Vec<Inode>>,
    /// The members before its call.
    before: Vec<Inode>,
    /// The files that have taken one another's place.
    exchanged: Vec<(Inode, Inode)>,
    /// See [`Books::pin`].
    pinned: Vec<usize>,
    /// What was told to be written by then.
    due: HashSet<usize>,
    /// What the world has changed or removed since.
    touched: HashSet<usize>,
    made: Vec<Made>,
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
        if index >= fs.settings.files {
            continue;
        }
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
    // What one writer tore and what another has begun behind it stand on one line only until what came late for a place
    // between the two is put there.
    let mut pieces: Vec<Vec<u8>> = pieces.iter().flat_map(|piece| begun_apart(piece)).collect();
    // What may be the beginning of any record says nothing either.
    pieces.retain(|piece| piece.len() >= if piece.starts_with(b"{") { 18 } else { 4 });
    pieces
}

/// Every record of the schedules begins so, and nothing in one does.
const HEAD: &[u8] = b"{\"payload\"";

/// Splits a line before each record that begins on it; one of which there is less than this is left out.
fn begun_apart(line: &[u8]) -> Vec<Vec<u8>> {
    let begun: Vec<usize> = memmem::find_iter(line, HEAD).collect();
    let from = std::iter::once(0).chain(begun.iter().copied());
    let to = begun.iter().copied().chain([line.len()]);
    let without_beginning = |mut part: Vec<u8>| {
        while let Some(length) = (1..HEAD.len()).find(|length| part.ends_with(&HEAD[..*length])) {
            part.truncate(part.len() - length);
            part.truncate(part.trim_ascii_end().len());
        }
        part
    };
    from.zip(to).map(|(from, to)| without_beginning(line[from..to].trim_ascii().to_vec())).collect()
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
            doubled: 0,
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
}

/// All that any file on the disk holds that has a name, backups excepted.
fn everything(fs: &FileSystem) -> Vec<u8> {
    let stored = backups::stored(fs);
    let mut all = Vec::new();
    for (inode, node) in fs.nodes.iter().enumerate() {
        if node.links > 0 && !stored.contains(&inode) && matches!(node.kind, Kind::File { .. }) {
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
    let hidden = names.filter(|(name, _)| name.as_bytes().starts_with(b"."));
    // One may be a link that a rotation had moved.
    let files = hidden.filter_map(|(name, inode)| match &fs.nodes[*inode].kind {
        Kind::File { .. } => Some((name, *inode)),
        Kind::Link(to) => Some((name, fs.walk(ROOT_USER, Path::new(to), true).ok()?)),
        Kind::Folder { .. } => None,
    });
    files.map(|(name, inode)| (name.to_string_lossy().into_owned(), inode)).collect()
}

/// Names of ours that a clean run must not leave.
pub(super) fn leftovers(fs: &FileSystem) -> Vec<String> {
    let Ok(folder) = fs.walk(ROOT_USER, Path::new(FOLDER), true) else { return Vec::new() };
    let hidden = |name: &OsStr| name.as_bytes().starts_with(b".") && name != ".papyra-rejected";
    let names = fs.names(folder).iter().filter(|(name, _)| hidden(name));
    names.map(|(name, _)| name.to_string_lossy().into_owned()).collect()
}
