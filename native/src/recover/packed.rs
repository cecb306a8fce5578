//! Recovers a compressed log into a file of its own. The compressed file stays as it is.
//!
//! What can be unpacked is written under a hidden name, put in place whole, and recovered there as any other log.

use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use papyra_core::archive::{self as packed, Broken};
use papyra_core::plan::Plan;
use papyra_core::report::{Backend, Report};
use papyra_core::rotation::Choice;

use super::{FilePlan, RecoverOptions, Recovered, recover};
use crate::TOOL;
use crate::archive::{self, Format};
use crate::disk::{self, Folder, file_name};
use crate::error::{Code, Error, Result, show};
use crate::history::History;
use crate::reading::{self, ScanOptions};

/// Bytes that are unpacked at a time.
const BUFFER: usize = 1 << 18;

/// Unpacks the log at `path` as far as that can be done, to `to`, where nothing must be yet, and recovers it there.
///
/// # Errors
/// There is something at `to` already, it cannot be written, or the compressed file cannot be read. Nothing is left
/// behind then.
pub fn recover_to(
    path: &Path,
    format: Format,
    to: &Path,
    options: &RecoverOptions,
    scanning: ScanOptions<'_>,
) -> Result<Recovered> {
    let name = file_name(to)?;
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = Folder::open(parent).map_err(|error| error.and("create the folder first, or choose another one"))?;
    if folder.stat(&name)?.is_some() {
        let text = format!("{} is there already: choose another name", show(to));
        return Err(Error::new(Code::CannotCreate, text));
    }
    let source = disk::open(path).map_err(|error| Error::cannot_open(path, error))?;
    if options.dry_run {
        return plan(path, format, source, &name, options, scanning);
    }
    let hidden = format!(".{name}.papyra-unpacked-{}", std::process::id());
    let unpacked = unpack(path, format, source, &folder, &hidden, scanning).and_then(|broken| {
        if folder.put(&hidden, &folder, &name)? {
            folder.sync()?;
            return Ok(broken);
        }
        Err(Error::new(Code::CannotCreate, format!("{} cannot be put in place", show(to))))
    });
    if unpacked.is_err() && folder.stat(&hidden)?.is_some() {
        folder.remove(&hidden)?;
    }
    let broken = unpacked?;
    let history = History::open(to, Choice::Json, None)?;
    let mut outcome = recover(&history, options, scanning)?;
    if let Some((bytes, why)) = broken {
        // What followed is lost, whatever was recovered.
        for report in [&mut outcome.before, &mut outcome.after] {
            add(report, format, bytes, why);
        }
        outcome
            .warnings
            .push(format!("{} cannot be unpacked completely: all that followed is lost with it", show(path)));
    }
    Ok(outcome)
}

/// What would be done.
fn plan(
    path: &Path,
    format: Format,
    source: impl Read,
    name: &str,
    options: &RecoverOptions,
    scanning: ScanOptions<'_>,
) -> Result<Recovered> {
    let mut plan = Plan::with_limit(scanning.max_findings);
    let (summary, ended) = reading::scan_stream(archive::unpack(format, source), scanning, &mut plan);
    if let Err(error) = &ended
        && broken(error).is_none()
    {
        return Err(Error::cannot_read(path, summary.bytes, error));
    }
    let report = archive::report(name, format, summary, ended);
    let mut outcome = Recovered::begin(options, Report::new(TOOL, Backend::Json, vec![report], false));
    outcome.plan.push(FilePlan { path: name.to_owned(), plan });
    Ok(outcome)
}

/// Writes what can be unpacked; how many bytes, and why no more, if it broke off.
fn unpack(
    path: &Path,
    format: Format,
    source: impl Read,
    folder: &Folder,
    name: &str,
    scanning: ScanOptions<'_>,
) -> Result<Option<(u64, Broken)>> {
    let file = folder.create_new(name)?;
    let failed = |error: io::Error| Error::cannot_write("write", &folder.join(name), error);
    let mut output = BufWriter::with_capacity(BUFFER, &file);
    let mut input = archive::unpack(format, source);
    let (mut buffer, mut bytes) = (vec![0; BUFFER], 0);
    let ended = loop {
        match input.read(&mut buffer) {
            Ok(0) => break None,
            Ok(read) => {
                (scanning.progress)(read as u64);
                output.write_all(&buffer[..read]).map_err(failed)?;
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => match broken(&error) {
                Some(why) => break Some((bytes, why)),
                None => return Err(Error::cannot_read(path, bytes, &error)),
            },
        }
    };
    output.flush().map_err(failed)?;
    drop(output);
    file.sync_all().map_err(failed)?;
    Ok(ended)
}

/// Why unpacking ended, if it was not reading that did.
fn broken(error: &io::Error) -> Option<Broken> {
    error.get_ref()?.downcast_ref::<Broken>().copied()
}

fn add(report: &mut Report, format: Format, bytes: u64, why: Broken) {
    let mut files = std::mem::take(&mut report.files);
    if let Some(file) = files.first_mut() {
        file.add(packed::finding(format, bytes, &why));
    }
    *report = Report::new(TOOL, report.backend, files, false);
}
