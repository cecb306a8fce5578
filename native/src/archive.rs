//! Compressed logs: recognised by content, read as a stream, never written.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::GzDecoder;
use papyra_core::archive::{self, Broken};
use papyra_core::report::{FileReport, Role};
use papyra_core::sniff::HEAD;
use papyra_core::summary::Summary;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::disk::File;

pub use papyra_core::archive::Format;

/// A zstd frame may ask its reader to remember this many bytes; more is refused, since memory is not the file's to
/// spend. It is what the `zstd` tool itself allows without being told otherwise.
const WINDOW: u64 = 128 << 20;

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
pub fn unpack<'a>(format: Format, input: impl Read + 'a) -> impl Read + 'a {
    let seen = Rc::new(Seen::default());
    let input = BufReader::with_capacity(1 << 16, Watched { inner: input, seen: Rc::clone(&seen) });
    let inner: Box<dyn Read + 'a> = match format {
        Format::Gzip => Box::new(Members(Some(GzDecoder::new(input)))),
        Format::Zstd => Box::new(Frames::new(input)),
    };
    Unpacked { inner, seen }
}

/// The report on a compressed log: what it unpacks to, and how that ended.
pub fn report(name: impl Into<String>, format: Format, summary: Summary, ended: io::Result<()>) -> FileReport {
    let mut report = FileReport::new(name, Role::Active, 0, summary);
    if let Err(error) = ended {
        report.add(archive::finding(format, report.bytes, &error));
    }
    report
}

/// How the compressed bytes ended, which their decoder does not say.
#[derive(Default)]
struct Seen {
    bytes: Cell<u64>,
    ended: Cell<bool>,
    failed: Cell<bool>,
}

struct Watched<R> {
    inner: R,
    seen: Rc<Seen>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer);
        match &read {
            Ok(0) => self.seen.ended.set(true),
            Ok(read) => self.seen.bytes.set(self.seen.bytes.get() + *read as u64),
            Err(_) => self.seen.failed.set(true),
        }
        read
    }
}

struct Unpacked<'a> {
    inner: Box<dyn Read + 'a>,
    seen: Rc<Seen>,
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).map_err(|error| {
            let known = error.get_ref().is_some_and(|inner| inner.is::<Broken>());
            if known || self.seen.failed.get() || error.kind() == io::ErrorKind::Interrupted {
                return error;
            }
            let cut = self.seen.ended.get() && error.kind() == io::ErrorKind::UnexpectedEof;
            io::Error::other(if cut { Broken::CutShort(self.seen.bytes.get()) } else { Broken::Damaged })
        })
    }
}

/// The members of a gzip file, one after the other. Zeros behind the last one are padding, as they are to `gzip`.
struct Members<R>(Option<GzDecoder<BufReader<R>>>);

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(decoder) = &mut self.0 {
            let read = decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut input) = self.0.take().map(GzDecoder::into_inner) else { break };
            loop {
                let ahead = input.fill_buf()?;
                let zeros = ahead.iter().take_while(|byte| **byte == 0).count();
                let is_next = zeros < ahead.len();
                if ahead.is_empty() {
                    return Ok(0);
                }
                input.consume(zeros);
                if is_next {
                    break;
                }
            }
            self.0 = Some(GzDecoder::new(input));
        }
        Ok(0)
    }
}

/// The frames of a zstd file, one after the other, skippable ones skipped, checksums checked.
struct Frames<R> {
    input: BufReader<R>,
    decoder: FrameDecoder,
    open: bool,
}

/// What lies under an error of the decoder: bytes that are not there, or bytes that are wrong.
fn broken(error: &(dyn std::error::Error + 'static)) -> io::Error {
    let io =
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref::<io::Error>());
    io.map_or(io::ErrorKind::InvalidData, io::Error::kind).into()
}

impl<R: Read> Frames<R> {
    fn new(input: BufReader<R>) -> Frames<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW);
        Frames { input, decoder, open: false }
    }

    /// Begins the next frame; `false` at the end of the input.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.input.fill_buf()?.is_empty() {
            match self.decoder.init(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    let length = u64::from(length);
                    if io::copy(&mut self.input.by_ref().take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                    return Err(io::Error::other(Broken::Window { asked: requested, most: WINDOW }));
                }
                Err(error) => return Err(broken(&error)),
            }
        }
        Ok(false)
    }
}

impl<R: Read> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.open && !self.next_frame()? {
                return Ok(0);
            }
            self.open = true;
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|error| broken(&error))?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.open = false;
            let stored = self.decoder.get_checksum_from_data();
            if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
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
            ruzstd::encoding::compress_to_vec(part.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
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
