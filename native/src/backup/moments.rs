//! Moments and spans of time, as manifests and records have them.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// Whether a backup of that time counts for nothing yet: it is dated more than a day ahead.
pub(super) fn is_from_future(created: Timestamp, now: Timestamp) -> bool {
    created.duration_since(now) > SignedDuration::from_hours(24)
}

/// Seconds since `begun`, to the millisecond.
pub(super) fn seconds_since(begun: Instant) -> f64 {
    (begun.elapsed().as_secs_f64() * 1e3).round() / 1e3
}

/// A moment as manifests and records write it.
pub(super) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
