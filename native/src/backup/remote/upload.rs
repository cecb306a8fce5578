//! Sending a backup: announced first, then every file, and the checksums last. A run for the same name goes on where
//! a killed one was.

use crate::disk::File;
use std::io::Read;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use object_store::multipart::{MultipartStore, PartId};
use object_store::{ObjectStoreExt, PutPayload};
use papyra_core::digest::{hex, sha256};
use papyra_core::manifest::{self, Manifest, StoredFile};
use papyra_core::sums;
use papyra_core::verification::sums_of;
use sha2::{Digest, Sha256};

use super::prefix::Prefix;
use super::staging::{Journal, Parts, Staging};
use super::{Sending, UNDER_WAY};
use crate::backup::create::Created;
use crate::backup::{Files, read_manifest, unfinished_in, whole};
use crate::disk::{Folder, Lock};
use crate::error::{Code, Error, Result, show};

/// A part's least size in bytes; every store takes parts of 5 MiB and more.
const PART: u64 = 8 << 20;

/// As many parts an object may have; the most that S3 takes is 10,000.
const PARTS: u64 = 9_000;

/// Bytes under way at a time, as long as this is more than one part.
const UNDER_WAY_BYTES: u64 = 4 * PART;

/// A backup that was made and is being sent.
struct Upload<'a> {
    staging: &'a Staging,
    staged: Folder,
    remote: Prefix,
    name: String,
    journal: Journal,
    manifest: Manifest,
    tick: Box<dyn Fn(u64)>,
    _lock: Lock,
}

/// Makes a backup and sends it, or continues to send the one of that name.
pub(super) fn send(sending: &Sending<'_>) -> Result<Created> {
    let home = Prefix::open(sending.to)?;
    // Whether it can be reached is found out before there is much to lose.
    home.names()?;
    let staging = Staging::open(sending.scratch, home.path())?;
    let found = sending.name.map(|name| staging.find(name)).transpose()?.flatten();
    let (mut warnings, mut unread) = (Vec::new(), Vec::new());
    let (name, journal, lock) = match (sending.name, found) {
        (Some(name), Some((journal, lock))) => {
            if journal.source != sending.source {
                let text = format!(
                    "{} is an unfinished upload of {}: choose another name",
                    show(&home.join(name)),
                    papyra_core::escape::escape(journal.source.as_bytes())
                );
                return Err(Error::new(Code::CannotCreate, text));
            }
            warnings.push("an earlier run had made this backup and was stopped while sending it".into());
            (name.to_owned(), journal, lock)
        }
        _ => {
            give_up_others(&staging, &home)?;
            refuse_taken(&home, sending.name)?;
            let created = (sending.make)(staging.folder.path())?;
            warnings = created.warnings;
            unread = created.unread;
            let name = created.manifest.name;
            let (journal, lock) = staging.begin(&name, sending.source)?;
            (name, journal, lock)
        }
    };
    let staged = staging.folder.existing_subfolder(&name)?;
    let (manifest, bytes) = read_manifest(&staged, manifest::NAME)?;
    let tick = (sending.progress)(manifest.stored_bytes());
    let remote = home.inside(&name)?;
    let path = remote.path().to_owned();
    let upload = Upload { staging: &staging, staged, remote, name: name.clone(), journal, manifest, tick, _lock: lock };
    let manifest = upload.finish(&bytes).map_err(|error| {
        let text = format!(
            "nothing is lost: the same command with --name {} goes on from here",
            crate::recover::quoted(name.as_ref())
        );
        if matches!(error.code, Code::CannotCreate | Code::Data) { error } else { error.and(&text) }
    })?;
    Ok(Created { path, manifest, added: None, warnings, unread })
}

/// Takes back what earlier runs began to send and nobody will finish.
fn give_up_others(staging: &Staging, home: &Prefix) -> Result<()> {
    for name in staging.idle()? {
        if let Some((journal, _lock)) = staging.find(&name)? {
            let remote = home.inside(&name)?;
            for (file, parts) in &journal.begun {
                // What stays is removed by the bucket's rule for uploads that were not finished.
                _ = remote.client.wait(remote.client.store.abort_multipart(&remote.key(file)?, &parts.id));
            }
            let ours = read_manifest(&staging.folder.existing_subfolder(&name)?, manifest::NAME)?.0;
            if unfinished_in(&remote)?.is_some_and(|there| there == ours) {
                home.discard(&name)?;
            }
        }
        staging.clear(&name)?;
    }
    Ok(())
}

fn refuse_taken(home: &Prefix, name: Option<&str>) -> Result<()> {
    let Some(name) = name else { return Ok(()) };
    let there = home.inside(name)?;
    if there.size(manifest::SUMS)?.is_some() || there.size(manifest::NAME)?.is_some() {
        let text = format!("{} exists already: choose another name", show(there.path()));
        return Err(Error::new(Code::CannotCreate, text));
    }
    if there.size(UNDER_WAY)?.is_some() { Err(begun_elsewhere(&there)) } else { Ok(()) }
}

fn begun_elsewhere(there: &Prefix) -> Error {
    let text = format!(
        "{} is being sent, or was begun elsewhere and not finished: choose another name; papyra backup prune removes \
         what is unfinished after a week",
        show(there.path())
    );
    Error::new(Code::CannotCreate, text)
}

impl Upload<'_> {
    fn finish(mut self, manifest: &[u8]) -> Result<Manifest> {
        let sums = sums::write(&sums_of(&self.manifest, &sha256(manifest)));
        let is_complete = self.remote.size(manifest::SUMS)?.is_some();
        if is_complete && whole(&self.remote, manifest::SUMS)? != sums {
            let text = format!("{} exists already: choose another name", show(self.remote.path()));
            return Err(Error::new(Code::CannotCreate, text));
        }
        if !is_complete {
            let announced = self.remote.put(UNDER_WAY, manifest, true)?;
            if !announced && whole(&self.remote, UNDER_WAY)? != manifest {
                return Err(begun_elsewhere(&self.remote));
            }
            for file in std::mem::take(&mut self.manifest.files) {
                let sent = self.file(&file);
                self.manifest.files.push(file);
                sent?;
            }
            self.check_sizes()?;
            self.remote.put(manifest::NAME, manifest, false)?;
            self.remote.put(manifest::SUMS, &sums, false)?;
        }
        self.remote.remove(UNDER_WAY)?;
        self.staging.clear(&self.name)?;
        Ok(self.manifest)
    }

    /// Sends one file, unless it is there.
    fn file(&mut self, file: &StoredFile) -> Result<()> {
        if let Some(tag) = self.journal.sent.get(&file.stored) {
            let there = self.remote.head(&file.stored)?;
            if there
                .is_some_and(|there| there.size == file.stored_bytes && there.e_tag.as_deref().map(bare) == Some(tag))
            {
                (self.tick)(file.stored_bytes);
                return Ok(());
            }
        }
        let mut source = match file.stored.split_once('/') {
            None => self.staged.read(&file.stored)?,
            Some((folder, name)) => self.staged.existing_subfolder(folder)?.read(name)?,
        };
        let tag =
            if file.stored_bytes <= PART { self.whole(file, &mut source) } else { self.in_parts(file, &mut source) }?;
        self.journal.begun.remove(&file.stored);
        self.journal.sent.extend(tag.map(|tag| (file.stored.clone(), bare(&tag).to_owned())));
        self.staging.keep(&self.name, &self.journal)
    }

    fn whole(&mut self, file: &StoredFile, source: &mut File) -> Result<Option<String>> {
        let bytes = self.part(file, source, 0, file.stored_bytes)?;
        self.must_be(file, &hex(&Sha256::digest(&bytes)))?;
        let key = self.remote.key(&file.stored)?;
        let client = &self.remote.client;
        let put = client.store.put(&key, PutPayload::from(bytes));
        let done = client.ask("write", &self.remote.join(&file.stored), put)?;
        (self.tick)(file.stored_bytes);
        Ok(done.e_tag)
    }

    fn in_parts(&mut self, file: &StoredFile, source: &mut File) -> Result<Option<String>> {
        let key = self.remote.key(&file.stored)?;
        let called = self.remote.join(&file.stored);
        let client = std::sync::Arc::clone(&self.remote.client);
        let mut parts = match self.journal.begun.get(&file.stored) {
            Some(parts) => parts.clone(),
            None => {
                let id = client.ask("begin to write", &called, client.store.create_multipart(&key))?;
                let bytes = PART.max(file.stored_bytes.div_ceil(PARTS).next_multiple_of(1 << 20));
                Parts { id, bytes, sent: Vec::new() }
            }
        };
        self.remember(file, &parts)?;
        let count = file.stored_bytes.div_ceil(parts.bytes);
        let width = usize::try_from((UNDER_WAY_BYTES / parts.bytes).max(1)).unwrap_or(1);
        let resumed = parts.sent.len() as u64;
        let mut hash = Sha256::new();
        let id = parts.id.clone();
        let mut under_way = FuturesOrdered::new();
        let mut next = 0;
        while next < count || !under_way.is_empty() {
            if next < count && under_way.len() < width {
                let at = next * parts.bytes;
                let bytes = self.part(file, source, at, parts.bytes.min(file.stored_bytes - at))?;
                hash.update(&bytes);
                if next < resumed {
                    (self.tick)(bytes.len() as u64);
                } else {
                    let (key, id, client) = (&key, &id, &client);
                    let index = usize::try_from(next).unwrap_or(usize::MAX);
                    under_way.push_back(async move {
                        let size = bytes.len() as u64;
                        let sent = client.store.put_part(key, id, index, PutPayload::from(bytes)).await;
                        sent.map(|part| (part, size))
                    });
                }
                next += 1;
                continue;
            }
            let Some(sent) = client.wait(under_way.next()) else { continue };
            let (part, size) = match sent {
                Ok(sent) => sent,
                Err(failure) => return Err(self.forget_if_gone(file, &called, &failure)),
            };
            parts.sent.push(part.content_id);
            self.remember(file, &parts)?;
            (self.tick)(size);
        }
        drop(under_way);
        self.must_be(file, &hex(&hash.finalize()))?;
        let ids = parts.sent.iter().map(|id| PartId { content_id: id.clone() }).collect();
        match client.wait(client.store.complete_multipart(&key, &parts.id, ids)) {
            Ok(done) => Ok(done.e_tag),
            Err(failure) => Err(self.forget_if_gone(file, &called, &failure)),
        }
    }

    fn remember(&mut self, file: &StoredFile, parts: &Parts) -> Result<()> {
        self.journal.begun.insert(file.stored.clone(), parts.clone());
        self.staging.keep(&self.name, &self.journal)
    }

    /// An upload that the store no longer knows is begun anew by the next run.
    fn forget_if_gone(&mut self, file: &StoredFile, called: &std::path::Path, failure: &object_store::Error) -> Error {
        if matches!(failure, object_store::Error::NotFound { .. }) {
            self.journal.begun.remove(&file.stored);
            if let Err(error) = self.staging.keep(&self.name, &self.journal) {
                return error;
            }
        }
        super::fault::fault("write", &show(called), failure)
    }

    fn part(&self, file: &StoredFile, source: &mut File, at: u64, size: u64) -> Result<Vec<u8>> {
        let path = self.staged.join(&file.stored);
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let read = source.take(size).read_to_end(&mut bytes);
        read.map_err(|error| Error::cannot_read(&path, at, &error))?;
        Ok(bytes)
    }

    /// Fails when the bytes that were read to be sent are not those that were backed up.
    fn must_be(&self, file: &StoredFile, hash: &str) -> Result<()> {
        if hash == file.stored_sha256 {
            return Ok(());
        }
        let text = format!(
            "{} is not what was written there: remove {} and back up again",
            show(&self.staged.join(&file.stored)),
            show(self.staged.path())
        );
        Err(Error::new(Code::Data, text))
    }

    /// Fails unless every file is there in its size.
    fn check_sizes(&self) -> Result<()> {
        let there = self.remote.everything()?;
        let is_missing = |file: &&StoredFile| !there.contains(&(file.stored.clone(), file.stored_bytes));
        match self.manifest.files.iter().find(is_missing) {
            None => Ok(()),
            Some(file) => {
                let path = show(&self.remote.join(&file.stored));
                Err(Error::new(Code::TryAgain, format!("{path} was sent and is not there: try again")))
            }
        }
    }
}

/// A tag without its quotation marks, which some answers have and some have not.
fn bare(tag: &str) -> &str {
    tag.trim_matches('"')
}
