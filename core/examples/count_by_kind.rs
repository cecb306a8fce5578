//! Counts a log's records by kind, salvaged ones included: `cargo run --example count_by_kind -- events.ndjson`.

use std::collections::BTreeMap;
use std::error::Error;

use papyra_core::record::Kind;
use papyra_core::scan::{Flow, Record, Scanner, Sink};

#[derive(Default)]
struct ByKind(BTreeMap<&'static str, u64>);

impl Sink for ByKind {
    fn record(&mut self, record: &Record<'_>) -> Flow {
        let kind: Kind = record.facts.kind;
        *self.0.entry(kind.name()).or_default() += 1;
        Flow::Continue(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a log")?;
    let bytes = std::fs::read(path)?;
    let mut by_kind = ByKind::default();
    let mut scanner = Scanner::new(0, 0);
    _ = scanner.push(&bytes, &mut by_kind);
    scanner.finish(&mut by_kind);
    for (kind, count) in by_kind.0 {
        println!("{count:10}  {kind}");
    }
    Ok(())
}
