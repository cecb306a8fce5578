//! `papyra redis claim`

use super::which::OneGroup;
use crate::cli::out::Out;
use crate::cli::when::seconds_or_none;
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    of: OneGroup,

    /// The consumer that receives the entries
    #[arg(long, value_name = "CONSUMER")]
    consumer: String,

    /// Only entries delivered at least this long ago, so that no active consumer loses its work
    #[arg(long, value_name = "DURATION", value_parser = seconds_or_none)]
    min_idle: f64,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<()> {
    let (store, key) = args.of.open()?;
    let filter = args.of.which.filter(Some(args.min_idle));
    let settled = store.claim(&key, &args.of.group, &args.consumer, &filter)?;
    args.of.print(&settled, "claimed", out)
}
