//! Writing files that are to last: compressing, syncing, and giving them the attributes of what they are copies of.

use crate::disk::File;
use std::io::{self, Read, Write};
use std::sync::mpsc;
use std::thread::JoinHandle;

use flate2::write::GzEncoder;
use papyra_core::manifest::Compression;
use ruzstd::encoding::{CompressionLevel, FrameCompressor};

use super::pass::Hashed;

/// Compresses `bytes`; returns the size and hash of what came out.
pub(super) fn pack(compression: Compression, bytes: &mut dyn Read, to: &mut dyn Write) -> io::Result<(u64, String)> {
    let mut output = Hashed::new(io::BufWriter::with_capacity(1 << 18, to));
    if compression == Compression::Gzip {
        let mut encoder = GzEncoder::new(&mut output, flate2::Compression::default());
        io::copy(bytes, &mut encoder)?;
        encoder.finish()?;
    } else {
        // The encoder knows no errors: they are kept from it and looked at afterwards.
        let mut deaf = Deaf { inner: &mut output, failed: None };
        let mut encoder = FrameCompressor::new(CompressionLevel::Fastest);
        encoder.set_source(Quiet(bytes));
        encoder.set_drain(&mut deaf);
        encoder.compress();
        drop(encoder);
        if let Some(error) = deaf.failed {
            return Err(error);
        }
    }
    output.flush()?;
    Ok(output.finish())
}

struct Deaf<'a> {
    inner: &'a mut dyn Write,
    failed: Option<io::Error>,
}

impl Write for Deaf<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            self.failed = self.inner.write_all(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A reader whose errors are told elsewhere: a pass remembers them.
struct Quiet<'a>(&'a mut dyn Read);

impl Read for Quiet<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.0.read(buffer).unwrap_or(0))
    }
}

/// Syncs what was written: on a thread of its own, while the next bytes are being copied, or at once.
pub(super) struct Syncer {
    thread: Option<(mpsc::Sender<File>, JoinHandle<io::Result<()>>)>,
}

impl Syncer {
    /// Bytes of one file between two syncs.
    const EVERY: u64 = 64 << 20;

    pub(super) fn begin(on_a_thread: bool) -> Syncer {
        let thread = on_a_thread.then(|| {
            let (due, wait) = mpsc::channel::<File>();
            (due, std::thread::spawn(move || wait.iter().try_for_each(|file| file.sync_all())))
        });
        Syncer { thread }
    }

    /// The file is written to its end.
    pub(super) fn add(&self, file: File) -> io::Result<()> {
        match &self.thread {
            // A thread that is gone has met an error, which the end tells.
            Some((due, _)) => {
                _ = due.send(file);
                Ok(())
            }
            None => file.sync_all(),
        }
    }

    /// All that was added is on the disk after this.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let Some((due, thread)) = self.thread.take() else { return Ok(()) };
        drop(due);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    pub(super) fn paced<'a>(&'a self, file: &'a File) -> Paced<'a> {
        Paced { file, syncer: self, since: 0 }
    }
}

/// A file that is synced now and then while it is written.
pub(super) struct Paced<'a> {
    file: &'a File,
    syncer: &'a Syncer,
    since: u64,
}

impl Write for Paced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.since += written as u64;
        if self.syncer.thread.is_some() && self.since >= Syncer::EVERY {
            self.since = 0;
            self.syncer.add(self.file.try_clone()?)?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives a file permission bits, a modification time, and an owner if that can be done.
pub(super) fn set_attributes(file: &File, mode: u32, modified_ns: i64, owner: Option<(u32, u32)>) -> io::Result<()> {
    use rustix::fs::{Gid, Mode, Timespec, Timestamps, Uid, fchmod, fchown, futimens};
    if let Some((uid, gid)) = owner {
        fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    fchmod(file, Mode::from_raw_mode(mode & 0o777))?;
    let time =
        Timespec { tv_sec: modified_ns.div_euclid(1_000_000_000), tv_nsec: modified_ns.rem_euclid(1_000_000_000) as _ };
    futimens(file, &Timestamps { last_access: time, last_modification: time })?;
    Ok(())
}
