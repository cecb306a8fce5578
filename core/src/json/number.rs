//! Numbers as Python's `json` reads them: `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`, of any length.
//!
//! [`Number`] follows one byte by byte and remembers just enough to say whether it ended as a number, whether it is
//! an integer, whether a double can hold it, and its value when it is short enough to matter.

use super::PYTHON_INT_DIGITS;
use crate::record::{Shape, mark};

/// A number's text is kept up to this length; no timestamp is longer.
const TEXT: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

/// A number under way.
#[derive(Debug, Clone)]
pub(crate) struct Number {
    at: At,
    text: [u8; TEXT],
    len: usize,
    integer_digits: usize,
    exponent: i32,
    exponent_negative: bool,
}

impl Number {
    /// Begins with a number's first byte; `None` when no number begins so.
    pub(crate) fn begin(byte: u8) -> Option<Number> {
        let at = match byte {
            b'-' => At::Minus,
            b'0' => At::Zero,
            b'1'..=b'9' => At::Integer,
            _ => return None,
        };
        let mut number =
            Number { at, text: [0; TEXT], len: 0, integer_digits: 0, exponent: 0, exponent_negative: false };
        number.keep(byte);
        number.integer_digits = usize::from(byte != b'-');
        Some(number)
    }

    /// Whether only a minus was seen so far, which may yet become `-Infinity`.
    pub(crate) fn is_bare_minus(&self) -> bool {
        self.at == At::Minus
    }

    /// Takes the next byte if the number goes on with it.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let next = match (self.at, byte) {
            (At::Minus, b'0') => At::Zero,
            (At::Minus, b'1'..=b'9') | (At::Integer, b'0'..=b'9') => At::Integer,
            (At::Zero | At::Integer, b'.') => At::Point,
            (At::Point | At::Fraction, b'0'..=b'9') => At::Fraction,
            (At::Zero | At::Integer | At::Fraction, b'e' | b'E') => At::Exponent,
            (At::Exponent, b'+' | b'-') => At::ExponentSign,
            (At::Exponent | At::ExponentSign | At::ExponentDigits, b'0'..=b'9') => At::ExponentDigits,
            _ => return false,
        };
        match next {
            At::Zero | At::Integer => self.integer_digits += 1,
            At::ExponentSign => self.exponent_negative = byte == b'-',
            At::ExponentDigits => {
                self.exponent = self.exponent.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
            }
            _ => {}
        }
        self.at = next;
        self.keep(byte);
        true
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.len) {
            *place = byte;
        }
        self.len += 1;
    }

    /// What the number was, if it could end here.
    pub(crate) fn end(&self) -> Option<Ended> {
        let shape = match self.at {
            At::Zero | At::Integer => Shape::Integer,
            At::Fraction | At::ExponentDigits => Shape::Float,
            At::Minus | At::Point | At::Exponent | At::ExponentSign => return None,
        };
        let value = self.value();
        let mut marks = 0;
        if shape == Shape::Float && value.is_some_and(f64::is_infinite) {
            marks |= mark::NON_FINITE;
        }
        if shape == Shape::Integer && self.integer_digits > PYTHON_INT_DIGITS {
            marks |= mark::HUGE_INTEGER;
        }
        Some(Ended { shape, value, marks })
    }

    /// The value as a double. Beyond [`TEXT`] bytes only its magnitude is known, which decides infinity.
    fn value(&self) -> Option<f64> {
        if let Some(text) = self.text.get(..self.len) {
            return std::str::from_utf8(text).ok()?.parse().ok();
        }
        let exponent = i64::from(self.exponent) * if self.exponent_negative { -1 } else { 1 };
        let digits = i64::try_from(self.integer_digits).unwrap_or(i64::MAX);
        (digits.saturating_add(exponent) > 309).then_some(f64::INFINITY)
    }
}

/// A number that ended well.
pub(crate) struct Ended {
    pub(crate) shape: Shape,
    /// `None` when the text is too long to be anybody's timestamp.
    pub(crate) value: Option<f64>,
    pub(crate) marks: u8,
}

/// The value of a number that lies in one piece.
#[inline]
pub(crate) fn value(text: &[u8]) -> Option<f64> {
    decimal(text).or_else(|| std::str::from_utf8(text).ok()?.parse().ok())
}

/// The digits that certainly fit a `u64`, and the most that may follow the point.
pub(crate) const DIGITS: usize = 19;

/// The value of a number without sign and exponent.
#[inline]
fn decimal(text: &[u8]) -> Option<f64> {
    match text.iter().take(DIGITS + 1).position(|byte| *byte == b'.') {
        Some(point) => decimal_of(&text[..point], &text[point + 1..]),
        None => decimal_of(text, &[]),
    }
}

/// The value of a number of at most [`DIGITS`] digits, those before the point and those behind it. `None` also as with
/// [`scaled`].
#[inline]
fn decimal_of(whole: &[u8], fraction: &[u8]) -> Option<f64> {
    if whole.len() + fraction.len() > DIGITS {
        return None;
    }
    let (scale, ..) = RECIPROCALS[fraction.len()];
    scaled(digits(whole)? * scale + digits(fraction)?, fraction.len())
}

/// The value of a number that is known to be digits, `whole` of them, and perhaps a point and more digits, up to `end`.
/// `None` as with [`scaled`].
#[inline]
pub(crate) fn plain(text: &[u8; 32], whole: usize, end: usize) -> Option<f64> {
    let places = end.saturating_sub(whole + 1);
    if whole + places > DIGITS {
        return None;
    }
    let (scale, ..) = RECIPROCALS[places];
    scaled(known_digits(text, 0, whole) * scale + known_digits(text, whole + 1, places), places)
}

/// The number that these `count` digits make, of which the last lies in `text` with some bytes to spare.
#[inline(always)]
fn known_digits(text: &[u8; 32], from: usize, count: usize) -> u64 {
    let word =
        |at: usize| text.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u64::from_le_bytes(*word) ^ ZEROS);
    let rest = count % 8;
    let first = if rest == 0 { 0 } else { eight_digits(word(from) << (8 * (8 - rest))) };
    (from + rest..from + count).step_by(8).fold(first, |value, at| value * 100_000_000 + eight_digits(word(at)))
}

/// The value of these digits, at most [`DIGITS`] of them, when so many stand behind the point. `None` where that is too
/// close to the middle between two doubles to be told by 64 bits: once in a thousand.
///
/// More digits than a double has are multiplied by the power of ten's reciprocal (D. Lemire, "Number parsing at a
/// gigabyte per second", 2021), whose error of less than its last bit makes the product's upper half too small by one
/// or nothing.
#[inline]
pub(crate) fn scaled(digits: u64, places: usize) -> Option<f64> {
    if digits < 1 << f64::MANTISSA_DIGITS {
        // Both are doubles to the last bit, and so their quotient is as near as a double can be.
        return Some(digits as i64 as f64 / TENS.get(places)?);
    }
    let (_, reciprocal, bits) = *RECIPROCALS.get(places)?;
    let shift = digits.leading_zeros();
    let product = ((u128::from(digits << shift) * u128::from(reciprocal)) >> 64) as u64;
    let surplus = u64::BITS - f64::MANTISSA_DIGITS - product.leading_zeros();
    let (half, rest) = (1 << (surplus - 1), product & ((1 << surplus) - 1));
    if rest == half || rest + 1 == half {
        return None;
    }
    let mantissa = (product >> surplus) + u64::from(rest > half);
    // The first bit of the mantissa, which a double leaves out, adds one to the exponent.
    let exponent = u64::from(1075 + surplus - shift - bits);
    Some(f64::from_bits((exponent << (f64::MANTISSA_DIGITS - 1)) + mantissa))
}

/// What [`scaled`] takes for so many places: the reciprocal of ten's power and the bits of that.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn reciprocal(places: usize) -> (u64, u64) {
    let (_, reciprocal, bits) = RECIPROCALS[places.min(DIGITS)];
    (reciprocal, u64::from(bits))
}

/// For each number of digits behind the point: ten to its power, the upper 64 bits of the reciprocal, and what the
/// power has of bits, but none for 1.
static RECIPROCALS: [(u64, u64, u32); DIGITS + 1] = {
    let (mut table, mut power, mut i) = ([(1, 1 << 63, 0); DIGITS + 1], 1_u64, 1);
    while i <= DIGITS {
        power *= 10;
        let bits = u64::BITS - power.leading_zeros();
        table[i] = (power, ((1_u128 << (63 + bits)) / power as u128) as u64, bits);
        i += 1;
    }
    table
};

/// Powers of ten, all of them doubles to the last bit.
static TENS: [f64; DIGITS + 1] = {
    let (mut table, mut i) = ([1.0; DIGITS + 1], 1);
    while i <= DIGITS {
        table[i] = table[i - 1] * 10.0;
        i += 1;
    }
    table
};

/// The number that these digits are; `None` when one of them is none.
#[inline]
fn digits(text: &[u8]) -> Option<u64> {
    let Some(last) = text.last_chunk::<8>() else {
        return text
            .iter()
            .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + u64::from(byte - b'0')));
    };
    let (words, rest) = text.as_chunks::<8>();
    let mut value = 0;
    for word in words {
        value = value * 100_000_000 + checked(u64::from_le_bytes(*word) ^ ZEROS)?;
    }
    if rest.is_empty() {
        return Some(value);
    }
    let again = 8 * (8 - rest.len());
    let rest_alone = (u64::from_le_bytes(*last) ^ ZEROS) & (u64::MAX << again);
    Some(value * RECIPROCALS[rest.len()].0 + checked(rest_alone)?)
}

/// Eight times the digit 0.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// [`eight_digits`], if that is what they are.
#[inline]
fn checked(word: u64) -> Option<u64> {
    let digits = (word | word.wrapping_add(0x0606_0606_0606_0606)) & 0xf0f0_f0f0_f0f0_f0f0 == 0;
    digits.then(|| eight_digits(word))
}

/// Eight digits at a time, less [`ZEROS`], the first in the lowest byte: pairs of them, then fours, then all.
#[inline]
fn eight_digits(word: u64) -> u64 {
    let pairs = word.wrapping_mul(10) + (word >> 8);
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(1 + (100 << 16));
    let all = ((fours >> 16) & 0x0000_ffff_0000_ffff).wrapping_mul(1 + (10_000 << 32));
    all >> 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{decimal, plain};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_decimal_is_the_double_that_std_makes_of_it(text in "[0-9]{1,20}|[0-9]{1,10}\\.[0-9]{1,10}|0\\.[0-9]{1,19}") {
            if let Some(value) = decimal(text.as_bytes()) {
                prop_assert_eq!(value, text.parse::<f64>().unwrap());
            }
        }

        #[test]
        fn a_double_and_what_is_near_the_middle_of_two_are_read_as_std_reads_them(bits in 0x3f00_0000_0000_0000_u64..0x43e0_0000_0000_0000, places in 0_usize..20) {
            let (low, high) = (f64::from_bits(bits), f64::from_bits(bits + 1));
            for value in [low, low + (high - low) / 2.0] {
                for text in [format!("{value}"), format!("{value:.places$}")] {
                    if let Some(read) = decimal(text.as_bytes()) {
                        prop_assert_eq!(read, text.parse::<f64>().unwrap(), "{}", text);
                    }
                }
            }
        }

        #[test]
        fn known_digits_are_the_double_that_std_makes_of_them(whole in "[0-9]{1,19}", fraction in "[0-9]{0,19}", rest in "[ -~]{32}") {
            let text = if fraction.is_empty() { whole.clone() } else { format!("{whole}.{fraction}") };
            let bytes = format!("{text}{rest}").into_bytes();
            let read = plain(bytes.first_chunk().unwrap(), whole.len(), text.len());
            prop_assert!(read.is_none_or(|read| read == text.parse::<f64>().unwrap()), "{}", text);
            prop_assert!(read.is_some() || whole.len() + fraction.len() > 15, "{}", text);
        }

        #[test]
        fn what_is_no_digit_is_no_number(text in "[0-9]{0,18}", at in 0_usize..19, byte in any::<u8>()) {
            let mut text = text.into_bytes();
            text.insert(at.min(text.len()), byte);
            prop_assume!(!byte.is_ascii_digit() && byte != b'.');
            prop_assert_eq!(decimal(&text), None);
        }
    }

    #[test]
    fn what_clocks_write_is_read_at_once() {
        for text in ["0", "12", "948.156903608", "1700000000.123456", "1700000123.4567891", "900.0012345000001"] {
            assert_eq!(decimal(text.as_bytes()), text.parse().ok());
        }
    }
}
