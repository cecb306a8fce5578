//! Prints the report of every case, made by this machine's own code, as one JSON object by name. The browser tests
//! hold the module in the browser against it, and the page's types against its shape.

#[path = "../tests/cases/mod.rs"]
mod cases;

fn main() {
    let reports: serde_json::Map<String, serde_json::Value> = cases::cases()
        .iter()
        .chain(&cases::redis_cases())
        .map(|case| (case.name.to_owned(), cases::report(case, usize::MAX).into()))
        .collect();
    println!("{}", serde_json::Value::from(reports));
}
