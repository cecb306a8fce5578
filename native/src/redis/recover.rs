//! Recovery: bad entries leave the stream, and their whole content is kept.
//!
//! Repair writes an entry to a local rejects file and syncs it before the entry is deleted. Quarantine moves entries to
//! Papyra's quarantine stream by one script a batch, so that whoever looks finds an entry in exactly one of the two;
//! see `super::apart` for streams that no one script can reach. A run that is killed has moved less, and nothing else.
//! Entries are found page by page while writers go on writing; good ones are never touched.

use std::path::{Path, PathBuf};

use papyra_core::escape::escape;
use papyra_core::record::Note;
use papyra_core::redis::RecordCheck;
use papyra_core::report::{Backend, Report};
use redis::Value;

use super::cross_slot::{CrossSlot, now};
use super::page::Pages;
use super::rejects::Rejects;
use super::reply::{self, Entry};
use super::scan::scan;
use super::{Naming, PapyraKey, ServerSettings, Store, keys};
use crate::TOOL;
use crate::error::{Code, Error, Result};
use crate::reading::ScanOptions;
use crate::recover::{Mode, RecoverOptions, Recovered, Rejected, Removal};

/// Entries moved by one script; a server does nothing else while it runs.
const BATCH: usize = 100;

/// Bytes after which a batch is full.
const BATCH_BYTES: u64 = 1 << 20;

/// Moves the entries ARGV[2..] from KEYS[1] to KEYS[2]. For each: 1 moved, 0 not there any more, -1 too many fields.
const MOVE: &str = r"
local source, quarantine, moved = KEYS[1], KEYS[2], {}
-- Whoever may not delete must fail here, before anything is copied.
local may = redis.pcall('XDEL', source, '0-0')
if type(may) == 'table' and may.err then return redis.error_reply(may.err .. ' (XDEL)') end
local taken = {source = true, data = true, timestamp = true, id = true}
for i = 2, #ARGV do
  local id = ARGV[i]
  local entry = redis.call('XRANGE', source, id, id)[1]
  if not entry then
    moved[#moved + 1] = 0
  elseif #entry[2] > 7000 then
    moved[#moved + 1] = -1
  else
    local fields, data, at = entry[2], '', 0
    for j = 1, #fields, 2 do
      if fields[j] == 'data' then data, at = fields[j + 1], j end
    end
    local copy = {quarantine, '*', 'source', source, 'data', data, 'timestamp', ARGV[1], 'id', id}
    for j = 1, #fields, 2 do
      if j ~= at then
        copy[#copy + 1] = taken[fields[j]] and 'original:' .. fields[j] or fields[j]
        copy[#copy + 1] = fields[j + 1]
      end
    end
    local added = redis.pcall('XADD', unpack(copy))
    if type(added) == 'table' and added.err then return redis.error_reply(added.err .. ' (XADD)') end
    redis.call('XDEL', source, id)
    moved[#moved + 1] = 1
  end
end
return moved
";

/// Recovers the store's streams. Repair keeps what it removes in `rejects_dir`, or in the working folder.
pub fn recover(
    store: &Store,
    options: &RecoverOptions,
    rejects_dir: Option<&Path>,
    scanning: ScanOptions<'_>,
) -> Result<Recovered> {
    let report = || Ok::<_, Error>(Report::new(TOOL, Backend::Redis, scan(store, scanning)?, false));
    let mut outcome = Recovered::begin(options, report()?);
    if outcome.before.totals.anomalies == 0 {
        return Ok(outcome);
    }
    if outcome.before.is_no_log() {
        let text = format!(
            "the streams at {} hold no record of Papyra's: recovery would remove all of them; nothing was changed",
            store.settings.location
        );
        return Err(Error::new(Code::Data, text));
    }
    for file in outcome.before.files.iter().filter(|file| file.anomaly_count > 0) {
        let ids = file.anomalies.iter().filter_map(|finding| finding.id.clone()).collect();
        outcome.removals.push(Removal { key: file.path.clone(), entries: file.anomaly_count, ids });
    }
    if options.dry_run || options.mode == Mode::Ignore {
        return Ok(outcome);
    }
    for stream in store.present()?.0 {
        let keeping = match options.mode {
            Mode::Quarantine => Keeping::Quarantine,
            _ if options.discard_rejects => Keeping::Nothing,
            _ => Keeping::Rejects(rejects_dir.unwrap_or(Path::new("."))),
        };
        mend(store, &stream, keeping, scanning, &mut outcome)?;
    }
    outcome.after = report()?;
    let waiting = |report: &Report| report.totals.notes.get(&Note::PendingWithoutEntry).copied().unwrap_or(0);
    let orphaned = waiting(&outcome.after).saturating_sub(waiting(&outcome.before));
    if orphaned > 0 {
        outcome.warnings.push(format!(
            "{orphaned} pending {} for an entry that was removed: `papyra redis pending --gone` lists them, `papyra \
             redis ack` ends the waiting",
            if orphaned == 1 { "delivery waits" } else { "deliveries wait" }
        ));
    }
    Ok(outcome)
}

/// Where the bad entries of a stream go.
#[derive(Clone, Copy)]
enum Keeping<'a> {
    Quarantine,
    Rejects(&'a Path),
    Nothing,
}

/// What became of a stream's bad entries.
#[derive(Default)]
struct Tally {
    entries: u64,
    bytes: u64,
    /// Entries that no script can copy.
    too_wide: u64,
}

fn mend(
    store: &Store,
    stream: &PapyraKey,
    keeping: Keeping<'_>,
    scanning: ScanOptions<'_>,
    outcome: &mut Recovered,
) -> Result<()> {
    let key = stream.key();
    let quarantine = stream.quarantine(store.settings.quarantine_prefix.as_deref());
    let mut mover = match keeping {
        Keeping::Quarantine if store.are_apart(&key, &quarantine) => Mover::CrossSlot(None),
        Keeping::Quarantine => Mover::Script,
        Keeping::Rejects(folder) => Mover::Rejects(Rejects::new(folder, &key)),
        Keeping::Nothing => Mover::Nothing,
    };
    let mut tally = Tally::default();
    let (mut judge, mut batch, mut weight) = (RecordCheck::default(), Vec::new(), 0);
    let mut pages = Pages::all(store, &key)?;
    loop {
        let entries = pages.next()?;
        let at_end = entries.is_empty();
        (scanning.progress)(entries.len() as u64);
        if let Mover::CrossSlot(Some(apart)) = &mut mover {
            apart.hold(store)?;
        }
        for entry in entries {
            if judge.entry(&entry.as_read()).is_err() {
                weight += entry.bytes();
                batch.push(entry);
            }
            if batch.len() == BATCH || weight > BATCH_BYTES {
                mover.remove(store, &key, &quarantine, &batch, &mut tally)?;
                batch.clear();
                weight = 0;
            }
        }
        if at_end {
            break;
        }
    }
    if !batch.is_empty() {
        mover.remove(store, &key, &quarantine, &batch, &mut tally)?;
    }
    let file = match mover {
        Mover::Rejects(rejects) => rejects.path(),
        Mover::CrossSlot(Some(apart)) => {
            apart.finish(store)?;
            None
        }
        _ => None,
    };
    if tally.too_wide > 0 {
        outcome.warnings.push(format!(
            "{} entries of {} have too many fields to be moved by a script: use repair mode for them",
            tally.too_wide,
            escape(key.as_bytes())
        ));
    }
    if tally.entries > 0 {
        outcome.repaired_files.push(PathBuf::from(&key));
        if matches!(keeping, Keeping::Quarantine) {
            outcome.quarantined_files.push(PathBuf::from(&quarantine));
        }
        outcome.rejected.push(Rejected { file, source: key, bytes: tally.bytes, ranges: tally.entries });
    }
    Ok(())
}

/// The ways in which an entry leaves its stream.
enum Mover<'a> {
    Script,
    CrossSlot(Option<CrossSlot>),
    Rejects(Rejects<'a>),
    Nothing,
}

impl Mover<'_> {
    fn remove(&mut self, store: &Store, key: &str, to: &str, batch: &[Entry], tally: &mut Tally) -> Result<()> {
        match self {
            Mover::Script => {
                let moved = move_by_script(store, key, to, batch)?;
                for (entry, moved) in batch.iter().zip(moved) {
                    match moved {
                        1 => tally.add(entry),
                        -1 => tally.too_wide += 1,
                        _ => {}
                    }
                }
                return Ok(());
            }
            Mover::CrossSlot(apart) => {
                let apart = match apart {
                    Some(apart) => apart,
                    None => apart.insert(CrossSlot::begin(store, key, to)?),
                };
                for entry in batch {
                    apart.secure(store, entry)?;
                }
            }
            Mover::Rejects(rejects) => rejects.secure(batch)?,
            Mover::Nothing => {}
        }
        delete(store, key, batch)?;
        batch.iter().for_each(|entry| tally.add(entry));
        Ok(())
    }
}

impl Tally {
    fn add(&mut self, entry: &Entry) {
        self.entries += 1;
        self.bytes += entry.bytes();
    }
}

fn move_by_script(store: &Store, key: &str, to: &str, batch: &[Entry]) -> Result<Vec<i64>> {
    let mut command = redis::cmd("EVAL");
    command.arg(MOVE).arg(2).arg(key).arg(to).arg(now());
    batch.iter().for_each(|entry| _ = command.arg(entry.id.to_string()));
    let reply = match store.attempt(key, &command)? {
        Ok(reply) => reply,
        Err(error) => return Err(store.refused(&format!("moving bad entries of {key} to {to}"), &error)),
    };
    Ok(reply::items(reply).iter().map(|moved: &Value| reply::integer(moved).unwrap_or(0)).collect())
}

fn delete(store: &Store, key: &str, batch: &[Entry]) -> Result<()> {
    let mut command = redis::cmd("XDEL");
    command.arg(key);
    batch.iter().for_each(|entry| _ = command.arg(entry.id.to_string()));
    store.ask(key, "removing bad entries of", &command).map(|_| ())
}

impl Store {
    /// Whether two keys lie in different slots of a cluster, so that no script can reach both.
    fn are_apart(&self, one: &str, other: &str) -> bool {
        self.is_cluster() && keys::slot(one.as_bytes()) != keys::slot(other.as_bytes())
    }
}

/// The command that would mend what a scan found.
pub fn command(settings: &ServerSettings) -> String {
    let quoted = |text: &str| format!("'{}'", escape(text.as_bytes()).replace('\'', r"'\''"));
    let systems = match &settings.systems {
        super::Systems::All => " --all-systems".into(),
        super::Systems::Named(systems) => {
            systems.iter().map(|system| format!(" --system-id {}", quoted(system))).collect::<String>()
        }
    };
    // An address without its password is of no use: then PAPYRA_REDIS_URL has to say it again.
    let url = match settings.location.has_secret() {
        true => String::new(),
        false => format!(" --redis-url {}", quoted(&settings.location.to_string())),
    };
    format!("papyra persistence recover --backend redis{url} --prefix {}{systems}", quoted(&settings.prefix))
}
