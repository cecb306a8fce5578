//! The manifest of an append-only folder: which files, in which order.
//!
//! Lines of `file NAME seq N type b|h|i`; `#` begins a comment; a name with special characters is quoted. A name is a
//! plain file name; there is at most one base, and incremental files come in ascending order (redis `aof.c`,
//! `aofLoadManifestFromFile`).

use std::collections::HashSet;

use serde::Serialize;

use crate::redis::finding::{BackupFinding, BackupReason};

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// The state that the others continue: an RDB file, or commands.
    Base,
    /// No longer needed; to be deleted by the server.
    History,
    /// Commands since the base.
    Incremental,
}

/// One file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AofFile {
    /// A plain name, without a folder.
    pub name: String,
    /// Its sequence number within its role.
    pub seq: u64,
    /// What it is for.
    pub role: FileRole,
    /// What else its line says: names and values, as `startoffset` and `endoffset` of Redis 8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more: Vec<(String, String)>,
}

/// A manifest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct AofManifest {
    /// In the manifest's order.
    pub files: Vec<AofFile>,
}

impl AofManifest {
    /// The files that make up the state, in the order in which they are read: the base, then the incremental ones.
    pub fn in_order(&self) -> impl Iterator<Item = &AofFile> {
        let of = |role| self.files.iter().filter(move |file| file.role == role);
        of(FileRole::Base).chain(of(FileRole::Incremental))
    }

    /// Leaves out the lines of `old` that name one of these files; everything else stays as it is.
    pub fn without(old: &[u8], names: &[&str]) -> Vec<u8> {
        let lines = old.split_inclusive(|&byte| byte == b'\n');
        let goes = |line: &&[u8]| file(line).is_ok_and(|file| names.contains(&file.name.as_str()));
        lines.filter(|line| !goes(line)).flatten().copied().collect()
    }

    /// Reads a manifest.
    ///
    /// # Errors
    /// The first line that does not follow the format, as a finding: the server would not start with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, BackupFinding> {
        let mut manifest = Self::default();
        let mut names = HashSet::new();
        let mut offset = 0;
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            let wrong = |text: &str| {
                Err(BackupFinding::new(BackupReason::BrokenManifest, offset, text).of_length(line.len() as u64))
            };
            let Some(text) = line.strip_suffix(b"\n") else { return wrong("the last line is cut short") };
            let text = text.strip_suffix(b"\r").unwrap_or(text);
            if text.first() != Some(&b'#') {
                match file(text) {
                    Ok(file) => {
                        if let Some(problem) = manifest.refuses(&file) {
                            return wrong(problem);
                        }
                        if !names.insert(file.name.clone()) {
                            return wrong("two lines name one file");
                        }
                        manifest.files.push(file);
                    }
                    Err(problem) => return wrong(problem),
                }
            }
            offset += line.len() as u64;
        }
        if manifest.files.is_empty() {
            return Err(BackupFinding::new(BackupReason::BrokenManifest, 0, "the manifest names no file"));
        }
        Ok(manifest)
    }

    fn refuses(&self, file: &AofFile) -> Option<&'static str> {
        // They are in order so far: the last one is enough to look at.
        let before = self.files.iter().rfind(|other| other.role == file.role);
        match file.role {
            FileRole::Base if before.is_some() => Some("there are two base files"),
            FileRole::Incremental if before.is_some_and(|other| other.seq >= file.seq) => {
                Some("the incremental files are out of order")
            }
            _ => None,
        }
    }
}

/// Reads a line.
pub(in crate::redis) fn file(line: &[u8]) -> Result<AofFile, &'static str> {
    let words = words(line)?;
    let (mut name, mut seq, mut role, mut more) = (None, None, None, Vec::new());
    let mut pairs = words.chunks_exact(2);
    for pair in &mut pairs {
        let [key, value] = pair else { continue };
        match key.to_ascii_lowercase().as_slice() {
            b"file" => name = Some(String::from_utf8(value.clone()).map_err(|_| "a file name is not UTF-8")?),
            b"seq" => seq = crate::redis::stream::id::decimal(value),
            b"type" => {
                role = Some(match value.as_slice() {
                    b"b" => FileRole::Base,
                    b"h" => FileRole::History,
                    b"i" => FileRole::Incremental,
                    _ => return Err("a file's type is none of b, h and i"),
                });
            }
            // Later servers may add fields.
            other => {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                more.push((text(other), text(value)));
            }
        }
    }
    if !pairs.remainder().is_empty() {
        return Err("a field has no value");
    }
    let (Some(name), Some(seq), Some(role)) = (name, seq, role) else { return Err("file, seq or type is missing") };
    let plain = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\', '\0']);
    if plain { Ok(AofFile { name, seq, role, more }) } else { Err("a file name is not plain") }
}

/// Splits a line as the server does: blanks separate, quotes hold together, a backslash escapes within double quotes.
fn words(line: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    const OPEN: &str = "a quote is not closed";
    let mut out = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        let Some(&first) = rest.first() else { return Ok(out) };
        let mut word = Vec::new();
        if first == b'"' || first == b'\'' {
            rest = &rest[1..];
            loop {
                match *rest {
                    [quote, ..] if quote == first => break,
                    [b'\\', b'x', high, low, ref tail @ ..] if first == b'"' => {
                        let digit = |byte: u8| (byte as char).to_digit(16);
                        let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err("a wrong escape") };
                        word.push((high * 16 + low) as u8);
                        rest = tail;
                    }
                    [b'\\', escaped, ref tail @ ..] if first == b'"' || escaped == b'\'' => {
                        word.push(match escaped {
                            b'n' => b'\n',
                            b'r' => b'\r',
                            b't' => b'\t',
                            b'b' => 8,
                            b'a' => 7,
                            other => other,
                        });
                        rest = tail;
                    }
                    [byte, ref tail @ ..] => {
                        word.push(byte);
                        rest = tail;
                    }
                    [] => return Err(OPEN),
                }
            }
            rest = &rest[1..];
            if rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                return Err("something follows a closing quote");
            }
        } else {
            let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
            word.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
        out.push(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_three() {
        let text = b"file a.2.base.rdb seq 2 type b\n# words\nfile \"a b\\x41.incr\" seq 3 type i\nfile z seq 1 type h\nfile c seq 4 type i startoffset 7\n";
        let manifest = AofManifest::parse(text).unwrap();
        let names: Vec<_> = manifest.in_order().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["a.2.base.rdb", "a bA.incr", "c"]);
        assert_eq!(manifest.files[2].role, FileRole::History);
        let rest = AofManifest::without(text, &["a bA.incr", "z"]);
        assert_eq!(rest, b"file a.2.base.rdb seq 2 type b\n# words\nfile c seq 4 type i startoffset 7\n");
    }

    #[test]
    fn what_the_server_would_refuse() {
        for bad in [
            "",
            "file a seq 1 type b",
            "file a seq 1\n",
            "file a seq x type i\n",
            "file a seq 1 type q\n",
            "file ../a seq 1 type i\n",
            "file /etc/passwd seq 1 type i\n",
            "file .. seq 1 type i\n",
            "file \"a seq 1 type i\n",
            "file a seq 1 type b\nfile b seq 2 type b\n",
            "file a seq 2 type i\nfile b seq 1 type i\n",
            "file a seq 1 type i\nfile a seq 2 type i\n",
            "\n",
        ] {
            assert_eq!(AofManifest::parse(bad.as_bytes()).unwrap_err().reason, BackupReason::BrokenManifest, "{bad:?}");
        }
    }
}
