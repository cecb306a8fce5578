//! Compressed logs: recognised by content, read as a stream, never written.

use std::fmt::Display;
use std::io::{self, Read};
use std::ops::Range;

use papyra_core::archive::{self, Broken};
use papyra_core::report::{FileReport, Role};
use papyra_core::sniff::HEAD;
use papyra_core::summary::Summary;
use papyra_core::unpack::Decoder;

use crate::disk::File;

pub use papyra_core::archive::Format;

/// The format of an open file.
pub(crate) fn of_file(file: &File) -> io::Result<Option<Format>> {
    let mut head = [0; Format::HEAD];
    let filled = read_at(file, &mut head, 0)?;
    Ok(Format::of(&head[..filled]))
}

/// Fills `buffer` from `offset` on, as far as the file goes.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The first [`HEAD`] bytes of what an open file unpacks to, or as many as can be had.
pub(crate) fn head(format: Format, file: &File) -> Vec<u8> {
    let mut head = Vec::new();
    // What is wrong with it is for a scan to say.
    _ = unpack(format, Behind { file, at: 0 }).take(HEAD as u64).read_to_end(&mut head);
    head
}

/// Reads a file from its start without moving the place where others read it.
struct Behind<'a> {
    file: &'a File,
    at: u64,
}

impl Read for Behind<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// The content of `input`. Where unpacking fails, the error is a [`Broken`]; where reading does, it is the reader's.
pub fn unpack<R: Read>(format: Format, input: R) -> Unpacked<R> {
    Unpacked {
        input,
        decoder: Some(Decoder::of(Some(format))),
        packed: vec![0; PORTION],
        unread: 0..0,
        plain: Vec::new(),
        given: 0,
        failed: None,
    }
}

/// The content of `input`, which may be packed.
pub(crate) fn content<'a>(format: Option<Format>, input: impl Read + 'a) -> Box<dyn Read + 'a> {
    match format {
        None => Box::new(input),
        Some(format) => Box::new(unpack(format, input)),
    }
}

/// The report on a compressed log: what it unpacks to, and how that ended.
pub fn report(
    name: impl Into<String>,
    format: Format,
    summary: Summary,
    ended: Result<(), impl Display>,
) -> FileReport {
    let mut report = FileReport::new(name, Role::Active, 0, summary);
    if let Err(error) = ended {
        report.add(archive::finding(format, report.bytes, &error));
    }
    report
}

/// Packed bytes read at a time.
const PORTION: usize = 1 << 16;

/// What packed bytes unpack to.
pub struct Unpacked<R> {
    input: R,
    /// Until the packed bytes have ended, one way or the other.
    decoder: Option<Decoder>,
    packed: Vec<u8>,
    unread: Range<usize>,
    plain: Vec<u8>,
    given: usize,
    failed: Option<Broken>,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.plain.len() {
            if let Some(broken) = self.failed {
                return Err(io::Error::other(broken));
            }
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            if self.unread.is_empty() {
                self.unread = 0..self.input.read(&mut self.packed)?;
            }
            self.plain.clear();
            self.given = 0;
            let packed = &self.packed[self.unread.clone()];
            let mut out = |plain: &[u8]| self.plain.extend_from_slice(plain);
            let ended = packed.is_empty();
            let stepped = if ended { decoder.finish(&mut out).map(|()| 0) } else { decoder.step(packed, &mut out) };
            match stepped {
                Ok(used) => self.unread.start += used,
                Err(broken) => self.failed = Some(broken),
            }
            if ended || self.failed.is_some() {
                self.decoder = None;
            }
        }
        let width = buffer.len().min(self.plain.len() - self.given);
        buffer[..width].copy_from_slice(&self.plain[self.given..self.given + width]);
        self.given += width;
        Ok(width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn members_and_frames_follow_one_another() {
        let mut gzip = Vec::new();
        for part in ["one\n", "two\n"] {
            let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            member.write_all(part.as_bytes()).expect("memory");
            gzip.extend(member.finish().expect("memory"));
        }
        let skippable = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let frame = |part: &str| {
            let mut frame = zstd::Encoder::new(Vec::new(), 1).expect("memory");
            frame.include_checksum(true).expect("memory");
            frame.write_all(part.as_bytes()).expect("memory");
            frame.finish().expect("memory")
        };
        let zstd = [&frame("one\n")[..], &skippable, &frame("two\n")].concat();
        let padded = [&gzip[..], &[0; 700]].concat();
        let mut text = String::new();
        unpack(Format::Gzip, &padded[..]).read_to_string(&mut text).expect("whole");
        assert_eq!(text, "one\ntwo\n");
        for packed in [gzip, zstd] {
            let format = Format::of(&packed).expect("recognised");
            let mut text = String::new();
            unpack(format, &packed[..]).read_to_string(&mut text).expect("whole");
            assert_eq!(text, "one\ntwo\n");
            let why = |bytes: &[u8]| {
                let error = unpack(format, bytes).read_to_string(&mut String::new()).expect_err("broken");
                *error.get_ref().and_then(|inner| inner.downcast_ref::<Broken>()).expect("why")
            };
            for cut in packed.len() - 12..packed.len() {
                assert_eq!(why(&packed[..cut]), Broken::CutShort(cut as u64), "{}", format.name());
            }
            let mut flipped = packed.clone();
            let last = flipped.len() - 3;
            flipped[last] ^= 0x10;
            assert_eq!(why(&flipped), Broken::Damaged, "{}", format.name());
        }
    }
}
