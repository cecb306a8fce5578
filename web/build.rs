//! Lets the tests in a browser, which has no files, carry the native reports with them: `PAPYRA_GOLDEN` is the path of
//! what the `golden` example printed. Without it they test everything else.

use std::{env, fs, path::Path};

fn main() {
    println!("cargo::rerun-if-env-changed=PAPYRA_GOLDEN");
    let golden = env::var("PAPYRA_GOLDEN").ok();
    if let Some(path) = &golden {
        println!("cargo::rerun-if-changed={path}");
    }
    let text = golden.map(|path| fs::read_to_string(path).expect("the golden reports"));
    let out = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&out).join("golden.json"), text.unwrap_or_default()).expect("a writable target folder");
}
