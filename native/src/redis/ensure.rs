//! Consumer groups made, and made anew from a saved list: what a restored snapshot lacks.
//!
//! A group that is there is left as it is, so that asking twice changes nothing. A new one is made in one script with
//! its consumers and pending entries: a run that is killed has made the whole group or none of it. Where messages of
//! its pending entries are gone, `splice` makes it.

use papyra_core::escape::escape;
use papyra_core::redis::{NOBODY, name_of};
use serde::Serialize;

use super::reply::{self, count, items};
use super::splice::splice;
use super::{Store, StreamId};
use crate::TOOL;
use crate::error::{Code, Error, Result};
use crate::setting::Setting;

pub use super::wanted::Wanted;

/// ARGV: group, start, entries read or '', whether to make it without the pending entries whose message is gone, number
/// of consumers, their names, then ID, consumer or '', time and number of deliveries of each pending entry. Returns 0
/// for a group that is there, 1 for one that was made, 2 for one whose pending entries' messages are not all there; how
/// many pending entries it has now; how many of them nobody held, and the last argument holds now; whether the stream
/// was made.
const MAKE: &str = r"
local key, group, made = KEYS[1], ARGV[1], nil
local groups = redis.pcall('XINFO', 'GROUPS', key)
if not groups.err then
  for _, other in ipairs(groups) do
    if other[2] == group then return {0, 0, 0, 0} end
  end
end
local first, last = 6 + tonumber(ARGV[5]), #ARGV - 1
if ARGV[4] == '' then
  for i = first, last, 4 do
    if #redis.pcall('XRANGE', key, ARGV[i], ARGV[i]) == 0 then return {2, 0, 0, 0} end
  end
end
if ARGV[3] ~= '' then
  made = redis.pcall('XGROUP', 'CREATE', key, group, ARGV[2], 'MKSTREAM', 'ENTRIESREAD', ARGV[3])
end
-- Servers before 7.0 know no ENTRIESREAD.
if not made or made.err then
  made = redis.pcall('XGROUP', 'CREATE', key, group, ARGV[2], 'MKSTREAM')
end
if made.err then return made end
local claimed, given = 0, 0
for i = 6, first - 1 do redis.pcall('XGROUP', 'CREATECONSUMER', key, group, ARGV[i]) end
for i = first, last, 4 do
  local id, holder = ARGV[i], ARGV[i + 1]
  local count = ARGV[i + 3]
  local released = holder == '' and redis.pcall('XNACK', key, group, 'FAIL', 'IDS', 1, id, 'RETRYCOUNT', count, 'FORCE')
  if released and (type(released) ~= 'table' or not released.err) then
    claimed = claimed + 1
  else
    if holder == '' then holder = ARGV[#ARGV] end
    local time = ARGV[i + 2]
    local claim = redis.pcall('XCLAIM', key, group, holder, 0, id, 'TIME', time, 'RETRYCOUNT', count, 'FORCE', 'JUSTID')
    if not claim.err then
      claimed = claimed + #claim
      if ARGV[i + 1] == '' then given = given + #claim end
    end
  end
end
return {1, claimed, given, groups.err and 1 or 0}
";

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
    /// Pending entries that it was not given, since their message is gone and the stream is too large, or damaged, for
    /// them to be put into it.
    pub pending_lost: u64,
    /// Those that nobody held, and that wait for the consumer [`NOBODY`] now: the server cannot say that nobody does.
    pub pending_given: u64,
    /// Whether the stream was made too, empty.
    pub stream_created: bool,
}

/// Makes the groups that are not there.
pub fn ensure(store: &Store, wanted: &[Wanted]) -> Result<Ensured> {
    let groups = wanted.iter().map(|wanted| ensure_one(store, wanted)).collect::<Result<_>>()?;
    Ok(Ensured { schema: "papyra.ensure/1", tool: TOOL, groups })
}

fn ensure_one(store: &Store, wanted: &Wanted) -> Result<EnsuredGroup> {
    let pending = wanted.pending.len() as u64;
    let done = |created, restored, given, stream_created| EnsuredGroup {
        key: wanted.key.clone(),
        group: wanted.group.clone(),
        created,
        pending_restored: restored,
        pending_lost: if created { pending.saturating_sub(restored) } else { 0 },
        pending_given: given,
        stream_created,
    };
    let (mut outcome, mut counted) = make(store, wanted, false)?;
    if outcome == 2 {
        if let Some(spliced) = splice(store, wanted)? {
            return Ok(done(true, pending, spliced.given, spliced.made_stream));
        }
        (outcome, counted) = make(store, wanted, true)?;
    }
    let [restored, given, stream_created] = counted;
    Ok(done(outcome == 1, restored, given, stream_created == 1))
}

/// Runs the script; see there.
fn make(store: &Store, wanted: &Wanted, without_gone: bool) -> Result<(u64, [u64; 3])> {
    let mut command = redis::cmd("EVAL");
    let read = wanted.entries_read.map(|read| read.to_string()).unwrap_or_default();
    command.arg(MAKE).arg(1).arg(&wanted.key).arg(name_of(&wanted.group)).arg(&wanted.start).arg(read);
    command.arg(if without_gone { "1" } else { "" }).arg(wanted.consumers.len());
    wanted.consumers.iter().for_each(|consumer| _ = command.arg(name_of(consumer)));
    for pending in &wanted.pending {
        command
            .arg(pending.id.to_string())
            .arg(pending.consumer.as_deref().map(name_of).unwrap_or_default())
            .arg(pending.delivery_time)
            .arg(pending.delivery_count);
    }
    let what = format!("making group {} on", escape(wanted.group.as_bytes()));
    let reply = store.ask(&wanted.key, &what, command.arg(NOBODY))?;
    let numbers: Vec<u64> = items(reply.clone()).iter().filter_map(count).collect();
    match numbers[..] {
        [outcome, restored, given, made] => Ok((outcome, [restored, given, made])),
        _ => Err(store.no_answer(&what, &reply)),
    }
}

/// Removes a group. One that still waits for entries goes only by `force`. `false`: there was none.
pub fn delete(store: &Store, key: &str, group: &str, force: bool) -> Result<bool> {
    let groups = store.groups_of(key)?;
    let Some(found) = groups.iter().find(|found| found.name == name_of(group)) else { return Ok(false) };
    if found.pending > 0 && !force {
        let text = format!(
            "group {} on {} waits for {} entries; only by force is it removed with them",
            escape(group.as_bytes()),
            escape(key.as_bytes()),
            found.pending
        );
        return Err(Error::new(Code::Usage, text).decided_by(&[Setting::Force]));
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
