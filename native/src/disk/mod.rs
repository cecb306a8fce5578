//! The one door to the file system for logs and backups: what is read, listed, looked at, written, renamed, linked,
//! synced, locked or leased goes through here. Configuration and the terminal do not.
//!
//! Behind it stand the kernel and, in tests, a simulated disk ([`sys`]). What is done to which file in which order is
//! decided in the rooms above: `recover`, `compact`, `backup`.

pub(crate) mod fault;
mod file;
mod folder;
mod lease;
mod path;
#[cfg(test)]
pub(crate) mod simulated;
pub(crate) mod sparse;
pub mod sys;

pub use file::{File, Identity};
pub(crate) use file::{Leased, Shortened};
pub use folder::{Folder, Lock, file_name, name_of, os};
pub(crate) use path::{canonical, exists, is_absent, is_folder, link, open, read, resolved, stat};
pub(crate) use rustix::fs::{Access, access};
pub use sys::Stat;
pub(crate) use sys::{Handle, Lease, Rename};

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::sources;

    /// Each of these has a reason to stand outside: settings, texts of an operator's own, the page, the metrics file, a
    /// pipe that is read as it comes, and the server that a drill starts.
    const ELSEWHERE: &[&str] = &[
        "cli/settings_file.rs",
        "cli/schemas.rs",
        "cli/meta.rs",
        "cli/inspector.rs",
        "source/once.rs",
        "cli/redis/groups.rs",
        "redis/wire.rs",
        "backup/prometheus.rs",
        "backup/redis/scratch.rs",
        "backup/remote/profile.rs",
    ];

    #[test]
    fn logs_and_backups_are_reached_through_this_door_alone() {
        const CALLS: &[&str] =
            &["std::fs", "rustix::fs", "File::open(", ".metadata()", ".exists()", "symlink_metadata()", "read_dir("];
        let mut found = Vec::new();
        let mut files = sources::below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        // The last one is of tests alone.
        files.retain(|(name, _)| !name.starts_with("disk/") && !ELSEWHERE.contains(&&**name) && name != "sources.rs");
        for (name, text) in files {
            let code = text.split("#[cfg(test)]\nmod tests").next().expect("code");
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            let beside = |line: &&str| CALLS.iter().any(|call| line.contains(call)) && !line.contains("disk::");
            found.extend(lines.filter(beside).map(|line| format!("{name}: {}", line.trim())));
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}
