//! A stored file of a backup on its way through, bytes in, facts out: hashed as it is stored, unpacked, hashed as it
//! was, looked into, and judged by what the manifest says of it.
//!
//! Reading the file and scanning its lines are for whoever has them. Who unpacks and hashes on threads of his own has
//! the [`Inside`] alone look into the content.

use super::damage::Damage;
use super::inside::{Inside, Piece};
use super::read_back::ReadBack;
use super::streams;
use crate::archive::{Broken, Format};
use crate::digest::Hashes;
use crate::manifest::{Compression, Content, Manifest, StoredFile};
use crate::redis::stored_streams::Streams;
use crate::scan::Scanner;
use crate::summary::Summary;
use crate::unpack::Decoder;

/// A stored file on its way through.
pub struct Stored {
    /// Of the stored bytes, where they are not the content.
    hashes: Option<Hashes>,
    bytes: u64,
    decoder: Decoder,
    failed: Option<Broken>,
    content: Content,
    plain: Plain,
}

/// The content: the file as it was when it was copied.
struct Plain {
    hashes: Hashes,
    bytes: u64,
    /// One byte more than there may be: that it came shows that there are more.
    most: u64,
    inside: Inside,
}

/// The format in which a file is stored.
pub fn format(compression: Compression) -> Option<Format> {
    match compression {
        Compression::None => None,
        Compression::Gzip => Some(Format::Gzip),
        Compression::Zstd => Some(Format::Zstd),
    }
}

impl Stored {
    /// For a file of this manifest.
    pub fn new(manifest: &Manifest, file: &StoredFile) -> Stored {
        let payload = streams::payload(manifest, file);
        let format = format(file.compression);
        let mut inside = Inside::new(file.content, payload, &file.path, Scanner::MAX_FINDINGS);
        inside.keep_lines();
        Stored {
            hashes: format.map(|_| Hashes::new(file.blocks.bytes)),
            bytes: 0,
            decoder: Decoder::of(format),
            failed: None,
            content: file.content,
            plain: Plain {
                hashes: Hashes::new(file.blocks.bytes),
                bytes: 0,
                most: file.bytes.saturating_add(1),
                inside,
            },
        }
    }

    /// Hands on the lines in the next stored bytes, with the place in the stored file unless it is the lines
    /// themselves.
    pub fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        self.bytes += bytes.len() as u64;
        if let Some(hashes) = &mut self.hashes {
            hashes.feed(bytes);
        }
        if self.failed.is_none() && !self.plain.is_full() {
            let (place, plain) = (self.place(), &mut self.plain);
            self.failed = self.decoder.push(bytes, &mut |bytes| plain.take(bytes, place, out)).err();
        }
    }

    /// The stored file is over: hands on what is left.
    pub fn finish(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        if self.failed.is_none() && !self.plain.is_full() {
            let (place, plain) = (self.place(), &mut self.plain);
            self.failed = self.decoder.finish(&mut |bytes| plain.take(bytes, place, out)).err();
        }
        self.plain.inside.finish(out);
    }

    /// Whether its lines are records of streams.
    pub fn is_listing(&self) -> bool {
        self.plain.inside.is_listing()
    }

    fn place(&self) -> Option<u64> {
        (self.decoder.format().is_some() || self.is_listing()).then_some(self.bytes)
    }

    /// How many stored bytes were taken; `None` when the lines are not packed.
    pub fn packed_at(&self) -> Option<u64> {
        let packed = self.decoder.format().is_some() || self.content == Content::Archive;
        packed.then_some(self.bytes)
    }

    /// What is wrong with the file, now that all of it was read and its lines were scanned; and the streams in it.
    pub fn judge(
        self,
        manifest: &Manifest,
        file: &StoredFile,
        summary: Option<&Summary>,
    ) -> (Option<Damage>, Option<Streams>) {
        let (sha256, blocks) = self.plain.hashes.finish();
        let read = ReadBack {
            stored_bytes: self.bytes,
            stored_sha256: self.hashes.map_or_else(|| sha256.clone(), |hashes| hashes.finish().0),
            bytes: self.plain.bytes,
            sha256,
            blocks,
            failed: self.failed.as_ref().map(ToString::to_string),
            summary,
        };
        read.judge(manifest, file, self.plain.inside.seen(), false)
    }
}

impl Plain {
    fn is_full(&self) -> bool {
        self.bytes == self.most
    }

    fn take(&mut self, plain: &[u8], place: Option<u64>, out: &mut impl FnMut(Piece<'_>)) {
        let room = usize::try_from(self.most - self.bytes).unwrap_or(usize::MAX);
        let plain = &plain[..plain.len().min(room)];
        self.bytes += plain.len() as u64;
        self.hashes.feed(plain);
        self.inside.push(plain, place, out);
    }
}
