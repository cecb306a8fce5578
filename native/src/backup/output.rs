//! Writing files that are to last: compressing, syncing, and giving them the attributes of what they are copies of.

use crate::disk::fault::Fault;
use crate::disk::{File, Stat};
use std::io::{self, Write};
use std::sync::mpsc;
use std::thread::JoinHandle;

use flate2::write::GzEncoder;
use papyra_core::archive::Format;
use papyra_core::manifest::Origin;

use super::access::Access;
use super::pipeline::Hashed;

/// How hard zstd tries. On logs the next levels take longer and come out no smaller; those that always beat gzip's size
/// take longer than it does.
const LEVEL: i32 = 1;

/// As many threads as compress at a time, each of which holds some MiB.
const MOST_THREADS: usize = 8;

/// Compresses what is written to it.
pub(super) enum Packer<'a> {
    Gzip(GzEncoder<Packed<'a>>),
    Zstd(zstd::Encoder<'static, Packed<'a>>),
}

/// Compressed bytes on their way out.
type Packed<'a> = Hashed<io::BufWriter<&'a mut dyn Write>>;

impl<'a> Packer<'a> {
    /// Packs into `format`; zstd on so many threads of its own, if it is more than one.
    pub(super) fn new(format: Format, threads: usize, to: &'a mut dyn Write) -> io::Result<Packer<'a>> {
        let to = Hashed::new(io::BufWriter::with_capacity(1 << 18, to));
        Ok(match format {
            Format::Gzip => Packer::Gzip(GzEncoder::new(to, flate2::Compression::default())),
            Format::Zstd => {
                let mut encoder = zstd::Encoder::new(to, LEVEL)?;
                encoder.include_checksum(true)?;
                if threads > 1 {
                    encoder.multithread(threads.min(MOST_THREADS) as u32)?;
                }
                Packer::Zstd(encoder)
            }
        })
    }

    /// The size and hash of what came out.
    pub(super) fn finish(self) -> io::Result<(u64, String)> {
        let mut packed = match self {
            Packer::Gzip(encoder) => encoder.finish()?,
            Packer::Zstd(encoder) => encoder.finish()?,
        };
        packed.flush()?;
        Ok(packed.finish())
    }
}

impl Write for Packer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packer::Gzip(encoder) => encoder.write(bytes),
            Packer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Packer::Gzip(encoder) => encoder.flush(),
            Packer::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// Syncs what was written: on a thread of its own, while the next bytes are being copied, or at once.
pub(super) struct Syncer {
    thread: Option<(mpsc::SyncSender<File>, JoinHandle<io::Result<()>>)>,
}

impl Syncer {
    /// Bytes of one file between two syncs.
    const EVERY: u64 = 64 << 20;

    /// Files that may wait, which are open as long as they do.
    const WAITING: usize = 8;

    pub(super) fn begin(on_a_thread: bool) -> Syncer {
        let thread = on_a_thread.then(|| {
            let (due, wait) = mpsc::sync_channel::<File>(Syncer::WAITING);
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
            None if Fault::BackupNotSynced.is_back() => Ok(()),
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
        Paced { sparse: Sparse::new(file), syncer: self, since: 0 }
    }
}

/// A file that is synced now and then while it is written. Whoever writes it sets its length at the end.
pub(super) struct Paced<'a> {
    sparse: Sparse<'a>,
    syncer: &'a Syncer,
    since: u64,
}

impl Write for Paced<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sparse.write_all(bytes)?;
        self.since += bytes.len() as u64;
        if self.syncer.thread.is_some() && self.since >= Syncer::EVERY {
            self.since = 0;
            self.syncer.add(self.sparse.file.try_clone()?)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes an empty file from its beginning and leaves holes where whole pages are zero: a log with a hole takes no more
/// room as a copy.
pub(super) struct Sparse<'a> {
    file: &'a File,
    at: u64,
}

impl<'a> Sparse<'a> {
    const PAGE: usize = 4096;

    pub(super) fn new(file: &'a File) -> Sparse<'a> {
        Sparse { file, at: 0 }
    }

    /// All was written: what ends in a hole gets its length.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.set_size(self.at)
    }
}

impl Write for Sparse<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (mut written, mut seen) = (0, 0);
        while seen < bytes.len() {
            // The remainder is below a page.
            let to_the_edge = Self::PAGE - ((self.at + seen as u64) % Self::PAGE as u64) as usize;
            let piece = &bytes[seen..bytes.len().min(seen + to_the_edge)];
            if piece.len() == Self::PAGE && piece.iter().all(|byte| *byte == 0) {
                self.file.write_all_at(&bytes[written..seen], self.at + written as u64)?;
                written = seen + piece.len();
            }
            seen += piece.len();
        }
        self.file.write_all_at(&bytes[written..], self.at + written as u64)?;
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Gives a file who may read and change it, a modification time, and an owner if that can be done.
pub(super) fn set_attributes(
    file: &File,
    access: &Access,
    modified_ns: i64,
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    access.give(file, owner)?;
    file.set_modified(modified_ns)
}

/// Nanoseconds since 1970.
pub(super) fn nanoseconds(time: (i64, i64)) -> i64 {
    time.0.saturating_mul(1_000_000_000).saturating_add(time.1)
}

/// What a manifest says of the file that `end` bytes were read of.
pub(super) fn origin(stat: &Stat, end: u64) -> Origin {
    let &Stat { device, inode, changed, .. } = stat;
    Origin { device, inode, changed_ns: Some(nanoseconds(changed)), index: 0, seen_bytes: end, cut: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_with_holes_has_the_same_bytes_however_they_come() {
        let mut bytes = vec![0; 10 * Sparse::PAGE + 17];
        for at in [0, 2 * Sparse::PAGE - 1, 3 * Sparse::PAGE, 7 * Sparse::PAGE + 5] {
            bytes[at] = b'x';
        }
        for (pieces, end) in [(1, bytes.len()), (100, bytes.len()), (Sparse::PAGE, 10 * Sparse::PAGE), (70_000, 6)] {
            let file = File::from(tempfile::tempfile().expect("a file"));
            let mut sparse = Sparse::new(&file);
            bytes[..end].chunks(pieces).for_each(|piece| sparse.write_all(piece).expect("written"));
            sparse.finish().expect("written");
            let mut copy = vec![1; end];
            file.read_exact_at(&mut copy, 0).expect("read");
            assert!(copy == bytes[..end], "{pieces}");
            assert_eq!(file.size().expect("there"), end as u64);
        }
    }
}
