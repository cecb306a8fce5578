//! What Papyra's writer puts between the values of a record: guesses, each worth one comparison.
//!
//! A record's fields come in the order of its class and are written by `json.dumps` (Papyra 0.3.0,
//! `persistence/models.py`); the JSON file backend and Redis have `kind` first, the rotating backend has it last. Where
//! a guess is right, the reader knows the field and where its value begins without having looked for the key's end.
//! Where it is wrong, nothing is lost but the comparison.

use wide::u8x16;

use crate::record::{Field, Kind};

/// More bytes than the longest text has.
pub(crate) const WIDTH: usize = 32;

/// A text that is expected somewhere.
#[derive(Debug)]
pub(crate) struct Text {
    /// Its bytes, and then some that do not count.
    bytes: [u8; WIDTH],
    /// In bytes.
    pub(crate) length: usize,
}

/// A record from its first byte to where the field after `kind` begins.
pub(crate) struct Opening {
    pub(crate) text: Text,
    pub(crate) kind: Kind,
    /// The fields that come then.
    pub(crate) keys: &'static [Key],
}

/// A field's name from its opening quote to where its value begins.
pub(crate) struct Key {
    pub(crate) text: Text,
    pub(crate) field: Field,
}

impl Text {
    const fn new(text: &str) -> Text {
        assert!(text.len() < WIDTH);
        let mut bytes = [0; WIDTH];
        bytes.split_at_mut(text.len()).0.copy_from_slice(text.as_bytes());
        Text { bytes, length: text.len() }
    }

    /// A text that is known only now, of fewer than [`WIDTH`] bytes.
    pub(crate) fn of(text: &[u8]) -> Text {
        let (mut bytes, length) = ([0; WIDTH], text.len());
        bytes[..length].copy_from_slice(text);
        Text { bytes, length }
    }

    /// The text.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Whether it stands at `i`; `false` also when `bytes` end too soon to tell at one look.
    #[inline(always)]
    pub(crate) fn is_at(&self, bytes: &[u8], i: usize) -> bool {
        let Some((found, _)) = bytes.get(i..).and_then(|rest| rest.split_first_chunk::<WIDTH>()) else { return false };
        let ([found, after], [text, rest]) = (halves(found), halves(&self.bytes));
        let equal = found.simd_eq(text).to_bitmask() | after.simd_eq(rest).to_bitmask() << 16;
        equal | u32::MAX << self.length == u32::MAX
    }
}

#[inline(always)]
fn halves(bytes: &[u8; WIDTH]) -> [u8x16; 2] {
    let (halves, _) = bytes.as_chunks::<16>();
    [u8x16::new(halves[0]), u8x16::new(halves[1])]
}

/// The most frequent first.
pub(crate) static OPENINGS: [Opening; 3] = [
    Opening { text: Text::new(r#"{"kind": "event", "#), kind: Kind::Event, keys: &EVENT },
    Opening { text: Text::new(r#"{"kind": "dead_letter", "#), kind: Kind::DeadLetter, keys: &DEAD_LETTER },
    Opening { text: Text::new(r#"{"kind": "audit", "#), kind: Kind::Audit, keys: &AUDIT },
];

/// The fields that come after one that was not expected.
#[inline]
pub(crate) fn after(field: Field) -> &'static [Key] {
    match field {
        Field::ActorAddress => &EVENT[2..],
        Field::Target => &DEAD_LETTER[2..],
        Field::Timestamp => &AUDIT[2..],
        _ => &[],
    }
}

const SYSTEM_ID: Key = Key { text: Text::new(r#""system_id": "#), field: Field::SystemId };
const TIMESTAMP: Key = Key { text: Text::new(r#""timestamp": "#), field: Field::Timestamp };
const PAYLOAD: Key = Key { text: Text::new(r#""payload": "#), field: Field::Payload };
const KIND: Key = Key { text: Text::new(r#""kind": "#), field: Field::Kind };

/// Of an event, the most frequent kind: what is expected until something else comes.
pub(crate) static EVENT: [Key; 6] = [
    SYSTEM_ID,
    Key { text: Text::new(r#""actor_address": "#), field: Field::ActorAddress },
    Key { text: Text::new(r#""event_type": "#), field: Field::EventType },
    PAYLOAD,
    TIMESTAMP,
    KIND,
];

static DEAD_LETTER: [Key; 6] = [
    SYSTEM_ID,
    Key { text: Text::new(r#""target": "#), field: Field::Target },
    Key { text: Text::new(r#""message_type": "#), field: Field::MessageType },
    PAYLOAD,
    TIMESTAMP,
    KIND,
];

static AUDIT: [Key; 11] = [
    SYSTEM_ID,
    TIMESTAMP,
    Key { text: Text::new(r#""total_actors": "#), field: Field::TotalActors },
    Key { text: Text::new(r#""alive_actors": "#), field: Field::AliveActors },
    Key { text: Text::new(r#""stopping_actors": "#), field: Field::StoppingActors },
    Key { text: Text::new(r#""restarting_actors": "#), field: Field::RestartingActors },
    Key { text: Text::new(r#""registry_size": "#), field: Field::RegistrySize },
    Key { text: Text::new(r#""registry_orphans": "#), field: Field::RegistryOrphans },
    Key { text: Text::new(r#""registry_dead": "#), field: Field::RegistryDead },
    Key { text: Text::new(r#""dead_letters_count": "#), field: Field::DeadLettersCount },
    KIND,
];
