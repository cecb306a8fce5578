//! File leases (`fcntl(2)`, Linux): the kernel's word on who has a file open, and a short stop for those who open it.
//!
//! The only unsafe calls of this crate. Leases are granted on files of one's own, or to root, on local file systems;
//! where they are not, [`has_writer`] says `false` and [`Barrier::raise`] gives `None`, and callers fall back on
//! looking twice.

use std::fs::File;

/// `F_SETSIG` of Linux's `asm-generic/fcntl.h`, which the `libc` crate does not have.
#[cfg(target_os = "linux")]
const F_SETSIG: libc::c_int = 10;

#[cfg(target_os = "linux")]
fn lease(file: &File, kind: libc::c_int) -> bool {
    use std::os::fd::AsRawFd;
    // SAFETY: both calls take an int and touch no memory of ours; the descriptor is open while `file` lives.
    // Whoever breaks a lease has its holder sent a signal. SIGIO, the default, would end the process; SIGURG is
    // ignored unless asked for.
    unsafe {
        libc::fcntl(file.as_raw_fd(), F_SETSIG, libc::SIGURG) == 0
            && libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) == 0
    }
}

/// Whether somebody has the file open for writing. `false` also where nobody can tell.
pub(crate) fn has_writer(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    {
        if lease(file, libc::F_RDLCK) {
            lease(file, libc::F_UNLCK);
            return false;
        }
        std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
    }
    #[cfg(not(target_os = "linux"))]
    {
        _ = file;
        false
    }
}

/// Keeps a file from being opened by anybody for as long as it stands: their `open` waits.
///
/// The kernel takes it down by itself after `/proc/sys/fs/lease-break-time` seconds (45). This process must not open
/// the file again either.
pub(crate) struct Barrier<'a> {
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    file: &'a File,
}

impl Barrier<'_> {
    /// `None` when somebody else has the file open, or leases are not to be had.
    pub(crate) fn raise(file: &File) -> Option<Barrier<'_>> {
        #[cfg(target_os = "linux")]
        let raised = lease(file, libc::F_WRLCK);
        #[cfg(not(target_os = "linux"))]
        let raised = false;
        raised.then_some(Barrier { file })
    }
}

impl Drop for Barrier<'_> {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        lease(self.file, libc::F_UNLCK);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Write;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::{Barrier, has_writer};

    #[test]
    fn a_writer_is_seen_and_a_reader_is_not() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let reader = File::open(file.path()).expect("a reader");
        assert!(has_writer(&reader));
        let path = file.into_temp_path();
        assert!(!has_writer(&reader));
        let _second_reader = File::open(&path).expect("a reader");
        assert!(!has_writer(&reader));
    }

    #[test]
    fn who_opens_a_file_behind_a_barrier_waits_until_it_is_down() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let ours = OpenOptions::new().create_new(true).read(true).write(true).open(&path).expect("a file");
        let barrier = Barrier::raise(&ours).expect("a lease on a file of our own");
        let waiting = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut theirs = OpenOptions::new().append(true).open(&path).expect("opened in the end");
                waiting.store(false, Ordering::SeqCst);
                theirs.write_all(b"theirs").expect("written");
            });
            std::thread::sleep(Duration::from_millis(50));
            assert!(waiting.load(Ordering::SeqCst));
            (&ours).write_all(b"ours ").expect("written");
            drop(barrier);
        });
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "ours theirs");
    }
}
