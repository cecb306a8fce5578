//! The worst files, the way the command line goes: every fixture cut anywhere and changed anywhere. Scan, listing,
//! export and the plan of a recovery end with a report or a clear error, and each change of a checksummed file is seen.

use std::fs::File;
use std::path::{Path, PathBuf};

use papyra::error::Code;
use papyra::offline::{ServerFiles, export, scan};
use papyra::reading::ScanOptions;
use papyra::recover::aof::{After, recover};
use papyra::recover::{Mode, RecoverOptions};
use papyra_core::redis::Scope;
use papyra_core::report::FileReport;
use papyra_tests::redis_history::Random;

const EFFORT: ScanOptions<'static> = ScanOptions { threads: 1, max_findings: 10, progress: &|_| {} };

fn fixtures() -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut paths = vec![folder.join("redis/dump.rdb")];
    for name in ["rdb", "rdb-old", "redis/appendonlydir"] {
        paths.extend(std::fs::read_dir(folder.join(name)).unwrap().map(|entry| entry.unwrap().path()));
    }
    paths.retain(|path| path.extension().is_some_and(|end| end != "json"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Everything that is done to a backup file; what the scan said, if it could look.
fn everything(path: &Path, all: bool) -> Option<Vec<FileReport>> {
    let clear = |code: Code| assert!(matches!(code, Code::Data | Code::NoInput | Code::Usage), "{code:?}");
    let backup = ServerFiles::at(path, true).map_err(|error| clear(error.code)).ok()??;
    let report = scan::scan(&backup, &Scope::default(), EFFORT).map_err(|error| clear(error.code)).ok();
    if all {
        let out = path.with_file_name("out");
        if let Err(error) = export::export(&backup, &out, &Scope::default(), EFFORT) {
            clear(error.code);
        }
        _ = std::fs::remove_dir_all(&out);
        let options = RecoverOptions { dry_run: true, ..RecoverOptions::new(Mode::Repair) };
        let after = After { keep: true, truncate: false };
        if let Err(error) = recover(&backup, &options, after, &Scope::default(), EFFORT) {
            clear(error.code);
        }
    }
    report
}

fn is_seen(report: &Option<Vec<FileReport>>) -> bool {
    report.as_ref().is_none_or(|files| files.iter().any(|file| file.anomaly_count > 0))
}

#[test]
fn every_cut_ends_well() {
    let dir = tempfile::tempdir().unwrap();
    for (fixture, bytes) in fixtures() {
        let path = dir.path().join("file");
        std::fs::write(&path, &bytes).unwrap();
        let is_rdb = fixture.extension().is_some_and(|end| end == "rdb");
        // From the end, so that the file is never written anew; at a prime's distance where it is large.
        let step = if bytes.len() > 8_000 { 101 } else { 1 };
        for cut in (0..bytes.len()).rev().step_by(step) {
            File::options().write(true).open(&path).unwrap().set_len(cut as u64).unwrap();
            let report = everything(&path, cut % 16 == 0);
            assert!(!is_rdb || cut == 0 || is_seen(&report), "{} cut at {cut}", fixture.display());
        }
    }
}

#[test]
fn a_thousand_flips_of_every_kind_end_well() {
    let dir = tempfile::tempdir().unwrap();
    let fixtures = fixtures();
    let mut random = Random(12);
    for round in 0..1000 {
        let (fixture, whole) = &fixtures[round % fixtures.len()];
        let mut bytes = whole.clone();
        let at = random.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << random.below(8);
        let path = dir.path().join("file");
        std::fs::write(&path, &bytes).unwrap();
        let report = everything(&path, round % 8 == 0);
        // Versions before 5 had no checksum; a magic or version that is changed is no dump, or one that is not known.
        let sealed = fixture.extension().is_some_and(|end| end == "rdb") && whole[5..9] >= b"0005"[..];
        assert!(!sealed || at < 9 || is_seen(&report), "{}: byte {at}", fixture.display());
    }
}
