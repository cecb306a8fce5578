//! A look into a backup without restoring it: what it holds, and one file's bytes.

use std::io::{self, Read, Write};

use papyra_core::escape::escape;
use papyra_core::manifest::StoredFile;
use papyra_core::report::{Report, Role};
use papyra_core::verification;

use super::Backup;
use super::pipeline::Hashed;
use crate::TOOL;
use crate::archive;
use crate::error::{Code, Error, Result, show};

impl Backup {
    /// The file of that path in the source.
    pub fn file(&self, path: &str) -> Result<&StoredFile> {
        self.manifest.files.iter().find(|file| file.path == path).ok_or_else(|| self.holds_none(path))
    }

    /// The backup as if it held these files alone.
    pub fn only(mut self, paths: &[String]) -> Result<Backup> {
        if let Some(unknown) = paths.iter().find(|path| self.file(path).is_err()) {
            return Err(self.holds_none(unknown));
        }
        let is_meant = |path: &String| paths.contains(path);
        self.manifest.files.retain(|file| is_meant(&file.path));
        let scan = &mut self.manifest.scan;
        let mut files = std::mem::take(&mut scan.files);
        files.retain(|file| file.role != Role::Missing && is_meant(&file.path));
        *scan = Report::new(TOOL, scan.backend, files, false);
        Ok(self)
    }

    fn holds_none(&self, path: &str) -> Error {
        let text = format!(
            "there is no {} in {}: papyra backup ls {} lists its files",
            escape(path.as_bytes()),
            show(&self.path),
            crate::recover::quoted(&self.path)
        );
        Error::new(Code::NoInput, text)
    }

    /// Writes a file as it was in the source to `to`, and fails at its end when that is not what was backed up. Nothing
    /// more is written once `to` does.
    pub fn write_file(&self, file: &StoredFile, to: &mut dyn Write) -> Result<()> {
        let path = self.files.join(&file.stored);
        let mut opened = self.files.read(&file.stored)?;
        let mut stored = Hashed::new(&mut opened);
        let most = file.bytes.saturating_add(1);
        let mut content = Hashed::new(archive::content(verification::format(file.compression), &mut stored));
        let mut buffer = vec![0; 1 << 16];
        let mut left = most;
        let ended = loop {
            let width = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match content.read(&mut buffer[..width]) {
                Ok(0) => break Ok(()),
                Ok(read) => {
                    left -= read as u64;
                    if let Err(error) = to.write_all(&buffer[..read]) {
                        return if error.kind() == io::ErrorKind::BrokenPipe {
                            Ok(())
                        } else {
                            Err(Error::new(Code::Io, format!("writing the output failed: {error}")))
                        };
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        let (bytes, sha256) = content.finish();
        if let Some(error) = stored.failed.take() {
            return Err(opened.failed(&path, bytes, &error));
        }
        if ended.is_err() || (bytes, &sha256) != (file.bytes, &file.sha256) {
            let text = format!(
                "{} is damaged: what was written is not what was backed up; papyra backup verify tells where",
                show(&path)
            );
            return Err(Error::new(Code::Data, text));
        }
        Ok(())
    }
}
