//! Which commands an append-only file may hold, and which keys they touch.
//!
//! A server refuses a file with a command or subcommand that it does not know, so an unknown name in sound framing is damage too. Names with a
//! dot are modules' own and pass. The list: the write commands of Redis up to 8 and Valkey up to 9 (`COMMAND`, flag `write`), and what
//! the server itself writes around them.

use super::id::decimal;
use super::resp::Command;

/// Sorted: looked up by binary search.
const KNOWN: &[&str] = &[
    "APPEND",
    "BITFIELD",
    "BITOP",
    "BLMOVE",
    "BLMPOP",
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BZMPOP",
    "BZPOPMAX",
    "BZPOPMIN",
    "COPY",
    "DECR",
    "DECRBY",
    "DEL",
    "DELEX",
    "DELIFEQ",
    "EVAL",
    "EVALSHA",
    "EXEC",
    "EXPIRE",
    "EXPIREAT",
    "FCALL",
    "FLUSHALL",
    "FLUSHDB",
    "FUNCTION",
    "GEOADD",
    "GEORADIUS",
    "GEORADIUSBYMEMBER",
    "GEOSEARCHSTORE",
    "GETDEL",
    "GETEX",
    "GETSET",
    "HDEL",
    "HEXPIRE",
    "HEXPIREAT",
    "HGETDEL",
    "HGETEX",
    "HINCRBY",
    "HINCRBYFLOAT",
    "HMSET",
    "HPERSIST",
    "HPEXPIRE",
    "HPEXPIREAT",
    "HSET",
    "HSETEX",
    "HSETNX",
    "INCR",
    "INCRBY",
    "INCRBYFLOAT",
    "LINSERT",
    "LMOVE",
    "LMPOP",
    "LPOP",
    "LPUSH",
    "LPUSHX",
    "LREM",
    "LSET",
    "LTRIM",
    "MIGRATE",
    "MOVE",
    "MSET",
    "MSETEX",
    "MSETNX",
    "MULTI",
    "PERSIST",
    "PEXPIRE",
    "PEXPIREAT",
    "PFADD",
    "PFCOUNT",
    "PFDEBUG",
    "PFMERGE",
    "PING",
    "PSETEX",
    "PUBLISH",
    "RENAME",
    "RENAMENX",
    "RESTORE",
    "RESTORE-ASKING",
    "RPOP",
    "RPOPLPUSH",
    "RPUSH",
    "RPUSHX",
    "SADD",
    "SCRIPT",
    "SDIFFSTORE",
    "SELECT",
    "SET",
    "SETBIT",
    "SETEX",
    "SETNX",
    "SETRANGE",
    "SINTERSTORE",
    "SMOVE",
    "SORT",
    "SPOP",
    "SPUBLISH",
    "SREM",
    "SUNIONSTORE",
    "SWAPDB",
    "TOUCH",
    "UNLINK",
    "XACK",
    "XACKDEL",
    "XADD",
    "XAUTOCLAIM",
    "XCFGSET",
    "XCLAIM",
    "XDEL",
    "XDELEX",
    "XGROUP",
    "XNACK",
    "XREADGROUP",
    "XSETID",
    "XTRIM",
    "ZADD",
    "ZDIFFSTORE",
    "ZINCRBY",
    "ZINTERSTORE",
    "ZMPOP",
    "ZPOPMAX",
    "ZPOPMIN",
    "ZRANGESTORE",
    "ZREM",
    "ZREMRANGEBYLEX",
    "ZREMRANGEBYRANK",
    "ZREMRANGEBYSCORE",
    "ZUNIONSTORE",
];

/// What a command does to the keyspace, as far as streams are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Touch<'a> {
    /// Nothing: `SELECT`, `MULTI`, `EXEC`, `PING`, scripts being loaded.
    None,
    /// Whole databases.
    Everything,
    /// These keys.
    Keys(Vec<&'a [u8]>),
    /// Keys of other types, or keys that cannot be told from the outside.
    Others,
}

/// Does any server write a command of this name?
pub(crate) fn is_known_name(name: &[u8]) -> bool {
    let name = name.to_ascii_uppercase();
    let Ok(text) = std::str::from_utf8(&name) else { return false };
    KNOWN.binary_search(&text).is_ok() || (text.contains('.') && text.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Does any server write this?
pub(crate) fn is_known(command: &Command<'_>) -> bool {
    let verbs: &[&str] = match command.name().as_slice() {
        b"SELECT" => return matches!(command.args, [_, db] if decimal(db).is_some()),
        b"XGROUP" => &["CREATE", "SETID", "DESTROY", "CREATECONSUMER", "DELCONSUMER"],
        b"FUNCTION" => &["LOAD", "DELETE", "FLUSH", "RESTORE"],
        b"SCRIPT" => &["LOAD", "FLUSH"],
        name => return is_known_name(name),
    };
    command.args.get(1).is_some_and(|arg| verbs.iter().any(|verb| arg.eq_ignore_ascii_case(verb.as_bytes())))
}

/// Says of a command that is not known what is wrong with it: its name, or its subcommand.
pub(crate) fn unknown(args: &[&[u8]]) -> String {
    let shown = args.iter().take(if is_known_name(args[0]) { 2 } else { 1 });
    let shown: Vec<_> = shown.map(|arg| String::from_utf8_lossy(arg)).collect();
    format!("{:?} is no command that a server writes", shown.join(" "))
}

/// Which keys a command touches.
pub(crate) fn touches<'a>(command: &Command<'a>) -> Touch<'a> {
    let args = command.args;
    let keys = |range: &'a [&'a [u8]]| Touch::Keys(range.to_vec());
    let first = |n: usize| keys(&args[1.min(args.len())..(1 + n).min(args.len())]);
    match command.name().as_slice() {
        b"SELECT" | b"MULTI" | b"EXEC" | b"PING" | b"PUBLISH" | b"SPUBLISH" | b"SCRIPT" | b"FUNCTION" => Touch::None,
        b"FLUSHALL" | b"FLUSHDB" | b"SWAPDB" => Touch::Everything,
        b"XADD" | b"XDEL" | b"XDELEX" | b"XTRIM" | b"XSETID" | b"XCLAIM" | b"XAUTOCLAIM" | b"XACK" | b"XACKDEL"
        | b"XNACK" | b"XCFGSET" | b"EXPIRE" | b"EXPIREAT" | b"PEXPIRE" | b"PEXPIREAT" | b"PERSIST" | b"MOVE"
        | b"RESTORE" | b"RESTORE-ASKING" => first(1),
        b"XGROUP" => keys(&args[2.min(args.len())..3.min(args.len())]),
        b"RENAME" | b"RENAMENX" | b"COPY" => first(2),
        b"DEL" | b"UNLINK" | b"TOUCH" => first(args.len()),
        _ => Touch::Others,
    }
}

/// Does a command put one key's value under another name, or in another database?
pub(crate) fn moves(command: &Command<'_>) -> bool {
    matches!(command.name().as_slice(), b"RENAME" | b"RENAMENX" | b"COPY" | b"MOVE")
}

/// A command of a script: what it does cannot be told from its bytes.
pub(crate) fn is_opaque(command: &Command<'_>) -> bool {
    matches!(command.name().as_slice(), b"EVAL" | b"EVALSHA" | b"FCALL" | b"MIGRATE" | b"XREADGROUP")
}

/// The keys that a command of another type replaces or removes, whatever they held before.
pub(crate) fn overwrites<'a>(command: &Command<'a>) -> Vec<&'a [u8]> {
    let args = command.args;
    let at = |n: usize| args.get(n).copied().into_iter().collect();
    match command.name().as_slice() {
        b"SET" | b"SETEX" | b"PSETEX" | b"GETSET" | b"SINTERSTORE" | b"SUNIONSTORE" | b"SDIFFSTORE"
        | b"ZUNIONSTORE" | b"ZINTERSTORE" | b"ZDIFFSTORE" | b"ZRANGESTORE" | b"GEOSEARCHSTORE" => at(1),
        b"BITOP" => at(2),
        b"MSET" => args.iter().skip(1).step_by(2).copied().collect(),
        b"SORT" | b"GEORADIUS" | b"GEORADIUSBYMEMBER" => {
            let store = |arg: &&[u8]| arg.eq_ignore_ascii_case(b"STORE") || arg.eq_ignore_ascii_case(b"STOREDIST");
            args.iter().skip(2).position(store).map_or(Vec::new(), |found| at(found + 3))
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(line: &str, see: impl FnOnce(&Command<'_>) -> T) -> T {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        see(&Command { offset: 0, length: 0, args: &args })
    }

    #[test]
    fn the_list_is_sorted_and_names_are_matched_in_any_case() {
        assert!(KNOWN.is_sorted());
        for (line, known) in
            [("xadd k", true), ("XADE k", false), ("JSON.SET k", true), ("GET k", false), ("\u{e9}", false)]
                .into_iter()
                .chain([
                    ("XGROUP destroy k g", true),
                    ("XGROUP DESTROX k g", false),
                    ("XGROUP", false),
                    ("SELECT 1", true),
                    ("SELECT z", false),
                ])
        {
            assert_eq!(with(line, is_known), known, "{line}");
        }
    }

    #[test]
    fn keys_and_overwritten_keys() {
        let keys = |line: &str| with(line, |c| format!("{:?}", touches(c)).replace(char::is_numeric, "").len());
        assert_eq!(keys("RENAME a"), keys("RENAME b"));
        with("XGROUP CREATE k g 0", |c| assert_eq!(touches(c), Touch::Keys(vec![b"k"])));
        with("DEL a b", |c| assert_eq!(touches(c), Touch::Keys(vec![b"a", b"b"])));
        with("XADD", |c| assert_eq!(touches(c), Touch::Keys(vec![])));
        with("MSET a 1 b 2", |c| assert_eq!(overwrites(c), [b"a", b"b"]));
        with("SORT l LIMIT 0 1 STORE out", |c| assert_eq!(overwrites(c), [b"out"]));
        with("FLUSHDB", |c| assert_eq!(touches(c), Touch::Everything));
    }
}
