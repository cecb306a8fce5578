//! What every place for backups must keep, held by each of them: a folder on the disk, one in memory, a repository in a
//! folder, and one in an object store in memory. What differs between them is no matter of these tests.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use papyra_core::digest::sha256;
use papyra_core::manifest::{self, Compression};
use rustic_core::Credentials;

use super::brief::Brief;
use super::create::{self, create};
use super::files::{Files, Status};
use super::list::entries;
use super::series::Filing;
use super::verify::{Extent, verify};
use super::{Backup, Location, at, names, remote, repository};
use crate::disk::{Folder, simulated};
use crate::error::Code;
use crate::history::{Choice, History};
use crate::reading::ScanOptions;
use crate::recover::rejects;
use crate::source::Source;

/// Where backups go, and a log to back up.
struct Place {
    what: &'static str,
    backups: Location,
    logs: PathBuf,
}

impl Place {
    /// Its own view of it, as another process has one.
    fn open(&self) -> Box<dyn Files> {
        at(&self.backups).expect(self.what)
    }

    fn write(&self, folder: &str, name: &str, bytes: &[u8]) {
        let folder = Folder::create(&self.logs.join(folder)).expect("a folder");
        let mut file = folder.create_new(name).expect("a file");
        file.write_all(bytes).expect("written");
    }

    fn back_up(&self, name: &str) {
        let filing =
            Filing { series: "s".into(), is_derived: false, host: "h".into(), source: "l".into(), tags: Vec::new() };
        let options = create::CreateOptions {
            to: self.backups.clone(),
            name: Some(name.into()),
            filing,
            compression: Compression::None,
            include_rejects: true,
            quarantine_dir: None,
            pause_check: false,
            reread: true,
            link: false,
            patience: Duration::from_secs(1),
        };
        let log = self.logs.join("events.ndjson");
        let find = || History::open(&log, Choice::Auto, None).map(Source::History);
        create(&find, &options, scanning()).expect(self.what);
    }
}

fn scanning() -> ScanOptions<'static> {
    ScanOptions { threads: 1, max_findings: 100, progress: &|_| {} }
}

fn event(number: usize) -> String {
    format!(
        "{{\"kind\": \"event\", \"system_id\": \"s\", \"actor_address\": \"s:{number}\", \"event_type\": \"ActorStopped\", \
         \"payload\": {{}}, \"timestamp\": {number}.5}}\n"
    )
}

fn log(records: usize) -> Vec<u8> {
    (0..records).map(event).collect::<String>().into_bytes()
}

/// Holds a property against every place, each empty.
fn everywhere(property: impl Fn(&Place)) {
    let scratch = tempfile::tempdir().expect("a folder");
    let at = |name: &str| scratch.path().join(name);
    property(&Place { what: "a folder on the disk", backups: Location::Folder(at("backups")), logs: at("logs") });
    simulated::in_memory(|| {
        Folder::create(Path::new("/backups")).expect("a folder");
        let [backups, logs] = ["/backups", "/logs"].map(PathBuf::from);
        property(&Place { what: "a folder in memory", backups: Location::Folder(backups), logs });
    });
    let password = Credentials::password("a password");
    let folder = Folder::create(&at("repository")).expect("a folder");
    repository::begin(Arc::new(folder), &password).expect("a repository");
    let backups = Location::Folder(at("repository"));
    property(&Place { what: "a repository in a folder", backups, logs: at("more logs") });
    // The bucket of each test is its own.
    let bucket = format!("s3://{}/prefix", sha256(scratch.path().as_os_str().as_encoded_bytes()).split_at(32).0);
    let backups = Location::parse(Path::new(&bucket)).expect("a location");
    let Location::Store(prefix) = &backups else { panic!("{bucket} is a folder") };
    repository::begin(remote::in_memory(prefix), &password).expect("a repository");
    property(&Place { what: "a repository in a bucket", backups, logs: at("still more logs") });
}

/// All of a file from byte `at` on.
fn from(files: &dyn Files, name: &str, at: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = files.read_from(name, at).expect(name);
    file.read_to_end(&mut bytes).expect(name);
    assert_eq!(file.damage(), None, "{name}");
    bytes
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn a_record_is_there_once_it_was_written_and_gone_once_it_was_removed() {
    everywhere(|place| {
        let (what, name) = (place.what, "b1.verified.json");
        if let Location::Folder(path) = &place.backups {
            Folder::create(path).expect("a folder");
        }
        let files = place.open();
        let is_gone = |files: &dyn Files| {
            assert_eq!(files.status(name).expect(what), Status::Nothing, "{what}");
            assert_eq!(files.size(name).expect(what), None, "{what}");
            assert_eq!(files.read(name).map(|_| ()).expect_err(what).code, Code::NoInput, "{what}");
        };
        is_gone(&*files);
        for text in ["a first, longer text", "", "a second"] {
            files.write_over(name, text.as_bytes()).expect(what);
            // Another sees it too, at the latest when he looks anew.
            for files in [&files, &place.open()] {
                assert!(matches!(files.status(name).expect(what), Status::File(_)), "{what}");
                for at in [0, 2, text.len(), text.len() + 1] {
                    let rest = text.get(at..).unwrap_or_default();
                    assert_eq!(from(&**files, name, at as u64), rest.as_bytes(), "{what}, from {at}");
                }
            }
        }
        let other = place.open();
        assert!(matches!(other.status(name).expect(what), Status::File(_)), "{what}");
        files.remove(name).expect(what);
        is_gone(&*files);
        other.renew();
        is_gone(&*other);
    });
}

#[test]
fn a_backup_is_what_was_written_wherever_it_lies() {
    everywhere(|place| {
        let (what, log) = (place.what, log(2_000));
        place.write("", "events.ndjson", &log);
        place.back_up("b1");
        let backups = place.open();
        assert_eq!(names(&*backups).expect(what), ["b1"], "{what}");
        assert_eq!(backups.status("b1").expect(what), Status::Folder, "{what}");
        let backup = backups.folder("b1").expect(what);
        assert_eq!(backup.path(), backups.join("b1"), "{what}");
        assert!(backup.parent().expect(what).names().expect(what).contains(&"b1".into()), "{what}");
        let stored = sorted(backup.names().expect(what));
        assert_eq!(stored, [manifest::SUMS, "events.ndjson", manifest::NAME], "{what}");
        assert!(from(&*backup, "events.ndjson", 0) == log, "{what}");
        for name in &stored {
            let whole = from(&*backup, name, 0);
            let size = whole.len() as u64;
            assert_eq!(backup.status(name).expect(what), Status::File(size), "{what}: {name}");
            assert_eq!(backup.size(name).expect(what), Some(size), "{what}: {name}");
            assert_eq!(backup.lacks(name).expect(what), None, "{what}: {name}");
            for at in [1, size / 2, size - 1, size] {
                assert!(from(&*backup, name, at) == whole[at as usize..], "{what}: {name} from {at}");
            }
        }
        assert_eq!(backup.status("nothing").expect(what), Status::Nothing, "{what}");
        assert_eq!(backup.read("nothing").map(|_| ()).expect_err(what).code, Code::NoInput, "{what}");
        assert_eq!(backups.folder("b2").map(|_| ()).expect_err(what).code, Code::NoInput, "{what}");
    });
}

#[test]
fn what_lies_in_a_folder_of_a_backup_is_reached_through_its_name() {
    everywhere(|place| {
        let what = place.what;
        place.write("", "events.ndjson", &log(3));
        place.write(rejects::FOLDER, "removed", b"the bytes that were removed");
        place.back_up("b1");
        let backup = place.open().folder("b1").expect(what);
        let name = format!("{}/removed", rejects::FOLDER);
        assert_eq!(backup.status(rejects::FOLDER).expect(what), Status::Folder, "{what}");
        assert_eq!(backup.status(&name).expect(what), Status::File(27), "{what}");
        assert_eq!(from(&*backup, &name, 4), b"bytes that were removed", "{what}");
        let missing = format!("{}/nothing", rejects::FOLDER);
        assert_eq!(backup.status(&missing).expect(what), Status::Nothing, "{what}");
        assert_eq!(backup.status("nowhere/nothing").expect(what), Status::Nothing, "{what}");
        let inner = backup.folder(rejects::FOLDER).expect(what);
        assert_eq!(inner.names().expect(what), ["removed"], "{what}");
        assert_eq!(from(&*inner, "removed", 0), b"the bytes that were removed", "{what}");
    });
}

#[test]
fn a_backup_that_was_discarded_is_gone_with_what_is_remembered_of_it_and_the_others_stay() {
    everywhere(|place| {
        let what = place.what;
        place.write("", "events.ndjson", &log(500));
        for name in ["b1", "b2"] {
            place.back_up(name);
        }
        let files = place.open();
        for name in ["b1.verified.json", "b1.drilled.json", "b2.verified.json"] {
            files.write_over(name, b"{}").expect(what);
        }
        let held = files.tidy().expect(what);
        files.discard("b1").expect(what);
        files.sweep().expect(what);
        drop(held);
        for files in [files, place.open()] {
            assert_eq!(names(&*files).expect(what), ["b2"], "{what}");
            for name in ["b1", "b1.verified.json", "b1.drilled.json"] {
                assert_eq!(files.status(name).expect(what), Status::Nothing, "{what}: {name}");
            }
            assert!(matches!(files.status("b2.verified.json").expect(what), Status::File(_)), "{what}");
            assert!(from(&*files.folder("b2").expect(what), "events.ndjson", 0) == log(500), "{what}");
        }
    });
}

#[test]
fn what_is_noted_of_a_backup_is_what_its_manifest_says_and_a_verification_finds_it_intact() {
    everywhere(|place| {
        let what = place.what;
        place.write("", "events.ndjson", &log(700));
        place.back_up("b1");
        let backup = Backup::open(&place.backups.join("b1")).expect(what);
        let files = place.open();
        if let Some((brief, _)) = files.noted("b1").expect(what) {
            assert_eq!(brief, Brief::of(&backup.manifest, &backup.manifest_sha256), "{what}");
        }
        assert!(verify(&backup, Extent::Whole, scanning()).expect(what).is_good(), "{what}");
        files.renew();
        let listed = entries(&*files, Timestamp::now()).expect(what);
        let [entry] = &*listed else { panic!("{what}: {listed:?}") };
        assert_eq!((entry.records, entry.bytes), (700, log(700).len() as u64), "{what}");
        assert!(entry.is_verified_clean(), "{what}: {entry:?}");
    });
}
