//! A look through the bytes of a DUMP payload that is held whole.

use papyra_core::redis::stored_streams::StreamSurvey;
pub(in crate::backup) use papyra_core::redis::stored_streams::{FoundStream, Payload, Streams};

use crate::error::Result;
use crate::offline::beyond;

/// `name` is what the report calls the bytes; it lists the first `max_findings` findings.
pub(in crate::backup) fn survey(
    payload: Payload<'_>,
    name: &str,
    bytes: &[u8],
    max_findings: usize,
) -> Result<Streams> {
    let mut survey = StreamSurvey::new(payload, name, max_findings);
    survey.push(bytes);
    survey.finish().map_err(|error| beyond(name.as_ref(), &error))
}
