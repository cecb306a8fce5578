//! Where a file is cut into blobs: by its content, as restic does it, so that what two files share is found in both
//! (github.com/restic/chunker; the repository's configuration has polynomial and sizes).

use rustic_cdc::{Rabin64, RollingHash64};

/// The bytes that the rolling hash looks at.
const WINDOW: usize = 64;

/// Cuts a stream of bytes.
pub(super) struct Chunker {
    hash: Rabin64,
    mask: u64,
    smallest: usize,
    largest: usize,
    chunk: Vec<u8>,
}

impl Chunker {
    /// Chunks of `size` bytes on average, which is a power of two.
    pub(super) fn new(polynomial: u64, size: usize, smallest: usize, largest: usize) -> Chunker {
        let smallest = smallest.max(WINDOW);
        let hash = Rabin64::new_with_polynom(WINDOW.ilog2(), &polynomial);
        Chunker {
            hash,
            mask: size.next_power_of_two() as u64 - 1,
            smallest,
            largest: largest.max(smallest),
            chunk: Vec::new(),
        }
    }

    /// Takes bytes in, and hands on each chunk that they complete.
    pub(super) fn push<E>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !bytes.is_empty() {
            if self.chunk.len() < self.smallest {
                let (head, tail) = bytes.split_at(bytes.len().min(self.smallest - self.chunk.len()));
                self.chunk.extend_from_slice(head);
                bytes = tail;
                if self.chunk.len() < self.smallest {
                    return Ok(());
                }
                let window = self.chunk.len() - WINDOW;
                self.hash.reset_and_prefill_window(&mut self.chunk[window..].iter().copied());
            }
            let mut taken = 0;
            let mut is_full = self.is_full(0);
            while !is_full && taken < bytes.len() {
                self.hash.slide(bytes[taken]);
                taken += 1;
                is_full = self.is_full(taken);
            }
            self.chunk.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if is_full {
                each(std::mem::take(&mut self.chunk))?;
            }
        }
        Ok(())
    }

    fn is_full(&self, more: usize) -> bool {
        self.hash.hash & self.mask == 0 || self.chunk.len() + more >= self.largest
    }

    /// What is left at the end.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn cut(bytes: &[u8], pieces: usize) -> Vec<Vec<u8>> {
        let mut chunker = Chunker::new(0x003D_A335_8B4D_C173, 1 << 12, 1 << 10, 1 << 14);
        let mut chunks = Vec::new();
        for piece in bytes.chunks(pieces) {
            let Ok(()) = chunker.push(piece, |chunk| {
                chunks.push(chunk);
                Ok::<_, Infallible>(())
            });
        }
        chunks.extend(Some(chunker.rest()).filter(|rest| !rest.is_empty()));
        chunks
    }

    fn noise(length: u32) -> Vec<u8> {
        (0..length).map(|at| (at.wrapping_mul(2_654_435_761).rotate_left(at % 31) >> 13) as u8).collect()
    }

    #[test]
    fn chunks_are_the_bytes_wherever_pieces_end_and_depend_on_content_alone() {
        let bytes = noise(300_000);
        let whole = cut(&bytes, bytes.len());
        assert!(whole.len() > 20, "{}", whole.len());
        assert_eq!(whole.concat(), bytes);
        assert!(whole[..whole.len() - 1].iter().all(|chunk| (1 << 10..=1 << 14).contains(&chunk.len())));
        for pieces in [1, 7, 1000, 1024, 4096, 65_536] {
            assert_eq!(cut(&bytes, pieces), whole, "{pieces}");
        }
        // What is put before shifts the rest, and its chunks are the same again soon.
        let shifted = cut(&[&noise(5000)[..], &bytes].concat(), 4096);
        assert_eq!(shifted.last(), whole.last());
        assert!(cut(&vec![0; 100_000], 999).iter().rev().skip(1).all(|chunk| chunk.len() <= 1 << 14));
    }
}
