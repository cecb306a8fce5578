//! Asking the kernel whether anybody has a file open for writing.
//!
//! The one unsafe call of this crate: a read lease (`fcntl(2)`, Linux) is granted only while nobody has, and is given
//! back at once.

use std::fs::File;

/// Whether somebody has the file open for writing. `false` also where nobody can tell.
#[cfg(target_os = "linux")]
pub(crate) fn has_writer(file: &File) -> bool {
    use std::os::fd::AsRawFd;

    let lease = |kind: libc::c_int| {
        // SAFETY: F_SETLEASE takes an int and touches no memory of ours; the descriptor is open while `file` lives.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) }
    };
    if lease(libc::F_RDLCK) == 0 {
        lease(libc::F_UNLCK);
        return false;
    }
    std::io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
}

/// Whether somebody has the file open for writing: nobody can tell here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn has_writer(_file: &File) -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_writer_is_seen_and_a_reader_is_not() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let reader = std::fs::File::open(file.path()).expect("a reader");
        assert!(super::has_writer(&reader));
        let path = file.into_temp_path();
        assert!(!super::has_writer(&reader));
        let _second_reader = std::fs::File::open(&path).expect("a reader");
        assert!(!super::has_writer(&reader));
    }
}
