//! The page against the command line, on folders of all sorts of files: the same report to the byte.

use papyra_tests::{Workshop, logs};
use papyra_web::{Opening, Scanner};
use serde_json::Value;

/// What the page says of the files and folders in a folder.
fn page(shop: &Workshop, folder: &str) -> String {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(shop.path(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        match entry.path().is_dir() {
            true => folders.push(name),
            false => files.push((name, std::fs::read(entry.path()).expect("a file"))),
        }
    }
    let mut opening = Opening::of_folder(files.iter().map(|(name, _)| name.clone()).collect(), folders);
    for (at, (_, bytes)) in files.iter().enumerate() {
        let (start, end) = (&bytes[..bytes.len().min(1 << 16)], &bytes[bytes.len().saturating_sub(10)..]);
        if opening.add(at, bytes.len() as f64, start, end) {
            opening.content(at, bytes);
        }
    }
    let arranged: Value = serde_json::from_str(&opening.arrange()).expect("JSON");
    let order = arranged["order"].as_array().expect("a list").iter();
    let order: Vec<usize> = order.map(|at| at.as_u64().expect("a place") as usize).collect();
    let logs = arranged["logs"].as_u64().expect("a number") as usize;
    let sizes = order.iter().map(|at| files[*at].1.len() as f64).collect();
    let mut scanner = Scanner::new(&opening, order[..logs].iter().map(|at| *at as u32).collect(), sizes);
    for at in &order[..logs] {
        files[*at].1.chunks(700).for_each(|chunk| scanner.push(chunk));
        scanner.end_file();
    }
    let mut redis = opening.backups();
    while let Some(want) = redis.want() {
        let want: Value = serde_json::from_str(&want).expect("JSON");
        let number = |name: &str| want[name].as_u64().expect("a number") as usize;
        let bytes = &files[order[number("file")]].1[number("from")..number("to")];
        _ = bytes.chunks(700).all(|chunk| redis.push(chunk, &mut scanner));
        assert_eq!(redis.end(&mut scanner), None, "what was put there is readable");
    }
    scanner.add(redis, true);
    let report = scanner.finish(true);
    let details: Value = serde_json::from_str(&scanner.details(2e9)).expect("JSON");
    let seen: Value = serde_json::from_str(&report).expect("JSON");
    // Each file of the report is told from which of the opened ones it comes, and all of its findings are counted.
    for (at, file) in seen["files"].as_array().expect("a list").iter().enumerate() {
        let source = details["sources"][at].as_u64().map(|place| &*files[order[place as usize]].0);
        let expected = if file["role"] == "missing" { None } else { file["path"].as_str() };
        assert_eq!(source, expected);
        let counted = details["reasons"][at].as_object().expect("counts").values().filter_map(Value::as_u64);
        assert_eq!(counted.sum::<u64>(), file["anomaly_count"].as_u64().expect("a number"), "{file}");
    }
    report
}

/// Names that mean something to a folder, and one content in five.
#[test]
fn folders_of_any_files_are_told_as_the_command_tells_them() {
    let clean = logs::clean(6);
    let torn = clean[..clean.len() - 20].to_owned();
    let many: String = (0..1200).map(|number| format!("{}{{\"kind\": \"ev\n[1]\n", logs::lines([number]))).collect();
    let contents: [&[u8]; 9] = [
        clean.as_bytes(),
        torn.as_bytes(),
        many.as_bytes(),
        b"",
        b"hello, this is a note\n",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x01\0",
        b"\0\0\0\0\0\0",
        b"\xff\xfe{\0\"\0k\0",
        b"PK\x03\x04 an archive",
    ];
    let names = [
        "events.ndjson",
        "events.ndjson.1",
        "events.ndjson.3",
        "events.ndjson.2.compact.tmp",
        "events.ndjson.bak",
        "events.ndjson-20260102",
        "rot.log",
        "rot.log.1",
        "rot.log.2",
        "notes.txt",
        "data",
        ".hidden",
        "manifest.json",
        "zo\u{eb}.jsonl",
    ];
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut told = 0;
    for turn in 0..40 {
        let shop = Workshop::default();
        let folder = format!("folder-{turn}");
        std::fs::create_dir(shop.path(&folder)).expect("a writable folder");
        for name in names {
            if next(5) < 2 {
                shop.write(&format!("{folder}/{name}"), contents[next(contents.len())]);
            }
        }
        if next(3) == 0 {
            std::fs::create_dir(shop.path(&format!("{folder}/more"))).expect("a writable folder");
        }
        let said = shop.papyra(&format!("persistence scan --path {folder} --format json"));
        // A folder without logs has no report; the page says so in its own words.
        if said.stdout.is_empty()
            || serde_json::from_str::<Value>(&said.stdout).is_ok_and(|told| told["schema"] != "papyra.scan/1")
        {
            continue;
        }
        told += 1;
        assert_eq!(
            page(&shop, &folder),
            said.stdout,
            "{:?}",
            std::fs::read_dir(shop.path(&folder)).map(Iterator::count)
        );
    }
    assert!(told > 20, "{told} folders had logs");
}
