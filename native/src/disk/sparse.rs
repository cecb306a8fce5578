//! Writing a file from its start to its end, and leaving holes where the bytes are zero: a hole costs no room on the
//! disk.

use std::borrow::Borrow;
use std::io::{self, Write};
use std::ops::Range;

use super::file::{File, Shortened};

/// Bytes held back before they are written.
const BUFFER: usize = 1 << 18;

/// The least run of zeros that becomes a hole: a block of most file systems.
const BLOCK: usize = 4096;

/// A file that is written from its start to its end.
#[derive(Debug)]
pub(crate) struct SparseWriter<F> {
    file: F,
    buffer: Vec<u8>,
    /// Where the buffer's bytes go.
    at: u64,
}

impl<F: Borrow<File>> SparseWriter<F> {
    pub(crate) fn new(file: F) -> SparseWriter<F> {
        SparseWriter { file, buffer: Vec::with_capacity(BUFFER), at: 0 }
    }

    fn write_out(&mut self) -> io::Result<()> {
        let mut from = 0;
        while from < self.buffer.len() {
            let is_hole = |block: &[u8]| block.len() == BLOCK && block.iter().all(|byte| *byte == 0);
            let blocks = self.buffer[from..].chunks(BLOCK);
            let holes = blocks.clone().take_while(|block| is_hole(block)).count() * BLOCK;
            let data = blocks.skip(holes / BLOCK).take_while(|block| !is_hole(block)).map(<[u8]>::len).sum::<usize>();
            let start = from + holes;
            self.file.borrow().write_all_at(&self.buffer[start..start + data], self.at + start as u64)?;
            from = start + data;
        }
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is held back, and gives the file its size where it ends with a hole. Returns the file and its size.
    pub(crate) fn finish(mut self) -> io::Result<(F, u64)> {
        self.write_out()?;
        if self.file.borrow().size()? < self.at {
            self.file.borrow().set_size(self.at)?;
        }
        Ok((self.file, self.at))
    }
}

impl<F: Borrow<File>> Write for SparseWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BUFFER - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        if self.buffer.len() == BUFFER {
            self.write_out()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Hands the bytes of a stretch on, piece by piece, those of holes without reading them.
pub(crate) fn each_piece(
    source: &File,
    range: Range<u64>,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let width = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(1 << 20).min(1 << 20);
    let mut buffer = vec![0; width];
    let mut at = range.start;
    // Only long stretches are worth the question.
    let mut data_at = if width == 1 << 20 { source.next_data(at, range.end) } else { at };
    while at < range.end {
        let want = buffer.len().min(usize::try_from(range.end - at).unwrap_or(usize::MAX));
        if data_at >= at + want as u64 {
            buffer[..want].fill(0);
            each(&buffer[..want])?;
            at += want as u64;
            continue;
        }
        let read = source.read_at(&mut buffer[..want], at)?;
        if read == 0 {
            return Err(io::Error::other(Shortened { at }));
        }
        each(&buffer[..read])?;
        at += read as u64;
        if width == 1 << 20 && buffer[..read].ends_with(&[0; 4096]) {
            data_at = source.next_data(at, range.end);
        }
    }
    Ok(())
}

/// Copies the first `size` bytes of one file to another that is empty, holes as holes.
pub(crate) fn copy(source: &File, size: u64, target: &File) -> io::Result<()> {
    let mut writer = SparseWriter::new(target);
    each_piece(source, 0..size, |bytes| writer.write_all(bytes))?;
    writer.finish().map(drop)
}
