//! The lines of a chunk one by one, each by the soonest of the readers that know it: [`super::blocks`] on processors
//! that have what it takes, or [`super::template`], which asks [`super::fast`].
//!
//! Only clean lines that lie in one piece are read here. UTF-8 is checked where the reader has not done so.

#[cfg(target_arch = "x86_64")]
use super::blocks::{Blocks, Known};
use super::template::Templates;
use crate::record::{NoteSet, RecordFacts};

/// UTF-8 is checked this many bytes at a time, just ahead of the reader, while they are in the nearest cache.
const WINDOW: usize = 16 * 1024;

/// A record that is a line.
pub(crate) struct CleanLine {
    /// In bytes, with its newline.
    pub(crate) length: usize,
    pub(crate) facts: RecordFacts,
    pub(crate) notes: NoteSet,
}

/// Reads whole lines.
#[derive(Debug)]
pub(crate) struct Lines {
    templates: Templates,
    #[cfg(target_arch = "x86_64")]
    blocks: Option<Box<Blocks>>,
    /// Up to where the chunk is known to be UTF-8, if that is beyond the line.
    valid_to: usize,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines {
            templates: Templates::default(),
            #[cfg(target_arch = "x86_64")]
            blocks: Blocks::new().map(Box::new),
            valid_to: 0,
        }
    }
}

impl Lines {
    /// As on a processor that has nothing of use.
    pub(crate) fn plain() -> Lines {
        Lines {
            #[cfg(target_arch = "x86_64")]
            blocks: None,
            ..Lines::default()
        }
    }

    /// Another chunk comes.
    pub(crate) fn begin(&mut self) {
        #[cfg(target_arch = "x86_64")]
        if let Some(blocks) = &mut self.blocks {
            blocks.begin();
        }
        self.valid_to = 0;
    }

    /// Reads the line that begins at `i`; `None` when the careful reader has to look.
    #[inline(always)]
    pub(crate) fn next(&mut self, chunk: &[u8], i: usize) -> Option<CleanLine> {
        #[cfg(target_arch = "x86_64")]
        if let Some(blocks) = &mut self.blocks {
            match blocks.line(chunk, i) {
                Known::Record(length, facts) => return Some(CleanLine { length, facts, notes: NoteSet::default() }),
                Known::Nothing => {}
                Known::Unknown => {
                    // The lines behind it are likely to be known, and then looked at already.
                    let line = self.ask(chunk, i, 0)?;
                    if let Some(blocks) = &mut self.blocks
                        && line.notes.is_empty()
                    {
                        blocks.learn(chunk, line.length, &line.facts);
                    }
                    return Some(line);
                }
            }
        }
        self.ask(chunk, i, WINDOW)
    }

    #[inline(always)]
    fn ask(&mut self, chunk: &[u8], i: usize, ahead: usize) -> Option<CleanLine> {
        let (length, facts) = self.templates.line(&chunk[i..])?;
        check_utf8(chunk, &mut self.valid_to, i, i + length, ahead).then(|| CleanLine {
            length,
            facts,
            notes: facts.notes(),
        })
    }
}

/// Checks that `bytes` are UTF-8 from `from`, a line's start, to `to`, its end, so many bytes at a time, and moves
/// `valid_to` on as far as they are known to be.
#[inline]
fn check_utf8(bytes: &[u8], valid_to: &mut usize, from: usize, to: usize, ahead: usize) -> bool {
    *valid_to = from.max(*valid_to);
    while *valid_to < to {
        let mut end = bytes.len().min((*valid_to + ahead).max(to));
        // Back to a character's first byte, unless there is none within reach.
        let back = bytes[*valid_to..end].iter().rev().take(4).position(|byte| byte & 0xc0 != 0x80);
        if end < bytes.len() && bytes[end] & 0xc0 == 0x80 {
            end -= back.map_or(0, |back| back + 1);
        }
        let window = &bytes[*valid_to..end];
        if window.is_empty() {
            return false;
        }
        if simdutf8::basic::from_utf8(window).is_ok() {
            *valid_to = end;
            continue;
        }
        // A character cut off by the chunk's end, or bad bytes behind this line, are no fault of this line.
        *valid_to += simdutf8::compat::from_utf8(window).err().map_or(0, |error| error.valid_up_to());
        return *valid_to >= to;
    }
    true
}
