//! `papyra redis claim`

use super::{OneGroup, seconds};
use crate::cli::out::Out;
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    of: OneGroup,

    /// The consumer that is to have the entries
    #[arg(long, value_name = "CONSUMER")]
    consumer: String,

    /// Only entries that were delivered at least this long ago, so that nobody who is at work loses any
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    min_idle: f64,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<()> {
    let (store, key) = args.of.open()?;
    let filter = args.of.which.filter(Some(args.min_idle));
    let settled = store.claim(&key, &args.of.group, &args.consumer, &filter)?;
    args.of.print(&settled, "claimed", out)
}
