//! Archives of files for JavaScript: what is in them, in order, and the bytes of what is packed.

use papyra_core::escape::escape;
use papyra_core::unpack::{Container, Member, Members, Visit};
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::text;

/// An archive on its way through.
#[wasm_bindgen]
pub struct Archive {
    members: Option<Members>,
    seen: Seen,
}

/// What was seen and not taken yet.
#[derive(Default)]
struct Seen {
    told: Vec<Told>,
    bytes: Vec<u8>,
    /// The file under way lies in the archive as it is: its bytes are there to be had.
    is_there: bool,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    Begin { begin: String, place: Option<(u64, u64)> },
    Bytes { bytes: usize },
    End { end: bool },
    Other { other: String, what: &'static str },
}

impl Visit for Seen {
    fn begin(&mut self, member: Member) {
        self.is_there = member.place.is_some();
        let place = member.place.map(|place| (place.start, place.end));
        self.told.push(Told::Begin { begin: member.path, place });
    }

    fn bytes(&mut self, bytes: &[u8]) {
        if self.is_there {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        match self.told.last_mut() {
            Some(Told::Bytes { bytes: before }) => *before += bytes.len(),
            _ => self.told.push(Told::Bytes { bytes: bytes.len() }),
        }
    }

    fn end(&mut self, intact: bool) {
        self.told.push(Told::End { end: intact });
    }

    fn other(&mut self, path: &str, what: &'static str) {
        self.told.push(Told::Other { other: path.to_owned(), what });
    }
}

#[wasm_bindgen]
impl Archive {
    /// For an archive with these first bytes; they are to be pushed too.
    #[wasm_bindgen(constructor)]
    pub fn new(head: &[u8]) -> Archive {
        Archive { members: Container::at(head).map(Members::new), seen: Seen::default() }
    }

    /// The next bytes. `false`: nothing more is to be had.
    pub fn push(&mut self, bytes: &[u8]) -> bool {
        let Archive { members, seen } = self;
        members.as_mut().is_some_and(|members| members.push(bytes, seen))
    }

    /// What was seen since the last time, in order, as JSON.
    pub fn take_seen(&mut self) -> String {
        text(&std::mem::take(&mut self.seen.told))
    }

    /// The bytes that this tells of, one after the other.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.seen.bytes)
    }

    /// The archive is over. A text says why it could not be read completely.
    pub fn finish(&mut self) -> Option<String> {
        let ended = self.members.take()?.finish(&mut self.seen);
        ended.err().map(|fault| escape(fault.to_string().as_bytes()))
    }
}
