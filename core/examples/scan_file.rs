//! Scans a log in chunks and prints what is wrong with it: `cargo run --example scan_file -- events.ndjson`.

use std::error::Error;
use std::fs::File;
use std::io::Read;

use papyra_core::report::{Backend, FileReport, Report, Role};
use papyra_core::scan::Scanner;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a log")?;
    let mut file = File::open(&path)?;
    let mut scanner = Scanner::new(0, Scanner::MAX_FINDINGS);
    let mut chunk = vec![0; 256 << 10];
    loop {
        let length = file.read(&mut chunk)?;
        if length == 0 {
            break;
        }
        _ = scanner.push(&chunk[..length], &mut ());
    }
    let files = vec![FileReport::new(path, Role::Active, 0, scanner.finish(&mut ()))];
    let report = Report::new("scan_file", Backend::Json, files, false);
    for file in &report.files {
        println!("{}: {} records, {} anomalies", file.path, file.records.total(), file.anomaly_count);
        for finding in &file.anomalies {
            println!("  line {:?}, offset {:?}: {}", finding.line, finding.offset, finding.detail);
        }
    }
    Ok(())
}
