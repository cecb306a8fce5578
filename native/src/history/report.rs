//! What is in a history's files, member by member, and what lies beside them.

use std::path::Path;

use papyra_core::assembly::{self, Standing};
use papyra_core::finding::{AnomalyType, Finding, Reason};
use papyra_core::report::{Backend, FileReport, Role};
use papyra_core::summary::Summary;

use super::leftovers::leftovers;
use super::{History, Listing};
use crate::archive;
use crate::disk::{File, Identity};
use crate::error::{Code, Error, Result};
use crate::reading::{self, ScanOptions, scan_settled};

/// A file of a history, to be read.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its name in the history's folder.
    pub name: &'a str,
    /// 0 for the log and for what is not a member, N for `NAME.N`.
    pub index: u32,
    /// Its bytes.
    pub file: &'a File,
    /// Which file it is, and its size when it was opened.
    pub seen: Option<Identity>,
    /// Whether it belongs to the history; damage inside what does not is not listed.
    pub is_member: bool,
}

impl History {
    /// Scans the whole history.
    pub fn scan(&self, scanning: ScanOptions<'_>) -> Result<Vec<FileReport>> {
        self.report(&self.pin()?, &mut |part| {
            let most = if part.is_member { scanning.max_findings } else { 0 };
            if let Some(format) = part.packed()? {
                let scanning = ScanOptions { max_findings: most, ..scanning };
                return Ok(reading::scan_stream(archive::unpack(format, part.file), scanning, &mut ()).0);
            }
            scan_settled(part.file, &self.folder.join(part.name), ScanOptions { max_findings: most, ..scanning })
        })
    }

    /// The report on a pinned history; `read` reads each of its files and says what is in it.
    pub fn report(
        &self,
        listing: &Listing,
        read: &mut dyn FnMut(Part<'_>) -> Result<Summary>,
    ) -> Result<Vec<FileReport>> {
        let mut files = Vec::new();
        for member in &listing.members {
            let role = if member.index == 0 { Role::Active } else { Role::Rotated };
            let file = match (&member.file, self.backend) {
                (Ok(file), _) => file,
                (Err(reason), Backend::Json | Backend::Redis) => return Err(Error::new(Code::NoInput, reason.clone())),
                (Err(reason), Backend::Rotating) => {
                    let finding = Finding::of_file(AnomalyType::PartialWrite, Reason::Unreadable, reason.clone());
                    files.push(FileReport::outside(&member.name, role, member.index, Summary::default(), finding));
                    continue;
                }
            };
            let part = Part { name: &member.name, index: member.index, file, seen: member.identity, is_member: true };
            files.push(FileReport::new(&member.name, role, member.index, read(part)?));
        }
        files.extend(listing.set.gaps.iter().map(|index| assembly::gap(&self.base, *index)));
        for temporary in &listing.set.temporaries {
            files.push(self.beside(&temporary.name, temporary.index, Standing::Temporary(temporary.clone()), read)?);
        }
        for hidden in leftovers(self)?.into_iter().map(|leftover| leftover.hidden) {
            let detail = "left behind by an interrupted recovery or compaction of this program; recover finishes it";
            let finding = Finding::of_file(AnomalyType::UnexpectedFile, Reason::LeftoverTemporary, detail);
            files.push(FileReport::outside(hidden, Role::Temporary, 0, Summary::default(), finding));
        }
        for renamed in &listing.set.renamed {
            files.push(self.beside(&renamed.name, 0, Standing::Renamed(renamed.clone()), read)?);
        }
        for orphan in &listing.set.orphans {
            files.push(self.beside(&orphan.name, 0, Standing::Orphan(orphan.clone()), read)?);
        }
        Ok(files)
    }

    /// The report of a file beside the members.
    fn beside(
        &self,
        name: &str,
        index: u32,
        place: Standing,
        read: &mut dyn FnMut(Part<'_>) -> Result<Summary>,
    ) -> Result<FileReport> {
        let Ok(file) = self.read(name) else { return Ok(place.unread(self.backend)) };
        let seen = Identity::of_file(&file).ok();
        let summary = read(Part { name, index, file: &file, seen, is_member: false })?;
        Ok(place.report(self.backend, summary))
    }
}

impl Part<'_> {
    /// How it is compressed; a member never is.
    pub(crate) fn packed(&self) -> Result<Option<archive::Format>> {
        if self.is_member {
            return Ok(None);
        }
        archive::of_file(self.file).map_err(|error| Error::cannot_read(Path::new(self.name), 0, &error))
    }
}
