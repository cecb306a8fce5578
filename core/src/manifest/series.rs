//! Which series a backup belongs to: backups of one source, one after the other in time. No verb ever weighs backups of
//! two series against each other.

use super::{Manifest, StoredFile};
use crate::escape::escape;
use crate::report::{FileReport, Role};

/// The longest label that is taken, in bytes: a path and a host's name.
const LONGEST: usize = 8192;

/// Whether this can be the name of a series, a host or a tag: text that is not empty, without control characters.
pub fn is_label(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}

/// The name of a series that was given none: that of the host and the source.
pub fn derived(host: &str, source: &str) -> String {
    escape(format!("{host}:{source}").as_bytes())
}

impl Manifest {
    /// The series that the backup belongs to. One that names none is in a series with others of the same folder and
    /// logs, or server and systems, that name none.
    pub fn series(&self) -> String {
        if let Some(series) = &self.series {
            return series.clone();
        }
        let mut parts: Vec<&str> = match &self.source.redis {
            Some(redis) => redis.systems(),
            None => self.scan.files.iter().filter_map(log_of).collect(),
        };
        parts.sort_unstable();
        parts.dedup();
        escape(format!("{} ({})", self.source.folder, parts.join(", ")).as_bytes())
    }

    /// The logs and sets that it holds, each with its files, oldest records first.
    pub fn logs(&self) -> Vec<(String, Vec<&StoredFile>)> {
        let mut logs: Vec<(String, Vec<&StoredFile>)> = Vec::new();
        for report in &self.scan.files {
            let (Some(log), Some(file)) = (log_of(report), self.files.iter().find(|file| file.path == report.path))
            else {
                continue;
            };
            match logs.iter_mut().find(|(name, _)| name == log) {
                Some((_, files)) => files.push(file),
                None => logs.push((log.to_owned(), vec![file])),
            }
        }
        logs
    }

    /// Whether the source was this one on this host.
    pub fn is_of(&self, host: &str, source: &str) -> bool {
        self.host.as_deref() == Some(host) && self.source.path.as_deref() == Some(source)
    }

    pub(super) fn check_labels(&self) -> Result<(), String> {
        let labels = self.series.iter().chain(&self.host).chain(&self.tags);
        match labels.into_iter().find(|label| !is_label(label)) {
            Some(label) => Err(format!("{:?} is not a name of a series, a host or a tag", shortened(label))),
            None => Ok(()),
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The name of the log or set that a file belongs to.
fn log_of(file: &FileReport) -> Option<&str> {
    match file.role {
        Role::Active => Some(&file.path),
        Role::Rotated => file.path.strip_suffix(&format!(".{}", file.index)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_text_on_one_line() {
        for good in ["orders", "web1:/srv/päpyra", "a b", "*"] {
            assert!(is_label(good), "{good}");
        }
        let long = "x".repeat(LONGEST + 1);
        for bad in ["", " ", "a\nb", "\u{1b}[31m", "\u{9b}", &long] {
            assert!(!is_label(bad), "{bad:?}");
        }
        assert!(is_label(&derived("web\n1", "/srv/a\u{1b}b")));
    }
}
