//! `papyra redis claim`

use super::{Common, Kind, Which, print_settled, seconds, the_stream};
use crate::cli::out::Out;
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    common: Common,

    /// The stream
    #[arg(long, value_name = "STREAM", ignore_case = true)]
    kind: Kind,

    /// The group
    #[arg(long, value_name = "GROUP")]
    group: String,

    /// The consumer that is to have the entries
    #[arg(long, value_name = "CONSUMER")]
    consumer: String,

    /// Only entries that were delivered at least this long ago, so that nobody who is at work loses any
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    min_idle: f64,

    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<()> {
    let store = args.common.store()?;
    let key = the_stream(&store, args.kind)?;
    let filter = args.which.filter(Some(args.min_idle));
    let settled = store.claim(&key, &args.group, &args.consumer, &filter)?;
    print_settled(&settled, "claimed", args.common.format, out)
}
