//! A name's bytes change nothing in what a file is taken for.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Command;

use papyra_tests::{Workshop, logs, run};

/// Latin-1, halves of characters, an overlong slash, and what stands for a byte elsewhere.
const ODD: [&[u8]; 5] = [b"zo\xeb", b"\xc3", b"\xff\xfe", b"\xc0\xaf", b"\xf4\x8f\xbf\xab"];

fn odd(name: &[u8], end: &str) -> OsString {
    OsString::from_vec([name, end.as_bytes()].concat())
}

/// Runs `papyra` with one more argument, of any bytes.
fn papyra(workshop: &Workshop, arguments: &str, last: &OsStr) -> papyra_tests::Run {
    let mut command = workshop.command(arguments);
    command.arg(last);
    run(command, arguments)
}

#[test]
fn a_log_whose_name_is_not_utf8_is_read_recovered_and_compacted_like_any_other() {
    for name in ODD {
        let workshop = Workshop::default();
        let at = |end: &str| workshop.path("").join(odd(name, end));
        std::fs::write(at(""), logs::lines(5..10) + "{\"kind\": \"ev").unwrap();
        std::fs::write(at(".1"), logs::lines(0..5)).unwrap();
        let log = odd(name, "");
        let scan = papyra(&workshop, "persistence scan --path", &log).must_exit(2).must_say("torn_tail");
        scan.must_say("6 events, 2 audits, 2 dead letters");
        papyra(&workshop, "persistence recover --path", &log).must_exit(0);
        assert_eq!(std::fs::read(at("")).unwrap(), logs::lines(5..10).as_bytes());
        let rejected = bytes_by_name(&workshop.path(".papyra-rejected"));
        assert_eq!(rejected.iter().filter(|(_, bytes)| bytes == b"{\"kind\": \"ev").count(), 1, "{rejected:?}");
        papyra(&workshop, "doctor run --path", &log).must_exit(0);
        papyra(&workshop, "persistence compact --max-records 3 --path", &log).must_exit(0);
        papyra(&workshop, "persistence replay --path", &log).must_exit(0).must_say(&logs::lines(7..10));
        std::fs::write(at(".1"), "").unwrap();
        std::fs::write(at(".1"), "").unwrap();
        std::fs::write(at(".1x"), "x").unwrap();
        papyra(&workshop, "persistence scan --path", &log).must_exit(2).must_say("ORPHANED_ROTATED_FILE");
    }
}

#[test]
fn a_folder_of_such_names_is_scanned_backed_up_verified_and_restored() {
    let workshop = Workshop::default();
    let folder = workshop.path("logs");
    std::fs::create_dir(&folder).unwrap();
    for (number, name) in ODD.into_iter().enumerate() {
        std::fs::write(folder.join(odd(name, ".ndjson")), logs::lines(number..number + 3)).unwrap();
        std::fs::write(folder.join(odd(name, ".log.1")), logs::lines(number..number + 2)).unwrap();
    }
    let report = workshop.papyra("persistence scan --path logs --format json").must_exit(0).json();
    assert_eq!(report["totals"]["files"], 10);
    for compress in ["none", "gzip"] {
        let to = format!("kept-{compress}");
        workshop
            .papyra(&format!("backup create --path logs --to {to} --name b --compress {compress}"))
            .must_exit(0)
            .must_say("zo\\xeb.ndjson");
        let mut sums = Command::new("sha256sum");
        sums.args(["-c", "--quiet", "SHA256SUMS"]).current_dir(workshop.path(&format!("{to}/b")));
        run(sums, "sha256sum").must_exit(0);
        workshop.papyra(&format!("backup verify {to}/b")).must_exit(0);
        workshop.papyra(&format!("backup restore {to}/b --to restored-{compress}")).must_exit(0);
        assert_eq!(bytes_by_name(&workshop.path(&format!("restored-{compress}"))), bytes_by_name(&folder));
    }
}

fn bytes_by_name(folder: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> =
        entries.map(|entry| (entry.file_name().as_bytes().to_vec(), std::fs::read(entry.path()).unwrap())).collect();
    files.sort();
    files
}
