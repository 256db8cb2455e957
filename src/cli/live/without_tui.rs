//! `qscope live --tui` in a build without the screen: says so.

use super::args::LiveArgs;
use super::session::WatchSession;
use crate::cli::exit::Failure;
use crate::report::clock::WallClock;
use crate::report::live::Announcement;
use crate::time::Timestamp;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// There is none.
pub(super) struct ScreenView(Infallible);

impl ScreenView {
    pub(super) fn start(args: &LiveArgs, _clock: &WallClock) -> Result<Option<Self>, Failure> {
        if args.tui {
            return Err(Failure::wrong(
                "--tui: this qscope was built without the screen: build it with 'cargo install --path . --features tui'",
            ));
        }
        Ok(None)
    }

    pub(super) fn event(&self, _event: &Announcement) -> bool {
        match self.0 {}
    }

    pub(super) fn is_due(&mut self) -> bool {
        match self.0 {}
    }

    pub(super) fn show(&mut self, _session: &WatchSession, _present: Timestamp) {
        match self.0 {}
    }

    pub(super) fn asks_to_quit(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn asks_to_record(&self) -> bool {
        match self.0 {}
    }
}

/// Without a screen the system's own way does.
pub(super) fn end_on_second(_signals: Vec<Arc<AtomicBool>>, _code: i32) -> std::io::Result<()> {
    Ok(())
}
