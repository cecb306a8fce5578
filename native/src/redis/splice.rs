//! A group put into a stream with pending entries whose message is gone, which no command can make.
//!
//! A pending entry outlives its message, and a server lets nothing wait for a message that is not there. So the
//! stream's value is taken by DUMP, the group is put into it, and RESTORE puts it back, in one script that does so only
//! while the value is still the one that was taken.

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::redis::{Consumer, Group, PayloadBuilder, Pending, StreamFacts, StreamPayload, name_of};
use redis::Value;

use super::reply::integer;
use super::wanted::Wanted;
use super::{Store, StreamId};
use crate::error::{Code, Error, Result};

/// ARGV: the size of the payload that was taken and its last eight bytes, a checksum; the new payload. Returns whether
/// it is in place.
const PUT_BACK: &str = r"
local now = redis.call('DUMP', KEYS[1]) or ''
if #now ~= tonumber(ARGV[1]) or string.sub(now, -8) ~= ARGV[2] then return 0 end
local left, at = redis.call('PTTL', KEYS[1]), 0
if left > 0 then
  local time = redis.call('TIME')
  at = time[1] * 1000 + math.floor(time[2] / 1000) + left
end
redis.call('RESTORE', KEYS[1], string.format('%.0f', at), ARGV[3], 'REPLACE', 'ABSTTL')
return 1
";

/// How often a stream is taken anew because somebody writes to it meanwhile.
const TRIES: usize = 50;
/// Pending entries and consumers of one group that are held in memory.
const LISTED: usize = 20_000_000;
/// The largest argument that a server takes, unless it says otherwise.
const LARGEST: u64 = 512 << 20;

/// What came of it.
pub(super) struct Spliced {
    /// The stream was not there before.
    pub(super) made_stream: bool,
    /// Pending entries without a holder that wait for [`NOBODY`](papyra_core::redis::NOBODY) now.
    pub(super) given: u64,
}

/// Makes a group that is not there, with all its pending entries. `None`: the stream is too large for that, or damaged,
/// or the server takes no payload of it.
pub(super) fn splice(store: &Store, wanted: &Wanted) -> Result<Option<Spliced>> {
    let key = &wanted.key;
    let doing = format!("making group {} on", escape(wanted.group.as_bytes()));
    let largest = store.largest_argument(key)?.map_or(LARGEST, |largest| largest.min(LARGEST));
    for _ in 0..TRIES {
        let before = match store.ask(key, &doing, redis::cmd("DUMP").arg(key))? {
            Value::BulkString(payload) => payload,
            Value::Nil => Vec::new(),
            other => return Err(store.no_answer(&doing, &other)),
        };
        let made_stream = before.is_empty();
        let empty;
        let base = if made_stream {
            empty = PayloadBuilder::default().finish(&StreamFacts::default(), &[group(wanted, 0)?]);
            &empty
        } else {
            &before
        };
        let Some(mut stream) = StreamPayload::of(base, LISTED) else { return Ok(None) };
        if !made_stream {
            stream.groups.push(group(wanted, stream.facts.entries_added)?);
        }
        let mut is_refused = true;
        for rdb_type in types(&stream, made_stream) {
            let after = stream.as_type(rdb_type);
            if after.len() as u64 > largest {
                return Ok(None);
            }
            let mut command = redis::cmd("EVAL");
            command.arg(PUT_BACK).arg(1).arg(key).arg(before.len()).arg(&before[before.len().saturating_sub(8)..]);
            match store.attempt_large(key, command.arg(after))? {
                Ok(reply) if integer(&reply) == Some(1) => {
                    let given = if rdb_type < 27 { stream.groups.last().map_or(0, released) } else { 0 };
                    return Ok(Some(Spliced { made_stream, given }));
                }
                Ok(_) => {
                    is_refused = false;
                    break;
                }
                Err(error) if is_unknown_format(&error) => {}
                Err(error) => return Err(store.refusal(&format!("{doing} {}", escape(key.as_bytes())), &error)),
            }
        }
        if is_refused {
            return Ok(None);
        }
    }
    let text = format!(
        "{} is written to so fast that group {} cannot be put into it: stop the writers and try again",
        escape(key.as_bytes()),
        escape(wanted.group.as_bytes())
    );
    Err(Error::new(Code::TryAgain, text))
}

fn is_unknown_format(error: &redis::RedisError) -> bool {
    let said = error.to_string();
    said.contains("DUMP payload version") || said.contains("Bad data format")
}

/// The types in which the stream may be put back: its own, one with a place for entries that nobody holds, or, of a new
/// stream, any that the server knows.
fn types(stream: &StreamPayload<'_>, is_new: bool) -> Vec<u8> {
    let own = stream.rdb_type();
    let newer = (own == 26 && stream.released() > 0).then_some(27);
    let older = stream.older_types().filter(|_| is_new);
    newer.into_iter().chain([own]).chain(older).collect()
}

fn released(group: &Group) -> u64 {
    group.pending.iter().filter(|pending| pending.consumer.is_none()).count() as u64
}

/// The group as a server has it after its members have asked for entries just now, in a stream that was given `added`
/// entries.
fn group(wanted: &Wanted, added: u64) -> Result<Group> {
    let last_delivered: StreamId = wanted.start.parse().map_err(|_| {
        let text = format!("{} is no ID of an entry", escape(wanted.start.as_bytes()));
        Error::new(Code::Data, text)
    })?;
    let now = Timestamp::now().as_millisecond();
    let mut names: Vec<Vec<u8>> = wanted.consumers.iter().map(|name| name_of(name)).collect();
    names.extend(wanted.pending.iter().filter_map(|pending| pending.consumer.as_deref()).map(name_of));
    names.sort();
    names.dedup();
    let mut pending: Vec<Pending> = Vec::new();
    for wanted in &wanted.pending {
        let holder = wanted.consumer.as_deref().map(name_of);
        let at = holder.and_then(|holder| names.binary_search(&holder).ok());
        pending.push(Pending {
            id: wanted.id,
            delivery_time: wanted.delivery_time.max(0),
            delivery_count: wanted.delivery_count,
            consumer: at.and_then(|at| u32::try_from(at).ok()),
        });
    }
    pending.sort_by_key(|pending| pending.id);
    pending.dedup_by_key(|pending| pending.id);
    let mut held = vec![0; names.len()];
    pending.iter().filter_map(|pending| pending.consumer).for_each(|at| held[at as usize] += 1);
    let consumer = |(name, pending)| {
        let active_time = Some(if pending > 0 { now } else { -1 });
        Consumer { name, seen_time: now, active_time, pending }
    };
    let consumers: Vec<Consumer> = names.into_iter().zip(held).map(consumer).collect();
    Ok(Group {
        name: name_of(&wanted.group),
        last_delivered,
        // Redis 8.10 takes no payload with a group that has read more than was added.
        entries_read: Some(wanted.entries_read.map_or(-1, |read| read.min(i64::try_from(added).unwrap_or(i64::MAX)))),
        pending_count: pending.len() as u64,
        pending,
        consumer_count: consumers.len() as u64,
        consumers,
    })
}
