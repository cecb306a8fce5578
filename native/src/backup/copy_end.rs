//! Where a copy of a growing file ends: at the end of a record that was there when the file was pinned.

use crate::disk::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use crate::disk::{Identity, sys};
use crate::error::{Error, Result};
use crate::reading;

/// How long a writer in the middle of a line is waited for.
const MID_LINE: Duration = Duration::from_secs(1);

/// Which file it is, and its size now.
pub(super) fn identity(file: &File, path: &Path) -> Result<Identity> {
    Identity::of_file(file).map_err(|error| Error::cannot_read(path, 0, &error))
}

/// Where to end a copy of a file that had `size` bytes when it was pinned: there, unless a line is under way.
pub(super) fn settled_end(file: &File, path: &Path, size: u64) -> Result<u64> {
    let failed = |error| Error::cannot_read(path, size, &error);
    let begun = sys::now();
    while reading::ends_without_newline(file, size).map_err(failed)? {
        if identity(file, path)?.size > size {
            return line_end(file, size).map_err(failed);
        }
        if sys::now() - begun > MID_LINE.as_millis() as i64 || !file.has_writer() {
            break;
        }
        sys::pause(Duration::from_millis(2));
    }
    Ok(size)
}

/// The end of the last line that ends at or before `size`.
pub(super) fn line_end(file: &File, size: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 1 << 16];
    let mut end = size;
    while end > 0 {
        let width = buffer.len().min(usize::try_from(end).unwrap_or(usize::MAX));
        let start = end - width as u64;
        file.read_exact_at(&mut buffer[..width], start)?;
        if let Some(at) = memchr::memrchr2(b'\n', b'\r', &buffer[..width]) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// The first bytes of a pinned file; where a writer is has no part in it.
pub(super) struct Stretch<'a> {
    pub(super) file: &'a File,
    pub(super) at: u64,
    pub(super) end: u64,
}

impl Read for Stretch<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let width = buffer.len().min(usize::try_from(self.end - self.at).unwrap_or(usize::MAX));
        let read = self.file.read_at(&mut buffer[..width], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_line_ends_at_its_newline_however_far_back() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(b"{}\n{}\r").and_then(|()| file.write_all(&vec![b'x'; 200_000])).expect("written");
        for (size, end) in [(0, 0), (2, 0), (3, 3), (5, 3), (6, 6), (7, 6), (200_006, 6)] {
            assert_eq!(
                line_end(&File::from(file.try_clone().expect("a file")), size).expect("readable"),
                end,
                "{size}"
            );
        }
    }
}
