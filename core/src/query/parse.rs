//! From the text of a query to its terms.

use regex_lite::{Regex, RegexBuilder};

use super::terms::{Field, Query, Range, Term, Test, What};
use super::time;
use crate::record::{self, Kind};

/// Bytes that a compiled expression may take.
const LARGEST: usize = 1 << 20;

/// A term as it was written: its name with the colon, and what follows.
struct Written<'a> {
    not: bool,
    name: Option<&'a str>,
    value: Value,
}

enum Value {
    Plain(String),
    Quoted(String),
    Expression(String, bool),
}

impl Query {
    /// Understands a text, or says which term of it makes no sense and what would.
    ///
    /// # Errors
    /// A sentence for people. It may quote the query, and so is to be escaped before it is shown.
    pub fn parse(text: &str) -> Result<Query, String> {
        Ok(Query { terms: terms(text)? })
    }
}

fn terms(text: &str) -> Result<Vec<Term>, String> {
    let mut rest = text.trim_start();
    let mut terms = Vec::new();
    while !rest.is_empty() {
        let (written, after) = next(rest)?;
        let shown = rest[..rest.len() - after.len()].trim_end();
        if let Some(what) = what(&written).map_err(|why| format!("{shown}: {why}"))? {
            terms.push(Term { not: written.not, what });
        }
        rest = after.trim_start();
    }
    Ok(terms)
}

/// The first term of a text that does not begin with white space, and what is behind it.
fn next(text: &str) -> Result<(Written<'_>, &str), String> {
    let not = text.starts_with('-') && text[1..].starts_with(|next: char| !next.is_whitespace());
    let text = if not { &text[1..] } else { text };
    let end = text.find([':', '"', '/']).filter(|at| text[*at..].starts_with(':')).unwrap_or(0);
    let name = Some(&text[..end]).filter(|name| is_name(name));
    let from = if name.is_some() { end + 1 } else { 0 };
    let (value, rest) = value(&text[from..])?;
    Ok((Written { not, name, value }, rest))
}

fn value(text: &str) -> Result<(Value, &str), String> {
    if let Some(inner) = text.strip_prefix('"') {
        let (content, rest) =
            enclosed(inner, '"').ok_or_else(|| format!("{text}: a quotation mark is missing at the end"))?;
        return Ok((Value::Quoted(content), rest));
    }
    if let Some(inner) = text.strip_prefix('/') {
        // What has no end is a path, and a word.
        if let Some((content, rest)) = enclosed(inner, '/') {
            let (any_case, rest) = rest.strip_prefix('i').map_or((false, rest), |rest| (true, rest));
            if rest.is_empty() || rest.starts_with(char::is_whitespace) {
                return Ok((Value::Expression(content, any_case), rest));
            }
        }
    }
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    Ok((Value::Plain(word.to_owned()), rest))
}

/// The text up to `mark`, and what is behind it. A backslash takes away the mark's meaning.
fn enclosed(text: &str, mark: char) -> Option<(String, &str)> {
    let mut content = String::new();
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        if character == mark {
            return Some((content, &text[at + character.len_utf8()..]));
        }
        if character == '\\' {
            match characters.peek() {
                Some((_, next)) if *next == mark => {
                    content.push(mark);
                    characters.next();
                    continue;
                }
                // In an expression the next character belongs to the backslash.
                Some((_, next)) if mark == '/' => {
                    content.extend(['\\', *next]);
                    characters.next();
                    continue;
                }
                Some((_, '\\')) => _ = characters.next(),
                _ => {}
            }
        }
        content.push(character);
    }
    None
}

/// Whether records have a field of that name, or a query knows it.
fn is_name(name: &str) -> bool {
    let top = name.split('.').next().unwrap_or_default();
    let known = ["kind", "type", "actor", "reason", "system", "time", "line", "byte", "is"];
    known.contains(&name) || record::Field::of(top.as_bytes()).is_some()
}

/// What a term asks for; nothing when there is nothing behind the colon yet.
fn what(written: &Written<'_>) -> Result<Option<What>, String> {
    let Written { name, value, .. } = written;
    Ok(Some(match (*name, value) {
        (_, Value::Plain(text) | Value::Quoted(text)) if text.is_empty() => return Ok(None),
        (None, Value::Expression(text, any_case)) => What::Expression(expression(text, *any_case)?),
        (None, Value::Plain(text) | Value::Quoted(text)) => What::Word(text.to_lowercase(), spellings(text)),
        (Some("kind"), Value::Plain(text) | Value::Quoted(text)) => What::Kinds(kinds(text)?),
        (Some("time"), Value::Plain(text) | Value::Quoted(text)) => What::Time(range(text, time::parse).ok_or(
            "a time is a date (2026-01-01), a date and time (2026-01-01T10:15:30Z) or seconds (948.25), with >, >=, < \
             or <= before it or .. in between",
        )?),
        (Some(place @ ("line" | "byte")), Value::Plain(text) | Value::Quoted(text)) => {
            let range =
                range(text, number).ok_or("a number is expected, with >, >=, < or <= before it or .. in between")?;
            if place == "line" { What::Line(range) } else { What::Byte(range) }
        }
        (Some("is"), Value::Plain(text)) if text == "damaged" => What::Damaged,
        (Some("is"), _) => return Err("a line can only be asked whether it is:damaged".into()),
        (Some("kind" | "time" | "line" | "byte"), Value::Expression(..)) => {
            return Err("no expression can stand here".into());
        }
        (Some(name), value) => {
            let field = match name {
                "type" => Field::Type,
                "actor" => Field::Actor,
                "reason" => Field::Reason,
                "system" => Field::Path(vec!["system_id".into()]),
                name => Field::Path(name.split('.').map(str::to_owned).collect()),
            };
            What::Field(field, test(value)?)
        }
    }))
}

fn test(value: &Value) -> Result<Test, String> {
    Ok(match value {
        Value::Expression(text, any_case) => Test::Finds(expression(text, *any_case)?),
        Value::Quoted(text) => Test::Is(text.clone()),
        Value::Plain(text) => match range(text, number) {
            // A number by itself is also a text that may be contained.
            Some(range) if text.starts_with(['<', '>']) || text.contains("..") => Test::In(range),
            _ => Test::Contains(text.to_lowercase()),
        },
    })
}

fn kinds(text: &str) -> Result<Vec<Kind>, String> {
    let kind = |name: &str| match (Kind::of(name.to_lowercase().as_bytes()), name) {
        (Kind::Other, name) if !name.eq_ignore_ascii_case("other") => {
            Err("a kind is event, audit, dead_letter or other; several are apart by commas".to_owned())
        }
        (kind, _) => Ok(kind),
    };
    text.split(',').filter(|name| !name.is_empty()).map(kind).collect()
}

fn number(text: &str) -> Option<(f64, f64)> {
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(|number| (number, 0.0))
}

/// A range of what `parse` reads: a value, and how wide it is.
fn range(text: &str, parse: impl Fn(&str) -> Option<(f64, f64)>) -> Option<Range> {
    let all = Range { low: f64::NEG_INFINITY, high: f64::INFINITY, low_open: false, high_open: false };
    if let Some((from, to)) = text.split_once("..") {
        let end = |text: &str, otherwise| if text.is_empty() { Some(otherwise) } else { Some(parse(text)?.0) };
        return Some(Range { low: end(from, all.low)?, high: end(to, all.high)?, high_open: !to.is_empty(), ..all });
    }
    let after = |mark: &str| text.strip_prefix(mark).map(&parse);
    if let Some(value) = after(">=") {
        return Some(Range { low: value?.0, ..all });
    }
    if let Some(value) = after("<=") {
        return Some(Range { high: value?.0, ..all });
    }
    if let Some(value) = after(">") {
        return Some(Range { low: value?.0, low_open: true, ..all });
    }
    if let Some(value) = after("<") {
        return Some(Range { high: value?.0, high_open: true, ..all });
    }
    let (value, width) = parse(text)?;
    Some(Range { low: value, high: value + width, low_open: false, high_open: width > 0.0 })
}

fn expression(text: &str, any_case: bool) -> Result<Regex, String> {
    let built = RegexBuilder::new(text).case_insensitive(any_case).size_limit(LARGEST).build();
    built.map_err(|error| format!("not a regular expression: {error}"))
}

/// In lower and upper case where these are no ASCII, as it is and as Python writes it when told to write ASCII: `ë` as
/// `\u00eb`.
fn spellings(word: &str) -> Vec<Vec<u8>> {
    let mut spellings: Vec<Vec<u8>> = Vec::new();
    for word in [word.to_owned(), word.to_lowercase(), word.to_uppercase()] {
        let mut escaped = String::new();
        for character in word.chars() {
            if character.is_ascii() {
                escaped.push(character.to_ascii_lowercase());
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
        for spelling in [word.to_ascii_lowercase().into_bytes(), escaped.into_bytes()] {
            if !spellings.contains(&spelling) {
                spellings.push(spelling);
            }
        }
    }
    spellings
}
