//! A backup made of files that a server wrote by itself: an RDB file, append-only files, a DUMP payload; Papyra's own
//! guide keeps such. What is in it is the same as in a backup of the server, so that everything else treats them alike.
//!
//! An append-only file is replayed, and each stream is stored as the payload that DUMP would give.

use std::collections::BTreeSet;
use std::path::Path;

use papyra_core::escape::escape;
use papyra_core::manifest::{Compression, Method};
use papyra_core::redis::{Entry, Flow, Group, PapyraKey, PayloadBuilder, Scope, StreamFacts};
use papyra_core::report::FileReport;

use super::create::{Making, Of, StreamOptions};
use crate::backup::create::Created;
use crate::backup::drilled::Scratch;
use crate::backup::guard;
use crate::backup::series::Filing;
use crate::backup::{Backup, Location};
use crate::disk::sys;
use crate::error::{Code, Error, Result, show};
use crate::offline::entries::{Streams, each};
use crate::offline::{self, open};
use crate::reading::ScanOptions;
use crate::redis::{About, Naming};
use crate::setting::Setting;

/// Which streams of a file.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// What their keys begin with; `papyra` where nothing is named.
    pub prefix: Option<String>,
    /// The systems; all where none is named.
    pub systems: Vec<String>,
    /// The database, where the file has the streams in several.
    pub db: u64,
}

/// How to store a backup of a file in the folder `to`.
#[derive(Debug, Clone)]
pub struct Storing {
    /// The folder that holds the backups.
    pub to: Location,
    /// The backup's name; by default one with the time in it.
    pub name: Option<String>,
    /// What it is filed under.
    pub filing: Filing,
    /// How to store payloads.
    pub compression: Compression,
}

/// Makes a backup of files that a server wrote.
pub fn create(
    of: &offline::ServerFiles,
    path: &Path,
    which: &Which,
    storing: &Storing,
    scanning: ScanOptions<'_>,
) -> Result<Created> {
    let begun = sys::now();
    let prefix = which.prefix.clone().unwrap_or_else(|| "papyra".into());
    let scope = Scope { prefix: Some(prefix.clone()), system_id: None };
    let quiet = ScanOptions { progress: &|_| {}, ..scanning };
    let reports = offline::scan::scan(of, &scope, quiet)?;
    let chosen = Chosen::of(&reports, which, path, &prefix)?;
    let method = if matches!(of, offline::ServerFiles::Rdb(_)) { Method::Bgsave } else { Method::Dump };
    let options = StreamOptions {
        to: storing.to.clone(),
        name: storing.name.clone(),
        filing: storing.filing.clone(),
        compression: if method == Method::Bgsave { Compression::None } else { storing.compression },
        method,
        rdb: None,
    };
    let backups = guard::for_backups(&options.to)?;
    let source = Of { called: show(path), db: chosen.db, prefix, quarantine_prefix: None, systems: chosen.systems() };
    let mut making = Making::begin(source, &backups, begun, &options, scanning)?;
    making.warnings.extend(chosen.warning);
    match of {
        offline::ServerFiles::Rdb(path) => {
            let (file, size) = open(path)?;
            making.rdb_file(&file, size, &chosen.streams)?;
        }
        offline::ServerFiles::Dump(path) => {
            let (mut file, _) = open(path)?;
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut file, &mut bytes).map_err(|error| Error::cannot_read(path, 0, &error))?;
            for stream in chosen.streams {
                making.payload_file(stream, &bytes, None)?;
            }
        }
        offline::ServerFiles::Aof(_) => {
            let mut replayed = Replayed { db: chosen.db, streams: &chosen.streams, open: None, making, failed: None };
            let damage = each(of, &scope, quiet, &mut replayed)?;
            if let Some(error) = replayed.failed {
                return Err(error);
            }
            if damage > 0 {
                return Err(damaged(path));
            }
            making = replayed.making;
        }
    }
    making.finish(About { version: format!("a file, {}", show(path)), run_id: String::new() })
}

/// The backup that such files are, in a scratch folder for as long as it is needed.
pub struct Temporary {
    /// The backup.
    pub backup: Backup,
    /// What the operator should know.
    pub warnings: Vec<String>,
    _scratch: Scratch,
}

/// Makes a backup of such files for a restore.
pub fn temporary(
    of: &offline::ServerFiles,
    path: &Path,
    which: &Which,
    scanning: ScanOptions<'_>,
) -> Result<Temporary> {
    let (scratch, folder) = Scratch::new(&std::env::temp_dir())?;
    let to = Location::Folder(folder.path().to_owned());
    let storing = Storing {
        to,
        name: Some("plain".into()),
        filing: Filing::new(None, &show(path), &[]),
        compression: Compression::None,
    };
    let created = create(of, path, which, &storing, scanning)?;
    Ok(Temporary {
        backup: Backup::open(&Location::Folder(created.path))?,
        warnings: created.warnings,
        _scratch: scratch,
    })
}

fn damaged(path: &Path) -> Error {
    let text = format!(
        "{} is damaged, and no backup is made or restored of a part: `papyra persistence scan --path` tells where, \
         `papyra redis export` and, for append-only files, `papyra persistence recover` save what is intact",
        show(path)
    );
    Error::new(Code::Data, text)
}

/// The streams that are meant.
struct Chosen {
    db: u64,
    streams: Vec<PapyraKey>,
    warning: Option<String>,
}

impl Chosen {
    fn of(reports: &[FileReport], which: &Which, path: &Path, prefix: &str) -> Result<Chosen> {
        let all = reports.iter().flat_map(|report| &report.streams);
        let named = |key: &PapyraKey| which.systems.is_empty() || which.systems.contains(&key.system_id);
        let mut found: Vec<(u64, PapyraKey)> = Vec::new();
        for stream in all {
            let Some(key) = stream.papyra.clone().filter(named) else { continue };
            if stream.incomplete {
                return Err(damaged(path));
            }
            if !found.contains(&(stream.db, key.clone())) {
                found.push((stream.db, key));
            }
        }
        let dbs: BTreeSet<u64> = found.iter().map(|(db, _)| *db).collect();
        let Some(first) = dbs.first() else {
            let text = format!(
                "{} holds no stream of the systems asked for under the prefix {}: check both",
                show(path),
                escape(prefix.as_bytes())
            );
            return Err(Error::new(Code::NoInput, text).decided_by(&[Setting::Prefix, Setting::System]));
        };
        let db = if dbs.contains(&which.db) { which.db } else { *first };
        let others: Vec<String> = dbs.iter().filter(|other| **other != db).map(u64::to_string).collect();
        let warning = (!others.is_empty()).then(|| {
            format!(
                "the streams of database {db} are taken; the file has some in database {} too, which the server's \
                 address chooses",
                others.join(", ")
            )
        });
        let streams = found.into_iter().filter(|(other, _)| *other == db).map(|(_, key)| key).collect();
        Ok(Chosen { db, streams, warning })
    }

    fn systems(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.streams.iter().map(|stream| &stream.system_id).collect();
        all.into_iter().cloned().collect()
    }
}

/// Turns what was replayed into payloads.
struct Replayed<'a, 'b> {
    db: u64,
    streams: &'b [PapyraKey],
    open: Option<(PapyraKey, PayloadBuilder, Vec<Group>)>,
    making: Making<'a>,
    failed: Option<Error>,
}

impl Streams for Replayed<'_, '_> {
    fn begin(&mut self, db: u64, key: &PapyraKey, _salvaged: bool) -> Flow {
        let is_meant = db == self.db && self.streams.iter().any(|stream| stream.key() == key.key());
        self.open = is_meant.then(|| (key.clone(), PayloadBuilder::default(), Vec::new()));
        Flow::Continue(())
    }

    fn entry(&mut self, entry: &Entry<'_>) -> Flow {
        if let Some((_, builder, _)) = &mut self.open {
            builder.entry(entry);
        }
        Flow::Continue(())
    }

    fn group(&mut self, group: Group) {
        if let Some((.., groups)) = &mut self.open {
            groups.push(group);
        }
    }

    fn end(&mut self, facts: &StreamFacts) {
        let Some((key, builder, groups)) = self.open.take() else { return };
        if self.failed.is_none() {
            let payload = builder.finish(facts, &groups);
            self.failed = self.making.payload_file(key, &payload, None).err();
        }
    }
}
