//! Says which bytes of a log a repair would remove, and changes nothing:
//! `cargo run --example plan_repair -- events.ndjson`.

use std::error::Error;

use papyra_core::plan::{Action, Plan};
use papyra_core::scan::Scanner;

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("name a log")?;
    let bytes = std::fs::read(path)?;
    let mut plan = Plan::with_limit(1_000);
    let mut scanner = Scanner::new(0, 0);
    _ = scanner.push(&bytes, &mut plan);
    scanner.finish(&mut plan);
    if plan.is_empty() {
        println!("nothing to repair");
    }
    for part in plan.parts.iter().filter(|part| part.action != Action::Keep) {
        let what = match part.action {
            Action::Reject => "remove",
            _ => "add a newline behind",
        };
        println!("{what} {} bytes at offset {}", part.span.length, part.span.offset);
    }
    println!("{} bytes stay, {} go", plan.kept_bytes, plan.rejected_bytes);
    Ok(())
}
