//! Where a file is cut into blobs: by its content, as restic does it, so that what two files share is found in both
//! (github.com/restic/chunker; the repository's configuration has polynomial and sizes).

use std::collections::VecDeque;

use papyra_core::digest::sha256;
use rustic_cdc::{Rabin64, RollingHash64};
use rustic_core::Id;

use super::pack::id_of;

/// The bytes that the rolling hash looks at.
const WINDOW: usize = 64;

/// Cuts a stream of bytes.
pub(super) struct Chunker {
    hash: Rabin64,
    mask: u64,
    smallest: usize,
    largest: usize,
    chunk: Vec<u8>,
    /// The chunks that come next as long as the file begins as it did: their lengths in bytes, and their IDs.
    before: VecDeque<(usize, Id)>,
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
            before: VecDeque::new(),
        }
    }

    /// Where the file was cut the last time. As long as it has the same bytes it is cut there again, which a hash tells
    /// sooner than the rolling one; the end of that file was no cut.
    pub(super) fn cut_before(mut self, before: &[(usize, Id)]) -> Chunker {
        let largest = self.largest;
        let cuts = before.split_last().map_or(&[][..], |(_, cuts)| cuts);
        self.before.extend(cuts.iter().take_while(|(length, _)| (1..=largest).contains(length)));
        self
    }

    /// Takes bytes in, and hands on each chunk that they complete, with its ID where that is known.
    pub(super) fn push<E>(
        &mut self,
        mut bytes: &[u8],
        each: &mut (impl FnMut(Vec<u8>, Option<Id>) -> Result<(), E> + ?Sized),
    ) -> Result<(), E> {
        while let Some(&(length, id)) = self.before.front() {
            let (head, tail) = bytes.split_at(bytes.len().min(length - self.chunk.len()));
            self.chunk.extend_from_slice(head);
            bytes = tail;
            if self.chunk.len() < length {
                return Ok(());
            }
            if id_of(&sha256(&self.chunk)).is_ok_and(|now| now == id) {
                self.before.pop_front();
                each(std::mem::take(&mut self.chunk), Some(id))?;
            } else {
                self.cut_anew(each)?;
            }
        }
        self.cut(bytes, each)
    }

    /// What was kept is not what was there before.
    fn cut_anew<E>(&mut self, each: &mut (impl FnMut(Vec<u8>, Option<Id>) -> Result<(), E> + ?Sized)) -> Result<(), E> {
        self.before.clear();
        let kept = std::mem::take(&mut self.chunk);
        self.cut(&kept, each)
    }

    fn cut<E>(
        &mut self,
        mut bytes: &[u8],
        each: &mut (impl FnMut(Vec<u8>, Option<Id>) -> Result<(), E> + ?Sized),
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
                each(std::mem::take(&mut self.chunk), None)?;
            }
        }
        Ok(())
    }

    fn is_full(&self, more: usize) -> bool {
        self.hash.hash & self.mask == 0 || self.chunk.len() + more >= self.largest
    }

    /// Hands on what is left at the end.
    pub(super) fn end<E>(
        &mut self,
        each: &mut (impl FnMut(Vec<u8>, Option<Id>) -> Result<(), E> + ?Sized),
    ) -> Result<(), E> {
        if !self.before.is_empty() {
            self.cut_anew(each)?;
        }
        let rest = std::mem::take(&mut self.chunk);
        if rest.is_empty() { Ok(()) } else { each(rest, None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn cut(bytes: &[u8], pieces: usize) -> Vec<Vec<u8>> {
        cut_as(&[], bytes, pieces)
    }

    /// The chunks of bytes that come in pieces, of a file that had these chunks before.
    fn cut_as(before: &[Vec<u8>], bytes: &[u8], pieces: usize) -> Vec<Vec<u8>> {
        let id = |chunk: &Vec<u8>| id_of(&sha256(chunk)).expect("an ID");
        let before: Vec<(usize, Id)> = before.iter().map(|chunk| (chunk.len(), id(chunk))).collect();
        let mut chunker = Chunker::new(0x003D_A335_8B4D_C173, 1 << 12, 1 << 10, 1 << 14).cut_before(&before);
        let mut chunks = Vec::new();
        let mut take = |chunk: Vec<u8>, known: Option<Id>| {
            assert!(known.is_none_or(|known| known == id(&chunk)));
            chunks.push(chunk);
            Ok::<_, Infallible>(())
        };
        for piece in bytes.chunks(pieces) {
            let Ok(()) = chunker.push(piece, &mut take);
        }
        let Ok(()) = chunker.end(&mut take);
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

    #[test]
    fn a_file_is_cut_as_if_nothing_was_known_of_it_whatever_became_of_it_since() {
        let old = noise(200_000);
        let before = cut(&old, 4096);
        let changed = |at: usize| {
            let mut bytes = [&old[..], &noise(70_000)[..]].concat();
            bytes[at] ^= 1;
            bytes
        };
        let files = [
            old.clone(),
            [&old[..], &noise(70_000)[..]].concat(),
            changed(0),
            changed(100_000),
            changed(199_999),
            old[..150_000].to_vec(),
            old[..1].to_vec(),
            old[77..].to_vec(),
            Vec::new(),
        ];
        for (at, file) in files.iter().enumerate() {
            let afresh = cut(file, file.len().max(1));
            for pieces in [1, 1000, 4096, 65_536] {
                assert!(cut_as(&before, file, pieces) == afresh, "file {at} in pieces of {pieces}");
            }
            for odd in [&[][..], &before[1..], &[vec![7; 1 << 15], vec![]][..], &[vec![], vec![1]][..]] {
                assert!(cut_as(odd, file, 5000) == afresh, "file {at}");
            }
        }
    }
}
