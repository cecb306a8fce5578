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

/// The value of a number without sign and exponent. `None` when it takes more than one division to be exact.
///
/// Both whole numbers are exact in a double, so that their quotient is rounded once (W. D. Clinger, "How to read
/// floating point numbers accurately", 1990).
#[inline]
fn decimal(text: &[u8]) -> Option<f64> {
    const EXACT: u64 = 1 << f64::MANTISSA_DIGITS;
    let (mut digits, mut divisor, mut scale) = (0_u64, 1_u64, 1);
    if text.len() > 17 {
        return None;
    }
    for byte in text {
        match byte {
            b'0'..=b'9' => {
                digits = digits * 10 + u64::from(byte - b'0');
                divisor *= scale;
            }
            b'.' => scale = 10,
            _ => return None,
        }
    }
    (digits < EXACT && divisor < EXACT).then(|| digits as f64 / divisor as f64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::decimal;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_decimal_is_the_double_that_std_makes_of_it(text in "[1-9][0-9]{0,9}(\\.[0-9]{1,9})?|0\\.[0-9]{1,15}") {
            if let Some(value) = decimal(text.as_bytes()) {
                prop_assert_eq!(value, text.parse::<f64>().unwrap());
            }
        }
    }

    #[test]
    fn what_clocks_write_is_read_at_once() {
        for text in ["0", "12", "948.156903608", "1700000000.123456"] {
            assert_eq!(decimal(text.as_bytes()), text.parse().ok());
        }
    }
}
