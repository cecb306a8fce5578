//! Consumer groups made, and made anew from a saved list: what a restored snapshot lacks.
//!
//! A group that is there is left as it is, so that asking twice changes nothing. A new one is made in one script with
//! its consumers and pending entries: a run that is killed has made the whole group or none of it.

use papyra_core::escape::escape;
use papyra_core::redis::{GroupsFile, PendingExport, name_of};
use redis::Value;
use serde::Serialize;

use super::reply::{self, count, items};
use super::{Naming, Store, StreamId};
use crate::TOOL;
use crate::error::{Code, Error, Result};

/// ARGV: group, start, entries read or '', number of consumers, their names, then ID, consumer, time and number of
/// deliveries of each pending entry. Returns whether the group was made, and how many pending entries it has now.
const MAKE: &str = r"
local key, group, made = KEYS[1], ARGV[1], nil
if ARGV[3] ~= '' then
  made = redis.pcall('XGROUP', 'CREATE', key, group, ARGV[2], 'MKSTREAM', 'ENTRIESREAD', ARGV[3])
end
-- Servers before 7.0 know no ENTRIESREAD.
if not made or (made.err and not string.find(made.err, 'BUSYGROUP')) then
  made = redis.pcall('XGROUP', 'CREATE', key, group, ARGV[2], 'MKSTREAM')
end
if made.err then
  if string.find(made.err, 'BUSYGROUP') then return {0, 0} end
  return made
end
local consumers, claimed = tonumber(ARGV[4]), 0
for i = 5, 4 + consumers do redis.pcall('XGROUP', 'CREATECONSUMER', key, group, ARGV[i]) end
for i = 5 + consumers, #ARGV, 4 do
  local claim = redis.pcall('XCLAIM', key, group, ARGV[i + 1], 0, ARGV[i], 'TIME', ARGV[i + 2], 'RETRYCOUNT', ARGV[i + 3], 'FORCE', 'JUSTID')
  if not claim.err then claimed = claimed + #claim end
end
return {1, claimed}
";

/// A group that is to be there.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The stream's key.
    pub key: String,
    /// The group's name, written as in a [`GroupsFile`]; so are its consumers'.
    pub group: String,
    /// What a new group counts as delivered: an ID, or `$` for all there is.
    pub start: String,
    /// Entries read, where known.
    pub entries_read: Option<i64>,
    /// Its consumers.
    pub consumers: Vec<String>,
    /// Its pending entries.
    pub pending: Vec<PendingExport>,
}

/// What was done: schema `papyra.ensure/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Ensured {
    /// `papyra.ensure/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// Group by group.
    pub groups: Vec<EnsuredGroup>,
}

/// One group.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct EnsuredGroup {
    /// The stream's key.
    pub key: String,
    /// The group's name.
    pub group: String,
    /// Whether it was made just now; a group that was there is left as it is.
    pub created: bool,
    /// Pending entries that it was given.
    pub pending_restored: u64,
    /// Pending entries that it was not given, since their message is gone.
    pub pending_lost: u64,
}

impl Wanted {
    /// The groups of a saved list that belong to the store's systems.
    pub fn from_list(store: &Store, list: &GroupsFile) -> Result<Vec<Wanted>> {
        if list.schema != GroupsFile::SCHEMA {
            let text = format!(
                "the list of groups has the schema {}, not {}",
                escape(list.schema.as_bytes()),
                GroupsFile::SCHEMA
            );
            return Err(Error::new(Code::Data, text));
        }
        let keys: Vec<String> = store.streams().iter().map(Naming::key).collect();
        let streams = list.streams.iter().filter(|stream| keys.contains(&stream.key));
        let wanted: Vec<Wanted> = streams
            .flat_map(|stream| {
                stream.groups.iter().map(|group| Wanted {
                    key: stream.key.clone(),
                    group: group.name.clone(),
                    start: group.last_delivered.to_string(),
                    entries_read: group.entries_read.filter(|read| *read >= 0),
                    consumers: group.consumers.iter().map(|consumer| consumer.name.clone()).collect(),
                    pending: group.pending.clone(),
                })
            })
            .collect();
        if wanted.is_empty() {
            let listed: Vec<String> = list.streams.iter().map(|stream| escape(stream.key.as_bytes())).collect();
            let text = format!(
                "the list holds no group of the systems asked for, only of these streams: {}; name them with --prefix and \
                 --system-id",
                listed.join(", ")
            );
            return Err(Error::new(Code::NoInput, text));
        }
        Ok(wanted)
    }
}

/// Makes the groups that are not there.
pub fn ensure(store: &Store, wanted: &[Wanted]) -> Result<Ensured> {
    let mut groups = Vec::new();
    for wanted in wanted {
        let mut command = redis::cmd("EVAL");
        let read = wanted.entries_read.map(|read| read.to_string()).unwrap_or_default();
        command.arg(MAKE).arg(1).arg(&wanted.key).arg(name_of(&wanted.group)).arg(&wanted.start).arg(read);
        command.arg(wanted.consumers.len());
        wanted.consumers.iter().for_each(|consumer| _ = command.arg(name_of(consumer)));
        for pending in &wanted.pending {
            // One that was given back has no holder, and no command can make it wait again.
            let Some(consumer) = &pending.consumer else { continue };
            command
                .arg(pending.id.to_string())
                .arg(name_of(consumer))
                .arg(pending.delivery_time)
                .arg(pending.delivery_count);
        }
        let what = format!("making group {} on", escape(wanted.group.as_bytes()));
        let reply = items(store.ask(&wanted.key, &what, &command)?);
        let created = reply.first() == Some(&Value::Int(1));
        let restored = reply.get(1).and_then(count).unwrap_or(0);
        groups.push(EnsuredGroup {
            key: wanted.key.clone(),
            group: wanted.group.clone(),
            created,
            pending_restored: restored,
            pending_lost: if created { wanted.pending.len() as u64 - restored } else { 0 },
        });
    }
    Ok(Ensured { schema: "papyra.ensure/1", tool: TOOL, groups })
}

/// Removes a group. One that still waits for entries goes only by `force`. `false`: there was none.
pub fn delete(store: &Store, key: &str, group: &str, force: bool) -> Result<bool> {
    let groups = store.groups_of(key)?;
    let Some(found) = groups.iter().find(|found| found.name == name_of(group)) else { return Ok(false) };
    if found.pending > 0 && !force {
        let text = format!(
            "group {} on {} waits for {} entries; --force removes it with them",
            escape(group.as_bytes()),
            escape(key.as_bytes()),
            found.pending
        );
        return Err(Error::new(Code::Usage, text));
    }
    let mut command = redis::cmd("XGROUP");
    command.arg("DESTROY").arg(key).arg(&found.name);
    let reply = store.ask(key, "removing a group of", &command)?;
    Ok(reply::integer(&reply) == Some(1))
}

/// Reads where a new group is to begin: `0`, `$` or an ID.
pub fn start(text: &str) -> std::result::Result<String, String> {
    match text {
        "$" => Ok(text.into()),
        _ => text.parse::<StreamId>().map(|id| id.to_string()).map_err(|_| "write 0, $ or an entry's ID".into()),
    }
}
