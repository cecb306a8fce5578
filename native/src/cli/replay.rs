//! `papyra persistence replay`: what recovery would keep, oldest first, byte for byte.

use papyra_core::scan::Flow;

use super::out::{Out, counted};
use super::progress::Progress;
use super::settings::{Common, Settings, begin};
use super::verdict::Verdict;
use super::when::Period;
use crate::error::Result;
use crate::source::{Source, Task};

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
    let source = settings.source()?;
    begin(Task::Replay, &source)?;
    let damaged = source.each_record(|| settings.scope(), settings.scanning(&progress), &mut |found| {
        if !within.holds(found.record.facts.timestamp) {
            return Ok(Flow::Continue(()));
        }
        let mut read_on = true;
        found.copy(|piece| {
            read_on = read_on && out.raw(piece);
            Ok(())
        })?;
        read_on = read_on && out.raw(b"\n");
        Ok(if read_on { Flow::Continue(()) } else { Flow::Break(()) })
    })?;
    within.end()?;
    if damaged > 0 && !args.common.output.quiet {
        let text = match source {
            Source::Server(_) | Source::Redis(..) => counted(damaged, "damaged entry", "damaged entries"),
            _ => counted(damaged, "damaged line", "damaged lines") + "; intact records in them are printed",
        };
        out.message(&format!("passed over: {text}"));
    }
    Ok(Verdict::Fine)
}
