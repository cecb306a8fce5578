//! Recovery that is killed in the middle, as often as one likes: nothing is lost and nothing is there twice.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};

use papyra_tests::Workshop;
use papyra_tests::redis::{Between, Cluster, Redis, event, wait_until};

const BAD: usize = 10_000;

/// Good events with bad ones between them; returns the good entries.
fn fill(redis: &mut Redis, bad: usize) -> Vec<(String, Vec<(String, String)>)> {
    redis.script(&format!(
        "for i = 1, {bad} do
           redis.call('XADD', 'papyra:s:events', '*', 'data', 'bad ' .. i)
           if i % 5 == 0 then redis.call('XADD', 'papyra:s:events', '*', 'data', '{}') end
         end",
        event(1)
    ));
    let entries = redis.entries("papyra:s:events");
    entries.into_iter().filter(|(_, fields)| fields[0].1.starts_with('{')).collect()
}

fn start(shop: &Workshop, url: &str, mode: &str) -> Child {
    let mut command =
        shop.command(&format!("persistence recover --backend redis --system-id s --rejects-dir kept --mode {mode}"));
    command.env("PAPYRA_REDIS_URL", url).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("papyra starts")
}

fn kill(mut child: Child) {
    child.kill().expect("killed");
    child.wait().expect("gone");
}

/// Each bad entry's number, and how often it is there.
fn numbers(data: impl Iterator<Item = String>) -> BTreeMap<usize, usize> {
    let mut numbers = BTreeMap::new();
    for data in data {
        let number = data.strip_prefix("bad ").expect("a bad entry").parse().expect("a number");
        *numbers.entry(number).or_default() += 1;
    }
    numbers
}

fn quarantined(redis: &mut Redis) -> BTreeMap<usize, usize> {
    let entries = redis.entries("papyra:s:quarantine:papyra_s_events").into_iter();
    numbers(entries.map(|(_, fields)| fields.into_iter().find(|(name, _)| name == "data").expect("data").1))
}

#[test]
fn a_killed_quarantine_has_every_bad_entry_once() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let good = fill(&mut redis, BAD);
    let shop = Workshop::default();
    let mut moved = 0;
    for batches in [1, 7, 19, 3, 30] {
        // The server has run that many batches, and no answer to the last one comes back.
        let between = Between::silent_after(batches, "EVAL", redis.port);
        let child = start(&shop, &between.url(), "quarantine");
        wait_until("a batch", || between.is_silent());
        kill(child);
        let now = redis.length("papyra:s:quarantine:papyra_s_events");
        assert!(now > moved && now < BAD as i64, "{moved}, {now}");
        moved = now;
        assert_eq!(redis.length("papyra:s:events") + moved, (BAD + BAD / 5) as i64);
    }
    shop.on(&redis.url(), "persistence recover --mode quarantine").must_exit(0);
    assert_eq!(quarantined(&mut redis), (1..=BAD).map(|number| (number, 1)).collect());
    assert_eq!(redis.entries("papyra:s:events"), good);
}

#[test]
fn a_killed_repair_has_kept_every_entry_that_is_gone() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let good = fill(&mut redis, BAD);
    let shop = Workshop::default();
    for batches in [2, 11, 23] {
        let between = Between::silent_after(batches, "XDEL", redis.port);
        let child = start(&shop, &between.url(), "repair");
        wait_until("a batch", || between.is_silent());
        kill(child);
    }
    assert!(redis.length("papyra:s:events") > (BAD / 5) as i64);
    shop.on(&redis.url(), "persistence recover --rejects-dir kept").must_exit(0);
    let files: String = shop.contents("kept").iter().map(|file| String::from_utf8_lossy(file).into_owned()).collect();
    let kept = numbers(files.lines().map(|line| {
        let entry: serde_json::Value = serde_json::from_str(line).expect("a whole line");
        entry["fields"][0][1].as_str().expect("data").to_owned()
    }));
    assert_eq!(kept.into_keys().collect::<Vec<_>>(), (1..=BAD).collect::<Vec<_>>());
    assert_eq!(redis.entries("papyra:s:events"), good);
}

#[test]
fn a_killed_quarantine_across_nodes_has_every_bad_entry_once() {
    let Some(mut cluster) = Cluster::start() else { return };
    let bad = 2_000;
    let good = fill(cluster.of("papyra:s:events"), bad);
    let url = cluster.nodes[0].url();
    let shop = Workshop::default();
    let quarantine = "papyra:s:quarantine:papyra_s_events";
    let mut moved = 0;
    for step in [1, 150, 333] {
        let child = start(&shop, &url, "quarantine --timeout 2s");
        let id = child.id();
        wait_until("copies", || cluster.of(quarantine).length(quarantine) >= moved + step);
        kill(child);
        moved = cluster.of(quarantine).length(quarantine);
        assert!(moved < bad as i64, "{moved}");
        if step == 1 {
            shop.on(&url, "persistence recover --mode quarantine --timeout 100ms")
                .must_exit(75)
                .must_complain(&format!("process {id},"))
                .must_complain("its lock ends in");
        }
        if step < 333 {
            // It opens again by itself; nobody wants to wait for that each time.
            cluster.of(quarantine).call(&format!("DEL {{{quarantine}}}:lock"));
        }
    }
    // The lock of the run that is gone is waited for.
    shop.on(&url, "persistence recover --mode quarantine").must_exit(0);
    assert_eq!(quarantined(cluster.of(quarantine)), (1..=bad).map(|number| (number, 1)).collect());
    assert_eq!(cluster.of("papyra:s:events").entries("papyra:s:events"), good);
}
