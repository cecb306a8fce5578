//! zstd by the format's own library, frame after frame, fed in portions.

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};

use super::window;
use crate::archive::Broken;

/// Plain bytes are handed on in portions of this size.
const PORTION: usize = 256 * 1024;

pub(crate) struct Zstd {
    decoder: Decoder<'static>,
    portion: Vec<u8>,
    /// The first bytes of the frame under way; empty between two frames.
    header: Vec<u8>,
    /// How many packed bytes complete the next block. It is given no more at a time: where a block is damaged, what the
    /// same call has unpacked before it would be lost.
    wanted: usize,
    taken: u64,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut decoder = Decoder::new().expect("memory for a decoder");
        decoder.set_parameter(DParameter::WindowLogMax(window::LOG)).expect("a window that the library knows");
        Self { decoder, portion: vec![0; PORTION], header: Vec::new(), wanted: 1, taken: 0 }
    }

    pub(super) fn step(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8])) -> Result<usize, Broken> {
        let bytes = &bytes[..bytes.len().min(self.wanted)];
        let mut input = InBuffer::around(bytes);
        let mut output = OutBuffer::around(&mut self.portion[..]);
        let run = self.decoder.run(&mut input, &mut output);
        let (used, given) = (input.pos(), output.pos());
        if given > 0 {
            out(&self.portion[..given]);
        }
        let missing = window::HEADER - self.header.len();
        match run {
            Ok(0) => {
                self.header.clear();
                self.wanted = 1;
            }
            Ok(wanted) => {
                self.header.extend_from_slice(&bytes[..used.min(missing)]);
                self.wanted = wanted;
            }
            Err(_) => {
                self.header.extend_from_slice(&bytes[..bytes.len().min(missing)]);
                return Err(match window::of(&self.header) {
                    Some(asked) if asked > window::BYTES => Broken::Window { asked, most: window::BYTES },
                    _ => Broken::Damaged,
                });
            }
        }
        self.taken += used as u64;
        Ok(used)
    }

    pub(super) fn finish(&mut self, out: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        while !self.header.is_empty() {
            // What the last portion had no room for.
            let mut given = false;
            self.step(&[], &mut |plain| {
                given = true;
                out(plain);
            })?;
            if !given && !self.header.is_empty() {
                return Err(Broken::CutShort(self.taken));
            }
        }
        Ok(())
    }
}
