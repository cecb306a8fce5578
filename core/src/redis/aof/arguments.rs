//! Arguments as a server reads them: numbers, IDs, trims, and what becomes of references.

use super::state::{GroupState, Policy, StreamState, Trim};
use crate::redis::stream::id::StreamId;

/// Why a command cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The server answers it with an error and goes on; in a whole file that does not happen.
    Refused(&'static str),
    /// A server may have done something with it, and what cannot be told from its bytes.
    Untold(&'static str),
}

impl From<&'static str> for Refusal {
    fn from(why: &'static str) -> Self {
        Self::Refused(why)
    }
}

pub(crate) const UNKNOWN_OPTION: Refusal = Refusal::Untold("an option is not known");

/// The policy that a word names.
pub(crate) fn policy(word: &[u8]) -> Option<Policy> {
    Some(match word.to_ascii_uppercase().as_slice() {
        b"KEEPREF" => Policy::Keep,
        b"DELREF" => Policy::Delete,
        b"ACKED" => Policy::OnlyAcknowledged,
        _ => return None,
    })
}

/// Reads `[KEEPREF|DELREF|ACKED] IDS n id…`.
pub(crate) fn policy_and_ids(args: &[&[u8]]) -> Result<(Policy, Vec<StreamId>), Refusal> {
    let (mut chosen, mut rest) = (Policy::Keep, args);
    while let [word, tail @ ..] = rest {
        if word.eq_ignore_ascii_case(b"IDS") {
            let (listed, more) = counted_ids(tail)?;
            return if more.is_empty() { Ok((chosen, listed)) } else { Err(UNKNOWN_OPTION) };
        }
        chosen = policy(word).ok_or(UNKNOWN_OPTION)?;
        rest = tail;
    }
    Err("no IDs".into())
}

/// Reads `n id…`: so many IDs, and what follows them.
pub(crate) fn counted_ids<'a, 'b>(args: &'a [&'b [u8]]) -> Result<(Vec<StreamId>, &'a [&'b [u8]]), Refusal> {
    let [count, rest @ ..] = args else { return Err("no IDs".into()) };
    let count = natural(count).and_then(|n| usize::try_from(n).ok()).ok_or("no number of IDs")?;
    let (listed, more) = rest.split_at_checked(count).ok_or("too few IDs")?;
    Ok((ids(listed)?, more))
}

pub(crate) fn group<'a, P>(stream: &'a mut StreamState<P>, name: &[u8]) -> Result<&'a mut GroupState, Refusal> {
    Ok(stream.groups.get_mut(name).ok_or("there is no such group")?)
}

/// A whole number as `string2ll` reads it: no blank, no `+`, no leading zero.
pub(crate) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = text == b"0" || matches!(digits, [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit));
    std::str::from_utf8(text).ok().filter(|_| plain)?.parse().ok()
}

/// The same where it may not be negative.
pub(crate) fn natural(text: &[u8]) -> Option<u64> {
    integer(text).and_then(|n| u64::try_from(n).ok())
}

/// One part of an ID as `string2ull` reads it: what `string2ll` refuses goes to C's `strtoull`, blanks and signs
/// included.
fn id_part(text: &[u8]) -> Option<u64> {
    if let Some(n) = integer(text) {
        return u64::try_from(n).ok();
    }
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"\x0b").unwrap_or(text);
    let negative = text.starts_with(b"-");
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let n: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(if negative { n.wrapping_neg() } else { n })
}

/// Milliseconds, and the sequence unless it is left to the server (`ms-*`, in XADD alone).
pub(crate) fn open_id(text: &[u8]) -> Option<(u64, Option<u64>)> {
    if text.len() > 127 {
        return None;
    }
    // C strings: a NUL ends them.
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    match text.iter().position(|&byte| byte == b'-') {
        Some(at) if &text[at + 1..] == b"*" => Some((id_part(&text[..at])?, None)),
        Some(at) => Some((id_part(&text[..at])?, Some(id_part(&text[at + 1..])?))),
        None => Some((id_part(text)?, Some(0))),
    }
}

/// A whole ID (`streamParseStrictIDOrReply`).
pub(crate) fn id(text: &[u8]) -> Result<StreamId, Refusal> {
    let (ms, seq) = open_id(text).ok_or("no ID")?;
    Ok(StreamId::new(ms, seq.ok_or("no ID")?))
}

pub(crate) fn ids(args: &[&[u8]]) -> Result<Vec<StreamId>, Refusal> {
    args.iter().map(|text| id(text)).collect()
}

/// Reads `MAXLEN|MINID [=|~] threshold [LIMIT n]` off the front, if it is there. A server writes exact thresholds only.
pub(crate) fn trim(rest: &mut &[&[u8]]) -> Result<Option<Trim>, Refusal> {
    let is_word = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    let by_id = match rest.first() {
        Some(word) if is_word(word, "MAXLEN") => false,
        Some(word) if is_word(word, "MINID") => true,
        _ => return Ok(None),
    };
    let mut at = 1;
    match rest.get(at) {
        Some(&b"=") => at += 1,
        Some(&b"~") => return Err(Refusal::Untold("an approximate trim: how much went cannot be told")),
        _ => {}
    }
    let threshold = rest.get(at).ok_or("no threshold")?;
    let how = if by_id { Trim::MinId(id(threshold)?) } else { Trim::MaxLen(natural(threshold).ok_or("no threshold")?) };
    at += 1;
    if rest.get(at).is_some_and(|word| is_word(word, "LIMIT")) {
        at += 2;
    }
    *rest = rest.get(at..).unwrap_or_default();
    Ok(Some(how))
}

/// What XADD is told.
pub(crate) struct Addition<'a> {
    /// Nothing is done where there is no stream.
    pub(crate) only_if_there: bool,
    /// The server tells entries of one producer apart, and adds none twice.
    pub(crate) identified: bool,
    pub(crate) trim: Option<Trim>,
    pub(crate) policy: Policy,
    pub(crate) id: &'a [u8],
    pub(crate) fields: &'a [&'a [u8]],
}

/// Reads `XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [IDMP producer iid | IDMPAUTO producer] [MAXLEN|MINID [=|~] n
/// [LIMIT n]] id field value…`, the options in any order.
pub(crate) fn addition<'a>(args: &'a [&'a [u8]]) -> Result<Addition<'a>, Refusal> {
    let mut rest = args.get(2..).ok_or("too few arguments")?;
    let mut told = Addition {
        only_if_there: false,
        identified: false,
        trim: None,
        policy: Policy::Keep,
        id: Default::default(),
        fields: Default::default(),
    };
    while let Some(&word) = rest.first() {
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let taken = if is("NOMKSTREAM") {
            told.only_if_there = true;
            1
        } else if is("IDMP") || is("IDMPAUTO") {
            told.identified = true;
            if is("IDMP") { 3 } else { 2 }
        } else if let Some(policy) = policy(word) {
            told.policy = policy;
            1
        } else if let Some(trim) = trim(&mut rest)? {
            told.trim = Some(trim);
            0
        } else {
            break;
        };
        rest = rest.get(taken..).ok_or("too few arguments")?;
    }
    let (id, fields) = rest.split_first().ok_or("no ID")?;
    Ok(Addition { id, fields, ..told })
}

/// Does a FLUSHALL or FLUSHDB with these options do anything?
pub(in crate::redis) fn flushes(options: &[&[u8]]) -> bool {
    match options {
        [] => true,
        [how] => how.eq_ignore_ascii_case(b"SYNC") || how.eq_ignore_ascii_case(b"ASYNC"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_the_server_reads_them() {
        for (text, n) in
            [("0", Some(0)), ("-7", Some(-7)), ("07", None), ("+7", None), (" 7", None), ("-0", None), ("", None)]
        {
            assert_eq!(integer(text.as_bytes()), n, "{text}");
        }
        let parsed = |text: &str| id(text.as_bytes()).ok().map(|id| (id.ms, id.seq));
        assert_eq!(parsed("5-07"), Some((5, 7)));
        assert_eq!(parsed(" 5-+7"), Some((5, 7)));
        assert_eq!(parsed("5\0x-7"), Some((5, 0)));
        assert_eq!(parsed("5--07"), Some((5, u64::MAX - 6)));
        for bad in ["5--7", "-", "+", "5-*", "5-", "", "5x-7", "18446744073709551616-0"] {
            assert_eq!(parsed(bad), None, "{bad}");
        }
    }
}
