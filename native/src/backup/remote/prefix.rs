//! A prefix in a bucket, seen as a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{GetOptions, ListResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use papyra_core::manifest;

use super::client::Client;
use super::fault::fault;
use super::reader::Reader;
use super::{UNDER_WAY, called};
use crate::backup::attest::forget;
use crate::backup::files::{Bytes, Files, Hold, Look};
use crate::backup::{read_manifest, unfinished_in};
use crate::disk::Lock;
use crate::error::{Code, Error, Result, show};

/// A prefix in a bucket.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    pub(super) client: Arc<Client>,
    key: Key,
    path: PathBuf,
}

impl Prefix {
    /// Opens `s3://BUCKET/PREFIX`; whether it can be reached shows with the first request.
    pub(super) fn open(path: &Path) -> Result<Prefix> {
        let wrong = |why: &str| Error::new(Code::Usage, format!("{} is not a valid s3:// URL: {why}", called(path)));
        let text = path.to_str().ok_or_else(|| wrong("it is not UTF-8"))?;
        let text = text.trim_end_matches('/');
        let rest = text.strip_prefix("s3://").ok_or_else(|| wrong("it does not begin with s3://"))?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() || bucket.contains('@') {
            return Err(wrong("the form is s3://BUCKET/PREFIX, and credentials come from the environment"));
        }
        let wrong_part = "a part of it is empty, a dot, or no text";
        if prefix.starts_with('/') {
            return Err(wrong(wrong_part));
        }
        let key = Key::parse(prefix).map_err(|_| wrong(wrong_part))?;
        Ok(Prefix { client: Arc::new(Client::new(bucket)?), key, path: text.into() })
    }

    /// The key of a name in it.
    pub(super) fn key(&self, name: &str) -> Result<Key> {
        let text = if self.key.is_root() { name.to_owned() } else { format!("{}/{name}", self.key) };
        Key::parse(&text).map_err(|_| {
            let path = show(&self.path.join(name));
            Error::new(Code::CannotCreate, format!("{path} cannot be an object's name: rename the file"))
        })
    }

    pub(super) fn inside(&self, name: &str) -> Result<Prefix> {
        Ok(Prefix { client: Arc::clone(&self.client), key: self.key(name)?, path: self.path.join(name) })
    }

    /// What there is at a name; `None` when there is nothing.
    pub(super) fn head(&self, name: &str) -> Result<Option<ObjectMeta>> {
        let key = self.key(name)?;
        match self.client.wait(self.client.store.head(&key)) {
            Ok(meta) => Ok(Some(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(failure) => Err(fault("look at", &show(&self.path.join(name)), &failure)),
        }
    }

    /// What is directly inside.
    fn list(&self) -> Result<ListResult> {
        self.client.ask("list", &self.path, self.client.store.list_with_delimiter(Some(&self.key)))
    }

    /// Everything in it, at any depth: name and size in bytes.
    pub(super) fn everything(&self) -> Result<Vec<(String, u64)>> {
        let list = self.client.store.list(Some(&self.key)).try_collect::<Vec<ObjectMeta>>();
        let all = self.client.ask("list", &self.path, list)?;
        let skip = if self.key.is_root() { 0 } else { self.key.as_ref().len() + 1 };
        Ok(all
            .into_iter()
            .filter_map(|meta| Some((meta.location.as_ref().get(skip..)?.to_owned(), meta.size)))
            .collect())
    }

    /// Writes a small object. With `new`, it must not be there yet: `Ok(false)` says that it is.
    pub(super) fn put(&self, name: &str, bytes: &[u8], new: bool) -> Result<bool> {
        let (key, payload) = (self.key(name)?, PutPayload::from(bytes.to_vec()));
        let mode = if new { PutMode::Create } else { PutMode::Overwrite };
        let options = PutOptions { mode, ..PutOptions::default() };
        match self.client.wait(self.client.store.put_opts(&key, payload, options)) {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) if new => {
                Ok(false)
            }
            // Whoever has switched conditional writes off knows of the store that it has none.
            Err(object_store::Error::NotImplemented { .. }) if new => match self.head(name)? {
                Some(_) => Ok(false),
                None => self.put(name, bytes, false),
            },
            Err(failure) => Err(fault("write", &show(&self.path.join(name)), &failure)),
        }
    }

    fn delete(&self, name: &str) -> Result<()> {
        let key = self.key(name)?;
        match self.client.wait(self.client.store.delete(&key)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(failure) => Err(fault("remove", &show(&self.path.join(name)), &failure)),
        }
    }
}

fn names_of<'a>(keys: impl Iterator<Item = &'a Key>) -> Vec<String> {
    keys.filter_map(|key| key.filename().map(str::to_owned)).collect()
}

impl Files for Prefix {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Result<Vec<String>> {
        let list = self.list()?;
        Ok(names_of(list.common_prefixes.iter().chain(list.objects.iter().map(|object| &object.location))))
    }

    fn folders(&self) -> Result<Vec<String>> {
        Ok(names_of(self.list()?.common_prefixes.iter()))
    }

    fn look(&self, name: &str) -> Result<Look> {
        Ok(self.head(name)?.map_or(Look::Nothing, |meta| Look::File(meta.size)))
    }

    fn look_at_all(&self, names: &[&str]) -> Result<Vec<Look>> {
        let there: BTreeMap<String, u64> = self.everything()?.into_iter().collect();
        Ok(names.iter().map(|name| there.get(*name).map_or(Look::Nothing, |bytes| Look::File(*bytes))).collect())
    }

    fn read_from(&self, name: &str, at: u64) -> Result<Box<dyn Bytes>> {
        let path = self.path.join(name);
        let head = GetOptions { head: true, ..GetOptions::default() };
        let key = self.key(name)?;
        let meta = self.client.ask("read", &path, self.client.store.get_opts(&key, head))?.meta;
        Ok(Box::new(Reader::new(Arc::clone(&self.client), key, path, &meta, at)))
    }

    fn folder(&self, name: &str) -> Result<Box<dyn Files>> {
        Ok(Box::new(self.inside(name)?))
    }

    fn parent(&self) -> Result<Box<dyn Files>> {
        let key = self.key.parent().unwrap_or(Key::ROOT);
        let path = self.path.parent().unwrap_or(&self.path).to_owned();
        Ok(Box::new(Prefix { client: Arc::clone(&self.client), key, path }))
    }

    fn write_over(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.put(name, bytes, false).map(|_| ())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.delete(name)
    }

    fn share(&self) -> Result<Option<Lock>> {
        // An object store has no locks: a backup that is pruned while it is read is missed, which is said.
        Ok(None)
    }

    fn tidy(&self) -> Result<Option<Hold>> {
        Ok(None)
    }

    fn discard(&self, name: &str) -> Result<()> {
        let backup = self.inside(name)?;
        // From here on it is an upload that was not finished, whatever happens.
        let manifest = match unfinished_in(&backup)? {
            Some(manifest) => manifest,
            None => {
                let (manifest, bytes) = read_manifest(&backup, manifest::NAME)?;
                backup.put(UNDER_WAY, &bytes, false)?;
                manifest
            }
        };
        let files = manifest.files.iter().map(|file| &*file.stored);
        for file in [manifest::SUMS, manifest::NAME].into_iter().chain(files) {
            backup.delete(file)?;
        }
        forget(self, name)?;
        backup.delete(UNDER_WAY)
    }
}
