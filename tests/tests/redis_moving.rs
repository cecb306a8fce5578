//! A cluster that moves a slot from one node to another while somebody scans or recovers what lies in it.

use std::collections::BTreeMap;
use std::process::{Child, Stdio};

use papyra_tests::redis::{Cluster, event, wait_until};
use papyra_tests::{Workshop, signal};

const KEY: &str = "papyra:s:events";
const QUARANTINE: &str = "papyra:s:quarantine:papyra_s_events";
const BAD: usize = 2_000;

/// As many good entries as bad ones; returns the good ones.
fn fill(cluster: &mut Cluster) -> Vec<(String, Vec<(String, String)>)> {
    cluster.of(KEY).script(&format!(
        "for i = 1, {BAD} do
           redis.call('XADD', '{KEY}', '*', 'data', 'bad ' .. i)
           redis.call('XADD', '{KEY}', '*', 'data', '{}')
         end",
        event(1)
    ));
    let entries = cluster.of(KEY).entries(KEY).into_iter();
    entries.filter(|(_, fields)| fields[0].1.starts_with('{')).collect()
}

fn start(shop: &Workshop, cluster: &Cluster, arguments: &str) -> Child {
    let mut command = shop.command(&format!("{arguments} --backend redis --system-id s"));
    command.env("PAPYRA_REDIS_URL", cluster.nodes[0].url()).stderr(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("papyra starts")
}

/// Each bad entry is in the quarantine once, and the stream has the good ones only.
fn assert_recovered(cluster: &mut Cluster, node: usize, good: &[(String, Vec<(String, String)>)]) {
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    for (_, fields) in cluster.of(QUARANTINE).entries(QUARANTINE) {
        let data = fields.into_iter().find(|(name, _)| name == "data").expect("data").1;
        *numbers.entry(data).or_default() += 1;
    }
    assert_eq!(numbers, (1..=BAD).map(|number| (format!("bad {number}"), 1)).collect());
    assert_eq!(cluster.nodes[node].entries(KEY), good);
}

#[test]
fn a_stream_is_read_wherever_it_is_on_its_way() {
    let Some(mut cluster) = Cluster::start() else { return };
    fill(&mut cluster);
    let (slot, home) = cluster.home(KEY);
    let other = (home + 1) % 3;
    let shop = Workshop::default();
    let check = |cluster: &Cluster, step: &str| {
        for node in &cluster.nodes {
            let report = shop.on(&node.url(), "persistence scan --format json").must_exit(2).json();
            let found = (&report["totals"]["lines"], &report["totals"]["anomalies"]);
            assert_eq!(found, (&(2 * BAD).into(), &BAD.into()), "{step}");
        }
    };
    cluster.begin_move(slot, home, other);
    check(&cluster, "before its keys have moved");
    cluster.move_keys(slot, home, other);
    check(&cluster, "when its keys have moved");
    let url = cluster.nodes[0].url();
    shop.on(&url, "redis groups ensure --group g --kind events").must_exit(0).must_say("made");
    cluster.end_move(slot, home, other);
    check(&cluster, "when it has arrived");
    shop.on(&url, "redis groups list").must_exit(0).must_say("group g");
}

#[test]
fn a_scan_sees_every_entry_once_while_its_slot_moves() {
    let Some(mut cluster) = Cluster::start() else { return };
    fill(&mut cluster);
    let (slot, home) = cluster.home(KEY);
    let other = (home + 1) % 3;
    let shop = Workshop::default();
    let child = start(&shop, &cluster, "persistence scan --format json");
    cluster.begin_move(slot, home, other);
    cluster.move_keys(slot, home, other);
    cluster.end_move(slot, home, other);
    let output = child.wait_with_output().expect("its output");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
    let found = (&report["totals"]["lines"], &report["totals"]["anomalies"]);
    assert_eq!(found, (&(2 * BAD).into(), &BAD.into()));
}

#[test]
fn a_recovery_goes_on_where_its_stream_has_gone() {
    for arrived in [false, true] {
        let Some(mut cluster) = Cluster::start() else { return };
        let good = fill(&mut cluster);
        let (slot, home) = cluster.home(KEY);
        let other = (home + 1) % 3;
        let shop = Workshop::default();
        let child = start(&shop, &cluster, "persistence recover --mode quarantine");
        wait_until("copies", || cluster.of(QUARANTINE).length(QUARANTINE) >= 20);
        signal(child.id(), "-STOP");
        assert!(cluster.of(QUARANTINE).length(QUARANTINE) < BAD as i64);
        cluster.begin_move(slot, home, other);
        cluster.move_keys(slot, home, other);
        if arrived {
            cluster.end_move(slot, home, other);
        }
        signal(child.id(), "-CONT");
        let output = child.wait_with_output().expect("its output");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        if !arrived {
            cluster.end_move(slot, home, other);
        }
        assert_recovered(&mut cluster, other, &good);
    }
}

#[test]
fn a_script_whose_keys_are_apart_for_a_moment_changes_nothing() {
    let Some(mut cluster) = Cluster::start() else { return };
    let (key, quarantine) = ("{papyra:s}:s:events", "{papyra:s}:s:quarantine:{papyra_s}_s_events");
    cluster.of(key).add(key, &[("data", &event(1))]);
    let bad = cluster.of(key).add(key, &[("data", "{\"torn")]);
    let recover = "persistence recover --mode quarantine --prefix {papyra:s} --timeout 500ms \
                   --quarantine-prefix {papyra:s}:s:quarantine";
    let (slot, home) = cluster.home(key);
    let other = (home + 1) % 3;
    let url = cluster.nodes[home].url();
    let shop = Workshop::default();
    cluster.begin_move(slot, home, other);
    shop.on(&url, recover).must_exit(75).must_complain("moving the keys").must_complain("nothing was done");
    assert_eq!(cluster.nodes[home].length(key), 2);
    cluster.move_keys(slot, home, other);
    cluster.end_move(slot, home, other);
    shop.on(&url, recover).must_exit(0);
    let kept = cluster.nodes[other].entries(quarantine);
    assert_eq!(kept[0].1.iter().find(|(name, _)| name == "id").map(|(_, id)| id), Some(&bad));
    assert_eq!((cluster.nodes[other].length(key), kept.len()), (1, 1));
}

/// What a backup's manifest says of the streams: key, entries, and the digest over them.
fn backed_up(shop: &Workshop, name: &str) -> Vec<(String, u64, String)> {
    let manifest: serde_json::Value =
        serde_json::from_slice(&shop.read(&format!("b/{name}/manifest.json"))).expect("JSON");
    let streams = manifest["source"]["redis"]["streams"].as_array().expect("streams").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    streams
        .map(|stream| {
            (text(&stream["key"]), stream["length"].as_u64().expect("a number"), text(&stream["entries_sha256"]))
        })
        .collect()
}

#[test]
fn a_backup_holds_a_stream_whole_wherever_it_is_on_its_way() {
    let Some(mut cluster) = Cluster::start() else { return };
    fill(&mut cluster);
    cluster.of("papyra:s:audits").add("papyra:s:audits", &[("data", "{}")]);
    let (slot, home) = cluster.home(KEY);
    let other = (home + 1) % 3;
    let shop = Workshop::default();
    let url = cluster.nodes[0].url();
    let create = |name: &str| {
        shop.on(&url, &format!("backup create --to b --name {name} --accept-damage --all-systems")).must_exit(0);
        backed_up(&shop, name)
    };
    let whole = create("before");
    assert_eq!(whole.iter().map(|(_, length, _)| *length).collect::<Vec<_>>(), [2 * BAD as u64, 1]);
    cluster.begin_move(slot, home, other);
    assert_eq!(create("begun"), whole);
    cluster.move_keys(slot, home, other);
    assert_eq!(create("moved"), whole);
    cluster.end_move(slot, home, other);
    assert_eq!(create("arrived"), whole);
    shop.papyra("backup verify b/moved").must_exit(2).must_say("is intact");
}

#[test]
fn a_backup_while_slots_move_is_whole_or_there_is_none() {
    let Some(mut cluster) = Cluster::start() else { return };
    let keys = ["papyra:s:events", "papyra:s:audits", "papyra:s:dead_letters"];
    for key in keys {
        cluster.of(key).add(key, &[("data", &event(1))]);
    }
    let shop = Workshop::default();
    let (slot, home) = cluster.home(KEY);
    let other = (home + 1) % 3;
    let whole = {
        shop.on(&cluster.nodes[0].url(), "backup create --to b --name all").must_exit(0);
        backed_up(&shop, "all")
    };
    let mut whole_ones = 0;
    for round in 0..12 {
        let name = format!("b{round}");
        let child = start(&shop, &cluster, &format!("backup create --to b --name {name} --all-systems"));
        let (from, to) = if round % 2 == 0 { (home, other) } else { (other, home) };
        cluster.begin_move(slot, from, to);
        cluster.move_keys(slot, from, to);
        cluster.end_move(slot, from, to);
        let output = child.wait_with_output().expect("its output");
        match output.status.code() {
            Some(0) => {
                assert_eq!(backed_up(&shop, &name), whole);
                whole_ones += 1;
            }
            Some(75) => assert!(!shop.path(&format!("b/{name}")).exists()),
            code => panic!("{code:?}: {output:?}"),
        }
    }
    assert!(whole_ones > 0, "none was made");
}

#[test]
fn streams_of_one_slot_that_are_apart_for_a_moment_are_not_backed_up() {
    let Some(mut cluster) = Cluster::start() else { return };
    let keys = ["{papyra:s}:s:events", "{papyra:s}:s:audits"];
    for key in keys {
        cluster.of(key).add(key, &[("data", &event(1))]);
    }
    let (slot, home) = cluster.home(keys[0]);
    let other = (home + 1) % 3;
    let shop = Workshop::default();
    let url = cluster.nodes[home].url();
    let create = "backup create --to b --name one --prefix {papyra:s} --timeout 500ms";
    cluster.begin_move(slot, home, other);
    let port = cluster.nodes[other].port;
    cluster.nodes[home].call(&format!("MIGRATE 127.0.0.1 {port} {} 0 60000", keys[0]));
    shop.on(&url, create).must_exit(75).must_complain("moving the keys").must_complain("nothing was done");
    assert!(!shop.path("b/one").exists());
    cluster.move_keys(slot, home, other);
    cluster.end_move(slot, home, other);
    shop.on(&url, create).must_exit(0);
    assert_eq!(backed_up(&shop, "one").len(), 2);
}
