//! Which append-only files make up one state, by their names: what a manifest says, or what the names leave as the only
//! order.

use super::manifest::{AofFile, AofManifest, FileRole};
use super::rebuild::server_name;
use crate::redis::finding::{BackupFinding, BackupReason};

/// The files of a set, by their plain names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AofNames {
    /// The manifest's name, if there is one or should be.
    pub manifest: Option<String>,
    /// Whether the manifest is there.
    pub is_there: bool,
    /// Why the manifest cannot be followed, or that there is none.
    pub broken: Option<BackupFinding>,
    /// The manifest that the files' names and what is left of the broken one leave as the only one possible, or why
    /// there is none.
    pub rebuilt: Result<AofManifest, &'static str>,
    /// In the order in which they are read.
    pub files: Vec<String>,
    /// So many of them, from the first on, may be dumps; the others hold commands, however damaged they are.
    pub dumps: usize,
    /// Names that the server no longer needs.
    pub history: Vec<String>,
}

impl AofNames {
    /// One file without a manifest.
    pub fn one(name: impl Into<String>) -> Self {
        let (files, history) = (vec![name.into()], Vec::new());
        Self { manifest: None, is_there: false, broken: None, rebuilt: Err("it is whole"), files, dumps: 1, history }
    }

    /// Whether a server before Redis 7.0 has written the files, as far as their names say: it knows no folder of them.
    pub fn is_by_old_server(&self) -> bool {
        self.manifest.is_none() && self.files.iter().all(|name| server_name(name).is_none())
    }

    /// The files that a manifest names; `beside` tells all names of its folder, in order, each with the file's size in
    /// bytes.
    ///
    /// # Errors
    /// Those of `beside`.
    pub fn of_manifest<E>(
        name: impl Into<String>,
        text: &[u8],
        beside: impl FnOnce() -> Result<Vec<(String, u64)>, E>,
    ) -> Result<Self, E> {
        let name = name.into();
        let names_itself = |manifest: &AofManifest| manifest.files.iter().any(|file| file.name == name);
        let parsed = match AofManifest::parse(text) {
            Ok(manifest) if names_itself(&manifest) => {
                Err(BackupFinding::new(BackupReason::BrokenManifest, 0, "the manifest names itself"))
            }
            parsed => parsed,
        };
        let beside = beside()?;
        let names = || beside.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let mut set = Self { manifest: Some(name), is_there: true, files: Vec::new(), ..Self::one("") };
        match parsed {
            Ok(manifest) => {
                set.follow(&manifest);
                let lost = manifest.lost_lines(set.stem(), &beside);
                if let Some(first) = lost.first() {
                    let (are, them) = if lost.len() == 1 { ("is", "it") } else { ("are", "them") };
                    let says = match manifest.files.iter().any(|file| file.name == *first) {
                        true => format!("calls {them} replaced, but names no base that replaces {them}"),
                        false => format!("does not name {them}"),
                    };
                    let why = format!(
                        "{} {are} there and the manifest {says}: a server would load only {}, and delete or write over \
                         {first} later",
                        lost.join(", "),
                        if set.files.is_empty() { "nothing".into() } else { set.files.join(", ") }
                    );
                    set.rebuild(text, BackupFinding::new(BackupReason::BrokenManifest, 0, why), &names());
                }
            }
            Err(finding) => set.rebuild(text, finding, &names()),
        }
        Ok(set)
    }

    /// The set of the files called `stem` among all `names` of a folder, which has no manifest.
    pub fn without_manifest(stem: &str, names: &[String]) -> Self {
        let mut set = Self { manifest: Some(format!("{stem}.manifest")), files: Vec::new(), ..Self::one("") };
        let text = "there are append-only files and no manifest: a server would start empty";
        set.rebuild(b"", BackupFinding::new(BackupReason::BrokenManifest, 0, text), names);
        set
    }

    /// Whether a file whose content does not show it is a manifest, since append-only files of its name lie beside it.
    ///
    /// # Errors
    /// Those of `beside`.
    pub fn seems_manifest<E>(name: &str, beside: impl FnOnce() -> Result<Vec<String>, E>) -> Result<bool, E> {
        let Some(stem) = name.strip_suffix(".manifest") else { return Ok(false) };
        Ok(Self::stems(&beside()?).iter().any(|own| own == stem))
    }

    /// The stems among `names` that have a base and an incremental file under the names that servers give.
    pub fn stems(names: &[String]) -> Vec<String> {
        let of = |role| names.iter().filter_map(move |name| server_name(name).filter(|parts| parts.2 == role));
        let mut stems: Vec<&str> = of(FileRole::Base).map(|parts| parts.0).collect();
        stems.retain(|stem| of(FileRole::Incremental).any(|parts| parts.0 == *stem));
        stems.dedup();
        stems.into_iter().map(str::to_owned).collect()
    }

    /// Whether files of these names are a folder of append-only files, or what is left of one.
    pub fn is_folder(names: &[String]) -> bool {
        let is_of = |stem: &str| names.iter().any(|name| server_name(name).is_some_and(|parts| parts.0 == stem));
        !Self::stems(names).is_empty() || names.iter().filter_map(|name| name.strip_suffix(".manifest")).any(is_of)
    }

    /// Whether a file belongs to the set.
    pub fn holds(&self, name: &str) -> bool {
        self.manifest.as_deref() == Some(name) || self.files.iter().chain(&self.history).any(|own| own == name)
    }

    fn stem(&self) -> &str {
        self.manifest.as_deref().and_then(|name| name.strip_suffix(".manifest")).unwrap_or_default()
    }

    /// Whether a base of this name and size has lost all that it held: servers write one even of no keys.
    pub fn is_lost_base(name: &str, size: u64) -> bool {
        size == 0 && name.ends_with(".base.rdb") && server_name(name).is_some()
    }

    fn follow(&mut self, manifest: &AofManifest) {
        self.files = manifest.in_order().map(|file| file.name.clone()).collect();
        let may_be_dump = |file: &&AofFile| file.role == FileRole::Base && !file.name.ends_with(".base.aof");
        self.dumps = manifest.in_order().filter(may_be_dump).count();
        let replaced = manifest.files.iter().filter(|file| file.role == FileRole::History);
        self.history = replaced.map(|file| file.name.clone()).collect();
    }

    fn rebuild(&mut self, text: &[u8], broken: BackupFinding, names: &[String]) {
        self.rebuilt = AofManifest::rebuild(self.stem(), text, names);
        if let Ok(manifest) = self.rebuilt.clone() {
            self.follow(&manifest);
        }
        self.broken = Some(broken);
    }

    /// The finding on a manifest that cannot be followed, as a report has it: with what the files' names tell instead.
    pub(crate) fn reported(&self) -> Option<BackupFinding> {
        let broken = self.broken.clone()?;
        let order = match &self.rebuilt {
            Ok(_) => format!("the files themselves leave one order: {}", self.files.join(", ")),
            Err(why) => format!("the order of the files cannot be told from their names: {why}"),
        };
        Some(BackupFinding { detail: format!("{}; {order}", broken.detail), ..broken })
    }
}
