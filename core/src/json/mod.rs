//! The JSON dialect of Python's `json` module, as far as a log line needs it: is this a value that `json.loads`
//! takes, and what does its top level hold?
//!
//! Two readers of one grammar, held together by tests: `fast` accepts a whole clean line that lies in one piece and
//! gives up on everything else, guessing at what is `expected`; `machine` takes any bytes in any pieces, and knows
//! where and why a line broke. `template` and, where AVX-512 is, `blocks` learn from what the first accepts, to accept
//! its like sooner; `lines` asks them in turn. Materialising fields for people is not done here but in [`crate::view`].

#[cfg(target_arch = "x86_64")]
mod blocks;
pub(crate) mod expected;
pub(crate) mod fast;
pub(crate) mod lines;
pub(crate) mod machine;
mod nesting;
pub(crate) mod number;
pub(crate) mod template;

/// Containers nested deeper than this are followed by counting brackets only.
pub const MAX_DEPTH: usize = 10_000;

/// Python 3.11's own parser gives up between 968 and 990 levels, depending on its caller's stack.
pub const PYTHON_DEPTH: usize = 900;

/// Python's `int()` refuses more digits than this by default (`sys.int_info.default_max_str_digits`).
pub const PYTHON_INT_DIGITS: usize = 4_300;
