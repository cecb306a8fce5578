//! Logs to measure and to mutate, of five shapes and any size, the same bytes each time.
//!
//! The text is what Python's `json.dumps` makes of such records: its spaces, its way to write floats, its escapes.

use std::fmt::Write;

/// What a log is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A shop's: 62 in 100 are events, 35 dead letters with nested payloads, 3 audits; some text beyond ASCII.
    Orders,
    /// `kind` comes last and text is ASCII with `\uXXXX`, as the rotating backend writes.
    Rotating,
    /// Payloads are of ever new shape and depth, with exponents and escapes.
    Shapes,
    /// As [`Shape::Rotating`], but `kind` comes first, text is beyond ASCII, and one line in a thousand is torn, or
    /// followed by NUL bytes or a stray quote.
    Damaged,
    /// Events of an actor's life with empty payloads and times of many digits.
    Short,
}

impl Shape {
    /// All of them.
    pub const ALL: [Shape; 5] = [Shape::Orders, Shape::Rotating, Shape::Shapes, Shape::Damaged, Shape::Short];

    /// The shape's name.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Orders => "orders",
            Shape::Rotating => "rotating",
            Shape::Shapes => "shapes",
            Shape::Damaged => "damaged",
            Shape::Short => "short",
        }
    }
}

/// A generator that is the same everywhere (xorshift64*).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of that seed, which is not 0.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number from 0 to `bound`, exclusive; 0 when that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    /// A double from 0 to 1, exclusive, with all of its bits in use.
    fn fraction(&mut self) -> f64 {
        let (high, low) = (self.below(1 << 26) as f64, self.below(1 << 27) as f64);
        (high * f64::from(1 << 27) + low) / (1_u64 << 53) as f64
    }

    fn choice<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

const WORDS: [&str; 12] = [
    "order",
    "payment",
    "invoice",
    "shipped",
    "cancelled",
    "customer",
    "zoë",
    "straße",
    "東京",
    "retry",
    "timeout",
    "gateway",
];
const TYPES: [&str; 4] = ["ActorStarted", "ActorStopped", "ActorCrashed", "ActorRestarted"];

/// A log of at least `bytes` bytes.
pub fn log(shape: Shape, bytes: usize) -> Vec<u8> {
    let (mut writer, mut log) = (Writer::new(shape), Vec::with_capacity(bytes + 4096));
    while log.len() < bytes {
        writer.line(&mut log);
    }
    log
}

/// Writes one line after another.
#[derive(Debug)]
pub struct Writer {
    shape: Shape,
    random: Random,
    number: usize,
    clock: f64,
    text: String,
}

impl Writer {
    /// A writer of a log's first line.
    pub fn new(shape: Shape) -> Writer {
        let clock = if shape == Shape::Orders { 1_700_000_000.0 } else { 900.0 };
        Writer { shape, random: Random::new(0x9e37_79b9_7f4a_7c15), number: 0, clock, text: String::new() }
    }

    /// Adds the next line, with its newline unless that is what is damaged.
    pub fn line(&mut self, log: &mut Vec<u8>) {
        self.number += 1;
        self.clock += match self.shape {
            Shape::Orders => self.random.fraction() * 0.01,
            Shape::Short => 0.001_234_5,
            _ => 0.012_345_6,
        };
        self.text.clear();
        match self.shape {
            Shape::Orders => self.order(),
            Shape::Short => self.life(),
            _ => self.varied(),
        }
        self.text.push('\n');
        let mut line = self.text.as_bytes();
        if self.shape == Shape::Damaged && self.random.below(1000) == 0 {
            line = &line[..self.random.below(line.len())];
            log.extend_from_slice(line);
            line = [&b""[..], b"\n", b"\0\0\n", b"\"\n"][self.random.below(4)];
        }
        log.extend_from_slice(line);
    }

    fn order(&mut self) {
        let draw = self.random.below(100);
        match draw {
            0..62 => {
                let kind = self.random.choice(&TYPES);
                let address = self.random.below(100_000);
                self.add(&format!(r#"{{"kind": "event", "system_id": "orders", "actor_address": "orders:{address}", "event_type": "{kind}", "payload": "#));
                match kind {
                    "ActorStarted" => self.add("{}"),
                    "ActorCrashed" => {
                        self.add(r#"{"error": "ValueError: "#);
                        self.words(8);
                        self.add(r#"", "reason": null}"#);
                    }
                    _ => {
                        self.add(r#"{"reason": ""#);
                        self.words(3);
                        self.add(r#""}"#);
                    }
                }
                self.time("}");
            }
            62..65 => self.audit("orders", 100),
            _ => {
                let (address, number) = (self.random.below(100_000), self.number);
                let amount = self.random.below(1_000_000) as f64 / 100.0;
                self.add(&format!(r#"{{"kind": "dead_letter", "system_id": "orders", "target": "orders:{address}", "message_type": "PaymentRequest", "payload": {{"id": {number}, "amount": {amount:?}, "lines": ["#));
                for i in 0..=self.random.below(5) {
                    let (sku, qty) = (self.random.below(1 << 31), self.random.below(9));
                    let comma = if i == 0 { "" } else { ", " };
                    self.add(&format!(r#"{comma}{{"sku": "{sku:08x}", "qty": {qty}, "note": ""#));
                    let count = self.random.below(11) + 1;
                    self.words(count);
                    self.add(r#""}"#);
                }
                self.add("]}");
                self.time("}");
            }
        }
    }

    fn life(&mut self) {
        let address = self.number % 97;
        self.add(&format!(r#"{{"kind": "event", "system_id": "local", "actor_address": "local:{address}", "event_type": "ActorStarted", "payload": {{}}"#));
        self.time("}");
    }

    fn varied(&mut self) {
        let draw = self.random.below(100);
        if draw < 2 {
            return self.audit("local", self.number % 50);
        }
        let (address, rotating) = (self.number % 97, self.shape == Shape::Rotating);
        let (kind, to, what) = match draw {
            2..12 => ("dead_letter", "target", r#""message_type": "dict""#.to_owned()),
            _ => ("event", "actor_address", format!(r#""event_type": "{}""#, self.random.choice(&TYPES))),
        };
        let first = if rotating { String::new() } else { format!(r#""kind": "{kind}", "#) };
        self.add(&format!(r#"{{{first}"system_id": "local", "{to}": "local:{address}", {what}, "payload": "#));
        if matches!(self.shape, Shape::Rotating | Shape::Damaged) {
            let (number, amount) = (self.number, self.random.below(50_000) as f64 / 100.0);
            let (sku, qty) = (self.random.below(100_000_000), self.random.below(8) + 1);
            self.add(&format!(
                r#"{{"order": {number}, "amount": {amount:?}, "lines": [{{"sku": "{sku:08}", "qty": {qty}}}], "note": "#
            ));
            let word = self.random.choice(&WORDS);
            self.string(word);
            self.add("}");
        } else if self.random.below(5) > 0 {
            self.object(1);
        } else {
            self.value(0);
        }
        self.time(&if rotating { format!(r#", "kind": "{kind}"}}"#) } else { "}".to_owned() });
    }

    fn audit(&mut self, system: &str, actors: usize) {
        let (clock, number, worker) = (self.clock, self.number, self.random.below(9));
        let (first, last) = match self.shape {
            Shape::Rotating => ("", r#", "kind": "audit""#),
            _ => (r#""kind": "audit", "#, ""),
        };
        self.add(&format!(r#"{{{first}"system_id": "{system}", "timestamp": {clock:?}, "total_actors": {actors}, "alive_actors": {actors}, "stopping_actors": 1, "restarting_actors": 0, "registry_size": 55, "registry_orphans": [], "registry_dead": ["w{worker}"], "dead_letters_count": {number}{last}}}"#));
    }

    fn object(&mut self, depth: usize) {
        self.add("{");
        for i in 0..self.random.below(5) {
            self.add(if i == 0 { "" } else { ", " });
            let key = format!("{}{}", self.random.choice(&WORDS), self.random.below(50));
            self.string(&key);
            self.add(": ");
            self.value(depth + 1);
        }
        self.add("}");
    }

    fn value(&mut self, depth: usize) {
        match self.random.below(100) {
            0..25 if depth < 3 => self.object(depth),
            25..40 if depth < 3 => {
                self.add("[");
                for i in 0..self.random.below(5) {
                    self.add(if i == 0 { "" } else { ", " });
                    self.value(depth + 1);
                }
                self.add("]");
            }
            0..60 => {
                self.add("\"");
                let count = self.random.below(6);
                self.words(count);
                self.add("\"");
            }
            60..70 => {
                let digits = self.random.below(8) as u32 + 1;
                let number = self.random.below(10_usize.pow(digits));
                _ = write!(self.text, "{number}");
            }
            70..80 => {
                let power = self.random.below(12) as i32 - 7;
                let number = self.random.fraction() * 10_f64.powi(power);
                self.float(number);
            }
            80..90 => {
                let word = self.random.choice(&["true", "false", "null"]);
                self.add(word);
            }
            _ => self.string("line one\n\"quoted\" \\ path"),
        }
    }

    /// The timestamp as the last field but for what comes `then`.
    fn time(&mut self, then: &str) {
        self.add(r#", "timestamp": "#);
        self.float(self.clock);
        self.add(then);
    }

    /// As Python's `repr`, which has two digits of exponent, and begins with them earlier.
    fn float(&mut self, number: f64) {
        if number != 0.0 && number.abs() < 1e-4 {
            let text = format!("{number:e}");
            let (digits, exponent) = text.split_once("e-").unwrap_or((&text, "0"));
            _ = write!(self.text, "{digits}e-{exponent:0>2}");
        } else {
            _ = write!(self.text, "{number:?}");
        }
    }

    fn string(&mut self, text: &str) {
        self.add("\"");
        for character in text.chars() {
            match character {
                '"' => self.add("\\\""),
                '\\' => self.add("\\\\"),
                '\n' => self.add("\\n"),
                _ if self.shape == Shape::Rotating && !character.is_ascii() => {
                    _ = write!(self.text, "\\u{:04x}", u32::from(character));
                }
                _ => self.text.push(character),
            }
        }
        self.add("\"");
    }

    fn words(&mut self, count: usize) {
        for i in 0..count {
            self.add(if i == 0 { "" } else { " " });
            let word = self.random.choice(&WORDS);
            self.add(word);
        }
    }

    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }
}
