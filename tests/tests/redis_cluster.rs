//! Three nodes: a system's streams lie on different ones, and every verb finds them.

use papyra_tests::Workshop;
use papyra_tests::redis::{Cluster, event};

#[test]
fn a_system_spread_over_a_cluster_is_scanned_recovered_and_looked_after() {
    let Some(mut cluster) = Cluster::start() else { return };
    let keys = ["papyra:s:events", "papyra:s:audits", "papyra:s:dead_letters"];
    for key in keys {
        for number in 0..300 {
            cluster.of(key).add(key, &[("data", &event(number))]);
        }
    }
    let bad = cluster.of(keys[0]).add(keys[0], &[("data", "{\"torn"), ("source", "me")]);
    cluster.of("papyra:other:events").add("papyra:other:events", &[("data", "[]"), ("x", "y")]);
    cluster.of("papyra:other:audits").add("papyra:other:audits", &[("data", "{}")]);
    let ports: Vec<u16> = keys.into_iter().map(|key| cluster.of(key).port).collect();
    assert!(ports.iter().any(|port| *port != ports[0]), "the keys lie on different nodes");

    let shop = Workshop::default();
    for node in 0..3 {
        let url = cluster.nodes[node].url();
        let report = shop.on(&url, "persistence scan --format json").must_exit(2).json();
        assert_eq!((&report["totals"]["lines"], &report["totals"]["anomalies"]), (&901.into(), &1.into()));
        let report = shop.on(&url, "persistence scan --all-systems --format json").must_exit(2).json();
        assert_eq!(report["totals"]["anomalies"], 2);
    }
    let url = cluster.nodes[1].url();
    shop.on(&url, "redis groups ensure --group g").must_exit(0);
    cluster.of(keys[2]).call("XREADGROUP GROUP g c COUNT 7 STREAMS papyra:s:dead_letters >");
    let groups = shop.on(&url, "redis groups list --format json").must_exit(0).json();
    let pending: Vec<_> = groups["streams"]
        .as_array()
        .expect("streams")
        .iter()
        .map(|stream| stream["groups"][0]["pending_count"].clone())
        .collect();
    assert_eq!(pending, [0, 0, 7]);
    shop.on(&url, "redis ack --kind dead_letters --group g --all").must_exit(0).must_say("acknowledged 7 of 7");
    assert_eq!(shop.on(&url, "persistence replay").must_exit(0).stdout.lines().count(), 900);

    shop.on(&url, "persistence recover --mode quarantine --all-systems").must_exit(0).must_say("quarantined");
    let quarantine = "papyra:s:quarantine:papyra_s_events";
    let kept = cluster.of(quarantine).entries(quarantine);
    assert_eq!(kept.len(), 1);
    let field = |name: &str| kept[0].1.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
    assert_eq!((field("id"), field("data"), field("original:source")), (Some(&*bad), Some("{\"torn"), Some("me")));
    shop.on(&url, "persistence scan --all-systems").must_exit(0);
    assert_eq!(cluster.of(keys[0]).length(keys[0]), 300);
    shop.on(&url, "persistence compact --max-records 10 --exact").must_exit(0);
    assert_eq!(cluster.of(keys[1]).length(keys[1]), 10);
}

#[test]
fn an_interrupted_copy_is_recognised_and_not_made_again() {
    let Some(mut cluster) = Cluster::start() else { return };
    let (key, quarantine) = ("papyra:s:events", "papyra:s:quarantine:papyra_s_events");
    cluster.of(key).add(key, &[("data", &event(1))]);
    let bad = cluster.of(key).add(key, &[("data", "{\"torn"), ("id", "mine")]);
    let shop = Workshop::default();
    let url = cluster.nodes[0].url();
    shop.on(&url, "persistence recover --mode quarantine").must_exit(0);
    let copies = cluster.of(quarantine).entries(quarantine);
    // As a crash between the copy and the removal leaves it.
    cluster.of(key).attempt(&["DEL", key]).expect("removed");
    cluster.of(key).attempt(&["XADD", key, &bad, "data", "{\"torn", "id", "mine"]).expect("there again");
    cluster.of(key).add(key, &[("data", &event(2))]);
    shop.on(&url, "persistence recover --mode quarantine").must_exit(0);
    assert_eq!(cluster.of(quarantine).entries(quarantine), copies);
    assert_eq!(cluster.of(key).length(key), 1);
}

#[test]
fn keys_with_one_hash_tag_are_recovered_by_script() {
    let Some(mut cluster) = Cluster::start() else { return };
    let key = "{papyra:s}:s:events";
    cluster.of(key).add(key, &[("data", &event(1))]);
    cluster.of(key).add(key, &[("data", "{\"torn")]);
    let url = cluster.nodes[2].url();
    Workshop::default().on(&url, "persistence recover --mode quarantine --prefix {papyra:s}").must_exit(0);
    let quarantine = "{papyra:s}:s:quarantine:{papyra_s}_s_events";
    assert_eq!(cluster.of(quarantine).length(quarantine), 1);
    assert_eq!(cluster.of(key).length(key), 1);
}
