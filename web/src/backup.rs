//! A backup folder for JavaScript: what is in it and in which order to read it, before its files are scanned.

use std::collections::{BTreeMap, BTreeSet};

use papyra_core::digest::sha256;
use papyra_core::manifest::{Compression, Content, Manifest};
use papyra_core::report::{FileReport, Report};
use papyra_core::summary::Summary;
use papyra_core::verification::{self, Damage};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::text;

pub(crate) use papyra_core::verification::Stored;

/// A backup under verification: its manifest, and what was found wrong so far.
pub(crate) struct Backup {
    manifest: Manifest,
    /// The files that are there, in reading order: positions in the manifest.
    files: Vec<usize>,
    damage: Vec<Damage>,
    foreign: Vec<String>,
    read: u64,
}

impl Backup {
    /// From the bytes of its two describing files and the paths of all files in its folder.
    pub(crate) fn open(manifest: &[u8], sums: &[u8], paths: &[String]) -> Result<Backup, String> {
        let manifest = verification::open(manifest, &sha256(manifest), sums).map_err(|refused| refused.to_string())?;
        let there: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
        let (mut files, mut damage) = (Vec::new(), Vec::new());
        for at in verification::reading_order(&manifest) {
            let file = &manifest.files[at];
            if there.contains(&*file.stored) {
                files.push(at);
            } else {
                damage.push(Damage::gone(file, "it is not there"));
            }
        }
        let foreign = verification::foreign(&manifest, there);
        Ok(Backup { manifest, files, damage, foreign, read: 0 })
    }

    /// The file that is read as number `at`, on its way through.
    pub(crate) fn stored(&self, at: usize) -> Option<Stored> {
        Some(Stored::new(&self.manifest, self.manifest.files.get(*self.files.get(at)?)?))
    }

    /// The report on the file that was read as number `at`. Its damage is known only when all of it was read.
    pub(crate) fn judge(&mut self, at: usize, stored: Stored, summary: Summary, whole: bool) -> Option<FileReport> {
        let file = self.manifest.files.get(*self.files.get(at)?)?;
        let scanned = matches!(file.content, Content::Log | Content::Archive).then_some(summary);
        if whole {
            self.read += file.stored_bytes;
            let (damage, streams) = stored.judge(&self.manifest, file, scanned.as_ref());
            self.damage.extend(damage);
            if let Some(streams) = streams {
                return Some(streams.report);
            }
        }
        verification::file_report(&self.manifest, file, scanned)
    }

    /// The report on all that was read. Unless `whole`, there is more that was not read.
    pub(crate) fn report(&self, reports: Vec<FileReport>, whole: bool) -> Report {
        if whole {
            verification::whole_report(crate::TOOL, &self.manifest, reports)
        } else {
            Report::new(crate::TOOL, self.manifest.scan.backend, reports, false)
        }
    }

    /// What the verification says beside the report.
    pub(crate) fn told(&self) -> Told<'_> {
        Told {
            name: &self.manifest.name,
            created: &self.manifest.created,
            made_by: &self.manifest.tool,
            compression: self.manifest.compression,
            files: self.manifest.files.len(),
            bytes: self.read,
            damage: &self.damage,
            foreign: &self.foreign,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Told<'a> {
    name: &'a str,
    created: &'a str,
    made_by: &'a str,
    compression: Compression,
    files: usize,
    bytes: u64,
    damage: &'a [Damage],
    foreign: &'a [String],
}

#[derive(Serialize)]
#[serde(untagged)]
enum Opened<'a> {
    Refused { refused: String },
    Files { files: Vec<Place<'a>> },
}

#[derive(Serialize)]
struct Place<'a> {
    at: Option<&'a usize>,
    path: &'a str,
}

/// What a folder's `manifest.json` and `SHA256SUMS` say of the files at `paths`: `refused` and why, or `files` in
/// reading order, each with its position in `paths` and the path that it was copied from.
#[wasm_bindgen]
pub fn backup(manifest: &[u8], sums: &[u8], paths: Vec<String>) -> String {
    match Backup::open(manifest, sums, &paths) {
        Err(refused) => text(&Opened::Refused { refused }),
        Ok(backup) => {
            let at: BTreeMap<&str, usize> = paths.iter().enumerate().map(|(at, path)| (&**path, at)).collect();
            let files = backup.files.iter().map(|file| &backup.manifest.files[*file]);
            let files = files.map(|file| Place { at: at.get(&*file.stored), path: &file.path }).collect();
            text(&Opened::Files { files })
        }
    }
}
