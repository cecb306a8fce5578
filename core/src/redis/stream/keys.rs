//! Which streams are Papyra's, and whether an entry of one is a record.
//!
//! Papyra 0.3.0 writes to `{prefix}:{system_id}:events`, `…:audits` and `…:dead_letters`, one field `data` an entry.
//! The JSON itself is judged by the same readers as a log's lines.

use serde::{Deserialize, Serialize};

use crate::json::fast;
use crate::line::{Fault, Line, Outcome};
use crate::record::{Kind, RecordFacts};
use crate::redis::rdb::node::{Entry, Value};
use crate::tally::DATA;

pub use crate::reason::NoRecord;

/// Papyra's three streams.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// `…:events`
    Events,
    /// `…:audits`
    Audits,
    /// `…:dead_letters`
    DeadLetters,
}

impl StreamKind {
    /// All three, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Events, Self::Audits, Self::DeadLetters];

    /// The kind of its records.
    pub fn record(self) -> Kind {
        match self {
            Self::Events => Kind::Event,
            Self::Audits => Kind::Audit,
            Self::DeadLetters => Kind::DeadLetter,
        }
    }

    /// The last part of the key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Audits => "audits",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// The parts of the key of one of Papyra's streams.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PapyraKey {
    /// What stands before the system; `papyra` by default.
    pub prefix: String,
    /// The actor system.
    pub system_id: String,
    /// Which of its streams.
    pub kind: StreamKind,
}

impl PapyraKey {
    /// Takes a key apart; `None` when it is not built like one of Papyra's. A prefix may hold colons, a system may not:
    /// where that is ambiguous, [`Scope`] decides.
    pub fn parse(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        let (rest, last) = text.rsplit_once(':')?;
        let (prefix, system_id) = rest.rsplit_once(':')?;
        let kind = StreamKind::ALL.into_iter().find(|kind| kind.name() == last)?;
        (!prefix.is_empty() && !system_id.is_empty()).then(|| Self {
            prefix: prefix.to_owned(),
            system_id: system_id.to_owned(),
            kind,
        })
    }
}

/// Which keys to take for Papyra's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// Only this prefix; any when `None`.
    pub prefix: Option<String>,
    /// Only this system; any when `None`.
    pub system_id: Option<String>,
}

impl Scope {
    /// The parts of `key` if it is within the scope.
    pub fn find(&self, key: &[u8]) -> Option<PapyraKey> {
        let Some(prefix) = &self.prefix else {
            return PapyraKey::parse(key).filter(|key| self.system_id.as_ref().is_none_or(|id| *id == key.system_id));
        };
        // With the prefix given, the system is all that stands before the last part, colons included.
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(prefix.as_str())?.strip_prefix(':')?;
        let (system_id, last) = rest.rsplit_once(':')?;
        let kind = StreamKind::ALL.into_iter().find(|kind| kind.name() == last)?;
        let fits = !system_id.is_empty() && self.system_id.as_ref().is_none_or(|id| id == system_id);
        fits.then(|| PapyraKey { prefix: prefix.clone(), system_id: system_id.to_owned(), kind })
    }
}

/// Judges entries; keeps a buffer between them.
#[derive(Debug, Default)]
pub struct RecordCheck {
    line: Vec<u8>,
}

impl RecordCheck {
    /// The facts of the record that an entry holds in the last of its fields called `data`.
    ///
    /// # Errors
    /// It holds none that Papyra can read, and why.
    pub fn entry(&mut self, entry: &Entry<'_>) -> Result<RecordFacts, NoRecord> {
        let is_text = |value: &Value<'_>| simdutf8::basic::from_utf8(value.as_bytes()).is_ok();
        let (mut data, mut others_are_text) = (None::<Value<'_>>, true);
        for (name, value) in entry.fields.clone() {
            let beside = if name.as_bytes() == DATA { data.replace(value) } else { Some(value) };
            others_are_text &= is_text(&name) && beside.is_none_or(|value| is_text(&value));
        }
        let facts = self.data(data.ok_or(NoRecord::MissingData)?.as_bytes())?;
        if others_are_text { Ok(facts) } else { Err(NoRecord::SideField) }
    }

    /// The same of a value alone.
    ///
    /// # Errors
    /// It is no record, and why.
    pub fn data(&mut self, data: &[u8]) -> Result<RecordFacts, NoRecord> {
        if simdutf8::basic::from_utf8(data).is_err() {
            return Err(NoRecord::InvalidUtf8);
        }
        self.line.clear();
        self.line.extend_from_slice(data);
        if memchr::memchr2(b'\n', b'\r', data).is_some() {
            flatten(&mut self.line);
        }
        self.line.push(b'\n');
        if let Some((used, facts)) = fast::line(&self.line).filter(|&(used, _)| used == self.line.len()) {
            debug_assert_eq!(used, data.len() + 1);
            return Ok(facts);
        }
        self.line.pop();
        let mut line = Line::new(0);
        line.feed(&self.line, &mut Vec::new());
        match line.end(true) {
            Outcome::Record(facts) => Ok(facts),
            Outcome::Damaged { fault, .. } => Err(match fault {
                Fault::Blank => NoRecord::Blank,
                Fault::NotAnObject => NoRecord::NotAnObject,
                Fault::InvalidUtf8 => NoRecord::InvalidUtf8,
                Fault::NulBytes => NoRecord::NulBytes,
                Fault::Torn | Fault::InvalidJson => NoRecord::InvalidJson,
            }),
        }
    }
}

/// Line ends between tokens are white space to `json.loads`, while a log's line has none: put blanks in their place.
/// Within a string they stay, and make it invalid.
pub(crate) fn flatten(json: &mut [u8]) {
    let (mut in_text, mut escaped) = (false, false);
    for byte in json {
        match *byte {
            b'\n' | b'\r' if !in_text => *byte = b' ',
            b'"' if !escaped => in_text = !in_text,
            _ => {}
        }
        escaped = in_text && !escaped && *byte == b'\\';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_apart() {
        let key = PapyraKey::parse(b"papyra:orders:dead_letters").unwrap();
        assert_eq!(
            (key.prefix.as_str(), key.system_id.as_str(), key.kind),
            ("papyra", "orders", StreamKind::DeadLetters)
        );
        for other in
            ["orders:events", ":orders:events", "papyra::events", "papyra:orders:event", "papyra:o:quarantine:x"]
        {
            assert_eq!(PapyraKey::parse(other.as_bytes()), None, "{other}");
        }
        let scope = Scope { prefix: Some("a:b".into()), system_id: None };
        assert_eq!(scope.find(b"a:b:c:d:audits").unwrap().system_id, "c:d");
        assert_eq!(scope.find(b"a:c:audits"), None);
        let scope = Scope { prefix: None, system_id: Some("x".into()) };
        assert!(scope.find(b"p:x:events").is_some() && scope.find(b"p:y:events").is_none());
    }

    #[test]
    fn data_is_judged_as_a_line_is() {
        let mut check = RecordCheck::default();
        let mut of = |data: &str| check.data(data.as_bytes()).map(|facts| facts.kind.name());
        assert_eq!(of(r#"{"kind": "event", "x": NaN}"#), Ok("event"));
        assert_eq!(of(" {\"kind\"\n:\r\n\"audit\"}\n"), Ok("audit"));
        assert_eq!(of("{}"), Ok("other"));
        assert_eq!(of("{\"a\": \"x\ny\"}"), Err(NoRecord::InvalidJson));
        assert_eq!(of("{\"a\": \"\\\"\n\"}"), Err(NoRecord::InvalidJson));
        assert_eq!(of(r#"{"kind":"event""#), Err(NoRecord::InvalidJson));
        assert_eq!(of("[1,2]"), Err(NoRecord::NotAnObject));
        assert_eq!(of(""), Err(NoRecord::Blank));
        assert_eq!(of("{}{}"), Err(NoRecord::InvalidJson));
        assert_eq!(RecordCheck::default().data(b"{\"a\":\"\xff\"}"), Err(NoRecord::InvalidUtf8));
    }
}
