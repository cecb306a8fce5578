//! What someone asks for in the records of a log: words, fields, times, expressions, and what is not wanted.
//!
//! A query is terms apart by white space, all of which must hold for a line:
//!
//! | term | holds for |
//! | --- | --- |
//! | `pay`, `"two words"`, `/time.?out/` | lines that contain it; case does not matter for words |
//! | `kind:event,audit` | records of these kinds |
//! | `type:crash`, `actor:local:7`, `system:local` | records whose type, actor or target, or system contains it |
//! | `reason:timeout` | crashes and dead letters whose payload gives a reason or an error that contains it |
//! | `type:"ActorCrashed"` | the whole value, case and all |
//! | `payload.order:17`, `payload.user.name:zoë`, `total_actors:>5` | a field of the record, by its path |
//! | `payload.error:/time.?out/` | a field that an expression finds something in |
//! | `time:>2026-01-01T10:00`, `time:948.1..948.5` | times in UTC, or seconds as they stand in the log |
//! | `line:100..200`, `byte:>4096` | lines by number, and by where they start in all that is searched |
//! | `is:damaged` | lines that are no intact record |
//! | `-term` | lines for which the term does not hold |
//!
//! Ranges are `>`, `>=`, `<`, `<=` and `FROM..TO`, which leaves out `TO`; either end may be missing. What looks like a
//! field that no record has (`local:7`) is a word.

mod matching;
mod parse;
mod terms;
mod time;

pub use matching::{Cell, Line, Matcher};
pub use terms::Query;
