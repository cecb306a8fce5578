//! Locks as restic has them: a file in the repository says who is at work, so that `restic prune` removes nothing that a
//! backup under way relies on, and a prune of ours nothing that a backup of restic's does (restic's design, "Locks").

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use papyra_core::digest::sha256;
use papyra_core::escape::escape;
use serde::{Deserialize, Serialize};

use super::Repository;
use super::{seal, store};
use crate::backup::series::host;
use crate::disk::Folder;
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
    folder: Folder,
    renewal: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Lock {
    /// Takes a lock, exclusive or shared, and waits at most so long for others.
    pub(super) fn take(repository: &Arc<Repository>, exclusive: bool, patience: Duration) -> Result<Lock> {
        let folder = repository.store.folder.subfolder(LOCKS)?;
        let begun = Instant::now();
        loop {
            // Whoever writes its lock before it looks at the others' is seen by one of two at least.
            let held = Arc::new(Mutex::new(write(repository, &folder, exclusive)?));
            let lock = Lock { renewal: None, held, folder: folder.clone() };
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
        for name in self.folder.names()? {
            if name == own || store::id_of(&name).is_none() {
                continue;
            }
            let text = match read(repository, &self.folder, &name) {
                Ok(text) => text,
                Err(_) if self.folder.stat(&*name)?.is_none() => continue,
                Err(error) => return Err(error),
            };
            if text.is_stale() {
                if text.program.is_some() {
                    _ = self.folder.remove(&*name);
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
        let (held, folder) = (Arc::clone(&self.held), self.folder.clone());
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(RENEWAL) == Err(RecvTimeoutError::Timeout) {
                // When it cannot be written, the old one is good for some more minutes.
                let Ok(new) = write(&repository, &folder, exclusive) else { continue };
                let old = std::mem::replace(&mut *held.lock().unwrap_or_else(PoisonError::into_inner), new);
                _ = folder.remove(&*old);
            }
        });
        self.renewal = Some((stop, thread));
        self
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.renewal.take() {
            drop(stop);
            _ = thread.join();
        }
        _ = self.folder.remove(&**self.held.lock().unwrap_or_else(PoisonError::into_inner));
    }
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
fn write(repository: &Repository, folder: &Folder, exclusive: bool) -> Result<String> {
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
    store::write_new(folder, &name, &[&sealed])?;
    Ok(name)
}

fn read(repository: &Repository, folder: &Folder, name: &str) -> Result<Text> {
    let path = folder.join(name);
    let odd = || {
        let text = format!("the lock {} cannot be read: restic unlock --remove-all removes it", show(&path));
        Error::new(Code::Data, text)
    };
    let sealed = store::small(folder, name)?;
    let text = repository.seal.open(&sealed).and_then(|bytes| seal::text(&bytes)).ok_or_else(odd)?;
    serde_json::from_slice(&text).map_err(|_| odd())
}
