//! A position in bytes that may not all be there yet.
//!
//! Every read checks what is left first. Running out is not an error but a request: [`Stop::More`] says how many bytes
//! the unit needs, counted from where the unit began, so that a reader fed in chunks can wait for exactly that many and
//! no declared length is ever allocated on its own word.

use crate::redis::error::Problem;

/// Why a read went no further.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The unit needs at least this many bytes, counted from the cursor's start.
    More(usize),
    /// The bytes are there and mean nothing.
    Bad(Problem),
}

impl From<Problem> for Stop {
    fn from(problem: Problem) -> Self {
        Self::Bad(problem)
    }
}

pub(crate) type Read<T> = Result<T, Stop>;

/// A position in a slice.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    pos: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, pos: 0 }
    }

    pub(crate) fn pos(&self) -> usize {
        self.pos
    }

    /// Back to a position that [`Cursor::pos`] gave earlier.
    pub(crate) fn rewind(&mut self, pos: usize) {
        self.pos = pos.min(self.pos);
    }

    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.pos
    }

    #[inline]
    pub(crate) fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let end = self.pos.checked_add(n).ok_or(Stop::More(usize::MAX))?;
        let out = self.bytes.get(self.pos..end).ok_or(Stop::More(end))?;
        self.pos = end;
        Ok(out)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Read<u8> {
        let byte = *self.bytes.get(self.pos).ok_or(Stop::More(self.pos + 1))?;
        self.pos += 1;
        Ok(byte)
    }

    /// Moves past up to `n` bytes that are there; says how many.
    pub(crate) fn skip_up_to(&mut self, n: u64) -> u64 {
        let step = usize::try_from(n).unwrap_or(usize::MAX).min(self.left());
        self.pos += step;
        step as u64
    }
}
