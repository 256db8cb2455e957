//! A bar over the bytes of input, on standard error, for what takes longer than a moment.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is over sooner needs no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the bar is drawn in a second.
const HZ: u8 = 10;

/// A bar that shows itself once the work has taken a second, and only on a terminal.
#[derive(Debug)]
pub(super) struct ReadProgress {
    started: Instant,
    is_wanted: bool,
    total: Option<u64>,
    count: Arc<AtomicU64>,
    bar: Option<ProgressBar>,
}

impl ReadProgress {
    /// A bar over `total` bytes, of which `count` says how many were read.
    pub(super) fn new(total: Option<u64>, count: Arc<AtomicU64>, is_wanted: bool) -> Self {
        let is_wanted = is_wanted && io::stderr().is_terminal();
        Self { started: Instant::now(), is_wanted, total, count, bar: None }
    }

    /// Brings the bar up to date.
    pub(super) fn update(&mut self) {
        if !self.is_wanted || self.bar.is_none() && self.started.elapsed() < PATIENCE {
            return;
        }
        let total = self.total;
        let bar = self.bar.get_or_insert_with(|| bar(total));
        bar.set_position(self.count.load(Ordering::Relaxed));
    }
}

impl Drop for ReadProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(HZ));
    let template = match total {
        Some(_) => "reading {bytes} of {total_bytes} {wide_bar} {percent} %",
        None => "reading {bytes} {spinner}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
