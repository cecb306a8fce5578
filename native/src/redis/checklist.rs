//! What a server does for its data, and who looks after the groups: the part of the operator's checklist that only the
//! server can answer.
//!
//! INFO tells most of it, also where a provider forbids CONFIG; what nobody may tell is said to be unknown.

use std::collections::HashMap;

use papyra_core::escape::escape;
use papyra_core::redis::written;

use super::link::Answers;
use super::reply::{count, items, text};
use super::{Naming, Store};
use crate::checklist::Item;
use crate::error::{Code, Result};
use crate::figures::{counted, duration_ms};

/// What is too old, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The last snapshot, while something has changed since.
    pub save_age_ms: u64,
    /// An entry that was delivered and not acknowledged.
    pub pending_age_ms: u64,
}

/// Goes through the list: each server of a cluster, then each stream.
pub fn check(store: &Store, limits: Limits) -> Result<Vec<Item>> {
    let config = |name: &str| redis::cmd("CONFIG").arg("GET").arg(name).to_owned();
    let questions = [
        redis::cmd("INFO"),
        redis::cmd("TIME"),
        config("appendfsync"),
        config("save"),
        config("min-replicas-to-write"),
    ];
    let mut list = Vec::new();
    let expiring = expiring(store);
    let servers = store.link.borrow_mut().ask_servers("asking the server for its state", &questions)?;
    for answers in servers {
        let of = if store.is_cluster() { format!("{}: ", answers.location) } else { String::new() };
        let server = Server::of(answers);
        let mut server_items = match &server.info {
            Ok(_) => {
                vec![append_only(&server), snapshot(&server, limits), eviction(&server, &expiring), replicas(&server)]
            }
            Err(why) => vec![Item::undecided("server", why.clone(), "allow the user INFO: ACL SETUSER … +info")],
        };
        server_items.iter_mut().for_each(|item| item.detail.insert_str(0, &of));
        list.extend(server_items);
    }
    list.push(permitted("expiry", expiring.map(|keys| expiry(&keys)))?);
    let streams = groups(store, limits);
    match streams {
        Ok(items) => list.extend(items),
        Err(error) => list.push(permitted("groups", Err(error))?),
    }
    Ok(list)
}

/// A refusal is an item; a server that is gone is an error.
fn permitted(check: &'static str, item: Result<Item>) -> Result<Item> {
    match item {
        Err(error) if error.code == Code::Unavailable => {
            Ok(Item::undecided(check, error.to_string(), "ask whoever runs the server"))
        }
        item => item,
    }
}

/// What a server says of itself.
struct Server {
    /// Or why it does not.
    info: std::result::Result<HashMap<String, String>, String>,
    now_ms: Option<u64>,
    /// Values of CONFIG; absent where that is forbidden.
    fsync: Option<String>,
    save: Option<String>,
    min_replicas: Option<u64>,
}

impl Server {
    fn of(answers: Answers) -> Server {
        let mut answers = answers.answers.into_iter();
        let info = match answers.next() {
            Some(Ok(info)) => Ok(fields(&text(&info).unwrap_or_default())),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("no answer".into()),
        };
        let time = answers.next().and_then(Result::ok).map(items).unwrap_or_default();
        let mut config = || items(answers.next()?.ok()?).get(1).and_then(text);
        let (fsync, save, min_replicas) = (config(), config(), config());
        let now_ms = time.first().and_then(count).map(|seconds| seconds * 1_000);
        Server { info, now_ms, fsync, save, min_replicas: min_replicas.and_then(|number| number.parse().ok()) }
    }

    /// A field of INFO.
    fn get(&self, name: &str) -> Option<&str> {
        self.info.as_ref().ok()?.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }
}

/// The lines `name:value` of INFO.
fn fields(info: &str) -> HashMap<String, String> {
    let pairs = info.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_end().to_owned())).collect()
}

fn append_only(server: &Server) -> Item {
    let check = "append-only file";
    if server.get("aof_enabled") != Some("1") {
        let advice = "CONFIG SET appendonly yes, and the same in its settings file";
        return Item::failed(check, "off: a crash loses all that came after the last snapshot".into(), advice);
    }
    for (field, what) in [("aof_last_write_status", "write"), ("aof_last_bgrewrite_status", "rewrite")] {
        if server.get(field).is_some_and(|status| status != "ok") {
            return Item::failed(check, format!("its last {what} failed"), "check the server's log and its disk");
        }
    }
    match server.fsync.as_deref() {
        Some("always") => Item::passed(check, "on, synced at every write".into()),
        Some("everysec") => Item::passed(check, "on, synced every second".into()),
        Some(other) => Item::failed(
            check,
            format!(
                "on, but appendfsync is {}: a power cut loses what the kernel still holds",
                escape(other.as_bytes())
            ),
            "CONFIG SET appendfsync everysec, and the same in its settings file",
        ),
        None => Item::undecided(
            check,
            "on by INFO; appendfsync is not known, since CONFIG GET is not permitted".into(),
            "ask whoever runs the server whether appendfsync is everysec or always",
        ),
    }
}

fn snapshot(server: &Server, limits: Limits) -> Item {
    let check = "last snapshot";
    if server.get("rdb_last_bgsave_status").is_some_and(|status| status != "ok") {
        let advice = "free its disk or repair its folder, check the server's log, then run BGSAVE";
        return Item::failed(check, "the last BGSAVE failed".into(), advice);
    }
    if server.save.as_deref() == Some("") {
        return if server.get("aof_enabled") == Some("1") {
            Item::passed(check, "snapshots are off, the append-only file is on".into())
        } else {
            let advice =
                "CONFIG SET save \"3600 1\", or turn the append-only file on; and the same in its settings file";
            Item::failed(check, "snapshots are off, and so is the append-only file".into(), advice)
        };
    }
    let changes = server.number("rdb_changes_since_last_save");
    let saved = server.number("rdb_last_save_time").map(|seconds| seconds * 1_000);
    let age = server.now_ms.zip(saved).map(|(now, saved)| now.saturating_sub(saved));
    let (Some(changes), Some(age)) = (changes, age) else {
        let advice = "allow the user TIME: ACL SETUSER … +time";
        return Item::undecided(check, "when it was made is not known".into(), advice);
    };
    let detail = format!("{} ago, {changes} changes since", duration_ms(age));
    if changes == 0 || age <= limits.save_age_ms {
        return Item::passed(check, detail);
    }
    let detail = format!("{detail}, {} is the limit", duration_ms(limits.save_age_ms));
    Item::failed(check, detail, "run BGSAVE, and find out why none was made: CONFIG GET save says when one is due")
}

/// What may be dropped to make room.
fn eviction(server: &Server, expiring: &Result<Vec<(String, u64)>>) -> Item {
    let check = "eviction";
    let Some(policy) = server.get("maxmemory_policy") else {
        let detail = "the server does not say what it drops when its memory is full".to_owned();
        return Item::undecided(check, detail, "ask whoever runs it for maxmemory-policy; it must be noeviction");
    };
    let limit = match server.number("maxmemory") {
        Some(0) => "without a memory limit".to_owned(),
        Some(bytes) => format!("at {bytes} bytes of memory"),
        None => "at a memory limit that is not known".into(),
    };
    let detail = format!("{} {limit}", escape(policy.as_bytes()));
    let advice = "CONFIG SET maxmemory-policy noeviction, and the same in its settings file";
    match expiring {
        _ if policy == "noeviction" => Item::passed(check, detail),
        Ok(keys) if policy.starts_with("volatile-") && keys.is_empty() => {
            Item::passed(check, format!("{detail}: it drops only keys that expire, and no stream does"))
        }
        _ => Item::failed(check, format!("{detail}: it can drop whole streams"), advice),
    }
}

fn replicas(server: &Server) -> Item {
    let check = "replicas";
    if server.get("role") == Some("slave") {
        let link = server.get("master_link_status").unwrap_or("unknown");
        let detail = format!("this is a replica, the link to its master is {}", escape(link.as_bytes()));
        return if link == "up" {
            Item::passed(check, detail)
        } else {
            Item::failed(check, detail, "what it holds grows old: check the logs of both servers")
        };
    }
    let connected = server.number("connected_slaves").unwrap_or(0);
    let good = (0..connected)
        .filter(|number| server.get(&format!("slave{number}")).is_some_and(|replica| replica.contains("state=online")));
    let good = good.count() as u64;
    let wanted = server.min_replicas;
    let held = match wanted {
        Some(0) => "; writes go on without any (min-replicas-to-write is 0)".into(),
        Some(wanted) => format!("; {wanted} are wanted for a write (min-replicas-to-write)"),
        None => "; min-replicas-to-write is not known, since CONFIG GET is not permitted".into(),
    };
    let detail = match connected {
        0 => format!("none: a lost server is a lost history but for its backups{held}"),
        _ => format!("{good} of {connected} in step{held}"),
    };
    if good < connected || wanted.is_some_and(|wanted| good < wanted) {
        return Item::failed(check, detail, "bring the replicas back: INFO replication names those that are connected");
    }
    Item::passed(check, detail)
}

/// The streams that will vanish by themselves, and in how many milliseconds.
fn expiring(store: &Store) -> Result<Vec<(String, u64)>> {
    let mut expiring = Vec::new();
    for stream in store.streams() {
        let quarantine = stream.quarantine(store.settings.quarantine_prefix.as_deref());
        for key in [stream.key(), quarantine] {
            let left = store.ask(&key, "asking for the time to live of", redis::cmd("PTTL").arg(&key))?;
            expiring.extend(count(&left).map(|left| (key, left)));
        }
    }
    Ok(expiring)
}

fn expiry(expiring: &[(String, u64)]) -> Item {
    let check = "expiry";
    let Some((key, left)) = expiring.first() else {
        return Item::passed(check, "no stream expires".into());
    };
    let key = escape(key.as_bytes());
    let more = if expiring.len() > 1 { format!(" and {} more", expiring.len() - 1) } else { String::new() };
    let detail = format!("{key}{more} will be gone in {}", duration_ms(*left));
    Item::failed(check, detail, format!("PERSIST {key}, and find out who sets it"))
}

/// Whether somebody reads in each group, and what waits for too long.
fn groups(store: &Store, limits: Limits) -> Result<Vec<Item>> {
    let (mut empty, mut late, mut all) = (Vec::new(), Vec::new(), 0_u64);
    for stream in store.streams() {
        let key = stream.key();
        for group in store.groups_of(&key)? {
            all += 1;
            let name = format!("{} of {}", escape(written(&group.name).as_bytes()), escape(key.as_bytes()));
            if store.consumers_of(&key, &group.name)?.is_empty() {
                empty.push(name.clone());
            }
            let (mut waiting, mut oldest) = (0_u64, 0);
            store.each_pending(&key, &group.name, None, 1_000, |page| {
                waiting +=
                    page.iter().filter(|entry| entry.idle_ms.is_some_and(|idle| idle > limits.pending_age_ms)).count()
                        as u64;
                oldest = page.iter().filter_map(|entry| entry.idle_ms).fold(oldest, u64::max);
                Ok(())
            })?;
            if waiting > 0 {
                late.push(format!(
                    "{} in {name}, the oldest for {}",
                    counted(waiting, "entry", "entries"),
                    duration_ms(oldest)
                ));
            }
        }
    }
    let consumers = match all {
        0 => Item::passed("consumers", "there are no groups".into()),
        _ if empty.is_empty() => Item::passed("consumers", format!("every group has some ({all})")),
        _ => Item::failed(
            "consumers",
            format!("none in group {}", empty.join(", ")),
            "start its consumers, or `papyra redis groups delete` if nobody needs it",
        ),
    };
    let limit = duration_ms(limits.pending_age_ms);
    let pending = if late.is_empty() {
        Item::passed("pending entries", format!("none waits for longer than {limit}"))
    } else {
        Item::failed(
            "pending entries",
            format!("not acknowledged for more than {limit}: {}", late.join("; ")),
            "`papyra redis pending` lists them, `papyra redis claim` gives them to a consumer that lives",
        )
    };
    Ok(vec![consumers, pending])
}
