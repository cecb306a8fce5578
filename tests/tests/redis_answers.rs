//! Servers that answer strangely, or sparingly: nothing is taken for an answer that is none, and nobody is followed who
//! has not shown what he is.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use papyra_tests::redis::{Fake, Redis, event, list, number, resp_list, resp_number, resp_text, text};
use papyra_tests::{Workshop, has};

const KEY: &str = "papyra:s:events";

/// What a server without a cluster says to questions about one.
fn no_cluster() -> Vec<u8> {
    b"-ERR This instance has cluster support disabled\r\n".to_vec()
}

#[test]
fn a_reply_that_is_no_answer_is_never_taken_for_one() {
    let others: [&[u8]; 4] = [b"+OK\r\n", b":0\r\n", b"$-1\r\n", b"*0\r\n"];
    for reply in others {
        let fake = Fake::answering(move |words| if words[0] == "CLUSTER" { no_cluster() } else { reply.to_vec() });
        let shop = Workshop::default();
        for verb in [
            "persistence scan",
            "persistence startup-check",
            "redis groups list",
            "redis pending",
            "backup create --to b",
        ] {
            let run = shop.on(&fake.url(), verb).must_exit(69);
            run.must_complain("not an answer to that");
        }
        shop.on(&fake.url(), "persistence scan --all-systems").must_exit(69);
        shop.on(&format!("{}/3", fake.url()), "persistence scan").must_exit(69);
    }
    // A stream of which everything is told but its entries.
    let fake = Fake::answering(|words| match &*words[0] {
        "CLUSTER" => no_cluster(),
        "XINFO" if words[1] == "STREAM" => resp_list(&[resp_text("length"), resp_number(3)]),
        "XREVRANGE" => resp_list(&[resp_list(&[resp_text("3-0"), resp_list(&[resp_text("data"), resp_text("{}")])])]),
        _ => b"+OK\r\n".to_vec(),
    });
    Workshop::default().on(&fake.url(), "persistence scan").must_exit(69).must_complain("reading papyra:s:events");
    let fake = Fake::answering(|_| b"+OK\r\n".to_vec());
    Workshop::default().on(&fake.url(), "persistence scan").must_exit(69);
}

#[test]
fn a_reply_that_trickles_is_given_up() {
    let fake = Fake::answering(|words| match &*words[0] {
        "CLUSTER" => no_cluster(),
        _ => b"$1000000\r\n".to_vec(),
    });
    // Behind the fake, a byte at a time for ever.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().expect("an address").port());
    let upstream = fake.port;
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            let server = std::net::TcpStream::connect(("127.0.0.1", upstream)).expect("the fake listens");
            let (mut requests, mut to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
            std::thread::spawn(move || _ = std::io::copy(&mut requests, &mut to));
            std::thread::spawn(move || {
                let (mut server, mut client) = (server, client);
                let mut buffer = [0; 4096];
                let read = std::io::Read::read(&mut server, &mut buffer).unwrap_or(0);
                _ = std::io::Write::write_all(&mut client, &buffer[..read]);
                while std::io::Write::write_all(&mut client, b"x").is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
        }
    });
    let begun = Instant::now();
    let run = Workshop::default().on(&url, "persistence scan --timeout 500ms");
    assert!(matches!(run.code, Some(69 | 74)), "{run:#?}");
    assert!(begun.elapsed().as_secs() < 1_000, "a million bytes would take five hours");
}

#[test]
fn a_system_whose_stream_moves_while_systems_are_looked_for_is_found() {
    let ports: Arc<OnceLock<[u16; 2]>> = Arc::default();
    let arrived = Arc::new(AtomicBool::new(false));
    let node = |is_target: bool| {
        let (ports, arrived) = (ports.clone(), arrived.clone());
        Fake::answering(move |words| match &*words[0] {
            "CLUSTER" => {
                let ports = ports.get().expect("both listen");
                let range = |from, to, port: u16| {
                    let master = resp_list(&[resp_text("127.0.0.1"), resp_number(port.into())]);
                    resp_list(&[resp_number(from), resp_number(to), master])
                };
                resp_list(&[range(0, 8_000, ports[0]), range(8_001, 16_383, ports[1])])
            }
            "SCAN" => {
                let is_here = is_target && arrived.load(Ordering::SeqCst);
                // The other node is asked when the stream has left it, and the target was asked before that.
                if !is_target {
                    arrived.store(true, Ordering::SeqCst);
                }
                let keys = is_here.then(|| resp_text("papyra:moved:events"));
                resp_list(&[resp_text("0"), resp_list(keys.as_slice())])
            }
            "XINFO" => b"-ERR no such key\r\n".to_vec(),
            _ => b"-ERR unexpected\r\n".to_vec(),
        })
    };
    let (target, other) = (node(true), node(false));
    ports.set([target.port, other.port]).expect("once");
    let scan = "persistence scan --all-systems";
    Workshop::default().on(&target.url(), scan).must_exit(66).must_complain("no streams of system moved");
}

/// A cluster of one slot less for the first node, on which every key is on its way to the second one. `slow` is what
/// that one takes long over.
fn on_its_way(server: &Redis, slow: fn(&[String]) -> Duration) -> (Fake, Fake) {
    let ports: Arc<OnceLock<[u16; 2]>> = Arc::default();
    let slots = |ports: &[u16; 2]| {
        let range = |from, to, port: u16| {
            let node = resp_list(&[resp_text("127.0.0.1"), resp_number(port.into())]);
            resp_list(&[resp_number(from), resp_number(to), node])
        };
        resp_list(&[range(0, 16_382, ports[0]), range(16_383, 16_383, ports[1])])
    };
    let known = ports.clone();
    let home = Fake::answering(move |words| match &*words[0] {
        "CLUSTER" => slots(known.get().expect("both listen")),
        "MULTI" => b"+OK\r\n".to_vec(),
        "TIME" => b"+QUEUED\r\n".to_vec(),
        "EXEC" => b"-EXECABORT Transaction discarded because of previous errors.\r\n".to_vec(),
        "SCAN" => resp_list(&[resp_text("0"), resp_list(&[])]),
        "INFO" => resp_text(""),
        _ => format!("-ASK 7 127.0.0.1:{}\r\n", known.get().expect("both listen")[1]).into_bytes(),
    });
    let known = ports.clone();
    let target = Fake::before(server.port, move |words| {
        std::thread::sleep(slow(words));
        match &*words[0] {
            "CLUSTER" => Some(slots(known.get().expect("both listen"))),
            "ASKING" => Some(b"+OK\r\n".to_vec()),
            _ => None,
        }
    });
    ports.set([home.port, target.port]).expect("once");
    (home, target)
}

#[test]
fn the_time_for_a_reply_is_the_same_after_a_redirection() {
    let Some(mut server) = Redis::start(&[]) else { return };
    server.add(KEY, &[("data", &event(1))]);
    let shop = Workshop::default();
    // DUMP of a large stream may take long, wherever the stream is.
    let (home, _target) = on_its_way(&server, |words| Duration::from_millis(1_500 * u64::from(words[0] == "DUMP")));
    shop.on(&home.url(), "backup create --to b --name one --timeout 500ms").must_exit(0);
    shop.papyra("backup verify b/one").must_exit(0);
    // Other replies may not, and a server that never answers is given up.
    let (home, _target) = on_its_way(&server, |words| Duration::from_secs(3_600 * u64::from(words[0] == "XINFO")));
    shop.on(&home.url(), "persistence scan --timeout 500ms").must_exit(74).must_complain("no answer in time");
}

#[test]
fn a_stream_that_a_dump_leaves_out_makes_no_backup() {
    let Some(mut server) = Redis::start(&[]) else { return };
    server.add(KEY, &[("data", &event(1))]);
    let dumped = AtomicUsize::new(0);
    let fake = Fake::before(server.port, move |words| match &*words[0] {
        "CLUSTER" => Some(no_cluster()),
        "MULTI" => Some(b"+OK\r\n".to_vec()),
        "DUMP" | "PTTL" | "TIME" => {
            dumped.fetch_add(usize::from(words[0] == "DUMP"), Ordering::SeqCst);
            Some(b"+QUEUED\r\n".to_vec())
        }
        // All gone between the look at what is there and the copy.
        "EXEC" => {
            let gone = [b"$-1\r\n".to_vec(), resp_number(-2)].concat();
            let time = resp_list(&[resp_text("1700000000"), resp_text("0")]);
            let dumped = dumped.swap(0, Ordering::SeqCst);
            Some([format!("*{}\r\n", 2 * dumped + 1).into_bytes(), gone.repeat(dumped), time].concat())
        }
        _ => None,
    });
    let shop = Workshop::default();
    let run = shop.on(&fake.url(), "backup create --to b --name one").must_exit(75);
    run.must_complain("was there when the backup was begun").must_complain("try again");
    assert!(!shop.path("b/one").exists());
}

#[test]
fn nobody_is_followed_to_another_server_who_has_shown_no_cluster() {
    let trap = Fake::answering(|_| b"+OK\r\n".to_vec());
    for word in ["MOVED", "ASK"] {
        let reply = format!("-{word} 7 127.0.0.1:{}\r\n", trap.port).into_bytes();
        let alone = reply.clone();
        let fake = Fake::answering(move |words| match &*words[0] {
            "CLUSTER" => no_cluster(),
            "AUTH" => b"+OK\r\n".to_vec(),
            _ => alone.clone(),
        });
        let url = |port: u16| format!("redis://:hunter2@127.0.0.1:{port}");
        let run = Workshop::default().on(&url(fake.port), "persistence scan").must_exit(69);
        run.must_complain("CLUSTER SLOTS");
        // A cluster that does not name the node.
        let fake = Fake::answering(move |words| match &*words[0] {
            "CLUSTER" => {
                let node = resp_list(&[resp_text(""), resp_number(1)]);
                resp_list(&[resp_list(&[resp_number(0), resp_number(16_383), node])])
            }
            "AUTH" => b"+OK\r\n".to_vec(),
            _ => reply.clone(),
        });
        // It calls itself by no name, and by a port that nobody listens at: only the first answer counts here.
        let run = Workshop::default().on(&url(fake.port), "persistence scan");
        assert!(matches!(run.code, Some(69 | 75)), "{run:#?}");
    }
    assert_eq!(trap.connections(), 0);
}

#[test]
fn a_sentinel_is_told_as_such_with_the_masters_that_it_knows() {
    let fake = Fake::answering(|words| match &*words[0] {
        "ROLE" => resp_list(&[resp_text("sentinel"), resp_list(&[resp_text("mymaster")])]),
        "SENTINEL" => resp_list(&[resp_text("10.0.0.7"), resp_text("6379")]),
        other => format!("-ERR unknown command '{other}', with args beginning with: \r\n").into_bytes(),
    });
    let run = Workshop::default().on(&fake.url(), "persistence scan").must_exit(69);
    run.must_complain("is a Sentinel").must_complain("mymaster is at redis://10.0.0.7:6379");
}

#[test]
fn entries_that_xnack_gave_back_are_listed_claimed_and_acknowledged() {
    // As Redis 8.10 answers: an empty name, and an idle time of -1.
    let fake = Fake::answering(|words| {
        let pending = |id: &str, holder: &str, idle: i64, count: i64| {
            resp_list(&[resp_text(id), resp_text(holder), resp_number(idle), resp_number(count)])
        };
        match &*words[0] {
            "CLUSTER" => no_cluster(),
            "XINFO" if words[1] == "STREAM" && words[2] == KEY => resp_list(&[resp_text("length"), resp_number(2)]),
            "XINFO" if words[1] == "STREAM" => b"-ERR no such key\r\n".to_vec(),
            "XINFO" if words[1] == "GROUPS" => {
                let group = [resp_text("name"), resp_text("g"), resp_text("pending"), resp_number(2)];
                resp_list(&[resp_list(&group)])
            }
            "XPENDING" => resp_list(&[pending("1-0", "", -1, i64::MAX), pending("2-0", "c", 9_000, 1)]),
            "XRANGE" => {
                resp_list(&[resp_list(&[resp_text(&words[2]), resp_list(&[resp_text("data"), resp_text("{}")])])])
            }
            "XCLAIM" => resp_list(&words[5..words.len() - 1].iter().map(|id| resp_text(id)).collect::<Vec<_>>()),
            "XACK" => resp_number(1),
            _ => b"-ERR unexpected\r\n".to_vec(),
        }
    });
    let shop = Workshop::default();
    let listed = shop.on(&fake.url(), "redis pending").must_exit(0);
    listed.must_say("g 1-0: held by nobody since XNACK gave it back").must_say("g 2-0: held by c");
    let listed = shop.on(&fake.url(), "redis pending --min-idle 1h --format json").must_exit(0).json();
    let pending = listed["pending"].as_array().expect("entries");
    assert_eq!((pending.len(), &pending[0]["id"], pending[0].get("consumer")), (1, &"1-0".into(), None));
    let claim = "redis claim --kind events --group g --consumer d --min-idle 1h";
    shop.on(&fake.url(), claim).must_exit(0).must_say("claimed 1 of 1");
    assert!(fake.asked().iter().any(|words| words[0] == "XCLAIM" && words[5] == "1-0"));
    shop.on(&fake.url(), "redis ack --kind events --group g --id 1-0").must_exit(0).must_say("acknowledged 1 of 1");
}

#[test]
fn a_group_or_consumer_that_is_not_there_is_no_all_clear() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    for number in 0..3 {
        redis.add(KEY, &[("data", &event(number))]);
    }
    redis.call(&format!("XGROUP CREATE {KEY} shipping 0"));
    redis.call(&format!("XREADGROUP GROUP shipping c1 STREAMS {KEY} >"));
    let shop = Workshop::default();
    let on = |arguments: &str| shop.on(&redis.url(), arguments);
    on("redis pending --group shiping").must_exit(66).must_complain("there are shipping");
    on("redis pending --kind events --group shiping").must_exit(66);
    on("redis pending --from c2").must_exit(66).must_complain("there are c1");
    on("redis pending --group shipping --from c1").must_exit(0).must_say("held by c1");
    on("redis claim --kind events --group shipping --consumer x --min-idle 1ms --from c2").must_exit(66);
    on("redis ack --kind events --group shipping --from c2").must_exit(66).must_complain("there are c1");
    on("redis ack --kind events --group shiping --all").must_exit(66);
}

#[test]
fn a_claim_leaves_alone_what_is_gone_from_the_stream() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    let ids: Vec<String> = (0..3).map(|number| redis.add(KEY, &[("data", &event(number))])).collect();
    redis.call(&format!("XGROUP CREATE {KEY} g 0"));
    redis.call(&format!("XREADGROUP GROUP g c1 STREAMS {KEY} >"));
    redis.call(&format!("XDEL {KEY} {}", ids[1]));
    let claim = "redis claim --kind events --group g --consumer c2 --min-idle 1ms";
    let run = Workshop::default().on(&redis.url(), claim).must_exit(0);
    run.must_say("claimed 2 of 3").must_say("1 left as they are");
    let pending = list(redis.call(&format!("XPENDING {KEY} g - + 9")));
    let held: Vec<String> = pending.into_iter().map(|entry| text(&list(entry)[1])).collect();
    assert_eq!(held, ["c2", "c1", "c2"]);
}

/// The lines of the handbook that allow a user what a kind of work needs.
fn grants() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../www/book/src/redis.md"))
        .expect("the handbook");
    let lines = page.lines().filter_map(|line| line.strip_prefix("ACL SETUSER "));
    lines.map(|line| line.split_once(' ').expect("a name")).map(|(name, rights)| (name.into(), rights.into())).collect()
}

#[test]
fn each_kind_of_work_does_with_exactly_what_the_handbook_asks_for() {
    let Some(mut redis) = Redis::start(&["--repl-diskless-sync-delay", "0"]) else { return };
    let fill = |redis: &mut Redis| {
        for number in 0..4 {
            redis.add(KEY, &[("data", &event(number))]);
        }
        redis.add(KEY, &[("data", "torn")]);
        redis.call(&format!("XGROUP CREATE {KEY} g 0"));
        redis.call(&format!("XREADGROUP GROUP g c COUNT 2 STREAMS {KEY} >"));
    };
    fill(&mut redis);
    let shop = Workshop::default();
    // A group whose pending entry's message is gone.
    redis.call(&format!("XGROUP CREATE {KEY} gone $"));
    redis.add(KEY, &[("data", &event(9))]);
    let read = list(redis.call(&format!("XREADGROUP GROUP gone c STREAMS {KEY} >")));
    let last = text(&list(list(list(read[0].clone())[1].clone())[0].clone())[0]);
    shop.write("gone.json", shop.on(&redis.url(), "redis groups list --format json").must_exit(0).stdout);
    redis.call(&format!("XDEL {KEY} {last}"));
    redis.call(&format!("XGROUP DESTROY {KEY} gone"));
    let grants = grants();
    let names: Vec<&str> = grants.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["reader", "backup", "recover", "restore"]);
    for (name, rights) in &grants {
        redis.call(&format!("ACL SETUSER {name} reset on >pw {rights}"));
        // Nothing at all: the first refusal names the whole line.
        redis.call(&format!("ACL SETUSER {name}0 reset on >pw"));
    }
    let url = |name: &str| format!("redis://{name}:pw@127.0.0.1:{}", redis.port);
    let work: [(&str, &[(&str, i32)]); 4] = [
        (
            "reader",
            &[
                ("persistence scan", 2),
                ("persistence startup-check", 1),
                ("redis groups list", 0),
                ("redis pending", 0),
                ("inspect events", 0),
                ("persistence scan --all-systems", 2),
                ("persistence inspect", 0),
            ],
        ),
        (
            "backup",
            &[("backup create --to b --name dump", 2), ("backup create --to b --name saved --method bgsave", 2)],
        ),
        (
            "recover",
            &[
                ("redis claim --kind events --group g --consumer d --min-idle 1ms", 0),
                ("redis ack --kind events --group g --all", 0),
                ("redis groups ensure --group h", 0),
                ("redis groups ensure --from gone.json", 0),
                ("redis groups delete --group h --kind events", 0),
                ("persistence recover --mode quarantine", 0),
                ("persistence compact --max-records 2 --exact", 0),
            ],
        ),
        ("restore", &[("backup restore b/dump --replace", 0), ("backup restore b/saved --replace", 0)]),
    ];
    for (name, verbs) in work {
        let (_, rights) = grants.iter().find(|(other, _)| other == name).expect("a line");
        for (verb, code) in verbs {
            let run = shop.on(&url(&format!("{name}0")), verb);
            assert!(run.code == Some(69) && run.stderr.contains(rights), "{name}: {verb}: {rights}: {run:#?}");
            shop.on(&url(name), verb).must_exit(*code);
        }
    }
    assert_eq!(number(&redis.call(&format!("XLEN {KEY}"))), 5);
}

#[test]
fn a_key_that_is_encrypted_and_flags_for_tls_without_tls_are_named() {
    if !has("openssl") {
        return;
    }
    let shop = Workshop::default();
    let openssl = |arguments: &str| {
        let run = std::process::Command::new("openssl").args(arguments.split(' ')).current_dir(shop.path(".")).output();
        assert!(run.expect("openssl runs").status.success());
    };
    openssl("req -x509 -newkey rsa:2048 -keyout locked.key -out own.crt -days 2 -subj /CN=own -passout pass:geheim");
    let tls = "--tls-ca own.crt --tls-cert own.crt --tls-key locked.key";
    let run = shop.on("rediss://127.0.0.1:1", &format!("persistence scan {tls}")).must_exit(78);
    run.must_complain("encrypted").must_complain("openssl pkey");
    let run = shop.on("redis://127.0.0.1:1", "persistence scan --tls-ca own.crt").must_exit(78);
    run.must_complain("--tls-ca").must_complain("rediss://");
}

#[test]
fn an_address_in_the_wrong_place_keeps_its_password() {
    let shop = Workshop::default();
    for wrong in [
        "persistence scan --path",
        "backup verify",
        "persistence scan",
        "backup create --to b --path",
        "persistence scan --format json --path",
    ] {
        let run = shop.papyra(&format!("{wrong} redis://u:hunter2@h/0"));
        assert!(run.code != Some(0) && !run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"), "{run:#?}");
    }
}
