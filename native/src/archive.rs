//! Compressed logs: recognised by content, read as a stream, never written.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;

use flate2::bufread::MultiGzDecoder;
use papyra_core::escape::escape;
use papyra_core::finding::{AnomalyType, Finding, Reason};
use papyra_core::report::{FileReport, Role};
use papyra_core::summary::Summary;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// A zstd frame may ask its reader to remember this many bytes; more is refused, since memory is not the file's to
/// spend. It is what the `zstd` tool itself allows without being told otherwise.
const WINDOW: u64 = 128 << 20;

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// gzip, any number of members.
    Gzip,
    /// zstd, any number of frames.
    Zstd,
}

impl Format {
    /// The format's name.
    pub fn name(self) -> &'static str {
        match self {
            Format::Gzip => "gzip",
            Format::Zstd => "zstd",
        }
    }

    /// The format that these first bytes of a file announce (RFC 1952, RFC 8878).
    pub fn of(head: &[u8]) -> Option<Format> {
        match head {
            [0x1f, 0x8b, 0x08, ..] => Some(Format::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Format::Zstd),
            // A skippable frame may come first.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Format::Zstd),
            _ => None,
        }
    }

    /// The format of an open file.
    pub fn of_file(file: &File) -> io::Result<Option<Format>> {
        let mut head = [0; 4];
        let mut filled = 0;
        while filled < head.len() {
            match file.read_at(&mut head[filled..], filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Format::of(&head[..filled]))
    }

    /// The content of `input`.
    pub fn unpack<'a>(self, input: impl Read + 'a) -> Box<dyn Read + 'a> {
        let input = BufReader::with_capacity(1 << 16, input);
        match self {
            Format::Gzip => Box::new(MultiGzDecoder::new(input)),
            Format::Zstd => Box::new(Frames::new(input)),
        }
    }
}

/// The report on a compressed log: what it unpacks to, and how that ended.
pub fn report(name: impl Into<String>, format: Format, summary: Summary, ended: io::Result<()>) -> FileReport {
    let mut report = FileReport::new(name, Role::Active, 0, summary);
    if let Err(error) = ended {
        let detail = format!(
            "the {} data cannot be unpacked past byte {} of its content: {}",
            format.name(),
            report.bytes,
            escape(error.to_string().as_bytes())
        );
        report.add(Finding::of_file(AnomalyType::PartialWrite, Reason::DamagedArchive, detail));
    }
    report
}

/// The frames of a zstd file, one after the other, skippable ones skipped, checksums checked.
struct Frames<R> {
    input: BufReader<R>,
    decoder: FrameDecoder,
    open: bool,
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
                Err(error) => return Err(io::Error::other(error.to_string())),
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
                    .map_err(|error| io::Error::other(error.to_string()))?;
            }
            let read = self.decoder.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            self.open = false;
            let stored = self.decoder.get_checksum_from_data();
            if stored.is_some() && stored != self.decoder.get_calculated_checksum() {
                return Err(io::Error::other("a zstd frame's content does not match its checksum"));
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
        for packed in [gzip, zstd] {
            let format = Format::of(&packed).expect("recognised");
            let mut text = String::new();
            format.unpack(&packed[..]).read_to_string(&mut text).expect("whole");
            assert_eq!(text, "one\ntwo\n");
            let cut = format.unpack(&packed[..packed.len() - 3]).read_to_string(&mut String::new());
            assert!(cut.is_err(), "{} cut short", format.name());
        }
    }
}
