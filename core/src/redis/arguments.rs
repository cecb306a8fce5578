//! Arguments that several stream commands share: IDs, trims, and what becomes of references.

use super::id::{StreamId, decimal};
use super::state::{GroupState, StreamState, Trim};

/// Why a command has no effect. The server answers it with an error and goes on; in a whole file that does not happen.
pub(crate) type Refusal = &'static str;

/// What becomes of pending entries when their entry is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    Keep,
    Delete,
    OnlyAcknowledged,
}

pub(crate) fn is_reference_policy(word: &[u8]) -> bool {
    [&b"KEEPREF"[..], b"DELREF", b"ACKED"].iter().any(|policy| word.eq_ignore_ascii_case(policy))
}

pub(crate) fn policy_and_ids(args: &[&[u8]]) -> Result<(Policy, Vec<StreamId>), Refusal> {
    let (mut policy, mut rest) = (Policy::Keep, args);
    while let [word, tail @ ..] = rest {
        match word.to_ascii_uppercase().as_slice() {
            b"KEEPREF" => policy = Policy::Keep,
            b"DELREF" => policy = Policy::Delete,
            b"ACKED" => policy = Policy::OnlyAcknowledged,
            b"IDS" => return Ok((policy, ids(tail.get(1..).unwrap_or_default())?)),
            _ => return Err("an option is not known"),
        }
        rest = tail;
    }
    Err("no IDs")
}

pub(crate) fn drop_by_policy<P>(stream: &mut StreamState<P>, id: StreamId, policy: Policy) {
    let held = stream.groups.values().any(|group| group.pending.contains_key(&id) || group.last_delivered < id);
    if policy == Policy::OnlyAcknowledged && held {
        return;
    }
    stream.delete(id);
    if policy == Policy::Delete {
        stream.groups.values_mut().for_each(|group| drop(group.pending.remove(&id)));
    }
}

pub(crate) fn group<'a, P>(stream: &'a mut StreamState<P>, name: &[u8]) -> Result<&'a mut GroupState, Refusal> {
    stream.groups.get_mut(name).ok_or("there is no such group")
}

pub(crate) fn ids(args: &[&[u8]]) -> Result<Vec<StreamId>, Refusal> {
    args.iter().map(|id| StreamId::parse(id, 0).ok_or("no ID")).collect()
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
        Some(&b"~") => return Err("an approximate trim: how much went cannot be told"),
        _ => {}
    }
    let threshold = rest.get(at).ok_or("no threshold")?;
    let how = if by_id {
        Trim::MinId(StreamId::parse(threshold, 0).ok_or("no threshold")?)
    } else {
        Trim::MaxLen(decimal(threshold).ok_or("no threshold")?)
    };
    at += 1;
    if rest.get(at).is_some_and(|word| is_word(word, "LIMIT")) {
        at += 2;
    }
    *rest = rest.get(at..).unwrap_or_default();
    Ok(Some(how))
}
