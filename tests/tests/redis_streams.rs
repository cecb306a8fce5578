//! Scan, recovery and compaction on a real server.

use papyra_tests::Workshop;
use papyra_tests::redis::{Redis, event, list};
use serde_json::Value;

/// 30 events, of which a group has read 10 and acknowledged 4, and bad entries among them; a good audit in the dead
/// letters. Returns the bad ones' IDs.
fn fill(redis: &mut Redis) -> Vec<String> {
    let mut bad = Vec::new();
    for number in 0..30 {
        redis.add("papyra:s:events", &[("data", &event(number))]);
        if number == 3 {
            bad.push(redis.add("papyra:s:events", &[("data", "{\"kind\":\"event\"")]));
            bad.push(redis.add("papyra:s:events", &[("oops", "no data"), ("id", "7")]));
        }
    }
    redis.call("XGROUP CREATE papyra:s:events shipping 0");
    let read = list(
        list(list(redis.call("XREADGROUP GROUP shipping c1 COUNT 10 STREAMS papyra:s:events >")).remove(0)).remove(1),
    );
    for entry in read.into_iter().take(4) {
        let id = papyra_tests::redis::text(&list(entry)[0]);
        redis.call(&format!("XACK papyra:s:events shipping {id}"));
    }
    bad.push(redis.add("papyra:s:dead_letters", &[("data", "[1,2]")]));
    redis.add("papyra:s:dead_letters", &[("data", "{\"kind\": \"audit\"}"), ("more", "x")]);
    bad
}

/// What the group waits for: ID, consumer, deliveries.
fn pending(redis: &mut Redis) -> Vec<(String, String, i64)> {
    use papyra_tests::redis::{number, text};
    let entries = list(redis.call("XPENDING papyra:s:events shipping - + 100"));
    entries.into_iter().map(list).map(|entry| (text(&entry[0]), text(&entry[1]), number(&entry[3]))).collect()
}

fn bad_ids(report: &Value) -> Vec<String> {
    let files = report["files"].as_array().expect("files").iter();
    let findings = files.flat_map(|file| file["anomalies"].as_array().expect("anomalies"));
    findings.map(|finding| finding["id"].as_str().expect("an ID").to_owned()).collect()
}

#[test]
fn a_scan_names_the_bad_entries_by_their_ids() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let bad = fill(&mut redis);
    let shop = Workshop::default();
    let report = shop.on(&redis.url(), "persistence scan --format json").must_exit(2).json();
    assert_eq!(bad_ids(&report), bad);
    let reasons: Vec<&Value> = report["files"][0]["anomalies"]
        .as_array()
        .expect("anomalies")
        .iter()
        .map(|finding| &finding["reason"])
        .collect();
    assert_eq!(reasons, ["invalid_json", "missing_data_field"]);
    assert_eq!(report["files"][0]["anomalies"][0]["key"], "papyra:s:events");
    assert_eq!(report["totals"]["records"]["event"], 30);
    assert_eq!(report["totals"]["notes"]["extra_fields"], 1);
    assert_eq!(report["totals"]["notes"]["wrong_stream"], 1);
    shop.on(&redis.url(), "persistence scan")
        .must_exit(2)
        .must_say("✖ Found 3 persistence anomalies:")
        .must_say("- CORRUPTED_LINE: papyra:s:events (Missing 'data' field or non-string payload)")
        .must_say("- CORRUPTED_LINE: papyra:s:dead_letters (JSON payload is not an object/dict)")
        .must_say("papyra:s:audits: not there")
        .must_say(&bad[0]);
}

#[test]
fn a_sample_looks_at_the_newest_entries_only() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.add("papyra:s:events", &[("data", "bad")]);
    for number in 0..200 {
        redis.add("papyra:s:events", &[("data", &event(number))]);
    }
    let shop = Workshop::default();
    let report = shop.on(&redis.url(), "persistence scan --sample 200 --format json").must_exit(0).json();
    assert_eq!(report["totals"]["lines"], 200);
    let report = shop.on(&redis.url(), "persistence scan --sample 201 --format json").must_exit(2).json();
    assert_eq!(report["totals"]["lines"], 201);
    let report = shop.on(&redis.url(), "persistence scan --format json").must_exit(2).json();
    assert_eq!(report["totals"]["lines"], 201);
}

#[test]
fn repair_keeps_what_it_removes_and_leaves_groups_alone() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let bad = fill(&mut redis);
    let good: Vec<_> = redis.entries("papyra:s:events").into_iter().filter(|(id, _)| !bad[..2].contains(id)).collect();
    let before = pending(&mut redis);
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence recover --dry-run").must_exit(0).must_say("papyra:s:events: 2 entries go");
    assert_eq!(redis.length("papyra:s:events"), 32);
    let run = shop.on(&redis.url(), "persistence recover --rejects-dir kept").must_exit(0);
    let run = run.must_say("ℹ Recovery completed").must_say("ℹ repaired papyra:s:events");
    run.must_say("2 pending deliveries wait for an entry that was removed");
    assert_eq!(redis.entries("papyra:s:events"), good);
    assert_eq!(pending(&mut redis), before);
    let lines: Vec<String> = shop
        .contents("kept")
        .iter()
        .flat_map(|file| String::from_utf8_lossy(file).lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(lines.len(), 3);
    let second: Value = lines
        .iter()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        // Entries of two streams may have the same ID.
        .find(|line: &Value| line["id"] == bad[1] && line["source"] == "papyra:s:events")
        .expect("the entry");
    assert_eq!(second["fields"], serde_json::json!([["oops", "no data"], ["id", "7"]]));
    let report = shop.on(&redis.url(), "persistence scan --format json").must_exit(0).json();
    assert_eq!(report["totals"]["notes"]["pending_without_entry"], 2);
    shop.on(&redis.url(), "redis ack --kind events --group shipping --gone")
        .must_exit(0)
        .must_say("acknowledged 2 of 2");
    shop.on(&redis.url(), "persistence scan --strict").must_exit(2);
    shop.on(&redis.url(), "persistence recover").must_exit(0).must_say("nothing was wrong, nothing was written");
}

#[test]
fn without_a_folder_the_rejects_go_to_the_working_folder() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence recover").must_exit(0);
    let names = shop.names();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().all(|name| name.starts_with("papyra_s_") && name.ends_with(".rejected")), "{names:?}");
}

#[test]
fn a_rejects_folder_that_cannot_be_written_removes_nothing() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::with("file", "");
    shop.on(&redis.url(), "persistence recover --rejects-dir file/under").must_exit(73);
    assert_eq!(redis.length("papyra:s:events"), 32);
}

#[test]
fn quarantine_moves_entries_with_all_their_fields() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let bad = fill(&mut redis);
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence recover --mode quarantine")
        .must_exit(0)
        .must_say("ℹ quarantined papyra:s:quarantine:papyra_s_events");
    assert_eq!(redis.length("papyra:s:events"), 30);
    let kept = redis.entries("papyra:s:quarantine:papyra_s_events");
    let named = |entry: &[(String, String)]| -> Vec<(String, String)> {
        entry.iter().filter(|(name, _)| name != "timestamp").cloned().collect()
    };
    let fields = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let source = ("source", "papyra:s:events");
    assert_eq!(named(&kept[0].1), fields(&[source, ("data", "{\"kind\":\"event\""), ("id", &bad[0])]));
    let second = [source, ("data", ""), ("id", &bad[1]), ("oops", "no data"), ("original:id", "7")];
    assert_eq!(named(&kept[1].1), fields(&second));
    assert_eq!(kept.len(), 2);
    shop.on(&redis.url(), "persistence scan").must_exit(0).must_say("Persistence is healthy.");
    redis.add("papyra:s:events", &[("data", "again")]);
    shop.on(&redis.url(), "persistence recover --mode quarantine --quarantine-prefix bad").must_exit(0);
    assert_eq!(redis.length("bad:papyra_s_events"), 1);
}

#[test]
fn an_entry_that_cannot_be_quarantined_stays() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let bad = fill(&mut redis);
    redis.call("SET papyra:s:quarantine:papyra_s_events something");
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence recover --mode quarantine")
        .must_exit(66)
        .must_complain("papyra:s:quarantine:papyra_s_events")
        .must_complain("something other than a stream");
    assert_eq!(redis.length("papyra:s:events"), 32);
    redis.call("DEL papyra:s:quarantine:papyra_s_events");
    redis.call("ACL SETUSER mover on >pw ~* +@all -xdel");
    let url = format!("redis://mover:pw@127.0.0.1:{}", redis.port);
    shop.on(&url, "persistence recover --mode quarantine")
        .must_exit(69)
        .must_complain("may not do that")
        .must_complain("XDEL");
    assert_eq!(redis.length("papyra:s:events"), 32);
    assert_eq!(redis.length("papyra:s:quarantine:papyra_s_events"), 0);
    shop.on(&redis.url(), "persistence recover --mode quarantine").must_exit(0);
    let ids: Vec<String> = redis
        .entries("papyra:s:quarantine:papyra_s_events")
        .into_iter()
        .map(|(_, fields)| fields.into_iter().find(|(name, _)| name == "id").expect("an ID").1)
        .collect();
    assert_eq!(ids, bad[..2]);
}

#[test]
fn a_stream_of_something_else_is_not_emptied() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.add("papyra:s:events", &[("data", "temperature=7")]);
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence recover").must_exit(65).must_complain("nothing was changed");
    assert_eq!(redis.length("papyra:s:events"), 1);
}

#[test]
fn startup_checks_and_the_doctor_decide_as_for_files() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence startup-check").must_exit(0).must_say("nothing was checked");
    shop.on(&redis.url(), "persistence scan").must_exit(66).must_complain("no streams of system s");
    fill(&mut redis);
    shop.on(&redis.url(), "persistence startup-check").must_exit(1).must_say("Persistence anomalies detected:");
    shop.on(&redis.url(), "doctor run --mode ignore").must_exit(0).must_say("(ignored)");
    shop.on(&redis.url(), "doctor run --mode scan_only").must_exit(0);
    assert_eq!(redis.length("papyra:s:events"), 32);
    shop.on(&redis.url(), "doctor run --mode recover --recovery-mode quarantine")
        .must_exit(0)
        .must_say("Recovery successful");
    shop.on(&redis.url(), "persistence startup-check").must_exit(0).must_say("Persistence is healthy");
}

#[test]
fn records_are_listed_and_replayed_in_the_order_of_their_ids() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    for (id, key, data) in [
        ("3-0", "events", event(3)),
        ("1-5", "audits", "{\"kind\": \"audit\",\n \"timestamp\": 2.0}".into()),
        ("1-7", "dead_letters", "{\"kind\": \"dead_letter\", \"target\": \"s:1\", \"timestamp\": 1.0}".into()),
        ("2-0", "dead_letters", "torn".into()),
    ] {
        redis.attempt(&["XADD", &format!("papyra:s:{key}"), id, "data", &data]).expect("an entry");
    }
    let shop = Workshop::default();
    let run = shop.on(&redis.url(), "persistence replay").must_exit(0).must_complain("passed over: 1 damaged entry");
    let kinds: Vec<String> = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a record")["kind"].as_str().expect("a kind").to_owned())
        .collect();
    assert_eq!(kinds, ["audit", "dead_letter", "event"]);
    shop.on(&redis.url(), "inspect events").must_exit(0).must_say("[903.500] ActorStarted s:3");
    shop.on(&redis.url(), "inspect dead-letters --target s:2").must_exit(0).must_say("No dead letters recorded.");
    shop.on(&redis.url(), "metrics persistence").must_exit(0).must_say("records_written: 3");
    let shown = shop.on(&redis.url(), "persistence inspect").must_exit(0);
    shown
        .must_say("backend: RedisStreamsPersistence")
        .must_say("papyra:s:events: 1 entry, 3-0 to 3-0")
        .must_say("of memory");
}

#[test]
fn trimming_spares_what_a_group_still_waits_for() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence compact --max-records 5 --exact")
        .must_exit(64)
        .must_complain("group shipping still waits for entry");
    assert_eq!(redis.length("papyra:s:events"), 32);
    shop.on(&redis.url(), "persistence compact --max-records 5 --exact --force --dry-run")
        .must_exit(0)
        .must_say("papyra:s:events: 32 entries, 27 would go");
    shop.on(&redis.url(), "persistence compact --max-records 26 --exact").must_exit(64);
    let newest: Vec<_> = redis.entries("papyra:s:events").into_iter().skip(27).collect();
    shop.on(&redis.url(), "persistence compact --max-records 5 --exact --force")
        .must_exit(0)
        .must_say("papyra:s:events: 32 entries before, 5 after");
    assert_eq!(redis.entries("papyra:s:events"), newest);
    shop.on(&redis.url(), "persistence compact --max-age 1d --exact --force")
        .must_exit(0)
        .must_say("5 entries before, 5 after");
    shop.on(&redis.url(), "persistence compact --max-total-bytes 5").must_exit(64);
}

#[test]
fn trimming_by_age_goes_by_the_time_in_the_ids() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let hours_ago = |redis: &mut Redis, hours: i64| -> i64 {
        let time = list(redis.call("TIME"));
        (papyra_tests::redis::text(&time[0]).parse::<i64>().expect("seconds") - hours * 3_600) * 1_000
    };
    for hours in [72, 48, 2, 1] {
        let id = format!("{}-0", hours_ago(&mut redis, hours));
        redis.attempt(&["XADD", "papyra:s:events", &id, "data", &event(1)]).expect("an entry");
    }
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence compact --max-age 1d --exact")
        .must_exit(0)
        .must_say("4 entries before, 2 after");
    redis.call("DEL papyra:s:events");
    redis.call("XADD papyra:s:events 5-1 data {}");
    shop.on(&redis.url(), "persistence compact --max-age 1d --exact")
        .must_exit(65)
        .must_complain("5-1, which is not Unix time");
    assert_eq!(redis.length("papyra:s:events"), 1);
}

#[test]
fn a_scan_of_many_entries_takes_no_more_memory() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.script(
        "for i = 1, 1000000 do redis.call('XADD', 'papyra:s:events', '*', 'data', \
         '{\"kind\": \"event\", \"n\": ' .. i .. ', \"payload\": \"' .. string.rep('x', 100) .. '\"}') end",
    );
    let shop = Workshop::default();
    let mut command = shop.command("persistence scan --format json --backend redis --system-id s");
    let child =
        command.env("PAPYRA_REDIS_URL", redis.url()).stdout(std::process::Stdio::piped()).spawn().expect("papyra");
    let status = format!("/proc/{}/status", child.id());
    let peak = std::thread::spawn(move || {
        let mut peak = 0_u64;
        while let Ok(status) = std::fs::read_to_string(&status) {
            let Some(line) = status.lines().find(|line| line.starts_with("VmHWM:")) else { break };
            peak = peak.max(line.split_whitespace().nth(1).expect("a number").parse().expect("kB"));
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        peak
    });
    let output = child.wait_with_output().expect("papyra ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["totals"]["records"]["event"], 1_000_000);
    let peak = peak.join().expect("a peak");
    assert!((1..64_000).contains(&peak), "{peak} kB");
}
