//! Times as people write them: seconds as they stand in a log, or a date and time in UTC.

/// Seconds, and how many of them the text names: a day for a date, a minute for `10:15`.
pub(super) fn parse(text: &str) -> Option<(f64, f64)> {
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds.is_finite().then_some((seconds, 0.0));
    }
    let (date, rest) = text.split_at_checked(10)?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let days = days(year, month, day)? as f64;
    let Some(clock) = rest.strip_prefix(['T', 't', ' ']) else {
        return rest.is_empty().then_some((days * 86_400.0, 86_400.0));
    };
    let (clock, shift) = zone(clock)?;
    let (minutes, seconds, width) = match clock.len() {
        2 => (0, 0.0, 3600.0),
        5 => (numbers(&clock[3..], ':', [2])?[0], 0.0, 60.0),
        _ => {
            let (minutes, seconds) = clock.get(3..)?.split_once(':')?;
            let whole = seconds.split_once('.').map_or(seconds, |(whole, _)| whole);
            let is_number = whole.len() == 2 && seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            let seconds = seconds.parse().ok().filter(|seconds: &f64| is_number && *seconds < 61.0)?;
            (numbers(minutes, ':', [2])?[0], seconds, if whole.len() == clock.len() - 6 { 1.0 } else { 0.001 })
        }
    };
    if clock.len() > 2 && clock.as_bytes()[2] != b':' {
        return None;
    }
    let hours = numbers(clock.get(..2)?, ':', [2])?[0];
    let of_day = (hours * 60 + minutes) as f64 * 60.0 + seconds;
    (hours < 24 && minutes < 60).then_some((days * 86_400.0 + of_day - shift, width))
}

/// The time without its zone, and the seconds by which the zone is ahead of UTC.
fn zone(clock: &str) -> Option<(&str, f64)> {
    if let Some(clock) = clock.strip_suffix(['Z', 'z']) {
        return Some((clock, 0.0));
    }
    let Some(at) = clock.rfind(['+', '-']) else { return Some((clock, 0.0)) };
    let [hours, minutes] = numbers(&clock[at + 1..], ':', [2, 2])?;
    let shift = (hours * 60 + minutes) as f64 * 60.0;
    Some((&clock[..at], if clock[at..].starts_with('-') { -shift } else { shift }))
}

/// Numbers of so many digits each, apart by `mark`.
fn numbers<const N: usize>(text: &str, mark: char, digits: [usize; N]) -> Option<[i64; N]> {
    let mut parts = text.split(mark);
    let mut numbers = [0; N];
    for (number, digits) in numbers.iter_mut().zip(digits) {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit()))?;
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}

/// Days since 1970-01-01 of a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let before = lengths.get(..usize::try_from(month - 1).ok()?)?;
    let length = *lengths.get(before.len())?;
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let since = (year - 1) * 365 + leaps(year - 1) - (1969 * 365 + leaps(1969));
    (year > 0 && (1..=length).contains(&day)).then(|| since + before.iter().sum::<i64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, seconds, width) in [
            ("1970-01-01", 0.0, 86_400.0),
            ("2026-01-01", 1_767_225_600.0, 86_400.0),
            ("2024-02-29T12", 1_709_208_000.0, 3600.0),
            ("2026-01-01T10:15", 1_767_262_500.0, 60.0),
            ("2026-01-01T10:15:30Z", 1_767_262_530.0, 1.0),
            ("2026-01-01 10:15:30.250", 1_767_262_530.25, 0.001),
            ("2026-01-01T10:15:30+02:00", 1_767_255_330.0, 1.0),
            ("2026-01-01T10:15-01:30", 1_767_267_900.0, 60.0),
            ("948.25", 948.25, 0.0),
        ] {
            assert_eq!(parse(text), Some((seconds, width)), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-02-29",
            "2026-01-01T25:00",
            "2026-01-01Tzz",
            "2026-01-01T10:1",
            "é026-01-01",
            "inf",
            "2026-01-01T10:15:3é",
            "2026-01-01T1é:00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
