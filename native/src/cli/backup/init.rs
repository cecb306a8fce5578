//! `papyra backup init`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checking::folder_of_backups;
use crate::backup::repository;
use crate::cli::out::Out;
use crate::cli::settings::{Format, Output};
use crate::cli::settings_file::Config;
use crate::cli::verdict::Verdict;
use crate::error::{Result, show};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder for the repository, or s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX; created if it
    /// does not exist, refused if it is not empty; by default the one that papyra.toml names. The password comes from
    /// RESTIC_PASSWORD_FILE, RESTIC_PASSWORD_COMMAND or RESTIC_PASSWORD
    #[arg(value_name = "FOLDER", env = "PAPYRA_BACKUPS")]
    folder: Option<PathBuf>,

    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    output: Output,
}

/// The repository that was made: schema `papyra.init/1`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Document<'a> {
    schema: &'static str,
    tool: &'static str,
    /// The repository's folder or URL.
    path: &'a Path,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let path = repository::init(&folder_of_backups(args.folder.as_ref(), &args.config)?)?;
    match out.format() {
        Format::Json => out.json(&Document { schema: "papyra.init/1", tool: crate::TOOL, path: &path })?,
        Format::Text => {
            out.success(&format!("repository {}", show(&path)));
            out.detail("keep its password where it outlasts this machine: without it nothing can be restored");
            let to = crate::recover::quoted(&path);
            out.info(&format!("to back up: papyra backup create --path LOG --to {to}"));
        }
    }
    Ok(Verdict::Fine)
}
