//! Replies taken apart. What is not as expected reads as absent, never as a panic.

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

/// The entries of an XRANGE.
pub(super) fn entries(value: Value) -> Vec<Entry> {
    items(value).into_iter().filter_map(entry).collect()
}

fn entry(value: Value) -> Option<Entry> {
    let mut parts = items(value).into_iter();
    let id = id(&parts.next()?)?;
    let mut fields = Vec::new();
    let mut rest = items(parts.next()?).into_iter();
    while let (Some(Value::BulkString(name)), Some(Value::BulkString(value))) = (rest.next(), rest.next()) {
        fields.push((name, value));
    }
    Some(Entry { id, fields })
}
