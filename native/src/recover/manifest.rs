//! The manifest of an append-only folder, written anew: without files that are gone or go, or from the files' own
//! names.
//!
//! The old one is kept like everything that recovery removes.

use papyra_core::redis::{self, AofManifest, FileRole, server_name};

use super::journal::unfinished;
use super::member::{self, NewFile};
use super::rejects::Rejects;
use super::{Keeping, Recovered, Rejected};
use crate::disk::{self, Folder, sparse};
use crate::error::{Code, Error, Result, show};
use crate::offline::AofSet;

/// A manifest that is to take the old one's place.
pub(super) struct Renewed {
    text: Vec<u8>,
    /// What changes, for the operator.
    pub(super) words: String,
}

/// A broken manifest that its files cannot replace.
pub(super) fn undecided(set: &AofSet, broken: &redis::BackupFinding, why: &str) -> Error {
    let manifest = set.path(set.manifest.as_deref().unwrap_or_default());
    let text = format!(
        "cannot follow {}: {} (byte {}). The files' own names do not tell their order for certain: {why}. Put the \
         manifest back from a backup, or write it by hand, a line for each file: `file NAME seq N type b` for the \
         base, `type i` for those that continue it; nothing was changed",
        show(&manifest),
        papyra_core::escape::escape(broken.detail.as_bytes()),
        broken.offset
    );
    Error::new(Code::Data, text)
}

/// The manifest that a set needs, if it is not the one it has.
pub(super) fn renewed(set: &AofSet, missing: &[String], following: &[String]) -> Result<Option<Renewed>> {
    let Some(name) = &set.manifest else { return Ok(None) };
    let gone: Vec<&str> = missing.iter().chain(following).map(String::as_str).collect();
    if gone.is_empty() && set.broken.is_none() {
        return Ok(None);
    }
    let text = match (&set.broken, &set.rebuilt) {
        (Some(_), Ok(manifest)) => manifest.to_text().into_bytes(),
        _ => disk::read(&set.path(name))?,
    };
    let text = AofManifest::without(&text, &gone);
    let manifest = AofManifest::parse(&text).map_err(|finding| {
        let text =
            format!("nothing would be left of {}: {}; nothing was changed", show(&set.path(name)), finding.detail);
        Error::new(Code::Usage, text)
    })?;
    let list = |names: &[String]| names.join(", ");
    let left: Vec<String> = manifest.in_order().map(|file| file.name.clone()).collect();
    let mut words = format!("the manifest names, in this order: {}", list(&left));
    for (names, why) in [(missing, "not there"), (following, "after the cut")] {
        if !names.is_empty() {
            words.push_str(&format!("; left out, being {why}: {}", list(names)));
        }
    }
    Ok(Some(Renewed { text, words: papyra_core::escape::escape(words.as_bytes()) }))
}

/// Puts it in place.
pub(super) fn put(
    folder: &Folder,
    set: &AofSet,
    renewed: &Renewed,
    keeping: &Keeping,
    at_rest: bool,
    outcome: &mut Recovered,
) -> Result<()> {
    let Some(name) = &set.manifest else { return Ok(()) };
    let temporary = unfinished(name);
    let path = folder.join(name);
    let output = folder.create_new(&temporary)?;
    let failed = |error| Error::cannot_write("write", &path, error);
    let written = std::io::Write::write_all(&mut &output, &renewed.text).and_then(|()| output.sync_all());
    written.map_err(failed).inspect_err(|_| _ = folder.remove(&temporary))?;
    outcome.repaired_files.push(path.clone());
    if folder.stat(name)?.is_none() {
        folder.give_name(&temporary, name, true).inspect_err(|_| _ = folder.remove(&temporary))?;
        return folder.sync();
    }
    let source = folder.read(name)?;
    let stat = source.stat().map_err(|error| Error::cannot_read(&path, 0, &error))?;
    let mut rejects = match keeping {
        Keeping::Rejects => Rejects::beside(folder, name, &stat).inspect_err(|_| _ = folder.remove(&temporary))?,
        Keeping::Quarantine(_) | Keeping::Nothing => Rejects::discarded(),
    };
    let kept = sparse::each_piece(&source, 0..stat.size, |bytes| rejects.write(bytes));
    rejects.add_range(0..stat.size);
    if let Err(error) = kept {
        rejects.abandon();
        folder.remove(&temporary)?;
        return Err(failed(error));
    }
    let size = renewed.text.len() as u64;
    let new = NewFile { output: &output, rejects, size };
    let lease = member::at_rest(folder, name, &source, at_rest)?;
    let placed = member::put_in_place(folder, name, (&source, lease, stat.size), new, keeping, at_rest)?;
    outcome.quarantined_files.extend(placed.quarantined);
    outcome.rejected.push(Rejected { file: placed.rejects, source: name.to_owned(), bytes: stat.size, ranges: 1 });
    outcome.warnings.extend(placed.warnings);
    Ok(())
}

/// Files of the set's stem with a number above all that the manifest in place names: they go with what `--truncate`
/// cuts off, or a server would write over them.
pub(super) fn no_longer_named(folder: &Folder, set: &AofSet, truncated: bool) -> Result<Vec<String>> {
    let Some(name) = set.manifest.as_ref().filter(|_| truncated) else { return Ok(Vec::new()) };
    let path = folder.join(name);
    let text = disk::read(&path)?;
    let Ok(manifest) = AofManifest::parse(&text) else { return Ok(Vec::new()) };
    let stem = name.strip_suffix(".manifest").unwrap_or_default();
    let incremental = manifest.files.iter().filter(|file| file.role == FileRole::Incremental);
    let newest = incremental.map(|file| file.seq).max().unwrap_or(0);
    let named = |name: &String| manifest.files.iter().any(|file| file.name == *name);
    let newer = |name: &String| match server_name(name) {
        Some((own, seq, FileRole::Incremental)) => own == stem && seq > newest && !named(name),
        _ => set.files.contains(name) && !named(name),
    };
    Ok(folder.names()?.into_iter().filter(newer).collect())
}
