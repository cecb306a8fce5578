//! UTF-8, a byte at a time, for the bytes that come in pieces; whole pieces are left to `simdutf8`.

/// Where in a character the bytes stand. Source of the ranges: Unicode 15, table 3-7.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Utf8 {
    need: u8,
    low: u8,
    high: u8,
}

impl Default for Utf8 {
    fn default() -> Self {
        Self { need: 0, low: 0x80, high: 0xbf }
    }
}

impl Utf8 {
    /// Takes the next byte; `false` when no character goes on, or begins, with it.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        if self.need > 0 {
            let goes_on = (self.low..=self.high).contains(&byte);
            *self = Self { need: if goes_on { self.need - 1 } else { 0 }, ..Self::default() };
            return goes_on;
        }
        (self.need, self.low, self.high) = match byte {
            0..=0x7f => return true,
            0xc2..=0xdf => (1, 0x80, 0xbf),
            0xe0 => (2, 0xa0, 0xbf),
            0xe1..=0xec | 0xee | 0xef => (2, 0x80, 0xbf),
            0xed => (2, 0x80, 0x9f),
            0xf0 => (3, 0x90, 0xbf),
            0xf1..=0xf3 => (3, 0x80, 0xbf),
            0xf4 => (3, 0x80, 0x8f),
            _ => return false,
        };
        true
    }

    /// Whether no character is half read.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        self.need == 0
    }
}
