//! zip (PKWARE's APPNOTE 6.3.10), read as a stream of local headers; the central directory at the end is only the end.

use flate2::{Decompress, FlushDecompress, Status};

use super::member::{Fault, Member, Visit, path_of};
use crate::crc32::Crc32;

const HEADER: usize = 30;
const PORTION: usize = 128 * 1024;
/// The longest data descriptor: signature, checksum, two sizes of eight bytes.
const DESCRIPTOR: usize = 24;

pub(super) struct Zip {
    /// A header or a descriptor that came in parts.
    pending: Vec<u8>,
    state: State,
    /// Bytes taken so far.
    at: u64,
    /// Where the header of the file that is being read stands.
    begin: u64,
    portion: Vec<u8>,
}

enum State {
    Header,
    /// Bytes of a file as they are.
    Stored {
        left: u64,
        crc: Crc32,
        expected: u32,
    },
    Deflated(Box<Deflated>),
    /// Behind a file whose sizes were not known before.
    Descriptor {
        crc: u32,
        packed: u64,
        plain: u64,
    },
    /// Bytes that are passed over.
    Skip(u64),
    Ended,
}

struct Deflated {
    inflate: Decompress,
    crc: Crc32,
    /// The checksum and the packed size; `None`: they come behind.
    known: Option<(u32, u64)>,
}

impl Default for Zip {
    fn default() -> Self {
        Zip { pending: Vec::new(), state: State::Header, at: 0, begin: 0, portion: Vec::new() }
    }
}

impl Zip {
    pub(super) fn push(&mut self, mut bytes: &[u8], visit: &mut impl Visit) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Ended => return Ok(()),
                State::Header => self.header(bytes, visit)?,
                State::Skip(left) => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    *left -= taken as u64;
                    if *left == 0 {
                        self.state = State::Header;
                    }
                    taken
                }
                State::Stored { left, crc, expected } => {
                    let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                    visit.bytes(&bytes[..taken]);
                    crc.update(&bytes[..taken]);
                    *left -= taken as u64;
                    if *left == 0 {
                        visit.end(crc.value() == *expected);
                        self.state = State::Header;
                    }
                    taken
                }
                State::Deflated(_) => self.inflate(bytes, visit)?,
                State::Descriptor { .. } => self.descriptor(bytes, visit)?,
            };
            self.at += taken as u64;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, visit: &mut impl Visit) -> Result<(), Fault> {
        match self.state {
            State::Ended => return Ok(()),
            State::Stored { .. } | State::Deflated(_) | State::Descriptor { .. } => visit.end(false),
            State::Header | State::Skip(_) => {}
        }
        Err(Fault::CutShort(self.at))
    }

    /// Takes bytes until so many are pending; how many that took, and whether all are there.
    fn gather(&mut self, bytes: &[u8], wanted: usize) -> (usize, bool) {
        let taken = bytes.len().min(wanted.saturating_sub(self.pending.len()));
        self.pending.extend_from_slice(&bytes[..taken]);
        (taken, self.pending.len() >= wanted)
    }

    fn header(&mut self, bytes: &[u8], visit: &mut impl Visit) -> Result<usize, Fault> {
        let begin = self.at - self.pending.len() as u64;
        self.begin = begin;
        let (mut taken, is_there) = self.gather(bytes, 4);
        if !is_there {
            return Ok(taken);
        }
        match &self.pending[..4] {
            b"PK\x03\x04" => {}
            // The central directory, or what may stand before it, or the end of an empty archive.
            b"PK\x01\x02" | b"PK\x06\x08" | b"PK\x05\x06" | b"PK\x06\x06" => {
                self.state = State::Ended;
                return Ok(taken);
            }
            _ => return Err(Fault::Damaged(begin)),
        }
        for wanted in
            [|_: &[u8]| HEADER, |header: &[u8]| HEADER + usize::from(word(header, 26)) + usize::from(word(header, 28))]
        {
            let wanted = wanted(&self.pending);
            let (more, is_there) = self.gather(&bytes[taken..], wanted);
            taken += more;
            if !is_there {
                return Ok(taken);
            }
        }
        let header = std::mem::take(&mut self.pending);
        self.file(&header, begin, visit)?;
        Ok(taken)
    }

    /// Begins the file of a whole local header that stands at `begin`.
    fn file(&mut self, header: &[u8], begin: u64, visit: &mut impl Visit) -> Result<(), Fault> {
        let (flags, method, crc) = (word(header, 6), word(header, 8), long(header, 14));
        let (mut packed, mut plain) = (u64::from(long(header, 18)), u64::from(long(header, 22)));
        let name = &header[HEADER..HEADER + usize::from(word(header, 26))];
        let extra = &header[HEADER + name.len()..];
        // Sizes past four gigabytes stand in an extra field, those that do not fit alone, the plain one first.
        if let Some(great) = extra_field(extra, 1) {
            let mut great =
                great.chunks_exact(8).map(|size| size.iter().rev().fold(0, |all, byte| all << 8 | u64::from(*byte)));
            for size in [&mut plain, &mut packed] {
                if *size == u64::from(u32::MAX) {
                    *size = great.next().unwrap_or(*size);
                }
            }
        }
        let path = path_of(name);
        let start = begin + header.len() as u64;
        let end = start.checked_add(packed).ok_or(Fault::Damaged(begin))?;
        let (is_encrypted, comes_behind) = (flags & 1 != 0, flags & 8 != 0);
        let what = match method {
            _ if is_encrypted => Some("encrypted"),
            0 | 8 => None,
            _ => Some("packed by a method that is not read here"),
        };
        if let Some(what) = what {
            visit.other(&path, what);
            if comes_behind {
                return Err(Fault::Beyond(begin, what));
            }
            self.skip(packed);
            return Ok(());
        }
        if path.ends_with('/') && !comes_behind {
            self.skip(packed);
            return Ok(());
        }
        if method == 0 && comes_behind && packed == 0 && plain == 0 {
            return Err(Fault::Beyond(begin, "a file without its size"));
        }
        let size = (!comes_behind).then_some(plain);
        visit.begin(Member { path, size, place: (method == 0).then_some(start..end) });
        self.state = match method {
            0 if packed == 0 => {
                visit.end(crc == 0);
                State::Header
            }
            0 => State::Stored { left: packed, crc: Crc32::default(), expected: crc },
            _ => State::Deflated(Box::new(Deflated {
                inflate: Decompress::new(false),
                crc: Crc32::default(),
                known: (!comes_behind).then_some((crc, packed)),
            })),
        };
        Ok(())
    }

    fn skip(&mut self, bytes: u64) {
        self.state = if bytes == 0 { State::Header } else { State::Skip(bytes) };
    }

    fn inflate(&mut self, bytes: &[u8], visit: &mut impl Visit) -> Result<usize, Fault> {
        let State::Deflated(file) = &mut self.state else { return Ok(0) };
        self.portion.resize(PORTION, 0);
        let (before_in, before_out) = (file.inflate.total_in(), file.inflate.total_out());
        // No further than the file's own bytes, where their number is known.
        let left = file.known.map_or(u64::MAX, |(_, packed)| packed.saturating_sub(before_in));
        let bytes = &bytes[..bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
        let damaged = Fault::Damaged(self.begin);
        let status = file.inflate.decompress(bytes, &mut self.portion, FlushDecompress::None);
        let Ok(status) = status else {
            visit.end(false);
            self.state = State::Ended;
            return Err(damaged);
        };
        let used = (file.inflate.total_in() - before_in) as usize;
        let plain = &self.portion[..(file.inflate.total_out() - before_out) as usize];
        if !plain.is_empty() {
            file.crc.update(plain);
            visit.bytes(plain);
        }
        if status == Status::StreamEnd {
            let (crc, packed, plain) = (file.crc.value(), file.inflate.total_in(), file.inflate.total_out());
            match file.known {
                Some((expected, _)) => {
                    visit.end(crc == expected);
                    self.state = State::Header;
                }
                None => self.state = State::Descriptor { crc, packed, plain },
            }
        } else if used == 0 && plain.is_empty() {
            visit.end(false);
            self.state = State::Ended;
            return Err(damaged);
        }
        Ok(used)
    }

    /// Its form is not told: it is the one in which what was read stands. A descriptor may be followed by the next
    /// signature alone, so that no byte past it is taken for granted.
    fn descriptor(&mut self, bytes: &[u8], visit: &mut impl Visit) -> Result<usize, Fault> {
        let State::Descriptor { crc, packed, plain } = self.state else { return Ok(0) };
        let (taken, is_there) = self.gather(bytes, 4);
        if !is_there {
            return Ok(taken);
        }
        let narrow = |size: u64| (size as u32).to_le_bytes().to_vec();
        let wide = |size: u64| size.to_le_bytes().to_vec();
        let sum = crc.to_le_bytes().to_vec();
        let forms = [
            [b"PK\x07\x08".to_vec(), sum.clone(), narrow(packed), narrow(plain)].concat(),
            [b"PK\x07\x08".to_vec(), sum.clone(), wide(packed), wide(plain)].concat(),
            [sum.clone(), narrow(packed), narrow(plain)].concat(),
            [sum, wide(packed), wide(plain)].concat(),
        ];
        let mut taken = taken;
        loop {
            let fits = |form: &&Vec<u8>| form.starts_with(&self.pending) || self.pending.starts_with(form);
            let Some(form) = forms.iter().filter(fits).min_by_key(|form| form.len()) else {
                visit.end(false);
                self.state = State::Ended;
                return Err(Fault::Damaged(self.begin));
            };
            if self.pending.len() >= form.len() {
                break;
            }
            let Some(byte) = bytes.get(taken) else { return Ok(taken) };
            debug_assert!(self.pending.len() < DESCRIPTOR, "no form is longer");
            self.pending.push(*byte);
            taken += 1;
        }
        self.pending.clear();
        visit.end(true);
        self.state = State::Header;
        Ok(taken)
    }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn long(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn extra_field(mut extra: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (head, rest) = extra.split_first_chunk::<4>()?;
        let length = usize::from(word(head, 2));
        if word(head, 0) == wanted {
            return Some(&rest[..length.min(rest.len())]);
        }
        extra = rest.get(length..)?;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An archive of deflated files with their sizes behind them, or of stored ones.
    pub(in crate::unpack) fn archive(files: &[(&str, &[u8])], deflated: bool) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, bytes) in files {
            let mut crc = Crc32::default();
            crc.update(bytes);
            let mut packed = bytes.to_vec();
            if deflated {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
                std::io::Write::write_all(&mut encoder, bytes).expect("memory");
                packed = encoder.finish().expect("memory");
            }
            let sizes = [(packed.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
            archive.extend_from_slice(b"PK\x03\x04\x14\0");
            archive.extend_from_slice(&[if deflated { 8 } else { 0 }, 0, if deflated { 8 } else { 0 }, 0, 0, 0, 0, 0]);
            if deflated {
                archive.extend_from_slice(&[0; 12]);
            } else {
                archive.extend_from_slice(&crc.value().to_le_bytes());
                archive.extend_from_slice(&sizes);
            }
            archive.extend_from_slice(&(name.len() as u16).to_le_bytes());
            archive.extend_from_slice(&[0, 0]);
            archive.extend_from_slice(name.as_bytes());
            archive.extend_from_slice(&packed);
            if deflated {
                archive.extend_from_slice(b"PK\x07\x08");
                archive.extend_from_slice(&crc.value().to_le_bytes());
                archive.extend_from_slice(&sizes);
            }
        }
        archive.extend_from_slice(b"PK\x01\x02 the rest is not looked at");
        archive
    }
}
