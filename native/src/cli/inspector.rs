//! `papyra inspector`: the inspector page, as a file, which is opened in a browser if that is wanted.
//!
//! The page is one self-contained file, built into the binary by the feature `inspector`.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::out::{Out, bytes, message};
use super::verdict::Verdict;
use crate::error::{Code, Error, Result, show};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Write the page to this file (`-` for standard output)
    #[arg(long, short, value_name = "FILE", default_value = "papyra-inspector.html")]
    output: PathBuf,

    /// Open it in the browser of this machine
    #[arg(long)]
    open: bool,
}

#[cfg(feature = "inspector")]
const PAGE: Option<&[u8]> = Some(include_bytes!("../../../www/dist/papyra-inspector.html"));
#[cfg(not(feature = "inspector"))]
const PAGE: Option<&[u8]> = None;

/// A desktop says within this time that it has no browser. An opener may also take as long as its browser runs.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let Some(page) = PAGE else {
        return Err(Error::new(
            Code::Config,
            "this papyra was built without the inspector page: in its source, run www/build.sh and then \
             cargo build --release --features inspector; or open www/dist/papyra-inspector.html in a browser",
        ));
    };
    let path = &args.output;
    if path == Path::new("-") {
        if args.open {
            return Err(Error::new(Code::Usage, "--open needs a file: name one with --output"));
        }
        out.raw(page);
        return Ok(Verdict::Fine);
    }
    // What was written for an earlier --open is opened again.
    let is_as_long = fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() == page.len() as u64);
    if is_as_long && fs::read(path).is_ok_and(|there| there == page) {
        out.info(&format!("{} holds the page already", show(path)));
    } else {
        write(path, page)?;
        out.success(&format!("wrote {} ({})", show(path), bytes(page.len() as u64)));
    }
    if args.open {
        out.flush();
        open(path);
    } else {
        out.info("open it in a browser, from disk or from any web server; it needs no network");
    }
    Ok(Verdict::Fine)
}

fn write(path: &Path, page: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| Error::cannot_create("write the page to", path, error))?;
    file.write_all(page).map_err(|error| Error::cannot_write("write the page to", path, error))
}

/// Hands the page to the desktop's browser, and says so when there is none.
fn open(path: &Path) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let mut command = Command::new(program);
    command.arg(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let begun = Instant::now();
    let is_open = command.spawn().is_ok_and(|mut opener| {
        loop {
            match opener.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
                _ => return true,
            }
        }
    });
    if !is_open {
        message("no browser could be started here: open the file yourself");
    }
}
