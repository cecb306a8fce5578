//! The others: Papyra's writers as they are, its compaction and recovery, and those who meddle with a log.
//!
//! Each `step().await` ends one call; whatever happens between two of them happens to somebody who is not looking.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::io::Errno;

use super::super::sys::{Rename, Result};
use super::books::{ALIKE, FOLDER, FORGED, LOG, members};
use super::file_system::{Access, Descriptor, Inode, Process};
use super::with;
use super::world::{OPENING, RENAMING, books, hurries, in_thousand, pick, say, world};

/// Ends one call.
struct Step(bool);

impl Future for Step {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

fn step() -> Step {
    Step(false)
}

/// How Papyra is set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setup {
    /// Files of a set, and the size at which the active one is rotated; `None`: one file for ever.
    pub(super) rotation: Option<(u32, u64)>,
}

fn path(index: u32) -> PathBuf {
    let name = if index == 0 { LOG.to_owned() } else { format!("{LOG}.{index}") };
    Path::new(FOLDER).join(name)
}

fn inode_of(fd: Descriptor) -> Inode {
    with(|fs| fs.inode_of(fd)).expect("an open file")
}

fn now() -> u64 {
    world(|world| {
        world.time += 1;
        world.time
    })
}

/// One of the others, as it calls the kernel.
#[derive(Clone, Copy)]
struct Caller(Process);

impl Caller {
    fn say(self, text: impl FnOnce() -> String) {
        say(|| format!("{}: {}", self.0.number, text()));
    }

    fn find(self, path: &Path) -> Result<Inode> {
        with(|fs| fs.walk(self.0, path, true))
    }

    /// Opens a file: the path leads to it, and only then is it opened, after whoever has a lease on it.
    async fn open(self, path: &Path, access: Access, create: bool) -> Result<Descriptor> {
        step().await;
        let found = with(|fs| {
            let (folder, name) = fs.place(self.0, path)?;
            match fs.lookup(folder, &name) {
                Some(inode) => Ok(inode),
                None if create => fs.create(self.0, folder, &name, 0o644),
                None => Err(Errno::NOENT),
            }
        });
        let inode = found.inspect_err(|error| self.say(|| format!("cannot open {path:?}: {error}")))?;
        self.say(|| format!("finds {path:?}: {inode}"));
        books(|books, _| books.moved());
        hurries(self.0, OPENING, true);
        step().await;
        hurries(self.0, OPENING, false);
        if access.empty {
            books(|books, fs| books.temporary(fs, inode, true));
        }
        let fd = with(|fs| fs.begin_open(self.0, inode, access))?;
        while with(|fs| fs.waits(fd)) {
            self.say(|| format!("waits for {inode}"));
            step().await;
        }
        self.say(|| format!("has {inode} open"));
        Ok(fd)
    }

    async fn write(self, fd: Descriptor, bytes: &[u8]) -> Result<()> {
        step().await;
        let written = with(|fs| fs.write(fd, bytes));
        let inode = inode_of(fd);
        self.say(|| format!("writes {written:?} of {} bytes to {inode}: {}", bytes.len(), bytes.escape_ascii()));
        books(|books, fs| books.wrote(fs, inode));
        match written {
            Ok(written) if written == bytes.len() => Ok(()),
            Ok(written) => {
                books(|books, _| books.damaged(inode, &bytes[..written]));
                Err(Errno::NOSPC)
            }
            Err(error) => Err(error),
        }
    }

    async fn close(self, fd: Descriptor) {
        step().await;
        self.say(|| "closes".to_owned());
        with(|fs| fs.close(fd));
    }

    async fn exists(self, path: &Path) -> bool {
        step().await;
        self.find(path).is_ok()
    }

    async fn rename(self, from: &Path, to: &Path) -> Result<()> {
        step().await;
        if let (Ok(over), Ok(source)) = (self.find(to), self.find(from)) {
            let is_member = books(|_, fs| members(fs).iter().any(|member| member.inode == over));
            if is_member && over != source {
                books(|books, fs| books.removed(fs, over, false));
            }
        }
        let renamed = with(|fs| {
            let folder = fs.walk(self.0, Path::new(FOLDER), true)?;
            let (from, to) = (from.file_name().unwrap_or_default(), to.file_name().unwrap_or_default());
            fs.rename(self.0, (folder, from), (folder, to), Rename::Replace)
        });
        self.say(|| format!("renames {from:?} to {to:?}: {renamed:?}"));
        books(|books, fs| {
            books.moved();
            books.rotated |= renamed.is_ok();
            let inode = fs.walk(self.0, to, true);
            if let Ok(inode) = inode
                && renamed.is_ok()
            {
                if from.to_string_lossy().ends_with(".tmp") {
                    books.brought(fs, inode);
                } else {
                    books.wrote(fs, inode);
                }
            }
        });
        renamed
    }

    async fn unlink(self, path: &Path) {
        step().await;
        if let Ok(inode) = self.find(path) {
            books(|books, fs| books.removed(fs, inode, false));
        }
        let gone = with(|fs| {
            let folder = fs.walk(self.0, Path::new(FOLDER), true)?;
            fs.unlink(self.0, folder, path.file_name().unwrap_or_default())
        });
        self.say(|| format!("removes {path:?}: {gone:?}"));
    }
}

/// Papyra's `_maybe_rotate`.
async fn maybe_rotate(caller: Caller, files: u32, most: u64, length: u64) -> Result<()> {
    step().await;
    let Ok(main) = caller.find(&path(0)) else { return Ok(()) };
    let size = with(|fs| fs.size(main));
    if size + length <= most || caller.exists(&path(files - 1)).await {
        return Ok(());
    }
    for index in (1..files - 1).rev() {
        if caller.exists(&path(index)).await {
            caller.rename(&path(index), &path(index + 1)).await?;
        }
    }
    caller.rename(&path(0), &path(1)).await
}

/// The text of a record, and the one that Papyra's compaction makes of it.
fn new_text(number: usize) -> (Vec<u8>, Option<Vec<u8>>) {
    let payload = match pick(8) {
        6 => format!("\"{number:04}{}\"", "x".repeat(pick(60))),
        7 => {
            let rest = r#""actor_address": "a", "event_type": "E", "payload": 1, "timestamp": 1.5}"#;
            format!("[\"{number:04}\", {FORGED} {rest}, 1]")
        }
        _ => format!("\"{number:04}\""),
    };
    let time = 1_000_000 + number;
    // What tells it from others comes first: so does a torn one.
    let spaced = match pick(2) {
        0 => format!(
            r#"{{"payload": {payload}, "kind": "event", "system_id": "s", "actor_address": "a", "event_type": "E", "timestamp": {time}.5}}"#
        ),
        _ => format!(
            r#"{{"payload": {payload}, "kind": "dead_letter", "system_id": "s", "target": null, "message_type": "M", "timestamp": {time}.5}}"#
        ),
    };
    if pick(4) == 3 {
        let tight = spaced.replace("\": ", "\":").replace(", \"", ",\"");
        if tight != spaced {
            return (tight.into_bytes(), Some(spaced.into_bytes()));
        }
    }
    (spaced.into_bytes(), None)
}

/// A new record, whose append begins now.
pub(super) fn new_record() -> (usize, Vec<u8>) {
    // Some are alike.
    let number = if in_thousand(60) { ALIKE } else { books(|books, _| books.records.len()) };
    let (text, also) = new_text(number);
    let begun = now();
    let id = books(|books, _| books.add(text.clone(), also, begun));
    (id, text)
}

/// How a writer writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// As Papyra does.
    Whole,
    /// Two writes a record.
    Slow,
    /// The file stays open.
    Holding,
}

/// A process that appends records; it may die in the middle of one.
pub(super) async fn writer(process: Process, setup: Setup, style: Style, count: usize) {
    let caller = Caller(process);
    let mut held = None;
    for _ in 0..count {
        let begun = now();
        let fd = match held {
            Some(fd) => fd,
            None => {
                if let Some((files, most)) = setup.rotation
                    && maybe_rotate(caller, files, most, 110).await.is_err()
                {
                    continue;
                }
                let Ok(fd) = caller.open(&path(0), Access::APPEND, true).await else { continue };
                fd
            }
        };
        if style == Style::Holding {
            held = Some(fd);
        }
        let (id, text) = new_record();
        // Its place in the history is settled when the file is opened.
        books(|books, _| books.records[id].begun = if held.is_some() { 0 } else { begun });
        let at = inode_of(fd);
        let mut line = text.clone();
        line.push(b'\n');
        match pick(14) {
            // It dies, and leaves a torn line.
            11 => {
                let length = 1 + pick(line.len() - 1);
                books(|books, _| books.records[id].state = super::books::State::Maybe);
                if caller.write(fd, &line[..length]).await.is_ok() && length < text.len() {
                    books(|books, _| books.damaged(at, &line[..length]));
                }
                caller.say(|| "dies".to_owned());
                return;
            }
            // A power cut of some other time left NULs, or something else was in the way.
            12 => {
                let junk: &[u8] =
                    [b"\0\0\0\0\0".as_slice(), b"\0\0\n", b"\0", b"no record\n", b"\xff\xfe{\n", b"{} \r"][pick(6)];
                if junk != b"{} \r" && caller.write(fd, junk).await.is_ok() {
                    books(|books, _| books.damaged(at, junk));
                }
            }
            _ => {}
        }
        let written = if style == Style::Slow {
            let mut cut = 1 + pick(line.len() - 1);
            // What begins there would be a record to everybody.
            while cut > 1 && line[cut..].trim_ascii_start().starts_with(b"{") {
                cut -= 1;
            }
            match caller.write(fd, &line[..cut]).await {
                Ok(()) => caller.write(fd, &line[cut..]).await,
                error => error,
            }
        } else {
            caller.write(fd, &line).await
        };
        match written {
            Ok(()) => {
                let time = now();
                let split = books(|books, fs| {
                    books.told(fs, id, at, time);
                    books.records[id].state == super::books::State::Maybe
                });
                if split {
                    caller.say(|| format!("record {id} was never whole in {at}"));
                }
                caller.say(|| format!("record {id} is written"));
            }
            Err(_) => books(|books, _| books.records[id].state = super::books::State::Maybe),
        }
        if held.is_none() {
            caller.close(fd).await;
        }
    }
}

/// Papyra's compaction, or its recovery, of one file.
pub(super) async fn rewriter(process: Process, suffix: &'static str) {
    let caller = Caller(process);
    let Ok(fd) = caller.open(&path(0), Access::READ, false).await else { return };
    step().await;
    let Some(inode) = with(|fs| fs.inode_of(fd)) else { return };
    let lines = books(|books, fs| books.lines(fs, inode));
    caller.say(|| format!("reads {} records", lines.len()));
    caller.close(fd).await;
    let temporary = PathBuf::from(format!("{}{suffix}", path(0).display()));
    let Ok(fd) = caller.open(&temporary, Access::EMPTY, true).await else { return };
    for line in lines {
        if caller.write_elsewhere(fd, &line).await.is_err() {
            return;
        }
    }
    hurries(process, RENAMING, true);
    caller.close(fd).await;
    if in_thousand(150) {
        caller.say(|| "dies".to_owned());
        return;
    }
    _ = caller.rename(&temporary, &path(0)).await;
}

/// Papyra's compaction of a set: the old files go before the new ones come.
pub(super) async fn set_rewriter(process: Process, files: u32, most: u64) {
    let caller = Caller(process);
    let mut lines = Vec::new();
    for index in (0..files).rev() {
        if !caller.exists(&path(index)).await {
            continue;
        }
        let Ok(fd) = caller.open(&path(index), Access::READ, false).await else { continue };
        step().await;
        if let Some(inode) = with(|fs| fs.inode_of(fd)) {
            lines.extend(books(|books, fs| books.lines(fs, inode)));
        }
        caller.close(fd).await;
    }
    let mut chunks: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut size = 0;
    for line in lines {
        if chunks.is_empty() || size > 0 && size + line.len() as u64 > most {
            chunks.push(Vec::new());
            size = 0;
        }
        size += line.len() as u64;
        if let Some(chunk) = chunks.last_mut() {
            chunk.push(line);
        }
    }
    let from = chunks.len().saturating_sub(files as usize);
    let mut temporaries = Vec::new();
    for (index, chunk) in chunks[from..].iter().rev().enumerate() {
        let temporary = PathBuf::from(format!("{}.compact.tmp", path(index as u32).display()));
        let Ok(fd) = caller.open(&temporary, Access::EMPTY, true).await else { return };
        for line in chunk {
            if caller.write_elsewhere(fd, line).await.is_err() {
                return;
            }
        }
        hurries(process, RENAMING, index + 1 == chunks.len() - from);
        caller.close(fd).await;
        temporaries.push((temporary, path(index as u32)));
    }
    for index in (0..files).rev() {
        if in_thousand(60) {
            caller.say(|| "dies".to_owned());
            return;
        }
        if caller.exists(&path(index)).await {
            caller.unlink(&path(index)).await;
        }
    }
    for (temporary, last) in temporaries {
        if in_thousand(60) {
            caller.say(|| "dies".to_owned());
            return;
        }
        _ = caller.rename(&temporary, &last).await;
    }
}

impl Caller {
    /// Writes to a file that is not a log.
    async fn write_elsewhere(self, fd: Descriptor, bytes: &[u8]) -> Result<()> {
        step().await;
        let (written, inode) = (with(|fs| fs.write(fd, bytes))?, inode_of(fd));
        self.say(|| format!("writes {written} bytes to a temporary"));
        books(|books, _| books.compacted.insert(inode));
        books(|books, fs| books.temporary(fs, inode, false));
        if written == bytes.len() { Ok(()) } else { Err(Errno::NOSPC) }
    }
}

/// logrotate's copytruncate: a copy elsewhere, then the log is emptied where it stands.
pub(super) async fn copy_and_truncate(process: Process) {
    let caller = Caller(process);
    let Ok(fd) = caller.open(&path(0), Access::READ, false).await else { return };
    step().await;
    caller.close(fd).await;
    step().await;
    // `truncate` counts as a writer while it waits for a lease, as an open for writing does (Linux, `vfs_truncate`).
    let access = Access { read: false, write: true, append: false, empty: false };
    let Ok(fd) = caller.open(&path(0), access, false).await else { return };
    let inode = inode_of(fd);
    caller.say(|| format!("empties {inode}"));
    books(|books, fs| books.removed(fs, inode, true));
    with(|fs| fs.truncate(fd, 0)).expect("emptied");
    with(|fs| fs.close(fd));
}

/// Changes one record in place, at the same length.
pub(super) async fn editor(process: Process) {
    let caller = Caller(process);
    let access = Access { read: true, write: true, append: false, empty: false };
    let Ok(fd) = caller.open(&path(0), access, false).await else { return };
    step().await;
    let Some(inode) = with(|fs| fs.inode_of(fd)) else { return };
    let bytes = with(|fs| fs.content(inode).map(super::content::Content::to_vec)).unwrap_or_default();
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n")).collect();
    if lines.is_empty() {
        return;
    }
    let line = lines[pick(lines.len())];
    if line.starts_with(b"no record") || line.starts_with(b"junk") {
        return change_junk(caller, fd, inode, &bytes, line).await;
    }
    let offset = (line.as_ptr() as usize - bytes.as_ptr() as usize) as u64;
    let text = line.trim_ascii();
    let Some(old) = books(|books, _| books.alone(text)).filter(|_| text.len() == line.len() - 1) else { return };
    let mut new_text = text.to_vec();
    let Some(at) = memchr::memmem::find(&new_text, b"\"payload\"") else { return };
    let number = books(|books, _| books.records.len());
    // No mixture of the two numbers is a third.
    let digits = format!("e{number:03}");
    let Some(digit) = new_text[at..].iter().position(u8::is_ascii_digit) else { return };
    if new_text.len() < at + digit + 4 || !new_text[at + digit..at + digit + 4].iter().all(u8::is_ascii_digit) {
        return;
    }
    new_text[at + digit..at + digit + 4].copy_from_slice(digits.as_bytes());
    let begun = now();
    let new = books(|books, _| books.add(new_text.clone(), None, begun));
    step().await;
    // Only what is still there is changed.
    let still = with(|fs| {
        let mut now = vec![0; text.len()];
        fs.read_at(fd, &mut now, offset).is_ok() && now == text
    });
    if !still {
        books(|books, _| books.records[new].state = super::books::State::Maybe);
        return;
    }
    caller.say(|| format!("changes record {old} to {new} in place in {inode}"));
    let written = with(|fs| fs.write_at(fd, &new_text, offset));
    if written == Ok(new_text.len()) {
        books(|books, fs| {
            books.replaced(fs, old, new, inode);
            books.wrote(fs, inode);
        });
    }
    caller.close(fd).await;
}

/// Changes one damaged line to another: nobody may lose that either.
async fn change_junk(caller: Caller, fd: Descriptor, inode: Inode, bytes: &[u8], line: &[u8]) {
    let offset = (line.as_ptr() as usize - bytes.as_ptr() as usize) as u64;
    let old = &line[..4];
    let new = books(|books, _| format!("e{:03}", books.records.len() % 1000)).into_bytes();
    step().await;
    let still = with(|fs| {
        let mut now = [0; 4];
        fs.read_at(fd, &mut now, offset).is_ok() && now == old
    });
    if still {
        caller.say(|| format!("changes {} to {} in place in {inode}", old.escape_ascii(), new.escape_ascii()));
        books(|books, _| books.damage_changed(inode, old, &new));
        _ = with(|fs| fs.write_at(fd, &new, offset));
        books(|books, fs| books.wrote(fs, inode));
    }
    caller.close(fd).await;
}

/// The folder is copied to another place, and everything goes on there: other inodes, the same names.
pub(super) fn copy_folder() {
    say(|| "the folder is copied".to_owned());
    with(|fs| {
        let who = Process { number: 0, user: 0 };
        fs.settings.room = u64::MAX;
        let Ok(folder) = fs.walk(who, Path::new(FOLDER), true) else { return };
        copy_into(fs, folder);
        fs.sync_all();
    });
    books(|books, _| books.copied());
}

fn copy_into(fs: &mut super::file_system::FileSystem, folder: Inode) {
    use super::file_system::Kind;
    for (name, inode) in fs.names(folder).clone() {
        match &fs.nodes[inode].kind {
            Kind::Folder { .. } => copy_into(fs, inode),
            Kind::File { now, .. } => {
                let (bytes, mode, owner) = (now.to_vec(), fs.nodes[inode].meta.mode, fs.nodes[inode].meta.owner);
                let copy = fs.new_file(mode, owner);
                fs.put(copy, &bytes, 0).expect("room");
                fs.set_names(vec![super::power::Set::new(folder, &name, Some(copy))]);
            }
            Kind::Link(_) => {}
        }
    }
}

/// A log of before: records and damage, all of it on the disk.
pub(super) fn old_log(index: u32, most: usize) {
    let service = world(|world| world.service);
    let inode = with(|fs| {
        let who = Process { number: 0, user: service };
        let (folder, name) = fs.place(who, &path(index)).expect("a folder");
        fs.create(who, folder, OsStr::new(&name), 0o644).expect("a log")
    });
    let mut bytes = Vec::new();
    for _ in 0..pick(most + 1) {
        match pick(10) {
            6 => {
                // A torn line, and a record behind it.
                let (text, _) = new_text(5_000 + 1_000 * index as usize + bytes.len() % 1_000);
                let length = 1 + pick(text.len() - 1);
                books(|books, _| books.damaged(inode, &text[..length]));
                bytes.extend_from_slice(&text[..length]);
            }
            7 => bytes.extend(std::iter::repeat_n(0, 1 + pick(20))),
            8 => {
                let junk: &[u8] = [b"junk\n".as_slice(), b"\n", b"\xff\n", b"[1]\n", b"torn{\n", b"junk\r\n"][pick(6)];
                books(|books, _| books.damaged(inode, junk));
                bytes.extend_from_slice(junk);
            }
            _ => {}
        }
        let (id, text) = new_record();
        bytes.extend_from_slice(&text);
        // One whose newline is missing was never told.
        if pick(12) < 10 {
            bytes.push(b'\n');
            let at = now();
            books(|books, _| books.records[id].told = Some(at));
        }
    }
    if pick(4) == 3 {
        let (text, _) = new_text(5_000 + 1_000 * index as usize + bytes.len() % 1_000);
        let length = 1 + pick(text.len() - 1);
        books(|books, _| books.damaged(inode, &text[..length]));
        bytes.extend_from_slice(&text[..length]);
    }
    with(|fs| fs.put(inode, &bytes, 0)).expect("room");
    books(|books, fs| books.wrote(fs, inode));
    say(|| format!("{:?} ({inode}): {}", path(index), bytes.escape_ascii()));
}
