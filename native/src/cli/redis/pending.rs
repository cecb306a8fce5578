//! `papyra redis pending`

use papyra_core::escape::escape;
use papyra_core::redis::name_of;

use super::{Common, Kind, Which, seconds, streams};
use crate::cli::consumer_groups::times;
use crate::cli::out::{Out, duration_ms};
use crate::cli::settings::Format;
use crate::error::Result;
use crate::redis::Naming;
use crate::redis::pending::Waiting;

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    common: Common,

    /// The stream; all three when none is named
    #[arg(long, value_name = "STREAM", ignore_case = true)]
    kind: Vec<Kind>,

    /// The group; all when none is named
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,

    /// Only entries that were delivered at least this long ago
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    min_idle: Option<f64>,

    #[command(flatten)]
    which: Which,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<()> {
    let store = args.common.store()?;
    let filter = args.which.filter(args.min_idle);
    let present = store.present()?.0;
    let mut held: Vec<Waiting> = Vec::new();
    let mut shown = 0_u64;
    for stream in streams(&store, &args.kind).into_iter().filter(|stream| present.contains(stream)) {
        let key = stream.key();
        let groups = match &args.group {
            Some(group) if args.kind.len() == 1 => vec![group.clone()],
            // A group that is named need not be on each of the streams.
            Some(group) => {
                let mut there = store.group_names(&key)?;
                there.retain(|other| name_of(other) == name_of(group));
                there
            }
            None => store.group_names(&key)?,
        };
        for group in groups {
            store.waiting(&key, &group, &filter, |page| {
                if out.format() == Format::Json {
                    held.extend(page);
                    return Ok(());
                }
                for waiting in page {
                    shown += 1;
                    let entry = &waiting.entry;
                    out.listed(&format!(
                        "{} {} {}: held by {}, delivered {}, last {} ago{}",
                        escape(waiting.key.as_bytes()),
                        escape(waiting.group.as_bytes()),
                        entry.id,
                        escape(entry.consumer.as_bytes()),
                        times(entry.delivery_count),
                        duration_ms(entry.idle_ms),
                        if waiting.gone { "; its entry is gone" } else { "" }
                    ));
                }
                Ok(())
            })?;
        }
    }
    if out.format() == Format::Json {
        return out.json(&serde_json::json!({
            "schema": "papyra.pending/1", "tool": crate::TOOL, "pending": held,
        }));
    }
    if shown == 0 {
        out.info("nothing is pending");
    }
    Ok(())
}
