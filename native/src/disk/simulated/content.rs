//! A file's bytes, where they have holes, and what of them a power cut may leave.

use super::chance::Chance;

/// Bytes and holes. A hole reads as NUL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    size: u64,
    /// Up to the end of the last block that holds data, or less.
    bytes: Vec<u8>,
    /// Which blocks hold data.
    blocks: Vec<bool>,
}

/// What was done to a file since it was last synced.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Write { offset: u64, bytes: Box<[u8]> },
    Truncate(u64),
}

/// How much of a file a test may really hold.
const MOST: u64 = 64 << 20;

impl Content {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn allocated(&self, block: u64) -> u64 {
        self.blocks.iter().filter(|data| **data).count() as u64 * block
    }

    /// Blocks that a write there would take.
    pub(crate) fn new_blocks(&self, offset: u64, length: u64, block: u64) -> u64 {
        let blocks = offset / block..(offset + length).div_ceil(block);
        blocks.filter(|at| !self.blocks.get(*at as usize).is_some_and(|data| *data)).count() as u64
    }

    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let length = (buffer.len() as u64).min(self.size.saturating_sub(offset)) as usize;
        let from = (offset.min(self.bytes.len() as u64)) as usize;
        let data = &self.bytes[from..self.bytes.len().min(from + length)];
        buffer[..data.len()].copy_from_slice(data);
        buffer[data.len()..length].fill(0);
        length
    }

    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8], block: u64) {
        let end = offset + bytes.len() as u64;
        assert!(end <= MOST, "a simulated file of {end} bytes");
        if bytes.is_empty() {
            return;
        }
        if self.bytes.len() < end as usize {
            self.bytes.resize(end as usize, 0);
        }
        self.bytes[offset as usize..end as usize].copy_from_slice(bytes);
        let (first, last) = ((offset / block) as usize, end.div_ceil(block) as usize);
        if self.blocks.len() < last {
            self.blocks.resize(last, false);
        }
        self.blocks[first..last].fill(true);
        self.size = self.size.max(end);
    }

    pub(crate) fn truncate(&mut self, size: u64, block: u64) {
        if size < self.size {
            self.bytes.truncate(size as usize);
            self.blocks.truncate(size.div_ceil(block) as usize);
        }
        self.size = size;
    }

    fn is_data(&self, block: u64) -> bool {
        self.blocks.get(block as usize).is_some_and(|data| *data)
    }

    pub(crate) fn next_data(&self, offset: u64, block: u64) -> Option<u64> {
        if offset >= self.size {
            return None;
        }
        let last = self.blocks.len() as u64;
        let found = (offset / block..last).find(|at| self.is_data(*at))?;
        Some(offset.max(found * block))
    }

    /// All of it, holes as NULs.
    pub(crate) fn to_vec(&self) -> Vec<u8> {
        assert!(self.size <= MOST, "a simulated file of {} bytes", self.size);
        let mut all = self.bytes.clone();
        all.resize(self.size as usize, 0);
        all
    }

    /// The bytes up to the end of the data; what is missing to the size reads as NUL.
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn apply(&mut self, change: &Change, block: u64) {
        match change {
            Change::Write { offset, bytes } => self.write(*offset, bytes, block),
            Change::Truncate(size) => self.truncate(*size, block),
        }
    }
}

/// What a power cut leaves of `synced` and the changes since.
pub(crate) fn after_power_cut(synced: &Content, since: &[Change], block: u64, chance: &mut Chance) -> Content {
    if since.is_empty() {
        return synced.clone();
    }
    // The simplest choice comes first: everything was just written.
    match chance.pick(4) {
        0 => replay(synced, since, block),
        1 | 2 => {
            let kept = since.len() - chance.pick(since.len() + 1);
            let mut content = replay(synced, &since[..kept], block);
            // Of a write, a part.
            if let Some(Change::Write { offset, bytes }) = since.get(kept) {
                content.write(*offset, &bytes[..chance.pick(bytes.len() + 1)], block);
            }
            content
        }
        _ => by_page(synced, since, block, [512, 64, 8, 4096][chance.pick(4)], chance),
    }
}

fn replay(synced: &Content, since: &[Change], block: u64) -> Content {
    let mut content = synced.clone();
    for change in since {
        content.apply(change, block);
    }
    content
}

/// Each page as it was at some time since the sync, and the size at another: where the size is newer, NULs.
fn by_page(synced: &Content, since: &[Change], block: u64, page: usize, chance: &mut Chance) -> Content {
    let sized = replay(synced, &since[..since.len() - chance.pick(since.len() + 1)], block);
    let mut left = Content::default();
    left.truncate(sized.size, block);
    let mut at = 0;
    while at < sized.size {
        let of = replay(synced, &since[..since.len() - chance.pick(since.len() + 1)], block);
        let end = (at + page as u64).min(sized.size).min(of.size);
        if at < end {
            let mut bytes = vec![0; (end - at) as usize];
            of.read(&mut bytes, at);
            if of.next_data(at, block).is_some_and(|data| data < end) {
                left.write(at, &bytes, block);
            }
        }
        at += page as u64;
    }
    left
}
