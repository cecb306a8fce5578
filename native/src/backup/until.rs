//! A way back in time: what was restored of logs is cut, log by log, where the first record is later than a moment. The
//! cut lies at a record's end, and what is cut off is told. Streams are cut in [`super::redis`].
//!
//! Of a rotation set the file that is cut is the active one then, as it was at that moment: older ones move up.

use papyra_core::escape::escape;
use papyra_core::manifest::{Content, StoredFile};
use papyra_core::redis::StreamId;
use papyra_core::report::{FileReport, Report, Role};
use papyra_core::rotation::member_name;
use papyra_core::verification::file_report;
use serde::Serialize;

use super::Backup;
use super::diff::each_stored;
use crate::TOOL;
use crate::disk::Folder;
use crate::error::{Code, Error, Result, show};
use crate::reading::{ScanOptions, scan_file};
use crate::setting::Setting;

/// Unix time in seconds is above this since 2001; a monotonic clock is below it for its first thirty years.
pub const LEAST_UNIX: f64 = 1e9;

/// Up to where a history is restored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Until {
    /// Up to a moment.
    Time {
        /// Seconds on the clock of whoever wrote the records.
        seconds: f64,
        /// Whether that is to be Unix time, and no other clock's.
        is_unix: bool,
    },
    /// Up to an entry of a stream.
    Entry(StreamId),
}

/// The last moment of which records are kept.
#[derive(Clone, Copy)]
struct Moment {
    seconds: f64,
    is_unix: bool,
}

/// What was cut off a log.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
pub struct CutOff {
    /// The log.
    pub log: String,
    /// The file of the backup in which the cut lies.
    pub file: String,
    /// The offset in bytes at which it lies there: a record's end, or the beginning.
    pub offset: u64,
    /// Intact records behind it.
    pub records: u64,
    /// Bytes behind it.
    pub bytes: u64,
    /// The time of the first record behind it, in seconds of the writer's clock.
    pub first_timestamp: Option<f64>,
    /// The time of the last one.
    pub last_timestamp: Option<f64>,
    /// Records behind it that are not later than the moment: the writer's clock had gone back.
    pub not_later: u64,
}

/// Where a backup is cut.
pub(super) struct Cut<'a> {
    logs: Vec<LogCut<'a>>,
    /// What is not cut and should be known.
    pub(super) note: Option<String>,
}

struct LogCut<'a> {
    /// Its files, oldest records first.
    files: Vec<&'a StoredFile>,
    /// Which of them is cut; none where nothing of the log is old enough.
    at: Option<usize>,
    off: CutOff,
}

impl Until {
    /// Reads a backup for where it is to be cut.
    pub(super) fn find<'a>(&self, backup: &'a Backup, scanning: ScanOptions<'_>) -> Result<Cut<'a>> {
        let Until::Time { seconds, is_unix } = *self else {
            let text = format!(
                "{} holds logs, and what is to come last is an entry's ID of a stream: give seconds of the log's own \
                 clock, a date, or how long ago",
                show(&backup.path)
            );
            return Err(Error::new(Code::Usage, text).decided_by(&[Setting::Until]));
        };
        let moment = Moment { seconds, is_unix };
        let (mut logs, mut kept, mut oldest) = (Vec::new(), 0, None);
        for (log, files) in backup.manifest.logs() {
            let found = moment.find_in(backup, log, files, &mut oldest, scanning)?;
            kept += found.1;
            logs.extend(found.0);
        }
        if kept == 0 {
            let oldest = oldest.map(|oldest: f64| format!(": the oldest is of {oldest:.3}")).unwrap_or_default();
            let text = format!(
                "no log in {} holds a record from before that time{oldest}; nothing was restored: an older backup may \
                 hold some{}",
                show(&backup.path),
                besides(backup, |first, _| first <= seconds)
                    .map(|names| format!(", and so does {names}"))
                    .unwrap_or_default()
            );
            return Err(Error::new(Code::NoInput, text));
        }
        let note = besides(backup, |_, last| last > seconds).map(|names| {
            format!("{names} is not part of a log, holds later records, and was not cut: check it before you use it")
        });
        Ok(Cut { logs, note })
    }
}

/// The names of the files that are no member of a log and hold records whose first and last times are such.
fn besides(backup: &Backup, is_such: impl Fn(f64, f64) -> bool) -> Option<String> {
    let files = backup.manifest.scan.files.iter().filter(|file| {
        let is_member = matches!(file.role, Role::Active | Role::Rotated);
        !is_member && file.first_timestamp.zip(file.last_timestamp).is_some_and(|(first, last)| is_such(first, last))
    });
    let names: Vec<String> = files.map(|file| escape(file.path.as_bytes())).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

impl Moment {
    /// Where a log is to be cut, if it is, and how many records are kept.
    fn find_in<'a>(
        &self,
        backup: &Backup,
        log: String,
        files: Vec<&'a StoredFile>,
        oldest: &mut Option<f64>,
        scanning: ScanOptions<'_>,
    ) -> Result<(Option<LogCut<'a>>, u64)> {
        let (mut cut, mut kept, mut other_clock) = (None::<(usize, CutOff)>, 0, false);
        for (at, file) in files.iter().enumerate() {
            let mut end = 0;
            each_stored(backup, file, "cut", &mut |_, record| {
                let time = record.facts.timestamp.filter(|time| time.is_finite());
                other_clock |= self.is_unix && time.is_some_and(|time| time < LEAST_UNIX);
                *oldest = oldest.or(time);
                let is_later = time.is_some_and(|time| time > self.seconds);
                if cut.is_none() && is_later {
                    let off = CutOff {
                        log: log.clone(),
                        file: file.path.clone(),
                        offset: end,
                        records: 0,
                        bytes: files[at..].iter().map(|file| file.bytes).sum::<u64>().saturating_sub(end),
                        first_timestamp: time,
                        last_timestamp: None,
                        not_later: 0,
                    };
                    cut = Some((at, off));
                }
                match &mut cut {
                    Some((_, off)) => {
                        off.records += 1;
                        off.last_timestamp = time.or(off.last_timestamp);
                        off.not_later += u64::from(time.is_some() && !is_later);
                    }
                    None => kept += 1,
                }
                end = record.span.offset + record.span.length + record.newline;
            })?;
            (scanning.progress)(file.bytes);
        }
        if other_clock {
            let text = format!(
                "the times in {} are not Unix time, so that dates and durations say nothing about them: give seconds \
                 of the log's own clock, as papyra persistence scan shows them",
                escape(log.as_bytes())
            );
            return Err(Error::new(Code::Data, text).decided_by(&[Setting::Until]));
        }
        let Some((at, off)) = cut else { return Ok((None, kept)) };
        if kept > 0 && files[at].content == Content::Archive {
            let text = format!(
                "the cut lies in {}, which is compressed: restore all of it, unpack it, and cut it by hand",
                escape(files[at].path.as_bytes())
            );
            return Err(Error::new(Code::Usage, text).decided_by(&[Setting::Until]));
        }
        Ok((Some(LogCut { files, at: (kept > 0).then_some(at), off }), kept))
    }
}

impl Cut<'_> {
    /// What is cut off, log by log.
    pub(super) fn off(&self) -> Vec<CutOff> {
        self.logs.iter().map(|log| log.off.clone()).collect()
    }

    /// How many files nothing is left of.
    pub(super) fn gone(&self) -> u64 {
        let gone = |log: &LogCut<'_>| log.files.len() - log.at.map_or(0, |at| at + 1);
        self.logs.iter().map(|log| gone(log) as u64).sum()
    }

    /// Cuts what was restored to a folder; `report` is what a scan of all of it has said. All is on the disk then.
    pub(super) fn apply(
        &self,
        backup: &Backup,
        folder: &Folder,
        report: Report,
        scanning: ScanOptions<'_>,
    ) -> Result<Report> {
        let (backend, mut reports) = (report.backend, report.files);
        for log in &self.logs {
            let index_of =
                |at: usize| reports.iter().find(|report| report.path == log.files[at].path).map(|report| report.index);
            let cut = log.at.and_then(index_of);
            // Nothing is missing of what is cut off.
            reports.retain(|report| !is_missing_of(&log.off.log, report) || cut.is_some_and(|cut| report.index > cut));
            let gone = log.at.map_or(0, |at| at + 1);
            for file in &log.files[gone..] {
                folder.remove(&file.path)?;
                reports.retain(|report| report.path != file.path);
            }
            if let Some(at) = log.at {
                cut_file(backup, folder, log.files[at], log.off.offset, &mut reports, scanning)?;
                move_up(folder, &log.off.log, &log.files[..=at], &mut reports)?;
            }
        }
        folder.sync()?;
        Ok(Report::new(TOOL, backend, reports, false))
    }
}

/// Cuts a file, and scans what is left of it.
fn cut_file(
    backup: &Backup,
    folder: &Folder,
    file: &StoredFile,
    offset: u64,
    reports: &mut [FileReport],
    scanning: ScanOptions<'_>,
) -> Result<()> {
    let path = folder.join(&file.path);
    let failed = |error| Error::cannot_write("cut", &path, error);
    let open = folder.write(&file.path).map_err(failed)?;
    open.set_size(offset).and_then(|()| open.sync_all()).map_err(failed)?;
    let summary = scan_file(&folder.read(&file.path)?, &path, offset, ScanOptions { progress: &|_| {}, ..scanning })?;
    let now = file_report(&backup.manifest, file, Some(summary));
    for (report, now) in reports.iter_mut().filter(|report| report.path == file.path).zip(now) {
        *report = now;
    }
    Ok(())
}

/// Gives the files of a set, oldest first, the names that they had when the last of them was the active one.
fn move_up(folder: &Folder, log: &str, files: &[&StoredFile], reports: &mut [FileReport]) -> Result<()> {
    let mut by = None;
    for file in files.iter().rev() {
        let Some(report) = reports.iter_mut().find(|report| report.path == file.path) else { continue };
        let index = report.index.saturating_sub(*by.get_or_insert(report.index));
        let name = member_name(log, index);
        if name != file.path {
            folder.rename(&file.path, &name)?;
        }
        (report.path, report.index) = (name, index);
        report.role = if index == 0 { Role::Active } else { Role::Rotated };
    }
    let by = by.unwrap_or(0);
    for report in reports.iter_mut().filter(|report| by > 0 && is_missing_of(log, report)) {
        report.index = report.index.saturating_sub(by);
        report.path = member_name(log, report.index);
    }
    Ok(())
}

/// Whether that is a member of the log that is not there.
fn is_missing_of(log: &str, report: &FileReport) -> bool {
    report.role == Role::Missing && report.path == member_name(log, report.index)
}
