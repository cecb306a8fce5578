//! A repository's files under a prefix of a bucket. An object is there whole or not at all, and no object of a
//! repository is ever replaced by another: its name is what it holds.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path as Key;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};

use super::connection::Connection;
use super::fault::{fault, is_passing};
use crate::backup::location::Prefix;
use crate::backup::repository::{Site, Tops};
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};

/// An upload is handed over in pieces of so many bytes, so that it shows whether it moves.
const PIECE: usize = 64 << 10;

/// How often a change is made at most, and until when it is begun once more.
const TRIES: (u32, Duration) = (3, Duration::from_secs(120));

/// How many requests are under way at a time.
const WIDTH: usize = 16;

/// The largest file that is written so that it is new, in bytes.
const LARGEST_NEW: u64 = 1 << 20;

/// No listing is longer than this; one that is never ends.
const LONGEST: usize = 50_000_000;

/// A prefix of a bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    connection: Connection,
    location: Prefix,
}

impl Bucket {
    /// Makes ready; whether it can be reached shows with the first request.
    pub(super) fn at(location: Prefix) -> Result<Bucket> {
        Ok(Bucket { connection: Connection::to(&location)?, location })
    }

    fn key(&self, name: &str) -> Key {
        name.split('/').fold(self.location.key.clone(), |key, part| key.join(part))
    }

    fn fault(&self, what: &str, name: &str, failure: &object_store::Error) -> Error {
        let path = if name.is_empty() { self.location.path.clone() } else { self.location.path.join(name) };
        fault(what, &show(&path), failure)
    }

    /// Makes a change, once more when it was cut off: nobody does so below where an object must be new, or goes.
    fn change<T>(make: impl Fn() -> object_store::Result<T>) -> object_store::Result<T> {
        let (begun, mut tries) = (Instant::now(), 1);
        loop {
            match make() {
                Err(failure) if tries < TRIES.0 && begun.elapsed() < TRIES.1 && is_passing(&failure) => tries += 1,
                other => return other,
            }
        }
    }

    /// The bytes at a key, all or some; at most so many are taken.
    fn get(&self, key: &Key, range: Option<(u64, u64)>, most: u64) -> object_store::Result<Option<Vec<u8>>> {
        let options = GetOptions { range: range.map(|(from, to)| (from..to).into()), ..GetOptions::default() };
        self.connection.wait(async {
            let mut stream = self.connection.store.get_opts(key, options).await?.into_stream();
            let mut bytes = Vec::new();
            while let Some(piece) = stream.try_next().await? {
                bytes.extend_from_slice(&piece);
                if bytes.len() as u64 > most {
                    return Ok(None);
                }
            }
            Ok(Some(bytes))
        })
    }
}

impl Site for Bucket {
    fn path(&self) -> &Path {
        &self.location.path
    }

    fn tops(&self) -> Result<Tops> {
        let prefix = Some(&self.location.key).filter(|prefix| !prefix.is_root());
        let list = self.connection.wait(self.connection.store.list_with_delimiter(prefix));
        let list = list.map_err(|failure| self.fault("list", "", &failure))?;
        let name = |key: &Key| key.filename().map(str::to_owned);
        let folders: Vec<String> = list.common_prefixes.iter().filter_map(name).collect();
        let files = list.objects.iter().filter_map(|object| name(&object.location));
        let names: Vec<String> = files.chain(folders.iter().cloned()).collect();
        Ok(Tops {
            has_config: list.objects.iter().any(|object| name(&object.location).as_deref() == Some("config")),
            folders,
            names,
        })
    }

    fn files(&self, folder: &str) -> Result<Vec<(String, u64)>> {
        let key = self.key(folder);
        let skip = key.as_ref().len() + 1;
        let mut stream = self.connection.store.list(Some(&key));
        self.connection.wait(async {
            let (mut files, mut seen) = (Vec::new(), HashSet::new());
            while let Some(object) = stream.next().await {
                let object = object.map_err(|failure| self.fault("list", folder, &failure))?;
                let Some(name) = object.location.as_ref().get(skip..) else { continue };
                if !seen.insert(name.to_owned()) || files.len() > LONGEST {
                    let text = format!(
                        "cannot list {}: the object store lists the same names again and again",
                        show(&self.location.path.join(folder))
                    );
                    return Err(Error::new(Code::Unavailable, text));
                }
                files.push((name.to_owned(), object.size));
            }
            Ok(files)
        })
    }

    fn size(&self, name: &str) -> Result<Option<u64>> {
        match self.connection.wait(self.connection.store.head(&self.key(name))) {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(failure) => Err(self.fault("get the size of", name, &failure)),
        }
    }

    fn read(&self, name: &str, most: u64) -> Result<Vec<u8>> {
        let read = self.get(&self.key(name), None, most).map_err(|failure| self.fault("read", name, &failure))?;
        read.ok_or_else(|| {
            let text = format!("{} is larger than any file of its kind", show(&self.location.path.join(name)));
            Error::new(Code::Data, text)
        })
    }

    fn stretch(&self, name: &str, at: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let read = self.get(&self.key(name), Some((at, at + length)), length);
        match read {
            Ok(Some(bytes)) if bytes.len() as u64 == length => return Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            _ => {}
        }
        // It ends before, or came in part only.
        if self.size(name)?.is_none_or(|size| size < at + length) {
            return Ok(None);
        }
        match self.get(&self.key(name), Some((at, at + length)), length) {
            Ok(Some(bytes)) if bytes.len() as u64 == length => Ok(Some(bytes)),
            Err(failure) => Err(self.fault("read", name, &failure)),
            Ok(_) => {
                let text = format!("{} came in part only: try again", show(&self.location.path.join(name)));
                Err(Error::new(Code::Unavailable, text))
            }
        }
    }

    fn put(&self, name: &str, pieces: &[&[u8]]) -> Result<()> {
        let whole = Bytes::from(pieces.concat());
        let payload: PutPayload =
            (0..whole.len()).step_by(PIECE).map(|at| whole.slice(at..whole.len().min(at + PIECE))).collect();
        let key = self.key(name);
        let put = Bucket::change(|| self.connection.wait(self.connection.store.put(&key, payload.clone())));
        put.map(|_| ()).map_err(|failure| self.fault("write", name, &failure))
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> Result<bool> {
        let key = self.key(name);
        let put = || {
            let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
            self.connection.wait(self.connection.store.put_opts(&key, bytes.to_vec().into(), options))
        };
        match Bucket::change(put) {
            Ok(_) => Ok(true),
            // It may be ours: an answer was lost, and the request made once more.
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(self.read(name, LARGEST_NEW)? == bytes)
            }
            // Not every store that speaks S3 knows conditions.
            Err(object_store::Error::NotImplemented { .. }) => match self.size(name)? {
                Some(_) => Ok(false),
                None => self.put(name, &[bytes]).map(|()| true),
            },
            Err(failure) => Err(self.fault("write", name, &failure)),
        }
    }

    fn remove(&self, name: &str) -> Result<()> {
        let key = self.key(name);
        match Bucket::change(|| self.connection.wait(self.connection.store.delete(&key))) {
            // What is gone may have been removed by a request whose answer was lost.
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(failure) => Err(self.fault("remove", name, &failure)),
        }
    }

    fn width(&self) -> usize {
        WIDTH
    }

    fn folder(&self) -> Option<&Folder> {
        None
    }
}
