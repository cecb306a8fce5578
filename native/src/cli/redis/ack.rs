//! `papyra redis ack`

use super::which::OneGroup;
use crate::cli::out::Out;
use crate::error::{Code, Error, Result};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    of: OneGroup,

    /// Acknowledge all pending entries of the group
    #[arg(long, conflicts_with_all = ["id", "gone", "from"])]
    all: bool,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<()> {
    let OneGroup { group, which, .. } = &args.of;
    if !args.all && which.id.is_empty() && !which.gone && which.from.is_none() {
        return Err(Error::new(Code::Usage, "say which entries: --id ID, --gone, --from CONSUMER, or --all"));
    }
    let (store, key) = args.of.open()?;
    let settled = store.ack(&key, group, &which.filter(None))?;
    args.of.print(&settled, "acknowledged", out)
}
