//! Members of a set that a compaction has emptied, and their names. The set's oldest go, so that Papyra can rotate
//! again; a rotation may move another file to such a name at any moment, and that one gets its name back.

use papyra_core::rotation::{base_of, member_name};

use super::swap::{self, give_name};
use crate::disk::fault::Fault;
use crate::disk::{Folder, sys};
use crate::error::{Error, Result};
use crate::history::History;

/// What became of a member that compaction had emptied and hidden.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emptied {
    /// It was empty, and nobody had it in hand.
    Gone,
    /// It is another file, which a rotation had put there meanwhile, or somebody still wrote to it: it has its name
    /// again.
    Back,
    /// It is such a file, and which place is its own is not certain.
    Unclear,
}

/// A member that compaction had emptied goes; one that a rotation had put there meanwhile gets its name back.
pub(crate) fn restore_unless_empty(history: &History, hidden: &str, log: &str, at_rest: bool) -> Result<Emptied> {
    let folder = &history.folder;
    let goes = folder.stat(hidden)?.is_some_and(|stat| stat.size == 0)
        && (swap::is_left(&folder.read(hidden)?, at_rest) || Fault::EmptiedAtOnce.is_back())
        && folder.stat(hidden)?.is_some_and(|stat| stat.size == 0);
    if goes {
        folder.remove(hidden)?;
    }
    let became = if goes { Emptied::Gone } else { give_back(history, hidden, log, at_rest)? };
    folder.sync()?;
    Ok(became)
}

/// Gives a hidden file the name that it had.
fn give_back(history: &History, hidden: &str, log: &str, at_rest: bool) -> Result<Emptied> {
    let folder = &history.folder;
    let members = history.set()?.members;
    let index = base_of(log).map_or(0, |(_, index)| index);
    let identity = |name: &str| Ok::<_, Error>(folder.stat(name)?.map(|stat| (stat.device, stat.inode)));
    let own = identity(hidden)?;
    // A rotation moves the older members first: as long as the next older one is there, none has passed by this name.
    let is_passed_by = || Ok::<_, Error>(folder.stat(member_name(&history.base, index + 1))?.is_none());
    for member in &members {
        if identity(&member.name)? == own {
            // A run was killed that had given it its name.
            if member.index == index && is_passed_by()? {
                sys::pause(swap::ON_THE_WAY);
                if identity(log)? != own {
                    return Ok(Emptied::Unclear);
                }
            }
            folder.remove(hidden)?;
            return Ok(Emptied::Back);
        }
    }
    if members.iter().all(|member| member.index < index) {
        give_name(folder, hidden, log, at_rest)?;
        return Ok(Emptied::Back);
    }
    // It keeps the hidden name until it is certain that nothing took its place.
    let is_free = folder.stat(log)?.is_none() && !is_passed_by()?;
    if !is_free || !folder.link_to(hidden, folder, log).or_else(|error| taken(folder, log, error))? || is_passed_by()? {
        return Ok(Emptied::Unclear);
    }
    folder.remove(hidden)?;
    Ok(Emptied::Back)
}

/// A name that somebody has made meanwhile is no error of the disk's.
fn taken(folder: &Folder, name: &str, error: Error) -> Result<bool> {
    if folder.stat(name)?.is_some() { Ok(false) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::emptied;
    use super::*;
    use crate::history::Choice;

    const RECORD: &str = "{\"kind\": \"event\", \"timestamp\": 1.0}\n";

    /// A set in which a member was hidden while a rotation went on, and what becomes of it.
    fn became(members: &[&str], is_linked: bool) -> (tempfile::TempDir, Emptied, bool) {
        let place = tempfile::tempdir().expect("a folder");
        let path = |name: &str| place.path().join(name);
        let hidden = emptied("log.1");
        fs::write(path(&hidden), RECORD).expect("written");
        for name in members {
            fs::write(path(name), "").expect("written");
        }
        if is_linked {
            fs::hard_link(path(&hidden), path("log.1")).expect("linked");
        }
        let history = History::open(&path("log"), Choice::Rotating, None).expect("a set");
        let became = restore_unless_empty(&history, &hidden, "log.1", false).expect("looked at");
        let has_its_name = fs::read_to_string(path("log.1")).is_ok_and(|text| text == RECORD);
        assert!(path(&hidden).exists() || has_its_name, "a record is lost");
        let is_hidden = path(&hidden).exists();
        assert_eq!(is_hidden, became == Emptied::Unclear);
        (place, became, has_its_name)
    }

    #[test]
    fn a_file_that_a_rotation_put_there_gets_its_name_back_while_the_next_older_one_is_there() {
        let (_place, became, has_its_name) = became(&["log", "log.2"], false);
        assert_eq!((became, has_its_name), (Emptied::Back, true));
    }

    #[test]
    fn it_keeps_its_hidden_name_while_its_place_is_not_certain() {
        // Another file is there; a second rotation is between its steps.
        for members in [&["log", "log.1", "log.2"][..], &["log", "log.3"]] {
            let (_place, became, has_its_name) = became(members, false);
            assert_eq!((became, has_its_name), (Emptied::Unclear, false), "{members:?}");
        }
    }

    #[test]
    fn a_run_that_was_killed_with_both_names_there_is_finished() {
        for members in [&["log", "log.2"][..], &["log"]] {
            let (_place, became, has_its_name) = became(members, true);
            assert_eq!((became, has_its_name), (Emptied::Back, true), "{members:?}");
        }
    }
}
