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
    /// Scan them as lines and list at most so many findings.
    pub(super) scan: Option<usize>,
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
    pub(super) summary: Option<Summary>,
    /// Reading stopped here, at byte `bytes`.
    pub(super) read_error: Option<io::Error>,
    /// Writing the copy stopped here.
    pub(super) write_error: Option<io::Error>,
}

/// The bytes of a pass, for whoever wants them besides. Reading from it drives the pass.
pub(super) struct Tap<'a> {
    source: &'a mut dyn Read,
    copy: Option<&'a mut dyn Write>,
    progress: &'a (dyn Fn(u64) + Sync),
    slots: Vec<Arc<Chunk>>,
    workers: Vec<Worker>,
    inline: Option<(Hashes, Option<Scanner>)>,
    chunks: usize,
    bytes: u64,
    /// What of the newest chunk was handed out by [`Read::read`].
    handed: usize,
    ended: bool,
    read_error: Option<io::Error>,
    write_error: Option<io::Error>,
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

/// Carries a pass out. `drain` may read the bytes from the tap; what it leaves is read afterwards all the same.
pub(super) fn pass<T>(task: Task<'_>, drain: impl FnOnce(&mut Tap<'_>) -> T) -> (Passed, T) {
    let hashes = Hashes::new(task.block);
    let scanner = task.scan.map(|most| Scanner::new(0, most));
    let mut tap = Tap {
        source: task.source,
        copy: task.copy,
        progress: task.progress,
        slots: Vec::new(),
        workers: Vec::new(),
        inline: None,
        chunks: 0,
        bytes: 0,
        handed: 0,
        ended: false,
        read_error: None,
        write_error: None,
    };
    let (drained, hashes, summary) = if task.threads {
        std::thread::scope(|scope| {
            let (worker, chunks, done) = Worker::new();
            tap.workers.push(worker);
            let hashing = scope.spawn(move || {
                let mut hashes = hashes;
                each(&chunks, &done, |bytes| hashes.feed(bytes));
                hashes
            });
            let scanning = scanner.map(|mut scanner| {
                let (worker, chunks, done) = Worker::new();
                tap.workers.push(worker);
                scope.spawn(move || {
                    each(&chunks, &done, |bytes| _ = scanner.push(bytes, &mut ()));
                    scanner.finish(&mut ())
                })
            });
            let drained = drain(&mut tap);
            tap.exhaust();
            tap.workers.clear();
            let hashes = hashing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            let summary = scanning.map(|s| s.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            (drained, hashes, summary)
        })
    } else {
        tap.inline = Some((hashes, scanner));
        let drained = drain(&mut tap);
        tap.exhaust();
        let (hashes, scanner) = tap.inline.take().unwrap_or_else(|| (Hashes::new(task.block), None));
        (drained, hashes, scanner.map(|scanner| scanner.finish(&mut ())))
    };
    let (sha256, blocks) = hashes.finish();
    let Tap { bytes, read_error, write_error, .. } = tap;
    (Passed { bytes, sha256, blocks, summary, read_error, write_error }, drained)
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

impl Tap<'_> {
    /// The next chunk; `None` at the end, or when reading or writing failed.
    fn next(&mut self) -> Option<&[u8]> {
        if self.ended {
            return None;
        }
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
        let chunk = Arc::get_mut(&mut self.slots[at])?;
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
            return None;
        }
        self.bytes += length as u64;
        (self.progress)(length as u64);
        for worker in &self.workers {
            // A worker that is gone has panicked, which its join will tell.
            _ = worker.chunks.send(Arc::clone(&self.slots[at]));
        }
        let bytes = &self.slots[at].bytes[..length];
        if let Some((hashes, scanner)) = &mut self.inline {
            hashes.feed(bytes);
            if let Some(scanner) = scanner {
                _ = scanner.push(bytes, &mut ());
            }
        }
        if let Some(copy) = &mut self.copy
            && let Err(error) = copy.write_all(bytes)
        {
            self.write_error = Some(error);
            self.ended = true;
        }
        self.chunks += 1;
        self.handed = 0;
        Some(bytes)
    }

    fn exhaust(&mut self) {
        while self.next().is_some() {}
    }
}

impl Read for Tap<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let newest = |chunks: usize| (chunks + SLOTS - 1) % SLOTS;
        let length = |tap: &Self| tap.slots.get(newest(tap.chunks)).map_or(0, |chunk| chunk.length);
        if (self.chunks == 0 || self.handed == length(self)) && self.next().is_none() {
            return Ok(0);
        }
        let chunk = &self.slots[newest(self.chunks)];
        let width = buffer.len().min(chunk.length - self.handed);
        buffer[..width].copy_from_slice(&chunk.bytes[self.handed..self.handed + width]);
        self.handed += width;
        Ok(width)
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

    #[test]
    fn threads_pieces_and_readers_change_nothing() {
        let line = b"{\"kind\": \"event\"}\n";
        let bytes: Vec<u8> = line.iter().copied().cycle().take(3 * BLOCK + BLOCK / 3).collect();
        let mut results = Vec::new();
        for (threads, read_along) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut copy = Vec::new();
            let mut source = &bytes[..];
            let task = Task {
                source: &mut source,
                copy: Some(&mut copy),
                scan: Some(3),
                block: BLOCK as u64,
                threads,
                progress: &|_| {},
            };
            let (passed, along) = pass(task, |tap| {
                let mut along = Vec::new();
                if read_along {
                    tap.read_to_end(&mut along).expect("memory");
                }
                along
            });
            assert!(copy == bytes && (along == bytes) == read_along);
            assert_eq!((passed.bytes, passed.blocks.crc32.len()), (bytes.len() as u64, 4 * 8));
            assert_eq!(passed.sha256, sha256(&bytes));
            results.push(format!("{:?}", (passed.summary, passed.blocks)));
        }
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
