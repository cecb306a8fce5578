//! What cannot be done with which source, and what to do instead.

use std::io::{self, ErrorKind};

use papyra_core::diff::{holds_streams, left_out};
use papyra_core::escape::escape;

use super::once::refuse_pipe;
use super::{Logs, Source};
use crate::error::{Code, Error, Result, show};
use crate::setting::Setting;

/// What is to be done with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Print the records.
    Replay,
    /// List or search records.
    List,
    /// Remove damage.
    Recover,
    /// Remove old records.
    Compact,
    /// Back up logs.
    BackUp,
    /// Compare logs.
    Compare,
    /// Write streams as logs.
    Export,
}

impl Task {
    /// What follows "cannot".
    fn verb(self) -> &'static str {
        match self {
            Task::Replay => "replay",
            Task::List => "list records of",
            Task::Recover => "recover",
            Task::Compact => "compact",
            Task::BackUp => "back up",
            Task::Compare => "compare",
            Task::Export => "export",
        }
    }
}

impl Source {
    /// Fails where the task cannot be done with it.
    pub fn must_allow(&self, task: Task) -> Result<()> {
        use Task::{BackUp, Compact, Compare, Export, List, Recover, Replay};
        let allowed = match (self, task) {
            (Source::Redis(..), Export) => true,
            (_, Export) => false,
            (Source::History(history), Replay | List | Compact) => !history.set()?.is_empty(),
            (Source::Folder(logs), Replay | List) => logs.has_logs() || !logs.unread.is_empty(),
            (Source::Folder(logs), Recover | Compact) => !logs.histories.is_empty() || !logs.unread.is_empty(),
            (Source::Folder(logs), BackUp) => logs.has_logs(),
            (Source::Folder(logs), Compare) => logs.left_out().is_none(),
            (Source::Packed(..), Recover | Compact | Compare) => false,
            (Source::Pipe(_), Recover | Compact | Compare | BackUp) => false,
            (Source::Redis(..), Compact | Compare | BackUp) => false,
            (Source::Server(_), Compare | BackUp) => false,
            _ => true,
        };
        if allowed { Ok(()) } else { Err(self.refusal(task)) }
    }

    /// Why the task cannot be done with it.
    pub(crate) fn refusal(&self, task: Task) -> Error {
        let usage = |text: String| Error::new(Code::Usage, text);
        let called = self.called();
        let no = |what: &str, advice: &str| usage(format!("cannot {} {called}{what}: {advice}", task.verb()));
        match (self, task) {
            (Source::Folder(logs), Task::Export | Task::BackUp) if logs.backups.len() > 1 => {
                usage(several(logs)).decided_by(&[Setting::Path])
            }
            (_, Task::Export) => usage(format!(
                "{called} is not a Redis backup: name a dump, a DUMP payload, an append-only file or the folder of them"
            )),
            // What is left of it was renamed or compressed by another tool.
            (Source::History(history), _) => Error::cannot_open(&history.path(), io::Error::from(ErrorKind::NotFound)),
            (Source::Folder(_), Task::Replay | Task::List) => no("", "it holds no log; name Redis backups one by one"),
            (Source::Folder(_), Task::BackUp) => Error::new(Code::NoInput, format!("no log in {called} can be read")),
            (Source::Folder(logs), Task::Compare) => no("", &left_out(&logs.left_out().unwrap_or_default())),
            (Source::Folder(_), _) => {
                no("", "it holds no plain log; unpack compressed ones, and name Redis backups one by one")
            }
            (Source::Redis(..) | Source::Server(_), Task::Compare) => no("", holds_streams()),
            (Source::Redis(..) | Source::Server(_), Task::BackUp) => usage(
                "backups are made of logs: `redis-cli --rdb FILE` saves a server's dump, and a dump is copied as it is"
                    .into(),
            ),
            (Source::Redis(..), _) => {
                no(", which is a Redis backup", "`papyra redis export` writes its streams as logs")
            }
            (Source::Server(store), _) => {
                let location = &store.settings.location;
                usage(format!("cannot {} the streams at {location}: they are not files", task.verb()))
            }
            (_, Task::Compare) => no("", "unpack it, or save it to a file first"),
            (Source::Pipe(path), _) => refuse_pipe(path, task.verb()),
            (Source::Packed(_, format), Task::Recover) => no(
                &format!(", which is {} data", format.name()),
                "unpack it first, or name a file for what can be unpacked",
            )
            .decided_by(&[Setting::Destination]),
            (Source::Packed(_, format), _) => no(&format!(", which is {} data", format.name()), "unpack it first"),
        }
    }

    /// Which files of a folder the task is not done with, and what to do about them.
    pub fn not_done(&self, task: Task) -> Vec<String> {
        let Source::Folder(logs) = self else { return Vec::new() };
        let (names, advice) = match task {
            Task::Replay | Task::List => (logs.redis_backups(), "name Redis backups one by one"),
            _ => (logs.left_out().unwrap_or_default(), "name Redis backups one by one, unpack compressed logs"),
        };
        let mut all = Vec::new();
        if !names.is_empty() {
            all.push(format!("this does not {} {}: {advice}", task.verb(), listed(&names)));
        }
        all.extend(logs.unread.iter().map(|unread| format!("cannot be read: {unread}")));
        all
    }
}

fn listed(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| escape(name.as_bytes())).collect();
    names.join(", ")
}

/// Where one Redis backup is wanted, and the folder holds several.
fn several(logs: &Logs) -> String {
    let loaded = logs.loaded.as_deref().map(|loaded| format!(" ({})", escape(loaded.as_bytes()))).unwrap_or_default();
    let names = listed(&logs.left_out().unwrap_or_default());
    format!("{} holds {names}{loaded}: name one of them", show(logs.folder.path()))
}
