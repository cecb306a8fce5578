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
