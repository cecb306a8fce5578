//! zstd in Rust alone, frame after frame, fed in portions: a block is decoded as soon as all of it is there.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::window;
use crate::archive::Broken;

const BLOCK_HEADER: usize = 3;
const CHECKSUM: usize = 4;

enum State {
    Header,
    /// Inside a frame; true when a checksum follows its last block.
    Blocks(bool),
    /// Inside a skippable frame with this many bytes to go.
    Skip(u64),
}

pub(crate) struct Zstd {
    frame: FrameDecoder,
    state: State,
    /// Packed bytes not yet decoded: less than one block and its header once `step` returns.
    pending: Vec<u8>,
    taken: u64,
}

impl Zstd {
    pub(super) fn new() -> Self {
        let mut frame = FrameDecoder::new();
        frame.set_max_window_size(window::BYTES);
        Self { frame, state: State::Header, pending: Vec::new(), taken: 0 }
    }

    pub(super) fn step(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8])) -> Result<usize, Broken> {
        self.pending.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(used) = self.part(at, false, out)? {
            at += used;
        }
        self.taken += at as u64;
        self.pending.drain(..at);
        Ok(bytes.len())
    }

    pub(super) fn finish(&mut self, out: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        let mut at = 0;
        while at < self.pending.len() {
            match self.part(at, true, out)? {
                Some(used) => at += used,
                None => break,
            }
        }
        let whole = at == self.pending.len() && matches!(self.state, State::Header);
        if whole {
            return Ok(());
        }
        if matches!(self.state, State::Blocks(_)) {
            self.give_up(at, out);
        }
        Err(Broken::CutShort(self.taken + self.pending.len() as u64))
    }

    /// Hands out what the decoder keeps as long as its frame may go on: what is left ends where its checksum should be,
    /// or in the middle of a block.
    fn give_up(&mut self, at: usize, out: &mut impl FnMut(&[u8])) {
        let rest = &self.pending[at..];
        // A last block with nothing in it ends the frame (RFC 8878, 3.1.1.2).
        let last = if block_length(rest, false).is_some_and(|need| need <= rest.len()) { rest } else { &[1, 0, 0] };
        let last = [last, &[0; CHECKSUM]].concat();
        let mut plain = Vec::new();
        if self.frame.decode_blocks(&last[..], BlockDecodingStrategy::UptoBlocks(1)).is_ok()
            && self.frame.collect_to_writer(&mut plain).is_ok()
            && !plain.is_empty()
        {
            out(&plain);
        }
    }

    /// One part of `pending[at..]`: how many bytes it used, or `None` when more are needed.
    fn part(&mut self, at: usize, last: bool, out: &mut impl FnMut(&[u8])) -> Result<Option<usize>, Broken> {
        let input = &self.pending[at..];
        match self.state {
            State::Header => {
                if input.is_empty() || (input.len() < window::HEADER && !last) {
                    return Ok(None);
                }
                let mut rest = input;
                match self.frame.reset(&mut rest) {
                    Ok(()) => self.state = State::Blocks(input[4] & 0b100 != 0),
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length, ..
                    })) => {
                        self.state = State::Skip(u64::from(length));
                        return Ok(Some(8));
                    }
                    Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                        return Err(Broken::Window { asked: requested, most: window::BYTES });
                    }
                    // Too short for its own header: the caller's end-of-file check calls it cut.
                    Err(_) if input.len() < window::HEADER && header_may_go_on(input) => return Ok(None),
                    Err(_) => return Err(Broken::Damaged),
                }
                Ok(Some(input.len() - rest.len()))
            }
            State::Skip(left) => {
                let used = left.min(input.len() as u64);
                self.state = if used == left { State::Header } else { State::Skip(left - used) };
                Ok(if used == 0 && left > 0 { None } else { Some(used as usize) })
            }
            State::Blocks(checksum) => {
                let Some(need) = block_length(input, checksum) else { return Ok(None) };
                if input.len() < need {
                    return Ok(None);
                }
                let mut rest = input;
                // What is kept then ends in a part of the damaged block, and where that begins is not told.
                let finished = self
                    .frame
                    .decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|_| Broken::Damaged)?;
                let used = input.len() - rest.len();
                let mut plain = Vec::new();
                self.frame.collect_to_writer(&mut plain).map_err(|_| Broken::Damaged)?;
                if !plain.is_empty() {
                    out(&plain);
                }
                if finished {
                    if checksum && self.frame.get_checksum_from_data() != self.frame.get_calculated_checksum() {
                        return Err(Broken::Damaged);
                    }
                    self.state = State::Header;
                }
                Ok(Some(used))
            }
        }
    }
}

/// The bytes of the block that starts here, headers and a closing checksum included (RFC 8878, 3.1.1.2).
fn block_length(input: &[u8], checksum: bool) -> Option<usize> {
    let header = input.first_chunk::<BLOCK_HEADER>()?;
    let word = u32::from_le_bytes([header[0], header[1], header[2], 0]);
    let (last, kind, size) = (word & 1 == 1, word >> 1 & 0b11, (word >> 3) as usize);
    let content = if kind == 1 { 1 } else { size };
    Some(BLOCK_HEADER + content + if last && checksum { CHECKSUM } else { 0 })
}

/// Whether these few bytes could be the start of a frame, rather than something else.
fn header_may_go_on(input: &[u8]) -> bool {
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let skippable = [0x2a, 0x4d, 0x18];
    magic.starts_with(&input[..input.len().min(4)])
        || input
            .split_first()
            .is_some_and(|(first, rest)| first >> 4 == 5 && skippable.starts_with(&rest[..rest.len().min(3)]))
}
