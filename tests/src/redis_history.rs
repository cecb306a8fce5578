//! Random histories of stream commands, with other types in between. The same seed gives the same commands; the
//! replies, which name IDs that later commands use, are the server's.

use crate::redis::{Redis, text};

/// A small generator of numbers (splitmix64).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.any() % n
    }

    /// One of several.
    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize].clone()
    }
}

const KEYS: [&str; 5] =
    ["papyra:orders:events", "papyra:orders:audits", "papyra:orders:dead_letters", "other:stream", "zoë"];
const GROUPS: [&str; 3] = ["shipping", "alerts", "42"];
const CONSUMERS: [&str; 4] = ["c1", "c2", "worker-with-a-rather-long-name-that-repeats-repeats-repeats", "7"];

/// Sends `steps` random commands; their errors are the server's affair.
pub fn play(server: &mut Redis, seed: u64, steps: usize) {
    let mut random = Random(seed);
    let nodes = ["1", "2", "5", "100"];
    server.call(&format!("CONFIG SET stream-node-max-entries {}", random.pick(&nodes)));
    server.call(&format!("CONFIG SET rdbcompression {}", random.pick(&["yes", "no"])));
    let mut ids: Vec<String> = vec!["1-1".into(), "5-0".into()];
    for key in &KEYS[..random.below(5) as usize] {
        for group in &GROUPS[..random.below(4) as usize] {
            server.call(&format!("XGROUP CREATE {key} {group} 0 MKSTREAM"));
        }
    }
    let mut in_multi = false;
    for _ in 0..steps {
        let command = step(&mut random, &ids);
        if matches!(&*command[0], "MULTI" | "EXEC") {
            in_multi = command[0] == "MULTI" && !in_multi;
        }
        if let Ok(id @ redis::Value::BulkString(_)) = server.attempt(&command)
            && command[0] == "XADD"
            && !in_multi
        {
            ids.push(text(&id));
        }
        if ids.len() > 60 {
            ids.remove(0);
        }
    }
    _ = server.attempt(&["EXEC"]);
    server.call("SELECT 0");
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Data as Papyra would write it, or something else.
fn data(random: &mut Random) -> String {
    match random.below(8) {
        0 => random.any().to_string(),
        1 => "x".repeat(random.below(300) as usize),
        2 => format!("-{}", random.below(1 << 40)),
        3 => format!("a\r\n*1\r\n$8\r\nFLUSHALL\r\n{}", random.below(9)),
        _ => format!(
            r#"{{"kind": "event", "system_id": "orders", "actor_address": "local:{}", "event_type": "ActorStarted", "payload": {{"zoë": {}}}, "timestamp": {}.5}}"#,
            random.below(9),
            random.any() as i32,
            random.below(1000)
        ),
    }
}

fn step(random: &mut Random, ids: &[String]) -> Vec<String> {
    let key = random.pick(&KEYS).to_string();
    let group = random.pick(&GROUPS).to_string();
    let consumer = random.pick(&CONSUMERS).to_string();
    let some_id = random.pick(ids).clone();
    let n = random.below(12);
    match random.below(40) {
        0..=11 => {
            let mut command = words(&format!("XADD {key}"));
            match random.below(12) {
                0 => command.extend(words(&format!("MAXLEN {}", n + 1))),
                1 => command.extend(words(&format!("MAXLEN ~ {n}"))),
                2 => command.extend(words(&format!("MINID {some_id}"))),
                3 => command.extend(words("NOMKSTREAM")),
                _ => {}
            }
            match random.below(10) {
                0 => command.push(format!("{}-{}", 1_900_000_000_000 + random.below(1000), random.below(5))),
                1 => command.push(some_id),
                _ => command.push("*".into()),
            }
            match random.below(6) {
                0 => command.extend(["a".into(), data(random), "b".into(), n.to_string(), "a".into(), "2".into()]),
                1 => command.extend([data(random), data(random)]),
                _ => command.extend(["data".into(), data(random)]),
            }
            command
        }
        12..=13 => words(&format!("XDEL {key} {some_id} {}", random.pick(ids))),
        14 => words(&format!("XTRIM {key} MAXLEN {n}")),
        15 => words(&format!("XTRIM {key} MINID ~ {some_id}")),
        16 => words(&format!("XSETID {key} 1950000000000-{n}")),
        17 => words(&format!("XSETID {key} 1950000000001-{n} ENTRIESADDED {} MAXDELETEDID {some_id}", 500 + n)),
        18..=19 => words(&format!("XGROUP CREATE {key} {group} {} MKSTREAM", random.pick(&["0", "$", "5-0"]))),
        20 => words(&format!("XGROUP CREATE {key} {group} {some_id} ENTRIESREAD {n}")),
        21 => match random.below(6) {
            0 => words(&format!("XGROUP DESTROY {key} {group}")),
            1 => words(&format!("XGROUP SETID {key} {group} {some_id}")),
            2 => words(&format!("XGROUP SETID {key} {group} {some_id} ENTRIESREAD {n}")),
            3 => words(&format!("XGROUP DELCONSUMER {key} {group} {consumer}")),
            _ => words(&format!("XGROUP CREATECONSUMER {key} {group} {consumer}")),
        },
        22..=26 => words(&format!("XREADGROUP GROUP {group} {consumer} COUNT {} STREAMS {key} >", n + 1)),
        27 => words(&format!("XREADGROUP GROUP {group} {consumer} COUNT {n} NOACK STREAMS {key} >")),
        28 => words(&format!("XREADGROUP GROUP {group} {consumer} STREAMS {key} 0")),
        29..=30 => words(&format!("XACK {key} {group} {some_id} {}", random.pick(ids))),
        31 => words(&format!("XCLAIM {key} {group} {consumer} 0 {some_id} {} RETRYCOUNT {n}", random.pick(ids))),
        32 => match random.below(3) {
            0 => words(&format!("XCLAIM {key} {group} {consumer} 0 {some_id} FORCE JUSTID TIME {}", 1000 + n)),
            1 => words(&format!("XCLAIM {key} {group} {consumer} 0 {some_id} IDLE 5 LASTID {some_id}")),
            _ => words(&format!("XAUTOCLAIM {key} {group} {consumer} 0 0 COUNT {n}")),
        },
        33 => match random.below(7) {
            0 => words(&format!("DEL {key}")),
            1 => words(&format!("RENAME {key} {}", random.pick(&KEYS))),
            2 => words(&format!("EXPIRE {key} 100000")),
            3 => words(&format!("PERSIST {key}")),
            4 => words(&format!("COPY {key} {} REPLACE", random.pick(&KEYS))),
            5 => words(&format!("MOVE {key} 1")),
            _ => words(&format!("UNLINK {key} nothing")),
        },
        34 => words(random.pick(&["MULTI", "EXEC", "EXEC"])),
        35 => words(random.pick(&["SELECT 0", "SELECT 1", "SELECT 0", "SWAPDB 0 1"])),
        _ => other(random, n),
    }
}

/// Commands on keys of other types, in all their encodings.
fn other(random: &mut Random, n: u64) -> Vec<String> {
    let mut many = |command: &str, pairs: bool| {
        let mut out = words(command);
        for i in 0..random.below(200) {
            if pairs {
                out.push(i.to_string());
            }
            out.push(if n < 4 { i.to_string() } else { data(random) });
        }
        out.push("1".into());
        if pairs {
            out.push("1".into());
        }
        out
    };
    match n {
        0 => many("SADD set", false),
        1 | 4 => many("RPUSH list", false),
        2 => many("ZADD zset", true),
        3 | 5 => many("HSET hash", true),
        6 => many("SADD mixed", false),
        7 => words("HSET expiring a 1 b 2 c 3"),
        8 => words("HPEXPIREAT expiring 1999999999999 FIELDS 2 a b"),
        9 => {
            let value = data(random);
            let mut out = words("SET string");
            out.push(value);
            out
        }
        10 => words("SET number 12345"),
        _ => words("PEXPIREAT number 1999999999999"),
    }
}
