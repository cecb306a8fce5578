//! Did history change? Backups, logs and sets, record by record.

use papyra_tests::{Workshop, logs};

/// A backed-up set of two files, and ten more records since.
fn grown(compress: &str) -> Workshop {
    let shop = Workshop::with("p/rot.log.1", logs::lines(0..40)).and("p/rot.log", logs::lines(40..60));
    shop.papyra(&format!("backup create --path p/rot.log --to b --name one --compress {compress}")).must_exit(0);
    shop.write("p/rot.log.2", logs::lines(0..40));
    shop.write("p/rot.log.1", logs::lines(40..65));
    shop.write("p/rot.log", logs::lines(65..70));
    shop.papyra(&format!("backup create --path p/rot.log --to b --name two --compress {compress}")).must_exit(0);
    shop
}

#[test]
fn a_history_that_grew_rotated_and_lost_its_oldest_records_has_not_changed() {
    for compress in ["none", "gzip", "zstd"] {
        let shop = grown(compress);
        for (old, new) in [("b/one", "b/two"), ("b/one", "p/rot.log"), ("b/one", "p"), ("b/two", "p/rot.log")] {
            let run = shop.papyra(&format!("backup diff {old} {new}")).must_exit(0);
            run.must_say("only appended to").must_say("0 left at the front");
        }
        shop.papyra("backup diff b/one b/two").must_exit(0).must_say("60 records in common, 10 new");
        // Retention takes the oldest file, and more.
        std::fs::remove_file(shop.path("p/rot.log.2")).unwrap();
        shop.write("p/rot.log.1", logs::lines(50..65));
        shop.papyra("backup diff b/one p/rot.log").must_exit(0).must_say("10 records in common, 10 new, 50 left");
    }
}

#[test]
fn each_edit_of_the_middle_is_named() {
    let line = |n: usize| logs::lines(n..n + 1);
    let edits: [(&str, String, &str); 4] = [
        ("gone", logs::lines(40..45) + &logs::lines(46..65), "gone: rot.log line 6 at byte"),
        ("changed", logs::lines(40..45) + &line(999) + &logs::lines(46..65), "changed: rot.log line 6 at byte"),
        ("doubled", logs::lines(40..46) + &logs::lines(45..65), "doubled: rot.log line 6 at byte"),
        ("moved", logs::lines(40..45) + &logs::lines(46..65) + &line(45), "moved: rot.log line 6 at byte"),
    ];
    for (what, text, said) in edits {
        let shop = grown("zstd");
        shop.write("p/rot.log.1", text);
        let run = shop.papyra("backup diff b/one p/rot.log").must_exit(2).must_say("history was changed: 1 record");
        run.must_say(what).must_say(said);
        let found = shop.papyra("backup diff b/one p/rot.log --format json").must_exit(2).json();
        assert_eq!(found["logs"][0]["counts"][what], 1, "{found}");
        assert_eq!(found["logs"][0]["changes"].as_array().unwrap().len(), 1, "{found}");
    }
}

#[test]
fn another_history_is_not_taken_for_an_older_one() {
    let shop = grown("none");
    shop.write("q/rot.log", logs::lines(500..520));
    shop.papyra("backup diff b/one q/rot.log").must_exit(2).must_say("no record of the older history");
    // The other way round what is newer is missing.
    shop.papyra("backup diff b/two b/one").must_exit(2).must_say("10 records gone");
}

#[test]
fn damage_and_what_cannot_be_compared_are_no_change() {
    let shop = grown("none");
    let mut bytes = shop.read("b/one/rot.log");
    bytes[20] ^= 1;
    shop.write("b/one/rot.log", bytes);
    shop.papyra("backup diff b/one b/two").must_exit(65).must_complain("papyra backup verify");
    shop.papyra("backup diff b/nowhere b/two").must_exit(66);
}
