//! `papyra redis groups list|ensure|delete`

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use papyra_core::escape::escape;
use papyra_core::redis::{GroupsFile, NOBODY};

use super::which::{Common, Kind, streams, the_stream};
use crate::cli::consumer_groups::print_stream;
use crate::cli::out::{Out, counted};
use crate::cli::settings::Format;
use crate::error::{Code, Error, Result, show};
use crate::redis::ensure::{self, Wanted};
use crate::redis::{Naming, Role, Store};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Verb {
    /// Show streams, groups and consumers; with --format json, what `ensure --from` reads
    List(List),
    /// Create groups that do not exist; existing groups are not changed
    Ensure(Ensure),
    /// Delete a group
    Delete(Delete),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Ensure {
    #[command(flatten)]
    common: Common,

    /// The group
    #[arg(long, value_name = "GROUP", required_unless_present = "from", conflicts_with = "from")]
    group: Option<String>,

    /// Only this stream; by default all three
    #[arg(long, value_name = "STREAM", ignore_case = true, conflicts_with = "from")]
    kind: Vec<Kind>,

    /// Where a new group starts: 0 for the first entry, $ for new entries only, or the entry ID after which to start
    #[arg(long, value_name = "ID", default_value = "0", value_parser = ensure::start, conflicts_with = "from")]
    start: String,

    /// Create the groups of this list: from `groups list --format json` or `redis export`; - for standard input
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Delete {
    #[command(flatten)]
    common: Common,

    /// The group
    #[arg(long, value_name = "GROUP")]
    group: String,

    /// The stream
    #[arg(long, value_name = "STREAM", ignore_case = true)]
    kind: Kind,

    /// Delete the group even if it has pending entries
    #[arg(long)]
    force: bool,
}

pub(in crate::cli) fn run(verb: &Verb, out: &mut Out) -> Result<()> {
    match verb {
        Verb::List(args) => list(args, out),
        Verb::Ensure(args) => make(args, out),
        Verb::Delete(args) => delete(args, out),
    }
}

fn list(args: &List, out: &mut Out) -> Result<()> {
    let json = out.format() == Format::Json;
    let groups = args.common.store(Role::Reader)?.groups(json)?;
    if json {
        return out.json(&groups);
    }
    groups.streams.iter().for_each(|stream| print_stream(stream, out));
    Ok(())
}

fn make(args: &Ensure, out: &mut Out) -> Result<()> {
    let store = args.common.store(Role::Recover)?;
    let wanted = match &args.from {
        Some(path) => Wanted::from_list(&store, &read(path)?)?,
        None => by_flags(args, &store),
    };
    let ensured = ensure::ensure(&store, &wanted)?;
    if out.format() == Format::Json {
        return out.json(&ensured);
    }
    for group in &ensured.groups {
        let name = format!("group {} of {}", escape(group.group.as_bytes()), escape(group.key.as_bytes()));
        if !group.created {
            out.info(&format!("{name} is there, and stays as it is"));
            continue;
        }
        out.success(&format!("{name} made"));
        if group.stream_created {
            out.detail("the stream was not there: it was made too, and is empty");
        }
        if group.pending_restored > 0 {
            out.detail(&format!(
                "{} brought back",
                counted(group.pending_restored, "pending entry", "pending entries")
            ));
        }
        if group.pending_lost > 0 {
            out.detail(&format!(
                "{} not: the message is gone, and the stream is too large or damaged, or the server takes no payload \
                 of it",
                counted(group.pending_lost, "is", "are")
            ));
        }
        if group.pending_given > 0 {
            out.detail(&format!(
                "{} for the consumer {NOBODY}: nobody held them, and this server cannot say so",
                counted(group.pending_given, "of them waits", "of them wait")
            ));
        }
    }
    Ok(())
}

fn by_flags(args: &Ensure, store: &Store) -> Vec<Wanted> {
    let wanted = |stream: crate::redis::PapyraKey| Wanted {
        key: stream.key(),
        group: args.group.clone().unwrap_or_default(),
        start: args.start.clone(),
        entries_read: None,
        consumers: Vec::new(),
        pending: Vec::new(),
    };
    streams(store, &args.kind).into_iter().map(wanted).collect()
}

fn read(path: &Path) -> Result<GroupsFile> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).map_err(|error| Error::cannot_read(path, 0, &error))?;
    } else {
        text = std::fs::read_to_string(path).map_err(|error| Error::cannot_open(path, error))?;
    }
    serde_json::from_str(&text).map_err(|error| {
        let text = format!(
            "{} is not a list of groups ({}); make one with `papyra redis groups list --format json`",
            show(path),
            escape(error.to_string().as_bytes())
        );
        Error::new(Code::Data, text)
    })
}

/// A group that was removed: schema `papyra.delete/1`.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Deleted<'a> {
    schema: &'static str,
    tool: &'static str,
    /// The stream's key.
    key: &'a str,
    group: &'a str,
    /// Whether it was there.
    deleted: bool,
}

fn delete(args: &Delete, out: &mut Out) -> Result<()> {
    let store = args.common.store(Role::Recover)?;
    let key = the_stream(&store, args.kind)?;
    let deleted = ensure::delete(&store, &key, &args.group, args.force)?;
    if out.format() == Format::Json {
        return out.json(&Deleted {
            schema: "papyra.delete/1",
            tool: crate::TOOL,
            key: &key,
            group: &args.group,
            deleted,
        });
    }
    let name = format!("group {} of {}", escape(args.group.as_bytes()), escape(key.as_bytes()));
    if deleted {
        out.success(&format!("{name} removed"))
    } else {
        out.info(&format!("{name} is not there"))
    }
    Ok(())
}
