//! Values of other types, damaged byte by byte: a scan says that a server will not load them exactly where real servers
//! refuse them.

use papyra_core::redis::{Limits, RdbReader, seal_dump};
use papyra_tests::redis::{Redis, at_hand, bytes, text};
use papyra_tests::redis_state::Offline;

/// Version and checksum at a payload's end.
const SEAL: usize = 10;
/// Ziplists: servers from 7.0 on look at every element of them, older ones at the frame alone.
const ZIPLISTS: [u8; 4] = [10, 12, 13, 14];

const LISTPACKS: [u8; 4] = [16, 17, 18, 20];

/// A value as DUMP gives it, without the seal, and where its packed bytes begin.
struct Value {
    version: u16,
    bytes: Vec<u8>,
    packed: usize,
}

fn value(payload: &[u8]) -> Option<Value> {
    let (body, seal) = payload.split_at(payload.len() - SEAL);
    // Before the packed string: how many there are, and of a list's node how it is kept.
    let head = match body[0] {
        9..=13 | 16 | 17 | 20 => 1,
        14 => 2,
        18 => 3,
        _ => return None,
    };
    let length = match body[head] {
        0..=0x3f => 1,
        0x40..=0x7f => 2,
        other => panic!("a long or compressed value: {other:x}"),
    };
    Some(Value { version: u16::from_le_bytes([seal[0], seal[1]]), bytes: body.to_vec(), packed: head + length })
}

/// What the server keeps packed in different ways.
fn values(server: &mut Redis) -> Vec<Value> {
    let long = "x".repeat(70);
    for line in [
        &format!("RPUSH list a bb 1 -1 12 300 -70000 5000000000 {long} 8388607"),
        &format!("HSET hash f v n 7 {long} -3 big 123456789012"),
        "ZADD zset 1 a 2.5 b -3 c 70000 d",
        "SADD numbers 1 2 3 70000 -5",
        "SADD words a b 17",
    ] {
        server.call(line);
    }
    ["list", "hash", "zset", "numbers", "words"]
        .iter()
        .filter_map(|key| value(&bytes(&server.call(&format!("DUMP {key}")))))
        .collect()
}

/// What we say of an RDB file with this value in it.
fn is_refused_by_us(value: &[u8], version: u16) -> bool {
    let magic = if version < 80 { format!("REDIS{version:04}") } else { format!("VALKEY{version:03}") };
    let mut file = magic.into_bytes();
    file.extend([value[0], 1, b'k']);
    file.extend_from_slice(&value[1..]);
    // No checksum.
    file.extend([0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    let mut seen = Offline::default();
    let mut reader = RdbReader::new(Limits::default());
    _ = reader.push(&file, &mut seen);
    reader.finish(&mut seen).is_err() || !seen.findings.is_empty()
}

/// What a server says of it: nothing when it does not survive it.
fn is_refused_by(server: &mut Redis, value: &[u8], version: u16) -> Option<bool> {
    let mut payload = value.to_vec();
    seal_dump(&mut payload, version);
    let command: [&[u8]; 5] = [b"RESTORE", b"k", b"0", &payload, b"REPLACE"];
    match server.attempt(&command) {
        Ok(_) => Some(false),
        Err(error) if error.to_string().contains("Bad data format") => Some(true),
        Err(_) => None,
    }
}

#[test]
fn servers_refuse_what_a_scan_says_they_will_not_load() {
    let mut values: Vec<Value> =
        at_hand().iter().flat_map(|binary| values(&mut Redis::of(binary, &["--rdbcompression", "no"]))).collect();
    values.sort_by(|a, b| a.bytes.cmp(&b.bytes).then(a.version.cmp(&b.version)));
    values.dedup_by(|a, b| a.bytes == b.bytes);
    for binary in at_hand() {
        let mut server = Redis::of(&binary, &[]);
        let info = text(&server.call("INFO server"));
        let is_old = info.contains("redis_version:6.");
        // What Valkey 9 looks at in a file of its own, it looks at in any.
        let looks_deep = info.contains("valkey_version:9.");
        let (mut same, mut refused, mut lost) = (0, 0, 0);
        for value in &values {
            if is_refused_by(&mut server, &value.bytes, value.version) != Some(false) {
                // A later server's.
                continue;
            }
            let version = if looks_deep { 80 } else { value.version };
            assert!(!is_refused_by_us(&value.bytes, version), "{:?}", value.bytes);
            for at in value.packed..value.bytes.len() {
                // An empty value is left out on loading, and refused by RESTORE alone.
                if LISTPACKS.contains(&value.bytes[0]) && (4..6).contains(&(at - value.packed)) {
                    continue;
                }
                for byte in [0, 1, 5, 0x40, 0x80, 0xc0, 0xfe, 0xff, value.bytes[at] ^ 1, value.bytes[at] ^ 0x80] {
                    let mut damaged = value.bytes.clone();
                    damaged[at] = byte;
                    let Some(theirs) = is_refused_by(&mut server, &damaged, value.version) else {
                        lost += 1;
                        server = Redis::of(&binary, &[]);
                        continue;
                    };
                    let ours = is_refused_by_us(&damaged, version);
                    // 6.2 looks at the frame of a ziplist. Of a length that is written twice in a listpack, Valkey 9
                    // lets a spoilt bit pass.
                    let may_be_more = is_old && ZIPLISTS.contains(&value.bytes[0])
                        || looks_deep && LISTPACKS.contains(&value.bytes[0]);
                    let fits = if may_be_more { ours || !theirs } else { ours == theirs };
                    assert!(fits, "{}: byte {at} is {byte}: {theirs}, {ours}: {:?}", binary.display(), value.bytes);
                    same += 1;
                    refused += usize::from(theirs);
                }
            }
        }
        println!("{}: {same} values, {refused} refused, {lost} not survived", binary.display());
        assert!(same > 1000 && refused > 100, "{}: {same}, {refused}", binary.display());
    }
}
