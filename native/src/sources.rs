//! The files of a crate's source, for tests that hold all of them to a rule.

use std::path::Path;

/// Every file below a folder: its path in there, and its text.
pub(crate) fn below(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    read(folder, "", &mut found);
    found
}

fn read(folder: &Path, at: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = format!("{at}{}", path.file_name().expect("a name").to_string_lossy());
        if path.is_dir() {
            read(&path, &format!("{name}/"), found);
        } else {
            found.push((name, std::fs::read_to_string(&path).expect("text")));
        }
    }
}
