//! What a reader tells its caller while it goes through a backup.
//!
//! One interface for a scan, a list, an export and the browser page: each takes what it needs and nothing is kept here.
//! Every method has a do-nothing default; those that return [`Flow`] may end the reading early.

use std::ops::{ControlFlow, Range};

use super::aof::resp::Command;
use super::finding::BackupFinding;
use super::rdb::header::Header;
use super::rdb::node::Entry;
use super::stream::group::Group;
use super::stream::numbers::StreamFacts;

/// Go on, or stop here: a reader that was stopped takes no more bytes.
pub type Flow = ControlFlow<()>;

/// A key as it is met, before its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// The database number.
    pub db: u64,
    /// Its name.
    pub name: &'a [u8],
    /// The value's type code, which means different things in Redis and in Valkey files from 22 on.
    pub rdb_type: u8,
    /// Is it a stream?
    pub is_stream: bool,
    /// Unix time in milliseconds at which it expires.
    pub expire_ms: Option<i64>,
    /// Of the type code, in bytes from the start of the file.
    pub offset: u64,
}

/// Receives what a reader finds, in file order.
pub trait Visitor {
    /// The file's header.
    fn header(&mut self, _header: &Header) {}

    /// An auxiliary field, such as `redis-ver`.
    fn aux(&mut self, _name: &[u8], _value: &[u8]) {}

    /// A key of any type.
    fn key(&mut self, _key: &Key<'_>) -> Flow {
        Flow::Continue(())
    }

    /// A live entry of a stream.
    fn entry(&mut self, _key: &Key<'_>, _entry: &Entry<'_>) -> Flow {
        Flow::Continue(())
    }

    /// A consumer group, complete and checked.
    fn group(&mut self, _key: &Key<'_>, _group: Group) -> Flow {
        Flow::Continue(())
    }

    /// A stream's own facts, after its entries and groups.
    fn stream(&mut self, _key: &Key<'_>, _facts: &StreamFacts) -> Flow {
        Flow::Continue(())
    }

    /// Where a stream's value lay, in bytes from the start of the file: what follows the key's name, to its end.
    fn value(&mut self, _key: &Key<'_>, _bytes: Range<u64>) -> Flow {
        Flow::Continue(())
    }

    /// A command of an append-only file.
    fn command(&mut self, _command: &Command<'_>) -> Flow {
        Flow::Continue(())
    }

    /// A timestamp annotation of an append-only file, in Unix seconds.
    fn timestamp(&mut self, _offset: u64, _unix: i64) {}

    /// Something is wrong.
    fn finding(&mut self, _finding: BackupFinding) -> Flow {
        Flow::Continue(())
    }
}

/// Looks at nothing.
impl Visitor for () {}

/// Any visitor as one type: what is read through it is compiled once for all of them.
pub(crate) type Any<'a> = &'a mut (dyn Visitor + 'a);

impl Visitor for Any<'_> {
    fn header(&mut self, header: &Header) {
        (**self).header(header);
    }

    fn aux(&mut self, name: &[u8], value: &[u8]) {
        (**self).aux(name, value);
    }

    fn key(&mut self, key: &Key<'_>) -> Flow {
        (**self).key(key)
    }

    fn entry(&mut self, key: &Key<'_>, entry: &Entry<'_>) -> Flow {
        (**self).entry(key, entry)
    }

    fn group(&mut self, key: &Key<'_>, group: Group) -> Flow {
        (**self).group(key, group)
    }

    fn stream(&mut self, key: &Key<'_>, facts: &StreamFacts) -> Flow {
        (**self).stream(key, facts)
    }

    fn value(&mut self, key: &Key<'_>, bytes: Range<u64>) -> Flow {
        (**self).value(key, bytes)
    }

    fn command(&mut self, command: &Command<'_>) -> Flow {
        (**self).command(command)
    }

    fn timestamp(&mut self, offset: u64, unix: i64) {
        (**self).timestamp(offset, unix);
    }

    fn finding(&mut self, finding: BackupFinding) -> Flow {
        (**self).finding(finding)
    }
}
