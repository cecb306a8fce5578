//! Whether a line is what a query asks for, and where in a text it says so.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::terms::{Field, Query, Term, Test, What};
use crate::browse::{is_damaged, kind_of};
use crate::view::View;

/// A line without its newline, and where it stands.
#[derive(Debug)]
pub struct Line<'a> {
    /// Its bytes.
    pub text: &'a [u8],
    /// From 1, in its file.
    pub number: u64,
    /// Where it starts in all that is searched, in bytes.
    pub byte: f64,
    view: OnceCell<View<'a>>,
}

impl<'a> Line<'a> {
    /// A line at this place.
    pub fn new(text: &'a [u8], number: u64, byte: f64) -> Line<'a> {
        Line { text, number, byte, view: OnceCell::new() }
    }

    /// Its fields, taken apart when somebody asks for the first time.
    pub fn view(&self) -> &View<'a> {
        self.view.get_or_init(|| View::of(self.text))
    }

    /// Seconds of the writer's clock.
    pub fn time(&self) -> Option<f64> {
        self.view().number("timestamp")
    }
}

/// Runs a [`Query`] over lines.
#[derive(Debug, Clone)]
pub struct Matcher {
    query: Query,
    lowered: Vec<u8>,
}

impl Matcher {
    /// For this query.
    pub fn new(query: Query) -> Matcher {
        Matcher { query, lowered: Vec::new() }
    }

    /// What it looks for.
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// Whether the line's time is one that is asked for; without a time in the query every line's is.
    pub fn is_in_time(&self, line: &Line<'_>) -> bool {
        let times = self.query.terms.iter().filter(|term| matches!(term.what, What::Time(_)));
        times.into_iter().all(|term| self.holds(term, line))
    }

    /// Whether all terms hold for a line.
    pub fn matches(&mut self, line: &Line<'_>) -> bool {
        if self.query.terms.iter().any(|term| matches!(term.what, What::Word(..))) {
            self.lowered.clear();
            self.lowered.extend(line.text.iter().map(u8::to_ascii_lowercase));
        }
        self.query.terms.iter().all(|term| self.holds(term, line))
    }

    fn holds(&self, Term { not, what }: &Term, line: &Line<'_>) -> bool {
        let holds = match what {
            What::Word(_, spellings) => {
                spellings.iter().any(|word| memchr::memmem::find(&self.lowered, word).is_some())
            }
            What::Expression(expression) => expression.is_match(&String::from_utf8_lossy(line.text)),
            What::Kinds(kinds) => kinds.contains(&kind_of(line.view())),
            What::Field(field, test) => field.holds(test, line.view()),
            What::Time(range) => line.time().is_some_and(|time| range.holds(time)),
            What::Line(range) => range.holds(line.number as f64),
            What::Byte(range) => range.holds(line.byte),
            What::Damaged => is_damaged(line.text),
        };
        holds != *not
    }
}

impl Field {
    fn holds(&self, test: &Test, view: &View<'_>) -> bool {
        let text = |text: Option<Cow<'_, str>>| text.is_some_and(|text| test.holds_text(&text));
        match self {
            Field::Type => text(view.what()),
            Field::Actor => text(view.actor()),
            Field::Reason => text(view.reason()),
            Field::Path(path) => {
                let Some((last, above)) = path.split_last() else { return false };
                let mut raw = None;
                for name in above {
                    raw = inner(view, raw, name);
                    if raw.is_none() {
                        return false;
                    }
                }
                inner(view, raw, last).is_some_and(|value| test.holds_value(value))
            }
        }
    }
}

/// The field `name` of an object as it stands in a line, or of the record.
fn inner<'a>(record: &View<'a>, object: Option<&'a str>, name: &str) -> Option<&'a str> {
    object.map_or_else(|| record.raw(name), |object| View::of(object.as_bytes()).raw(name))
}

impl Test {
    /// For a value as it stands in a line.
    fn holds_value(&self, raw: &str) -> bool {
        match self {
            Test::Contains(text) if !raw.starts_with(['"', '{', '[']) => {
                match (raw.parse::<f64>(), text.parse::<f64>()) {
                    (Ok(value), Ok(asked)) => value == asked,
                    _ => raw.eq_ignore_ascii_case(text),
                }
            }
            Test::In(range) => raw.parse().is_ok_and(|number| range.holds(number)),
            _ => self.holds_text(&crate::view::unescape(raw)),
        }
    }

    fn holds_text(&self, text: &str) -> bool {
        match self {
            Test::Contains(asked) => text.to_lowercase().contains(asked),
            Test::Is(asked) => text == asked,
            Test::Finds(expression) => expression.is_match(text),
            Test::In(range) => text.parse().is_ok_and(|number| range.holds(number)),
        }
    }

    /// Adds the parts of a text that it speaks of.
    fn mark(&self, text: &str, marks: &mut Vec<(usize, usize)>) {
        match self {
            Test::Contains(asked) => mark_word(text, asked, marks),
            Test::Is(asked) if text == asked => marks.push((0, text.len())),
            Test::Is(asked) => mark_word(text, &asked.to_lowercase(), marks),
            Test::Finds(expression) => mark_expression(text, expression, marks),
            Test::In(_) => {}
        }
    }
}

/// What a text is the text of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell {
    /// The event's or the message's type.
    Type,
    /// The actor, or the target of a dead letter.
    Actor,
    /// The payload, or the whole line.
    Payload,
}

impl Query {
    /// The parts of a cell's text that the query speaks of: UTF-16 offsets of beginnings and ends, in order and apart.
    pub fn marks(&self, cell: Cell, text: &str) -> Vec<usize> {
        let mut marks = Vec::new();
        for Term { not, what } in &self.terms {
            match what {
                _ if *not => {}
                What::Word(word, _) => mark_word(text, word, &mut marks),
                What::Expression(expression) => mark_expression(text, expression, &mut marks),
                What::Field(field, test) if cell == field.cell() => test.mark(text, &mut marks),
                _ => {}
            }
        }
        marks.sort_unstable();
        let (mut apart, mut end) = (Vec::new(), 0);
        for (from, to) in marks {
            if to <= end {
                continue;
            }
            match apart.last_mut() {
                Some(last) if from <= end => *last = to,
                _ => apart.extend([from, to]),
            }
            end = to;
        }
        let mut units = text.char_indices().scan(0, |units, (at, character)| {
            let here = *units;
            *units += character.len_utf16();
            Some((at, here))
        });
        let total = text.encode_utf16().count();
        let mut unit = |at: usize| units.find(|(byte, _)| *byte >= at).map_or(total, |(_, unit)| unit);
        apart.into_iter().map(&mut unit).collect()
    }
}

impl Field {
    fn cell(&self) -> Cell {
        match self {
            Field::Type => Cell::Type,
            Field::Actor => Cell::Actor,
            Field::Reason | Field::Path(_) => Cell::Payload,
        }
    }
}

/// `word` is in lower case. Only texts whose letters keep their length in it are marked.
fn mark_word(text: &str, word: &str, marks: &mut Vec<(usize, usize)>) {
    let lowered = text.to_lowercase();
    if lowered.len() != text.len() || word.is_empty() {
        return;
    }
    let ends = lowered.match_indices(word).map(|(at, found)| (at, at + found.len()));
    marks.extend(ends.filter(|(from, to)| text.is_char_boundary(*from) && text.is_char_boundary(*to)));
}

fn mark_expression(text: &str, expression: &regex_lite::Regex, marks: &mut Vec<(usize, usize)>) {
    let found = expression.find_iter(text).filter(|found| !found.is_empty());
    marks.extend(found.map(|found| (found.start(), found.end())));
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: [&str; 5] = [
        r#"{"kind": "event", "system_id": "local", "event_type": "ActorCrashed", "actor_address": "local:7", "payload": {"order": 17, "user": {"name": "Zo\u00eb"}}, "timestamp": 1767225600.5}"#,
        r#"{"kind": "event", "system_id": "local", "event_type": "ActorStarted", "actor_address": {"system": "local", "actor_id": 77}, "payload": {"order": 117, "error": "TimeOut"}, "timestamp": 1767225660.5}"#,
        r#"{"kind": "dead_letter", "system_id": "other", "message_type": "Pay", "target": "local:7", "payload": {"order": "17"}, "timestamp": 948.5}"#,
        r#"{"kind": "audit", "system_id": "local", "total_actors": 6, "timestamp": 5}"#,
        r#"{"kind": "ev"#,
    ];

    fn hits(query: &str) -> Vec<usize> {
        let mut matcher = Matcher::new(Query::parse(query).unwrap());
        let line = |at: usize| Line::new(LINES[at].as_bytes(), at as u64 + 1, at as f64 * 1000.0);
        (0..LINES.len()).filter(|at| matcher.matches(&line(*at))).collect()
    }

    #[test]
    fn every_kind_of_term_finds_what_it_says() {
        for (query, expected) in [
            ("", &[0, 1, 2, 3, 4][..]),
            ("  kind:  ", &[0, 1, 2, 3, 4]),
            ("kind:event", &[0, 1]),
            ("kind:audit,dead_letter", &[2, 3]),
            ("-kind:event", &[2, 3, 4]),
            ("type:crash", &[0]),
            ("type:pay", &[2]),
            ("type:\"Actor\"", &[]),
            ("type:\"ActorCrashed\"", &[0]),
            ("type:/^Actor(Crash|Start)ed$/", &[0, 1]),
            ("type:/^actor/", &[]),
            ("type:/^actor/i", &[0, 1]),
            ("actor:local:7", &[0, 1, 2]),
            ("actor:\"local:7\"", &[0, 2]),
            ("actor:local:7 -kind:dead_letter type:crash", &[0]),
            ("local:77", &[]),
            ("local:7", &[0, 2]),
            ("payload.order:17", &[0, 2]),
            ("payload.order:>17", &[1]),
            ("payload.order:>=17 payload.order:<100", &[0]),
            ("payload.order:10..117", &[0]),
            ("payload.user.name:zoë", &[0]),
            ("payload.error:timeout", &[1]),
            ("reason:timeout", &[1]),
            ("payload.error:/^time/", &[]),
            ("payload:\"17\"", &[]),
            ("total_actors:>5", &[3]),
            ("system:other", &[2]),
            ("time:2026-01-01", &[0, 1]),
            ("time:>2026-01-01T00:01", &[1]),
            ("time:2026-01-01T00:00..2026-01-01T00:01", &[0]),
            ("time:..949", &[2, 3]),
            ("time:948.5", &[2]),
            ("-time:>948", &[3, 4]),
            ("line:2..4", &[1, 2]),
            ("byte:>=3000", &[3, 4]),
            ("is:damaged", &[4]),
            ("-is:damaged kind:audit", &[3]),
            ("zoë", &[0]),
            ("ZOË", &[0]),
            ("\"system_id\": \"other\"", &[2]),
            (r#""\"system_id\": \"other\"""#, &[2]),
            ("/order\": 1+7/", &[0, 1]),
            ("/order", &[]),
            ("- crash", &[]),
        ] {
            assert_eq!(hits(query), expected, "{query}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for query in ["kind:events", "time:>yesterday", "/(/", "line:x", "is:red", "\"open", "type:/[/", "time:/x/"] {
            let error = Query::parse(query).unwrap_err();
            assert!(error.starts_with(query), "{error}");
        }
    }

    #[test]
    fn marks_are_apart_in_order_and_in_utf16() {
        let marks = |query: &str, cell, text: &str| Query::parse(query).unwrap().marks(cell, text);
        assert_eq!(marks("order rder /zo./i", Cell::Payload, "😀 order Zoë"), [3, 8, 9, 12]);
        assert_eq!(marks("type:crash -actor", Cell::Type, "ActorCrashed"), [5, 10]);
        assert_eq!(marks("type:crash", Cell::Payload, "crash"), Vec::<usize>::new());
        assert_eq!(marks("/a*/", Cell::Payload, "bab"), [1, 2]);
        assert_eq!(marks("İ", Cell::Payload, "İx"), Vec::<usize>::new());
    }
}
