//! `papyra redis pending`

use papyra_core::escape::escape;
use papyra_core::redis::name_of;

use super::which::{Common, Kind, Which, streams};
use crate::cli::consumer_groups::times;
use crate::cli::out::{Out, duration_ms};
use crate::cli::settings::Format;
use crate::cli::when::seconds_or_none;
use crate::error::{Code, Error, Result};
use crate::redis::pending::Waiting;
use crate::redis::{Naming, Role};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    common: Common,

    /// Only this stream; by default all three
    #[arg(long, value_name = "STREAM", ignore_case = true)]
    kind: Vec<Kind>,

    /// Only this group; by default all
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,

    /// Only entries that were delivered at least this long ago
    #[arg(long, value_name = "DURATION", value_parser = seconds_or_none)]
    min_idle: Option<f64>,

    #[command(flatten)]
    which: Which,
}

/// Pending entries: schema `papyra.pending/1`.
#[derive(Debug, serde::Serialize, schemars::JsonSchema)]
pub(in crate::cli) struct Pending {
    schema: &'static str,
    tool: &'static str,
    pending: Vec<Waiting>,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<()> {
    let store = args.common.store(Role::Reader)?;
    let filter = args.which.filter(args.min_idle);
    let present = store.present()?.0;
    let mut held: Vec<Waiting> = Vec::new();
    let mut shown = 0_u64;
    let mut groups: Vec<(String, String)> = Vec::new();
    for stream in streams(&store, &args.kind).into_iter().filter(|stream| present.contains(stream)) {
        let key = stream.key();
        groups.extend(store.group_names(&key)?.into_iter().map(|group| (key.clone(), group)));
    }
    if let Some(named) = &args.group {
        let mut known: Vec<String> = groups.iter().map(|(_, group)| escape(group.as_bytes())).collect();
        known.sort();
        known.dedup();
        // A group that is named need not be on each of the streams.
        groups.retain(|(_, group)| name_of(group) == name_of(named));
        if groups.is_empty() {
            let known =
                if known.is_empty() { "there are none".into() } else { format!("there are {}", known.join(", ")) };
            let text = format!("no group {} on these streams: {known}", escape(named.as_bytes()));
            return Err(Error::new(Code::NoInput, text));
        }
    }
    if let Some(consumer) = &filter.consumer {
        store.must_have_consumer(&groups, consumer)?;
    }
    for (key, group) in groups {
        store.waiting(&key, &group, &filter, |page| {
            if out.format() == Format::Json {
                held.extend(page);
                return Ok(());
            }
            for waiting in page {
                shown += 1;
                let entry = &waiting.entry;
                out.listed(&format!(
                    "{} {} {}: {}, delivered {}{}{}",
                    escape(waiting.key.as_bytes()),
                    escape(waiting.group.as_bytes()),
                    entry.id,
                    match &entry.consumer {
                        Some(consumer) => format!("held by {}", escape(consumer.as_bytes())),
                        None => "held by nobody since XNACK gave it back".into(),
                    },
                    times(entry.delivery_count),
                    entry.idle_ms.map_or_else(String::new, |idle| format!(", last {} ago", duration_ms(idle))),
                    if waiting.gone { "; its entry is gone" } else { "" }
                ));
            }
            Ok(())
        })?;
    }
    if out.format() == Format::Json {
        return out.json(&Pending { schema: "papyra.pending/1", tool: crate::TOOL, pending: held });
    }
    if shown == 0 {
        out.info("nothing is pending");
    }
    Ok(())
}
