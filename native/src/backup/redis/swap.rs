//! Streams put in place: in one transaction, what is there is moved aside and what waits gets its name.
//!
//! Everything that takes part is watched, so that a key that comes or goes meanwhile stops the transaction and not half
//! of it. In a cluster this is true of each slot by itself.

use papyra_core::escape::escape;
use redis::Cmd;

use super::WAITS;
use super::stage::Staged;
use crate::error::{Code, Error, Result};
use crate::redis::Store;
use crate::setting::Setting;

/// How often a transaction is begun anew because somebody writes meanwhile.
const TRIES: usize = 50;

/// Keys that were moved aside, and where to.
pub(super) type Aside = Vec<(String, String)>;

/// Puts what waits in place. `keys` are all that belong to the system, there or not: without `replace` none may be.
pub(super) fn swap(store: &Store, keys: &[String], staged: &[&Staged], replace: bool, mark: &str) -> Result<Aside> {
    let Some(first) = keys.first() else { return Ok(Vec::new()) };
    for _ in 0..TRIES {
        let mut watch = redis::cmd("WATCH");
        watch.arg(keys);
        for waiting in staged {
            store.demand(first, "keeping", redis::cmd("PEXPIRE").arg(&waiting.name).arg(WAITS))?;
            watch.arg(&waiting.name);
        }
        let asides: Vec<String> = keys.iter().map(|key| store.beside(key, &format!("replaced:{mark}"))).collect();
        watch.arg(&asides);
        store.demand(first, "watching", &watch)?;
        let prepared = prepare(store, keys, &asides, staged, replace);
        let (commands, aside) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                store.demand(first, "letting go of", &redis::cmd("UNWATCH"))?;
                return Err(error);
            }
        };
        let what = format!("putting {} in place", keys.join(", "));
        if store.transact(first, &what, &commands)?.is_some() {
            return Ok(aside);
        }
    }
    let text = format!(
        "{} is written to so fast that the restored streams cannot take its place: stop the writers and try again",
        escape(first.as_bytes())
    );
    Err(Error::new(Code::TryAgain, text))
}

fn prepare(
    store: &Store,
    keys: &[String],
    asides: &[String],
    staged: &[&Staged],
    replace: bool,
) -> Result<(Vec<Cmd>, Aside)> {
    let (mut commands, mut moved) = (Vec::new(), Vec::new());
    for (key, aside) in keys.iter().zip(asides) {
        if !store.is_taken(key)? {
            continue;
        }
        if !replace {
            return Err(occupied(store, &[key]));
        }
        if store.is_taken(aside)? {
            let text = format!("{} is there already: try again", escape(aside.as_bytes()));
            return Err(Error::new(Code::TryAgain, text));
        }
        commands.push(redis::cmd("RENAME").arg(key).arg(aside).clone());
        // What is kept must not expire.
        commands.push(redis::cmd("PERSIST").arg(aside).clone());
        moved.push((key.clone(), aside.clone()));
    }
    for waiting in staged {
        if !store.is_taken(&waiting.name)? {
            let text = format!(
                "{} is gone from {}: does its eviction policy remove keys? Nothing was changed",
                escape(waiting.name.as_bytes()),
                store.settings.location
            );
            return Err(Error::new(Code::Io, text));
        }
        commands.push(redis::cmd("PERSIST").arg(&waiting.name).clone());
        commands.push(redis::cmd("RENAME").arg(&waiting.name).arg(&waiting.key).clone());
    }
    Ok((commands, moved))
}

/// Streams are there, and nothing is ever merged or overwritten.
pub(super) fn occupied(store: &Store, keys: &[&String]) -> Error {
    let keys: Vec<String> = keys.iter().map(|key| escape(key.as_bytes())).collect();
    let text = format!(
        "{} {} there already at {}, and a restore never merges: have the existing data renamed, or name another server \
         or database",
        keys.join(", "),
        if keys.len() == 1 { "is" } else { "are" },
        store.settings.location
    );
    Error::new(Code::CannotCreate, text).decided_by(&[Setting::Replace])
}
