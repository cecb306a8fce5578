//! Is this value a record? The question that a scan asks of a line, for bytes that come in one piece: the `data` of a
//! stream entry.
//!
//! The answer is the line scanner's own: a value is a record when it is one object with nothing but white space around
//! it. Only line ends differ: between tokens they are white space to `json.loads`, and a value has no lines to end.

use std::borrow::Cow;

use memchr::memchr2;

use crate::finding::Reason;
use crate::json::fast;
use crate::line::{Fault, Line, Outcome};
use crate::record::RecordFacts;

/// Why a value is no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The reason, as findings carry it.
    pub reason: Reason,
    /// A sentence for people.
    pub detail: String,
}

/// Judges values; holds a buffer between them.
#[derive(Debug, Default)]
pub struct Judge {
    line: Vec<u8>,
}

impl Judge {
    /// The facts of the record that `value` is, or why it is none.
    pub fn judge(&mut self, value: &[u8]) -> Result<RecordFacts, Flaw> {
        self.line.clear();
        self.line.extend_from_slice(&on_one_line(value));
        self.line.push(b'\n');
        if let Some((length, facts)) = fast::line(&self.line)
            && length == self.line.len()
            && simdutf8::basic::from_utf8(value).is_ok()
        {
            return Ok(facts);
        }
        self.line.pop();
        let mut line = Line::new(0);
        line.feed(&self.line, &mut Vec::new());
        let (fault, broke_at, nul_bytes) = match line.end(true) {
            Outcome::Record(facts) => return Ok(facts),
            Outcome::Damaged { fault, broke_at, nul_bytes, .. } => (fault, broke_at, nul_bytes),
        };
        let (reason, detail) = match fault {
            Fault::Blank => (Reason::InvalidJson, "holds nothing".into()),
            Fault::NotAnObject => (Reason::NotAnObject, "is a JSON value, but not an object".into()),
            Fault::InvalidUtf8 => (Reason::InvalidUtf8, format!("is not UTF-8 from byte {broke_at} on")),
            Fault::NulBytes => (Reason::NulBytes, format!("holds {nul_bytes} NUL bytes")),
            Fault::Torn | Fault::InvalidJson if broke_at >= value.len() as u64 => {
                (Reason::InvalidJson, format!("is JSON that breaks off after {} bytes", value.len()))
            }
            Fault::Torn | Fault::InvalidJson => (Reason::InvalidJson, format!("is not JSON from byte {broke_at} on")),
        };
        Err(Flaw { reason, detail })
    }
}

/// A value with blanks for the line ends between its tokens: a record as a log would hold it. A line end inside a
/// string makes the value invalid and stays.
pub fn on_one_line(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr2(b'\n', b'\r', value).is_none() {
        return value.into();
    }
    let mut line = value.to_vec();
    let (mut in_string, mut escaped) = (false, false);
    for byte in &mut line {
        match byte {
            b'\n' | b'\r' if !in_string => *byte = b' ',
            b'"' if !escaped => in_string = !in_string,
            _ => {}
        }
        escaped = in_string && !escaped && *byte == b'\\';
    }
    line.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(value: &[u8]) -> Option<Reason> {
        Judge::default().judge(value).err().map(|flaw| flaw.reason)
    }

    #[test]
    fn what_json_loads_takes_for_an_object_is_a_record() {
        for value in
            [r#"{"kind": "event", "x": NaN}"#, "{}", " {\"kind\"\n:\r\n\"audit\"}\n", "\t{\"a\": \"\\ud800\"} "]
        {
            assert_eq!(reason(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn everything_else_is_none_and_says_why() {
        let cases: [(&[u8], Reason); 9] = [
            (b"", Reason::InvalidJson),
            (b" \n", Reason::InvalidJson),
            (br#"{"kind":"event""#, Reason::InvalidJson),
            (b"{}{}", Reason::InvalidJson),
            (b"{\"a\": \"x\ny\"}", Reason::InvalidJson),
            (b"{\"a\": \"\\\"\n\"}", Reason::InvalidJson),
            (b"[1,2]", Reason::NotAnObject),
            (b"{\"a\": \"\xff\"}", Reason::InvalidUtf8),
            (b"\0\0\0", Reason::NulBytes),
        ];
        for (value, expected) in cases {
            assert_eq!(reason(value), Some(expected), "{:?}", String::from_utf8_lossy(value));
        }
    }

    #[test]
    fn a_record_over_several_lines_is_printed_on_one() {
        assert_eq!(*on_one_line(b"{\n\"a\\\"\":\r1}"), *b"{ \"a\\\"\": 1}");
    }
}
