//! Backups of a set while a writer appends and rotates at full speed: each holds a stretch of the history without a
//! gap, without a record twice, and in order.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use papyra::append::{Appended, Rotation, append};
use papyra::disk::Folder;
use papyra_tests::Workshop;

/// Backups in a row: 200 in the long run.
fn rounds() -> usize {
    if std::env::var_os("PAPYRA_TEST_LONG").is_some_and(|value| value == "1") { 200 } else { 25 }
}

/// The numbers of the records in a backup, oldest first.
fn numbers(shop: &Workshop, name: &str) -> Vec<u64> {
    let mut files: Vec<(u32, String)> = std::fs::read_dir(shop.path(&format!("b/{name}")))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file.starts_with("rot.log"))
        .map(|file| (file.strip_prefix("rot.log.").map_or(0, |index| index.parse().unwrap()), file))
        .collect();
    files.sort_by(|a, b| b.cmp(a));
    let mut numbers = Vec::new();
    for (_, file) in files {
        let text = String::from_utf8(shop.read(&format!("b/{name}/{file}"))).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{name}/{file} ends in the middle of a record");
        for line in text.lines() {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            numbers.push(record["payload"]["n"].as_u64().unwrap());
        }
    }
    numbers
}

#[test]
fn backups_under_a_rotating_writer_have_no_gap_and_nothing_twice() {
    let shop = Workshop::default();
    std::fs::create_dir(shop.path("p")).unwrap();
    let (written, rotations, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let write = || {
        let folder = Folder::open(&shop.path("p")).unwrap();
        let rotation = Some(Rotation { max_bytes: 20_000, max_files: 8 });
        for n in 0.. {
            let padding = "x".repeat(n as usize % 700);
            let record = format!(
                "{{\"kind\": \"event\", \"system_id\": \"s\", \"actor_address\": \"s:1\", \"event_type\": \"E\", \
                 \"payload\": {{\"n\": {n}, \"p\": \"{padding}\"}}, \"timestamp\": {n}.5}}"
            );
            match append(&folder, "rot.log", record.as_bytes(), rotation, false).unwrap() {
                Appended::AfterRotation => _ = rotations.fetch_add(1, Ordering::Relaxed),
                // Whoever keeps old files elsewhere moves the oldest away, so that the set goes on rotating.
                Appended::ToFullSet => std::fs::remove_file(shop.path("p/rot.log.7")).unwrap(),
                Appended::ToFile => {}
            }
            written.store(n + 1, Ordering::Release);
            if stop.load(Ordering::Relaxed) {
                break;
            }
        }
    };
    let (mut cut, mut last_seen) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(write);
        while written.load(Ordering::Acquire) < 1_000 {
            std::thread::yield_now();
        }
        let check = || {
            for round in 0..rounds() {
                let before = written.load(Ordering::Acquire);
                let name = format!("r{round}");
                let path = if round % 2 == 0 { "p" } else { "p/rot.log" };
                let run = shop.papyra(&format!("backup create --path {path} --to b --name {name} --format json"));
                let made = run.must_exit(0).json();
                assert_eq!(made["manifest"]["scan"]["verdict"], "clean", "{name}: {}", made["manifest"]["scan"]);
                assert_eq!((&made["schema"], &made["warnings"]), (&"papyra.create/1".into(), &serde_json::json!([])));
                cut += made["manifest"]["files"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|f| !f["source"]["cut"].is_null())
                    .count();
                let numbers = numbers(&shop, &name);
                let (first, last) = (numbers[0], *numbers.last().unwrap());
                assert!(numbers.iter().copied().eq(first..=last), "{name} has a gap or a record twice");
                assert!(last + 1 >= before, "{name} lacks records that were there when it began");
                assert!(last >= last_seen, "{name} ends before the one before it");
                last_seen = last;
                shop.papyra(&format!("backup verify b/{name}")).must_exit(0);
                std::fs::remove_dir_all(shop.path(&format!("b/{name}"))).unwrap();
            }
        };
        // The writer ends with the checks, also when one fails.
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        stop.store(true, Ordering::Relaxed);
        checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let rotations = rotations.into_inner();
    println!("{} backups, {} records, {rotations} rotations, {cut} files cut", rounds(), written.into_inner());
    assert!(rotations > rounds() as u64 && cut > 0, "{rotations} rotations, {cut} cut: the writer was not in the way");
}
