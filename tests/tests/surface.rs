//! What `papyra-core` offers to others is what `core/surface.txt` says: nothing in it is changed by mistake.
//!
//! The list is read from the sources: each public item that the documentation shows, with its signature, and the public
//! fields, variants and methods of it. `PAPYRA_BLESS=1 cargo test --test surface` writes the list anew; a line that
//! goes is a breaking change.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens;
use syn::{Attribute, Fields, FieldsNamed, ImplItem, Item, Signature, TraitItem, UseTree, Visibility};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("core")
}

/// Tokens as they are usually written.
fn text(tokens: impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (from, to) in [
        (" :: ", "::"),
        (":: ", "::"),
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" ,", ","),
        (" ;", ";"),
        (" :", ":"),
        ("& ", "&"),
        ("' ", "'"),
        (" [", "["),
        ("[ ", "["),
        (" ]", "]"),
        (",)", ")"),
        (":&", ": &"),
        ("->(", "-> ("),
        ("[", " ["),
        ("& [", "&["),
        ("( [", "(["),
        ("< [", "<["),
    ] {
        text = text.replace(from, to);
    }
    text.replace("  ", " ")
}

fn signature(of: &Signature) -> String {
    let text = text(of);
    text.strip_prefix("fn ").unwrap_or(&text).to_owned()
}

fn is_shown(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    let marks: Vec<String> = attributes.iter().map(|attribute| text(&attribute.meta)).collect();
    matches!(visibility, Visibility::Public(_))
        && !marks.iter().any(|mark| mark == "doc(hidden)" || mark.starts_with("cfg(test"))
}

/// The lines of the list: each item under the module that shows it, whichever it lives in.
#[derive(Default)]
struct Surface {
    lines: BTreeSet<String>,
}

impl Surface {
    fn file(&mut self, file: &Path, folder: &Path, at: &str) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let parsed = syn::parse_file(&source).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let items = &parsed.items;
        let mut shown = BTreeSet::new();
        for item in items {
            match item {
                Item::Mod(module) if is_shown(&module.vis, &module.attrs) => {
                    let name = module.ident.to_string();
                    self.lines.insert(format!("mod {at}::{name}"));
                    let (file, below) = place(folder, &name);
                    self.file(&file, &below, &format!("{at}::{name}"));
                }
                Item::Use(import) if is_shown(&import.vis, &import.attrs) => {
                    for (path, name) in leaves(&import.tree, &[]) {
                        self.handed_on(folder, &path, at, &name);
                    }
                }
                item => shown.extend(self.item(item, at)),
            }
        }
        self.methods(items, &shown, at);
    }

    /// An item of a private module that this one hands on, under which name.
    fn handed_on(&mut self, folder: &Path, path: &[String], at: &str, called: &str) {
        let [modules @ .., name] = path else { return };
        let mut folder = if path[0] == "crate" { root().join("src") } else { folder.to_owned() };
        let mut file = None;
        for module in modules.iter().filter(|module| *module != "crate") {
            let (own, below) = place(&folder, module);
            (file, folder) = (Some(own), below);
        }
        let file = file.unwrap_or_else(|| panic!("{at} hands on {path:?} of another crate"));
        let parsed = syn::parse_file(&fs::read_to_string(&file).expect("a source")).expect("Rust");
        let found = parsed.items.iter().filter(|item| name_of(item).as_deref() == Some(name)).count();
        if found == 0 {
            // It is only handed on there, too.
            let all =
                parsed.items.iter().filter_map(|item| if let Item::Use(import) = item { Some(import) } else { None });
            let next = all.flat_map(|import| leaves(&import.tree, &[])).find(|(_, handed_on)| handed_on == name);
            return self.handed_on(&folder, &next.unwrap_or_else(|| panic!("{at}: no {path:?}")).0, at, called);
        }
        let (mut own, mut shown) = (Surface::default(), BTreeSet::new());
        for item in parsed.items.iter().filter(|item| name_of(item).as_deref() == Some(name)) {
            shown.extend(own.item(item, at));
        }
        own.methods(&parsed.items, &shown, at);
        let (own_name, called) = (format!("{at}::{name}"), format!("{at}::{called}"));
        self.lines.extend(own.lines.iter().map(|line| line.replace(&own_name, &called)));
    }

    /// Takes an item down, and answers with its name when it may have methods.
    fn item(&mut self, item: &Item, at: &str) -> Option<String> {
        let fields = |surface: &mut Surface, of: &str, fields: &Fields| {
            if let Fields::Named(FieldsNamed { named, .. }) = fields {
                for field in named.iter().filter(|field| is_shown(&field.vis, &field.attrs)) {
                    let name = field.ident.as_ref().expect("a named field");
                    surface.lines.insert(format!("field {at}::{of}::{name}: {}", text(&field.ty)));
                }
            }
        };
        match item {
            Item::Struct(one) if is_shown(&one.vis, &one.attrs) => {
                let name = one.ident.to_string();
                self.lines.insert(format!("struct {at}::{name}{}", text(&one.generics)));
                fields(self, &name, &one.fields);
                Some(name)
            }
            Item::Enum(one) if is_shown(&one.vis, &one.attrs) => {
                let name = one.ident.to_string();
                let open = one.attrs.iter().any(|attribute| attribute.path().is_ident("non_exhaustive"));
                self.lines.insert(format!(
                    "enum {at}::{name}{}{}",
                    text(&one.generics),
                    if open { ", more may come" } else { "" }
                ));
                for variant in &one.variants {
                    self.lines.insert(format!("variant {at}::{name}::{}{}", variant.ident, text(&variant.fields)));
                }
                Some(name)
            }
            Item::Trait(one) if is_shown(&one.vis, &one.attrs) => {
                self.lines.insert(format!("trait {at}::{}{}", one.ident, text(&one.generics)));
                for item in &one.items {
                    if let TraitItem::Fn(method) = item {
                        self.lines.insert(format!("method {at}::{}::{}", one.ident, signature(&method.sig)));
                    }
                }
                None
            }
            Item::Fn(one) if is_shown(&one.vis, &one.attrs) => {
                self.lines.insert(format!("fn {at}::{}", signature(&one.sig)));
                None
            }
            Item::Const(one) if is_shown(&one.vis, &one.attrs) => {
                self.lines.insert(format!("const {at}::{}: {}", one.ident, text(&one.ty)));
                None
            }
            Item::Type(one) if is_shown(&one.vis, &one.attrs) => {
                self.lines.insert(format!("type {at}::{}{} = {}", one.ident, text(&one.generics), text(&one.ty)));
                None
            }
            _ => None,
        }
    }

    /// The methods and traits of these types.
    fn methods(&mut self, items: &[Item], of: &BTreeSet<String>, at: &str) {
        for block in items.iter().filter_map(|item| if let Item::Impl(block) = item { Some(block) } else { None }) {
            let owner = text(&block.self_ty);
            let name = owner.split('<').next().unwrap_or_default();
            if !of.contains(name) {
                continue;
            }
            if let Some((of, _)) = &block.trait_ {
                self.lines.insert(format!("impl {} for {at}::{owner}", text(of)));
                continue;
            }
            for item in &block.items {
                match item {
                    ImplItem::Fn(method) if is_shown(&method.vis, &method.attrs) => {
                        self.lines.insert(format!("method {at}::{name}::{}", signature(&method.sig)));
                    }
                    ImplItem::Const(one) if is_shown(&one.vis, &one.attrs) => {
                        self.lines.insert(format!("const {at}::{name}::{}: {}", one.ident, text(&one.ty)));
                    }
                    _ => {}
                }
            }
        }
    }
}

fn name_of(item: &Item) -> Option<String> {
    Some(match item {
        Item::Struct(one) => one.ident.to_string(),
        Item::Enum(one) => one.ident.to_string(),
        Item::Trait(one) => one.ident.to_string(),
        Item::Fn(one) => one.sig.ident.to_string(),
        Item::Const(one) => one.ident.to_string(),
        Item::Type(one) => one.ident.to_string(),
        _ => return None,
    })
}

/// The file of a module, and the folder of those in it.
fn place(folder: &Path, module: &str) -> (PathBuf, PathBuf) {
    let (own, below) = (folder.join(format!("{module}.rs")), folder.join(module));
    (if own.is_file() { own } else { below.join("mod.rs") }, below)
}

/// The paths that are handed on, and under which names.
fn leaves(tree: &UseTree, before: &[String]) -> Vec<(Vec<String>, String)> {
    let with = |name: &dyn ToString| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident)),
        UseTree::Name(name) => vec![(with(&name.ident), name.ident.to_string())],
        UseTree::Rename(name) => vec![(with(&name.ident), name.rename.to_string())],
        UseTree::Group(group) => group.items.iter().flat_map(|tree| leaves(tree, before)).collect(),
        UseTree::Glob(_) => panic!("{before:?} is handed on whole"),
    }
}

#[test]
fn what_core_offers_is_what_its_list_says() {
    let mut surface = Surface::default();
    surface.file(&root().join("src/lib.rs"), &root().join("src"), "papyra_core");
    let now = surface.lines.iter().fold(String::new(), |all, line| all + line + "\n");
    let list = root().join("surface.txt");
    if std::env::var_os("PAPYRA_BLESS").is_some() {
        fs::write(&list, &now).expect("written");
    }
    let then = fs::read_to_string(&list).unwrap_or_default();
    let of = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (now, then) = (of(&now), of(&then));
    let gone: Vec<_> = then.difference(&now).collect();
    let new: Vec<_> = now.difference(&then).collect();
    assert!(
        gone.is_empty() && new.is_empty(),
        "core/surface.txt says otherwise; if this is meant, PAPYRA_BLESS=1 writes it anew.\nno longer there: {gone:#?}\nnew: {new:#?}"
    );
    assert!(now.len() > 300, "the list holds {} lines only: not all was seen", now.len());
}
