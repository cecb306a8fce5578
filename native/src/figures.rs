//! Numbers as people read them.

/// `1,234,567`
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `8,680 bytes`, and in larger units what is larger.
pub(crate) fn bytes(number: u64) -> String {
    let exact = format!("{} byte{}", thousands(number), if number == 1 { "" } else { "s" });
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB")];
    match units.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) => format!("{exact} ({:.1} {name})", number as f64 / unit as f64),
        None => exact,
    }
}
