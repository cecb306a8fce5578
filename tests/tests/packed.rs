//! What `papyra persistence recover --to` makes of compressed logs.

use std::process::Command;

use papyra_tests::{Workshop, has, logs};

/// A workshop with the log `events.ndjson.gz`, cut to this share of its packed bytes.
fn packed(log: &str, share: (usize, usize)) -> Workshop {
    let shop = Workshop::with("events.ndjson", log);
    assert!(Command::new("gzip").arg(shop.path("events.ndjson")).status().expect("gzip runs").success());
    let bytes = shop.read("events.ndjson.gz");
    shop.write("events.ndjson.gz", &bytes[..bytes.len() * share.0 / share.1]);
    shop
}

#[test]
fn a_cut_log_is_unpacked_as_far_as_it_goes_and_recovered_beside() {
    if !has("gzip") {
        return;
    }
    let log = logs::clean(4000);
    for share in [(1, 3), (1, 2), (9, 10)] {
        let shop = packed(&log, share);
        let before = shop.read("events.ndjson.gz");
        let recover = "persistence recover --path events.ndjson.gz";
        shop.papyra(recover).must_exit(64).must_complain("--to");
        shop.papyra(&format!("{recover} --to saved.ndjson --dry-run")).must_exit(0);
        assert_eq!(shop.names(), ["events.ndjson.gz"], "nothing is written by a dry run");
        shop.papyra(&format!("{recover} --to saved.ndjson")).must_exit(3).must_say("all that followed is lost");
        let saved = String::from_utf8(shop.read("saved.ndjson")).expect("text");
        assert!(!saved.is_empty() && log.starts_with(&saved) && saved.ends_with('\n'), "intact records from the start");
        assert_eq!(shop.read("events.ndjson.gz"), before, "the compressed log stays as it was");
        shop.papyra("persistence scan --path saved.ndjson").must_exit(0);
        assert!(!shop.names().iter().any(|name| name.contains("unpacked")), "{:?}", shop.names());
        shop.papyra(&format!("{recover} --to saved.ndjson")).must_exit(73).must_complain("is there already");
        assert_eq!(shop.read("saved.ndjson"), saved.as_bytes());
    }
}

#[test]
fn a_whole_compressed_log_with_damage_in_it_is_recovered_beside() {
    if !has("gzip") {
        return;
    }
    let damaged = format!("{}{{\"kind\": \"ev\n{}", logs::clean(30), logs::clean(20));
    let shop = packed(&damaged, (1, 1));
    shop.papyra("persistence recover --path events.ndjson.gz --to saved.ndjson").must_exit(0);
    assert_eq!(shop.read("saved.ndjson"), format!("{}{}", logs::clean(30), logs::clean(20)).into_bytes());
    let kept = shop.contents(".papyra-rejected").concat();
    assert!(kept.windows(12).any(|bytes| bytes == b"{\"kind\": \"ev"), "what was cut out is kept");
    shop.papyra("persistence recover --path saved.ndjson --to other.ndjson").must_exit(64).must_complain("--to");
}
