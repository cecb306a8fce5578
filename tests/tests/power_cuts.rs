//! The power goes the moment that a command has said that it is done, on real file systems: ext4 and xfs in images of
//! their own. What reached the image by then is mounted again and read.
//!
//! Needs root and loop devices; where they are missing, that is said, and nothing was tried.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use papyra_tests::{Run, Workshop, contents_below, has, logs, run};

/// Where mounts can be made. Says so where not: the whole run may be in a container that is not let.
fn can_mount() -> bool {
    let is_root = rustix::process::geteuid().is_root();
    let has_loops = Path::new("/dev/loop-control").exists();
    if is_root && has_loops {
        return true;
    }
    let why = if is_root { "there are no loop devices" } else { "only root may mount" };
    eprintln!(
        "\n!!! NOT TRIED: no power was cut, because {why} here. Run this test as root where there are loop devices. !!!\n"
    );
    false
}

/// Mounts that go with the value, the last one first.
struct Disk {
    workshop: Workshop,
    kind: &'static str,
    mounts: Vec<PathBuf>,
}

impl Drop for Disk {
    fn drop(&mut self) {
        for mount in self.mounts.iter().rev() {
            _ = Command::new("umount").arg(mount).status();
        }
    }
}

fn sh(workshop: &Workshop, line: &str) {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(workshop.path(""));
    run(command, line).must_exit(0);
}

impl Disk {
    fn new(kind: &'static str) -> Disk {
        let workshop = Workshop::default();
        let mut disk = Disk { workshop, kind, mounts: Vec::new() };
        sh(&disk.workshop, &format!("truncate -s 320M image && mkfs.{kind} -q image && mkdir disk"));
        disk.mount("image", "disk");
        sh(&disk.workshop, "mkdir disk/d && sync -f disk");
        disk
    }

    fn mount(&mut self, image: &str, at: &str) {
        // The copy of an xfs has the same name as the one that is mounted.
        let options = if self.kind == "xfs" { "loop,nouuid" } else { "loop" };
        sh(&self.workshop, &format!("mount -t {} -o {options} {image} {at}", self.kind));
        self.mounts.push(self.workshop.path(at));
    }

    fn papyra(&self, arguments: &str) -> Run {
        self.workshop.papyra(arguments)
    }

    /// The power goes now: what a reader finds afterwards.
    fn after_the_cut(&mut self) -> PathBuf {
        sh(&self.workshop, "cp --sparse=always image cut && mkdir after");
        self.mount("cut", "after");
        self.workshop.path("after/d")
    }
}

fn on_each_disk(test: impl Fn(&mut Disk)) {
    for kind in ["ext4", "xfs"] {
        let tool = format!("mkfs.{kind}");
        if !can_mount() || !has(&tool) {
            continue;
        }
        eprintln!("on {kind}");
        test(&mut Disk::new(kind));
    }
}

/// Whether any file below the folder holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    contents_below(folder).iter().any(|(_, content)| content.windows(bytes.len()).any(|window| window == bytes))
}

fn read(path: PathBuf) -> Vec<u8> {
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_repaired_log_and_what_was_removed_are_there_after_a_power_cut() {
    on_each_disk(|disk| {
        let damaged = logs::damaged();
        disk.workshop.write("disk/d/log", &damaged.log);
        disk.papyra("persistence recover --path disk/d/log").must_exit(0);
        let after = disk.after_the_cut();
        assert!(read(after.join("log")) == damaged.repaired, "the log");
        assert!(holds(&after.join(".papyra-rejected"), &damaged.rejected), "what was removed");
    });
}

#[test]
fn damage_that_became_white_space_is_kept_after_a_power_cut() {
    on_each_disk(|disk| {
        let log = [logs::lines(0..300).as_bytes(), b"torn{", logs::lines(300..310).as_bytes()].concat();
        disk.workshop.write("disk/d/log", &log);
        // Somebody who has it open keeps it from being swapped.
        let _reader = std::fs::File::open(disk.workshop.path("disk/d/log")).expect("the log");
        disk.papyra("persistence recover --path disk/d/log").must_exit(0);
        let after = disk.after_the_cut();
        let text = String::from_utf8(read(after.join("log"))).expect("text");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(lines, logs::lines(0..310).lines().collect::<Vec<_>>());
        assert!(holds(&after.join(".papyra-rejected"), b"torn{"), "what was removed");
    });
}

#[test]
fn a_cut_tail_is_kept_after_a_power_cut() {
    on_each_disk(|disk| {
        let log = [logs::lines(0..300).as_bytes(), b"{\"kind\": \"eve"].concat();
        disk.workshop.write("disk/d/log", &log);
        disk.papyra("persistence recover --path disk/d/log").must_exit(0);
        let after = disk.after_the_cut();
        assert!(read(after.join("log")) == logs::lines(0..300).as_bytes(), "the log");
        assert!(holds(&after.join(".papyra-rejected"), b"{\"kind\": \"eve"), "what was removed");
    });
}

#[test]
fn the_original_is_in_its_new_quarantine_after_a_power_cut() {
    on_each_disk(|disk| {
        let damaged = logs::damaged();
        disk.workshop.write("disk/d/log", &damaged.log);
        let quarantine = "--mode quarantine --quarantine-dir disk/d/keep/all/of/it";
        disk.papyra(&format!("persistence recover --path disk/d/log {quarantine}")).must_exit(0);
        let after = disk.after_the_cut();
        assert!(read(after.join("log")) == damaged.repaired, "the log");
        let kept = contents_below(&after.join("keep/all/of/it"));
        assert!(kept.len() == 1 && kept[0].1 == damaged.log, "the original: {kept:?}");
    });
}

#[test]
fn what_a_killed_compaction_of_papyras_left_is_there_after_a_power_cut() {
    on_each_disk(|disk| {
        let log = logs::lines(0..2000);
        disk.workshop.write("disk/d/log.compact.tmp", &log);
        disk.papyra("persistence recover --path disk/d/log").must_exit(0);
        let after = disk.after_the_cut();
        assert!(read(after.join("log")) == log.as_bytes(), "the log");
    });
}

#[test]
fn older_records_that_a_killed_compaction_left_are_there_after_a_power_cut() {
    on_each_disk(|disk| {
        // In the middle of its renames: the log's own is in place.
        disk.workshop.write("disk/d/log.1.compact.tmp", logs::lines(0..200));
        disk.workshop.write("disk/d/log", logs::lines(200..210));
        disk.papyra("persistence recover --path disk/d/log --backend rotating").must_exit(0);
        let after = disk.after_the_cut();
        assert!(read(after.join("log.1")) == logs::lines(0..200).as_bytes(), "the older records");
        assert!(read(after.join("log")) == logs::lines(200..210).as_bytes(), "the log");
    });
}

#[test]
fn a_compacted_set_is_there_after_a_power_cut() {
    on_each_disk(|disk| {
        disk.workshop.write("disk/d/log.2", logs::lines(0..100));
        disk.workshop.write("disk/d/log.1", [logs::lines(100..200).as_bytes(), b"junk\n"].concat());
        disk.workshop.write("disk/d/log", logs::lines(200..250));
        // The command does not touch the newest member: to sync that is its writer's affair.
        sh(&disk.workshop, "sync -f disk");
        disk.papyra("persistence compact --path disk/d/log --max-records 120").must_exit(0);
        let after = disk.after_the_cut();
        assert!(!after.join("log.2").exists() || read(after.join("log.2")).is_empty());
        assert!(read(after.join("log.1")) == logs::lines(130..200).as_bytes(), "log.1");
        assert!(read(after.join("log")) == logs::lines(200..250).as_bytes(), "log");
        assert!(holds(&after.join(".papyra-rejected"), b"junk"), "what was removed");
    });
}

#[test]
fn a_closed_gap_stays_closed_after_a_power_cut() {
    on_each_disk(|disk| {
        disk.workshop.write("disk/d/log.3", logs::lines(0..100));
        disk.workshop.write("disk/d/log.1", logs::lines(200..250));
        disk.workshop.write("disk/d/log", logs::lines(250..255));
        sh(&disk.workshop, "sync -f disk");
        disk.papyra("persistence recover --close-gap --path disk/d/log").must_exit(0);
        let after = disk.after_the_cut();
        assert!(read(after.join("log.2")) == logs::lines(0..100).as_bytes(), "log.2");
        assert!(read(after.join("log.1")) == logs::lines(200..250).as_bytes(), "log.1");
        assert!(!after.join("log.3").exists());
        assert!(holds(&after.join(".papyra-rejected"), b"papyra.gap/1"), "the note");
    });
}

#[test]
fn a_backup_is_whole_after_a_power_cut() {
    on_each_disk(|disk| {
        disk.workshop.write("disk/d/log", logs::lines(0..500));
        disk.papyra("backup create --path disk/d/log --to disk/d/keep/backups --name one").must_exit(0);
        let after = disk.after_the_cut();
        let verified = disk.papyra("backup verify after/d/keep/backups/one");
        assert_eq!(verified.code, Some(0), "{verified:#?} of {after:?}");
    });
}

#[test]
fn backups_that_have_files_in_common_are_there_after_a_power_cut() {
    on_each_disk(|disk| {
        let old = logs::lines(0..60_000);
        let size = old.len() as u64;
        disk.workshop.write("p/log.1", &old);
        disk.workshop.write("p/log", logs::lines(60_000..60_100));
        let used = |disk: &Disk| {
            sh(&disk.workshop, "sync -f disk");
            let stat = rustix::fs::statvfs(disk.workshop.path("disk")).expect("the disk");
            (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        };
        let create = |disk: &Disk, flags: &str| {
            disk.papyra(&format!("backup create --path p/log --to disk/d/b --accept-damage {flags}")).must_exit(0);
        };
        create(disk, "--name one");
        let before = used(disk);
        create(disk, "--name two");
        let grown = used(disk) - before;
        // Where the file system can, the second one is a clone; elsewhere it is a copy.
        assert_eq!(grown < size / 2, disk.kind == "xfs", "{grown} bytes more for {size}");
        create(disk, "--name three --link");
        let backups = disk.workshop.path("disk/d/b");
        let file = |backup: &str| backups.join(backup).join("log.1");
        let inode = |backup: &str| std::fs::metadata(file(backup)).expect("a file").ino();
        assert!(inode("one") != inode("two") && inode("two") == inode("three"));
        let after = disk.after_the_cut();
        for backup in ["one", "two", "three"] {
            assert!(read(after.join("b").join(backup).join("log.1")) == old.as_bytes(), "{backup}");
        }
        disk.papyra("backup verify --all after/d/b").must_exit(0);
        // A clone is a file of its own: what happens to one happens to no other.
        let cloned = std::fs::File::options().write(true).open(file("two")).expect("a file");
        cloned.write_all_at(b"junk", size / 2).expect("written");
        assert!(read(file("one")) == old.as_bytes() && read(file("three")) != old.as_bytes());
        let told = disk.papyra("backup create --path p/log --to disk/d/b --name four --link").must_exit(0);
        told.must_say("is not what was written");
        assert!(read(file("four")) == old.as_bytes());
    });
}
