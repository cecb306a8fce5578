//! Prints the streams of an RDB file and how many entries each has: `cargo run --example read_dump -- dump.rdb`.

use std::error::Error;

use papyra_core::redis::{BackupFinding, Entry, Flow, Key, Limits, RdbReader, StreamFacts, Visitor};

#[derive(Default)]
struct Streams {
    entries: u64,
}

impl Visitor for Streams {
    fn entry(&mut self, _: &Key<'_>, _: &Entry<'_>) -> Flow {
        self.entries += 1;
        Flow::Continue(())
    }

    fn stream(&mut self, key: &Key<'_>, facts: &StreamFacts) -> Flow {
        let name = key.name.escape_ascii();
        println!("{name}: {} entries, the last ID is {}", std::mem::take(&mut self.entries), facts.last_id);
        Flow::Continue(())
    }

    fn finding(&mut self, finding: BackupFinding) -> Flow {
        println!("{finding:?}");
        Flow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a dump")?;
    let bytes = std::fs::read(path)?;
    let mut streams = Streams::default();
    let mut reader = RdbReader::new(Limits::default());
    _ = reader.push(&bytes, &mut streams);
    let summary = reader.finish(&mut streams)?;
    println!("the checksum: {:?}", summary.checksum);
    Ok(())
}
