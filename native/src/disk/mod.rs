//! The one door to the file system for logs and backups: what is read, listed, looked at, written, renamed, linked,
//! synced, locked or leased goes through here. Configuration and the terminal do not.
//!
//! Behind it stand the kernel and, in tests, a simulated disk ([`sys`]). What is done to which file in which order is
//! decided in the rooms above: `recover`, `compact`, `backup`.

pub(crate) mod fault;
mod file;
mod folder;
mod lease;
#[cfg(test)]
pub(crate) mod simulated;
pub(crate) mod sparse;
pub mod sys;

pub(crate) use file::Leased;
pub use file::{File, Identity};
pub use folder::{Folder, Lock, file_name, name_of, os};
pub use sys::Stat;
pub(crate) use sys::{Handle, Lease, Rename};
