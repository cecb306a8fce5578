//! File leases (`fcntl(2)`, Linux): the kernel's word on who has a file open, and a short stop for those who open it.
//!
//! The only unsafe calls of this crate. Leases are granted on files of one's own, or to root, on local file systems.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::io::{Errno, Result};

/// `F_SETSIG` of Linux's `asm-generic/fcntl.h`, which the `libc` crate does not have.
const F_SETSIG: libc::c_int = 10;

/// A file lease (`fcntl(2)`). Who would break it waits in his `open` or `truncate` until it is given back, at most
/// `/proc/sys/fs/lease-break-time` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lease {
    /// Nobody has the file open for writing; who opens it for writing, or cuts it by its path, waits. Only for a file
    /// that is open to read.
    Read,
    /// Nobody else has the file open at all; whoever opens it waits.
    Write,
}

pub(super) fn set(fd: &OwnedFd, kind: Lease) -> Result<()> {
    // SAFETY: both calls take an int and touch no memory of ours; the descriptor is open while `fd` lives.
    // Whoever breaks a lease has its holder sent a signal. SIGIO, the default, would end the process; SIGURG is
    // ignored unless asked for.
    let done = unsafe {
        libc::fcntl(fd.as_raw_fd(), F_SETSIG, libc::SIGURG) == 0
            && libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, number(kind)) == 0
    };
    if done { Ok(()) } else { Err(last_error()) }
}

pub(super) fn give_back(fd: &OwnedFd) {
    // SAFETY: as above.
    _ = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) };
}

/// While somebody waits, the kernel names what the lease will be broken to.
pub(super) fn stands(fd: &OwnedFd, kind: Lease) -> bool {
    // SAFETY: as above.
    unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETLEASE) == number(kind) }
}

fn number(kind: Lease) -> libc::c_int {
    match kind {
        Lease::Read => libc::F_RDLCK,
        Lease::Write => libc::F_WRLCK,
    }
}

fn last_error() -> Errno {
    let error = std::io::Error::last_os_error();
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}
