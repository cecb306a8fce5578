//! What streams hold, told in one form by a live server and by the offline readers, so that the two can be compared.

use serde_json::json;
use std::collections::BTreeMap;

use papyra_core::redis::{BackupFinding, Entry, Flow, Group, Key, StreamFacts, StreamId, StreamState, Visitor};

use redis::Value;

use crate::redis::{Redis, bytes, find, list, number, text};

/// A stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct Stream {
    pub length: u64,
    pub last_id: StreamId,
    pub max_deleted_id: StreamId,
    pub entries_added: u64,
    pub entries: Vec<(StreamId, Fields)>,
    pub groups: BTreeMap<Vec<u8>, StreamGroup>,
}

/// Names and values.
pub type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A consumer group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub struct StreamGroup {
    pub last_delivered: StreamId,
    pub entries_read: Option<i64>,
    /// Holder, delivery time, delivery count.
    pub pending: BTreeMap<StreamId, (Vec<u8>, i64, u64)>,
    /// Seen time, active time, pending entries.
    pub consumers: BTreeMap<Vec<u8>, (i64, Option<i64>, u64)>,
}

/// All streams by database and key.
pub type State = BTreeMap<(u64, Vec<u8>), Stream>;

/// The state of a replay that kept fields.
pub fn of_replay(streams: &BTreeMap<(u64, Vec<u8>), StreamState<Fields>>) -> State {
    let stream = |stream: &StreamState<Fields>| Stream {
        length: stream.entries.len() as u64,
        last_id: stream.last_id,
        max_deleted_id: stream.max_deleted_id,
        entries_added: stream.entries_added,
        entries: stream.entries.iter().map(|(id, fields)| (*id, fields.clone())).collect(),
        groups: (stream.groups.iter())
            .map(|(name, group)| (name.clone(), StreamGroup::from(&group.to_group(name))))
            .collect(),
    };
    streams.iter().map(|(key, state)| (key.clone(), stream(state))).collect()
}

/// What to keep of an entry for [`of_replay`].
pub fn fields_of(_file: u32, entry: &Entry<'_>) -> Fields {
    entry.fields.clone().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

/// Takes away what an append-only file does not keep: when consumers were last seen.
pub fn without_times(mut state: State) -> State {
    for group in state.values_mut().flat_map(|stream| stream.groups.values_mut()) {
        for consumer in group.consumers.values_mut() {
            (consumer.0, consumer.1) = (0, None);
        }
    }
    state
}

/// Asks a server.
pub fn live(server: &mut Redis) -> State {
    let mut state = State::new();
    for db in 0..2 {
        // A node of a cluster has one database.
        if server.attempt(&["SELECT", &db.to_string()]).is_err() {
            break;
        }
        for key in list(server.call("KEYS *")) {
            let key = bytes(&key);
            if text(&server.attempt(&[&b"TYPE"[..], &key]).expect("a type")) == "stream" {
                let stream = stream(server, &key);
                state.insert((db, key), stream);
            }
        }
    }
    server.call("SELECT 0");
    state
}

fn stream(server: &mut Redis, key: &[u8]) -> Stream {
    let info = server.attempt(&[&b"XINFO"[..], b"STREAM", key, b"FULL", b"COUNT", b"0"]).expect("a stream");
    let entries = server.attempt(&[&b"XRANGE"[..], key, b"-", b"+"]).expect("entries");
    let length = number(at(&info, "length")) as u64;
    Stream {
        length,
        last_id: id(at(&info, "last-generated-id")),
        max_deleted_id: find(&info, "max-deleted-entry-id").map(id).unwrap_or_default(),
        entries_added: find(&info, "entries-added").map_or(length, |added| number(added) as u64),
        entries: items(&entries).iter().map(items).map(|entry| (id(&entry[0]), fields(&entry[1]))).collect(),
        groups: items(at(&info, "groups")).iter().map(|info| (bytes(at(info, "name")), group(info))).collect(),
    }
}

fn group(info: &Value) -> StreamGroup {
    StreamGroup {
        last_delivered: id(at(info, "last-delivered-id")),
        entries_read: find(info, "entries-read").filter(|read| **read != Value::Nil).map(number),
        pending: (items(find(info, "pel").unwrap_or_else(|| at(info, "pending"))).iter().map(items))
            .map(|item| (id(&item[0]), (bytes(&item[1]), number(&item[2]), number(&item[3]) as u64)))
            .collect(),
        consumers: (items(at(info, "consumers")).iter())
            .map(|info| {
                let held = number(at(info, "pel-count")) as u64;
                let active = find(info, "active-time").map(number);
                (bytes(at(info, "name")), (number(at(info, "seen-time")), active, held))
            })
            .collect(),
    }
}

fn items(value: &Value) -> &[Value] {
    value.as_sequence().expect("a list")
}

fn at<'a>(value: &'a Value, name: &str) -> &'a Value {
    find(value, name).unwrap_or_else(|| panic!("no {name} in {value:?}"))
}

fn id(value: &Value) -> StreamId {
    text(value).parse().expect("an ID")
}

fn fields(value: &Value) -> Fields {
    items(value).chunks_exact(2).map(|pair| (bytes(&pair[0]), bytes(&pair[1]))).collect()
}

/// A visitor that gathers the same from bytes.
#[derive(Default)]
pub struct Offline {
    /// What was read.
    pub state: State,
    /// What was wrong.
    pub findings: Vec<BackupFinding>,
    open: Stream,
}

impl From<&Group> for StreamGroup {
    fn from(group: &Group) -> Self {
        let name = |at: Option<u32>| at.map(|at| group.consumers[at as usize].name.clone()).unwrap_or_default();
        StreamGroup {
            last_delivered: group.last_delivered,
            entries_read: group.entries_read.filter(|&n| n >= 0),
            pending: (group.pending.iter())
                .map(|p| (p.id, (name(p.consumer), p.delivery_time, p.delivery_count)))
                .collect(),
            consumers: (group.consumers.iter())
                .map(|c| (c.name.clone(), (c.seen_time, c.active_time, c.pending)))
                .collect(),
        }
    }
}

impl Visitor for Offline {
    fn entry(&mut self, _key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        self.open.entries.push((entry.id, fields_of(0, entry)));
        Flow::Continue(())
    }

    fn group(&mut self, _key: &Key<'_>, group: Group) -> Flow {
        self.open.groups.insert(group.name.clone(), StreamGroup::from(&group));
        Flow::Continue(())
    }

    fn stream(&mut self, key: &Key<'_>, facts: &StreamFacts) -> Flow {
        let mut stream = std::mem::take(&mut self.open);
        stream.length = facts.length;
        stream.last_id = facts.last_id;
        stream.max_deleted_id = facts.max_deleted_id;
        stream.entries_added = facts.entries_added;
        assert_eq!(facts.first_id, stream.entries.first().map(|entry| entry.0));
        assert!(self.state.insert((key.db, key.name.to_vec()), stream).is_none(), "twice");
        Flow::Continue(())
    }

    fn finding(&mut self, finding: BackupFinding) -> Flow {
        self.findings.push(finding);
        Flow::Continue(())
    }
}

/// Compares two states, and shows little when they differ.
pub fn assert_same(read: &State, said: &State, what: &str) {
    assert_eq!(read.keys().collect::<Vec<_>>(), said.keys().collect::<Vec<_>>(), "{what}");
    for (key, said) in said {
        let read = &read[key];
        let name = String::from_utf8_lossy(&key.1);
        let ids =
            |stream: &Stream| stream.entries.iter().map(|entry| entry.0.to_string()).collect::<Vec<_>>().join(" ");
        let own = |s: &Stream| (s.length, s.last_id.to_string(), s.max_deleted_id.to_string(), s.entries_added);
        assert_eq!(ids(read), ids(said), "{what}: {name}");
        assert_eq!(own(read), own(said), "{what}: {name}");
        assert!(read.entries == said.entries, "{what}: {name}: the fields differ");
        let groups = |stream: &Stream| format!("{:#?}", stream.groups.values().collect::<Vec<_>>());
        let differ = groups(read).lines().zip(groups(said).lines()).position(|(a, b)| a != b).unwrap_or(0);
        let near =
            |stream: &Stream| groups(stream).lines().skip(differ.max(12) - 12).take(24).collect::<Vec<_>>().join("\n");
        assert!(read.groups == said.groups, "{what}: {name}: read\n{}\nsaid\n{}", near(read), near(said));
    }
}

/// What is compared, as text that can be read beside the dump.
pub fn described(state: &State) -> serde_json::Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let streams = state.iter().map(|((db, key), stream)| {
        let groups = stream.groups.iter().map(|(name, group)| {
            let pending =
                group.pending.iter().map(|(id, (holder, time, count))| json!([id, text(holder), time, count]));
            let consumers = group.consumers.iter().map(|(name, consumer)| json!([text(name), consumer.0, consumer.1]));
            json!({
                "name": text(name),
                "last_delivered": group.last_delivered,
                "entries_read": group.entries_read,
                "pending": pending.collect::<serde_json::Value>(),
                "consumers": consumers.collect::<serde_json::Value>(),
            })
        });
        let bytes: usize = stream.entries.iter().flat_map(|entry| &entry.1).map(|(a, b)| a.len() + b.len()).sum();
        json!({
            "db": db,
            "key": text(key),
            "length": stream.length,
            "last_id": stream.last_id,
            "max_deleted_id": stream.max_deleted_id,
            "entries_added": stream.entries_added,
            "ids": stream.entries.iter().map(|entry| entry.0.to_string()).collect::<Vec<_>>(),
            "bytes": bytes,
            "groups": groups.collect::<serde_json::Value>(),
        })
    });
    streams.collect()
}

/// Takes away what a server before Redis 7.0 did not count.
pub fn uncounted(mut state: State) -> State {
    for stream in state.values_mut() {
        (stream.entries_added, stream.max_deleted_id) = Default::default();
        stream.groups.values_mut().for_each(|group| group.entries_read = None);
    }
    state
}
