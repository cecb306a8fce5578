//! No file imports in a circle: whoever reads one can read what it stands on first, and stop there.
//!
//! A file imports another when it names something that lives there; a re-export is followed to where the thing lives.
//! Declaring a module is no import, handing a name on is none, and neither is what only tests see.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module: the file it is written in, and what it says.
#[derive(Default)]
struct Module {
    file: String,
    /// What its `use` declarations call by which name, and whether they hand it on.
    imports: BTreeMap<String, (Vec<String>, bool)>,
    /// The paths in its code, and the single names.
    paths: BTreeSet<Vec<String>>,
    names: BTreeSet<String>,
}

/// The texts of files by their paths.
type Sources = BTreeMap<String, String>;

/// Which file takes what from which.
type Arrows = BTreeMap<String, BTreeMap<String, String>>;

/// The modules of a crate by their paths; its root is the empty one.
#[derive(Default)]
struct Crate(BTreeMap<Vec<String>, Module>);

impl Crate {
    /// Reads a file and the modules that it declares.
    fn read(&mut self, sources: &Sources, file: &str, folder: &str, at: &[String]) {
        let tokens = sources[file].parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        for name in self.module(tokens, file, at) {
            let below = format!("{folder}/{name}");
            let own = format!("{below}.rs");
            let file = if sources.contains_key(&own) { own } else { format!("{below}/mod.rs") };
            self.read(sources, &file, &below, &[at, &[name]].concat());
        }
    }

    /// Takes a module down, and answers with those that lie in files of their own.
    fn module(&mut self, tokens: TokenStream, file: &str, at: &[String]) -> Vec<String> {
        self.0.entry(at.to_vec()).or_default().file = file.to_owned();
        let mut elsewhere = Vec::new();
        self.walk(tokens, at, &mut elsewhere);
        elsewhere
    }

    fn walk(&mut self, tokens: TokenStream, at: &[String], elsewhere: &mut Vec<String>) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let (mut next, mut public, mut path_attribute) = (0, false, None);
        while let Some(token) = tokens.get(next) {
            next += 1;
            let module = self.0.get_mut(at).expect("made before it is walked");
            let word = match token {
                TokenTree::Ident(word) => word.to_string(),
                TokenTree::Group(group) => {
                    self.walk(group.stream(), at, elsewhere);
                    continue;
                }
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let said = tokens.get(next).map(ToString::to_string).unwrap_or_default().replace(' ', "");
                    if said.starts_with("[cfg(test") || said.starts_with("[cfg(all(test") {
                        next = end_of_item(&tokens, next + 1);
                    } else if let Some(path) = said.strip_prefix("[path=\"") {
                        path_attribute = path.strip_suffix(".rs\"]").map(str::to_owned);
                    }
                    continue;
                }
                _ => continue,
            };
            match word.as_str() {
                "pub" => {
                    next += usize::from(is_group(tokens.get(next), Delimiter::Parenthesis));
                    public = true;
                    continue;
                }
                "use" => {
                    let end = end_of_item(&tokens, next - 1);
                    let all = leaves(&[], &tokens[next..end]);
                    module.imports.extend(all.into_iter().map(|(name, path)| (name, (path, public))));
                    next = end;
                }
                "mod" => {
                    let name = path_attribute.take().unwrap_or_else(|| tokens[next].to_string());
                    match &tokens[next + 1] {
                        TokenTree::Group(body) => {
                            let file = module.file.clone();
                            self.module(body.stream(), &file, &[at, &[name]].concat());
                        }
                        _ => elsewhere.push(name),
                    }
                    next += 2;
                }
                _ => {
                    let mut path = vec![word];
                    while let Some(TokenTree::Ident(more)) = after_colons(&tokens, next) {
                        path.push(more.to_string());
                        next += 3;
                    }
                    module.names.insert(path[0].clone());
                    module.paths.insert(path);
                }
            }
            public = false;
        }
    }

    /// The file in which what a path names lives; none for a module itself, and for what is not of this crate.
    fn home(&self, at: &[String], path: &[String]) -> Option<&str> {
        let mut here = at.to_vec();
        for (index, name) in path.iter().enumerate() {
            let child = [&here[..], std::slice::from_ref(name)].concat();
            if name == "crate" {
                here.clear();
            } else if name == "super" {
                here.pop();
            } else if self.0.contains_key(&child) {
                here = child;
            } else if let Some((target, _)) = self.0[&here].imports.get(name).filter(|(target, _)| target[0] != *name) {
                return self.home(&here, &[target, &path[index + 1..]].concat());
            } else if name != "self" {
                return (index > 0).then_some(&self.0[&here].file);
            }
        }
        None
    }

    fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (at, module) in &self.0 {
            let used = module.imports.iter().filter(|(name, (_, public))| !public || module.names.contains(*name));
            for path in used.map(|(_, (path, _))| path).chain(module.paths.iter().filter(|path| path.len() > 1)) {
                if let Some(home) = self.home(at, path).filter(|home| *home != module.file) {
                    arrows.entry(module.file.clone()).or_default().insert(home.to_owned(), path.join("::"));
                }
            }
        }
        arrows
    }
}

/// Where an item ends: behind its braces, its semicolon or its comma, and a `use` at its semicolon.
fn end_of_item(tokens: &[TokenTree], from: usize) -> usize {
    let import = tokens[from..].iter().take(3).any(|token| token.to_string() == "use");
    let ends = |token: &TokenTree| match token {
        TokenTree::Punct(mark) => mark.as_char() == ';' || !import && mark.as_char() == ',',
        token => !import && is_group(Some(token), Delimiter::Brace),
    };
    tokens[from..].iter().position(ends).map_or(tokens.len(), |end| from + end + 1)
}

fn is_group(token: Option<&TokenTree>, delimiter: Delimiter) -> bool {
    matches!(token, Some(TokenTree::Group(group)) if group.delimiter() == delimiter)
}

fn after_colons(tokens: &[TokenTree], at: usize) -> Option<&TokenTree> {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    (colon(at) && colon(at + 1)).then(|| tokens.get(at + 2)).flatten()
}

/// The names that a `use` tree brings in, each with its whole path.
fn leaves(before: &[String], tree: &[TokenTree]) -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for branch in tree.split(|token| matches!(token, TokenTree::Punct(mark) if ",;".contains(mark.as_char()))) {
        let mut words: Vec<String> = branch.iter().map(ToString::to_string).filter(|word| word != ":").collect();
        let Some(last) = branch.last() else { continue };
        if let TokenTree::Group(group) = last {
            words.pop();
            let inner: Vec<TokenTree> = group.stream().into_iter().collect();
            all.extend(leaves(&[before, &words].concat(), &inner));
            continue;
        }
        // `x as y`: what it is called here. Several traits may be taken in as `_`; the path tells them apart.
        let called = if words.len() > 2 && words[words.len() - 2] == "as" {
            words.drain(words.len() - 2..).nth(1)
        } else {
            None
        };
        let mut path = [before, &words].concat();
        path.truncate(path.len() - usize::from(path.len() > 1 && path.last().is_some_and(|last| last == "self")));
        let own = if last.to_string() == "*" { path.join("::") } else { path[path.len() - 1].clone() };
        all.push((called.filter(|name| name != "_").unwrap_or(own), path));
    }
    all
}

/// One shortest circle through each file that lies on one, the shortest first, no file in two of them.
fn circles(arrows: &Arrows) -> Vec<String> {
    let mut found: Vec<Vec<&String>> = arrows.keys().filter_map(|file| circle_from(arrows, file)).collect();
    found.sort_by_key(Vec::len);
    let mut told = BTreeSet::new();
    found.retain(|circle| circle.iter().all(|file| told.insert(*file)));
    found.iter().map(|circle| tell(arrows, circle)).collect()
}

/// The shortest way from a file back to itself.
fn circle_from<'a>(arrows: &'a Arrows, file: &'a String) -> Option<Vec<&'a String>> {
    let mut came_from: BTreeMap<&String, &String> = BTreeMap::new();
    let mut ahead = VecDeque::from([file]);
    while let Some(here) = ahead.pop_front() {
        for next in arrows.get(here).into_iter().flat_map(BTreeMap::keys) {
            if next == file {
                let back = std::iter::successors(Some(here), |at| came_from.get(at).copied());
                let mut circle: Vec<&String> = back.collect();
                circle.reverse();
                return Some(circle);
            }
            if let std::collections::btree_map::Entry::Vacant(free) = came_from.entry(next) {
                free.insert(here);
                ahead.push_back(next);
            }
        }
    }
    None
}

fn tell(arrows: &Arrows, circle: &[&String]) -> String {
    let mut text = circle[0].clone();
    for (index, file) in circle.iter().enumerate() {
        let next = circle[(index + 1) % circle.len()];
        text += &format!(" → {next} ({})", arrows[*file][next]);
    }
    text
}

/// The circles of the crate whose root is this file.
fn circles_of(sources: &Sources, root: &str) -> Vec<String> {
    let mut all = Crate::default();
    all.read(sources, root, root.rsplit_once('/').map_or("", |(folder, _)| folder), &[]);
    circles(&all.arrows())
}

fn sources(folder: &Path, called: &str, into: &mut Sources) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{called}: {error}")) {
        let path = entry.expect("a readable folder").path();
        let called = format!("{called}/{}", path.file_name().expect("a name").display());
        if path.is_dir() {
            sources(&path, &called, into);
        } else if called.ends_with(".rs") {
            into.insert(called, fs::read_to_string(&path).expect("a source is text"));
        }
    }
}

#[test]
fn no_file_imports_in_a_circle() {
    let mut found = Vec::new();
    for name in ["core", "native", "web", "tests"] {
        let mut all = Sources::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src");
        sources(&folder, &format!("{name}/src"), &mut all);
        found.extend(circles_of(&all, &format!("{name}/src/lib.rs")));
    }
    assert!(found.is_empty(), "these files import in a circle:\n{}", found.join("\n"));
}

#[test]
fn a_circle_is_found_through_a_re_export_and_a_declaration_is_none() {
    let mut made = Sources::from(
        [
            ("src/lib.rs", "mod low; mod room; pub use room::Top; #[cfg(test)] mod tests { use crate::low::Low; }"),
            ("src/low.rs", "pub struct Low; #[cfg(test)] use crate::Top; /* crate::Top */"),
            ("src/room/mod.rs", "mod inner; pub(crate) use inner::Inner; pub struct Top(crate::low::Low);"),
            ("src/room/inner.rs", "use super::super::low::{self, Low as Below}; pub struct Inner(Below);"),
        ]
        .map(|(file, text)| (file.to_owned(), text.to_owned())),
    );
    assert_eq!(circles_of(&made, "src/lib.rs"), Vec::<String>::new());

    made.insert(
        "src/low.rs".to_owned(),
        "pub struct Low; fn up() { use crate::{room as above}; above::Inner; }".to_owned(),
    );
    let circle = "src/low.rs → src/room/inner.rs (above::Inner) → src/low.rs (super::super::low::Low)";
    assert_eq!(circles_of(&made, "src/lib.rs"), [circle]);
}
