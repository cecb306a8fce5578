//! `papyra backup ls` and `papyra backup cat`

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use papyra_core::escape::escape;
use papyra_core::manifest::{Compression, Manifest};
use schemars::JsonSchema;
use serde::Serialize;

use super::checking::Which;
use super::words::describe;
use crate::backup::{Backup, Location};
use crate::cli::out::{self, Out};
use crate::cli::settings::{Format, Output};
use crate::cli::settings_file::Config;
use crate::cli::verdict::Verdict;
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    which: Which,

    #[command(flatten)]
    config: Config,

    #[command(flatten)]
    output: Output,
}

/// `papyra backup ls --format json`
#[derive(JsonSchema, Serialize)]
pub(in crate::cli) struct Document<'a> {
    schema: &'static str,
    tool: &'static str,
    /// The backup's folder, or its address in an object store.
    backup: &'a Path,
    /// Its `manifest.json`.
    manifest: &'a Manifest,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let backup = args.which.open(&args.config, None)?;
    if out.format() == Format::Json {
        let (backup, manifest) = (&*backup.path, &backup.manifest);
        out.json(&Document { schema: "papyra.ls/1", tool: crate::TOOL, backup, manifest })?;
        return Ok(Verdict::Fine);
    }
    for file in &backup.manifest.files {
        let packed = match file.compression {
            Compression::None => String::new(),
            compression => format!(" ({} as {})", out::bytes(file.stored_bytes), compression.name()),
        };
        out.line(&format!("{}: {}{packed}", escape(file.path.as_bytes()), out::bytes(file.bytes)));
    }
    describe(&backup, out);
    Ok(Verdict::Fine)
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CatArgs {
    /// The backup: a folder, or NAME in a repository, such as s3://BUCKET/PREFIX/NAME
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,

    /// The file, by its path in what was backed up
    #[arg(value_name = "FILE")]
    file: String,
}

pub(super) fn cat(args: &CatArgs, out: &mut Out) -> Result<Verdict> {
    let backup = Backup::open(&Location::parse(&args.backup)?)?;
    backup.write_file(backup.file(&args.file)?, &mut Raw(out))?;
    Ok(Verdict::Fine)
}

/// Standard output, byte for byte.
struct Raw<'a>(&'a mut Out);

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.raw(bytes) { Ok(bytes.len()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
