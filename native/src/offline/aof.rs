//! Append-only files: the passes that core wants over one of them, or over a set.

use std::path::{Path, PathBuf};

use papyra_core::redis::{Entry, Pass, Replay, Scope, SetReader, Survey, Surveyor};

use super::{AofSet, beyond, feed, open};
use crate::disk::File;
use crate::error::Result;
use crate::reading::ScanOptions;

/// Goes through a file, and plans when it is damaged.
pub(crate) fn survey(
    file: &File,
    path: &Path,
    size: u64,
    is_incremental: bool,
    scope: &Scope,
    scanning: ScanOptions<'_>,
) -> Result<Survey> {
    let mut surveyor = Surveyor::new(is_incremental, scope.clone());
    feed(file, path, 0..size, scanning.progress, |bytes| surveyor.push(bytes, &mut ()))?;
    let mut survey = surveyor.finish(&mut ()).map_err(|error| beyond(path, &error))?;
    if let Some(mut search) = survey.search(scope) {
        while let Some(range) = search.want() {
            feed(file, path, range, &|_| {}, |bytes| search.push(bytes))?;
            search.end();
        }
        survey.plan = search.finish();
    }
    Ok(survey)
}

/// Replays a set, and can tell what each of its files is like. Of a damaged file, what recovery would keep is replayed.
pub(crate) fn replay<P: Clone, F: FnMut(u32, &Entry<'_>) -> P>(
    set: &AofSet,
    scope: &Scope,
    replay: Replay<P, F>,
    scanning: ScanOptions<'_>,
) -> Result<SetReader<P, F>> {
    let paths: Vec<PathBuf> = set.paths().collect();
    let mut reader = SetReader::of(&set.names, set.sizes()?, scope.clone(), replay);
    while let Some(want) = reader.want() {
        let path = &paths[want.file];
        let (file, _) = open(path)?;
        let progress: &(dyn Fn(u64) + Sync) = if want.pass == Pass::Read { scanning.progress } else { &|_| {} };
        feed(&file, path, want.range, progress, |bytes| reader.push(bytes))?;
        reader.end().map_err(|(_, error)| beyond(path, &error))?;
    }
    Ok(reader)
}
