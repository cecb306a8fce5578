//! The records of a text that comes in portions, one by one and with their bytes: for hashing and comparing.
//!
//! What is handed out is what recovery would keep.

use crate::scan::{Flow, Record, Scanner, Sink};
use crate::summary::Summary;

/// The longest line that is held, in bytes.
pub const LONGEST: usize = 64 << 20;

/// Hands on each record with its bytes, as they stand in the text. Lines are held until they are whole.
#[derive(Debug)]
pub struct Records {
    scanner: Scanner,
    /// The beginning of the line under way, and where it stands.
    held: Vec<u8>,
    at: u64,
}

impl Default for Records {
    fn default() -> Self {
        Records { scanner: Scanner::new(0, 0), held: Vec::new(), at: 0 }
    }
}

impl Records {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// A line is longer than [`LONGEST`].
    pub fn push(&mut self, bytes: &[u8], each: &mut dyn FnMut(&[u8], &Record<'_>)) -> Result<(), String> {
        let whole = memchr::memrchr2(b'\n', b'\r', bytes).map_or(0, |newline| newline + 1);
        let (lines, rest) = bytes.split_at(whole);
        if self.held.is_empty() {
            self.scan(lines, each);
        } else if whole > 0 {
            let mut text = std::mem::take(&mut self.held);
            text.extend_from_slice(lines);
            self.scan(&text, each);
        }
        if self.held.len() + rest.len() > LONGEST {
            return Err("it has a line of more than 64 MiB, which is read only from a plain file".into());
        }
        self.held.extend_from_slice(rest);
        Ok(())
    }

    /// The text is over: its last line may be without a newline. Returns what a scan of all of it says.
    pub fn finish(mut self, each: &mut dyn FnMut(&[u8], &Record<'_>)) -> Summary {
        let text = std::mem::take(&mut self.held);
        let mut lines = Lines { each, bytes: &text, at: self.at };
        _ = self.scanner.push(&text, &mut lines);
        self.scanner.finish(&mut lines)
    }

    fn scan(&mut self, text: &[u8], each: &mut dyn FnMut(&[u8], &Record<'_>)) {
        _ = self.scanner.push(text, &mut Lines { each, bytes: text, at: self.at });
        self.at += text.len() as u64;
    }
}

struct Lines<'a> {
    each: &'a mut dyn FnMut(&[u8], &Record<'_>),
    /// What was pushed last, and where it begins.
    bytes: &'a [u8],
    at: u64,
}

impl Sink for Lines<'_> {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        let held = || {
            let from = usize::try_from(record.span.offset.checked_sub(self.at)?).ok()?;
            self.bytes.get(from..from.checked_add(usize::try_from(record.span.length).ok()?)?)
        };
        if let Some(bytes) = record.bytes.or_else(held) {
            (self.each)(bytes, record);
        }
        Flow::Continue(())
    }
}
