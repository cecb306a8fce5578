//! The careful reader: one JSON value, byte by byte, in whatever pieces the bytes come.
//!
//! It keeps the facts of *every* open container, not only of the outermost: when a line breaks, the object that
//! closes last may be a whole record with a torn one before it ([`crate::line`] decides that). Memory is one
//! [`Level`] a nesting level up to [`MAX_DEPTH`], and none beyond.

use super::number::Number;
use super::{MAX_DEPTH, PYTHON_DEPTH};
use crate::record::{Field, Kind, RecordFacts, Shape, mark};
use crate::utf8::Utf8;

/// A string is a key or a value; a key's text, a `kind`'s and an `event_type`'s are remembered, the others' are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Key,
    Value,
}

#[derive(Debug, Clone)]
enum State {
    /// Not reading: nothing has begun, or the value failed or ended.
    Idle,
    /// A value is due; `]` will do when an array has just opened.
    Value {
        or_end: bool,
    },
    /// A key is due; `}` will do when an object has just opened.
    Key {
        or_end: bool,
    },
    Colon,
    /// A member has ended: a comma or the container's end is due.
    After,
    Text(Role),
    Escape(Role),
    Hex {
        role: Role,
        left: u8,
        code: u32,
    },
    Number(Number),
    /// The rest of a word such as `true`.
    Word {
        rest: &'static [u8],
        shape: Shape,
        marks: u8,
    },
    /// Past [`MAX_DEPTH`]: only strings and the number of open brackets are followed.
    Beyond {
        open: u64,
        text: BeyondText,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BeyondText {
    Outside,
    Inside,
    Escaped,
}

/// An open container.
#[derive(Debug, Clone)]
struct Level {
    start: u64,
    object: bool,
    field: Option<Field>,
    facts: RecordFacts,
    height: usize,
}

/// A value that closed: where it stood, and what it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Closed {
    pub(crate) start: u64,
    /// The offset just past its last byte.
    pub(crate) end: u64,
    pub(crate) object: bool,
    pub(crate) facts: RecordFacts,
}

/// What a byte led to.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    /// The value goes on.
    More,
    /// The outermost value ended with this byte.
    Closed(Closed),
    /// The outermost value, a number, ended before this byte, which is not part of it.
    ClosedBefore(Closed),
    /// No JSON value goes on like this. The machine is idle again.
    Failed,
}

/// One value under way.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    state: State,
    levels: Vec<Level>,
    start: u64,
    utf8: Utf8,
    text: [u8; Field::LONGEST + 1],
    text_len: usize,
    last_object: Option<Closed>,
}

impl Machine {
    pub(crate) fn idle() -> Machine {
        Machine {
            state: State::Idle,
            levels: Vec::new(),
            start: 0,
            utf8: Utf8::default(),
            text: [0; Field::LONGEST + 1],
            text_len: 0,
            last_object: None,
        }
    }

    /// Makes ready for a value of any type.
    pub(crate) fn begin(&mut self) {
        self.levels.clear();
        self.last_object = None;
        self.state = State::Value { or_end: false };
    }

    /// Begins with the `{` at offset `at`.
    pub(crate) fn begin_object(&mut self, at: u64) {
        self.begin();
        self.step(b'{', at);
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether an object that begins here is one of this machine's levels.
    pub(crate) fn covers(&self) -> bool {
        !matches!(
            self.state,
            State::Idle | State::Text(_) | State::Escape(_) | State::Hex { .. } | State::Beyond { .. }
        )
    }

    /// Whether the bytes up to the next quote, backslash, brace, control or non-ASCII character are mere text.
    pub(crate) fn is_in_text(&self) -> bool {
        matches!(self.state, State::Text(Role::Value) if !self.is_remembered()) && self.utf8.is_whole()
    }

    /// The object that closed last, at whatever depth.
    pub(crate) fn last_object(&self) -> Option<Closed> {
        self.last_object
    }

    /// Takes the byte at offset `at`.
    pub(crate) fn step(&mut self, byte: u8, at: u64) -> Step {
        match self.advance(byte, at) {
            Step::Failed => {
                self.state = State::Idle;
                self.levels.clear();
                Step::Failed
            }
            step => step,
        }
    }

    /// The bytes have ended at offset `at`: a number standing alone may be whole now.
    pub(crate) fn end(&mut self, at: u64) -> Step {
        match self.step(b' ', at) {
            Step::ClosedBefore(closed) => Step::Closed(closed),
            _ => Step::More,
        }
    }

    fn advance(&mut self, byte: u8, at: u64) -> Step {
        match &mut self.state {
            State::Idle => return Step::More,
            State::Text(role) => {
                let role = *role;
                match byte {
                    b'"' if self.utf8.is_whole() => return self.text_ended(role, at),
                    b'\\' if self.utf8.is_whole() => self.state = State::Escape(role),
                    0..=0x1f => return Step::Failed,
                    _ if !self.utf8.take(byte) => return Step::Failed,
                    _ => self.keep(byte),
                }
            }
            State::Escape(role) => {
                let role = *role;
                let character = match byte {
                    b'"' | b'\\' | b'/' => byte,
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'u' => {
                        self.state = State::Hex { role, left: 4, code: 0 };
                        return Step::More;
                    }
                    _ => return Step::Failed,
                };
                self.keep(character);
                self.state = State::Text(role);
            }
            State::Hex { role, left, code } => {
                let Some(digit) = char::from(byte).to_digit(16) else { return Step::Failed };
                *code = *code << 4 | digit;
                *left -= 1;
                if *left == 0 {
                    // No field name has a character beyond ASCII: any byte of those will do.
                    let (role, character) = (*role, u8::try_from(*code).unwrap_or(0xff));
                    self.keep(character);
                    self.state = State::Text(role);
                }
            }
            State::Number(number) => {
                if number.take(byte) {
                    return Step::More;
                }
                if number.is_bare_minus() && byte == b'I' {
                    self.state = State::Word { rest: b"nfinity", shape: Shape::Float, marks: mark::NON_FINITE };
                    return Step::More;
                }
                let Some(ended) = number.end() else { return Step::Failed };
                if let Some(closed) = self.value_ended(ended.shape, ended.value, ended.marks, at) {
                    return Step::ClosedBefore(closed);
                }
                return self.advance(byte, at);
            }
            State::Word { rest, shape, marks } => {
                let Some((&due, left)) = rest.split_first() else { return Step::Failed };
                if byte != due {
                    return Step::Failed;
                }
                *rest = left;
                if left.is_empty() {
                    let (shape, marks) = (*shape, *marks);
                    let value = (shape == Shape::Float).then_some(f64::NAN);
                    return self.ended_here(shape, value, marks, at);
                }
            }
            State::Beyond { .. } => return self.beyond(byte),
            _ if matches!(byte, b' ' | b'\t') => {}
            State::Value { or_end } => {
                if *or_end && byte == b']' {
                    return self.container_ended(at);
                }
                return self.value_began(byte, at);
            }
            State::Key { or_end } => match byte {
                b'"' => self.text_began(Role::Key),
                b'}' if *or_end => return self.container_ended(at),
                _ => return Step::Failed,
            },
            State::Colon => match byte {
                b':' => self.state = State::Value { or_end: false },
                _ => return Step::Failed,
            },
            State::After => {
                let object = self.levels.last().is_some_and(|level| level.object);
                match (byte, object) {
                    (b',', true) => self.state = State::Key { or_end: false },
                    (b',', false) => self.state = State::Value { or_end: false },
                    (b'}', true) | (b']', false) => return self.container_ended(at),
                    _ => return Step::Failed,
                }
            }
        }
        Step::More
    }

    fn value_began(&mut self, byte: u8, at: u64) -> Step {
        if self.levels.is_empty() {
            self.start = at;
        }
        self.state = match byte {
            b'"' => {
                self.text_began(Role::Value);
                return Step::More;
            }
            b'{' | b'[' if self.levels.len() == MAX_DEPTH => {
                if let Some(top) = self.levels.last_mut() {
                    top.facts.mark(mark::UNVALIDATED);
                }
                State::Beyond { open: 1, text: BeyondText::Outside }
            }
            b'{' | b'[' => {
                let object = byte == b'{';
                self.levels.push(Level { start: at, object, field: None, facts: RecordFacts::default(), height: 1 });
                if object { State::Key { or_end: true } } else { State::Value { or_end: true } }
            }
            b't' => State::Word { rest: b"rue", shape: Shape::Boolean, marks: 0 },
            b'f' => State::Word { rest: b"alse", shape: Shape::Boolean, marks: 0 },
            b'n' => State::Word { rest: b"ull", shape: Shape::Null, marks: 0 },
            b'N' => State::Word { rest: b"aN", shape: Shape::Float, marks: mark::NON_FINITE },
            b'I' => State::Word { rest: b"nfinity", shape: Shape::Float, marks: mark::NON_FINITE },
            _ => match Number::begin(byte) {
                Some(number) => State::Number(number),
                None => return Step::Failed,
            },
        };
        Step::More
    }

    fn text_began(&mut self, role: Role) {
        self.state = State::Text(role);
        self.text_len = 0;
        self.utf8 = Utf8::default();
    }

    fn keep(&mut self, byte: u8) {
        if let Some(place) = self.text.get_mut(self.text_len) {
            *place = byte;
            self.text_len += 1;
        }
    }

    fn is_remembered(&self) -> bool {
        self.levels.last().is_some_and(|level| matches!(level.field, Some(Field::Kind | Field::EventType)))
    }

    fn text_ended(&mut self, role: Role, at: u64) -> Step {
        if role == Role::Value {
            return self.ended_here(Shape::String, None, 0, at);
        }
        let field = Field::of(&self.text[..self.text_len]);
        if let Some(level) = self.levels.last_mut() {
            level.field = field;
        }
        self.state = State::Colon;
        Step::More
    }

    fn ended_here(&mut self, shape: Shape, value: Option<f64>, marks: u8, at: u64) -> Step {
        self.value_ended(shape, value, marks, at + 1).map_or(Step::More, Step::Closed)
    }

    /// A value that is no container ended just before offset `end`; `Some` when it stood alone.
    fn value_ended(&mut self, shape: Shape, value: Option<f64>, marks: u8, end: u64) -> Option<Closed> {
        let text = if shape == Shape::String { &self.text[..self.text_len] } else { b"" };
        let Some(level) = self.levels.last_mut() else {
            self.state = State::Idle;
            return Some(Closed { start: self.start, end, object: false, facts: RecordFacts::default() });
        };
        self.state = State::After;
        level.facts.mark(marks);
        level.saw(shape, text, value);
        None
    }

    fn container_ended(&mut self, at: u64) -> Step {
        let Some(mut level) = self.levels.pop() else { return Step::Failed };
        if level.height > PYTHON_DEPTH {
            level.facts.mark(mark::DEEP);
        }
        let closed = Closed { start: level.start, end: at + 1, object: level.object, facts: level.facts };
        if level.object {
            self.last_object = Some(closed);
        }
        let Some(parent) = self.levels.last_mut() else {
            self.state = State::Idle;
            return Step::Closed(closed);
        };
        self.state = State::After;
        parent.facts.mark(level.facts.marks());
        parent.height = parent.height.max(level.height + 1);
        parent.saw(if level.object { Shape::Object } else { Shape::Array }, b"", None);
        Step::More
    }

    fn beyond(&mut self, byte: u8) -> Step {
        let State::Beyond { open, text } = &mut self.state else { return Step::Failed };
        match (*text, byte) {
            (BeyondText::Inside, b'"') => *text = BeyondText::Outside,
            (BeyondText::Inside, b'\\') => *text = BeyondText::Escaped,
            (BeyondText::Escaped, _) => *text = BeyondText::Inside,
            (BeyondText::Outside, b'"') => *text = BeyondText::Inside,
            (BeyondText::Outside, b'{' | b'[') => *open += 1,
            (BeyondText::Outside, b'}' | b']') => *open -= 1,
            _ => {}
        }
        // A control character ends a string, and bytes that are no UTF-8 are nobody's: both are seen here too.
        if !self.utf8.take(byte) || (byte < 0x20 && byte != b'\t') {
            return Step::Failed;
        }
        if matches!(self.state, State::Beyond { open: 0, .. }) {
            self.state = State::After;
            if let Some(level) = self.levels.last_mut() {
                level.saw(Shape::Array, b"", None);
            }
        }
        Step::More
    }
}

impl Level {
    /// The value of the current member ended: a string's text, a number's value.
    fn saw(&mut self, shape: Shape, text: &[u8], value: Option<f64>) {
        let Some(field) = self.field.take() else { return };
        match field {
            Field::Kind => self.facts.kind = Kind::of(text),
            Field::EventType => self.facts.event(text),
            Field::Timestamp => self.facts.timestamp = value,
            _ => {}
        }
        self.facts.saw(field, shape);
    }
}
