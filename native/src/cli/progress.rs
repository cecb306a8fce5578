//! Progress on standard error: a bar when it is a terminal and the work takes over a second.

use std::fmt;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::source::Source;

/// Counts bytes or entries for a bar.
pub(super) struct Progress {
    tick: Box<dyn Fn(u64) + Sync>,
    bar: ProgressBar,
}

impl Progress {
    /// A bar over `total` bytes, or over nobody knows how many.
    pub(super) fn new(quiet: bool, total: Option<u64>) -> Progress {
        let template = match total {
            Some(_) => "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
            None => "{spinner} {bytes}  {bytes_per_sec}",
        };
        Progress::with(quiet, total, template)
    }

    /// A bar for going through a source so many times: over a server's entries, or over a file's bytes.
    pub(super) fn over(quiet: bool, source: &Source, times: u64) -> Progress {
        let Source::Server(store) = source else {
            return Progress::new(quiet, source.size().map(|size| size * times));
        };
        let total = store.length().map(|entries| entries * times);
        let template = match total {
            Some(_) => "{bar:30} {human_pos}/{human_len} entries  {rate}/s  {eta} left",
            None => "{spinner} {human_pos} entries  {rate}/s",
        };
        Progress::with(quiet, total, template)
    }

    fn with(quiet: bool, total: Option<u64>, template: &str) -> Progress {
        let wanted = !quiet && std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
            _ = write!(text, "{}", HumanCount(state.per_sec() as u64));
        };
        bar.set_style(style.with_key("rate", rate));
        let begun = Instant::now();
        let counter = bar.clone();
        let tick = Box::new(move |more| {
            if wanted {
                counter.inc(more);
                if counter.is_hidden() && begun.elapsed() > Duration::from_secs(1) {
                    counter.set_draw_target(ProgressDrawTarget::stderr_with_hz(8));
                }
            }
        });
        Progress { tick, bar }
    }

    pub(super) fn tick(&self) -> &(dyn Fn(u64) + Sync) {
        &*self.tick
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
