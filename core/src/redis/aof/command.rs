//! Commands by name: which ones servers are known to write, and which keys they touch.
//!
//! A name that is not in the list is no damage: it may be a later server's, a module's, or given by `rename-command`.
//! The list says what to make of the others, and what is worth following when commands are looked for after damage. It
//! has the write commands of Redis up to 8.10 and Valkey up to 9.1 (`COMMAND`, flag `write`), and what servers write
//! around them. Whether a name is another's, damaged: `misspelt`.

use super::resp::Command;

/// Sorted: looked up by binary search.
const KNOWN: &[&str] = &[
    "APPEND",
    "ARDEL",
    "ARDELRANGE",
    "ARINSERT",
    "ARMSET",
    "ARRING",
    "ARSEEK",
    "ARSET",
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
    "CLUSTER",
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
    "HIMPORT",
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
    "INCREX",
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
    "TRIMSLOTS",
    "UNLINK",
    "VADD",
    "VREM",
    "VSETATTR",
    "XACK",
    "XACKDEL",
    "XADD",
    "XAUTOCLAIM",
    "XCFGSET",
    "XCLAIM",
    "XDEL",
    "XDELEX",
    "XGROUP",
    "XIDMPRECORD",
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

/// Is a server known to write a command of this name? Those with a dot are modules' own.
pub(crate) fn is_known_name(name: &[u8]) -> bool {
    let name = name.to_ascii_uppercase();
    let Ok(text) = std::str::from_utf8(&name) else { return false };
    KNOWN.binary_search(&text).is_ok() || (text.contains('.') && text.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Which keys a command touches.
pub(crate) fn touches<'a>(command: &Command<'a>) -> Touch<'a> {
    let args = command.args;
    let keys = |range: &'a [&'a [u8]]| Touch::Keys(range.to_vec());
    let first = |n: usize| keys(&args[1.min(args.len())..(1 + n).min(args.len())]);
    match command.name().as_slice() {
        b"SELECT" | b"MULTI" | b"EXEC" | b"PING" | b"PUBLISH" | b"SPUBLISH" | b"SCRIPT" | b"FUNCTION" => Touch::None,
        b"FLUSHALL" | b"FLUSHDB" | b"SWAPDB" | b"TRIMSLOTS" | b"CLUSTER" => Touch::Everything,
        b"XADD" | b"XDEL" | b"XDELEX" | b"XTRIM" | b"XSETID" | b"XCLAIM" | b"XAUTOCLAIM" | b"XACK" | b"XACKDEL"
        | b"XNACK" | b"XCFGSET" | b"XIDMPRECORD" | b"EXPIRE" | b"EXPIREAT" | b"PEXPIRE" | b"PEXPIREAT" | b"PERSIST"
        | b"MOVE" | b"RESTORE" | b"RESTORE-ASKING" => first(1),
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
        for (name, known) in [("xadd", true), ("XADE", false), ("JSON.SET", true), ("GET", false), ("\u{e9}", false)] {
            assert_eq!(is_known_name(name.as_bytes()), known, "{name}");
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
