//! Hidden files that an interrupted recovery or compaction of ours has left beside a history.

use papyra_core::rotation::member_name;

use super::History;
use crate::disk::Folder;
use crate::error::Result;
use crate::recover::journal::{PREFIX, id, id_of};

/// A hidden file of ours: the folder when it is not the history's, the log's name, and its own.
pub(crate) struct Leftover {
    pub(crate) folder: Folder,
    pub(crate) log: String,
    pub(crate) hidden: String,
}

/// Hidden files of interrupted runs of ours that belong to a history.
pub(crate) fn leftovers(history: &History) -> Result<Vec<Leftover>> {
    let set = history.known_set()?;
    let mut found = Vec::new();
    let hidden = history.hidden(PREFIX)?;
    if !hidden.is_empty() {
        // A log that was interrupted may have been rotated on since.
        let most = set.members.iter().map(|member| member.index).max().unwrap_or(0) + 8;
        let logs: Vec<String> = (0..=most).map(|index| member_name(&history.base, index)).collect();
        found.extend(of_logs(&history.folder, hidden, &logs));
    }
    for member in &set.members {
        if let Some((folder, log)) = history.place(&member.name)? {
            let hidden = folder.names()?;
            found.extend(of_logs(&folder, hidden, &[log]));
        }
    }
    found.sort_by(|a, b| a.hidden.cmp(&b.hidden));
    Ok(found)
}

fn of_logs(folder: &Folder, hidden: Vec<String>, logs: &[String]) -> Vec<Leftover> {
    let ids: Vec<String> = logs.iter().map(|log| id(log)).collect();
    let of = |hidden: String| {
        let log = ids.iter().position(|id| id_of(&hidden) == Some(id))?;
        Some(Leftover { folder: folder.clone(), log: logs[log].clone(), hidden })
    };
    hidden.into_iter().filter_map(of).collect()
}
