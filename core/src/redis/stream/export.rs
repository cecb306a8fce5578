//! What an export writes: records as lines of a log, what no log holds as lines of its own, and the groups as
//! `groups.json`.
//!
//! Only the shapes; the files are the caller's. The lines are the entries' `data` as it is, so that Papyra's file
//! backend reads them.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::group::Group;
use super::id::StreamId;
use super::keys::PapyraKey;
use super::name::written;
use crate::redis::stream::numbers::StreamFacts;

/// `groups.json`: the groups of every exported stream.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupsFile {
    /// [`GroupsFile::SCHEMA`].
    pub schema: String,
    /// The streams, in the order of the backup.
    pub streams: Vec<StreamGroups>,
}

/// The groups of one stream.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamGroups {
    /// The key.
    pub key: String,
    /// The database number.
    pub db: u64,
    /// The key's parts.
    #[serde(flatten)]
    pub papyra: PapyraKey,
    /// What the stream says of itself.
    pub stream: StreamFacts,
    /// The backup was damaged here: this is what came before, or was found again after.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub salvaged: bool,
    /// The groups.
    pub groups: Vec<GroupExport>,
}

/// One group, with all that is needed to create it again.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupExport {
    /// The name, as [`written`] gives it.
    pub name: String,
    /// The last ID delivered.
    pub last_delivered: StreamId,
    /// Entries read, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entries_read: Option<i64>,
    /// The consumers.
    pub consumers: Vec<ConsumerExport>,
    /// The pending entries, by ID.
    pub pending: Vec<PendingExport>,
}

/// One consumer.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerExport {
    /// The name, as [`written`] gives it.
    pub name: String,
    /// Unix time in milliseconds of the last attempt.
    pub seen_time: i64,
    /// Unix time in milliseconds of the last success, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_time: Option<i64>,
}

/// One pending entry.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingExport {
    /// The entry.
    pub id: StreamId,
    /// The holder's name, as [`written`] gives it; none when it was given back (Redis 8.8 and later).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<String>,
    /// Unix time in milliseconds of the last delivery.
    pub delivery_time: i64,
    /// Deliveries so far.
    pub delivery_count: u64,
}

impl GroupsFile {
    /// The schema of this version.
    pub const SCHEMA: &'static str = "papyra.groups/1";
    /// The name that such a file has in exports and backups.
    pub const NAME: &'static str = "groups.json";

    /// A file of these streams.
    pub fn new(streams: Vec<StreamGroups>) -> Self {
        Self { schema: Self::SCHEMA.to_owned(), streams }
    }
}

impl GroupExport {
    /// A group of a backup; `None` when not all of it was listed, so that nothing false is written.
    pub fn of(group: &Group) -> Option<Self> {
        if !group.is_complete() {
            return None;
        }
        let consumers: Vec<ConsumerExport> = (group.consumers.iter())
            .map(|consumer| {
                let (seen_time, active_time) = (consumer.seen_time, consumer.active_time);
                ConsumerExport { name: written(&consumer.name), seen_time, active_time }
            })
            .collect();
        let holder = |at: u32| consumers.get(at as usize).map(|consumer| consumer.name.clone());
        let pending = (group.pending.iter())
            .map(|pending| PendingExport {
                id: pending.id,
                consumer: pending.consumer.and_then(holder),
                delivery_time: pending.delivery_time,
                delivery_count: pending.delivery_count,
            })
            .collect();
        Some(Self {
            name: written(&group.name),
            last_delivered: group.last_delivered,
            entries_read: group.entries_read.filter(|&n| n >= 0),
            consumers,
            pending,
        })
    }
}

/// Writes a record as a line of a log: the bytes as they are, line ends between tokens as blanks, and a newline. `data`
/// must be an intact record (see [`RecordCheck`](crate::redis::RecordCheck)).
pub fn push_line(data: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(data);
    super::keys::flatten(&mut out[start..]);
    out.push(b'\n');
}

/// Writes what a log cannot hold of an entry as a line: `{"source": KEY, "id": ID, "fields": [[NAME, VALUE], …]}`,
/// where what is not UTF-8 stands as `{"hex": "…"}`.
pub fn push_rejected<'a>(
    source: &str,
    id: StreamId,
    fields: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    out: &mut Vec<u8>,
) {
    let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({"hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()}),
    };
    let fields: Vec<_> = fields.map(|(name, value)| json!([text(name), text(value)])).collect();
    out.extend(json!({"source": source, "id": id, "fields": fields}).to_string().into_bytes());
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::super::group::{Consumer, Pending};
    use super::super::keys::StreamKind;
    use super::*;

    #[test]
    fn a_group_goes_there_and_back() {
        let consumer = Consumer { name: b"c1".to_vec(), seen_time: 5, active_time: None, pending: 1 };
        let pending = Pending { id: StreamId::new(1, 2), delivery_time: 3, delivery_count: 4, consumer: Some(0) };
        let mut group = Group {
            name: b"shipping".to_vec(),
            last_delivered: StreamId::new(9, 0),
            entries_read: Some(-1),
            pending_count: 1,
            pending: vec![pending],
            consumer_count: 1,
            consumers: vec![consumer],
        };
        let papyra = PapyraKey { prefix: "papyra".into(), system_id: "s".into(), kind: StreamKind::Events };
        let file = GroupsFile::new(vec![StreamGroups {
            key: "papyra:s:events".into(),
            db: 0,
            papyra,
            stream: StreamFacts::default(),
            salvaged: false,
            groups: vec![GroupExport::of(&group).unwrap()],
        }]);
        let text = serde_json::to_string(&file).unwrap();
        assert!(
            text.contains(r#""pending":[{"id":"1-2","consumer":"c1","delivery_time":3,"delivery_count":4}]"#),
            "{text}"
        );
        assert!(text.contains(r#""kind":"events""#) && !text.contains("entries_read"), "{text}");
        assert_eq!(serde_json::from_str::<GroupsFile>(&text).unwrap(), file);
        group.name = vec![0xff];
        assert_eq!(GroupExport::of(&group).map(|group| group.name), Some(r"\xff".into()));
        group.pending_count = 2;
        assert_eq!(GroupExport::of(&group), None);
    }

    #[test]
    fn a_record_becomes_one_line() {
        let mut out = b"before\n".to_vec();
        push_line(b"{\"a\":\r\n 1}\n", &mut out);
        assert_eq!(out, b"before\n{\"a\":   1} \n");
        out.clear();
        let fields: [(&[u8], &[u8]); 2] = [(b"data", b"{\"\n"), (b"\xff", b"")];
        push_rejected("a:b", StreamId::new(7, 1), fields.into_iter(), &mut out);
        let line = "{\"source\":\"a:b\",\"id\":\"7-1\",\"fields\":[[\"data\",\"{\\\"\\n\"],[{\"hex\":\"ff\"},\"\"]]}\n";
        assert_eq!(String::from_utf8(out).unwrap(), line);
    }
}
