//! gzip (RFC 1952), member after member, fed in portions. Zero padding behind the last member is fine, as it is for
//! gzip.

use flate2::{Decompress, FlushDecompress, Status};

use crate::archive::Broken;
use crate::crc32::Crc32;

/// Plain bytes are handed on in portions of this size.
const PORTION: usize = 256 * 1024;
/// No real header is longer: its largest fields are a 64 KiB extra field and a file name.
const HEADER_LIMIT: usize = 1 << 20;
const TRAILER: usize = 8;

enum State {
    Header,
    Body,
    Trailer,
}

pub(crate) struct Gzip {
    state: State,
    inflate: Decompress,
    crc: Crc32,
    /// Bytes of a header or trailer that came in parts.
    pending: Vec<u8>,
    portion: Vec<u8>,
    members: u64,
    taken: u64,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            state: State::Header,
            inflate: Decompress::new(false),
            crc: Crc32::default(),
            pending: Vec::new(),
            portion: vec![0; PORTION],
            members: 0,
            taken: 0,
        }
    }

    pub(super) fn step(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8])) -> Result<usize, Broken> {
        let used = match self.state {
            State::Header => self.header(bytes)?,
            State::Body => self.body(bytes, out)?,
            State::Trailer => self.trailer(bytes)?,
        };
        self.taken += used as u64;
        Ok(used)
    }

    pub(super) fn finish(&mut self, out: &mut impl FnMut(&[u8])) -> Result<(), Broken> {
        // The decoder may still hold plain bytes back.
        while matches!(self.state, State::Body) {
            let before = self.inflate.total_out();
            self.body(&[], out)?;
            if self.inflate.total_out() == before {
                break;
            }
        }
        let ended = matches!(self.state, State::Header) && self.pending.is_empty() && self.members > 0;
        if ended { Ok(()) } else { Err(Broken::CutShort(self.taken)) }
    }

    fn header(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        if self.members > 0 && self.pending.is_empty() {
            let padding = bytes.iter().take_while(|&&byte| byte == 0).count();
            if padding > 0 {
                return Ok(padding);
            }
        }
        let had = self.pending.len();
        self.pending.extend_from_slice(&bytes[..bytes.len().min(HEADER_LIMIT)]);
        match header_length(&self.pending) {
            Header::Whole(length) => {
                self.pending.clear();
                self.inflate.reset(false);
                self.crc = Crc32::default();
                self.state = State::Body;
                Ok(length - had)
            }
            Header::More if self.pending.len() < HEADER_LIMIT => Ok(self.pending.len() - had),
            Header::More | Header::Wrong => Err(Broken::Damaged),
        }
    }

    fn body(&mut self, bytes: &[u8], out: &mut impl FnMut(&[u8])) -> Result<usize, Broken> {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let status =
            self.inflate.decompress(bytes, &mut self.portion, FlushDecompress::None).map_err(|_| Broken::Damaged)?;
        let used = (self.inflate.total_in() - before_in) as usize;
        let plain = &self.portion[..(self.inflate.total_out() - before_out) as usize];
        if !plain.is_empty() {
            self.crc.update(plain);
            out(plain);
        }
        match status {
            Status::StreamEnd => self.state = State::Trailer,
            _ if used == 0 && plain.is_empty() && !bytes.is_empty() => return Err(Broken::Damaged),
            _ => {}
        }
        Ok(used)
    }

    fn trailer(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let used = bytes.len().min(TRAILER - self.pending.len());
        self.pending.extend_from_slice(&bytes[..used]);
        if let Ok(trailer) = <[u8; TRAILER]>::try_from(self.pending.as_slice()) {
            let word = |at: usize| u32::from_le_bytes([trailer[at], trailer[at + 1], trailer[at + 2], trailer[at + 3]]);
            if word(0) != self.crc.value() || word(4) != self.inflate.total_out() as u32 {
                return Err(Broken::Damaged);
            }
            self.pending.clear();
            self.members += 1;
            self.state = State::Header;
        }
        Ok(used)
    }
}

enum Header {
    Whole(usize),
    More,
    Wrong,
}

fn header_length(bytes: &[u8]) -> Header {
    let magic = [0x1f, 0x8b, 8];
    if !magic.starts_with(&bytes[..bytes.len().min(3)]) {
        return Header::Wrong;
    }
    let Some(fixed) = bytes.first_chunk::<10>() else { return Header::More };
    let flags = fixed[3];
    let mut at = 10;
    if flags & 4 != 0 {
        let Some(length) = bytes.get(at..at + 2) else { return Header::More };
        at += 2 + usize::from(u16::from_le_bytes([length[0], length[1]]));
    }
    for text in [8, 16] {
        if flags & text != 0 {
            let Some(end) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0)) else {
                return Header::More;
            };
            at += end + 1;
        }
    }
    at += if flags & 2 != 0 { 2 } else { 0 };
    if at <= bytes.len() { Header::Whole(at) } else { Header::More }
}
