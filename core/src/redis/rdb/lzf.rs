//! LZF, the compression of RDB strings: expansion only.
//!
//! The format (liblzf): a control byte below 32 copies that many plus one literal bytes; otherwise its upper three bits
//! are a length (7: one more byte adds to it) and its lower five, with the byte after, a distance back into the output.
//! The declared output length is checked before a byte of memory is spent, and memory grows only with what comes out.

/// The most bytes of output one byte of input can stand for: three bytes give at most 264.
pub(crate) const MOST_PER_BYTE: u64 = 88;

/// What was wrong with compressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The declared length cannot come out of so few bytes.
    Bomb,
    /// The input ends inside a run.
    Short,
    /// A reference points before the start of the output.
    Reference,
    /// More or fewer bytes come out than were declared.
    Length,
}

impl Fault {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bomb => "the declared length is more than these compressed bytes can hold",
            Self::Short => "the compressed bytes end inside a run",
            Self::Reference => "a reference points before the start",
            Self::Length => "it does not expand to the declared length",
        }
    }
}

/// Could `packed` bytes expand to `len`? Everything else is refused before memory is reserved.
pub(crate) fn plausible(packed: u64, len: u64) -> bool {
    len <= packed.saturating_mul(MOST_PER_BYTE)
}

/// The most bytes that one run comes to.
const LONGEST_RUN: usize = 264;
/// Memory is taken for so many bytes at first, and twice as many whenever they are used up.
const FIRST: usize = 1 << 16;

/// Expands `packed` into `out` (cleared first), which must come to exactly `len` bytes. Memory grows with what really
/// comes out.
pub(crate) fn expand(packed: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
    out.clear();
    if !plausible(packed.len() as u64, len as u64) {
        return Err(Fault::Bomb);
    }
    let (filled, end) = fill(packed, len, out);
    end?;
    if filled == len { Ok(()) } else { Err(Fault::Length) }
}

/// The first `N` bytes that come out, whatever is wrong later.
pub(crate) fn beginning<const N: usize>(packed: &[u8]) -> Option<[u8; N]> {
    let mut out = Vec::new();
    let (filled, _) = fill(packed, N + LONGEST_RUN, &mut out);
    out.get(..filled)?.first_chunk().copied()
}

/// Expands at most `len` bytes; how many, and what ended it.
fn fill(packed: &[u8], len: usize, out: &mut Vec<u8>) -> (usize, Result<(), Fault>) {
    let mut dst = 0;
    let end = runs(packed, len, out, &mut dst);
    (dst, end)
}

fn runs(packed: &[u8], len: usize, out: &mut Vec<u8>, filled: &mut usize) -> Result<(), Fault> {
    out.resize(len.min(FIRST), 0);
    let (mut src, mut dst) = (0, 0);
    while let Some(&control) = packed.get(src) {
        *filled = dst;
        if out.len() < dst + LONGEST_RUN && out.len() < len {
            out.resize(len.min(2 * out.len()), 0);
        }
        src += 1;
        let control = usize::from(control);
        if control < 32 {
            let n = control + 1;
            // Short literals are the common case: a copy of fixed size, of which only n bytes count, beats memcpy.
            if let (Some(from), Some(to)) = (packed.get(src..src + 32), out.get_mut(dst..dst + 32)) {
                to.copy_from_slice(from);
            } else {
                let from = packed.get(src..src + n).ok_or(Fault::Short)?;
                out.get_mut(dst..dst + n).ok_or(Fault::Length)?.copy_from_slice(from);
            }
            src += n;
            dst += n;
            continue;
        }
        let mut n = control >> 5;
        if n == 7 {
            n += usize::from(*packed.get(src).ok_or(Fault::Short)?);
            src += 1;
        }
        n += 2;
        let distance = ((control & 31) << 8) + usize::from(*packed.get(src).ok_or(Fault::Short)?) + 1;
        src += 1;
        let from = dst.checked_sub(distance).ok_or(Fault::Reference)?;
        if dst + n > out.len() {
            return Err(Fault::Length);
        }
        copy_back(out, from, dst, n);
        dst += n;
    }
    if src > packed.len() {
        return Err(Fault::Short);
    }
    *filled = dst;
    Ok(())
}

/// Copies `n` bytes from `from` to `dst` (`from < dst`), byte by byte in meaning: an overlap repeats.
#[inline]
fn copy_back(out: &mut [u8], from: usize, dst: usize, n: usize) {
    let distance = dst - from;
    if distance >= 16 {
        // Blocks of 16 may run past n: what they spoil is overwritten by the runs that follow, and never past the end.
        let mut at = 0;
        while at < n && dst + at + 16 <= out.len() {
            let mut block = [0; 16];
            block.copy_from_slice(&out[from + at..from + at + 16]);
            out[dst + at..dst + at + 16].copy_from_slice(&block);
            at += 16;
        }
        if at < n {
            out.copy_within(from + at..from + n, dst + at);
        }
    } else if distance == 1 {
        let byte = out[from];
        out[dst..dst + n].fill(byte);
    } else {
        for at in 0..n {
            out[dst + at] = out[from + at];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(packed: &[u8], len: usize) -> Result<Vec<u8>, Fault> {
        let mut out = Vec::new();
        expand(packed, len, &mut out).map(|()| out)
    }

    #[test]
    fn literals_references_and_overlaps() {
        assert_eq!(go(b"\x02abc", 3).unwrap(), b"abc");
        assert_eq!(go(b"\x02abc\x20\x02", 6).unwrap(), b"abcabc");
        assert_eq!(go(b"\x00a\xe0\x01\x00", 11).unwrap(), b"aaaaaaaaaaa");
        assert_eq!(go(b"\x01ab\xe0\x00\x01", 11).unwrap(), b"abababababa");
        let mut long: Vec<u8> = vec![31];
        long.extend(1..=32);
        long.extend([0xe0, 200, 19]);
        let out = go(&long, 32 + 209).unwrap();
        for at in 32..out.len() {
            assert_eq!(out[at], out[at - 20]);
        }
    }

    #[test]
    fn memory_grows_with_what_comes_out() {
        // A claim of 88 MB, and the fault comes after three bytes.
        let mut packed = vec![0, b'a', 0xff];
        packed.resize(1_000_000, 0xff);
        let mut out = Vec::new();
        assert_eq!(expand(&packed, 88_000_000, &mut out), Err(Fault::Reference));
        assert!(out.capacity() <= 2 * FIRST, "{}", out.capacity());
        // Runs over the borders at which it grows.
        for len in [FIRST - 1, FIRST, FIRST + 1, 3 * FIRST + 7] {
            let mut packed = vec![0, b'a'];
            let mut left = len - 1;
            while left > 0 {
                let n = left.clamp(9, LONGEST_RUN).min(left);
                match n {
                    9.. => packed.extend([0xe0, (n - 9) as u8, 0]),
                    _ => packed.extend(std::iter::once(n as u8 - 1).chain((0..n).map(|_| b'a'))),
                }
                left -= n;
            }
            assert_eq!(go(&packed, len).unwrap(), vec![b'a'; len]);
            assert_eq!(beginning(&packed), Some(*b"aaaa"));
        }
        assert_eq!(beginning::<4>(b"\x02abc"), None);
    }

    #[test]
    fn faults_are_named_and_nothing_panics() {
        assert_eq!(go(b"\x05ab", 6), Err(Fault::Short));
        assert_eq!(go(b"\x20", 3), Err(Fault::Short));
        assert_eq!(go(b"\xe0", 9), Err(Fault::Short));
        assert_eq!(go(b"\x00a\x20\x05", 4), Err(Fault::Reference));
        assert_eq!(go(b"\x02abc", 2), Err(Fault::Length));
        assert_eq!(go(b"\x02abc", 4), Err(Fault::Length));
        assert_eq!(go(b"\x00a", 1 << 40), Err(Fault::Bomb));
        for len in 0..40 {
            for a in 0..=255u8 {
                let _ = go(&[a, 7, a, 1, a], len);
            }
        }
    }
}
