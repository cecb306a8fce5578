//! A file on its way into a repository: what is written into it is cut into blobs, which threads store.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use papyra_core::digest::sha256;
use rustic_core::Id;
use rustic_core::repofile::BlobType;

use super::chunk::Chunker;
use super::pack::{Packer, id_of};
use crate::error::{Code, Error, Result};

/// The most threads that compress.
const THREADS: usize = 4;

/// The threads that store blobs.
pub(super) struct Storers {
    packer: Arc<Packer>,
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

/// A blob to store; its ID goes to whoever gathers those of its file.
struct Job {
    bytes: Vec<u8>,
    /// Where it is known already.
    id: Option<Id>,
    at: usize,
    to: Sender<(usize, Id)>,
}

/// A file under way.
pub(in crate::backup) struct Incoming {
    chunker: Chunker,
    jobs: Option<SyncSender<Job>>,
    to: Sender<(usize, Id)>,
    ids: Receiver<(usize, Id)>,
    count: usize,
    bytes: u64,
    packer: Arc<Packer>,
}

/// A file that was written to its end.
pub(super) struct Stored {
    pub(super) blobs: Vec<Id>,
    pub(super) bytes: u64,
}

impl Storers {
    pub(super) fn begin(packer: &Arc<Packer>, threads: usize) -> Storers {
        let (jobs, waiting) = sync_channel(2 * THREADS);
        let waiting = Arc::new(Mutex::new(waiting));
        let work = |_| {
            let (packer, waiting) = (Arc::clone(packer), Arc::clone(&waiting));
            std::thread::spawn(move || work(&packer, &waiting))
        };
        let threads = (0..threads.clamp(1, THREADS)).map(work).collect();
        Storers { packer: Arc::clone(packer), jobs: Some(jobs), threads }
    }

    /// Begins a file.
    pub(super) fn file(&self, chunker: Chunker) -> Incoming {
        let (to, ids) = channel();
        let (jobs, packer) = (self.jobs.clone(), Arc::clone(&self.packer));
        Incoming { chunker, jobs, to, ids, count: 0, bytes: 0, packer }
    }

    /// All that was handed over is stored after this, or a failure is remembered.
    pub(super) fn stop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.packer.fail(Error::new(Code::Io, "a thread that stores blobs has failed"));
            }
        }
    }
}

impl Drop for Storers {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Stores what comes, until nothing comes any more.
fn work(packer: &Packer, waiting: &Mutex<Receiver<Job>>) {
    let mut compressor = match packer.compressor() {
        Ok(compressor) => compressor,
        Err(error) => return packer.fail(error),
    };
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { bytes, id, at, to }) = job else { return };
        let done = id
            .map_or_else(|| id_of(&sha256(&bytes)), Ok)
            .and_then(|id| packer.store(BlobType::Data, id, &bytes, &mut compressor).map(|()| id));
        match done {
            Ok(id) => _ = to.send((at, id)),
            Err(error) => packer.fail(error),
        }
    }
}

impl Incoming {
    pub(super) fn finish(mut self) -> Result<Stored> {
        // Why it failed is told below.
        _ = self.work(|chunker, each| chunker.end(each));
        drop((self.to, self.jobs));
        let mut ids: Vec<(usize, Id)> = self.ids.iter().collect();
        ids.sort_by_key(|(at, _)| *at);
        self.packer.check()?;
        if ids.len() != self.count {
            return Err(Error::new(Code::Io, "a part of a file was not stored"));
        }
        Ok(Stored { blobs: ids.into_iter().map(|(_, id)| id).collect(), bytes: self.bytes })
    }

    /// Has the chunker work, and sends on what comes of it.
    fn work(
        &mut self,
        chunk: impl FnOnce(&mut Chunker, &mut dyn FnMut(Vec<u8>, Option<Id>) -> io::Result<()>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Incoming { chunker, jobs, to, count, bytes: total, .. } = self;
        chunk(chunker, &mut |bytes, id| {
            *total += bytes.len() as u64;
            let job = Job { bytes, id, at: *count, to: to.clone() };
            *count += 1;
            let gone = || io::Error::other("the thread that stores blobs has ended");
            jobs.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())
        })
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Why it failed is told at the end; there is no use in going on.
        if self.packer.has_failed() {
            return Err(io::Error::other("writing to the repository failed"));
        }
        self.work(|chunker, each| chunker.push(bytes, each))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
