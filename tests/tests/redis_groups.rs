//! Consumer groups on a real server: listed, made anew, looked after.

use papyra_tests::Workshop;
use papyra_tests::redis::{Fake, Redis, bytes, event, find, list, number};

/// 20 events; a group in which c1 holds 8 and c2 holds 5.
fn fill(redis: &mut Redis) {
    for number in 0..20 {
        redis.add("papyra:s:events", &[("data", &event(number))]);
    }
    redis.call("XGROUP CREATE papyra:s:events shipping 0");
    redis.call("XREADGROUP GROUP shipping c1 COUNT 8 STREAMS papyra:s:events >");
    redis.call("XREADGROUP GROUP shipping c2 COUNT 5 STREAMS papyra:s:events >");
}

fn pending(redis: &mut Redis) -> Vec<(String, String, i64)> {
    let entries = list(redis.call("XPENDING papyra:s:events shipping - + 100"));
    let of = papyra_tests::redis::text;
    entries.into_iter().map(list).map(|entry| (of(&entry[0]), of(&entry[1]), number(&entry[3]))).collect()
}

#[test]
fn groups_come_back_from_a_saved_list_with_what_they_waited_for() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::default();
    let listed = shop.on(&redis.url(), "redis groups list --format json").must_exit(0);
    assert_eq!(listed.json()["schema"], "papyra.groups/1");
    assert_eq!(listed.json()["streams"][0]["groups"][0]["pending_count"], 13);
    shop.write("groups.json", &listed.stdout);
    let before = pending(&mut redis);
    shop.on(&redis.url(), "redis groups delete --kind events --group shipping")
        .must_exit(64)
        .must_complain("waits for 13 entries");
    shop.on(&redis.url(), "redis groups delete --kind events --group shipping --force").must_exit(0);
    shop.on(&redis.url(), "redis groups delete --kind events --group shipping").must_exit(0).must_say("is not there");
    shop.on(&redis.url(), "redis groups ensure --from groups.json")
        .must_exit(0)
        .must_say("group shipping of papyra:s:events made")
        .must_say("13 pending entries brought back");
    assert_eq!(pending(&mut redis), before);
    let again = shop.on(&redis.url(), "redis groups list --format json").must_exit(0).json();
    let delivered = |list: &serde_json::Value| list["streams"][0]["groups"][0]["last_delivered"].clone();
    assert_eq!(delivered(&again), delivered(&listed.json()));
    shop.on(&redis.url(), "redis groups ensure --from groups.json").must_exit(0).must_say("stays as it is");
    assert_eq!(pending(&mut redis), before);
}

#[test]
fn names_that_are_no_text_are_listed_and_come_back() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    for number in 0..4 {
        redis.add("papyra:s:events", &[("data", &event(number))]);
    }
    let (group, consumer) = (&b"gr\xffup\\x41"[..], &b"\\\xfe\x1b[2J"[..]);
    let command = [b"XGROUP", &b"CREATE"[..], b"papyra:s:events", group, b"0"];
    redis.attempt(&command).expect("a group");
    let command = [b"XREADGROUP", &b"GROUP"[..], group, consumer, b"COUNT", b"3", b"STREAMS", b"papyra:s:events", b">"];
    redis.attempt(&command).expect("entries");
    let waiting = |redis: &mut Redis| {
        let command = [b"XPENDING", &b"papyra:s:events"[..], group, b"-", b"+", b"10"];
        let entries = list(redis.attempt(&command).expect("entries"));
        let parts = entries.into_iter().map(list).map(|entry| (bytes(&entry[0]), bytes(&entry[1]), number(&entry[3])));
        parts.collect::<Vec<_>>()
    };
    let before = waiting(&mut redis);
    assert_eq!(before.len(), 3);
    let shop = Workshop::default();
    let written = r"gr\xffup\\x41";
    shop.on(&redis.url(), "redis groups list").must_exit(0).must_say(written).must_say(r"consumer \\\xfe\x1b[2J: 3");
    shop.on(&redis.url(), &format!("redis pending --group {written}")).must_exit(0).must_say(written);
    redis.call("SAVE");
    shop.write("dump.rdb", std::fs::read(redis.dir().join("dump.rdb")).expect("a dump"));
    let of_server = shop.on(&redis.url(), "redis groups list --format json").must_exit(0).stdout;
    let of_backup = shop.papyra("inspect groups --path dump.rdb --format json").must_exit(0).stdout;
    for saved in [of_server, of_backup] {
        shop.write("groups.json", saved);
        shop.on(&redis.url(), &format!("redis groups delete --kind events --group {written} --force"))
            .must_say("removed");
        shop.on(&redis.url(), "redis groups ensure --from groups.json").must_exit(0).must_say("3 pending entries");
        assert_eq!(waiting(&mut redis), before);
    }
    shop.on(
        &redis.url(),
        &format!(r"redis claim --kind events --group {written} --consumer z\xfd --min-idle 1ms --limit 1"),
    )
    .must_exit(0)
    .must_say("claimed 1 of 1");
    assert_eq!(waiting(&mut redis)[0].1, b"z\xfd");
    shop.on(&redis.url(), &format!(r"redis ack --kind events --group {written} --from z\xfd"))
        .must_exit(0)
        .must_say("acknowledged 1 of 1");
    assert_eq!(waiting(&mut redis), before[1..]);
}

/// All that a server tells of a stream and its groups, but for idle times.
fn told(redis: &mut Redis) -> String {
    let entries = format!("{:?}", redis.call("XRANGE papyra:s:events - +"));
    let info = format!("{:?}", redis.call("XINFO STREAM papyra:s:events"));
    let groups = format!("{:?}", redis.call("XINFO GROUPS papyra:s:events"));
    let waiting = list(redis.call("XPENDING papyra:s:events other - + 100")).into_iter().map(list);
    let waiting: Vec<_> = waiting.map(|entry| format!("{:?} {:?} {:?}", entry[0], entry[1], entry[3])).collect();
    // How the radix tree lies in memory may change.
    let info = info.split("radix-tree").next().unwrap_or_default().to_owned();
    format!("{entries}\n{info}\n{groups}\n{waiting:?}")
}

#[test]
fn pending_entries_whose_message_is_gone_come_back_too() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    redis.call("XGROUP CREATE papyra:s:events other 0");
    redis.call("XREADGROUP GROUP other o COUNT 3 STREAMS papyra:s:events >");
    redis.call("PEXPIREAT papyra:s:events 33000000000000");
    let shop = Workshop::default();
    shop.write("groups.json", &shop.on(&redis.url(), "redis groups list --format json").must_exit(0).stdout);
    let before = pending(&mut redis);
    redis.call(&format!("XDEL papyra:s:events {} {}", before[0].0, before[9].0));
    let told_before = told(&mut redis);
    redis.call("XGROUP DESTROY papyra:s:events shipping");
    let ensured = shop.on(&redis.url(), "redis groups ensure --from groups.json --format json").must_exit(0).json();
    let shipping = ensured["groups"].as_array().expect("groups").iter().find(|group| group["group"] == "shipping");
    let shipping = shipping.expect("the group");
    assert_eq!((&shipping["pending_restored"], &shipping["pending_lost"]), (&13.into(), &0.into()));
    assert_eq!(shipping["stream_created"], false);
    assert_eq!(pending(&mut redis), before);
    assert_eq!(told(&mut redis), told_before);
    assert_eq!(number(&redis.call("PTTL papyra:s:events")) / 1_000_000_000, {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
        (33_000_000_000_000 - i64::try_from(now).expect("a time")) / 1_000_000_000
    });
    // Acknowledged, they are gone for good.
    redis.call(&format!("XACK papyra:s:events shipping {}", before[0].0));
    shop.on(&redis.url(), "redis groups ensure --from groups.json").must_exit(0).must_say("stays as it is");
    assert_eq!(pending(&mut redis), before[1..]);
}

/// The newest servers take no payload with a group that has read more than its stream was given.
#[test]
fn a_group_has_read_no_more_than_its_stream_was_given() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::default();
    shop.write("groups.json", &shop.on(&redis.url(), "redis groups list --format json").must_exit(0).stdout);
    let before = pending(&mut redis);
    let lose = |redis: &mut Redis| {
        redis.call("DEL papyra:s:events");
        for (id, ..) in &before[3..5] {
            redis.attempt(&["XADD", "papyra:s:events", id, "data", &event(1)]).expect("added");
        }
    };
    lose(&mut redis);
    shop.on(&redis.url(), "redis groups ensure --from groups.json").must_exit(0).must_say("13 pending entries");
    assert_eq!(pending(&mut redis), before);
    let group = list(redis.call("XINFO GROUPS papyra:s:events")).remove(0);
    // Before Redis 7.0 nobody counts.
    assert_eq!(find(&group, "entries-read").map_or(2, number), 2);
    // Where no payload is taken at all, the entries whose message is there come back, and the others are counted.
    lose(&mut redis);
    let fake = Fake::before(redis.port, |words| match &*words[0] {
        "EVAL" if words[1].contains("'RESTORE'") => Some(b"-ERR Bad data format\r\n".to_vec()),
        _ => None,
    });
    let ensured = shop.on(&fake.url(), "redis groups ensure --from groups.json --format json").json();
    let group = &ensured["groups"][0];
    assert_eq!((&group["pending_restored"], &group["pending_lost"]), (&2.into(), &11.into()), "{ensured:#}");
}

/// Entries 1 and 2 of the group were given back, the second one for good: by XNACK (Redis 8.8 and later), or so in the
/// list alone.
fn give_back(redis: &mut Redis, shop: &Workshop, knows_it: bool) {
    let before = pending(redis);
    if knows_it {
        redis.call(&format!("XNACK papyra:s:events shipping FAIL IDS 1 {}", before[1].0));
        redis.call(&format!("XNACK papyra:s:events shipping FATAL IDS 1 {}", before[2].0));
    }
    let mut list = shop.on(&redis.url(), "redis groups list --format json").must_exit(0).json();
    let listed = list["streams"][0]["groups"][0]["pending"].as_array_mut().expect("entries");
    for (at, count) in [(1, 1), (2, i64::MAX)] {
        let released = serde_json::json!({"id": before[at].0, "delivery_time": 0, "delivery_count": count});
        if knows_it {
            assert_eq!((listed[at].get("consumer"), &listed[at]["id"]), (None, &released["id"]));
            assert_eq!(listed[at]["delivery_count"], released["delivery_count"]);
        }
        listed[at] = released;
    }
    shop.write("groups.json", list.to_string());
}

#[test]
fn entries_that_nobody_holds_come_back_so_where_the_server_can_say_it() {
    for gone in [false, true] {
        let Some(mut redis) = Redis::start(&[]) else { return };
        fill(&mut redis);
        let knows_it = list(redis.call("COMMAND INFO XNACK"))[0] != redis::Value::Nil;
        let shop = Workshop::default();
        let mut expected = pending(&mut redis);
        give_back(&mut redis, &shop, knows_it);
        // Where it cannot, they wait for a consumer whose name says it.
        let holder = if knows_it { "" } else { "papyra:released" };
        expected[1].1 = holder.into();
        expected[2].1 = holder.into();
        expected[2].2 = i64::MAX;
        if gone {
            redis.call(&format!("XDEL papyra:s:events {} {}", expected[1].0, expected[4].0));
        }
        redis.call("XGROUP DESTROY papyra:s:events shipping");
        let ensured = shop.on(&redis.url(), "redis groups ensure --from groups.json").must_exit(0);
        let ensured = ensured.must_say("13 pending entries brought back");
        assert_eq!(ensured.stdout.contains("nobody held them"), !knows_it, "{ensured:#?}");
        assert_eq!(pending(&mut redis), expected, "messages are gone: {gone}");
        // What is made is what a server loads, and what another list says of it.
        redis.call("SAVE");
        shop.write("dump.rdb", std::fs::read(redis.dir().join("dump.rdb")).expect("a dump"));
        shop.papyra("persistence scan --path dump.rdb").must_exit(0);
        let claim = "redis claim --kind events --group shipping --consumer z --min-idle 1ms";
        shop.on(&redis.url(), claim).must_exit(0).must_say(if gone { "claimed 11 of 13" } else { "claimed 13 of 13" });
    }
}

#[test]
fn a_group_of_a_stream_that_is_gone_comes_back_with_an_empty_stream() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::default();
    shop.write("groups.json", &shop.on(&redis.url(), "redis groups list --format json").must_exit(0).stdout);
    let before = pending(&mut redis);
    redis.call("DEL papyra:s:events");
    shop.on(&redis.url(), "redis groups ensure --from groups.json")
        .must_exit(0)
        .must_say("13 pending entries brought back")
        .must_say("the stream was not there");
    assert_eq!(pending(&mut redis), before);
    assert_eq!(number(&redis.call("XLEN papyra:s:events")), 0);
    redis.add("papyra:s:events", &[("data", &event(1))]);
    shop.on(&redis.url(), "redis groups ensure --group new --kind audits")
        .must_exit(0)
        .must_say("the stream was not there");
    shop.on(&redis.url(), "redis groups ensure --group new --kind events").must_exit(0);
}

#[test]
fn a_list_that_is_none_or_of_another_system_is_refused() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::with("groups.json", "{\"schema\": 7}");
    shop.on(&redis.url(), "redis groups ensure --from groups.json")
        .must_exit(65)
        .must_complain("is not a list of groups");
    shop.on(&redis.url(), "redis groups ensure --from nothing.json").must_exit(66);
    let listed = shop.on(&redis.url(), "redis groups list --format json").must_exit(0);
    shop.write("groups.json", &listed.stdout);
    shop.on(&redis.url(), "redis groups ensure --from groups.json --system-id other")
        .must_exit(66)
        .must_complain("papyra:s:events");
}

#[test]
fn groups_are_made_where_asked_and_only_once() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::default();
    let made = |kind: &str, start: &str| {
        shop.on(&redis.url(), &format!("redis groups ensure --group g --kind {kind} --start {start}")).must_exit(0)
    };
    made("events", "$").must_say("group g of papyra:s:events made");
    made("events", "0").must_say("stays as it is");
    made("audits", "0").must_say("group g of papyra:s:audits made");
    shop.on(&redis.url(), "redis groups ensure --group g --start 1-2-3").must_exit(64);
    let streams = shop.on(&redis.url(), "redis groups list --format json").must_exit(0).json();
    let group = &streams["streams"][0]["groups"][0];
    assert_eq!((&group["name"], &group["last_delivered"]), (&"g".into(), &streams["streams"][0]["stream"]["last_id"]));
}

#[test]
fn waiting_entries_are_listed_claimed_and_acknowledged() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    fill(&mut redis);
    let shop = Workshop::default();
    let before = pending(&mut redis);
    let listed = shop.on(&redis.url(), "redis pending --format json").must_exit(0).json();
    assert_eq!(listed["pending"].as_array().expect("entries").len(), 13);
    assert_eq!(listed["pending"][0]["id"], before[0].0);
    assert_eq!(listed["pending"][0]["delivery_count"], 1);
    shop.on(&redis.url(), "redis claim --kind events --group shipping --consumer c3 --min-idle 1h")
        .must_exit(0)
        .must_say("claimed 0 of 0");
    shop.on(
        &redis.url(),
        "redis claim --kind events --group shipping --consumer c3 --min-idle 1ms --from c1 --limit 3",
    )
    .must_exit(0)
    .must_say("claimed 3 of 3");
    let mut expected = before.clone();
    expected.iter_mut().take(3).for_each(|entry| entry.1 = "c3".into());
    assert_eq!(pending(&mut redis), expected);
    shop.on(&redis.url(), "redis ack --kind events --group shipping").must_exit(64);
    shop.on(&redis.url(), &format!("redis ack --kind events --group shipping --id {}", before[5].0))
        .must_exit(0)
        .must_say("acknowledged 1 of 1");
    expected.remove(5);
    assert_eq!(pending(&mut redis), expected);
    shop.on(&redis.url(), "redis ack --kind events --group shipping --all")
        .must_exit(0)
        .must_say("acknowledged 12 of 12");
    shop.on(&redis.url(), "redis pending").must_exit(0).must_say("nothing is pending");
    shop.on(&redis.url(), "redis ack --kind events --group nobody --all")
        .must_exit(66)
        .must_complain("no such stream or group");
}

#[test]
fn a_verbs_own_flags_stand_before_those_of_the_server() {
    let help = Workshop::default().papyra("redis ack --help").must_exit(0).stdout;
    let at = |text: &str| help.find(text).unwrap_or_else(|| panic!("no {text} in {help}"));
    assert!(at("--kind <STREAM>\n") < at("\nRedis:") && at("--format <FORMAT>\n") < at("\nRedis:"), "{help}");
    assert!(at("--redis-url <URL>\n") > at("\nRedis:"), "{help}");
}
