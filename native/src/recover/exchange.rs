//! An exchange of two names that ends where it should: a rotation may give a name to another file in the moment before
//! it.

use super::journal::PREFIX;
use super::refusals::changed;
use crate::disk::fault::Fault;
use crate::disk::{File, Folder, Rename};
use crate::error::{Error, Result};

/// Exchanges a hidden file with the new one, and returns the name that the new one had: a rotation may have given it
/// another than the log's, and may do so again in the moment before an exchange. What that has hit gets its place back
/// first.
pub(super) fn change_places(folder: &Folder, log: &str, hidden: &str, new: &File) -> Result<String> {
    let new = new.stat().map_err(|error| Error::cannot_read(&folder.join(log), 0, &error))?.inode;
    // Who has to come out, the next one last.
    let mut wanted = vec![new];
    // Who went in last, and at which name.
    let mut gone: Option<(u64, String)> = None;
    // What cannot be looked at now may be a moment later.
    let mut last = changed(folder, log);
    for _ in 0..200 {
        let mut step = || -> Result<Option<String>> {
            let Some(here) = folder.stat(hidden)?.map(|stat| stat.inode) else { return Ok(None) };
            if let Some((before, name)) = gone.take() {
                if wanted.last() == Some(&here) || Fault::PutBackUnchecked.is_back() {
                    wanted.pop();
                } else if here != before {
                    wanted.push(before);
                }
                if wanted.is_empty() {
                    return Ok(Some(name));
                }
            }
            let Some(wants) = wanted.last() else { return Ok(None) };
            let Some(name) = name_of(folder, log, *wants)? else { return Ok(None) };
            if folder.renamed(hidden, folder, &name, Rename::Exchange).is_ok() {
                gone = Some((here, name));
            }
            Ok(None)
        };
        match step() {
            Ok(Some(name)) => return Ok(name),
            Ok(None) => {}
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The name, none of our hidden ones, of the file with that inode.
fn name_of(folder: &Folder, log: &str, inode: u64) -> Result<Option<String>> {
    let members = folder.names()?.into_iter().filter(|name| !name.starts_with(PREFIX));
    for name in std::iter::once(log.to_owned()).chain(members) {
        if folder.stat(&name)?.is_some_and(|stat| stat.inode == inode) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
