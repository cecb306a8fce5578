//! The README and the handbook: their pages, and the commands in them.

use std::path::{Path, PathBuf};

/// The README and the pages of the handbook: where each lies, and its text.
pub fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let book = std::fs::read_dir(root.join("www/book/src")).expect("the handbook");
    let mut paths: Vec<PathBuf> = book.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.push(root.join("README.md"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).expect("a page"))).collect()
}

/// The code blocks with this tag, in the order of the pages and in each page's.
pub fn blocks(tag: &str) -> Vec<String> {
    let opening = format!("```{tag}\n");
    let of_page = |(_, text): (PathBuf, String)| {
        let blocks = text.split(&opening).skip(1);
        blocks.map(|rest| rest.split("\n```").next().expect("a block ends").to_owned()).collect::<Vec<_>>()
    };
    pages().into_iter().flat_map(of_page).collect()
}

/// The anchors of a page: its headings, as mdBook and GitHub name them.
pub fn anchors(text: &str) -> Vec<String> {
    let anchor = |heading: &str| -> String {
        let words = heading.trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    let mut is_code = false;
    let mut found = Vec::new();
    for line in text.lines() {
        is_code ^= line.starts_with("```");
        let heading = line.trim_start_matches('#');
        if !is_code && heading.len() < line.len() {
            found.push(anchor(heading));
        }
    }
    found
}
