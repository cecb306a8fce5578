//! One pass over a file's bytes: read, write, hash and scan, each byte fetched once.
//!
//! The caller's thread reads and writes; hashing and scanning run on threads of their own where the file is large
//! enough for that to pay. What the bytes are and where they go is the caller's affair.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use papyra_core::digest::{Hashes, hex};
use papyra_core::manifest::Blocks;
use papyra_core::scan::Scanner;
use papyra_core::summary::Summary;
use papyra_core::verification::{Inside, Seen};
use sha2::{Digest, Sha256};

pub(super) use papyra_core::digest::sha256;

/// Bytes read at a time, and the length of a stretch with a checksum of its own.
pub(super) const BLOCK: usize = 1 << 20;

/// Chunks under way at a time.
const SLOTS: usize = 8;

/// What to read and what to do with it.
pub(super) struct Task<'a> {
    /// Where the bytes come from.
    pub(super) source: &'a mut dyn Read,
    /// Where they go, as they are.
    pub(super) copy: Option<&'a mut dyn Write>,
    /// Looks into them.
    pub(super) inside: Inside,
    /// How many findings are listed of the lines in them.
    pub(super) max_findings: usize,
    /// The stretch's length in bytes for checksums.
    pub(super) block: u64,
    /// Whether to hash and scan on other threads.
    pub(super) threads: bool,
    /// Is told how many more bytes were read.
    pub(super) progress: &'a (dyn Fn(u64) + Sync),
}

/// The result of one pass.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) bytes: u64,
    pub(super) sha256: String,
    pub(super) blocks: Blocks,
    /// What a scan of the lines in them found.
    pub(super) summary: Summary,
    pub(super) seen: Seen,
    /// Reading stopped here, at byte `bytes`.
    pub(super) read_error: Option<io::Error>,
    /// Writing the copy stopped here.
    pub(super) write_error: Option<io::Error>,
}

/// Reads chunk after chunk and hands them on.
struct Reading<'a> {
    source: &'a mut dyn Read,
    copy: Option<&'a mut dyn Write>,
    progress: &'a (dyn Fn(u64) + Sync),
    slots: Vec<Arc<Chunk>>,
    workers: Vec<Worker>,
    chunks: usize,
    bytes: u64,
    ended: bool,
    read_error: Option<io::Error>,
    write_error: Option<io::Error>,
}

/// Looks into the bytes, and scans the lines in them.
struct Looking {
    inside: Inside,
    scanner: Scanner,
}

impl Looking {
    fn feed(&mut self, bytes: &[u8]) {
        let Looking { inside, scanner } = self;
        inside.push(bytes, None, &mut |piece| _ = scanner.push(piece.plain, &mut ()));
    }

    fn finish(self) -> (Summary, Seen) {
        let Looking { mut inside, mut scanner } = self;
        inside.finish(&mut |piece| _ = scanner.push(piece.plain, &mut ()));
        (scanner.finish(&mut ()), inside.seen())
    }
}

struct Chunk {
    bytes: Vec<u8>,
    length: usize,
}

/// A thread that is sent chunks and says when it is done with each.
struct Worker {
    chunks: SyncSender<Arc<Chunk>>,
    done: Receiver<()>,
    finished: usize,
}

/// Carries a pass out.
pub(super) fn run(task: Task<'_>) -> Passed {
    let mut hashes = Hashes::new(task.block);
    let mut looking = Looking { inside: task.inside, scanner: Scanner::new(0, task.max_findings) };
    let mut reading = Reading {
        source: task.source,
        copy: task.copy,
        progress: task.progress,
        slots: Vec::new(),
        workers: Vec::new(),
        chunks: 0,
        bytes: 0,
        ended: false,
        read_error: None,
        write_error: None,
    };
    if task.threads {
        (hashes, looking) = std::thread::scope(|scope| {
            let (worker, chunks, done) = Worker::new();
            reading.workers.push(worker);
            let hashing = scope.spawn(move || {
                each(&chunks, &done, |bytes| hashes.feed(bytes));
                hashes
            });
            let (worker, chunks, done) = Worker::new();
            reading.workers.push(worker);
            let scanning = scope.spawn(move || {
                each(&chunks, &done, |bytes| looking.feed(bytes));
                looking
            });
            reading.exhaust(&mut |_| {});
            reading.workers.clear();
            let hashes = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (hashes, scanning.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
    } else {
        reading.exhaust(&mut |bytes| {
            hashes.feed(bytes);
            looking.feed(bytes);
        });
    }
    let (sha256, blocks) = hashes.finish();
    let (summary, seen) = looking.finish();
    let Reading { bytes, read_error, write_error, .. } = reading;
    Passed { bytes, sha256, blocks, summary, seen, read_error, write_error }
}

fn each(chunks: &Receiver<Arc<Chunk>>, done: &SyncSender<()>, mut work: impl FnMut(&[u8])) {
    while let Ok(chunk) = chunks.recv() {
        work(&chunk.bytes[..chunk.length]);
        drop(chunk);
        // Once all are sent, nobody waits for a free slot any more; what is sent is worked on all the same.
        _ = done.send(());
    }
}

impl Worker {
    fn new() -> (Worker, Receiver<Arc<Chunk>>, SyncSender<()>) {
        let (chunks, received) = sync_channel(SLOTS);
        // Never full: no more chunks than slots are under way.
        let (said, done) = sync_channel(2 * SLOTS);
        (Worker { chunks, done, finished: 0 }, received, said)
    }
}

impl Reading<'_> {
    /// Reads to the end, or to where reading or writing fails. The workers get all of it, and so does `here`.
    fn exhaust(&mut self, here: &mut dyn FnMut(&[u8])) {
        while !self.ended {
            self.chunk(here);
        }
    }

    fn chunk(&mut self, here: &mut dyn FnMut(&[u8])) {
        let at = self.chunks % SLOTS;
        if self.slots.len() <= at {
            self.slots.push(Arc::new(Chunk { bytes: vec![0; BLOCK], length: 0 }));
        }
        for worker in &mut self.workers {
            while worker.finished + SLOTS <= self.chunks && worker.done.recv().is_ok() {
                worker.finished += 1;
            }
        }
        // A worker lets go of a chunk before it says so.
        let Some(chunk) = Arc::get_mut(&mut self.slots[at]) else {
            // It is gone without having said so: it has panicked, which its join will tell.
            self.ended = true;
            return;
        };
        chunk.length = 0;
        while chunk.length < chunk.bytes.len() {
            match self.source.read(&mut chunk.bytes[chunk.length..]) {
                Ok(0) => break,
                Ok(read) => chunk.length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.read_error = Some(error);
                    break;
                }
            }
        }
        let length = chunk.length;
        self.ended = length < BLOCK;
        if length == 0 {
            return;
        }
        self.bytes += length as u64;
        (self.progress)(length as u64);
        for worker in &self.workers {
            // A worker that is gone has panicked, which its join will tell.
            _ = worker.chunks.send(Arc::clone(&self.slots[at]));
        }
        let bytes = &self.slots[at].bytes[..length];
        here(bytes);
        if let Some(copy) = &mut self.copy
            && let Err(error) = copy.write_all(bytes)
        {
            self.write_error = Some(error);
            self.ended = true;
        }
        self.chunks += 1;
    }
}

/// Hashes what passes through it on the way in or out.
pub(super) struct Hashed<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
    /// Why reading from `inner` stopped, where whoever unpacks what is read may tell it otherwise.
    pub(super) failed: Option<io::Error>,
}

impl<T> Hashed<T> {
    pub(super) fn new(inner: T) -> Hashed<T> {
        Hashed { inner, hash: Sha256::new(), bytes: 0, failed: None }
    }

    /// Size and SHA-256 of what has passed.
    pub(super) fn finish(self) -> (u64, String) {
        (self.bytes, hex(&self.hash.finalize()))
    }
}

impl<T: Read> Read for Hashed<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer).inspect_err(|error| {
            if error.kind() != io::ErrorKind::Interrupted {
                let copy = error.raw_os_error().map(io::Error::from_raw_os_error);
                self.failed = Some(copy.unwrap_or_else(|| io::Error::new(error.kind(), error.to_string())));
            }
        })?;
        self.hash.update(&buffer[..read]);
        self.bytes += read as u64;
        Ok(read)
    }
}

impl<T: Write> Write for Hashed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use papyra_core::manifest::Content;

    #[test]
    fn threads_change_nothing() {
        let line = b"{\"kind\": \"event\"}\n";
        let bytes: Vec<u8> = line.iter().copied().cycle().take(3 * BLOCK + BLOCK / 3).collect();
        let mut results = Vec::new();
        for threads in [false, true] {
            let mut copy = Vec::new();
            let mut source = &bytes[..];
            let passed = run(Task {
                source: &mut source,
                copy: Some(&mut copy),
                inside: Inside::new(Content::Log, None, "log", 3),
                max_findings: 3,
                block: BLOCK as u64,
                threads,
                progress: &|_| {},
            });
            assert!(copy == bytes);
            assert_eq!((passed.bytes, passed.blocks.crc32.len()), (bytes.len() as u64, 4 * 8));
            assert_eq!(passed.sha256, sha256(&bytes));
            results.push(format!("{:?}", (passed.summary, passed.blocks)));
        }
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
