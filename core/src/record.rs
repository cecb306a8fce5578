//! What a record is: its kinds, its fields, and which notes its fields deserve.
//!
//! The facts here are gathered by the parsers in [`crate::json`] while a line goes by; nothing in this module
//! reads bytes of a log beyond a field's name. Source of the field table: Papyra 0.3.0, `persistence/models.py`.

use serde::{Deserialize, Serialize};

/// Papyra's record types. `Other` is a JSON object of no kind that we know: intact, kept, and counted apart.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An actor's life: started, stopped, crashed, restarted, or whatever a newer writer adds.
    Event,
    /// A snapshot of the actor system's registry.
    Audit,
    /// A message that could not be delivered.
    DeadLetter,
    /// No `kind`, one that is no string, or one that Papyra 0.3.0 does not know.
    #[default]
    Other,
}

impl Kind {
    /// The kind that the unescaped text of a `kind` field names.
    pub fn of(name: &[u8]) -> Kind {
        match name {
            b"event" => Kind::Event,
            b"audit" => Kind::Audit,
            b"dead_letter" => Kind::DeadLetter,
            _ => Kind::Other,
        }
    }

    /// The kind's name as it stands in a record; `other` for the rest.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Event => "event",
            Kind::Audit => "audit",
            Kind::DeadLetter => "dead_letter",
            Kind::Other => "other",
        }
    }
}

/// The top-level fields that Papyra writes; the numeric value is the field's bit in a set of fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)] // The names are the fields' own.
pub enum Field {
    Kind,
    SystemId,
    Timestamp,
    ActorAddress,
    EventType,
    Payload,
    TotalActors,
    AliveActors,
    StoppingActors,
    RestartingActors,
    RegistrySize,
    DeadLettersCount,
    RegistryOrphans,
    RegistryDead,
    Target,
    MessageType,
}

impl Field {
    /// The length in bytes of the longest field name.
    pub const LONGEST: usize = 18;

    /// The field of that name (unescaped bytes), if Papyra writes such a field.
    #[inline]
    pub fn of(name: &[u8]) -> Option<Field> {
        Some(match name {
            b"kind" => Field::Kind,
            b"system_id" => Field::SystemId,
            b"timestamp" => Field::Timestamp,
            b"actor_address" => Field::ActorAddress,
            b"event_type" => Field::EventType,
            b"payload" => Field::Payload,
            b"total_actors" => Field::TotalActors,
            b"alive_actors" => Field::AliveActors,
            b"stopping_actors" => Field::StoppingActors,
            b"restarting_actors" => Field::RestartingActors,
            b"registry_size" => Field::RegistrySize,
            b"dead_letters_count" => Field::DeadLettersCount,
            b"registry_orphans" => Field::RegistryOrphans,
            b"registry_dead" => Field::RegistryDead,
            b"target" => Field::Target,
            b"message_type" => Field::MessageType,
            _ => return None,
        })
    }
}

/// A set of [`Field`]s, one bit each.
type FieldSet = u16;

const fn set(fields: &[Field]) -> FieldSet {
    let (mut bits, mut i) = (0, 0);
    while i < fields.len() {
        bits |= 1 << fields[i] as u8;
        i += 1;
    }
    bits
}

const EVENT: FieldSet =
    set(&[Field::Kind, Field::SystemId, Field::Timestamp, Field::ActorAddress, Field::EventType, Field::Payload]);
const COUNTS: FieldSet = set(&[
    Field::TotalActors,
    Field::AliveActors,
    Field::StoppingActors,
    Field::RestartingActors,
    Field::RegistrySize,
    Field::DeadLettersCount,
]);
const LISTS: FieldSet = set(&[Field::RegistryOrphans, Field::RegistryDead]);
const AUDIT: FieldSet = set(&[Field::Kind, Field::SystemId, Field::Timestamp]) | COUNTS | LISTS;
const DEAD_LETTER: FieldSet =
    set(&[Field::Kind, Field::SystemId, Field::Timestamp, Field::Target, Field::MessageType, Field::Payload]);
const STRINGS: FieldSet = set(&[Field::Kind, Field::SystemId, Field::EventType, Field::MessageType]);

/// The JSON type of a field's value, as far as a record's fields are told apart by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shape {
    String,
    Integer,
    /// A number with a fraction or an exponent, and Python's `NaN` and `Infinity`.
    Float,
    Object,
    Array,
    Null,
    Boolean,
}

/// The `event_type` of an actor that crashed (Papyra 0.3.0, `events.py`).
pub const CRASHED: &[u8] = b"ActorCrashed";

/// The `event_type` of an actor that was started again (Papyra 0.3.0, `events.py`).
pub const RESTARTED: &[u8] = b"ActorRestarted";

/// What the parsers saw of one record's top level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordFacts {
    /// The record's kind; `Other` until a `kind` field says more. The last of a duplicate wins.
    pub kind: Kind,
    /// The `timestamp` in seconds of the writer's clock; `None` when absent or no number, NaN for Python's constants.
    pub timestamp: Option<f64>,
    /// Whether the `event_type` is [`CRASHED`].
    pub crashed: bool,
    /// Whether the `event_type` is [`RESTARTED`].
    pub restarted: bool,
    seen: FieldSet,
    /// Per [`Shape`], the fields whose (last) value has it.
    shapes: [FieldSet; 7],
    repeated: bool,
    marks: u8,
}

/// Marks that hold for a record however deep inside it they were earned.
pub(crate) mod mark {
    /// A `NaN`, an `Infinity`, or a float beyond the range of a double.
    pub(crate) const NON_FINITE: u8 = 1;
    /// An integer of more digits than Python's `int()` reads by default.
    pub(crate) const HUGE_INTEGER: u8 = 2;
    /// Nested deeper than [`crate::json::PYTHON_DEPTH`].
    pub(crate) const DEEP: u8 = 4;
    /// Nested deeper than [`crate::json::MAX_DEPTH`]: brackets were only counted below it.
    pub(crate) const UNVALIDATED: u8 = 8;
}

impl Default for RecordFacts {
    fn default() -> Self {
        Self {
            kind: Kind::Other,
            timestamp: None,
            crashed: false,
            restarted: false,
            seen: 0,
            shapes: [0; 7],
            repeated: false,
            marks: 0,
        }
    }
}

impl RecordFacts {
    /// Takes note of the text of `event_type`.
    #[inline]
    pub(crate) fn event(&mut self, text: &[u8]) {
        (self.crashed, self.restarted) = (text == CRASHED, text == RESTARTED);
    }

    /// Takes note of a top-level field and its value's type.
    #[inline]
    pub(crate) fn saw(&mut self, field: Field, shape: Shape) {
        let bit: FieldSet = 1 << field as u8;
        if self.seen & bit != 0 {
            self.repeated = true;
            for fields in &mut self.shapes {
                *fields &= !bit;
            }
        }
        self.seen |= bit;
        self.shapes[shape as usize] |= bit;
    }

    #[inline]
    pub(crate) fn mark(&mut self, marks: u8) {
        self.marks |= marks;
    }

    #[inline]
    pub(crate) fn marks(&self) -> u8 {
        self.marks
    }

    /// Whether every field that the record's kind requires is there, of whatever type. Never for `Other`.
    pub fn is_complete(&self) -> bool {
        self.required().is_some_and(|required| self.seen & required == required)
    }

    /// Whether it is complete, and no field stands in it twice: an object in a payload that lost its closing brace
    /// takes the fields of the record around it for its own.
    pub(crate) fn is_certain(&self) -> bool {
        self.is_complete() && !self.repeated
    }

    #[inline]
    fn required(&self) -> Option<FieldSet> {
        match self.kind {
            Kind::Event => Some(EVENT),
            Kind::Audit => Some(AUDIT),
            Kind::DeadLetter => Some(DEAD_LETTER),
            Kind::Other => None,
        }
    }

    #[inline]
    fn of_shape(&self, shape: Shape) -> FieldSet {
        self.shapes[shape as usize]
    }

    /// The fields of `expected` that are there with a type their kind does not allow.
    #[inline]
    fn mistyped(&self, expected: FieldSet) -> FieldSet {
        let strings = self.of_shape(Shape::String);
        let integers = self.of_shape(Shape::Integer);
        let numbers = integers | self.of_shape(Shape::Float);
        let objects = self.of_shape(Shape::Object);
        let addresses = set(&[Field::ActorAddress]);
        let targets = set(&[Field::Target]);
        let allowed = (strings & (STRINGS | addresses | targets))
            | (numbers & set(&[Field::Timestamp]))
            | (integers & COUNTS)
            | (self.of_shape(Shape::Array) & LISTS)
            | (objects & (addresses | targets))
            | (self.of_shape(Shape::Null) & targets)
            | set(&[Field::Payload]);
        self.seen & expected & !allowed
    }

    /// The notes that this record deserves by itself (time running backwards is its neighbours' affair).
    #[inline]
    pub fn notes(&self) -> NoteSet {
        let mut notes = NoteSet::default();
        match self.required() {
            Some(required) => {
                if self.seen & required != required {
                    notes.insert(Note::MissingField);
                }
                if self.mistyped(required) != 0 {
                    notes.insert(Note::MistypedField);
                }
            }
            None => notes.insert(Note::UnknownKind),
        }
        if self.repeated {
            notes.insert(Note::DuplicateKey);
        }
        if self.marks != 0 {
            for (mark, note) in [
                (mark::NON_FINITE, Note::NonFiniteNumber),
                (mark::HUGE_INTEGER, Note::HugeInteger),
                (mark::DEEP, Note::DeepNesting),
                (mark::UNVALIDATED, Note::NotValidatedToTheBottom),
            ] {
                if self.marks & mark != 0 {
                    notes.insert(note);
                }
            }
        }
        notes
    }
}

/// A remark about an intact record. Notes never cause a removal; they decide a verdict only under `--strict`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[non_exhaustive]
pub enum Note {
    /// No `kind`, or one that Papyra 0.3.0 does not know.
    UnknownKind,
    /// A field that the kind requires is absent.
    MissingField,
    /// A required field's value is of another type than Papyra writes.
    MistypedField,
    /// A timestamp smaller than the record's before it, as after a reboot.
    TimeBackwards,
    /// `NaN`, `Infinity`, or a float beyond a double's range.
    NonFiniteNumber,
    /// A known field stands twice; readers take the last.
    DuplicateKey,
    /// Nested deeper than Python's own parser is sure to follow.
    DeepNesting,
    /// An integer of more than 4,300 digits, which Python's `int()` refuses by default.
    HugeInteger,
    /// Nested past our own limit: below it only brackets and strings were followed.
    NotValidatedToTheBottom,
    /// A stream entry has fields beside the one that holds the record.
    ExtraFields,
    /// A record of one kind stands in the stream of another.
    WrongStream,
    /// A consumer group waits for an entry that is gone from the stream.
    PendingWithoutEntry,
    /// A consumer has not been seen for long.
    IdleConsumer,
    /// A whole command of an append-only file whose effect is not known: of a later server or a module, renamed, or a
    /// script.
    UnknownCommand,
}

impl Note {
    /// Every note, in the order in which reports list them.
    pub const ALL: [Note; 14] = [
        Note::UnknownKind,
        Note::MissingField,
        Note::MistypedField,
        Note::TimeBackwards,
        Note::NonFiniteNumber,
        Note::DuplicateKey,
        Note::DeepNesting,
        Note::HugeInteger,
        Note::NotValidatedToTheBottom,
        Note::ExtraFields,
        Note::WrongStream,
        Note::PendingWithoutEntry,
        Note::IdleConsumer,
        Note::UnknownCommand,
    ];

    /// What the note counts.
    pub fn subject(self, count: u64) -> &'static str {
        match (self, count) {
            (Note::PendingWithoutEntry, 1) => "pending entry",
            (Note::PendingWithoutEntry, _) => "pending entries",
            (Note::IdleConsumer, 1) => "consumer",
            (Note::IdleConsumer, _) => "consumers",
            (Note::UnknownCommand, 1) => "command",
            (Note::UnknownCommand, _) => "commands",
            (_, 1) => "record",
            _ => "records",
        }
    }

    /// What the note means, for people, as the end of "N records …" (or whatever [`Note::subject`] says).
    pub fn meaning(self) -> &'static str {
        match self {
            Note::UnknownKind => "of a kind that Papyra 0.3.0 does not know",
            Note::MissingField => "without a field that their kind requires",
            Note::MistypedField => "with a field of an unexpected type",
            Note::TimeBackwards => "whose time is before their predecessor's",
            Note::NonFiniteNumber => "with NaN, Infinity or a number beyond a double's range",
            Note::DuplicateKey => "in which a field stands twice",
            Note::DeepNesting => "nested deeper than Python's parser is sure to follow",
            Note::HugeInteger => "with an integer of more than 4,300 digits",
            Note::NotValidatedToTheBottom => "nested so deep that the bottom was not validated",
            Note::ExtraFields => "in an entry with fields beside `data`",
            Note::WrongStream => "in the stream of another kind",
            Note::PendingWithoutEntry => "whose message is gone from the stream",
            Note::IdleConsumer => "not seen for long",
            Note::UnknownCommand => "whose effect papyra does not know",
        }
    }
}

/// A set of [`Note`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NoteSet(u16);

impl NoteSet {
    /// Adds a note.
    #[inline]
    pub fn insert(&mut self, note: Note) {
        self.0 |= 1 << note as u8;
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The notes in the set.
    pub fn iter(self) -> impl Iterator<Item = Note> {
        Note::ALL.into_iter().filter(move |note| self.0 & (1 << *note as u8) != 0)
    }
}
