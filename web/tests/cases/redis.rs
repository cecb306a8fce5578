//! Small Redis backups named by their defect.

use super::Case;

const DUMP: &[u8] = include_bytes!("../../../tests/fixtures/redis/dump.rdb");
const PAYLOAD: &[u8] = include_bytes!("../../../tests/fixtures/redis/events.dump");
const BASE: &[u8] = include_bytes!("../../../tests/fixtures/redis/appendonlydir/appendonly.aof.1.base.rdb");
const COMMANDS: &[u8] = include_bytes!("../../../tests/fixtures/redis/appendonlydir/appendonly.aof.1.incr.aof");
const MANIFEST: &[u8] = include_bytes!("../../../tests/fixtures/redis/appendonlydir/appendonly.aof.manifest");
const VALKEY: &[u8] = include_bytes!("../../../tests/fixtures/rdb/valkey-8.0.1.rdb");

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 0x10;
    bytes
}

/// The server was told to compute no checksum.
fn without_checksum(bytes: &[u8]) -> Vec<u8> {
    [&bytes[..bytes.len() - 8], &[0; 8]].concat()
}

/// A folder as it is dropped: the manifest and its files in no particular order.
fn folder(name: &'static str, base: Option<&[u8]>, commands: &[u8], manifest: &[u8]) -> Case {
    let mut files =
        vec![("appendonly.aof.1.incr.aof", commands.to_vec()), ("appendonly.aof.manifest", manifest.to_vec())];
    files.extend(base.map(|base| ("appendonly.aof.1.base.rdb", base.to_vec())));
    Case { name, files }
}

/// All of them.
pub(crate) fn cases() -> Vec<Case> {
    let one = |name, file, bytes: &[u8]| Case { name, files: vec![(file, bytes.to_vec())] };
    let damaged = flipped(COMMANDS, COMMANDS.len() / 2);
    vec![
        one("redis_dump", "dump.rdb", DUMP),
        one("redis_dump_cut", "dump.rdb", &DUMP[..9000]),
        one("redis_dump_flipped", "dump.rdb", &flipped(DUMP, 5000)),
        one("redis_dump_unchecked", "dump.rdb", &without_checksum(DUMP)),
        one("redis_dump_of_valkey", "dump.rdb", VALKEY),
        one("redis_dump_followed_by_bytes", "dump.rdb", &[DUMP, b"x"].concat()),
        one("redis_dump_unknown", "dump.rdb", &[b"REDIS0099", &DUMP[9..]].concat()),
        one("redis_payload", "papyra:orders:events.dump", PAYLOAD),
        one("redis_payload_flipped", "papyra:orders:events.dump", &flipped(PAYLOAD, 700)),
        one("redis_commands", "appendonly.aof", COMMANDS),
        one("redis_commands_cut", "appendonly.aof", &COMMANDS[..COMMANDS.len() - 30]),
        one("redis_commands_after_a_dump", "appendonly.aof", &[DUMP, COMMANDS].concat()),
        one("redis_commands_after_a_dump_damaged", "appendonly.aof", &[DUMP, &damaged].concat()),
        folder("redis_folder", Some(BASE), COMMANDS, MANIFEST),
        folder("redis_folder_damaged", Some(DUMP), &damaged, MANIFEST),
        folder("redis_folder_without_base", None, COMMANDS, MANIFEST),
        folder("redis_folder_of_a_broken_manifest", Some(BASE), COMMANDS, &MANIFEST[..40]),
        Case {
            name: "redis_beside_a_log",
            files: vec![
                ("dump.rdb", DUMP.to_vec()),
                ("papyra:orders:audits.dump", flipped(PAYLOAD, 700)),
                ("events.ndjson", b"{\"kind\": \"event\"}\n{\n".to_vec()),
                ("a", PAYLOAD.to_vec()),
            ],
        },
    ]
}
