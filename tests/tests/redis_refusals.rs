//! Servers that cannot be reached, or say no: each time a sentence, an exit code, and no secret.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use papyra_tests::redis::{Between, Redis, event, free_port, list, wait_until};
use papyra_tests::{Workshop, has, run, signal};

#[test]
fn nobody_listening_is_said_without_the_password() {
    let shop = Workshop::default();
    let url = format!("redis://me:hunter2@127.0.0.1:{}", free_port());
    for verb in ["persistence scan", "persistence startup-check", "doctor run", "redis groups list"] {
        let run = shop
            .on(&url, verb)
            .must_exit(69)
            .must_complain("redis://me:***@127.0.0.1")
            .must_complain("nothing listens");
        assert!(!run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"), "{run:#?}");
    }
    for wrong in ["--help", "--frob", "--format frob"] {
        let run = shop.on(&url, &format!("persistence scan {wrong}"));
        assert!(!run.stderr.contains("hunter2") && !run.stdout.contains("hunter2"), "{run:#?}");
    }
    shop.on("http://:hunter2@h", "persistence scan").must_exit(78).must_complain("cannot be used");
    shop.papyra("persistence scan --backend redis").must_exit(78).must_complain("PAPYRA_REDIS_URL");
}

#[test]
fn a_path_and_a_server_at_once_are_refused() {
    let shop = Workshop::with("a.ndjson", event(1));
    let url = format!("redis://127.0.0.1:{}", free_port());
    shop.on(&url, "persistence scan --path a.ndjson").must_exit(64).must_complain("--path a.ndjson names files");
    let mut command = shop.command("persistence scan --backend redis");
    command.envs([("PAPYRA_REDIS_URL", &*url), ("PAPYRA_PATH", "a.ndjson")]);
    run(command, "with a path for other commands").must_exit(69);
}

#[test]
fn a_server_that_hangs_is_given_up() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.add("papyra:s:events", &[("data", &event(1))]);
    signal(redis.pid(), "-STOP");
    let run = Workshop::default().on(&redis.url(), "persistence startup-check --timeout 300ms");
    signal(redis.pid(), "-CONT");
    run.must_exit(69).must_complain("no answer in time");
}

#[test]
fn a_run_that_is_stopped_and_continued_goes_on_waiting() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.add("papyra:s:events", &[("data", &event(1))]);
    signal(redis.pid(), "-STOP");
    let shop = Workshop::default();
    let mut command = shop.command("persistence scan --backend redis --system-id s --timeout 60s");
    let child = command.env("PAPYRA_REDIS_URL", redis.url()).spawn().expect("papyra");
    for _ in 0..50 {
        std::thread::sleep(Duration::from_millis(10));
        signal(child.id(), "-STOP");
        signal(child.id(), "-CONT");
    }
    signal(redis.pid(), "-CONT");
    let output = child.wait_with_output().expect("papyra ends");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn a_server_that_goes_away_in_the_middle_ends_the_scan() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.script("for i = 1, 20000 do redis.call('XADD', 'papyra:s:events', '*', 'data', '{}') end");
    let between = Between::silent_after(5, "XRANGE", redis.port);
    let shop = Workshop::default();
    let mut command = shop.command("persistence scan --backend redis --system-id s");
    let child = command
        .env("PAPYRA_REDIS_URL", between.url())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("papyra");
    wait_until("the fifth page", || between.is_silent());
    redis.kill();
    let output = child.wait_with_output().expect("papyra ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(69 | 74)), "{output:?}");
    assert!(said.contains("papyra:s:events") && output.stdout.is_empty(), "{said}");
}

#[test]
fn passwords_and_permissions_are_told_apart() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.add("papyra:s:events", &[("data", &event(1))]);
    redis.add("papyra:s:events", &[("data", "bad")]);
    redis.call("ACL SETUSER blind on >pw ~papyra:* +@all -xrange");
    redis.call("ACL SETUSER elsewhere on >pw ~other:* +@all");
    redis.call("ACL SETUSER full on >pw ~papyra:* +@all");
    let shop = Workshop::default();
    let url = |user: &str| format!("redis://{user}:pw@127.0.0.1:{}", redis.port);
    shop.on(&url("full"), "persistence scan").must_exit(2);
    shop.on(&url("blind"), "persistence scan").must_exit(69).must_complain("xrange").must_complain("ACL SETUSER");
    shop.on(&url("elsewhere"), "persistence scan").must_exit(69).must_complain("may not do that");
    shop.on(&url("nobody"), "persistence scan")
        .must_exit(69)
        .must_complain("user or the password")
        .must_complain("***");
    redis.call("CONFIG SET requirepass secret");
    shop.on(&redis.url(), "persistence scan").must_exit(69).must_complain("asks for a password");
    shop.on(&format!("redis://:secret@127.0.0.1:{}", redis.port), "persistence scan").must_exit(2);
}

#[test]
fn a_key_that_is_no_stream_is_named() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.call("SET papyra:s:audits something");
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence scan")
        .must_exit(66)
        .must_complain("papyra:s:audits")
        .must_complain("something other than a stream");
    shop.on(&redis.url(), "persistence scan --all-systems").must_exit(66);
    shop.on(&redis.url(), "persistence scan --prefix other --all-systems")
        .must_exit(66)
        .must_complain("under the prefix other");
}

#[test]
fn a_replica_is_scanned_and_not_changed() {
    let Some(mut master) = Redis::start(&[]) else { return };
    master.add("papyra:s:events", &[("data", &event(1))]);
    master.add("papyra:s:events", &[("data", "bad")]);
    let port = master.port.to_string();
    let Some(mut replica) = Redis::start(&["--replicaof", "127.0.0.1", &port]) else { return };
    wait_until("replication", || replica.length("papyra:s:events") == 2);
    let shop = Workshop::default();
    shop.on(&replica.url(), "persistence scan").must_exit(2);
    for mode in ["repair", "quarantine"] {
        shop.on(&replica.url(), &format!("persistence recover --mode {mode}"))
            .must_exit(69)
            .must_complain("read-only replica");
    }
    assert_eq!(master.length("papyra:s:events"), 2);
}

#[test]
fn a_server_that_cannot_save_is_not_written_to() {
    let Some(mut redis) = Redis::start(&["--save", "3600", "1"]) else { return };
    redis.add("papyra:s:events", &[("data", &event(1))]);
    redis.add("papyra:s:events", &[("data", "bad")]);
    // Nothing takes the place of a folder.
    std::fs::create_dir(redis.dir().join("dump.rdb")).expect("a folder");
    _ = redis.call("BGSAVE");
    wait_until("a failed save", || {
        papyra_tests::redis::text(&redis.call("INFO persistence")).contains("rdb_last_bgsave_status:err")
    });
    let shop = Workshop::default();
    shop.on(&redis.url(), "persistence scan").must_exit(2);
    for mode in ["repair", "quarantine"] {
        shop.on(&redis.url(), &format!("persistence recover --mode {mode}")).must_exit(69).must_complain("cannot save");
    }
    assert_eq!(redis.length("papyra:s:events"), 2);
}

#[test]
fn a_server_that_is_still_loading_says_so() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.call("CONFIG SET rdbcompression no");
    let interval = "loading-process-events-interval-bytes";
    let may_be_told = !list(redis.call(&format!("CONFIG GET {interval}"))).is_empty();
    // Two minutes for them all, with an ear for questions after each; servers before 7.0 have one after 2 MiB.
    let (keys, bytes, delay) = if may_be_told { (600, 4_000, "200000") } else { (40, 2_200_000, "1000000") };
    redis.script(&format!("for i = 1, {keys} do redis.call('SET', 'key' .. i, string.rep('x', {bytes})) end"));
    redis.call("SAVE");
    let dump = std::fs::read(redis.dir().join("dump.rdb")).expect("a dump");
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("dump.rdb"), dump).expect("a dump");
    let interval = format!("--{interval}");
    let often = if may_be_told { &[&*interval, "1024"][..] } else { &[] };
    let slow = Redis::start_in(dir, &[&["--key-load-delay", delay], often].concat());
    let slow = slow.expect("as before");
    Workshop::default().on(&slow.url(), "persistence scan").must_exit(69).must_complain("still loading");
}

#[test]
fn sockets_databases_and_settings_files_lead_to_the_same_streams() {
    let Some(mut redis) = Redis::start(&[]) else { return };
    redis.call("SELECT 3");
    redis.add("p:q:sys tem:events".replace(' ', "_").as_str(), &[("data", &event(1))]);
    let shop = Workshop::default();
    let scan = |url: String| shop.on(&url, "persistence scan --prefix p:q --system-id sys_tem");
    scan(format!("{}/3", redis.url())).must_exit(0).must_say("p:q:sys_tem:events");
    scan(redis.url()).must_exit(66);
    scan(format!("redis+unix://{}?db=3", redis.socket().display())).must_exit(0);
    scan(format!("unix://{}?db=3", redis.socket().display())).must_exit(0);
    scan(format!("{}/99", redis.url())).must_exit(69).must_complain("out of range");
    let mut file = std::fs::File::create(shop.path("papyra.toml")).expect("a file");
    write!(
        file,
        "backend = \"redis\"\n[redis]\nurl = \"{}/3\"\nprefix = \"p:q\"\nsystem_id = \"sys_tem\"\n",
        redis.url()
    )
    .expect("written");
    shop.papyra("persistence scan").must_exit(0).must_say("p:q:sys_tem:events");
    shop.papyra("redis groups list --system-id other").must_exit(66);
}

#[test]
fn certificates_are_checked() {
    if !has("openssl") || !has("redis-server") {
        return;
    }
    let dir = tempfile::tempdir().expect("a folder");
    let openssl = |arguments: &str| {
        let run = std::process::Command::new("openssl").args(arguments.split(' ')).current_dir(dir.path()).output();
        let run = run.expect("openssl runs");
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    };
    std::fs::write(dir.path().join("names"), "subjectAltName=IP:127.0.0.1\n").expect("a file");
    openssl("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority");
    for who in ["server", "client"] {
        openssl(&format!("req -newkey rsa:2048 -nodes -keyout {who}.key -out {who}.csr -subj /CN={who}"));
        let sign = "x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile names";
        openssl(&format!("{sign} -in {who}.csr -out {who}.crt"));
    }
    let file = |name: &str| dir.path().join(name).display().to_string();
    let port = free_port();
    let mut arguments = vec!["--tls-port".to_owned(), port.to_string()];
    for (name, path) in
        [("--tls-cert-file", "server.crt"), ("--tls-key-file", "server.key"), ("--tls-ca-cert-file", "ca.crt")]
    {
        arguments.extend([name.to_owned(), file(path)]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    // Always Debian's: not every server is built with TLS, those out of wheels are not.
    let mut redis = Redis::of(Path::new("redis-server"), &arguments);
    redis.add("papyra:s:events", &[("data", &event(1))]);
    let shop = Workshop::default();
    let url = format!("rediss://127.0.0.1:{port}");
    let (ca, crt, key) = (file("ca.crt"), file("client.crt"), file("client.key"));
    shop.on(&url, &format!("persistence scan --tls-ca {ca} --tls-cert {crt} --tls-key {key}")).must_exit(0);
    redis.call("CONFIG SET repl-diskless-sync-delay 0");
    let all = format!("--tls-ca {ca} --tls-cert {crt} --tls-key {key}");
    shop.on(&url, &format!("backup create --method bgsave --to b {all}"))
        .must_exit(0)
        .must_say("papyra:s:events: 1 entry");
    shop.on(&url, &format!("backup create --method bgsave --to b --tls-ca {ca}")).must_exit(69);
    shop.on(&url, &format!("persistence scan --tls-ca {ca}")).must_exit(69);
    shop.on(&url, "persistence scan").must_exit(69).must_complain("rediss://127.0.0.1").must_complain("(--tls-ca)");
    shop.on(&url, "persistence scan --tls-ca nowhere").must_exit(78).must_complain("nowhere");
    shop.on(&url, &format!("persistence scan --tls-ca {key}")).must_exit(78).must_complain("holds no certificate");
    shop.on(&format!("redis://127.0.0.1:{port}"), "persistence scan").must_exit(69).must_complain("rediss://");
    let plain = format!("rediss://127.0.0.1:{}", redis.port);
    shop.on(&plain, &format!("persistence scan --tls-ca {ca} --timeout 300ms"))
        .must_exit(69)
        .must_complain("TLS is spoken at this port");
    redis.call("CONFIG SET tls-auth-clients no");
    shop.on(&url, &format!("persistence scan --tls-ca {ca}")).must_exit(0);
    shop.on(&format!("rediss://localhost:{port}"), &format!("persistence scan --tls-ca {ca}"))
        .must_exit(69)
        .must_complain("use the name that the certificate is for");
}

#[test]
fn a_server_that_speaks_something_else_is_no_redis() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("redis://127.0.0.1:{}", listener.local_addr().expect("an address").port());
    std::thread::spawn(move || {
        while let Ok((mut client, _)) = listener.accept() {
            _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            _ = std::io::copy(&mut client, &mut std::io::sink());
        }
    });
    Workshop::default().on(&url, "persistence scan").must_exit(69).must_complain("no Redis server");
}

#[test]
fn the_command_to_repair_with_holds_no_password_and_no_stars() {
    let Some(mut redis) = Redis::start(&["--requirepass", "hunter2"]) else { return };
    redis.attempt(&["AUTH", "hunter2"]).expect("welcome");
    redis.add("papyra:s:events", &[("data", &event(1))]);
    redis.add("papyra:s:events", &[("data", "bad")]);
    Workshop::default()
        .on(&format!("redis://:hunter2@127.0.0.1:{}", redis.port), "persistence scan")
        .must_exit(2)
        .must_say("to repair: papyra persistence recover --backend redis --prefix 'papyra' --system-id 's'");
}
