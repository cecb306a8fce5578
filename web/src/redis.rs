//! The scan of Redis backups for JavaScript: which bytes are wanted next, and what they came to.

use papyra_core::escape::escape;
use papyra_core::finding::Finding;
use papyra_core::redis::{BackupFormat, BackupScan, Pass, Scope};
use papyra_core::report::FileReport;
use papyra_core::scan;
use serde::Serialize;
#[cfg(feature = "judge")]
use wasm_bindgen::prelude::wasm_bindgen;

use crate::details::Found;
use crate::opening::Opening;
use crate::scanner::Scanner;
use crate::text;

/// Backups that are scanned one after the other.
#[cfg_attr(feature = "judge", wasm_bindgen)]
pub struct RedisBackups {
    backups: Vec<Backup>,
    at: usize,
    /// Findings of the backup under way that were shown.
    shown: usize,
}

/// One of them, and where its files stand among those that were opened.
pub(crate) struct Backup {
    scan: BackupScan,
    /// What the names of its files begin with.
    prefix: String,
    places: Vec<Option<usize>>,
    /// Where its manifest stands, if it has one.
    manifest: Option<usize>,
    /// Bytes of the first pass.
    pushed: u64,
    /// Findings of a dump that are in the timeline.
    marked: usize,
}

impl Backup {
    pub(crate) fn new(
        mut scan: BackupScan,
        prefix: String,
        places: Vec<Option<usize>>,
        manifest: Option<usize>,
    ) -> Backup {
        scan.keep_lines();
        Backup { scan, prefix, places, manifest, pushed: 0, marked: 0 }
    }

    fn reports(self) -> (Vec<FileReport>, Vec<Option<usize>>) {
        let mut files = self.scan.finish();
        files.iter_mut().for_each(|file| file.path.insert_str(0, &self.prefix));
        // Where a finding on the manifest comes first, its report stands before those of the files.
        let before = files.len().saturating_sub(self.places.len());
        let places = std::iter::repeat_n(self.manifest, before).chain(self.places).collect();
        (files, places)
    }

    /// Shows `scanner` the records of a dump, and where it is damaged.
    fn list(&mut self, scanner: &mut Scanner) {
        let Some(place) = self.places.first().copied().flatten() else { return };
        let Some(lines) = self.scan.take_lines() else { return scanner.unlist(place) };
        scanner.list(place, &lines, self.pushed);
        let findings = self.scan.findings();
        findings[self.marked..].iter().for_each(|finding| scanner.mark(place, finding.offset));
        self.marked = findings.len();
    }
}

#[cfg_attr(feature = "judge", wasm_bindgen)]
impl Opening {
    /// The backups, to be scanned; files are meant by their places in the order that [`Opening::arrange`] gives.
    pub fn backups(&self) -> RedisBackups {
        let whole = self.whole();
        let order = whole.order();
        let place = |at: &Option<usize>| at.and_then(|at| order.iter().position(|other| *other == at));
        let (scope, most) = (Scope::default(), scan::Scanner::MAX_FINDINGS);
        let backups = whole.groups.into_iter().map(|group| {
            let sizes: Vec<Option<u64>> = group.files.iter().map(|at| at.map(|at| self.sizes[at])).collect();
            let size = sizes.first().copied().flatten().unwrap_or_default();
            let name = group.names.files.first().cloned().unwrap_or_default();
            let places = group.files.iter().map(place).collect();
            let manifest = place(&group.beside.first().copied().filter(|_| group.names.is_there));
            let scan = match group.what {
                BackupFormat::Rdb => BackupScan::rdb(&name, size, scope.clone(), most),
                BackupFormat::Dump => BackupScan::payload(&name, size, scope.clone(), most),
                _ => BackupScan::aof(group.names, sizes, scope.clone(), most),
            };
            Backup::new(scan, group.prefix, places, manifest)
        });
        RedisBackups::new(backups.collect())
    }
}

#[cfg_attr(feature = "judge", wasm_bindgen)]
impl Scanner {
    /// Redis backups that were scanned beside the logs. `whole` is false when reading was stopped.
    pub fn add(&mut self, backups: RedisBackups, whole: bool) {
        let (files, places): (_, Vec<_>) = backups.reports(whole).into_iter().unzip();
        (self.backups, self.backup_places) = (files, places.concat());
    }
}

/// Bytes that come next, of the file at this place.
#[derive(Serialize)]
struct Want {
    file: Option<usize>,
    from: u64,
    to: u64,
    pass: &'static str,
}

#[cfg_attr(feature = "judge", wasm_bindgen)]
impl RedisBackups {
    /// What to push before the next `end`: a file's place, the bytes, and what for; nothing when all is done.
    pub fn want(&mut self) -> Option<String> {
        loop {
            let Backup { scan, places, .. } = self.backups.get(self.at)?;
            let Some(want) = scan.want() else {
                (self.at, self.shown) = (self.at + 1, 0);
                continue;
            };
            let pass = match want.pass {
                Pass::Read => "read",
                Pass::Search => "search",
                Pass::Replay => "replay",
            };
            let file = places.get(want.file).copied().flatten();
            return Some(text(&Want { file, from: want.range.start, to: want.range.end, pass }));
        }
    }

    /// Takes the next bytes of what is wanted, and shows the scanner what records they hold. `false`: these were
    /// enough.
    pub fn push(&mut self, bytes: &[u8], scanner: &mut Scanner) -> bool {
        let Some(backup) = self.backups.get_mut(self.at) else { return false };
        let flow = backup.scan.push(bytes);
        backup.pushed += bytes.len() as u64;
        backup.list(scanner);
        flow.is_continue()
    }

    /// All that was wanted has been pushed. A text says that the backup cannot be read, and why.
    pub fn end(&mut self, scanner: &mut Scanner) -> Option<String> {
        let backup = self.backups.get_mut(self.at)?;
        let ended = backup.scan.end();
        backup.list(scanner);
        let (_, error) = ended.err()?;
        Some(format!("{}; {}", escape(error.to_string().as_bytes()), error.kind().advice()))
    }

    /// Findings that were not taken yet, as JSON; nothing when there are none.
    pub fn take_found(&mut self) -> Option<String> {
        let Backup { scan, places, .. } = self.backups.get(self.at)?;
        let fresh = scan.findings().get(self.shown..).filter(|fresh| !fresh.is_empty())?;
        self.shown += fresh.len();
        let file = places.first().copied().flatten();
        let found: Vec<_> = fresh.iter().map(|found| Found { file, anomaly: Finding::from(found.clone()) }).collect();
        Some(text(&found))
    }

    /// Intact records so far.
    pub fn records(&self) -> f64 {
        self.backups.iter().map(|backup| backup.scan.records()).sum::<u64>() as f64
    }
}

impl RedisBackups {
    pub(crate) fn new(backups: Vec<Backup>) -> RedisBackups {
        RedisBackups { backups, at: 0, shown: 0 }
    }

    /// The reports of each backup's files, or unless `whole` of those that reading came to; and where each of these
    /// files stands among those that were opened.
    pub(crate) fn reports(self, whole: bool) -> Vec<(Vec<FileReport>, Vec<Option<usize>>)> {
        let seen = if whole { self.backups.len() } else { self.at + 1 };
        self.backups.into_iter().take(seen).map(Backup::reports).collect()
    }
}
