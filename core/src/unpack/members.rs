//! The files in an archive, one after the other as its bytes go by: tar, plain or packed, and zip by its local headers.
//!
//! Nothing is held but a header: a file's bytes are handed on as they come. Where a file lies in the archive as it is,
//! that is told too, so that whoever has the archive can look it up.

use super::member::{Fault, Visit};
use super::{Input, tar, zip};
use crate::archive::Format;

/// How many first bytes of a file [`Container::at`] can make use of: a packed one shows what is in it after a block.
pub const PEEK: usize = 192 * 1024;

/// What holds files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    /// tar: POSIX ustar and pax, GNU, and old ones with a checksum.
    Tar,
    /// zip.
    Zip,
}

impl Container {
    /// The container that a file with these first bytes is, packed or not.
    pub fn at(head: &[u8]) -> Option<Container> {
        if Format::of(head).is_none() {
            return Container::of(head);
        }
        let mut plain = Vec::new();
        let mut input = Input::default();
        // One block of tar is enough, and unpacking a head costs little.
        input.push(&head[..head.len().min(PEEK)], &mut |bytes, _| {
            plain.extend_from_slice(&bytes[..bytes.len().min(tar::BLOCK)]);
        });
        plain.truncate(tar::BLOCK);
        Container::of(&plain).filter(|container| *container == Container::Tar)
    }

    fn of(head: &[u8]) -> Option<Container> {
        if head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06") {
            return Some(Container::Zip);
        }
        let is_tar = head.get(257..262) == Some(b"ustar") || head.first_chunk().is_some_and(tar::is_header);
        is_tar.then_some(Container::Tar)
    }

    /// The container's name.
    pub fn name(self) -> &'static str {
        match self {
            Container::Tar => "tar",
            Container::Zip => "zip",
        }
    }
}

/// Reads an archive that comes in portions.
pub struct Members {
    input: Input,
    reader: Reader,
    fault: Option<Fault>,
}

enum Reader {
    Tar(tar::Tar),
    Zip(Box<zip::Zip>),
}

impl Members {
    /// For an archive of this kind, packed or not.
    pub fn new(container: Container) -> Members {
        let reader = match container {
            Container::Tar => Reader::Tar(tar::Tar::default()),
            Container::Zip => Reader::Zip(Box::default()),
        };
        Members { input: Input::default(), reader, fault: None }
    }

    /// Takes the next bytes of the archive. `false`: nothing more is to be had from it, see [`Members::finish`].
    pub fn push(&mut self, bytes: &[u8], visit: &mut impl Visit) -> bool {
        let Members { input, reader, fault } = self;
        input.push(bytes, &mut |plain, packed_at| {
            if fault.is_none() {
                *fault = reader.push(plain, packed_at.is_some(), visit).err();
            }
        });
        self.fault.is_none() && self.input.failed().is_none()
    }

    /// The archive is over.
    ///
    /// # Errors
    /// Its files could not be told to its end: the last one may be there in part.
    pub fn finish(mut self, visit: &mut impl Visit) -> Result<(), Fault> {
        let Members { input, reader, fault } = &mut self;
        input.finish(&mut |plain, packed_at| {
            if fault.is_none() {
                *fault = reader.push(plain, packed_at.is_some(), visit).err();
            }
        });
        let ended = match (*fault, input.failed()) {
            (Some(fault), _) => Err(fault),
            (None, Some(broken)) => Err(Fault::Packed(broken)),
            (None, None) => Ok(()),
        };
        let whole = match &mut self.reader {
            Reader::Tar(tar) => tar.finish(visit),
            Reader::Zip(zip) => zip.finish(visit),
        };
        ended.and(whole)
    }
}

impl Reader {
    fn push(&mut self, bytes: &[u8], is_packed: bool, visit: &mut impl Visit) -> Result<(), Fault> {
        match self {
            Reader::Tar(tar) => tar.push(bytes, is_packed, visit),
            Reader::Zip(zip) => zip.push(bytes, visit),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::member::Member;
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;
    use std::ops::Range;

    /// Keeps what it is told.
    #[derive(Default, Debug, PartialEq)]
    pub(in crate::unpack) struct Kept {
        pub(in crate::unpack) files: Vec<(String, Vec<u8>, bool)>,
        pub(in crate::unpack) others: Vec<(String, &'static str)>,
        places: Vec<Option<Range<u64>>>,
    }

    impl Visit for Kept {
        fn begin(&mut self, member: Member) {
            self.files.push((member.path, Vec::new(), false));
            self.places.push(member.place);
        }

        fn bytes(&mut self, bytes: &[u8]) {
            self.files.last_mut().expect("a file has begun").1.extend_from_slice(bytes);
        }

        fn end(&mut self, intact: bool) {
            self.files.last_mut().expect("a file has begun").2 = intact;
        }

        fn other(&mut self, path: &str, what: &'static str) {
            self.others.push((path.to_owned(), what));
        }
    }

    fn run(archive: &[u8], step: usize) -> (Kept, Result<(), Fault>) {
        let mut kept = Kept::default();
        let Some(container) = Container::at(archive) else { return (kept, Err(Fault::Damaged(0))) };
        let mut members = Members::new(container);
        _ = archive.chunks(step).all(|chunk| members.push(chunk, &mut kept));
        let ended = members.finish(&mut kept);
        (kept, ended)
    }

    fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = Vec::new();
        for (name, bytes) in files {
            archive.extend(tar::tests::header(name, bytes.len() as u64, b'0'));
            archive.extend_from_slice(bytes);
            archive.resize(archive.len().next_multiple_of(512), 0);
        }
        archive.resize(archive.len() + 1024, 0);
        archive
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn files() -> Vec<(&'static str, Vec<u8>)> {
        vec![
            ("logs/events.ndjson", b"{\"kind\": \"event\"}\n".repeat(400)),
            ("./empty", Vec::new()),
            ("logs/zo\u{eb}.log", vec![b'x'; 512]),
        ]
    }

    #[test]
    fn archives_of_all_kinds_give_the_same_files_in_any_portions() {
        let files = files();
        let given: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
        let plain = tar(&given);
        let archives =
            [gzip(&plain), zstd(&plain), plain, zip::tests::archive(&given, true), zip::tests::archive(&given, false)];
        for (at, archive) in archives.iter().enumerate() {
            for step in [1, 7, 500, usize::MAX] {
                let (kept, ended) = run(archive, step);
                assert_eq!(ended, Ok(()), "archive {at}, step {step}");
                let expected = files.iter().map(|(name, bytes)| (name.trim_start_matches("./"), bytes, true));
                let seen = kept.files.iter().map(|(name, bytes, intact)| (&**name, bytes, *intact));
                assert!(seen.eq(expected), "archive {at}, step {step}");
                for (place, (name, bytes, _)) in kept.places.iter().zip(&kept.files) {
                    let Some(place) = place else { continue };
                    assert!(archive[place.start as usize..place.end as usize] == bytes[..], "{name}");
                }
            }
        }
    }

    #[test]
    fn a_cut_archive_gives_what_it_has_and_says_so() {
        let files = files();
        let given: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
        let plain = tar(&given);
        for archive in [gzip(&plain), zstd(&plain), plain, zip::tests::archive(&given, true)] {
            for cut in (archive.len() / 8..archive.len() - 30).step_by(37) {
                let (kept, ended) = run(&archive[..cut], 100);
                assert!(ended.is_err() || kept.files.len() == files.len(), "{cut} of {}", archive.len());
                for ((_, seen, _), (_, whole)) in kept.files.iter().zip(&files) {
                    assert!(whole.starts_with(seen));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_or_hang(change in any::<u8>(), at in 0_usize..6000, cut in 0_usize..6000, which in 0..2) {
            let files = files();
            let given: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
            let mut archive = if which == 0 { tar(&given) } else { zip::tests::archive(&given, true) };
            let at = at % archive.len();
            archive[at] ^= change;
            archive.truncate(archive.len() - cut % archive.len());
            let ((whole, ended), (parts, same)) = (run(&archive, usize::MAX), run(&archive, 13));
            prop_assert_eq!(ended, same);
            prop_assert_eq!(whole.files.len(), parts.files.len());
            // Of a stream that breaks off, small portions bring out more of the last bytes.
            for ((name, bytes, intact), (same, more, also)) in whole.files.iter().zip(&parts.files) {
                prop_assert!((name, intact) == (same, also) && more.starts_with(bytes));
            }
        }
    }
}
