//! An object's bytes, one stretch after the other; the next is on its way while one is being read.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta, ObjectStore};
use tokio::task::JoinHandle;

use super::client::Client;
use super::fault::fault;
use crate::backup::files::Bytes;
use crate::error::{Code, Error, show};

/// Bytes to ask for at a time; two such stretches are in memory.
const STRETCH: u64 = 8 << 20;

type Answer = object_store::Result<Vec<u8>>;

/// An object under reading.
pub(super) struct Reader {
    client: Arc<Client>,
    location: Path,
    called: PathBuf,
    size: u64,
    e_tag: Option<String>,
    /// Where the next stretch begins.
    asked: u64,
    begun: bool,
    /// The stretch that was asked for last, and its size.
    coming: Option<(JoinHandle<Answer>, u64)>,
    stretch: Vec<u8>,
    read: usize,
    failure: Option<Error>,
}

impl Reader {
    /// Begins to read an object at byte `at`; it must stay the one that `meta` is about.
    pub(super) fn new(client: Arc<Client>, location: Path, called: PathBuf, meta: &ObjectMeta, at: u64) -> Reader {
        Reader {
            client,
            location,
            called,
            size: meta.size,
            e_tag: meta.e_tag.clone(),
            asked: at.min(meta.size),
            begun: false,
            coming: None,
            stretch: Vec::new(),
            read: 0,
            failure: None,
        }
    }

    /// Asks for the next stretch, if there is one.
    fn ask(&mut self) {
        if self.asked == self.size {
            return;
        }
        let range = self.asked..self.size.min(self.asked + STRETCH);
        let width = range.end - range.start;
        self.asked = range.end;
        let options = GetOptions { range: Some(range.into()), if_match: self.e_tag.clone(), ..GetOptions::default() };
        // The task may outlive this reader, and must not be the last to hold the connection.
        let (store, location) = (self.client.store.clone(), self.location.clone());
        let request = async move {
            let answer = store.get_opts(&location, options).await?;
            Ok(answer.bytes().await?.to_vec())
        };
        self.coming = Some((self.client.begin(request), width));
    }

    fn next(&mut self) -> Result<bool, Error> {
        if !std::mem::replace(&mut self.begun, true) {
            self.ask();
        }
        let Some((coming, expected)) = self.coming.take() else { return Ok(false) };
        let stopped = |_| Error::new(Code::Io, format!("reading {} was stopped", show(&self.called)));
        let answer = self.client.wait(coming).map_err(stopped)?;
        self.stretch = answer.map_err(|failure| fault("read", &show(&self.called), &failure))?;
        self.read = 0;
        if self.stretch.len() as u64 != expected {
            let text = format!("{} came in part only: try again", show(&self.called));
            return Err(Error::new(Code::Unavailable, text));
        }
        self.ask();
        Ok(true)
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.stretch.len() {
            match self.next() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    let told = io::Error::other(error.to_string());
                    self.failure = Some(error);
                    return Err(told);
                }
            }
        }
        let width = buffer.len().min(self.stretch.len() - self.read);
        buffer[..width].copy_from_slice(&self.stretch[self.read..self.read + width]);
        self.read += width;
        Ok(width)
    }
}

impl Bytes for Reader {
    fn failure(&mut self) -> Option<Error> {
        self.failure.take()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some((coming, _)) = &self.coming {
            coming.abort();
        }
    }
}
