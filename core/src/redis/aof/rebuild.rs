//! A manifest made anew from the files of an append-only folder, where only one order is possible.
//!
//! Servers name files `STEM.SEQ.base.rdb`, `STEM.SEQ.base.aof` and `STEM.SEQ.incr.aof` and count both sequences up: a
//! rewrite opens the next incremental file first and makes the next base then (redis `aof.c`,
//! `rewriteAppendOnlyFileBackground`). Files that a rewrite has replaced are deleted a little later, so that a file's
//! being there does not prove that it is needed. What is taken as certain: the newest incremental file, the one whose
//! number is its base's where it stands alone, and what a sound line of the old manifest says.

use super::manifest::{AofFile, AofManifest, FileRole, file};

/// The stem, the sequence number and the role in a file's name; `None` when no server gives such a name.
pub fn server_name(name: &str) -> Option<(&str, u64, FileRole)> {
    let ends = [(".base.rdb", FileRole::Base), (".base.aof", FileRole::Base), (".incr.aof", FileRole::Incremental)];
    let (rest, role) = ends.iter().find_map(|(end, role)| Some((name.strip_suffix(end)?, *role)))?;
    let (stem, seq) = rest.rsplit_once('.')?;
    let seq = crate::redis::stream::id::decimal(seq.as_bytes()).filter(|&seq| seq > 0)?;
    (!stem.is_empty()).then_some((stem, seq, role))
}

impl AofManifest {
    /// The manifest of the files `names` that begin with `stem`, given what is left of the old one.
    ///
    /// # Errors
    /// More than one order is possible, or none: why.
    pub fn rebuild(stem: &str, old: &[u8], names: &[String]) -> Result<Self, &'static str> {
        let mut sound: Vec<AofFile> = old.split(|&byte| byte == b'\n').filter_map(|line| file(line).ok()).collect();
        if sound.iter().any(|file| file.name.strip_suffix(".manifest") == Some(stem)) {
            return Err("the manifest names itself");
        }
        let is_base =
            |name: &str| name == stem || server_name(name).is_some_and(|own| (own.0, own.2) == (stem, FileRole::Base));
        let is_replaced = |name: &str| sound.iter().any(|file| file.name == name && file.role == FileRole::History);
        if !names.iter().any(|name| is_base(name) && !is_replaced(name)) {
            // What was replaced was replaced by a base: where there is none, no line that says so is true.
            sound.retain(|file| file.role != FileRole::History);
        }
        let said = |name: &str| sound.iter().find(|file| file.name == name);
        let wanted = |file: &&AofFile| file.role != FileRole::History;
        if sound.iter().filter(wanted).any(|file| !names.contains(&file.name)) {
            return Err("a file that it still names is not there");
        }
        let of_name = |name: &String| {
            let role = match server_name(name) {
                Some((own, seq, role)) if own == stem => Some((seq, role)),
                // What was one append-only file before Redis 7.
                _ => (name == stem).then_some((1, FileRole::Base)),
            };
            if let Some(file) = said(name) {
                return Some(file.clone());
            }
            let (seq, role) = role?;
            Some(AofFile { name: name.clone(), seq, role, more: Vec::new() })
        };
        let mut files: Vec<AofFile> = names.iter().filter_map(of_name).collect();
        files.sort_by_key(|file| (file.role != FileRole::Base, file.seq));
        let (bases, incremental): (Vec<_>, Vec<_>) =
            files.iter().filter(wanted).partition(|file| file.role == FileRole::Base);
        let base = match bases[..] {
            [base] => base.seq,
            [] => return Err("there is no base file"),
            _ => return Err("there are two base files"),
        };
        if incremental.is_empty() {
            return Err("there is no incremental file");
        }
        if incremental.windows(2).any(|pair| pair[0].seq.checked_add(1) != Some(pair[1].seq)) {
            return Err("an incremental file is missing between others, or two have one number");
        }
        let first_is_certain =
            incremental[0].seq == base && incremental.len() == 1 || said(&incremental[0].name).is_some();
        let older = &incremental[..incremental.len() - 1];
        if !first_is_certain || older.iter().any(|file| said(&file.name).is_none()) {
            return Err("an incremental file may be one that a rewrite has replaced");
        }
        Ok(Self { files })
    }

    /// Files among those beside it, with their sizes, that a manifest which could be followed must once have named.
    ///
    /// Not all that it does not name: a rewrite that was broken off leaves a new base and an empty incremental file,
    /// and what a rewrite has replaced may not be deleted yet. Both sequences count up with every rewrite, so that an
    /// incremental file that a base does not replace has no smaller number than that.
    pub(in crate::redis) fn lost_lines(&self, stem: &str, beside: &[(String, u64)]) -> Vec<String> {
        let base = self.files.iter().find(|file| file.role == FileRole::Base);
        let is_lost = |name: &str, size: u64| {
            let named = self.files.iter().find(|file| file.name == name);
            match server_name(name) {
                _ if size == 0 => false,
                // A rewrite makes the base first that replaces what was before.
                _ if named.is_some_and(|file| file.role == FileRole::History) => base.is_none(),
                _ if named.is_some() => false,
                Some((own, seq, FileRole::Incremental)) if own == stem => base.is_none_or(|base| seq >= base.seq),
                Some((own, _, FileRole::Base)) if own == stem => base.is_none(),
                _ => false,
            }
        };
        beside.iter().filter(|(name, size)| is_lost(name, *size)).map(|(name, _)| name.clone()).collect()
    }

    /// The manifest's text, as a server writes it.
    pub fn to_text(&self) -> String {
        let line = |file: &AofFile| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let name = match file.name.bytes().all(plain) {
                true => file.name.clone(),
                false => {
                    let escaped =
                        |byte| if plain(byte) { char::from(byte).to_string() } else { format!("\\x{byte:02x}") };
                    format!("\"{}\"", file.name.bytes().map(escaped).collect::<String>())
                }
            };
            let role = match file.role {
                FileRole::Base => 'b',
                FileRole::History => 'h',
                FileRole::Incremental => 'i',
            };
            let word = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let more = file.more.iter().filter(|(name, value)| word(name) && word(value));
            let more: String = more.map(|(name, value)| format!(" {name} {value}")).collect();
            format!("file {name} seq {} type {role}{more}\n", file.seq)
        };
        self.files.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuilt(old: &str, names: &[&str]) -> Result<String, &'static str> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        AofManifest::rebuild("a b.aof", old.as_bytes(), &names).map(|manifest| {
            assert_eq!(AofManifest::parse(manifest.to_text().as_bytes()).as_ref(), Ok(&manifest));
            manifest.in_order().map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ")
        })
    }

    #[test]
    fn what_nothing_has_replaced_is_not_taken_for_replaced() {
        let lines = |base: char, incr: char| {
            format!("file \"a b.aof.3.base.rdb\" seq 3 type {base}\nfile \"a b.aof.3.incr.aof\" seq 3 type {incr}\n")
        };
        let names = ["a b.aof.3.base.rdb", "a b.aof.3.incr.aof"];
        let beside = names.map(|name| (name.to_owned(), 9));
        for (base, incr, lost) in [('b', 'i', 0), ('h', 'i', 1), ('h', 'h', 2), ('b', 'h', 0)] {
            let manifest = AofManifest::parse(lines(base, incr).as_bytes()).expect("a manifest");
            assert_eq!(manifest.lost_lines("a b.aof", &beside).len(), lost, "{base} {incr}");
        }
        for (base, incr) in [('h', 'i'), ('h', 'h')] {
            assert_eq!(rebuilt(&lines(base, incr), &names), Ok(names.join(", ")));
        }
        // Where a base has replaced it, it is.
        let newer = [&names[..], &["a b.aof.4.base.rdb", "a b.aof.4.incr.aof"]].concat();
        assert_eq!(rebuilt(&lines('h', 'h'), &newer), Ok(newer[2..].join(", ")));
    }

    #[test]
    fn names_alone_tell_the_usual_folder() {
        let usual = ["a b.aof.3.incr.aof", "a b.aof.3.base.rdb", "other.3.incr.aof", "a b.aof.manifest"];
        assert_eq!(rebuilt("", &usual).unwrap(), "a b.aof.3.base.rdb, a b.aof.3.incr.aof");
        let upgraded = ["a b.aof", "a b.aof.1.incr.aof"];
        assert_eq!(rebuilt("\0\0\n", &upgraded).unwrap(), "a b.aof, a b.aof.1.incr.aof");
    }

    #[test]
    fn sound_lines_settle_the_rest() {
        let files = ["a b.aof.2.base.rdb", "a b.aof.2.incr.aof", "a b.aof.3.incr.aof"];
        assert!(rebuilt("", &files).is_err());
        let torn = "file \"a b.aof.2.base.rdb\" seq 2 type b\nfile \"a b.aof.2.incr.aof\" seq 2 type i\nfile \"a b.ao";
        assert_eq!(rebuilt(torn, &files).unwrap(), files.join(", "));
        let replaced = "file \"a b.aof.2.incr.aof\" seq 2 type h\nfile \"a b.aof.3.incr.aof\" seq 3 type i\n\n";
        assert_eq!(rebuilt(replaced, &files).unwrap(), "a b.aof.2.base.rdb, a b.aof.3.incr.aof");
    }

    #[test]
    fn what_a_line_says_besides_is_kept() {
        let files = ["a b.aof.2.base.rdb", "a b.aof.2.incr.aof"];
        let names: Vec<String> = files.iter().map(|&name| name.to_owned()).collect();
        let old = "file \"a b.aof.2.incr.aof\" seq 2 type i startoffset 7\n";
        let manifest = AofManifest::rebuild("a b.aof", old.as_bytes(), &names).unwrap();
        assert!(manifest.to_text().ends_with(" seq 2 type i startoffset 7\n"), "{}", manifest.to_text());
    }

    #[test]
    fn a_line_that_is_gone_is_missed_and_what_a_rewrite_leaves_is_not() {
        let lost = |manifest: &str, beside: &[(&str, u64)]| {
            let beside: Vec<_> = beside.iter().map(|&(name, size)| (name.to_owned(), size)).collect();
            AofManifest::parse(manifest.as_bytes()).unwrap().lost_lines("a", &beside).join(" ")
        };
        let (base, incr) = ("file a.2.base.rdb seq 2 type b\n", "file a.2.incr.aof seq 2 type i\n");
        let files = [("a.2.base.rdb", 9), ("a.2.incr.aof", 9)];
        assert_eq!(lost(&[base, incr].concat(), &files), "");
        assert_eq!(lost(base, &files), "a.2.incr.aof");
        assert_eq!(lost(incr, &files), "a.2.base.rdb");
        let left =
            [("a.1.base.rdb", 9), ("a.1.incr.aof", 9), ("a.3.incr.aof", 0), ("a.3.base.rdb", 9), ("b.9.incr.aof", 9)];
        assert_eq!(lost(&[base, incr].concat(), &left), "");
        assert_eq!(lost(&[base, incr].concat(), &[("a.3.incr.aof", 9)]), "a.3.incr.aof");
    }

    #[test]
    fn nothing_is_guessed() {
        for names in [
            &["a b.aof.1.incr.aof"][..],
            &["a b.aof.1.base.rdb"],
            &["a b.aof.1.base.rdb", "a b.aof.2.base.rdb", "a b.aof.2.incr.aof"],
            &["a b.aof.2.base.rdb", "a b.aof.3.incr.aof"],
            &["a b.aof.1.base.rdb", "a b.aof.1.incr.aof", "a b.aof.3.incr.aof"],
            &["a b.aof.1.base.rdb", "a b.aof.0.incr.aof", "a b.aof.x.incr.aof"],
        ] {
            assert!(rebuilt("", names).is_err(), "{names:?}");
        }
        assert!(rebuilt("file gone seq 1 type i\n", &["a b.aof.1.base.rdb", "a b.aof.1.incr.aof"]).is_err());
    }
}
