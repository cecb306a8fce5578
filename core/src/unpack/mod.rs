//! Unpacking while bytes arrive, in bounded memory: gzip (any number of members) and zstd (any number of frames); and
//! the files in tar and zip archives, see [`Members`].
//!
//! What the plain bytes mean is for others; nothing here is written anywhere.

mod gzip;
#[cfg(feature = "libzstd")]
mod libzstd;
mod member;
mod members;
mod tar;
mod window;
mod zip;
// The tests hold both to the same.
#[cfg(any(test, not(feature = "libzstd")))]
mod zstd;

#[cfg(feature = "libzstd")]
use self::libzstd::Zstd;
#[cfg(not(feature = "libzstd"))]
use self::zstd::Zstd;
use crate::archive::{Broken, Format};

pub use member::{Fault, Member, Visit};
pub use members::{Container, Members, PEEK};

/// Turns packed bytes into plain ones and hands them on piece by piece.
pub struct Decoder(Kind);

enum Kind {
    Plain,
    Gzip(Box<gzip::Gzip>),
    Zstd(Box<Zstd>),
    #[cfg(test)]
    InRust(Box<zstd::Zstd>),
}

impl Decoder {
    /// For bytes of this format; `None` for plain ones.
    pub fn of(format: Option<Format>) -> Self {
        Self(match format {
            None => Kind::Plain,
            Some(Format::Gzip) => Kind::Gzip(Box::new(gzip::Gzip::new())),
            Some(Format::Zstd) => Kind::Zstd(Box::new(Zstd::new())),
        })
    }

    /// The packed format; `None` for plain bytes.
    pub fn format(&self) -> Option<Format> {
        match self.0 {
            Kind::Plain => None,
            Kind::Gzip(_) => Some(Format::Gzip),
            Kind::Zstd(_) => Some(Format::Zstd),
            #[cfg(test)]
            Kind::InRust(_) => Some(Format::Zstd),
        }
    }

    /// Takes packed bytes in any portions; `out` sees plain bytes in portions of at most a few MiB.
    ///
    /// # Errors
    /// The bytes cannot be unpacked, and why; what came out before was handed on.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        while !bytes.is_empty() {
            bytes = &bytes[self.step(bytes, out)?..];
        }
        Ok(())
    }

    /// Takes some of these packed bytes, and returns how many; where it is none, plain bytes came that they had waited
    /// for. `out` sees at most a few MiB.
    ///
    /// # Errors
    /// As [`Decoder::push`] says.
    pub fn step(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8])) -> Result<usize, Broken> {
        match &mut self.0 {
            Kind::Plain => {
                out(bytes);
                Ok(bytes.len())
            }
            Kind::Gzip(gzip) => gzip.step(bytes, out),
            Kind::Zstd(zstd) => zstd.step(bytes, out),
            #[cfg(test)]
            Kind::InRust(zstd) => zstd.step(bytes, out),
        }
    }

    /// The packed file is over: hands out what is left.
    ///
    /// # Errors
    /// It did not end where it should.
    pub fn finish(&mut self, out: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        match &mut self.0 {
            Kind::Plain => Ok(()),
            Kind::Gzip(gzip) => gzip.finish(out),
            Kind::Zstd(zstd) => zstd.finish(out),
            #[cfg(test)]
            Kind::InRust(zstd) => zstd.finish(out),
        }
    }
}

/// A file as it comes: told by its first bytes, unpacked if need be, and quiet once unpacking has failed.
pub struct Input {
    decoder: Option<Decoder>,
    head: Vec<u8>,
    taken: u64,
    failed: Option<Broken>,
}

impl Default for Input {
    fn default() -> Self {
        Self { decoder: None, head: Vec::with_capacity(Format::HEAD), taken: 0, failed: None }
    }
}

/// Packed bytes unpacked at a time, so that the place in the packed file stays current.
const STEP: usize = 64 * 1024;

impl Input {
    /// Hands on plain bytes, with the place in the packed file if it is one.
    pub fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8], Option<u64>)) {
        if self.decoder.is_some() {
            return self.unpack(bytes, out);
        }
        let missing = bytes.len().min(Format::HEAD - self.head.len());
        self.head.extend_from_slice(&bytes[..missing]);
        if self.head.len() == Format::HEAD {
            self.begin(out);
            self.unpack(&bytes[missing..], out);
        }
    }

    /// The file is over: hands out what is left.
    pub fn finish(&mut self, out: &mut impl FnMut(&[u8], Option<u64>)) {
        if self.decoder.is_none() {
            self.begin(out);
        }
        let place = self.packed_at();
        if let (Some(decoder), None) = (&mut self.decoder, self.failed) {
            self.failed = decoder.finish(&mut |plain| out(plain, place)).err();
        }
    }

    /// How many packed bytes were taken; `None` when the file is not packed.
    pub fn packed_at(&self) -> Option<u64> {
        self.format().map(|_| self.taken)
    }

    /// The packed format; `None` for a plain file.
    pub fn format(&self) -> Option<Format> {
        self.decoder.as_ref().and_then(Decoder::format)
    }

    /// Why unpacking has stopped, if it has.
    pub fn failed(&self) -> Option<Broken> {
        self.failed
    }

    fn begin(&mut self, out: &mut impl FnMut(&[u8], Option<u64>)) {
        self.decoder = Some(Decoder::of(Format::of(&self.head)));
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
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstandard(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn run(format: Format, packed: &[u8], step: usize) -> (Vec<u8>, Result<(), Broken>) {
        let seen = run_with(Decoder::of(Some(format)), packed, step);
        // Whatever unpacks zstd, the bytes and the end are the same.
        if format == Format::Zstd {
            let in_rust = run_with(in_rust(), packed, step);
            let told = |(plain, end): &(Vec<u8>, _)| format!("{} bytes, {end:?}", plain.len());
            assert!(in_rust == seen, "step {step}: {} in Rust, {} else", told(&in_rust), told(&seen));
        }
        seen
    }

    fn in_rust() -> Decoder {
        Decoder(Kind::InRust(Box::new(zstd::Zstd::new())))
    }

    fn run_with(mut decoder: Decoder, packed: &[u8], step: usize) -> (Vec<u8>, Result<(), Broken>) {
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
        for (packed, format) in [(gzipped(&plain), Format::Gzip), (zstandard(&plain), Format::Zstd)] {
            for step in [1, 7, 4096, usize::MAX] {
                let (seen, result) = run(format, &packed, step);
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
            assert!(run(Format::Gzip, &gzip, step) == (plain.clone(), Ok(())));
            assert!(run(Format::Zstd, &zstd, step) == (plain.clone(), Ok(())));
        }
    }

    #[test]
    fn a_cut_file_gives_what_it_has_and_says_so() {
        let plain = text();
        for (packed, format) in [(gzipped(&plain), Format::Gzip), (zstandard(&plain), Format::Zstd)] {
            for cut in [3, packed.len() / 2, packed.len() - 3] {
                let (seen, result) = run(format, &packed[..cut], 999);
                assert_eq!(result, Err(Broken::CutShort(cut as u64)));
                assert!(plain.starts_with(&seen));
            }
        }
    }

    #[test]
    fn damage_is_told_from_a_cut() {
        let plain = text();
        for (mut packed, format) in [(gzipped(&plain), Format::Gzip), (zstandard(&plain), Format::Zstd)] {
            let last = packed.len() - 6;
            packed[last] ^= 0x55;
            for decoder in
                [Decoder::of(Some(format)), in_rust()].into_iter().take(1 + usize::from(format == Format::Zstd))
            {
                assert_eq!(run_with(decoder, &packed, 999).1, Err(Broken::Damaged));
            }
        }
    }

    #[test]
    fn a_zstd_window_past_the_limit_is_refused_by_size() {
        // Descriptor without single segment, window descriptor for one power of two more: mantissa 0.
        let past = u8::try_from(window::LOG + 1 - 10).expect("small") << 3;
        let header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, past, 1, 0, 0];
        let (_, result) = run(Format::Zstd, &header, 1);
        assert_eq!(result, Err(Broken::Window { asked: 2 * window::BYTES, most: window::BYTES }));
    }

    #[test]
    fn every_cut_of_zstd_ends_alike_and_no_flipped_bit_passes_whatever_unpacks_it() {
        let plain = text()[..3_000].to_vec();
        let frame = zstandard(&plain);
        let packed = [&frame[..], &[0x5a, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 1, 2], &frame[..]].concat();
        for cut in 0..packed.len() {
            assert!(
                run(Format::Zstd, &packed[..cut], 64).1.is_err()
                    || cut == 0
                    || cut == frame.len()
                    || cut == frame.len() + 10
            );
            for bit in 0..8 {
                let mut flipped = packed.clone();
                flipped[cut] ^= 1 << bit;
                for decoder in [Decoder::of(Some(Format::Zstd)), in_rust()] {
                    let (seen, end) = run_with(decoder, &flipped, 64);
                    assert!(end.is_err() || seen == plain.repeat(2) || seen == plain, "byte {cut}, bit {bit}: {end:?}");
                }
            }
        }
    }
}
