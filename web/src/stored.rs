//! A file of a backup on its way through: hashed as it is stored, unpacked, hashed as it was, and handed on to be
//! scanned. What follows from it is core's to say.

use papyra_core::archive::{Broken, Format};
use papyra_core::digest::Hashes;
use papyra_core::escape::escape;
use papyra_core::manifest::{Compression, Content, Manifest, StoredFile};
use papyra_core::redis::Lines;
use papyra_core::redis::look::{Look, Streams};
use papyra_core::scan::Scanner;
use papyra_core::summary::Summary;
use papyra_core::unpack::{Decoder, Input};
use papyra_core::verification::{Damage, ReadBack, streams};

use crate::watch::Piece;

pub(crate) struct Stored {
    /// Of the stored bytes, where they are not the content.
    hashes: Option<Hashes>,
    bytes: u64,
    decoder: Decoder,
    failed: Option<Broken>,
    inside: Inside,
}

/// The content: the file as it was when it was copied.
struct Inside {
    content: Content,
    hashes: Hashes,
    bytes: u64,
    /// One byte more than there may be: that it came shows that there are more.
    most: u64,
    archive: Input,
    /// Of a file that holds streams.
    look: Option<Look>,
}

impl Stored {
    pub(crate) fn new(manifest: &Manifest, file: &StoredFile) -> Stored {
        let payload = streams::payload(manifest, file);
        let format = match file.compression {
            Compression::None => None,
            Compression::Gzip => Some(Format::Gzip),
            Compression::Zstd => Some(Format::Zstd),
        };
        Stored {
            hashes: format.map(|_| Hashes::new(file.blocks.bytes)),
            bytes: 0,
            decoder: Decoder::of(format),
            failed: None,
            inside: Inside {
                content: file.content,
                hashes: Hashes::new(file.blocks.bytes),
                bytes: 0,
                most: file.bytes.saturating_add(1),
                archive: Input::default(),
                look: payload.map(|payload| {
                    let mut look = Look::new(payload, &file.path, Scanner::MAX_FINDINGS);
                    look.keep_lines();
                    look
                }),
            },
        }
    }

    /// Hands on the lines in the next stored bytes, with the place in the stored file unless it is the lines themselves.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        self.bytes += bytes.len() as u64;
        if let Some(hashes) = &mut self.hashes {
            hashes.feed(bytes);
        }
        if self.failed.is_none() && !self.inside.is_full() {
            let (place, inside) = (self.place(), &mut self.inside);
            self.failed = self.decoder.push(bytes, &mut |plain| inside.take(plain, place, out)).err();
        }
    }

    pub(crate) fn finish(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        if self.failed.is_none() && !self.inside.is_full() {
            let (place, inside) = (self.place(), &mut self.inside);
            self.failed = self.decoder.finish(&mut |plain| inside.take(plain, place, out)).err();
        }
        if self.inside.content == Content::Archive {
            self.inside.archive.finish(&mut |plain, packed_at| out(Piece { plain, packed_at, times: &[] }));
        }
    }

    /// Whether its lines are records of streams.
    pub(crate) fn is_listing(&self) -> bool {
        self.inside.look.is_some()
    }

    fn place(&self) -> Option<u64> {
        (self.decoder.format().is_some() || self.is_listing()).then_some(self.bytes)
    }

    /// How many stored bytes were taken; `None` when the lines are not packed.
    pub(crate) fn packed_at(&self) -> Option<u64> {
        let packed = self.decoder.format().is_some() || self.inside.content == Content::Archive;
        packed.then_some(self.bytes)
    }

    /// Whether a packed log in it could not be unpacked to its end.
    fn is_cut_short(&self) -> bool {
        self.inside.content == Content::Archive && self.inside.archive.failed().is_some()
    }

    /// What is wrong with the file, now that all of it was read and its lines were scanned; and the streams in it.
    pub(crate) fn judge(
        mut self,
        manifest: &Manifest,
        file: &StoredFile,
        summary: Option<&Summary>,
    ) -> (Option<Damage>, Option<Streams>) {
        let cut_short = self.is_cut_short();
        let mut failed = self.failed.as_ref().map(ToString::to_string);
        let holds_streams = self.inside.look.is_some();
        // Of what could not be unpacked to its end no stream is told.
        let look = self.inside.look.take().filter(|_| failed.is_none());
        let seen = look.and_then(|look| match look.finish() {
            Ok(seen) => Some(seen),
            Err(error) => {
                let (path, why) = (escape(file.path.as_bytes()), escape(error.to_string().as_bytes()));
                failed = Some(format!("cannot read {path}: {why}; {}", error.kind().advice()));
                None
            }
        });
        let (sha256, blocks) = self.inside.hashes.finish();
        let read = ReadBack {
            stored_bytes: self.bytes,
            stored_sha256: self.hashes.map_or_else(|| sha256.clone(), |hashes| hashes.finish().0),
            bytes: self.inside.bytes,
            sha256,
            blocks,
            failed,
            summary,
            cut_short,
        };
        let damage = read.damage(manifest, file);
        if !holds_streams {
            return (damage, None);
        }
        (streams::judge(manifest, file, damage, seen.as_ref(), false), seen)
    }
}

impl Inside {
    fn is_full(&self) -> bool {
        self.bytes == self.most
    }

    fn take(&mut self, plain: &[u8], place: Option<u64>, out: &mut impl FnMut(Piece<'_>)) {
        let room = usize::try_from(self.most - self.bytes).unwrap_or(usize::MAX);
        let plain = &plain[..plain.len().min(room)];
        self.bytes += plain.len() as u64;
        self.hashes.feed(plain);
        match self.content {
            Content::Log => out(Piece { plain, packed_at: place, times: &[] }),
            Content::Archive => {
                self.archive.push(plain, &mut |plain, packed_at| out(Piece { plain, packed_at, times: &[] }));
            }
            _ => {
                if let Some(look) = &mut self.look {
                    look.push(plain);
                    let Lines { text, times } = look.take_lines();
                    out(Piece { plain: &text, packed_at: place, times: &times });
                }
            }
        }
    }
}
