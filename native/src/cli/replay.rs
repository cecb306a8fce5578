//! `papyra persistence replay`: what recovery would keep, oldest first, byte for byte.

use std::io;

use papyra_core::scan::Flow;

use super::Verdict;
use super::out::{Out, counted};
use super::progress::Progress;
use super::settings::{Common, Settings};
use super::when::Period;
use crate::error::Result;
use crate::records;
use crate::redis;
use crate::target::Target;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    #[command(flatten)]
    period: Period,
}

pub(super) fn run(args: &Args, out: &mut Out) -> Result<Verdict> {
    let settings = Settings::of(&args.common, None)?;
    let progress = Progress::new(true, None);
    let within = args.period.within();
    let mut damaged = 0;
    let target = settings.target()?;
    if let Target::Redis(store) = &target {
        damaged = redis::scan::each_record(store, |facts, bytes| {
            if !within.holds(facts.timestamp) {
                return Ok(true);
            }
            Ok(out.raw(bytes))
        })?;
        within.end()?;
        if damaged > 0 && !args.common.output.quiet {
            out.message(&format!("passed over: {}", counted(damaged, "damaged entry", "damaged entries")));
        }
        return Ok(Verdict::Fine);
    }
    for history in settings.histories(target, "replay")? {
        let summaries = records::each_of(&history, settings.effort(&progress), |found| {
            if !within.holds(found.record.facts.timestamp) {
                return Ok(Flow::Continue(()));
            }
            let mut read_on = true;
            found.copy(|piece| {
                read_on = read_on && out.raw(piece);
                Ok(())
            })?;
            read_on = read_on && out.raw(b"\n");
            Ok::<_, io::Error>(if read_on { Flow::Continue(()) } else { Flow::Break(()) })
        })?;
        damaged += summaries.iter().map(|summary| summary.anomalies).sum::<u64>();
    }
    within.end()?;
    if damaged > 0 && !args.common.output.quiet {
        out.message(&format!(
            "passed over: {}; whole records in them are printed",
            counted(damaged, "damaged line", "damaged lines")
        ));
    }
    Ok(Verdict::Fine)
}
