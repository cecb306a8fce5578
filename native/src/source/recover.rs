//! Recovery of whatever a source is: a log or a set, the logs of a folder, the append-only files of a Redis server, or
//! streams on one.

use std::path::Path;

use papyra_core::redis::Scope;
use papyra_core::report::Report;

use super::{Source, Task};
use crate::TOOL;
use crate::error::Result;
use crate::reading::ScanOptions;
use crate::recover::aof::After;
use crate::recover::{self, RecoverOptions, Recovered};
use crate::redis;

impl Source {
    /// Recovers one log after the other, and hands over what came of each as soon as it is known; one that fails does
    /// not keep the others. `after` is for append-only files, whose streams in `scope` are taken for Papyra's;
    /// `rejects_dir` is where entries go that are removed from a server.
    ///
    /// # Errors
    /// Recovery is not for such a source.
    pub fn recover(
        &self,
        scope: &dyn Fn() -> Result<Scope>,
        options: &RecoverOptions,
        after: After,
        rejects_dir: Option<&Path>,
        scanning: ScanOptions<'_>,
        each: &mut dyn FnMut(Result<Recovered>),
    ) -> Result<()> {
        self.must_allow(Task::Recover)?;
        match self {
            Source::Server(store) => each(redis::recover::recover(store, options, rejects_dir, scanning)),
            Source::Redis(_, backup) => {
                each(scope().and_then(|scope| recover::aof::recover(backup, options, after, &scope, scanning)));
            }
            _ => self.histories().iter().for_each(|history| each(recover::recover(history, options, scanning))),
        }
        if let Source::Folder(logs) = self
            && !logs.unread.is_empty()
        {
            let unread = Report::new(TOOL, logs.backend, logs.unread_reports().collect(), false);
            each(Ok(Recovered::begin(options, unread)));
        }
        Ok(())
    }
}
