//! Reading a part of a backup that is chosen anew each time: for a daily run, where reading all takes too long. What is
//! found damaged is damaged; of what was not read nothing is known.

use std::io::{self, Read};

use papyra_core::crc32::Crc32;
use papyra_core::manifest::{Compression, StoredFile};
use serde::Serialize;

use super::Backup;
use super::read_back::{Damage, read_back};
use crate::error::{Code, Error, Result};
use crate::reading::ScanOptions;

/// A file that could not be read.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Unread {
    /// The stored file.
    pub file: String,
    /// Why.
    pub why: String,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Sampled {
    /// Stored bytes that were read.
    pub(super) bytes: u64,
    pub(super) damage: Vec<Damage>,
    pub(super) unread: Vec<Unread>,
    /// Why the first of them could not be read.
    pub(super) error: Option<Error>,
}

/// What is read in one go: a stretch of a file that is stored as it is, or all of one that is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Piece {
    file: usize,
    stretch: Option<usize>,
    bytes: u64,
}

/// Reads at least that share of the files that `is_meant`, from 0 to 1, and holds it against the manifest.
pub(super) fn sample(
    backup: &Backup,
    share: f64,
    is_meant: impl Fn(&StoredFile) -> bool,
    scanning: ScanOptions<'_>,
) -> Result<Sampled> {
    let files = &backup.manifest.files;
    let mut sampled = Sampled::default();
    for Piece { file, stretch, bytes } in chosen(pieces(files, is_meant), share, &mut random)? {
        let file = &files[file];
        let is_known = |name: &String| *name == file.stored;
        if sampled.unread.iter().any(|unread| is_known(&unread.file))
            || sampled.damage.iter().any(|damage| is_known(&damage.file))
        {
            continue;
        }
        let read = match stretch {
            Some(stretch) => damage_in(backup, file, stretch),
            None => read_back(backup, file, None, scanning).map(|read| read.damage),
        };
        match read {
            Ok(damage) => {
                sampled.bytes += bytes;
                sampled.damage.extend(damage);
            }
            Err(error) if error.code == Code::Unavailable => return Err(error),
            Err(error) => {
                sampled.unread.push(Unread { file: file.stored.clone(), why: error.to_string() });
                sampled.error.get_or_insert(error);
            }
        }
        (scanning.progress)(sampled.bytes);
    }
    Ok(sampled)
}

fn pieces(files: &[StoredFile], is_meant: impl Fn(&StoredFile) -> bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (at, file) in files.iter().enumerate().filter(|(_, file)| is_meant(file)) {
        if file.compression != Compression::None {
            pieces.push(Piece { file: at, stretch: None, bytes: file.stored_bytes });
            continue;
        }
        let of_file = (0..file.blocks.crc32.len() / 8).map(|stretch| {
            let (_, bytes) = range(file, stretch);
            Piece { file: at, stretch: Some(stretch), bytes }
        });
        pieces.extend(of_file);
    }
    pieces
}

/// Where a stretch begins, and how long it is, in bytes.
fn range(file: &StoredFile, stretch: usize) -> (u64, u64) {
    let at = stretch as u64 * file.blocks.bytes;
    (at, file.blocks.bytes.min(file.bytes.saturating_sub(at)))
}

/// So many pieces that they hold at least that share of all bytes, in the order in which they lie; one at least.
fn chosen(mut pieces: Vec<Piece>, share: f64, random: &mut dyn FnMut(usize) -> Result<usize>) -> Result<Vec<Piece>> {
    let all: u64 = pieces.iter().map(|piece| piece.bytes).sum();
    let (mut bytes, mut count) = (0, 0);
    while count < pieces.len() && (count == 0 || (bytes as f64) < share * all as f64) {
        let other = count + random(pieces.len() - count)?;
        pieces.swap(count, other);
        bytes += pieces[count].bytes;
        count += 1;
    }
    pieces.truncate(count);
    pieces.sort_unstable();
    Ok(pieces)
}

/// A number below `below`, each as likely as the others as far as it matters.
fn random(below: usize) -> Result<usize> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())
        .map_err(|error| Error::new(Code::Io, format!("the system gives no random numbers: {error}")))?;
    Ok((u64::from_le_bytes(bytes) % below.max(1) as u64) as usize)
}

/// What is wrong with a stretch. One that differs is read once more before it is called damaged.
fn damage_in(backup: &Backup, file: &StoredFile, stretch: usize) -> Result<Option<Damage>> {
    if read_stretch(backup, file, stretch)?.is_none() {
        return Ok(None);
    }
    let (offset, length) = range(file, stretch);
    Ok(read_stretch(backup, file, stretch)?.map(|detail| Damage {
        file: file.stored.clone(),
        offset: Some(offset),
        length: Some(length),
        detail,
        recovery: "a full verification tells what else is damaged and what can be brought back".into(),
    }))
}

fn read_stretch(backup: &Backup, file: &StoredFile, stretch: usize) -> Result<Option<String>> {
    let (offset, length) = range(file, stretch);
    let mut opened = backup.files.read_from(&file.stored, offset)?;
    let (mut crc, mut done, mut buffer) = (Crc32::default(), 0, vec![0; 1 << 16]);
    while done < length {
        let width = buffer.len().min(usize::try_from(length - done).unwrap_or(usize::MAX));
        match opened.read(&mut buffer[..width]) {
            Ok(0) => break,
            Ok(read) => {
                crc.update(&buffer[..read]);
                done += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(opened.failed(&backup.files.join(&file.stored), offset + done, &error)),
        }
    }
    if let Some(why) = opened.damage() {
        return Ok(Some(why));
    }
    if done < length {
        return Ok(Some(format!("it ends at byte {}", offset + done)));
    }
    Ok((file.blocks.get(stretch) != Some(crc.value())).then(|| "its bytes are not those that were written".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(file: usize, bytes: u64) -> Piece {
        Piece { file, stretch: None, bytes }
    }

    #[test]
    fn at_least_the_share_is_chosen_each_piece_once_and_every_piece_some_day() {
        let all: Vec<Piece> = (0..100).map(|file| piece(file, 1 + file as u64 % 7)).collect();
        let total: u64 = all.iter().map(|piece| piece.bytes).sum();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..1000 {
            let some = chosen(all.clone(), 0.05, &mut random).expect("random numbers");
            let bytes: u64 = some.iter().map(|piece| piece.bytes).sum();
            assert!((0.05..0.08).contains(&(bytes as f64 / total as f64)), "{bytes} of {total}");
            assert!(some.windows(2).all(|pair| pair[0] < pair[1]), "{some:?}");
            seen.extend(some.iter().map(|piece| piece.file));
        }
        assert_eq!(seen.len(), 100);
        assert_eq!(chosen(all.clone(), 1.0, &mut random).expect("random numbers"), all);
        // However small the share, something is read.
        assert_eq!(chosen(all, 1e-9, &mut random).expect("random numbers").len(), 1);
        assert_eq!(chosen(Vec::new(), 0.5, &mut random).expect("random numbers"), []);
        assert_eq!(chosen(vec![piece(0, 0)], 0.5, &mut random).expect("random numbers").len(), 1);
    }
}
