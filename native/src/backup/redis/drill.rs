//! A drill of streams: restored into a server that is started for it, read from there, and compared with the manifest.
//! An RDB file or append-only files are drilled without a manifest: a server loads a copy of them.

use std::path::Path;
use std::time::Instant;

use papyra_core::redis::{GroupsFile, Header, Scope, StreamGroups};
use papyra_core::report::{Backend, Report};

use super::payload::{FoundStream, Payload, survey};
use super::restore::{restore, source, systems};
use super::scratch::{Server, Trial};
use crate::TOOL;
use crate::backup::drilled::Drill;
use crate::backup::restore::RestoreOptions;
use crate::backup::series::Wanted;
use crate::backup::{Backup, rfc3339, seconds_since};
use crate::disk::{self, Folder, file_name};
use crate::error::{Code, Error, Result, show};
use crate::offline::{self, export::GROUPS};
use crate::reading::ScanOptions;
use crate::redis::{Store, scan};

/// Restores a backup of streams for trial. Nothing stays behind.
pub(in crate::backup) fn drill(backup: &Backup, trial: Trial<'_>, scanning: ScanOptions<'_>) -> Result<Drill> {
    let redis = source(backup)?;
    // An older server takes the streams too, and what it has no place for is noted.
    let program = trial.at_best_for(&headers(&backup.manifest.scan))?;
    let server = Server::start(&program, trial.scratch, |_| Ok(vec!["--appendonly".into(), "no".into()]))?;
    let store = server.store(redis.db.min(15), &redis.prefix, systems(backup, &[])?)?;
    let mut done = Drill::of(backup);
    let begun = Instant::now();
    match restore(
        backup,
        &store,
        RestoreOptions {
            replace: false,
            dry_run: false,
            wanted: Wanted::named(&backup.manifest.series()),
            until: None,
        },
        scanning,
    ) {
        Ok(restored) => {
            done.restore_seconds = seconds_since(begun);
            done.notes = restored.notes.clone();
            let begun = Instant::now();
            let quiet = ScanOptions { progress: &|_| {}, ..scanning };
            let listed = groups(backup)?;
            for stream in &redis.streams {
                if restored.streams.iter().any(|done| done.key == stream.key && done.lost.is_some()) {
                    // What commands cannot bring back stands in the notes. The stream may be too large for DUMP.
                    if store.entries_sha256(&stream.key)? != stream.entries_sha256 {
                        let key = show(Path::new(&stream.key));
                        done.differences.push(format!("{key}: its entries are not those of the backup"));
                    }
                    continue;
                }
                let Some(found) = read(&store, &redis.prefix, &stream.key, quiet)? else {
                    done.differences.push(format!("{}: it is not there", show(Path::new(&stream.key))));
                    continue;
                };
                let mut differs =
                    |what: String| done.differences.push(format!("{}: {what}", show(Path::new(&stream.key))));
                if found.entries_sha256 != stream.entries_sha256 {
                    differs(format!("{} entries, and not those of the backup", found.facts.length));
                }
                if found.facts != stream.facts {
                    differs("its IDs and counts are not those of the backup".into());
                }
                let then = listed.iter().find(|listed| listed.key == stream.key);
                if then.is_some_and(|then| then.groups != found.groups) {
                    differs("its groups are not those of the backup".into());
                }
            }
            done.scan = Some(Report::new(TOOL, Backend::Redis, scan::scan(&store, quiet)?, false));
            done.check_seconds = seconds_since(begun);
        }
        Err(error) if error.code == Code::Data => done.differences.push(error.to_string()),
        Err(error) => return Err(error),
    }
    Ok(done.recorded_beside(backup))
}

/// The headers of the files that a report tells of.
fn headers(report: &Report) -> Vec<Header> {
    report.files.iter().filter_map(|file| file.backup.as_ref()?.header).collect()
}

/// A stream as the server has it now.
fn read(store: &Store, prefix: &str, key: &str, scanning: ScanOptions<'_>) -> Result<Option<FoundStream>> {
    let Some(dumped) = store.dump(&[key.to_owned()])?.pop().flatten() else { return Ok(None) };
    let payload = Payload { key: Some(key), db: 0, prefix };
    Ok(survey(payload, key, &dumped.payload, scanning.max_findings)?.found.pop())
}

/// The groups that the backup lists, stream by stream.
fn groups(backup: &Backup) -> Result<Vec<StreamGroups>> {
    let Some(file) = backup.manifest.files.iter().find(|file| file.path == GROUPS) else { return Ok(Vec::new()) };
    let path = backup.files.join(&file.stored);
    let mut bytes = backup.files.read(&file.stored)?;
    let list: GroupsFile = serde_json::from_reader(std::io::BufReader::new(&mut bytes)).map_err(|error| {
        let broken = || Error::new(Code::Data, format!("{} cannot be read: {error}", show(&path)));
        bytes.failure().unwrap_or_else(broken)
    })?;
    Ok(list.streams)
}

/// Has a server load a copy of an RDB file or of append-only files, and times it.
pub fn load(of: &offline::ServerFiles, path: &Path, trial: Trial<'_>, scanning: ScanOptions<'_>) -> Result<Drill> {
    let report = Report::new(TOOL, Backend::Redis, offline::scan::scan(of, &Scope::default(), scanning)?, false);
    let mut done = Drill::new(path, of.size());
    done.created = disk::stat(path)
        .ok()
        .and_then(|stat| jiff::Timestamp::from_millisecond(stat.modified_ms()).ok())
        .map(rfc3339)
        .unwrap_or_default();
    let mut files = 0;
    let program = trial.that_reads(&headers(&report))?;
    let server = Server::start(&program, trial.scratch, |folder| {
        let (copied, arguments) = copy(of, folder)?;
        files = copied;
        Ok(arguments)
    });
    done.files = files;
    match server {
        Ok(server) => {
            done.restore_seconds = server.load_seconds;
            let begun = Instant::now();
            for stream in report.files.iter().flat_map(|file| &file.streams).filter(|stream| !stream.incomplete) {
                let store = server.store(stream.db, "papyra", Vec::new())?;
                let now = store.extent(&stream.key)?.unwrap_or_default();
                if (now.length, now.last_id, now.groups)
                    != (stream.facts.length, stream.facts.last_id, stream.facts.groups)
                {
                    done.differences.push(format!(
                        "{}: the server has {} entries, the last {}, and the file {}, the last {}",
                        show(Path::new(&stream.key)),
                        now.length,
                        now.last_id,
                        stream.facts.length,
                        stream.facts.last_id
                    ));
                }
            }
            done.check_seconds = seconds_since(begun);
        }
        Err(error) if error.code == Code::Data => done.differences.push(error.to_string()),
        Err(error) => return Err(error),
    }
    done.intact = done.differences.is_empty();
    done.scan = Some(report);
    Ok(done)
}

/// Copies the files to where a server looks for them; returns how many, and what to tell the server.
fn copy(of: &offline::ServerFiles, folder: &Folder) -> Result<(u64, Vec<String>)> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let one = |from: &Path, folder: &Folder, to: &str| {
        let mut source = disk::open(from).map_err(|error| Error::cannot_open(from, error))?;
        let copied = std::io::copy(&mut source, &mut folder.create_new(to)?);
        copied.map(drop).map_err(|error| Error::cannot_create("copy to", &folder.join(to), error))
    };
    match of {
        offline::ServerFiles::Dump(path) => {
            let text = format!("{} is the payload of one key: a server loads no such file", show(path));
            Err(Error::new(Code::Usage, text))
        }
        offline::ServerFiles::Rdb(path) => {
            one(path, folder, "dump.rdb")?;
            Ok((1, words(&["--appendonly", "no", "--dbfilename", "dump.rdb"])))
        }
        offline::ServerFiles::Aof(set) => {
            let append = ["--appendonly", "yes", "--appenddirname", "appendonly", "--appendfilename"];
            let Some(manifest) = &set.names.manifest else {
                // A server that keeps a folder of them takes an old one in.
                let name = set.names.files.first().cloned().unwrap_or_default();
                one(&set.path(&name), folder, &file_name(Path::new(&name))?)?;
                return Ok((1, [words(&append), vec![name]].concat()));
            };
            let inside = folder.new_subfolder("appendonly")?;
            let names: Vec<&String> = set.names.files.iter().chain([manifest]).collect();
            for name in &names {
                if disk::exists(&set.path(name)) {
                    one(&set.path(name), &inside, name)?;
                }
            }
            let base = manifest.strip_suffix(".manifest").unwrap_or(manifest).to_owned();
            Ok((names.len() as u64, [words(&append), vec![base]].concat()))
        }
    }
}
