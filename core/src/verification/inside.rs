//! A look into the content of a file of a backup while it goes by: the lines of a log, what a compressed log unpacks
//! to, or streams.
//!
//! Scanning the lines is for whoever they are handed to.

use crate::archive::Broken;
use crate::manifest::Content;
use crate::redis::stored_streams::{Payload, StreamSurvey, Streams};
use crate::redis::{self, Lines};
use crate::unpack::Input;

/// Lines on their way to a scan.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The lines, cut anywhere.
    pub plain: &'a [u8],
    /// How far into a packed file its packed bytes are; `None` when the lines are the file's bytes.
    pub packed_at: Option<u64>,
    /// For records of streams, which come whole: the time of each, in seconds.
    pub times: &'a [f64],
}

/// Looks into the content of a file of a backup: the lines of a log, what a compressed log unpacks to, or streams.
pub struct Inside(Kind);

enum Kind {
    Lines,
    Archive(Box<Input>),
    Streams(Box<StreamSurvey>),
    Other,
}

/// What was seen in the content, beside what a scan of its lines says.
#[derive(Debug, Default)]
pub struct Seen {
    /// Whether it holds lines of a log.
    pub holds_lines: bool,
    /// Why a compressed log in it could not be unpacked to its end.
    pub broken: Option<Broken>,
    /// The streams in it, or why they are beyond the reader.
    pub streams: Option<Result<Streams, redis::Error>>,
}

impl Inside {
    /// For a file that its report calls `name`; of a payload the report lists the first `max_findings` findings.
    pub fn new(content: Content, payload: Option<Payload<'_>>, name: &str, max_findings: usize) -> Inside {
        Inside(match (payload, content) {
            (Some(payload), _) => Kind::Streams(Box::new(StreamSurvey::new(payload, name, max_findings))),
            (None, Content::Log) => Kind::Lines,
            (None, Content::Archive) => Kind::Archive(Box::default()),
            (None, _) => Kind::Other,
        })
    }

    /// Before the first push: hands on the records of streams, too, each as the line that an export writes of it.
    pub fn keep_lines(&mut self) {
        if let Kind::Streams(look) = &mut self.0 {
            look.keep_lines();
        }
    }

    /// Whether it holds streams.
    pub fn is_listing(&self) -> bool {
        matches!(self.0, Kind::Streams(_))
    }

    /// Takes the next bytes of the content, and hands on the lines in them. `packed_at` is how far into the stored file
    /// they lie, unless they are its bytes.
    pub fn push(&mut self, plain: &[u8], packed_at: Option<u64>, out: &mut impl FnMut(Piece<'_>)) {
        match &mut self.0 {
            Kind::Lines => out(Piece { plain, packed_at, times: &[] }),
            Kind::Archive(input) => input.push(plain, &mut |plain, at| hand_on(plain, at, out)),
            Kind::Streams(look) => {
                look.push(plain);
                let Lines { text, times } = look.take_lines();
                if !text.is_empty() {
                    out(Piece { plain: &text, packed_at, times: &times });
                }
            }
            Kind::Other => {}
        }
    }

    /// The content is over: hands on what is left.
    pub fn finish(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        if let Kind::Archive(input) = &mut self.0 {
            input.finish(&mut |plain, at| hand_on(plain, at, out));
        }
    }

    /// What was seen.
    pub fn seen(self) -> Seen {
        match self.0 {
            Kind::Lines => Seen { holds_lines: true, ..Seen::default() },
            Kind::Archive(input) => {
                Seen { holds_lines: input.format().is_some(), broken: input.failed(), ..Seen::default() }
            }
            Kind::Streams(look) => Seen { streams: Some(look.finish()), ..Seen::default() },
            Kind::Other => Seen::default(),
        }
    }
}

/// What is no packed log any more is not scanned as if it were a plain one.
fn hand_on(plain: &[u8], packed_at: Option<u64>, out: &mut impl FnMut(Piece<'_>)) {
    if packed_at.is_some() {
        out(Piece { plain, packed_at, times: &[] });
    }
}
