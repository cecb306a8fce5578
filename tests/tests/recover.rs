//! What `papyra persistence recover` does, and what it never does.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use papyra_tests::{Workshop, logs};

const RECOVER: &str = "persistence recover --path";

#[test]
fn repair_keeps_every_whole_record_and_puts_the_rest_into_the_rejects() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("events.ndjson", &damaged.log);
    workshop
        .papyra(&format!("{RECOVER} events.ndjson"))
        .must_exit(0)
        .must_say("ℹ Recovery completed")
        .must_say("ℹ repaired events.ndjson");
    assert_eq!(workshop.read("events.ndjson"), damaged.repaired);
    assert!(workshop.contents(".papyra-rejected").contains(&damaged.rejected));
    workshop.papyra("persistence scan --path events.ndjson").must_exit(0);
}

#[test]
fn the_index_beside_the_rejects_says_where_each_byte_stood() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("events.ndjson", &damaged.log);
    workshop.papyra(&format!("{RECOVER} events.ndjson")).must_exit(0);
    let contents = workshop.contents(".papyra-rejected");
    let index: serde_json::Value =
        contents.iter().find_map(|file| serde_json::from_slice(file).ok()).expect("an index");
    assert_eq!(index["schema"], "papyra.rejected/1");
    assert_eq!(index["source_bytes"], damaged.log.len());
    for range in index["ranges"].as_array().unwrap() {
        let number = |name: &str| range[name].as_u64().unwrap() as usize;
        let (offset, length, at) = (number("offset"), number("length"), number("rejected_offset"));
        assert_eq!(damaged.log[offset..offset + length], damaged.rejected[at..at + length]);
    }
}

#[test]
fn quarantine_keeps_the_whole_original() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("events.ndjson", &damaged.log);
    workshop
        .papyra(&format!("{RECOVER} events.ndjson --mode QUARANTINE --quarantine-dir q"))
        .must_exit(0)
        .must_say("ℹ quarantined q/events.ndjson.quarantine.");
    assert_eq!(workshop.read("events.ndjson"), damaged.repaired);
    assert_eq!(workshop.contents("q"), [damaged.log]);
    assert_eq!(workshop.names(), ["events.ndjson", "q"]);
}

#[test]
fn a_second_run_is_a_no_op() {
    let workshop = Workshop::with("events.ndjson", logs::damaged().log);
    workshop.papyra(&format!("{RECOVER} events.ndjson")).must_exit(0);
    let state = || {
        let stat = |name: &str| std::fs::metadata(workshop.path(name)).unwrap();
        let (log, folder) = (stat("events.ndjson"), stat("."));
        (log.ino(), log.mtime_nsec(), folder.mtime_nsec(), workshop.contents(".papyra-rejected"))
    };
    let before = state();
    workshop.papyra(&format!("{RECOVER} events.ndjson")).must_exit(0);
    assert_eq!(state(), before);
}

#[test]
fn a_dry_run_and_ignore_write_nothing() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("events.ndjson", &damaged.log);
    workshop.papyra(&format!("{RECOVER} events.ndjson --dry-run")).must_exit(0).must_say("cut out");
    workshop.papyra(&format!("{RECOVER} events.ndjson --mode ignore")).must_exit(0);
    assert_eq!(workshop.names(), ["events.ndjson"]);
    assert_eq!(workshop.read("events.ndjson"), damaged.log);
}

#[test]
fn removed_bytes_are_discarded_only_when_asked() {
    let workshop = Workshop::with("events.ndjson", logs::damaged().log);
    workshop.papyra(&format!("{RECOVER} events.ndjson --discard-rejects")).must_exit(0).must_say("discarded, as asked");
    assert_eq!(workshop.names(), ["events.ndjson"]);
}

#[test]
fn a_rotation_set_is_repaired_file_by_file() {
    let damaged = logs::damaged();
    let workshop =
        Workshop::with("rot.log", logs::clean(5)).and("rot.log.1", &damaged.log).and("rot.log.2", logs::clean(9));
    let clean = std::fs::metadata(workshop.path("rot.log.2")).unwrap().ino();
    workshop
        .papyra(&format!("{RECOVER} rot.log"))
        .must_exit(0)
        .must_say("repaired rot.log.1")
        .must_not_say("repaired rot.log.2");
    assert_eq!(workshop.read("rot.log.1"), damaged.repaired);
    assert_eq!(std::fs::metadata(workshop.path("rot.log.2")).unwrap().ino(), clean);
    assert_eq!(workshop.read("rot.log"), logs::clean(5).as_bytes());
}

#[test]
fn orphans_stay_in_repair_and_move_aside_in_quarantine_and_a_gap_remains() {
    let workshop =
        Workshop::with("rot.log", logs::clean(1)).and("rot.log.1", "torn").and("rot.log.bak", logs::clean(2));
    workshop.papyra(&format!("{RECOVER} rot.log")).must_exit(3).must_say("rot.log.bak");
    assert_eq!(workshop.read("rot.log.bak"), logs::clean(2).as_bytes());
    workshop.papyra(&format!("{RECOVER} rot.log --mode quarantine --quarantine-dir q")).must_exit(0);
    assert_eq!(workshop.contents("q"), [logs::clean(2).as_bytes()]);
    workshop.write("rot.log.4", logs::clean(1));
    workshop.papyra(&format!("{RECOVER} rot.log")).must_exit(3).must_say("MISSING_FILE");
}

#[test]
fn mode_and_owner_are_kept_and_a_link_stays_a_link() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("real/data.ndjson", &damaged.log);
    std::fs::set_permissions(workshop.path("real/data.ndjson"), PermissionsExt::from_mode(0o640)).unwrap();
    symlink("real/data.ndjson", workshop.path("events.ndjson")).unwrap();
    workshop.papyra(&format!("{RECOVER} events.ndjson")).must_exit(0);
    assert!(std::fs::symlink_metadata(workshop.path("events.ndjson")).unwrap().is_symlink());
    assert_eq!(workshop.read("real/data.ndjson"), damaged.repaired);
    assert_eq!(std::fs::metadata(workshop.path("real/data.ndjson")).unwrap().mode() & 0o7777, 0o640);
}

#[test]
fn a_second_hard_link_is_reported_and_keeps_the_old_content() {
    let damaged = logs::damaged();
    let workshop = Workshop::with("events.ndjson", &damaged.log);
    std::fs::hard_link(workshop.path("events.ndjson"), workshop.path("other")).unwrap();
    workshop.papyra(&format!("{RECOVER} events.ndjson")).must_exit(0).must_say("1 more names (hard links)");
    assert_eq!(workshop.read("other"), damaged.log);
    assert_eq!(workshop.read("events.ndjson"), damaged.repaired);
}

#[test]
fn nothing_is_written_through_a_link_that_somebody_planted() {
    let damaged = logs::damaged();
    for planted in [".events.ndjson.papyra.tmp", ".papyra-rejected/.events.ndjson.data.tmp", ".papyra-rejected"] {
        let workshop = Workshop::with("events.ndjson", &damaged.log).and("precious/file", "precious");
        let target = if planted == ".papyra-rejected" { "precious" } else { "precious/file" };
        std::fs::create_dir_all(workshop.path(planted).parent().unwrap()).unwrap();
        symlink(workshop.path(target), workshop.path(planted)).unwrap();
        let run = workshop.papyra(&format!("{RECOVER} events.ndjson"));
        assert!(matches!(run.code, Some(0 | 73)), "{planted}: {run:#?}");
        assert_eq!(workshop.contents("precious"), [b"precious"], "{planted}");
        let log = workshop.read("events.ndjson");
        assert_eq!(log, if run.code == Some(0) { &damaged.repaired } else { &damaged.log }.as_slice(), "{planted}");
    }
}

#[test]
fn wrong_usage_is_64_and_names_the_right_spelling() {
    let workshop = Workshop::with("events.ndjson", logs::damaged().log);
    workshop
        .papyra(&format!("{RECOVER} events.ndjson --mode quarantine"))
        .must_exit(64)
        .must_complain("--quarantine-dir");
    workshop.papyra(&format!("{RECOVER} events.ndjson --mode mend")).must_exit(64).must_complain("repair, quarantine");
    workshop.papyra(&format!("{RECOVER} events.ndjson --dryrun")).must_exit(64).must_complain("--dry-run");
    assert_eq!(workshop.names(), ["events.ndjson"]);
}

#[test]
fn while_another_papyra_holds_the_lock_nothing_is_done() {
    let workshop = Workshop::with("events.ndjson", logs::damaged().log);
    let folder = papyra::disk::Folder::open(&workshop.path(".")).unwrap();
    let lock = folder.lock().unwrap();
    workshop.papyra(&format!("{RECOVER} events.ndjson")).must_exit(75).must_complain("another papyra");
    workshop.papyra("persistence scan --path events.ndjson").must_exit(2);
    drop(lock);
    workshop.papyra(&format!("{RECOVER} events.ndjson")).must_exit(0);
}

#[test]
fn the_startup_check_and_the_doctor_decide_as_told() {
    let fresh = || Workshop::with("events.ndjson", logs::damaged().log);
    for (verb, fails, remains) in [("persistence startup-check", 1, 1), ("doctor run", 1, 2)] {
        let workshop = fresh();
        let check = |rest: &str| workshop.papyra(&format!("{verb} --path events.ndjson {rest}"));
        check("").must_exit(fails).must_say("✖ Persistence anomalies detected: ");
        check("--mode fail_on_anomaly").must_exit(fails);
        check("--mode IGNORE").must_exit(0).must_say("(ignored)");
        check("--mode scan_only").must_exit(0).must_say("Persistence anomalies detected");
        check("--mode recover --recovery-mode quarantine").must_exit(64).must_complain("--quarantine-dir");
        check("--mode recover --recovery-mode ignore").must_exit(remains).must_say("anomalies still exist");
        assert_eq!(workshop.read("events.ndjson"), logs::damaged().log);
        check("--mode recover").must_exit(0).must_say("ℹ Recovery successful");
        check("").must_exit(0).must_say("ℹ Persistence is healthy");
        let none = Workshop::default();
        none.papyra(&format!("{verb} --path new.ndjson")).must_exit(0).must_say("nothing was checked");
        none.papyra(&format!("{verb} --path no/folder/new.ndjson")).must_exit(66);
        none.papyra(verb).must_exit(78);
    }
}

#[test]
fn a_gap_is_closed_when_that_is_asked_for_and_the_set_is_clean_from_then_on() {
    let workshop = Workshop::with("rot.log", logs::lines(9..12))
        .and("rot.log.1", logs::lines(6..9))
        .and("rot.log.3", [logs::lines(3..6).as_bytes(), b"{\"torn"].concat())
        .and("rot.log.5", logs::lines(0..3));
    workshop
        .papyra(&format!("{RECOVER} rot.log --close-gap --dry-run"))
        .must_exit(0)
        .must_say("rot.log.3 to rot.log.2");
    assert!(workshop.path("rot.log.5").exists());
    let run = workshop.papyra(&format!("{RECOVER} rot.log --close-gap")).must_exit(0);
    run.must_say("renaming rot.log.3 to rot.log.2, rot.log.5 to rot.log.3");
    let names = workshop.names();
    assert_eq!(names, [".papyra-rejected", "rot.log", "rot.log.1", "rot.log.2", "rot.log.3"]);
    let replay = workshop.papyra("persistence replay --path rot.log").must_exit(0);
    assert_eq!(replay.stdout, logs::lines(0..12));
    workshop.papyra("persistence scan --path rot.log").must_exit(0);
    workshop.papyra(&format!("{RECOVER} rot.log --close-gap")).must_exit(0).must_say("nothing was wrong");
    let kept = std::fs::read_dir(workshop.path(".papyra-rejected")).unwrap().map(|entry| entry.unwrap().file_name());
    let mut kept: Vec<String> = kept.map(|name| name.into_string().unwrap()).collect();
    kept.retain(|name| name.ends_with(".gap.json") || name.ends_with(".moving"));
    let [note] = &kept[..] else { panic!("{kept:?}") };
    let note: serde_json::Value =
        serde_json::from_slice(&workshop.read(&format!(".papyra-rejected/{note}"))).expect("a note");
    assert_eq!(note["lost"], serde_json::json!([2, 4]));
    // What is moved keeps no second name, which a later repair in place could not stand.
    assert_eq!(std::fs::metadata(workshop.path("rot.log.3")).unwrap().nlink(), 1);
}

#[test]
fn a_gap_is_left_as_it_is_when_somebody_may_be_at_work() {
    let workshop = Workshop::with("rot.log", logs::clean(1)).and("rot.log.2", logs::clean(2));
    let held = std::fs::File::options().append(true).open(workshop.path("rot.log")).unwrap();
    workshop.papyra(&format!("{RECOVER} rot.log --close-gap")).must_exit(75).must_complain("open for writing");
    drop(held);
    std::fs::hard_link(workshop.path("rot.log"), workshop.path("rot.log.4")).unwrap();
    workshop.papyra(&format!("{RECOVER} rot.log --close-gap")).must_exit(75).must_complain("are one file");
    assert_eq!(workshop.names(), ["rot.log", "rot.log.2", "rot.log.4"]);
    std::fs::remove_file(workshop.path("rot.log.4")).unwrap();
    workshop.papyra(&format!("{RECOVER} rot.log --close-gap")).must_exit(0);
}

#[test]
fn a_log_whose_only_record_is_damaged_is_a_log_and_what_is_none_needs_the_word_of_the_operator() {
    let whole = logs::audit(1) + "\n";
    let kind = whole.find("system_id").unwrap();
    let damaged = |at: usize| [&whole.as_bytes()[..at], b"\x80", &whole.as_bytes()[at..]].concat();
    let wide: Vec<u8> = whole.bytes().flat_map(|byte| [byte, 0]).collect();
    for (mark, at) in
        [(&b"\xef\xbb\xbf"[..], kind + 1), (b"x", kind + 1), (b"\0\0\0", 3), (b"\x80\x80", kind), (b"", 1)]
    {
        for name in ["events.ndjson", "rot.log"] {
            let log = [mark, &damaged(at)].concat();
            let workshop = Workshop::with(&format!("p/{name}"), &log);
            // In a folder, it is told from other files by the same text.
            workshop.papyra("persistence scan --path p").must_exit(2).must_say(name);
            workshop.papyra(&format!("{RECOVER} p")).must_exit(0);
            workshop.papyra(&format!("persistence scan --path p/{name}")).must_exit(0).must_say("0 records");
            assert!(workshop.contents("p/.papyra-rejected").contains(&log));
        }
    }
    for no_log in [&b"dear diary\nnothing happened\n"[..], &wide, b"{\n  \"kind\": \"Deployment\",\n  \"x\":\n"] {
        let workshop = Workshop::with("diary", no_log);
        workshop.papyra(&format!("{RECOVER} diary")).must_exit(65).must_complain("--not-a-log");
        assert_eq!(workshop.read("diary"), no_log);
        workshop.papyra(&format!("{RECOVER} diary --not-a-log")).must_exit(0);
        assert_eq!(workshop.read("diary"), b"");
        assert!(workshop.contents(".papyra-rejected").iter().any(|bytes| *bytes == no_log));
    }
    let scan = Workshop::with("events.ndjson", &wide).papyra("persistence scan --path events.ndjson").must_exit(2);
    scan.must_say("UTF-16").must_not_say("power cut");
}

/// Of a SHA-256.
fn hex(bytes: &[u8], length: usize) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)[..length].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a hidden name tells a file.
fn mark(text: &str) -> String {
    format!("{}-{}", text.len(), hex(text.as_bytes(), 16))
}

/// A power cut may keep the first part of a write alone: with the newline of its new place behind it, a record inside
/// it would look like one that somebody wrote.
#[test]
fn late_bytes_that_were_not_written_to_their_end_make_no_record() {
    let record = |number: usize| logs::lines([number]);
    let (old, new) = (format!("junk\n{}", record(0)), record(0));
    let whole = format!(r#"{{"payload": ["x", {}, 1], {}"#, record(7).trim(), &record(2)[1..]);
    let name = format!("p/.papyra.{}.swap.{}.{}", hex(b"events.ndjson", 8), mark(&old), mark(&new));
    let inner = whole.find("}, 1]").expect("a record inside") + 1;
    for end in [1, inner - 1, inner, inner + 1, whole.len() - 2, whole.len() - 1, whole.len()] {
        let torn = &whole[..end];
        let shop =
            Workshop::with("p/events.ndjson", new.clone() + &record(3)).and(&name, format!("{old}{}{torn}", record(1)));
        shop.papyra("persistence recover --path p/events.ndjson").must_exit(0);
        // One that lacks no more than its newline is whole.
        let second = if end + 1 >= whole.len() { whole.trim_end().to_owned() + "\n" } else { String::new() };
        assert_eq!(
            String::from_utf8_lossy(&shop.read("p/events.ndjson")),
            new.clone() + &record(1) + &second + &record(3),
            "{end}"
        );
        let kept = shop.contents("p/.papyra-rejected");
        assert!(kept.iter().any(|bytes| bytes.ends_with(torn.as_bytes())), "{end}");
    }
}

/// The clocks of Papyra's processes begin anew, and a power cut may bring back a log that a compaction had replaced:
/// older times are no proof of older records.
#[test]
fn what_times_alone_would_put_before_a_log_is_left_to_the_operator() {
    let (left, log) = (logs::lines(0..5), logs::lines(5..9));
    let shop = Workshop::with("p/log.compact.tmp", &left).and("p/log", &log);
    for _ in 0..2 {
        shop.papyra("persistence recover --path p/log").must_exit(3).must_say("Compare the two");
        assert_eq!(shop.read("p/log"), log.as_bytes());
        assert_eq!(shop.read("p/log.compact.tmp"), left.as_bytes());
    }
}

#[test]
fn a_swap_that_was_killed_before_it_doubles_nothing_that_papyra_wrote_since() {
    let record = |number: usize| logs::lines([number]);
    // Without an exchange of names the old log gets a hidden name first. A kill there, an append, and then a recovery
    // of Papyra's, which writes the very bytes that ours had prepared.
    let (old, new) = (format!("junk\n{}", record(0)), record(0));
    let id = hex(b"events.ndjson", 8);
    let log = record(0) + &record(1) + &record(2);
    let shop = Workshop::with("p/events.ndjson", &log)
        .and(&format!("p/.papyra.{id}.swap.{}.{}", mark(&old), mark(&new)), old.clone() + &record(1))
        .and(&format!("p/.papyra.{id}.tmp"), &new);
    shop.papyra("persistence recover --path p/events.ndjson --at-rest").must_exit(0);
    assert_eq!(shop.read("p/events.ndjson"), log.as_bytes());
    shop.papyra("persistence scan --path p/events.ndjson").must_exit(0);
}
