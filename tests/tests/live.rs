//! A writer at work while recovery runs: either it is told to try again, or every record of the writer's is there.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use papyra::append::{Rotation, append};
use papyra::disk::Folder;
use papyra_tests::{Workshop, logs};

/// Between two bursts of the writer, in microseconds.
const PAUSE_US: u64 = 300;

/// Appends as Papyra does, without our lock: open, write, close, and rename when a file is full.
fn write_like_papyra(
    workshop: &Workshop,
    base: &str,
    max_bytes: u64,
    pause_us: &AtomicU64,
    stop: &AtomicBool,
) -> Vec<String> {
    use std::io::Write;
    let mut written = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let line = logs::event(1000 + written.len());
        let size = std::fs::metadata(workshop.path(base)).map_or(0, |metadata| metadata.len());
        let full = size + line.len() as u64 + 1 > max_bytes;
        if full && size > 0 && !workshop.path(&format!("{base}.9")).exists() {
            for index in (1..9).rev() {
                let from = workshop.path(&format!("{base}.{index}"));
                if from.exists() {
                    std::fs::rename(from, workshop.path(&format!("{base}.{}", index + 1))).unwrap();
                }
            }
            std::fs::rename(workshop.path(base), workshop.path(&format!("{base}.1"))).unwrap();
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(workshop.path(base)).unwrap();
        std::thread::yield_now();
        writeln!(file, "{line}").unwrap();
        drop(file);
        written.push(line);
        if written.len() % 7 == 0 {
            std::thread::sleep(Duration::from_micros(pause_us.load(Ordering::Relaxed)));
        }
    }
    written
}

fn recover_while_writing(max_bytes: u64, runs: usize) {
    let damaged = logs::damaged();
    let workshop = Workshop::with("rot.log", &damaged.log);
    let stop = AtomicBool::new(false);
    let pause_us = AtomicU64::new(PAUSE_US);
    let (written, codes) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write_like_papyra(&workshop, "rot.log", max_bytes, &pause_us, &stop));
        let mut codes = Vec::new();
        for _ in 0..runs {
            let run = workshop.papyra("persistence recover --path rot.log");
            assert!(matches!(run.code, Some(0 | 3 | 75)), "{run:#?}");
            codes.push(run.code);
            // A writer that leaves no gap may turn recovery away for ever: so it rests longer until one gets through.
            let rest = if run.code == Some(75) { pause_us.load(Ordering::Relaxed) * 2 } else { PAUSE_US };
            pause_us.store(rest.min(500_000), Ordering::Relaxed);
            // More to mend, right behind what the writer wrote last.
            let torn = std::fs::OpenOptions::new().append(true).open(workshop.path("rot.log"));
            if let Ok(mut file) = torn {
                std::io::Write::write_all(&mut file, b"\n").unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
        (writer.join().unwrap(), codes)
    });
    workshop.papyra("persistence recover --path rot.log").must_exit(0);
    let all: Vec<String> =
        workshop.papyra("persistence replay --path rot.log").must_exit(0).stdout.lines().map(Into::into).collect();
    let before: Vec<String> = String::from_utf8(damaged.repaired).unwrap().lines().map(Into::into).collect();
    // The first record of the writer's was appended to a stump, as after a crash; it is whole like the rest.
    let expected: Vec<String> = before.into_iter().chain(written).collect();
    let found: HashSet<&String> = all.iter().collect();
    let missing: Vec<_> = expected.iter().filter(|record| !found.contains(record)).collect();
    assert!(missing.is_empty(), "{} lost, such as {:?}: {codes:?}", missing.len(), missing.first());
    assert_eq!(all.len(), expected.len(), "records came twice: {codes:?}");
    let moved = all.iter().zip(&expected).position(|(one, other)| one != other);
    assert!(moved.is_none(), "out of order from record {moved:?} on: {codes:?}");
    assert!(codes.contains(&Some(0)), "recovery never got through: {codes:?}");
}

#[test]
fn a_file_that_is_appended_to_meanwhile_loses_nothing() {
    recover_while_writing(u64::MAX, 40);
}

#[test]
fn a_set_that_is_rotated_meanwhile_loses_nothing() {
    recover_while_writing(20_000, 40);
}

#[test]
fn a_long_log_is_recovered_though_it_grows_all_the_while() {
    let workshop = &Workshop::with("long.log", logs::clean(20_000) + "{\"kind\": \"ev\n");
    let stop = &AtomicBool::new(false);
    let (written, codes) = std::thread::scope(|scope| {
        let pause_us = AtomicU64::new(20_000);
        let writer = scope.spawn(move || write_like_papyra(workshop, "long.log", u64::MAX, &pause_us, stop));
        let mut codes = Vec::new();
        while codes.len() < 40 && !codes.contains(&Some(0)) {
            codes.push(workshop.papyra("persistence recover --path long.log").code);
        }
        stop.store(true, Ordering::Relaxed);
        (writer.join().unwrap(), codes)
    });
    assert!(codes.contains(&Some(0)), "{codes:?}");
    let expected = logs::clean(20_000) + &written.join("\n") + "\n";
    // Where it was repaired in place, there is white space before a record.
    let found = String::from_utf8(workshop.read("long.log")).unwrap();
    let same = found.lines().map(str::trim).eq(expected.lines());
    assert!(same, "the log is not what was written to it");
}

#[test]
fn our_own_appends_take_the_lock_and_rotate_at_papyras_thresholds() {
    let workshop = Workshop::default();
    let folder = Folder::open(&workshop.path(".")).unwrap();
    for number in 0..200 {
        let rotation = Rotation { max_bytes: 2_000, max_files: 20 };
        append(&folder, "rot.log", logs::event(number).as_bytes(), Some(rotation), false).unwrap();
    }
    let report = workshop.papyra("persistence scan --path rot.log --format json").must_exit(0).json();
    assert_eq!(report["totals"]["records"]["event"], 200);
    assert!(report["files"].as_array().unwrap().iter().all(|file| file["bytes"].as_u64().unwrap() <= 2_000));
    let lock = folder.lock().unwrap();
    assert!(append(&folder, "rot.log", b"{}", None, false).is_err());
    drop(lock);
}

#[test]
fn a_log_that_somebody_holds_open_stays_the_log() {
    use std::io::Write;
    let damaged = logs::damaged();
    let workshop = Workshop::with("events.ndjson", [&damaged.log[..], b"\n"].concat());
    let mut held = std::fs::OpenOptions::new().append(true).open(workshop.path("events.ndjson")).unwrap();
    workshop.papyra("persistence recover --path events.ndjson").must_exit(75).must_complain("does not let go");
    assert_eq!(workshop.names(), ["events.ndjson"]);
    writeln!(held, "{}", logs::event(7)).unwrap();
    drop(held);
    workshop.papyra("persistence recover --path events.ndjson").must_exit(0);
    assert_eq!(workshop.read("events.ndjson"), [&damaged.repaired[..], logs::lines([7]).as_bytes()].concat());
}

#[test]
fn the_same_damage_again_is_kept_again() {
    let workshop = Workshop::default();
    for round in 0..6 {
        workshop.write("events.ndjson", format!("{}x{round}{round}\n", logs::lines([1])));
        workshop.papyra("persistence recover --path events.ndjson").must_exit(0);
        std::fs::remove_file(workshop.path("events.ndjson")).unwrap();
    }
    let kept = workshop.contents(".papyra-rejected");
    for round in 0..6 {
        assert!(kept.contains(&format!("x{round}{round}\n").into_bytes()), "x{round}{round}");
    }
}
