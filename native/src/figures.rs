//! Numbers as people read them.

pub(crate) use papyra_core::figures::{counted, thousands};

/// `340 ms`, `3 s`, `5 min`, `2.5 h`, `4 d`
pub(crate) fn duration(seconds: f64) -> String {
    let (value, unit) = match seconds {
        s if s.is_infinite() => return "an unknown time".into(),
        s if s < 1.0 => return format!("{:.0} ms", s.max(0.0) * 1e3),
        s if s < 120.0 => return format!("{s:.0} s"),
        s if s < 7_200.0 => return format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => (s / 3_600.0, "h"),
        s => (s / 86_400.0, "d"),
    };
    let value = format!("{value:.1}");
    format!("{} {unit}", value.strip_suffix(".0").unwrap_or(&value))
}

/// The same, of milliseconds.
pub(crate) fn duration_ms(milliseconds: u64) -> String {
    duration(milliseconds as f64 / 1e3)
}

/// `8,680 bytes`, and in larger units what is larger.
pub(crate) fn bytes(number: u64) -> String {
    let exact = counted(number, "byte", "bytes");
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB")];
    match units.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => format!("{exact} ({:.1} {name})", number as f64 / unit as f64),
        None => exact,
    }
}
