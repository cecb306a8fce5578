//! The RDB file that a server saves at a path that we can read: saved anew, waited for, and held open.

use std::path::Path;
use std::time::{Duration, Instant};

use redis::Value;

use crate::disk::{self, File};
use crate::error::{Code, Error, Result, show};
use crate::redis::Store;
use crate::redis::reply::{count, items};

/// How long the server may seem to do nothing.
const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(20);

/// Has the server save, and opens the file. Returns its size, and the second in which the saving began.
pub(super) fn save(store: &Store, path: &Path) -> Result<(File, u64, i64)> {
    // A path that is wrong shows before the server has worked for it.
    disk::open(path).map(drop).or_else(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Ok(()),
        _ => Err(Error::cannot_open(path, error)),
    })?;
    let mut quiet = Instant::now();
    // The time of the last save is told in whole seconds: a save within the same one would not show. Where it lies
    // further ahead, the clock was set back, and nobody waits for that.
    while is_saving(store)? || last(store)?.checked_sub(second(store)?).is_some_and(|ahead| ahead < 2) {
        std::thread::sleep(PAUSE);
    }
    let before = last(store)?;
    let since = i64::try_from(second(store)?).unwrap_or(0);
    let reply = store.ask_first("saving (BGSAVE)", redis::cmd("BGSAVE").arg("SCHEDULE"))?;
    // Otherwise it waits until the append-only file is rewritten.
    let mut began = matches!(&reply, Value::SimpleString(text) if text.contains("started"));
    while last(store)? == before {
        let saving = is_saving(store)?;
        let failed = began && !saving && store.info("persistence", "rdb_last_bgsave_status")?.as_deref() == Some("err");
        if failed || quiet.elapsed() > PATIENCE {
            let text = format!("{} did not save: its log says why; the backup was not made", store.settings.location);
            return Err(Error::new(Code::Unavailable, text));
        }
        if saving {
            began = true;
            quiet = Instant::now();
        }
        std::thread::sleep(PAUSE);
    }
    let file = disk::open(path).map_err(|error| Error::cannot_open(path, error))?;
    let size = file.size().map_err(|error| Error::cannot_read(path, 0, &error))?;
    Ok((file, size, since))
}

/// Whether the file that was read is the one that was saved, by the time that stands in it.
pub(super) fn is_the_one(written: Option<i64>, since: i64, path: &Path) -> Result<()> {
    if written.is_some_and(|written| written >= since) {
        return Ok(());
    }
    let text = format!(
        "{} is not the file that the server has just saved: CONFIG GET dir and CONFIG GET dbfilename tell where that \
         is",
        show(path)
    );
    Err(Error::new(Code::NoInput, text))
}

fn is_saving(store: &Store) -> Result<bool> {
    Ok(store.info("persistence", "rdb_bgsave_in_progress")?.as_deref() == Some("1"))
}

fn last(store: &Store) -> Result<u64> {
    let reply = store.ask_first("asking for the last save (LASTSAVE)", &redis::cmd("LASTSAVE"))?;
    Ok(count(&reply).unwrap_or(0))
}

/// The second that the server writes into a file from now on, or one before: what time(2) tells it there lags behind
/// its TIME by up to a tick of the kernel.
fn second(store: &Store) -> Result<u64> {
    const TICK: u64 = 100_000;
    let reply = items(store.ask_first("asking for the time", &redis::cmd("TIME"))?);
    let part = |at: usize| reply.get(at).and_then(count).unwrap_or(0);
    Ok(part(0).saturating_mul(1_000_000).saturating_add(part(1)).saturating_sub(TICK) / 1_000_000)
}
