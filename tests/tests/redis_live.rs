//! Random histories on a real server: what the offline readers see is what the server says.

use papyra_core::redis::{Checksum, Limits, RdbReader};
use papyra_tests::redis::{Redis, binaries, bytes, text};
use papyra_tests::redis_history::{Random, play};
use papyra_tests::redis_state::{Offline, State, assert_same, live};

/// Reads a whole file or payload in chunks of random sizes.
fn offline(mut reader: RdbReader, bytes: &[u8], random: &mut Random) -> State {
    let mut seen = Offline::default();
    let mut rest = bytes;
    let most = random.pick(&[2, 50, 5_000, 1_000_000]);
    while !rest.is_empty() {
        let (chunk, more) = rest.split_at((1 + random.below(most) as usize).min(rest.len()));
        assert!(reader.push(chunk, &mut seen).is_continue());
        rest = more;
    }
    let summary = reader.finish(&mut seen).expect("readable");
    assert_eq!(seen.findings, []);
    assert_eq!(summary.checksum, Checksum::Verified);
    assert_eq!(summary.end, Some(bytes.len() as u64));
    seen.state
}

#[test]
fn dump_files_and_payloads_hold_what_the_server_says() {
    for binary in binaries() {
        let mut server = Redis::of(&binary, &["--loglevel", "warning"]);
        let version = text(&server.call("INFO server"));
        let version = version.lines().find(|line| line.contains("_version:")).unwrap_or_default().to_owned();
        let (mut streams, mut pending) = (0, 0);
        for seed in 0..200 {
            let mut random = Random(seed ^ 0xabcd);
            play(&mut server, seed, 120);
            let said = live(&mut server);
            streams += said.len();
            pending += said.values().flat_map(|s| s.groups.values()).map(|g| g.pending.len()).sum::<usize>();
            server.call("SAVE");
            let dump = std::fs::read(server.dir().join("dump.rdb")).expect("a dump");
            let read = offline(RdbReader::new(Limits::default()), &dump, &mut random);
            assert_same(&read, &said, &format!("{version}, dump, seed {seed}"));
            for ((db, key), stream) in &said {
                server.call(&format!("SELECT {db}"));
                let payload = bytes(&server.attempt(&[b"DUMP", &key[..]]).expect("a payload"));
                let read = offline(RdbReader::dump(key, Limits::default()), &payload, &mut random);
                assert_eq!(read.values().next(), Some(stream), "{version}, payload, seed {seed}");
            }
            server.call("FLUSHALL");
        }
        println!("{version}: 200 histories, {streams} streams, {pending} pending entries");
        assert!(streams > 300 && pending > 500);
    }
}
