//! Progress on standard error: a bar when it is a terminal and the work takes over a second.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Counts bytes for a bar.
pub(super) struct Progress {
    tick: Box<dyn Fn(u64) + Sync>,
    bar: ProgressBar,
}

impl Progress {
    /// A bar over `total` bytes, or over nobody knows how many.
    pub(super) fn new(quiet: bool, total: Option<u64>) -> Progress {
        let wanted = !quiet && std::io::stderr().is_terminal();
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = match total {
            Some(_) => "{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left",
            None => "{spinner} {bytes}  {bytes_per_sec}",
        };
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        let begun = Instant::now();
        let counter = bar.clone();
        let tick = Box::new(move |bytes| {
            if wanted {
                counter.inc(bytes);
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
