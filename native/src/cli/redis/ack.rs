//! `papyra redis ack`

use super::{Common, Kind, Which, print_settled, the_stream};
use crate::cli::out::Out;
use crate::error::{Code, Error, Result};

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

    /// Every pending entry of the group
    #[arg(long, conflicts_with_all = ["id", "gone", "from"])]
    all: bool,

    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<()> {
    if !args.all && args.which.id.is_empty() && !args.which.gone && args.which.from.is_none() {
        return Err(Error::new(Code::Usage, "say which entries: --id ID, --gone, --from CONSUMER, or --all"));
    }
    let store = args.common.store()?;
    let key = the_stream(&store, args.kind)?;
    let settled = store.ack(&key, &args.group, &args.which.filter(None))?;
    print_settled(&settled, "acknowledged", args.common.format, out)
}
