//! Nothing but the benchmark: `cargo bench -p papyra-bench`.
