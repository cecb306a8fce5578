//! A large dump, scanned in one thread beside `redis-check-rdb`, with and without compression.
//!
//! `cargo bench -p papyra-tests --bench redis_rdb [-- MEGABYTES]`; needs an installed redis-server. Both read the file
//! once before, so that it lies in the page cache.

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use papyra_core::redis::{Collector, Limits, RdbReader, Scope};
use papyra_tests::redis::Redis;

fn main() {
    let megabytes = std::env::args().filter_map(|arg| arg.parse::<u64>().ok()).next().unwrap_or(1000);
    let Some(mut server) = Redis::start(&["--loglevel", "warning"]) else { return };
    fill(&mut server, megabytes << 20);
    for compression in ["no", "yes"] {
        server.call(&format!("CONFIG SET rdbcompression {compression}"));
        server.call("SAVE");
        let path = server.dir().join("dump.rdb");
        let bytes = std::fs::metadata(&path).expect("a dump").len();
        println!("compression {compression}: {} MB", bytes >> 20);
        for _ in 0..3 {
            let began = Instant::now();
            let entries = scan(&path);
            report("papyra", bytes, began, entries);
            let began = Instant::now();
            let status = Command::new("redis-check-rdb").arg(&path).stdout(Stdio::null()).status();
            assert!(status.expect("redis-check-rdb").success());
            report("redis-check-rdb", bytes, began, entries);
        }
    }
}

fn report(who: &str, bytes: u64, began: Instant, entries: u64) {
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "  {who:16} {:7.0} MB/s, {:5.2} M entries/s",
        bytes as f64 / 1e6 / seconds,
        entries as f64 / 1e6 / seconds
    );
}

fn scan(path: &Path) -> u64 {
    let mut facts = Collector::new(Scope::default(), 1000);
    let mut reader = RdbReader::new(Limits::default());
    let mut file = std::fs::File::open(path).expect("a dump");
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = file.read(&mut buffer).expect("a dump");
        if n == 0 {
            break;
        }
        let _ = reader.push(&buffer[..n], &mut facts);
    }
    reader.finish(&mut facts).expect("an intact dump");
    assert_eq!(facts.found(), 0);
    facts.streams.iter().map(|stream| stream.facts.entries).sum()
}

/// Records as Papyra writes them, until the server holds about so many bytes of them.
fn fill(server: &mut Redis, bytes: u64) {
    let (mut sent, mut n) = (0, 0u64);
    while sent < bytes {
        let mut batch = Vec::new();
        for _ in 0..1000 {
            n += 1;
            let mut data = String::new();
            let _ = write!(
                data,
                r#"{{"kind": "event", "system_id": "orders", "actor_address": {{"system": "orders", "actor_id": {}}}, "event_type": "{}", "payload": {{"reason": "zoë {n}", "order": "{:016x}", "amount": {}.{:02}}}, "timestamp": {}.{:06}}}"#,
                n % 17,
                ["ActorStarted", "ActorStopped", "ActorCrashed"][n as usize % 3],
                n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                n % 9973,
                n % 100,
                948 + n / 3,
                n % 1_000_000,
            );
            sent += data.len() as u64;
            batch.push(redis::cmd("XADD").arg("papyra:orders:events").arg("*").arg("data").arg(data).to_owned());
        }
        server.pipeline(&batch);
    }
}
