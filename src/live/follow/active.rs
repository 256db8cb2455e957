//! A file of a rotation that is read.

use super::names::Turns;
use super::source::FollowedFile;
use super::waiting::WaitingFrames;
use crate::time::Timestamp;

/// Frames of a file that are too old to be put in order.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PassedOver {
    pub(super) frames: u64,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
}

/// A file that is read.
pub(super) struct Active {
    pub(super) source: FollowedFile,
    pub(super) waiting: WaitingFrames,
    /// Whether all of it had been read when it was last looked at.
    pub(super) is_at_end: bool,
    /// Whether whoever wrote it has closed it, or gone on to another file, since it grew last.
    pub(super) is_closed: bool,
    /// Whether it was read to its end after that.
    pub(super) is_whole: bool,
    pub(super) is_described: bool,
    /// When it was begun, or has grown last.
    pub(super) grew_at: Timestamp,
    pub(super) looked_at: Timestamp,
    /// Since when its packed data stop in the middle, and whether that was reported.
    pub(super) unfinished: Option<(Timestamp, bool)>,
    /// Frames up to here are those of before following began.
    pub(super) from: Option<Timestamp>,
    pub(super) passed_over: PassedOver,
    /// How often it may have been begun anew since it was last looked at.
    pub(super) turns: Turns,
    /// Whether nothing more can be read of it.
    pub(super) is_broken: bool,
    /// Whether that is so however it grows.
    pub(super) is_hopeless: bool,
    /// Whether other content has taken its place.
    pub(super) is_superseded: bool,
}

impl Active {
    /// One that is begun now. Frames up to `from` are those of before following began.
    pub(super) fn new(source: FollowedFile, from: Option<Timestamp>, now: Timestamp) -> Self {
        Self {
            source,
            waiting: WaitingFrames::default(),
            is_at_end: false,
            is_closed: false,
            is_whole: false,
            is_described: false,
            grew_at: now,
            looked_at: now,
            unfinished: None,
            from,
            passed_over: PassedOver::default(),
            turns: Turns::default(),
            is_broken: false,
            is_hopeless: false,
            is_superseded: false,
        }
    }
}
