//! Which names in an append-only file only damage can have made.
//!
//! In sound framing an unknown name is no damage by itself: it may be a later server's command, a module's, or one under `rename-command`. It is
//! taken for another command's damaged name only where nothing else is left: it differs from that name in one byte, it is in the file once, and
//! the other is in the file under its own name, so that nobody has renamed it. The other must be one that servers write by themselves
//! (MULTI, EXEC, SELECT), or one that touches a stream of Papyra's.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{Touch, is_known_name, touches};
use super::id::decimal;
use super::keys::Scope;
use super::resp::Command;

/// Commands that are looked for behind a damaged name: on streams, and on keys whatever they hold.
const CANDIDATES: &[&str] = &[
    "MULTI",
    "EXEC",
    "SELECT",
    "XADD",
    "XDEL",
    "XDELEX",
    "XTRIM",
    "XSETID",
    "XCLAIM",
    "XAUTOCLAIM",
    "XACK",
    "XACKDEL",
    "XNACK",
    "XGROUP",
    "XCFGSET",
    "DEL",
    "UNLINK",
    "RENAME",
    "PEXPIREAT",
    "PERSIST",
    "RESTORE",
];
const XGROUP: &[&str] = &["CREATE", "SETID", "DESTROY", "CREATECONSUMER", "DELCONSUMER"];

/// Names that are damaged, in upper case; of XGROUP, with the subcommand.
pub(crate) type Misspelt = BTreeSet<Vec<u8>>;

/// Looks at all commands of a file.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: BTreeSet<&'static str>,
    /// How often each name occurs that is another but for a byte, and the others that it may be.
    odd: BTreeMap<Vec<u8>, (u64, Vec<&'static str>)>,
}

/// A command's name; of XGROUP, with the subcommand.
fn full_name(args: &[&[u8]]) -> Vec<u8> {
    let mut name = args.first().map_or(Vec::new(), |name| name.to_ascii_uppercase());
    if let (b"XGROUP", Some(verb)) = (name.as_slice(), args.get(1)) {
        name.push(b' ');
        name.extend(verb.iter().map(u8::to_ascii_uppercase));
    }
    name
}

fn differs_in_one(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).filter(|(a, b)| a != b).count() == 1
}

impl Names {
    /// Takes the next command.
    pub(crate) fn see(&mut self, args: &[&[u8]], scope: &Scope) {
        let Some(first) = args.first() else { return };
        let is_verb = |verb: &[u8]| XGROUP.iter().any(|own| verb.eq_ignore_ascii_case(own.as_bytes()));
        let is_group = first.eq_ignore_ascii_case(b"XGROUP");
        if is_known_name(first) && !(is_group && args.get(1).is_some_and(|verb| !is_verb(verb))) {
            let own = CANDIDATES.iter().find(|name| first.eq_ignore_ascii_case(name.as_bytes()));
            self.known.extend(own);
            return;
        }
        let meant: Vec<&'static str> = CANDIDATES.iter().copied().filter(|name| may_be(name, args, scope)).collect();
        if !meant.is_empty() {
            self.odd.entry(full_name(args)).or_insert((0, meant)).0 += 1;
        }
    }

    /// Those that are damaged.
    pub(crate) fn misspelt(&self) -> Misspelt {
        let is_in_use = |name: &&str| matches!(*name, "MULTI" | "EXEC" | "SELECT") || self.known.contains(*name);
        let odd = self.odd.iter().filter(|(_, (count, meant))| *count == 1 && meant.iter().any(is_in_use));
        odd.map(|(name, _)| name.clone()).collect()
    }
}

/// May this be a command called `name`, but for one byte of its name?
fn may_be(name: &'static str, args: &[&[u8]], scope: &Scope) -> bool {
    let own = args[0].to_ascii_uppercase();
    if name == "XGROUP" && own == b"XGROUP" {
        let verb = args[1].to_ascii_uppercase();
        let near = XGROUP.iter().any(|known| differs_in_one(&verb, known.as_bytes()));
        return near && args.get(2).is_some_and(|key| scope.find(key).is_some());
    }
    if !differs_in_one(&own, name.as_bytes()) {
        return false;
    }
    match name {
        "MULTI" | "EXEC" => args.len() == 1,
        "SELECT" => args.len() == 2 && decimal(args[1]).is_some(),
        _ => {
            let mut named = args.to_vec();
            named[0] = name.as_bytes();
            match touches(&Command { offset: 0, length: 0, args: &named }) {
                Touch::Keys(keys) => keys.first().is_some_and(|key| scope.find(key).is_some()),
                _ => false,
            }
        }
    }
}

/// Is the command's name damaged? A SELECT without a number is: servers write it by themselves.
pub(crate) fn is_damaged(args: &[&[u8]], misspelt: &Misspelt) -> bool {
    let Some(first) = args.first() else { return true };
    if first.eq_ignore_ascii_case(b"SELECT") {
        return !matches!(args, [_, db] if decimal(db).is_some());
    }
    !misspelt.is_empty() && misspelt.contains(&full_name(args))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn misspelt(lines: &[&str]) -> Vec<String> {
        let mut names = Names::default();
        for line in lines {
            names.see(&line.split(' ').map(str::as_bytes).collect::<Vec<_>>(), &Scope::default());
        }
        names.misspelt().iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
    }

    #[test]
    fn one_byte_of_a_name_that_is_in_use() {
        let add = "XADD papyra:a:events 1-0 data {}";
        for (odd, damaged) in [
            ("XbDD papyra:a:events 2-0 data {}", true),
            ("xade papyra:a:events 2-0 data {}", true),
            ("VADD points VALUES 2 1 1 e", false),
            ("XQRY papyra:a:events 2-0", false),
            ("XADDS papyra:a:events 2-0 data {}", false),
            ("EXXC", true),
            ("EXXC k", false),
            ("SELXCT 1", true),
            ("XGROUP DESTRO! papyra:a:events g", false),
            ("XACZ papyra:a:events g 1-1", false),
        ] {
            assert_eq!(!misspelt(&[add, odd]).is_empty(), damaged, "{odd}");
        }
        let group = "XGROUP CREATE papyra:a:events g 0";
        assert_eq!(misspelt(&[group, "XGROUP DESTRO! papyra:a:events g"]), ["XGROUP DESTRO!"]);
    }

    #[test]
    fn a_renamed_command_is_not_damaged() {
        let renamed = "XADE papyra:a:events 1-0 data {}";
        assert!(misspelt(&[renamed]).is_empty(), "nothing is called XADD");
        assert!(misspelt(&["XADD papyra:a:events 1-0 data {}", renamed, renamed]).is_empty(), "it is used");
        assert!(misspelt(&["XADD papyra:a:events 1-0 data {}", "7f3c papyra:a:events 1-0 data {}"]).is_empty());
    }
}
