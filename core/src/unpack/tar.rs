//! tar (POSIX.1-2017, `pax`; GNU tar's manual, "Basic Tar Format"), read as a stream of blocks.

use super::member::{Fault, Member, Visit, path_of};

/// The size of a block.
pub(super) const BLOCK: usize = 512;
/// Extended headers and long names are read up to here; real ones have a few hundred bytes.
const LONGEST: u64 = 1 << 20;

#[derive(Default)]
pub(super) struct Tar {
    /// A block that came in parts.
    block: Vec<u8>,
    state: State,
    /// Bytes taken so far.
    at: u64,
    /// What extended headers say of the next file.
    next: Extended,
}

#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    is_sparse: bool,
}

#[derive(Default)]
enum State {
    #[default]
    Header,
    /// In the bytes of a file, or of something that is passed over: how many are left, and the padding behind them.
    Body { left: u64, padding: u64, is_file: bool },
    /// In an extended header.
    Extended { left: u64, padding: u64, kind: u8, text: Vec<u8> },
    /// Behind the end mark all is padding.
    Ended,
}

impl Tar {
    pub(super) fn push(&mut self, mut bytes: &[u8], is_packed: bool, visit: &mut impl Visit) -> Result<(), Fault> {
        while !bytes.is_empty() {
            let taken = match &mut self.state {
                State::Ended => return Ok(()),
                State::Header => {
                    let taken = bytes.len().min(BLOCK - self.block.len());
                    self.block.extend_from_slice(&bytes[..taken]);
                    self.at += taken as u64;
                    if let Ok(block) = <[u8; BLOCK]>::try_from(&self.block[..]) {
                        self.block.clear();
                        self.header(&block, is_packed, visit)?;
                    }
                    taken
                }
                State::Body { left, padding, is_file } => {
                    let taken = at_most(bytes.len(), *left + *padding);
                    let content = at_most(taken, *left);
                    if *is_file && content > 0 {
                        visit.bytes(&bytes[..content]);
                    }
                    if *is_file && *left > 0 && content as u64 == *left {
                        visit.end(true);
                    }
                    *left -= content as u64;
                    *padding -= (taken - content) as u64;
                    self.at += taken as u64;
                    if *left + *padding == 0 {
                        self.state = State::Header;
                    }
                    taken
                }
                State::Extended { left, padding, kind, text } => {
                    let taken = at_most(bytes.len(), *left + *padding);
                    let content = at_most(taken, *left);
                    text.extend_from_slice(&bytes[..content]);
                    *left -= content as u64;
                    *padding -= (taken - content) as u64;
                    self.at += taken as u64;
                    if *left + *padding == 0 {
                        let (kind, text) = (*kind, std::mem::take(text));
                        self.state = State::Header;
                        self.extended(kind, &text);
                    }
                    taken
                }
            };
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    pub(super) fn finish(&mut self, visit: &mut impl Visit) -> Result<(), Fault> {
        if let State::Body { left: 1.., is_file: true, .. } = self.state {
            visit.end(false);
        }
        if matches!(self.state, State::Ended) { Ok(()) } else { Err(Fault::CutShort(self.at)) }
    }

    fn header(&mut self, block: &[u8; BLOCK], is_packed: bool, visit: &mut impl Visit) -> Result<(), Fault> {
        if block.iter().all(|byte| *byte == 0) {
            self.state = State::Ended;
            return Ok(());
        }
        let damaged = Fault::Damaged(self.at - BLOCK as u64);
        let size = number(&block[124..136]).filter(|_| is_header(block)).ok_or(damaged)?;
        let kind = block[156];
        if matches!(kind, b'x' | b'g' | b'L' | b'K') {
            if size > LONGEST {
                return Err(damaged);
            }
            self.state = State::Extended { left: size, padding: padding(size), kind, text: Vec::new() };
            if size == 0 {
                self.state = State::Header;
            }
            return Ok(());
        }
        let next = std::mem::take(&mut self.next);
        let size = next.size.unwrap_or(size);
        let path = next.path.map_or_else(|| name(block), |path| path_of(&path));
        let what = match kind {
            _ if next.is_sparse => Some("a sparse file, stored as its stretches"),
            b'0' | 0 | b'7' if path.ends_with('/') => None,
            b'5' => None,
            b'0' | 0 | b'7' => Some(""),
            b'1' => Some("a link to another file"),
            b'2' => Some("a symbolic link"),
            b'S' => Some("a sparse file, stored as its stretches"),
            b'3' | b'4' | b'6' => Some("a device or a pipe"),
            _ => Some("of an unknown kind"),
        };
        // Links have no bytes, whatever their header says of the size of what they lead to.
        let size = if matches!(kind, b'1' | b'2' | b'3' | b'4' | b'5' | b'6') { 0 } else { size };
        let end = self.at.checked_add(size).ok_or(damaged)?;
        let is_file = what == Some("");
        match what {
            Some("") => {
                visit.begin(Member { path, size: Some(size), place: (!is_packed).then_some(self.at..end) });
                if size == 0 {
                    visit.end(true);
                }
            }
            Some(what) => visit.other(&path, what),
            None => {}
        }
        if size > 0 {
            self.state = State::Body { left: size, padding: padding(size), is_file };
        }
        Ok(())
    }

    fn extended(&mut self, kind: u8, text: &[u8]) {
        match kind {
            b'L' => self.next.path = Some(text.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
            b'x' => {
                for (key, value) in pax(text) {
                    match key {
                        b"path" => self.next.path = Some(value.to_vec()),
                        b"size" => self.next.size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()),
                        _ if key.starts_with(b"GNU.sparse.") => self.next.is_sparse = true,
                        _ => {}
                    }
                }
            }
            // Global headers and long link names say nothing about a file's bytes.
            _ => {}
        }
    }
}

fn at_most(length: usize, most: u64) -> usize {
    length.min(usize::try_from(most).unwrap_or(usize::MAX))
}

fn padding(size: u64) -> u64 {
    (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64
}

/// Whether the block's checksum holds: the sum of its bytes, with blanks in place of the checksum; some have summed
/// signed bytes.
pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
    let Some(written) = number(&block[148..156]) else { return false };
    let bytes = || block.iter().enumerate().map(|(at, byte)| if (148..156).contains(&at) { b' ' } else { *byte });
    let unsigned: u64 = bytes().map(u64::from).sum();
    let signed: i64 = bytes().map(|byte| i64::from(byte as i8)).sum();
    // A block of zeros has no name.
    block[0] != 0 && (written == unsigned || i64::try_from(written) == Ok(signed))
}

/// A number: octal digits between blanks and NULs, or binary behind a set bit.
fn number(field: &[u8]) -> Option<u64> {
    if field.first()? & 0x80 != 0 {
        let (first, rest) = field.split_first()?;
        let mut value = u64::from(first & 0x7f);
        for byte in rest {
            value = value.checked_mul(256)?.checked_add(u64::from(*byte))?;
        }
        return Some(value);
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    let text = text.split(['\0', ' ']).next().unwrap_or_default();
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn name(block: &[u8; BLOCK]) -> String {
    let until_nul = |field: &[u8]| field.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    let name = until_nul(&block[..100]);
    // GNU's own magic has blanks here, and other things where ustar has a prefix.
    let prefix = if block[257..263] == *b"ustar\0" { until_nul(&block[345..500]) } else { Vec::new() };
    if prefix.is_empty() { path_of(&name) } else { path_of(&[&prefix[..], b"/", &name].concat()) }
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`.
fn pax(mut text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let blank = text.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&text[..blank]).ok()?.parse().ok()?;
        let record = text.get(blank + 1..length)?.strip_suffix(b"\n")?;
        text = &text[length..];
        let equals = record.iter().position(|byte| *byte == b'=')?;
        Some((&record[..equals], &record[equals + 1..]))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::unpack) fn header(name: &str, size: u64, kind: u8) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].fill(b' ');
        let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        block
    }

    #[test]
    fn long_names_and_great_sizes_are_read_from_extended_headers() {
        let mut tar = Tar::default();
        tar.extended(b'x', b"30 path=zo\xc3\xab/events.ndjson\n\n20 size=9000000000\n");
        assert_eq!(tar.next.path, None, "a record with a wrong length ends the header");
        tar.extended(b'x', b"27 path=zo\xc3\xab/events.ndjson\n19 size=9000000000\n");
        assert_eq!(tar.next.path.as_deref(), Some("zo\u{eb}/events.ndjson".as_bytes()));
        assert_eq!(tar.next.size, Some(9_000_000_000));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]), Some(2 << 32));
        assert_eq!(number(b"00000000644\0"), Some(0o644));
        assert_eq!(number(b"0000009"), None);
    }
}
