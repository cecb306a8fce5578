//! Prometheus's text format: gauges, each with what it tells.

use std::fmt::Write;

/// Appends a gauge called `name`, with one line for each of its values; the labels of a value are `{name="value"}`, or
/// empty.
pub(crate) fn gauge(text: &mut String, name: &str, help: &str, values: &[(String, f64)]) {
    // Writing to a String cannot fail.
    _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in values {
        let value = if value.is_infinite() { "+Inf".into() } else { value.to_string() };
        _ = writeln!(text, "{name}{labels} {value}");
    }
}
