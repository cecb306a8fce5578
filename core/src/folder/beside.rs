//! What may be an older part of a log, by its name, and is not read with it.

use crate::archive;
use crate::report::{Backend, PassedOver};
use crate::rotation;

/// Which of the `names` in a folder may hold older parts of the log `base` and are not read with it, though no finding
/// is due: what was compressed or dated under a name that is not told from a copy's or another log's, and the rotated
/// files of what is read as one file.
pub fn beside(base: &str, backend: Backend, names: &[String]) -> Vec<PassedOver> {
    let (stem, end) = base.rsplit_once('.').map_or((base, ""), |(stem, _)| (stem, &base[stem.len()..]));
    // logrotate with `extension`: events-20260102.ndjson, events.1.ndjson.gz.
    let is_dated = |name: &str| {
        let (name, is_packed) = archive::without_suffix(name).map_or((name, false), |name| (name, true));
        let mark = name.strip_prefix(stem).and_then(|name| name.strip_suffix(end)).unwrap_or_default();
        let digits = mark.bytes().filter(u8::is_ascii_digit).count();
        let marks = mark.strip_prefix(['-', '.', '_']).unwrap_or_default();
        let is_mark = !end.is_empty() && marks.bytes().all(|byte| byte.is_ascii_digit() || b"-._TZ:+".contains(&byte));
        is_mark && (digits >= 8 || is_packed && digits > 0)
    };
    let mut passed_over = Vec::new();
    for name in names {
        let reason = if archive::without_suffix(name) == Some(base) && backend == Backend::Json {
            "compressed; it is read when it is named by itself"
        } else if backend == Backend::Json && rotation::base_of(name).is_some_and(|(of, _)| of == base) {
            "a rotated file; the whole set is read unless one file is asked for"
        } else if is_dated(name) {
            "perhaps an older part of the log; it is read when it is named by itself"
        } else {
            continue;
        };
        passed_over.push(PassedOver { path: name.clone(), reason: reason.into() });
    }
    passed_over.sort_by(|a, b| a.path.cmp(&b.path));
    passed_over
}
