//! Replies taken apart. What is not as expected reads as absent, never as a panic; whoever depends on it says so with
//! [`super::Store::list`] and its like, for which a reply that is not an answer to the question is an error.

use redis::Value;

use super::StreamId;

/// A stream entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its ID.
    pub id: StreamId,
    /// Names and values, in the order in which they were added; a name may come twice.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The items of an array.
pub(crate) fn items(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.as_bytes()),
        _ => None,
    }
}

/// Text; bytes that are none are replaced.
pub(super) fn text(value: &Value) -> Option<String> {
    bytes(value).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Int(number) => Some(*number),
        other => text(other)?.parse().ok(),
    }
}

pub(crate) fn count(value: &Value) -> Option<u64> {
    u64::try_from(integer(value)?).ok()
}

pub(super) fn id(value: &Value) -> Option<StreamId> {
    text(value)?.parse().ok()
}

/// The value after `name` in an array of names and values.
pub(super) fn field<'a>(pairs: &'a [Value], name: &str) -> Option<&'a Value> {
    pairs.chunks_exact(2).find(|pair| bytes(&pair[0]) == Some(name.as_bytes())).map(|pair| &pair[1])
}

/// The entries of an XRANGE; `None` when it is none.
pub(super) fn entries(value: Value) -> Option<Vec<Entry>> {
    match value {
        Value::Array(items) => items.into_iter().map(entry).collect(),
        _ => None,
    }
}

/// What a reply is, for people.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nothing",
        Value::Int(_) => "a number",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a text",
        Value::Array(_) => "a list of other things",
        _ => "something else",
    }
}

fn entry(value: Value) -> Option<Entry> {
    let mut parts = items(value).into_iter();
    let id = id(&parts.next()?)?;
    let mut fields = Vec::new();
    let Value::Array(rest) = parts.next()? else { return None };
    let mut rest = rest.into_iter();
    while let Some(name) = rest.next() {
        let (Value::BulkString(name), Some(Value::BulkString(value))) = (name, rest.next()) else { return None };
        fields.push((name, value));
    }
    Some(Entry { id, fields })
}
