//! The scan of Redis backups for JavaScript: which bytes are wanted next, and what they came to.

use papyra_core::escape::escape;
use papyra_core::finding::Finding;
use papyra_core::redis::{BackupScan, Pass};
use papyra_core::report::FileReport;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::scanner::Found;
use crate::text;

/// Backups that are scanned one after the other.
#[wasm_bindgen]
pub struct RedisBackups {
    backups: Vec<Backup>,
    at: usize,
    /// Findings of the backup under way that were shown.
    shown: usize,
}

/// One of them, and where its files stand among those that were opened.
pub(crate) struct Backup {
    scan: BackupScan,
    places: Vec<Option<usize>>,
}

impl Backup {
    pub(crate) fn new(scan: BackupScan, places: Vec<Option<usize>>) -> Backup {
        Backup { scan, places }
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

#[wasm_bindgen]
impl RedisBackups {
    /// What to push before the next `end`: a file's place, the bytes, and what for; nothing when all is done.
    pub fn want(&mut self) -> Option<String> {
        loop {
            let Backup { scan, places } = self.backups.get(self.at)?;
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

    /// Takes the next bytes of what is wanted. `false`: these were enough.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        self.backups.get_mut(self.at).is_some_and(|backup| backup.scan.push(bytes).is_continue())
    }

    /// All that was wanted has been pushed. A text says that the backup cannot be read, and why.
    pub fn end(&mut self) -> Option<String> {
        let Backup { scan, .. } = self.backups.get_mut(self.at)?;
        let (_, error) = scan.end().err()?;
        Some(format!("{}; {}", escape(error.to_string().as_bytes()), error.kind().advice()))
    }

    /// Findings that were not taken yet, as JSON; nothing when there are none.
    pub fn take_found(&mut self) -> Option<String> {
        let Backup { scan, places } = self.backups.get(self.at)?;
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

    /// The reports of each backup's files, or unless `whole` of those that reading came to.
    pub(crate) fn reports(self, whole: bool) -> Vec<Vec<FileReport>> {
        let seen = if whole { self.backups.len() } else { self.at + 1 };
        self.backups.into_iter().take(seen).map(|backup| backup.scan.finish()).collect()
    }
}
