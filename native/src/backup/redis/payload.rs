//! A look through the bytes of a DUMP payload that is held whole.

use papyra_core::redis::look::Look;
pub(in crate::backup) use papyra_core::redis::look::{FoundStream, Payload, Streams};

use crate::error::Result;
use crate::offline::beyond;

/// `name` is what the report calls the bytes; it lists the first `max_findings` findings.
pub(in crate::backup) fn look(payload: Payload<'_>, name: &str, bytes: &[u8], max_findings: usize) -> Result<Streams> {
    let mut look = Look::new(payload, name, max_findings);
    look.push(bytes);
    look.finish().map_err(|error| beyond(name.as_ref(), &error))
}
