//! Findings: what is wrong, where, and what would be saved. Data only; front ends do the rendering.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::line::Fault;

pub use crate::reason::Reason;

/// Papyra's anomaly types, by its own names, and one that only this program has.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum AnomalyType {
    /// The last line has no newline.
    TruncatedLine,
    /// A file could not be read completely.
    PartialWrite,
    /// A line is not a record.
    CorruptedLine,
    /// A file that bears the log's name but is not a member of its rotation set.
    OrphanedRotatedFile,
    /// A file that has no business here.
    UnexpectedFile,
    /// A member of a rotation set is absent. Papyra has no name for this.
    MissingFile,
}

impl AnomalyType {
    /// The type's name as reports and Papyra print it.
    pub fn name(self) -> &'static str {
        match self {
            AnomalyType::TruncatedLine => "TRUNCATED_LINE",
            AnomalyType::PartialWrite => "PARTIAL_WRITE",
            AnomalyType::CorruptedLine => "CORRUPTED_LINE",
            AnomalyType::OrphanedRotatedFile => "ORPHANED_ROTATED_FILE",
            AnomalyType::UnexpectedFile => "UNEXPECTED_FILE",
            AnomalyType::MissingFile => "MISSING_FILE",
        }
    }
}

/// How often each reason is among these findings.
pub fn by_reason<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> BTreeMap<Reason, u64> {
    let mut counts = BTreeMap::new();
    findings.into_iter().for_each(|finding| *counts.entry(finding.reason).or_default() += 1);
    counts
}

/// A stretch of a file, in bytes.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Offset of the first byte, from the start of the file.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
}

/// One anomaly.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The anomaly type that Papyra's own tool prints.
    #[serde(rename = "type")]
    pub kind: AnomalyType,
    /// What exactly is wrong.
    pub reason: Reason,
    /// Line, from 1; absent when the finding is about a file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub line: Option<u64>,
    /// Offset of the line's first byte; absent when the finding is about a file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub offset: Option<u64>,
    /// The line's, or the entry's, length in bytes, a newline not counted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub length: Option<u64>,
    /// The stream's key, when the finding is about a stream entry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// The entry's ID, when the finding is about a stream entry.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub id: Option<String>,
    /// A sentence for people.
    pub detail: String,
    /// The line's first and last bytes, escaped: safe to print anywhere.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub excerpt: Option<String>,
    /// The intact records in it that recovery keeps, the first [`Finding::MOST_SALVAGED`] of them.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub salvaged: Vec<Span>,
}

impl Finding {
    /// A line of a million glued records is one finding; only this many of them are listed in it.
    pub const MOST_SALVAGED: usize = 100;

    /// A finding about a file rather than a line.
    pub fn of_file(kind: AnomalyType, reason: Reason, detail: impl Into<String>) -> Finding {
        Finding {
            kind,
            reason,
            line: None,
            offset: None,
            length: None,
            key: None,
            id: None,
            detail: detail.into(),
            excerpt: None,
            salvaged: Vec::new(),
        }
    }
}

/// A damaged line, on its way to being a [`Finding`].
pub(crate) struct DamagedLine {
    pub(crate) line: u64,
    pub(crate) span: Span,
    pub(crate) terminated: bool,
    pub(crate) fault: Fault,
    pub(crate) broke_at: u64,
    pub(crate) nul_bytes: u64,
    pub(crate) is_utf16: bool,
    pub(crate) salvaged: Vec<Span>,
    pub(crate) salvaged_count: u64,
    pub(crate) excerpt: String,
}

impl DamagedLine {
    pub(crate) fn reason(&self) -> Reason {
        match self.fault {
            Fault::NulBytes => Reason::NulBytes,
            Fault::InvalidUtf8 => Reason::InvalidUtf8,
            _ if self.salvaged_count > 0 => Reason::GluedRecords,
            Fault::Blank => Reason::BlankLine,
            Fault::NotAnObject => Reason::NotAnObject,
            Fault::Torn => Reason::TornTail,
            Fault::InvalidJson => Reason::InvalidJson,
        }
    }

    fn detail(&self) -> String {
        let place = |at: u64| at.saturating_sub(self.span.offset);
        let whole = match self.salvaged_count {
            0 => String::new(),
            1 => "; one intact record in it is kept".into(),
            n => format!("; {n} intact records in it are kept"),
        };
        let end = if self.terminated { "" } else { ", and the line has no newline" };
        match self.reason() {
            Reason::NulBytes if self.is_utf16 => {
                format!("this is UTF-16 text, and a log is UTF-8: convert it with iconv -f UTF-16 -t UTF-8{end}{whole}")
            }
            Reason::NulBytes => match self.nul_bytes {
                1 => format!("a NUL byte{end}{whole}"),
                // So few are what stands beside a line end in UTF-16 or UTF-32.
                n @ 2..=3 => format!("{n} NUL bytes{end}{whole}"),
                n => format!("{n} NUL bytes, as a power cut leaves them{end}{whole}"),
            },
            Reason::InvalidUtf8 => format!("not UTF-8 from byte {} of the line on{end}{whole}", place(self.broke_at)),
            Reason::GluedRecords => match self.salvaged_count {
                1 => {
                    format!("this line also holds bytes that belong to no record{end}; the intact record in it is kept")
                }
                n => format!("{n} intact records share the line{end}; they are kept"),
            },
            Reason::BlankLine => format!("no record on this line{end}"),
            Reason::NotAnObject => format!("a JSON value, but not an object{end}"),
            Reason::TornTail => {
                format!("the last record breaks off after {} bytes: it was not written completely", self.span.length)
            }
            _ => format!("not JSON from byte {} of the line on{end}", place(self.broke_at)),
        }
    }

    pub(crate) fn into_finding(self) -> Finding {
        Finding {
            kind: if self.terminated { AnomalyType::CorruptedLine } else { AnomalyType::TruncatedLine },
            reason: self.reason(),
            line: Some(self.line),
            offset: Some(self.span.offset),
            length: Some(self.span.length),
            key: None,
            id: None,
            detail: self.detail(),
            excerpt: (!self.excerpt.is_empty()).then_some(self.excerpt),
            salvaged: self.salvaged,
        }
    }
}
