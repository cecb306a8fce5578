//! The text of a `SHA256SUMS` file, both ways, as `sha256sum` of GNU coreutils writes and reads it.
//!
//! Source: coreutils manual, "md5sum invocation": `HEX  NAME`, and a line that begins with a backslash has `\\`, `\n`
//! and `\r` in its name escaped.

use std::collections::BTreeMap;

use crate::name;

/// Hashes by file name, each 64 lower-case hexadecimal digits.
pub type Sums = BTreeMap<String, String>;

/// The file's bytes; a name stands in them as the bytes that it has on the disk.
pub fn write(sums: &Sums) -> Vec<u8> {
    let mut text = String::new();
    for (name, hash) in sums {
        let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
        if escaped != *name {
            text.push('\\');
        }
        text.push_str(hash);
        text.push_str("  ");
        text.push_str(&escaped);
        text.push('\n');
    }
    name::bytes(&text).into_owned()
}

/// Reads such bytes; `Err` says which line (from 1) is none, or names a file twice.
pub fn parse(bytes: &[u8]) -> Result<Sums, usize> {
    let mut sums = Sums::new();
    for (i, line) in name::text(bytes).lines().enumerate() {
        let (name, hash) = parse_line(line).ok_or(i + 1)?;
        if sums.insert(name, hash).is_some() {
            return Err(i + 1);
        }
    }
    Ok(sums)
}

fn parse_line(line: &str) -> Option<(String, String)> {
    let (line, escaped) = match line.strip_prefix('\\') {
        Some(rest) => (rest, true),
        None => (line, false),
    };
    let (hash, name) = line.split_at_checked(64)?;
    let name = name.strip_prefix("  ").or_else(|| name.strip_prefix(" *"))?;
    if !is_hash(hash) || name.is_empty() {
        return None;
    }
    if !escaped {
        return Some((name.into(), hash.into()));
    }
    let (mut plain, mut characters) = (String::new(), name.chars());
    while let Some(character) = characters.next() {
        plain.push(match character {
            '\\' => match characters.next()? {
                '\\' => '\\',
                'n' => '\n',
                'r' => '\r',
                _ => return None,
            },
            character => character,
        });
    }
    Some((plain, hash.into()))
}

/// Whether this is a SHA-256 as it is written here.
pub fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let hash = "0123456789abcdef".repeat(4);
        let names = [
            "manifest.json",
            "rot.log.1",
            "a b",
            "back\\slash",
            "two\nlines\r",
            "zoë",
            "zo\u{10ffeb}",
            " lead",
            "*star",
        ];
        let sums: Sums = names.iter().map(|name| ((*name).to_owned(), hash.clone())).collect();
        assert_eq!(parse(&write(&sums)), Ok(sums));
        assert_eq!(write(&Sums::from([("a\\b".to_owned(), hash.clone())])), format!("\\{hash}  a\\\\b\n").into_bytes());
        assert!(write(&Sums::from([("zo\u{10ffeb}".to_owned(), hash)])).ends_with(b"  zo\xeb\n"));
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        let hash = "0123456789abcdef".repeat(4);
        assert_eq!(parse(format!("{hash} *binary\n").as_bytes()).map(|sums| sums.len()), Ok(1));
        let upper = hash.to_uppercase();
        for bad in [
            format!("{hash}  a\nnonsense\n"),
            format!("{hash}  a\n{hash}  a\n"),
            format!("{hash}  a\n{hash} a\n"),
            format!("{hash}  a\n{upper}  b\n"),
            format!("{hash}  a\n\\{hash}  b\\x\n"),
            format!("{hash}  a\n{hash}  \n"),
            format!("{hash}  a\n\n"),
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(2), "{bad:?}");
        }
    }
}
