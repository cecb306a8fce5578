//! A part of a backup: read by chance, or restored up to a moment. What was not read is not vouched for, and what was
//! cut off is told.

use std::fs;
use std::process::Command;

use papyra_tests::{Run, Workshop, logs, run};
use serde_json::Value;

/// A rotated set of three files that is backed up as plain files in `k` and in the repository `r`.
fn both() -> Workshop {
    let shop = Workshop::with("p/rot.log.2", logs::lines(0..9000))
        .and("p/rot.log.1", logs::lines(9000..18_000))
        .and("p/rot.log", logs::lines(18_000..27_000));
    papyra(&shop, "backup init r").must_exit(0);
    for place in ["k", "r"] {
        papyra(&shop, &format!("backup create --path p/rot.log --to {place} --name a")).must_exit(0);
    }
    shop
}

fn papyra(shop: &Workshop, arguments: &str) -> Run {
    let mut command: Command = shop.command(arguments);
    command.env("RESTIC_PASSWORD", "correct horse");
    run(command, arguments)
}

#[test]
fn a_sample_says_how_much_was_read_and_is_no_verification() {
    let shop = both();
    for place in ["k", "r"] {
        let told = papyra(&shop, &format!("backup verify --sample 5% {place}/a --prometheus m --format json"));
        let told: Value = told.must_exit(0).json();
        let (read, all) = (told["bytes"].as_f64().unwrap(), told["sampled"]["of_bytes"].as_f64().unwrap());
        assert!(read >= all * 0.05 && read < all, "{told}");
        assert!(told["recorded"].is_null() && told["scan"].is_null(), "{told}");
        let metrics = String::from_utf8(shop.read("m")).unwrap();
        assert!(metrics.contains(r#"papyra_backup_success{operation="verify-sample"} 1"#), "{metrics}");
        assert!(!metrics.contains("papyra_backup_records") && !metrics.contains(r#""verify""#), "{metrics}");
        papyra(&shop, &format!("backup verify --all --sample 1% {place}"))
            .must_exit(0)
            .must_say("nothing is known of the");
        papyra(&shop, &format!("backup list {place}")).must_exit(2).must_say("not verified");
    }
    for wrong in ["0", "100", "100%", "-1", "x", "nan", ""] {
        papyra(&shop, &format!("backup verify k/a --sample={wrong}")).must_exit(64);
    }
    papyra(&shop, "backup verify k/a --sample 5% --quick").must_exit(64);
}

#[test]
fn what_a_sample_finds_damaged_is_damaged_and_remembered() {
    let shop = both();
    for name in ["rot.log", "rot.log.1", "rot.log.2"] {
        let mut bytes = shop.read(&format!("k/a/{name}"));
        (0..bytes.len()).step_by(100_000).for_each(|at| bytes[at] ^= 1);
        shop.write(&format!("k/a/{name}"), bytes);
    }
    papyra(&shop, "backup verify --sample 1% k/a").must_exit(2).must_say("the first damage lies between byte");
    papyra(&shop, "backup list k").must_exit(2).must_say("found damaged");
    // Of a repository the largest pack is changed wherever the logs are in it; the manifest is at its end.
    let mut packs: Vec<_> = papyra_tests::contents_below(&shop.path("r/data"))
        .into_iter()
        .map(|(path, bytes)| (bytes.len(), path))
        .collect();
    packs.sort();
    let (_, largest) = packs.pop().unwrap();
    let mut bytes = fs::read(&largest).unwrap();
    let end = bytes.len() * 2 / 3;
    (0..end).step_by(20).for_each(|at| bytes[at] ^= 1);
    fs::write(&largest, bytes).unwrap();
    let sampled = papyra(&shop, "backup verify --sample 99% r/a");
    sampled.must_exit(2).must_say("was changed at byte");
    // What is gone or cut needs no luck.
    fs::remove_file(shop.path("k/a/rot.log")).unwrap();
    papyra(&shop, "backup verify --sample 0.001% k/a").must_exit(2).must_say("it is not there");
}

#[test]
fn a_restore_until_a_moment_ends_with_the_last_record_before_the_first_later_one() {
    let shop = both();
    let all = logs::lines(0..27_000);
    for (number, place) in ["k", "r"].into_iter().enumerate() {
        // Record N is of the second 948 and N microseconds.
        for (last, files) in [(26_999, 3), (20_000, 3), (17_999, 3), (12_345, 2), (8_999, 2), (8_998, 1), (0, 1)] {
            let to = format!("q/{number}/{last}");
            let told =
                papyra(&shop, &format!("backup restore {place}/a --to {to} --until 948.{last:06} --format json"));
            let told = told.must_exit(0).json();
            let kept = logs::lines(0..=last);
            let mut members = shop.contents(&to);
            assert_eq!(members.len(), files);
            members.reverse();
            let found = members.concat();
            assert!(found == kept.as_bytes(), "{to}");
            assert_eq!(told["bytes"], kept.len(), "{told}");
            assert_eq!(
                (&told["files"], &told["scan"]["totals"]["lines"]),
                (&files.into(), &(last + 1).into()),
                "{told}"
            );
            match &told["cut_off"][0] {
                Value::Null => assert_eq!(last, 26_999),
                off => assert_eq!(
                    (&off["records"], &off["bytes"]),
                    (&(26_999 - last).into(), &(all.len() - kept.len()).into())
                ),
            }
            // What is restored is a set without a gap.
            papyra(&shop, &format!("persistence scan --path {to}/rot.log")).must_exit(0);
        }
    }
    papyra(&shop, "backup restore k/a --to new --until 900")
        .must_exit(66)
        .must_complain("a record from before that time");
    papyra(&shop, "backup restore k/a --to new --until 2026-01-01").must_exit(65).must_complain("not Unix time");
    papyra(&shop, "backup restore k/a --to new --until 948.000001 --dry-run").must_exit(0).must_say("26,998 records");
    assert!(!shop.path("new").exists());
}

#[test]
fn each_log_of_a_folder_is_cut_by_itself_and_a_clock_that_went_back_is_told() {
    let shop = Workshop::with("p/a.ndjson", logs::lines(0..50)).and("p/b.ndjson", logs::lines(30..60));
    let mixed = logs::lines(10..20) + &logs::lines(40..45) + &logs::lines(20..25);
    shop.write("p/c.ndjson", &mixed);
    papyra(&shop, "backup create --path p --to k --name a").must_exit(0);
    let restored = papyra(&shop, "backup restore k/a --to q --until 948.000029").must_exit(0);
    restored.must_say("cut off: b.ndjson from b.ndjson at byte 0 on: 30 records").must_say("5 records behind the cut");
    assert_eq!(shop.read("q/a.ndjson"), logs::lines(0..30).into_bytes());
    assert!(!shop.path("q/b.ndjson").exists());
    assert_eq!(shop.read("q/c.ndjson"), logs::lines(10..20).into_bytes());
}

#[test]
fn a_gap_behind_the_cut_is_missed_no_more_and_one_before_it_is_still_told() {
    let shop = Workshop::with("p/rot.log.4", logs::lines(0..10))
        .and("p/rot.log.2", logs::lines(10..20))
        .and("p/rot.log", logs::lines(20..30));
    papyra(&shop, "backup create --path p/rot.log --to k --name a --accept-damage").must_exit(0);
    for (last, missing) in [(25, vec!["rot.log.1", "rot.log.3"]), (15, vec!["rot.log.1"]), (5, vec![])] {
        let told = papyra(&shop, &format!("backup restore k/a --to q/{last} --until 948.{last:06} --format json"));
        let told = told.must_exit(0).json();
        let missed = |report: &Value| -> Vec<String> {
            let files = report["files"].as_array().unwrap().iter().filter(|file| file["role"] == "missing");
            let mut names: Vec<String> = files.map(|file| file["path"].as_str().unwrap().to_owned()).collect();
            names.sort();
            names
        };
        let scanned = papyra(&shop, &format!("persistence scan --path q/{last}/rot.log --format json")).json();
        assert_eq!(missed(&told["scan"]), missing, "{told}");
        assert_eq!(missed(&scanned), missing, "{scanned}");
        assert_eq!(told["scan"]["verdict"], scanned["verdict"]);
    }
    papyra(&shop, "backup restore k/a --to new --until 1700000000000-0").must_exit(64).must_complain("holds logs");
}

#[test]
fn what_is_no_member_of_a_log_is_not_cut_and_that_is_told() {
    let shop = Workshop::with("p/a.ndjson", logs::lines(10..20));
    shop.write("p/a.ndjson.1", logs::lines(0..10));
    let mut gzip = Command::new("gzip");
    gzip.arg(shop.path("p/a.ndjson.1"));
    run(gzip, "gzip").must_exit(0);
    papyra(&shop, "backup create --path p --to k --name a").must_exit(2);
    papyra(&shop, "backup restore k/a --to q --until 948.000005")
        .must_exit(66)
        .must_complain("and so does a.ndjson.1.gz");
    shop.write("p/b.ndjson", logs::lines(0..3));
    papyra(&shop, "backup create --path p --to k --name b").must_exit(2);
    papyra(&shop, "backup restore k/b --to q --until 948.000005")
        .must_exit(0)
        .must_say("cut off: a.ndjson")
        .must_say("a.ndjson.1.gz is not part of a log");
    assert!(shop.path("q/a.ndjson.1.gz").exists() && !shop.path("q/a.ndjson").exists());
}
