//! Why a file is left as it is: what somebody does with it, or what the file system does not give.

use std::path::Path;

use rustix::io::Errno;

use crate::disk::Folder;
use crate::error::{Code, Error, show};
use crate::setting::Setting;

/// The kernel gives no lease on a log.
pub(super) fn no_lease(path: &Path, error: Errno) -> Error {
    let why = match error {
        Errno::ACCESS | Errno::PERM => "a file lease, which only the log's owner and root (with CAP_LEASE) are given",
        _ => "file leases",
    };
    no_guarantee(path, why)
}

pub(super) fn no_guarantee(path: &Path, what: &str) -> Error {
    let text = format!(
        "{} cannot be changed safely beside a writer: the file system does not give {what}; stop everything that \
         writes to it, vouch for that, and try again; nothing was changed",
        show(path)
    );
    Error::new(Code::CannotCreate, text).decided_by(&[Setting::AtRest])
}

/// A process has the log open for writing and does not let go.
pub(super) fn held_open(folder: &Folder, log: &str) -> Error {
    let text = format!(
        "a process has {} open and does not let go, so it was left as it is: stop that process, or try again",
        show(&folder.join(log))
    );
    Error::new(Code::TryAgain, text)
}

pub(super) fn still_open(folder: &Folder, log: &str) -> Error {
    let text = format!(
        "a process opened {} while it was being replaced and has the old file open still: stop that process",
        show(&folder.join(log))
    );
    Error::new(Code::TryAgain, text)
}

/// A hidden file that settling has left as it is: it may hold what is nowhere else, and what would be changed may be
/// what tells where that belongs.
pub(crate) fn unsettled(folder: &Folder, hidden: &str) -> Error {
    let text = format!(
        "{} was left by an interrupted recovery and is not settled: nothing was changed; compare it with the log, add \
         what the log lacks, move it away, and try again",
        show(&folder.join(hidden))
    );
    Error::new(Code::Data, text)
}

pub(super) fn changed(folder: &Folder, log: &str) -> Error {
    let text =
        format!("{} changed while it was being repaired and was left as it is: try again", show(&folder.join(log)));
    Error::new(Code::TryAgain, text)
}

/// A file that is mounted over another has a name that nobody can change.
pub(super) fn mount_point(folder: &Folder, log: &str) -> Error {
    let text = format!(
        "{} is a mount point of its own (a file mounted into a container, say) and cannot be replaced by a repaired \
         copy: mount its folder instead, or recover it where the folder lies; nothing was changed",
        show(&folder.join(log))
    );
    Error::new(Code::CannotCreate, text)
}

pub(super) fn busy(folder: &Folder, log: &str) -> Error {
    let text = format!(
        "{} is written to faster than it can be repaired, and its damage cannot be repaired beside a writer (records \
         without a byte between them, a long stretch of damage, or a hard link): stop the writer for a moment, or try \
         again",
        show(&folder.join(log))
    );
    Error::new(Code::TryAgain, text)
}
