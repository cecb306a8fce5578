//! Trimming: the oldest entries go, by number or by the time in their IDs, unless a group still waits for them.
//!
//! Where to cut is decided first, as an ID; whether anybody waits for an entry below it is looked at by the script that
//! cuts. What is trimmed is gone; that is its purpose.

use papyra_core::escape::escape;
use redis::Value;
use serde::Serialize;

use super::page::{Pages, before, start_of_sample};
use super::reply::{self, count, items};
use super::{Naming, PapyraKey, Store, StreamId};
use crate::TOOL;
use crate::error::{Code, Error, Result};
use crate::reading::ScanOptions;
use crate::setting::Setting;

/// ARGV: the first ID that stays, the last that goes, `~` or `=`, 1 to cut whatever waits. Returns the number of
/// entries cut, or the group and the entry that it waits for.
const TRIM: &str = r"
local key, force = KEYS[1], ARGV[4] == '1'
if not force then
  for _, info in ipairs(redis.call('XINFO', 'GROUPS', key)) do
    for i = 1, #info, 2 do
      if info[i] == 'name' then
        local waits = redis.call('XPENDING', key, info[i + 1], '-', ARGV[2], 1)
        if waits[1] then return {info[i + 1], waits[1][1]} end
      end
    end
  end
end
return redis.call('XTRIM', key, 'MINID', ARGV[3], ARGV[1])
";

/// What to trim.
#[derive(Debug, Clone, Copy, Default)]
pub struct Trim {
    /// Keep this many of the newest entries of each stream.
    pub max_records: Option<u64>,
    /// Keep entries that are younger than this many milliseconds, by the server's clock and their IDs.
    pub max_age_ms: Option<u64>,
    /// Cut exactly there; otherwise where the server finds it cheap, which leaves a few more.
    pub exact: bool,
    /// Cut entries that a group still waits for, too.
    pub force: bool,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What was done: schema `papyra.compact/1`.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct Trimmed {
    /// `papyra.compact/1`.
    pub schema: &'static str,
    /// Who did it: name and version.
    pub tool: &'static str,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Entries before.
    pub records_before: u64,
    /// Entries that went, or would go.
    pub records_removed: u64,
    /// Stream by stream.
    pub streams: Vec<TrimmedStream>,
    /// What the operator should know besides.
    pub warnings: Vec<String>,
}

/// One stream.
#[derive(schemars::JsonSchema, Debug, Serialize)]
pub struct TrimmedStream {
    /// Its key.
    pub key: String,
    /// Entries before.
    pub before: u64,
    /// Entries after; before, when nothing was done.
    pub after: u64,
    /// Entries that the policy names. With an approximate cut, some of them stay.
    pub named: u64,
}

/// Trims the store's streams.
pub fn compact(store: &Store, trim: Trim, scanning: ScanOptions<'_>) -> Result<Trimmed> {
    let mut trimmed = Trimmed {
        schema: "papyra.compact/1",
        tool: TOOL,
        dry_run: trim.dry_run,
        records_before: 0,
        records_removed: 0,
        streams: Vec::new(),
        warnings: Vec::new(),
    };
    // Refused for one, refused for all: so all are looked at before any is cut.
    let mut cuts = Vec::new();
    for stream in store.present()?.0 {
        cuts.push((cut(store, &stream, trim)?, stream.key()));
    }
    for (cut, key) in cuts {
        let length_before = store.length_of(&key)?;
        let named = match cut {
            Some(cut) => entries_below(store, &key, cut, scanning)?,
            None => 0,
        };
        let mut stream = TrimmedStream { key, before: length_before, after: length_before, named };
        if let Some(cut) = cut.filter(|_| named > 0) {
            warn_of_unread(store, &stream.key, cut, &mut trimmed.warnings)?;
            if trim.dry_run {
                trimmed.records_removed += named;
            } else {
                let removed = run(store, &stream.key, cut, trim)?;
                stream.after = length_before.saturating_sub(removed);
                trimmed.records_removed += removed;
            }
        }
        trimmed.records_before += length_before;
        trimmed.streams.push(stream);
    }
    Ok(trimmed)
}

/// The first ID that stays; `None` when all do.
fn cut(store: &Store, stream: &PapyraKey, trim: Trim) -> Result<Option<StreamId>> {
    let key = stream.key();
    let mut cut = None;
    if let Some(most) = trim.max_records
        && store.length_of(&key)? > most
    {
        cut = Some(start_of_sample(store, &key, most)?);
    }
    if let Some(age) = trim.max_age_ms {
        let now = store.now_ms(&key)?;
        let first = store.first_id(&key)?;
        let last = store.last_entry(&key)?.map(|entry| entry.id);
        let is_unix = |id: StreamId| (1_000_000_000_000..=now + 86_400_000).contains(&id.ms);
        if let Some(odd) = [first, last].into_iter().flatten().find(|id| !is_unix(*id)) {
            let text = format!(
                "age goes by the time in the entries' IDs, but {} has {odd}, which is not Unix time; say how many \
                 entries stay: nothing was changed",
                escape(key.as_bytes())
            );
            return Err(Error::new(Code::Data, text).decided_by(&[Setting::MaxAge, Setting::MaxRecords]));
        }
        cut = cut.max(Some(StreamId { ms: now.saturating_sub(age), seq: 0 }));
    }
    if let Some(cut) = cut.filter(|_| !trim.force) {
        for group in store.groups_of(&key)? {
            let first = store.first_pending(&key, &group.name)?;
            if let Some(id) = first.filter(|id| *id < cut) {
                return Err(awaited(&key, &group.name, id));
            }
        }
    }
    Ok(cut)
}

fn awaited(key: &str, group: &[u8], id: StreamId) -> Error {
    let text = format!(
        "group {} still waits for entry {id} of {}, which would be cut: acknowledge it, keep more, or cut it by force",
        escape(group),
        escape(key.as_bytes())
    );
    Error::new(Code::Usage, text).decided_by(&[Setting::Force])
}

fn run(store: &Store, key: &str, cut: StreamId, trim: Trim) -> Result<u64> {
    let mut command = redis::cmd("EVAL");
    command.arg(TRIM).arg(1).arg(key).arg(cut.to_string()).arg(before(cut).unwrap_or_default().to_string());
    command.arg(if trim.exact { "=" } else { "~" }).arg(if trim.force { "1" } else { "0" });
    match store.ask(key, "trimming", &command)? {
        Value::Array(waits) => {
            let group = waits.first().and_then(reply::bytes).unwrap_or_default();
            Err(awaited(key, group, waits.get(1).and_then(reply::id).unwrap_or_default()))
        }
        removed => count(&removed).ok_or_else(|| store.no_answer(&format!("trimming {key}"), &removed)),
    }
}

fn warn_of_unread(store: &Store, key: &str, cut: StreamId, warnings: &mut Vec<String>) -> Result<()> {
    for group in store.groups_of(key)? {
        if group.last_delivered < before(cut).unwrap_or_default() {
            warnings.push(format!(
                "group {} has read {} only to {}: what is cut above that, it never sees",
                escape(&group.name),
                escape(key.as_bytes()),
                group.last_delivered
            ));
        }
    }
    Ok(())
}

/// How many entries lie below an ID; they are read, a page at a time.
fn entries_below(store: &Store, key: &str, cut: StreamId, scanning: ScanOptions<'_>) -> Result<u64> {
    let mut pages = Pages::all(store, key)?;
    let mut entries = 0;
    loop {
        let page = pages.next()?;
        let below = page.iter().filter(|entry| entry.id < cut);
        let below = below.count() as u64;
        (scanning.progress)(below);
        entries += below;
        if page.is_empty() || page.last().is_some_and(|entry| entry.id >= cut) {
            return Ok(entries);
        }
    }
}

impl Store {
    fn first_id(&self, key: &str) -> Result<Option<StreamId>> {
        let mut command = redis::cmd("XRANGE");
        command.arg(key).arg("-").arg("+").arg("COUNT").arg(1);
        Ok(self.entries(key, &command)?.first().map(|entry| entry.id))
    }

    /// The oldest entry that a group waits for.
    fn first_pending(&self, key: &str, group: &[u8]) -> Result<Option<StreamId>> {
        let mut command = redis::cmd("XPENDING");
        command.arg(key).arg(group).arg("-").arg("+").arg(1);
        let list = self.list(key, "listing what is pending in", &command)?;
        Ok(list.into_iter().next().map(items).and_then(|parts| parts.first().and_then(reply::id)))
    }
}
