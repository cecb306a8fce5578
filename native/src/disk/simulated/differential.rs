//! The simulated disk against the kernel's: the same calls through the same door, and the same answers.

use std::ffi::OsStr;
use std::path::Path;

use rustix::io::Errno;

use super::super::sys::{self, Flock, Handle, Lease, Open, Rename, Stat};
use super::chance::Chance;
use super::file_system::{FileSystem, Process, ROOT, Settings};
use super::{install, remove};

const NAMES: [&str; 7] = ["a", "b", "c", "d", "folder", "link", "dangling"];

/// Handles that a run has open at most: the first is the folder itself, the second one in it.
const HANDLES: usize = 7;

/// One run: what was called, and what was answered.
struct Run {
    handles: Vec<Option<Handle>>,
    said: Vec<String>,
}

fn tell<T: std::fmt::Debug>(answer: sys::Result<T>) -> String {
    match answer {
        Ok(value) => format!("{value:?}"),
        Err(error) => error_name(error),
    }
}

fn error_name(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}

/// What both kernels must agree on.
fn seen(stat: Stat) -> String {
    let kind = (stat.is_file(), stat.is_folder(), stat.is_link());
    match kind {
        (true, ..) => format!("file {:o} {} bytes, {} links", stat.mode & 0o7777, stat.size, stat.links),
        (_, true, _) => format!("folder {:o}", stat.mode & 0o7777),
        _ => "link".to_owned(),
    }
}

impl Run {
    fn of(root: &Path, seed: u64, steps: usize) -> Vec<String> {
        let mut run = Run { handles: (0..HANDLES).map(|_| None).collect(), said: Vec::new() };
        run.handles[0] = Some(sys::open_folder(root).expect("the folder"));
        let mut chance = Chance::of_seed(seed);
        for step in 0..steps {
            let said = run.step(&mut chance);
            run.said.push(format!("{step}: {said}"));
        }
        run.said
    }

    fn step(&mut self, chance: &mut Chance) -> String {
        let name = NAMES[chance.pick(NAMES.len())];
        let other = NAMES[chance.pick(NAMES.len())];
        let slot = 2 + chance.pick(HANDLES - 2);
        let offset = [0, 1, 100, 4095, 4096, 10_000, 70_000][chance.pick(7)];
        let length = [0, 1, 10, 4096, 5000][chance.pick(5)];
        let what = chance.pick(30);
        let how = chance.pick(6);
        let inner = chance.pick(4) == 0 && self.handles[1].is_some();
        let folder = self.handles[usize::from(inner)].as_ref().expect("a folder");
        let root = self.handles[0].as_ref().expect("the folder");
        let (n, o) = (OsStr::new(name), OsStr::new(other));
        let rename = [Rename::Replace, Rename::NoReplace, Rename::Exchange][how % 3];
        let within = if inner { "in the folder" } else { "" };
        match what {
            0 => format!("make_folder {within} {name} {}", tell(folder.make_folder(n, 0o700))),
            1 => format!("remove_folder {within} {name} {}", tell(folder.remove_folder(n))),
            2 | 3 => format!("unlink {within} {name} {}", tell(folder.unlink(n))),
            4..=6 => {
                format!("rename {name} to {within} {other} {rename:?} {}", tell(root.rename(n, folder, o, rename)))
            }
            7 => format!("link {name} to {within} {other} {}", tell(root.link(n, folder, o))),
            8 | 9 => {
                let names = folder.names().map(|mut names| {
                    names.sort();
                    names
                });
                format!("names {within} {}", tell(names))
            }
            10 | 11 => format!("stat_at {within} {name} {}", tell(folder.stat_at(n).map(seen))),
            12 => {
                let opened = root.open_folder(n);
                let said = format!("open_folder {name} {}", tell(opened.as_ref().map(|_| "opened").map_err(|e| *e)));
                if let Ok(opened) = opened
                    && name == "folder"
                {
                    self.handles[1] = Some(opened);
                }
                said
            }
            13..=17 => {
                let how = [
                    Open::Read,
                    Open::Write,
                    Open::Append,
                    Open::AppendOrCreate(0o600),
                    Open::Create(0o640),
                    Open::Create(0o600),
                ][how];
                let opened = folder.open(n, how);
                let said = format!(
                    "open {within} {name} as {slot} {how:?} {}",
                    tell(opened.as_ref().map(|_| "opened").map_err(|e| *e))
                );
                self.handles[slot] = opened.ok();
                said
            }
            _ => {
                let Some(handle) = &self.handles[slot] else { return "nothing".to_owned() };
                let is_file = handle.stat().expect("a stat").is_file();
                let kind = [Lease::Write, Lease::Read][how % 2];
                let bytes = vec![b'a' + (what % 8) as u8; length];
                let mut buffer = vec![0; length];
                let summed = |read: usize, buffer: &[u8]| {
                    let sum = buffer[..read].iter().fold(0u32, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte));
                    format!("{read} bytes that sum up to {sum}")
                };
                let said = match what {
                    18 => format!("stat {}", tell(handle.stat().map(seen))),
                    19 => {
                        let read = handle.read_at(&mut buffer, offset);
                        format!("read_at {offset} {}", tell(read.map(|read| summed(read, &buffer))))
                    }
                    20 => {
                        let read = handle.read(&mut buffer);
                        format!("read {}", tell(read.map(|read| summed(read, &buffer))))
                    }
                    21 => format!("write_at {length} at {offset} {}", tell(handle.write_at(&bytes, offset))),
                    22 => format!("write {length} {}", tell(handle.write(&bytes))),
                    23 => format!("truncate {offset} {}", tell(handle.truncate(offset))),
                    24 => format!("sync {}", tell(handle.sync())),
                    25 | 26 if is_file => format!("next data {offset} {}", tell(handle.next_data(offset))),
                    27 => {
                        let how = [Flock::Exclusive, Flock::Shared][how % 2];
                        format!("flock {how:?} {}", tell(handle.flock(how)))
                    }
                    28 if is_file => {
                        let leased = handle.lease(kind);
                        format!("lease {kind:?} {} {}", tell(leased), handle.is_leased(kind))
                    }
                    _ if is_file && how == 0 => {
                        handle.unlease();
                        "unlease".to_owned()
                    }
                    _ if is_file && how == 1 => format!("mode {}", tell(handle.set_mode(0o600 | (offset as u32 & 7)))),
                    _ if is_file && how < 4 => {
                        format!("leased {} {}", handle.is_leased(Lease::Write), handle.is_leased(Lease::Read))
                    }
                    _ => {
                        self.handles[slot] = None;
                        "close".to_owned()
                    }
                };
                format!("{slot}: {said}")
            }
        }
    }
}

fn compare(place: &Path, seeds: std::ops::Range<u64>) {
    const STEPS: usize = 300;
    for seed in seeds {
        let folder = tempfile::tempdir_in(place).expect("a folder");
        std::os::unix::fs::symlink("a", folder.path().join("link")).expect("a link");
        std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).expect("a link");
        let real = Run::of(folder.path(), seed, STEPS);

        let mut fs = FileSystem::new(Settings::default());
        let root = Process { number: 0, user: 0 };
        fs.make_folder(root, ROOT, OsStr::new("simulated"), 0o700).expect("a folder");
        let inside = fs.lookup(ROOT, OsStr::new("simulated")).expect("the folder");
        fs.make_link(inside, OsStr::new("link"), OsStr::new("a"));
        fs.make_link(inside, OsStr::new("dangling"), OsStr::new("nowhere"));
        install(fs, None);
        let simulated = Run::of(Path::new("/simulated"), seed, STEPS);
        remove();

        if let Some(at) = (0..STEPS).find(|at| real[*at] != simulated[*at]) {
            let before = real[at.saturating_sub(40)..at].join("\n");
            panic!("seed {seed} in {place:?}:\n{before}\nkernel:    {}\nsimulated: {}", real[at], simulated[at]);
        }
    }
}

#[test]
fn the_simulated_disk_answers_as_the_kernel_does() {
    compare(&std::env::temp_dir(), 0..150);
    let memory = Path::new("/dev/shm");
    if memory.is_dir() {
        compare(memory, 150..400);
    }
}
