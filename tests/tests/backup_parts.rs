//! A part of a backup, read by chance: what was not read is not vouched for.

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
