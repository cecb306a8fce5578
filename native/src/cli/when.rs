//! Moments and durations on the command line, and the records of a period.

use std::cell::Cell;

use clap::Args;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};

use crate::backup::until::LEAST_UNIX;
use crate::error::{Code, Error, Result};

/// Which records, by their time.
#[derive(Debug, Args)]
pub(super) struct Period {
    /// Only records from this time on: seconds of the log's own clock, a date (2026-01-31, 2026-01-31T12:00:00Z; UTC
    /// where none is named), or how long ago (26h, 3d)
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = since)]
    since: Option<Moment>,

    /// Only records up to this time; a date includes the whole day
    #[arg(long, value_name = "TIME", allow_negative_numbers = true, value_parser = until)]
    until: Option<Moment>,
}

/// A moment in a log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Moment {
    /// Seconds on the clock of whoever wrote the records.
    Clock(f64),
    /// Seconds of Unix time.
    Unix(f64),
}

impl Moment {
    /// Whether it is Unix time.
    pub(super) fn is_unix(self) -> bool {
        matches!(self, Moment::Unix(_))
    }

    pub(super) fn seconds(self) -> f64 {
        match self {
            Moment::Clock(seconds) | Moment::Unix(seconds) => seconds,
        }
    }
}

/// A period, while records are held against it.
#[derive(Debug)]
pub(super) struct Within<'a> {
    period: &'a Period,
    /// Whether a record's time is not Unix time where the period is given by it.
    other_clock: Cell<bool>,
}

impl Period {
    /// Whether it is no limit.
    pub(super) fn is_all(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    pub(super) fn within(&self) -> Within<'_> {
        Within { period: self, other_clock: Cell::new(false) }
    }
}

impl Within<'_> {
    /// Whether a record of that time is within the period. One without a time is in none.
    pub(super) fn holds(&self, time: Option<f64>) -> bool {
        let Period { since, until } = self.period;
        let by_calendar = [since, until].into_iter().flatten().any(|bound| matches!(bound, Moment::Unix(_)));
        if by_calendar && time.is_some_and(|time| time < LEAST_UNIX) {
            self.other_clock.set(true);
        }
        since.is_none_or(|since| time.is_some_and(|time| time >= since.seconds()))
            && until.is_none_or(|until| time.is_some_and(|time| time <= until.seconds()))
    }

    /// Fails when the period says nothing about these records.
    pub(super) fn end(&self) -> Result<()> {
        if !self.other_clock.get() {
            return Ok(());
        }
        let text = "the records' times are not Unix time, so dates and durations say nothing about them: give --since \
                    and --until in seconds of the log's own clock, as `papyra persistence scan` shows them";
        Err(Error::new(Code::Data, text))
    }
}

fn since(text: &str) -> std::result::Result<Moment, String> {
    moment(text, |date| date.to_zoned(TimeZone::UTC).ok().map(|day| unix(day.timestamp())))
}

/// Reads the end of a period.
pub(super) fn until(text: &str) -> std::result::Result<Moment, String> {
    let end = |date: Date| date.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok();
    moment(text, |date| end(date).map(|next| unix(next.timestamp()).next_down()))
}

fn moment(text: &str, of_date: impl FnOnce(Date) -> Option<f64>) -> std::result::Result<Moment, String> {
    let expected =
        || "expected seconds, a date such as 2026-01-31 or 2026-01-31T12:00:00Z, or a duration such as 26h".to_owned();
    if let Ok(seconds) = text.parse::<f64>() {
        return if seconds.is_nan() { Err(expected()) } else { Ok(Moment::Clock(seconds)) };
    }
    let is_date = text.len() == "2026-01-31".len();
    let time = match (text.parse::<Timestamp>(), text.parse::<DateTime>()) {
        (Ok(time), _) => Some(unix(time)),
        (_, Ok(time)) if is_date => of_date(time.date()),
        (_, Ok(time)) => time.to_zoned(TimeZone::UTC).ok().map(|time| unix(time.timestamp())),
        _ => duration(text).map(|ago| unix(Timestamp::now()) - ago),
    };
    time.map(Moment::Unix).ok_or_else(expected)
}

fn unix(time: Timestamp) -> f64 {
    time.as_microsecond() as f64 / 1e6
}

/// Reads a duration such as `30d` or `1h30m`; a bare number is seconds, as in Papyra.
pub(super) fn seconds(text: &str) -> std::result::Result<f64, String> {
    let above_zero = seconds_or_none(text).ok().filter(|seconds| *seconds > 0.0);
    above_zero.ok_or_else(|| "expected seconds above 0, or a duration such as 26h or 30d".into())
}

/// Reads a duration that may be 0.
pub(super) fn seconds_or_none(text: &str) -> std::result::Result<f64, String> {
    let seconds = text.parse::<f64>().ok().or_else(|| duration(text));
    let possible = seconds.filter(|seconds| *seconds >= 0.0 && seconds.is_finite());
    possible.ok_or_else(|| "expected seconds from 0 on, or a duration such as 26h or 30d".into())
}

fn duration(text: &str) -> Option<f64> {
    text.parse::<Span>().ok()?.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_seconds_dates_or_durations() {
        assert_eq!(since("948.5"), Ok(Moment::Clock(948.5)));
        assert_eq!(since("-1"), Ok(Moment::Clock(-1.0)));
        let day = 1_769_817_600.0;
        assert_eq!(since("2026-01-31"), Ok(Moment::Unix(day)));
        assert_eq!(since("2026-01-31T12:00"), Ok(Moment::Unix(day + 43_200.0)));
        assert_eq!(since("2026-01-31 12:00:00"), Ok(Moment::Unix(day + 43_200.0)));
        assert_eq!(since("2026-01-31T12:00:00+01:00"), Ok(Moment::Unix(day + 39_600.0)));
        let end = until("2026-01-31").expect("a date").seconds();
        assert!(end < day + 86_400.0 && end > day + 86_399.0, "{end}");
        let now = unix(Timestamp::now());
        assert!((since("26h").expect("a duration").seconds() - (now - 93_600.0)).abs() < 60.0);
        for wrong in ["yesterday", "", "nan", "2026-13-01", "12:00", "26 parsecs"] {
            assert!(since(wrong).is_err_and(|why| why.contains("such as 26h")), "{wrong}");
        }
    }

    #[test]
    fn durations_are_above_zero_or_may_be_zero() {
        for (text, expected) in [("30", 30.0), ("1h30m", 5_400.0), ("2d", 172_800.0), ("0.5", 0.5)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        for wrong in ["0", "-1", "inf", "nan", "soon", "0s", "1 month"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
            assert_eq!(seconds_or_none(wrong).ok(), wrong.starts_with('0').then_some(0.0), "{wrong}");
        }
    }
}
