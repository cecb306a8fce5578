//! Restoring while somebody writes to what is there: refused as long as that can be seen, and no record is lost when it
//! cannot.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use papyra_tests::{Workshop, logs};

fn backed_up() -> Workshop {
    let shop = Workshop::with("p/events.ndjson", logs::clean(20)).and("p/rot.log", logs::clean(3));
    shop.papyra("backup create --path p --to b --name one").must_exit(0);
    shop
}

#[test]
fn a_log_that_is_open_for_writing_is_not_replaced() {
    let shop = backed_up();
    shop.write("p/events.ndjson", logs::clean(5));
    let before = shop.contents("p");
    let writer = OpenOptions::new().append(true).open(shop.path("p/events.ndjson")).unwrap();
    for flags in ["--replace", "--replace --dry-run"] {
        shop.papyra(&format!("backup restore b/one --to p {flags}"))
            .must_exit(75)
            .must_complain("events.ndjson is being written to: stop Papyra, then restore");
    }
    assert_eq!((shop.contents("p"), shop.names()), (before, vec!["b".to_owned(), "p".to_owned()]));
    drop(writer);
    shop.papyra("backup restore b/one --to p --replace").must_exit(0).must_say("existing data was renamed to");
    assert_eq!(shop.read("p/events.ndjson"), logs::clean(20).into_bytes());
}

/// The numbers of a writer's records in the folder's logs and in those that were moved aside.
fn found(shop: &Workshop) -> Vec<u64> {
    let mut found = Vec::new();
    for folder in shop.names().into_iter().filter(|name| name == "p" || name.starts_with("p.replaced.")) {
        let text = String::from_utf8(shop.contents(&folder).concat()).unwrap();
        for line in text.lines().filter(|line| line.contains("\"n\": ")) {
            let record: serde_json::Value = serde_json::from_str(line).unwrap();
            found.extend(record["payload"]["n"].as_u64());
        }
    }
    found
}

#[test]
fn a_restore_under_a_live_writer_is_refused_or_keeps_every_record() {
    let shop = backed_up();
    let (written, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let write = || {
        while !stop.load(Ordering::Relaxed) {
            let n = written.load(Ordering::Relaxed);
            let record = format!(
                "{{\"kind\": \"event\", \"system_id\": \"s\", \"actor_address\": \"s:1\", \"event_type\": \"E\", \
                 \"payload\": {{\"n\": {n}}}, \"timestamp\": {n}.5}}"
            );
            // By its path each time and without a lock, as Papyra does.
            let mut log = OpenOptions::new().create(true).append(true).open(shop.path("p/events.ndjson")).unwrap();
            log.write_all(format!("{record}\n").as_bytes()).unwrap();
            written.store(n + 1, Ordering::Release);
        }
    };
    let mut refused = 0;
    std::thread::scope(|scope| {
        scope.spawn(write);
        let check = || {
            for _ in 0..20 {
                let before = written.load(Ordering::Acquire);
                while written.load(Ordering::Acquire) < before + 20 {
                    std::thread::yield_now();
                }
                let run = shop.papyra("backup restore b/one --to p --replace");
                assert!(matches!(run.code, Some(0 | 75)), "{run:#?}");
                refused += u64::from(run.code == Some(75));
            }
        };
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check));
        stop.store(true, Ordering::Relaxed);
        checked.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let found = found(&shop);
    let once: BTreeSet<u64> = found.iter().copied().collect();
    assert!(once.iter().copied().eq(0..written.into_inner()), "records are missing");
    assert_eq!(once.len(), found.len(), "records are there twice");
    assert!(refused > 0, "the writer was never seen");
}
