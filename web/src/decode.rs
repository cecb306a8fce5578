//! Unpacking while bytes arrive: gzip (any number of members) and zstd (any number of frames).
//!
//! What a packed file holds is the core's affair; this module only turns packed bytes into plain ones, in bounded
//! memory, and says where in the packed file it had to stop.

mod gzip;
mod zstd;

use std::fmt;

use papyra_core::sniff::{Looks, sniff};

pub(crate) use zstd::WINDOW_LIMIT;

/// Why unpacking ended early. `offset` counts packed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecodeError {
    pub(crate) kind: ErrorKind,
    pub(crate) offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The packed data ends in the middle.
    CutShort,
    /// A header, a block or a checksum does not hold.
    Damaged,
    /// The frame asks for a window of this many bytes, more than a page should hold.
    Window(u64),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ErrorKind::CutShort => write!(f, "it ends too early, at its own byte {}", self.offset),
            ErrorKind::Damaged => write!(f, "it is damaged near its own byte {}", self.offset),
            ErrorKind::Window(bytes) => write!(
                f,
                "it needs a window of {} MiB, and the page unpacks up to {} MiB",
                bytes >> 20,
                WINDOW_LIMIT >> 20
            ),
        }
    }
}

/// Turns packed bytes into plain ones and hands them on piece by piece.
pub(crate) enum Decoder {
    Plain,
    Gzip(Box<gzip::Gzip>),
    Zstd(Box<zstd::Zstd>),
}

impl Decoder {
    pub(crate) fn gzip() -> Self {
        Self::Gzip(Box::new(gzip::Gzip::new()))
    }

    pub(crate) fn zstd() -> Self {
        Self::Zstd(Box::new(zstd::Zstd::new()))
    }

    /// Takes packed bytes in any portions; `out` sees plain bytes in portions of at most a few MiB.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), DecodeError> {
        match self {
            Self::Plain => {
                out(bytes);
                Ok(())
            }
            Self::Gzip(gzip) => gzip.push(bytes, out),
            Self::Zstd(zstd) => zstd.push(bytes, out),
        }
    }

    /// The packed file is over: hands out what is left and says whether it ended where it should.
    pub(crate) fn finish(&mut self, out: &mut impl FnMut(&[u8])) -> Result<(), DecodeError> {
        match self {
            Self::Plain => Ok(()),
            Self::Gzip(gzip) => gzip.finish(out),
            Self::Zstd(zstd) => zstd.finish(out),
        }
    }
}

/// A file as it comes: told by its first bytes, unpacked if need be, and quiet once unpacking has failed.
pub(crate) struct Input {
    decoder: Option<Decoder>,
    head: Vec<u8>,
    taken: u64,
    failed: Option<DecodeError>,
}

impl Default for Input {
    fn default() -> Self {
        Self { decoder: None, head: Vec::with_capacity(MAGIC), taken: 0, failed: None }
    }
}

/// Bytes that tell the format.
const MAGIC: usize = 4;
/// Packed bytes unpacked at a time, so that the place in the packed file stays current.
const STEP: usize = 64 * 1024;

impl Input {
    /// Hands on plain bytes, with the place in the packed file if it is one.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8], Option<u64>)) {
        if self.decoder.is_some() {
            return self.unpack(bytes, out);
        }
        let missing = bytes.len().min(MAGIC - self.head.len());
        self.head.extend_from_slice(&bytes[..missing]);
        if self.head.len() == MAGIC {
            self.begin(out);
            self.unpack(&bytes[missing..], out);
        }
    }

    pub(crate) fn finish(&mut self, out: &mut impl FnMut(&[u8], Option<u64>)) {
        if self.decoder.is_none() {
            self.begin(out);
        }
        let place = self.packed_at();
        if let (Some(decoder), None) = (&mut self.decoder, self.failed) {
            self.failed = decoder.finish(&mut |plain| out(plain, place)).err();
        }
    }

    /// How many packed bytes were taken; `None` when the file is not packed.
    pub(crate) fn packed_at(&self) -> Option<u64> {
        matches!(self.decoder, Some(Decoder::Gzip(_) | Decoder::Zstd(_))).then_some(self.taken)
    }

    /// The packed format's name; empty for a plain file.
    pub(crate) fn format(&self) -> &'static str {
        match self.decoder {
            Some(Decoder::Gzip(_)) => "gzip",
            Some(Decoder::Zstd(_)) => "zstd",
            _ => "",
        }
    }

    pub(crate) fn failed(&self) -> Option<DecodeError> {
        self.failed
    }

    fn begin(&mut self, out: &mut impl FnMut(&[u8], Option<u64>)) {
        self.decoder = Some(match sniff(&self.head) {
            Looks::Gzip => Decoder::gzip(),
            Looks::Zstd => Decoder::zstd(),
            _ => Decoder::Plain,
        });
        let head = std::mem::take(&mut self.head);
        self.unpack(&head, out);
    }

    fn unpack(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8], Option<u64>)) {
        let packed = self.packed_at().is_some();
        let Some(decoder) = self.decoder.as_mut().filter(|_| self.failed.is_none()) else { return };
        for piece in bytes.chunks(if packed { STEP } else { bytes.len().max(1) }) {
            self.taken += piece.len() as u64;
            let place = packed.then_some(self.taken);
            if let Err(error) = decoder.push(piece, &mut |plain| out(plain, place)) {
                self.failed = Some(error);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn text() -> Vec<u8> {
        (0..40_000).flat_map(|n| format!("{{\"kind\": \"event\", \"n\": {}}}\n", n * 7919).into_bytes()).collect()
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstandard(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn run(mut decoder: Decoder, packed: &[u8], step: usize) -> (Vec<u8>, Result<(), DecodeError>) {
        let mut plain = Vec::new();
        let mut out = |bytes: &[u8]| plain.extend_from_slice(bytes);
        let mut result = Ok(());
        for piece in packed.chunks(step) {
            result = decoder.push(piece, &mut out);
            if result.is_err() {
                break;
            }
        }
        let result = result.and_then(|()| decoder.finish(&mut out));
        (plain, result)
    }

    #[test]
    fn any_portions_give_the_same_bytes() {
        let plain = text();
        for (packed, decoder) in
            [(gzipped(&plain), Decoder::gzip as fn() -> Decoder), (zstandard(&plain), Decoder::zstd as fn() -> Decoder)]
        {
            for step in [1, 7, 4096, usize::MAX] {
                let (seen, result) = run(decoder(), &packed, step);
                assert_eq!(result, Ok(()));
                assert!(seen == plain, "step {step}");
            }
        }
    }

    #[test]
    fn members_and_frames_follow_one_another() {
        let plain = text();
        let halves = plain.split_at(plain.len() / 3);
        let gzip = [gzipped(halves.0), gzipped(halves.1)].concat();
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 5, 0, 0, 0][..], b"hello"].concat();
        let zstd = [zstandard(halves.0), skippable, zstandard(halves.1)].concat();
        for step in [7, 65_536] {
            assert!(run(Decoder::gzip(), &gzip, step) == (plain.clone(), Ok(())));
            assert!(run(Decoder::zstd(), &zstd, step) == (plain.clone(), Ok(())));
        }
    }

    #[test]
    fn a_cut_file_gives_what_it_has_and_says_so() {
        let plain = text();
        for (packed, decoder) in
            [(gzipped(&plain), Decoder::gzip as fn() -> Decoder), (zstandard(&plain), Decoder::zstd as fn() -> Decoder)]
        {
            for cut in [3, packed.len() / 2, packed.len() - 3] {
                let (seen, result) = run(decoder(), &packed[..cut], 999);
                assert_eq!(result, Err(DecodeError { kind: ErrorKind::CutShort, offset: cut as u64 }));
                assert!(plain.starts_with(&seen));
            }
        }
    }

    #[test]
    fn damage_is_told_from_a_cut() {
        let plain = text();
        for (mut packed, decoder) in
            [(gzipped(&plain), Decoder::gzip as fn() -> Decoder), (zstandard(&plain), Decoder::zstd as fn() -> Decoder)]
        {
            let last = packed.len() - 6;
            packed[last] ^= 0x55;
            let (_, result) = run(decoder(), &packed, 999);
            assert_eq!(result.unwrap_err().kind, ErrorKind::Damaged);
        }
    }

    #[test]
    fn a_zstd_window_past_the_limit_is_refused_by_size() {
        // Descriptor without single segment, window descriptor for 128 MiB: exponent 17, mantissa 0.
        let header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 17 << 3, 1, 0, 0];
        let (_, result) = run(Decoder::zstd(), &header, 1);
        assert_eq!(result.unwrap_err().kind, ErrorKind::Window(128 << 20));
    }
}
