//! What the process says to whoever started it, as its exit code.

/// What the process says to whoever started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Clean, or done.
    Fine = 0,
    /// A check before a start found anomalies.
    Refused = 1,
    /// A scan found anomalies, or they remain after a doctor's recovery.
    Anomalies = 2,
    /// Recovered, but anomalies remain.
    Remain = 3,
}
