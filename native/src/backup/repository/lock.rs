//! Locks as restic has them: a file in the repository says who is at work, so that `restic prune` removes nothing that
//! a backup under way relies on, and a prune of ours nothing that a backup of restic's does (restic's design, "Locks").

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use papyra_core::digest::sha256;
use papyra_core::escape::escape;
use serde::{Deserialize, Serialize};

use super::seal;
use super::site::Site;
use super::store::id_of;
use super::{Repository, SMALL};
use crate::backup::series::host;
use crate::error::{Code, Error, Result, show};

/// The folder of the locks.
const LOCKS: &str = "locks";

/// A lock is written anew this often.
const RENEWAL: Duration = Duration::from_secs(5 * 60);

/// What is older than this was left by somebody who is gone.
const STALE: SignedDuration = SignedDuration::from_mins(30);

/// How soon it is looked again whether others are done.
const NAP: Duration = Duration::from_millis(200);

/// What a lock says.
#[derive(Debug, Serialize, Deserialize)]
struct Text {
    time: String,
    exclusive: bool,
    hostname: String,
    username: String,
    pid: u32,
    #[serde(default)]
    uid: u32,
    #[serde(default)]
    gid: u32,
    /// Not one of restic's fields: a lock of ours that a kill has left is cleared away by the next run.
    #[serde(default)]
    program: Option<String>,
}

/// A lock that is held; given up when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    held: Arc<Mutex<String>>,
    site: Arc<dyn Site>,
    renewal: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Lock {
    /// Takes a lock, exclusive or shared, and waits at most so long for others.
    pub(super) fn take(repository: &Arc<Repository>, exclusive: bool, patience: Duration) -> Result<Lock> {
        let site = Arc::clone(&repository.store.site);
        let begun = Instant::now();
        loop {
            // Whoever writes its lock before it looks at the others' is seen by one of two at least.
            let held = Arc::new(Mutex::new(write(repository, exclusive)?));
            let lock = Lock { renewal: None, held, site: Arc::clone(&site) };
            let Some(other) = lock.other(repository, exclusive)? else {
                return Ok(lock.renewed(Arc::clone(repository), exclusive));
            };
            drop(lock);
            if begun.elapsed() >= patience {
                let text = format!(
                    "{} is locked by process {} on {} since {}: try again when it is done; restic unlock removes a \
                     lock that was left behind",
                    show(&repository.path),
                    other.pid,
                    escape(other.hostname.as_bytes()),
                    escape(other.time.as_bytes())
                );
                return Err(Error::new(Code::TryAgain, text));
            }
            std::thread::sleep(NAP);
        }
    }

    /// Whom this lock has to wait for. What a killed run of ours has left is cleared away.
    fn other(&self, repository: &Repository, exclusive: bool) -> Result<Option<Text>> {
        let own = self.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (name, _) in self.site.files(LOCKS)? {
            if name == own || id_of(&name).is_none() {
                continue;
            }
            let text = match read(repository, &name) {
                Ok(text) => text,
                Err(_) if self.site.size(&file(&name))?.is_none() => continue,
                Err(error) => return Err(error),
            };
            if text.is_stale() {
                if text.program.is_some() {
                    _ = self.site.remove(&file(&name));
                }
            } else if exclusive || text.exclusive {
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// Keeps the lock from growing stale.
    fn renewed(mut self, repository: Arc<Repository>, exclusive: bool) -> Lock {
        let (stop, stopped) = channel();
        let (held, site) = (Arc::clone(&self.held), Arc::clone(&self.site));
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(RENEWAL) == Err(RecvTimeoutError::Timeout) {
                // When it cannot be written, the old one is good for some more minutes.
                let Ok(new) = write(&repository, exclusive) else { continue };
                let old = std::mem::replace(&mut *held.lock().unwrap_or_else(PoisonError::into_inner), new);
                _ = site.remove(&file(&old));
            }
        });
        self.renewal = Some((stop, thread));
        self
    }
}

impl Lock {
    /// Gives the lock up. Fails when it stays behind, which holds others up for half an hour at most.
    pub(super) fn give_up(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        if let Some((stop, thread)) = self.renewal.take() {
            drop(stop);
            _ = thread.join();
        }
        let held = std::mem::take(&mut *self.held.lock().unwrap_or_else(PoisonError::into_inner));
        if held.is_empty() { Ok(()) } else { self.site.remove(&file(&held)) }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        _ = self.end();
    }
}

/// Where a lock lies.
fn file(name: &str) -> String {
    format!("{LOCKS}/{name}")
}

impl Text {
    /// Whether whoever wrote it is gone, by restic's own rule.
    fn is_stale(&self) -> bool {
        let is_old = |time: Timestamp| Timestamp::now().duration_since(time) > STALE;
        // As far as this host can tell, a process of its own with this number that is not this run is another's.
        let pid = i32::try_from(self.pid).ok().and_then(rustix::process::Pid::from_raw);
        let is_gone = || match pid {
            Some(pid) if self.pid != std::process::id() => {
                rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
            }
            _ => self.program.is_some(),
        };
        self.time.parse().is_ok_and(is_old) || self.hostname == host() && is_gone()
    }
}

/// Writes a lock; returns its name.
fn write(repository: &Repository, exclusive: bool) -> Result<String> {
    let text = Text {
        time: Timestamp::now().to_string(),
        exclusive,
        hostname: host(),
        username: String::new(),
        pid: std::process::id(),
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        program: Some(crate::TOOL.into()),
    };
    let text = serde_json::to_vec(&text).map_err(|error| Error::new(Code::Io, error.to_string()))?;
    let sealed = repository.closed(repository.seal.close(&text))?;
    let name = sha256(&sealed);
    repository.store.site.put(&file(&name), &[&sealed])?;
    Ok(name)
}

fn read(repository: &Repository, name: &str) -> Result<Text> {
    let site = &repository.store.site;
    let path = site.path().join(LOCKS).join(name);
    let odd = || {
        let text = format!("the lock {} cannot be read: restic unlock --remove-all removes it", show(&path));
        Error::new(Code::Data, text)
    };
    // A bit may have flipped on the way.
    let read = || Ok::<_, Error>(repository.seal.open(&site.read(&file(name), SMALL)?));
    let opened = read()?.map_or_else(read, |opened| Ok(Some(opened)))?;
    let text = opened.and_then(|bytes| seal::text(&bytes)).ok_or_else(odd)?;
    serde_json::from_slice(&text).map_err(|_| odd())
}
