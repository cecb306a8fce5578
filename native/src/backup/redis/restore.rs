//! Bringing streams back to a server: the backup is verified, each stream is brought under a name of its own, and then
//! all of a system take their places at once. A kill leaves each system as it was or as it is to be.

use std::path::PathBuf;
use std::time::Instant;

use jiff::Timestamp;
use papyra_core::escape::escape;
use papyra_core::manifest::{RedisSource, StoredFile, StoredStream};
use papyra_core::report::Report;
use papyra_core::verification::whole_report;

use super::LARGEST;
use super::create::wanted;
use super::losses::Losses;
use super::outgoing::Outgoing;
use super::payload::FoundStream;
use super::stage::{Staged, forget, stage};
use super::swap::{occupied, swap};
use super::until::Cut;
use crate::TOOL;
use crate::backup::read_back::read_back;
use crate::backup::restore::undamaged;
use crate::backup::restored::{RestoreOptions, Restored, RestoredStream};
use crate::backup::series::Wanted;
use crate::backup::until::Until;
use crate::backup::{Backup, guard, seconds_since};
use crate::error::{Code, Error, Result, show};
use crate::reading::ScanOptions;
use crate::redis::Store;
use crate::setting::Setting;

/// The server of a backup; an error when it is one of files.
pub fn source(backup: &Backup) -> Result<&RedisSource> {
    backup.manifest.source.redis.as_ref().ok_or_else(|| {
        let text = format!("{} holds files, not streams: name a folder to restore it to", show(&backup.path));
        Error::new(Code::Usage, text).decided_by(&[Setting::Destination])
    })
}

/// Which systems of a backup are meant: those that are named, or all.
pub fn systems(backup: &Backup, named: &[String]) -> Result<Vec<String>> {
    let all = source(backup)?.systems();
    if let Some(unknown) = named.iter().find(|name| !all.contains(&&***name)) {
        let held: Vec<String> = all.iter().map(|name| escape(name.as_bytes())).collect();
        let text = format!(
            "system {} is not in {}, which holds {}",
            escape(unknown.as_bytes()),
            show(&backup.path),
            held.join(", ")
        );
        return Err(Error::new(Code::NoInput, text));
    }
    Ok(all.into_iter().filter(|name| named.is_empty() || named.iter().any(|n| n == name)).map(str::to_owned).collect())
}

/// Restores the systems that the store was opened with.
pub fn restore(backup: &Backup, store: &Store, options: RestoreOptions, scanning: ScanOptions<'_>) -> Result<Restored> {
    let begun = Instant::now();
    let redis = source(backup)?;
    // The settings name the server to restore to, which need not be the one that was backed up.
    let named = Wanted { source: None, ..options.wanted.clone() };
    guard::keep_to_its_own(backup, &store.settings.called(), &named)?;
    let (scan, found) = verified(backup, scanning)?;
    let plans: Vec<Plan<'_>> = store.systems.iter().map(|system| Plan::of(store, redis, system)).collect();
    let mut there = Vec::new();
    for key in plans.iter().flat_map(|plan| &plan.keys) {
        if store.is_taken(key)? {
            there.push(key);
        }
    }
    if !options.replace && !there.is_empty() {
        return Err(occupied(store, &there));
    }
    let cuts = options.until.map(|until| cuts(backup, &plans, &found, until)).transpose()?.unwrap_or_default();
    let mut done = Restored {
        schema: "papyra.restore/1",
        tool: TOOL,
        backup: backup.path.clone(),
        to: PathBuf::from(store.settings.location.to_string()),
        dry_run: options.dry_run,
        files: backup.manifest.files.len() as u64,
        bytes: backup.manifest.bytes(),
        seconds: 0.0,
        replaced: Vec::new(),
        notes: Vec::new(),
        cut_off: Vec::new(),
        streams: Vec::new(),
        scan,
    };
    if options.dry_run {
        done.notes.extend(there.iter().map(|key| format!("{} would be renamed", escape(key.as_bytes()))));
        let streams = plans.iter().flat_map(|plan| &plan.streams);
        done.streams = streams.map(|stream| restored(stream, None, cut_of(&cuts, stream))).collect();
    } else {
        for (number, plan) in plans.iter().enumerate() {
            let before = |error: Error| match number {
                0 => error,
                _ => error.and("the systems before it are restored"),
            };
            plan.carry_out(backup, store, &found, &cuts, options.replace, &mut done).map_err(before)?;
        }
    }
    done.seconds = seconds_since(begun);
    Ok(done)
}

/// Where each stream is cut, by its key.
type Cuts = Vec<(String, Cut)>;

fn cut_of<'a>(cuts: &'a Cuts, stream: &StoredStream) -> Option<&'a Cut> {
    cuts.iter().find(|(key, _)| *key == stream.key).map(|(_, cut)| cut)
}

/// Finds where the streams are to be cut; an error where nothing of them would be left.
fn cuts(backup: &Backup, plans: &[Plan<'_>], found: &[(String, FoundStream)], until: Until) -> Result<Cuts> {
    let mut cuts = Cuts::new();
    for stream in plans.iter().flat_map(|plan| &plan.streams) {
        let (file, found) = stored(backup, stream, found)?;
        let piece = Outgoing::of(backup, file, stream, found, LARGEST)?;
        cuts.push((stream.key.clone(), Cut::find(&piece, &stream.key, until)?));
    }
    if cuts.iter().all(|(_, cut)| cut.kept == 0) {
        let oldest = cuts.iter().filter_map(|(_, cut)| cut.oldest).min();
        let oldest = oldest.map(|oldest| format!(": the oldest is {oldest}")).unwrap_or_default();
        let text = format!(
            "{} holds no entry from before that time{oldest}; nothing was restored: an older backup may hold some",
            show(&backup.path)
        );
        return Err(Error::new(Code::NoInput, text));
    }
    Ok(cuts)
}

fn restored(stream: &StoredStream, lost: Option<Losses>, cut: Option<&Cut>) -> RestoredStream {
    let facts = &stream.facts;
    let cut_off = cut.and_then(|cut| cut.off.clone());
    RestoredStream {
        key: stream.key.clone(),
        entries: facts.length - cut_off.as_ref().map_or(0, |off| off.entries),
        groups: facts.groups,
        pending: facts.pending,
        lost,
        cut_off,
    }
}

/// Reads the whole backup, and fails when anything in it is damaged. Returns what was found in each of its files.
fn verified(backup: &Backup, scanning: ScanOptions<'_>) -> Result<(Report, Vec<(String, FoundStream)>)> {
    let (mut reports, mut found) = (Vec::new(), Vec::new());
    for file in &backup.manifest.files {
        let mut read = read_back(backup, file, None, scanning)?;
        undamaged(backup, read.damage.as_ref())?;
        if let Some(streams) = &mut read.streams {
            found.extend(std::mem::take(&mut streams.found).into_iter().map(|found| (file.path.clone(), found)));
        }
        reports.extend(read.report(backup, file));
    }
    Ok((whole_report(TOOL, &backup.manifest, reports), found))
}

/// What is to be done for one system.
struct Plan<'a> {
    /// All keys that belong to it.
    keys: Vec<String>,
    /// What the backup has of it.
    streams: Vec<&'a StoredStream>,
}

impl<'a> Plan<'a> {
    fn of(store: &Store, redis: &'a RedisSource, system_id: &str) -> Plan<'a> {
        let streams: Vec<&StoredStream> = redis.streams.iter().filter(|stream| stream.system_id == system_id).collect();
        let quarantine = store.settings.quarantine_prefix.as_deref();
        let mut keys: Vec<String> =
            wanted(&redis.prefix, system_id, quarantine).into_iter().map(|wanted| wanted.key).collect();
        for stream in &streams {
            if !keys.contains(&stream.key) {
                keys.push(stream.key.clone());
            }
        }
        Plan { keys, streams }
    }

    fn carry_out(
        &self,
        backup: &Backup,
        store: &Store,
        found: &[(String, FoundStream)],
        cuts: &Cuts,
        replace: bool,
        done: &mut Restored,
    ) -> Result<()> {
        let now = Timestamp::now();
        let mark = format!("{}-{}", now.strftime("%Y%m%dT%H%M%S%.3fZ"), std::process::id());
        let mut staged = Vec::new();
        let brought = self.streams.iter().try_for_each(|stream| {
            staged.push(bring(backup, store, stream, found, cut_of(cuts, stream), &mark)?);
            Ok(())
        });
        let placed = brought.and_then(|()| {
            let groups = store.together(self.keys.clone());
            if groups.len() > 1 {
                done.notes.push(
                    "the streams lie on different slots of a cluster: each slot took its streams by itself".into(),
                );
            }
            for (number, keys) in groups.iter().enumerate() {
                let here: Vec<&Staged> = staged.iter().filter(|waiting| keys.contains(&waiting.key)).collect();
                let before = |error: Error| match number {
                    0 => error,
                    _ => error
                        .and(
                            "some of the system's slots have taken their streams: run it again, and have those \
                              replaced",
                        )
                        .decided_by(&[Setting::Replace]),
                };
                let aside = swap(store, keys, &here, replace, &mark).map_err(before)?;
                done.replaced.extend(aside.into_iter().map(|(_, aside)| PathBuf::from(aside)));
            }
            Ok(())
        });
        // What has its place has this name no more.
        placed.inspect_err(|_| staged.iter().for_each(|waiting| forget(store, &waiting.name)))?;
        for (stream, staged) in self.streams.iter().zip(staged) {
            if let Some(losses) = &staged.changed {
                let key = escape(stream.key.as_bytes());
                let refused = match staged.was_too_large {
                    true => "of that size".to_owned(),
                    false => format!("of {}", escape(source(backup)?.version.as_bytes())),
                };
                done.notes.extend(losses.sentence().map(|losses| {
                    format!(
                        "{key}: the server takes no payload {refused}, so the stream was restored with ordinary \
                         commands; not restored: {losses}"
                    )
                }));
                done.notes.extend(losses.released().map(|released| format!("{key}: {released}")));
            }
            if stream.expire_ms.is_some() {
                done.notes.push(format!("{} had an expiry, which was not restored", escape(stream.key.as_bytes())));
            }
            done.streams.push(restored(stream, staged.changed, cut_of(cuts, stream)));
        }
        Ok(())
    }
}

fn bring(
    backup: &Backup,
    store: &Store,
    stream: &StoredStream,
    found: &[(String, FoundStream)],
    cut: Option<&Cut>,
    mark: &str,
) -> Result<Staged> {
    let (file, found) = stored(backup, stream, found)?;
    let largest = store.largest_argument(&stream.key)?.map_or(LARGEST, |largest| largest.min(LARGEST));
    let piece = Outgoing::of(backup, file, stream, found, largest)?;
    stage(store, stream, &piece, largest, cut, mark)
}

/// Where a stream lies in the backup.
fn stored<'a, 'b>(
    backup: &'a Backup,
    stream: &StoredStream,
    found: &'b [(String, FoundStream)],
) -> Result<(&'a StoredFile, &'b FoundStream)> {
    let file = backup.manifest.files.iter().find(|file| file.path == stream.file);
    let found = found.iter().find(|(file, found)| *file == stream.file && found.key == stream.key.as_bytes());
    let (Some(file), Some((_, found))) = (file, found) else {
        // Verification has seen both.
        return Err(Error::new(
            Code::Data,
            format!("{} was removed from the backup since it was verified", escape(stream.key.as_bytes())),
        ));
    };
    Ok((file, found))
}
