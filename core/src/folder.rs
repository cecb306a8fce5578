//! What a folder holds: which of its files are logs, which sets these make, what else is stored there, and what cannot
//! be read.
//!
//! Names, kinds of entry and first bytes in, decisions out; decided here once, for the command line and for the page.
//! Whoever can read the folder fetches what a [`Survey`] asks for. What is wrong inside a log is for a scan to say.

mod beside;
mod contents;
mod survey;

pub use crate::report::PassedOver;
pub use beside::beside;
pub use contents::{Contents, Log, RedisFiles};
pub use survey::{END, Ends, Entry, START, Survey};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive;
    use crate::report::Backend;
    use crate::rotation::Choice;

    const RECORD: &[u8] = b"{\"kind\": \"event\"}\n";

    fn survey(files: &[(&str, &[u8])], entries: &[(&str, Entry)]) -> Survey {
        let names = files.iter().map(|(name, _)| *name).chain(entries.iter().map(|(name, _)| *name));
        let mut survey = Survey::of(names.map(str::to_owned).collect());
        let asked: Vec<(usize, String)> = survey.names().map(|(at, name)| (at, name.to_owned())).collect();
        for (at, name) in asked {
            if let Some((_, bytes)) = files.iter().find(|(own, _)| *own == name) {
                let end = &bytes[bytes.len().saturating_sub(END)..];
                if survey.file(at, &Ends { size: bytes.len() as u64, start: bytes, unpacked: b"", end }) {
                    survey.content(at, bytes);
                }
            } else if let Some((_, entry)) = entries.iter().find(|(own, _)| *own == name) {
                survey.entry(at, entry.clone());
            }
        }
        survey
    }

    fn names(passed_over: &[PassedOver]) -> Vec<&str> {
        passed_over.iter().map(|file| &*file.path).collect()
    }

    #[test]
    fn logs_sets_and_all_else_are_told_apart() {
        let tar = [&[b'x'; 257][..], b"ustar\0", RECORD].concat();
        let files: [(&str, &[u8]); 17] = [
            ("a.ndjson", RECORD),
            ("a.ndjson.1.gz", b"\x1f\x8b\x08\0"),
            ("a.ndjson-20260102", RECORD),
            ("b.gz", b"\x1f\x8b\x08\0"),
            ("dump.rdb", b"REDIS0011\xfa"),
            ("flipped.log", b"\xef\xbb\xbf{\"kind\": \"audit\", \"s\x80ystem_id\": 1}\n"),
            ("lone.ndjson.compact.tmp", RECORD),
            ("logs.tar", &tar),
            ("logs.ndjson", b"PK\x03\x04{\"kind\": \"event\"}"),
            ("notes.txt", b"dear diary"),
            ("picture.png", b"\x89PNG\r\n\x1a\n{\n"),
            ("rot.log", b""),
            ("rot.log.2", RECORD),
            ("rot.log.bak", RECORD),
            ("wiped.log", &[0; 99]),
            ("x.manifest", RECORD),
            (".hidden.ndjson", RECORD),
        ];
        let closed = || Entry::Closed("a link to nowhere".into());
        let entries = [
            ("d", Entry::Folder(vec!["a.ndjson".into()])),
            ("data.ndjson", closed()),
            ("fifo.jsonl.1", Entry::Special("a named pipe")),
            ("redis.sock", Entry::Special("a socket")),
            ("rot.log.1", closed()),
        ];
        let contents = survey(&files, &entries).decide(Choice::Auto, None);
        let logs: Vec<(&str, Backend, usize)> =
            contents.logs.iter().map(|log| (&*log.base, log.backend, log.set.names().count())).collect();
        assert_eq!(
            logs,
            [
                ("a.ndjson", Backend::Json, 3),
                ("flipped.log", Backend::Json, 1),
                ("lone.ndjson", Backend::Json, 1),
                ("rot.log", Backend::Rotating, 4),
                ("wiped.log", Backend::Json, 1),
                ("x.manifest", Backend::Json, 1),
            ]
        );
        assert_eq!(contents.archives, [("b.gz".to_owned(), archive::Format::Gzip)]);
        assert_eq!(contents.backups, [RedisFiles::Rdb("dump.rdb".into())]);
        assert_eq!(names(&contents.unread), ["data.ndjson", "fifo.jsonl.1"]);
        let passed_over = ["d/", "logs.ndjson", "logs.tar", "notes.txt", "picture.png", "redis.sock"];
        assert_eq!(names(&contents.passed_over), passed_over);
        assert_eq!(contents.passed_over[2].to_string(), "logs.tar (a tar archive; unpack it with: tar -xf logs.tar)");
        assert_eq!((contents.backend(), contents.vanished.len()), (Backend::Rotating, 0));
    }

    #[test]
    fn a_servers_folder_holds_a_dump_and_append_only_files_and_which_is_loaded_is_said() {
        let inside = |names: &[&str]| Entry::Folder(names.iter().map(|&name| name.to_owned()).collect());
        let whole = ["a.aof.1.base.rdb", "a.aof.1.incr.aof", "a.aof.manifest"];
        let dump: (&str, &[u8]) = ("dump.rdb", b"REDIS0011\xfa");
        let old: (&str, &[u8]) = ("appendonly.aof", b"REDIS0009\xfa");
        for (files, entries, expected) in [
            (
                &[dump][..],
                &[("aof", inside(&whole))][..],
                Some(["loads aof/ and not dump.rdb; ", "loads dump.rdb alone"]),
            ),
            (
                &[dump, old],
                &[("aof", inside(&whole))],
                Some(["loads aof/ (before Redis 7.0: appendonly.aof) and", "dump.rdb alone"]),
            ),
            (&[dump, old], &[], Some(["loads appendonly.aof and not dump.rdb; ", "loads dump.rdb alone"])),
            (&[], &[("aof", inside(&whole[1..]))], None),
            (&[dump], &[], None),
            (&[dump], &[("logs", inside(&["a.ndjson", "b.manifest"]))], None),
        ] {
            let contents = survey(files, entries).decide(Choice::Auto, None);
            assert_eq!(contents.loaded.is_some(), expected.is_some(), "{:?}", contents.loaded);
            let said = contents.loaded.unwrap_or_default();
            assert!(expected.into_iter().flatten().all(|part| said.contains(part)), "{said}");
            let is_set = |entry: &&(&str, Entry)| entry.0 == "aof";
            assert_eq!(contents.append_only.len(), entries.iter().filter(is_set).count());
            assert_eq!(contents.passed_over.len(), entries.len() - contents.append_only.len());
        }
    }

    #[test]
    fn what_may_be_a_part_of_a_log_and_is_not_read_with_it_is_named() {
        let names = [
            "events.ndjson",
            "events.ndjson.1",
            "events.ndjson.2.gz",
            "events.ndjson.gz",
            "events-20260102.ndjson",
            "events.1.ndjson.gz",
            "events-2.ndjson",
            "events-old.ndjson",
            "events.ndjson.bak",
            "other-20260102.ndjson",
        ];
        let names: Vec<String> = names.map(str::to_owned).into();
        let told = |backend| names_of_all(&beside("events.ndjson", backend, &names));
        let both = ["events-20260102.ndjson", "events.1.ndjson.gz"];
        assert_eq!(told(Backend::Json), [&both[..], &["events.ndjson.1", "events.ndjson.gz"]].concat());
        assert_eq!(told(Backend::Rotating), both);
        assert!(beside("log", Backend::Json, &["log-20260102".into()]).is_empty());
    }

    fn names_of_all(passed_over: &[PassedOver]) -> Vec<String> {
        passed_over.iter().map(|file| file.path.clone()).collect()
    }

    #[test]
    fn no_file_is_both_a_log_and_passed_over_and_none_is_forgotten() {
        let kinds: [&[u8]; 5] = [RECORD, b"", b"words", b"\x1f\x8b\x08\0", b"REDIS0011"];
        let names = ["a", "a.1", "a.2", "a.1.gz", "a.compact.tmp", "b.manifest", "b.1.base.rdb", "b.1.incr.aof"];
        for number in 0..5_usize.pow(4) * 7 {
            let kind = |at: usize| kinds[(number / 5_usize.pow(at as u32 % 5) + at) % 5];
            let files: Vec<(&str, &[u8])> = names.iter().enumerate().map(|(at, name)| (*name, kind(at))).collect();
            for choice in [Choice::Auto, Choice::Json, Choice::Rotating] {
                let contents = survey(&files, &[]).decide(choice, None);
                let mut told: Vec<&str> = contents.logs.iter().flat_map(|log| log.set.names()).collect();
                told.extend(contents.archives.iter().map(|(name, _)| &**name));
                told.extend(names_of(&contents));
                told.extend(contents.passed_over.iter().map(|file| &*file.path));
                told.sort_unstable();
                let mut all = names.to_vec();
                all.sort_unstable();
                assert_eq!(told, all, "{choice:?} {files:?}");
            }
        }
    }

    fn names_of(contents: &Contents) -> impl Iterator<Item = &str> {
        contents.backups.iter().flat_map(|backup| match backup {
            RedisFiles::Rdb(name) | RedisFiles::Dump(name) => vec![&**name],
            RedisFiles::Aof(set) => {
                let manifest = set.manifest.iter().filter(|_| set.is_there);
                manifest.chain(&set.files).chain(&set.history).map(|name| &**name).collect()
            }
        })
    }
}
