//! The JSON Schemas of what `--format json` prints, made from the types that are printed and kept in the
//! handbook.

// The documents of several shapes are only ever described.
#![allow(dead_code)]

use std::path::PathBuf;

use papyra_core::diff::Diff;
use papyra_core::manifest::Manifest;
use papyra_core::redis::GroupsFile;
use papyra_core::report::Report;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::failure::ErrorReport;
use super::verdict::Verdict;
use super::{backup, checklist, config, doctor, follow, inspect_groups, persistence_inspect, redis};
use crate::backup::drill::Drill;
use crate::backup::restore::Restored;
use crate::backup::verify::{Verification, Verifications};
use crate::error::{Code, Error, Result};
use crate::offline::export::Export;
use crate::redis::ensure::Ensured;
use crate::redis::groups::Groups;
use crate::redis::pending::Settled;
use crate::{compact, recover};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The folder to write to
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
}

/// What scans print, with what a server alone can tell or without it.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Scan {
    Inspected(persistence_inspect::Inspected),
    Report(Report),
}

/// What `compact` prints of logs, and of streams.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Compact {
    Logs(compact::Compacted),
    Streams(crate::redis::compact::Trimmed),
}

/// Groups of a backup, and of a server.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum GroupsDocument {
    Backup(GroupsFile),
    Server(Groups),
}

/// Pending entries of a server, and of a backup.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum PendingDocument<'a> {
    Server(redis::pending::Pending),
    Backup(inspect_groups::Document<'a>),
}

/// The schema of a document as it is written.
fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

/// The schemas, each by the name that documents carry.
fn all() -> Vec<(&'static str, Schema)> {
    vec![
        ("papyra.scan/1", of::<Scan>()),
        ("papyra.check/1", of::<doctor::NotChecked>()),
        ("papyra.followed/1", of::<follow::Followed<'_>>()),
        ("papyra.recover/1", of::<recover::Recovered>()),
        ("papyra.compact/1", of::<Compact>()),
        ("papyra.checklist/1", of::<checklist::Checklist<'_>>()),
        ("papyra.create/1", of::<backup::create::Document<'_>>()),
        ("papyra.verifications/1", of::<Verifications>()),
        ("papyra.verify/1", of::<Verification>()),
        ("papyra.backup/1", of::<Manifest>()),
        ("papyra.ls/1", of::<backup::ls::Document<'_>>()),
        ("papyra.backups/1", of::<backup::list::Document<'_>>()),
        ("papyra.diff/1", of::<Diff>()),
        ("papyra.init/1", of::<backup::init::Document<'_>>()),
        ("papyra.restore/1", of::<Restored>()),
        ("papyra.prune/1", of::<backup::prune::Document<'_>>()),
        ("papyra.drill/1", of::<Drill>()),
        ("papyra.groups/1", of::<GroupsDocument>()),
        ("papyra.ensure/1", of::<Ensured>()),
        ("papyra.delete/1", of::<redis::groups::Deleted<'_>>()),
        ("papyra.pending/1", of::<PendingDocument<'_>>()),
        ("papyra.claim/1", of::<Settled>()),
        ("papyra.ack/1", of::<Settled>()),
        ("papyra.export/1", of::<Export>()),
        ("papyra.config/1", of::<config::Shown>()),
        ("papyra.error/1", of::<ErrorReport<'_>>()),
    ]
}

/// Writes the schemas into a folder, a file each.
pub(super) fn run(args: &Args) -> Result<Verdict> {
    for (name, schema) in all() {
        let path = args.to.join(format!("{}.json", name.replace('/', "-")));
        let text = serde_json::to_string_pretty(&schema)
            .map_err(|error| Error::new(Code::Io, format!("cannot write the schema of {name}: {error}")))?;
        std::fs::write(&path, text + "\n").map_err(|error| Error::cannot_create("write the schema", &path, error))?;
    }
    Ok(Verdict::Fine)
}
