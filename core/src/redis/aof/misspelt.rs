//! Which names in an append-only file only damage can have made.
//!
//! In sound framing an unknown name is no damage by itself: it may be a later server's command, a module's, or one
//! under `rename-command`. It is taken for another command's damaged name only where nothing else is left: it differs
//! from that name in one byte, it is in the file once, its arguments are that command's, and what stands around it
//! shows that nobody has renamed that command. Servers give names when they start, and the first command that one
//! appends is a SELECT; so a command that is used under its own name between the same two SELECTs has no other. MULTI
//! and EXEC are written by the server itself, whatever they are called, and in pairs: one that is damaged leaves the
//! other alone.

use std::collections::{BTreeMap, BTreeSet};

use super::command::{Touch, is_known_name, touches};
use super::resp::Command;
use crate::redis::stream::id::decimal;
use crate::redis::stream::keys::Scope;

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
    /// Commands under their own name since the last SELECT.
    known: BTreeSet<&'static str>,
    /// Each name that is another but for a byte.
    odd: BTreeMap<Vec<u8>, Odd>,
    /// Those since the last SELECT that are not settled.
    waiting: Vec<Vec<u8>>,
    /// One since the last bracket that may be a bracket.
    bracket: Option<Vec<u8>>,
    in_transaction: bool,
}

#[derive(Debug, Default)]
struct Odd {
    count: u64,
    /// The names that it may be.
    meant: Vec<&'static str>,
    /// One of them is in use around it.
    is_settled: bool,
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
            if let Some(own) = CANDIDATES.iter().find(|name| first.eq_ignore_ascii_case(name.as_bytes())) {
                self.own(own);
            }
            return;
        }
        let meant: Vec<&'static str> = CANDIDATES.iter().copied().filter(|name| may_be(name, args, scope)).collect();
        if meant.is_empty() {
            return;
        }
        let name = full_name(args);
        let may_be = |bracket: &str| meant.contains(&bracket);
        // The other of the pair must be alone: an EXEC after a MULTI that has none, a MULTI before an EXEC that has
        // none.
        if may_be(if self.in_transaction { "EXEC" } else { "MULTI" }) {
            self.bracket = Some(name.clone());
        }
        let is_settled = may_be("SELECT") || meant.iter().any(|meant| self.known.contains(meant));
        self.waiting.push(name.clone());
        let odd = self.odd.entry(name).or_default();
        odd.count += 1;
        odd.meant = meant;
        odd.is_settled |= is_settled;
    }

    /// What stands between the commands so far and those to come is lost: it may have been a SELECT, or a bracket.
    pub(crate) fn lose(&mut self) {
        self.known.clear();
        self.waiting.clear();
        self.bracket = None;
    }

    /// A command under its own name.
    fn own(&mut self, name: &'static str) {
        if name == "SELECT" {
            self.known.clear();
            self.waiting.clear();
        } else if name == "MULTI" || name == "EXEC" {
            // The next bracket is the same as the one before: the odd one between them is the other.
            let repeats = self.in_transaction == (name == "MULTI");
            if let Some(odd) = self.bracket.take().filter(|_| repeats).and_then(|odd| self.odd.get_mut(&odd)) {
                odd.is_settled = true;
            }
            self.in_transaction = name == "MULTI";
        } else if self.known.insert(name) {
            for waiting in &self.waiting {
                if let Some(odd) = self.odd.get_mut(waiting) {
                    odd.is_settled |= odd.meant.contains(&name);
                }
            }
        }
    }

    /// Those that are damaged.
    pub(crate) fn misspelt(&self) -> Misspelt {
        // At the end of the file the transaction that is open there has lost its EXEC.
        let is_last = |name: &Vec<u8>| self.in_transaction && self.bracket.as_ref() == Some(name);
        let odd = self.odd.iter().filter(|(name, odd)| odd.count == 1 && (odd.is_settled || is_last(name)));
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
        "XADD" if args.len() < 5 => false,
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
            ("EXXC", false),
            ("EXXC k", false),
            ("XADX papyra:a:events", false),
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
    fn brackets_are_damaged_where_the_other_of_the_pair_is_alone() {
        for (lines, damaged) in [
            (&["MULTI", "EXXC"][..], true),
            (&["MULTI", "EXXC", "EXEC"], false),
            (&["MULTI", "EXXC", "MULTI", "EXEC"], true),
            (&["MUXTI", "EXEC"], true),
            (&["MUXTI"], false),
            (&["MUXTI", "MULTI", "EXEC"], false),
            (&["EXXC", "MULTI", "EXEC"], false),
        ] {
            assert_eq!(!misspelt(lines).is_empty(), damaged, "{lines:?}");
        }
    }

    #[test]
    fn a_renamed_command_is_not_damaged() {
        let (own, renamed) = ("XADD papyra:a:events 1-0 data {}", "XADE papyra:a:events 2-0 data {}");
        assert!(misspelt(&[renamed]).is_empty(), "nothing is called XADD");
        assert!(misspelt(&[own, renamed, renamed]).is_empty(), "it is used");
        assert!(misspelt(&[own, "7f3c papyra:a:events 1-0 data {}"]).is_empty());
        for restarts in
            [&[own, "SELECT 0", renamed][..], &[renamed, "SELECT 0", own], &[own, "SELECT 0", renamed, "SELECT 0", own]]
        {
            assert!(misspelt(restarts).is_empty(), "a server was started with other names: {restarts:?}");
        }
        assert!(!misspelt(&[renamed, own]).is_empty());
    }
}
