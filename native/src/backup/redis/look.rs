//! A look through the bytes of a DUMP payload or an RDB file, read from wherever they lie.

use std::io::{self, Read};

use papyra_core::redis::look::Look;
pub(in crate::backup) use papyra_core::redis::look::{Found, Payload, Streams};

use crate::error::Result;
use crate::offline::beyond;
use crate::reading::Effort;

/// Reads all of `bytes`. `name` is what the report calls them.
pub(in crate::backup) fn look(
    payload: Payload<'_>,
    name: &str,
    bytes: &mut dyn Read,
    effort: Effort<'_>,
) -> Result<io::Result<Streams>> {
    let mut look = Look::new(payload, name, effort.max_findings);
    let mut buffer = vec![0; 1 << 18];
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => look.push(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Ok(Err(error)),
        }
    }
    look.finish().map(Ok).map_err(|error| beyond(name.as_ref(), &error))
}
