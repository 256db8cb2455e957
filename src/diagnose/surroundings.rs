//! What stalls are judged by, beside their own waits.

use crate::address::Address;
use crate::findings::{Election, Settings};
use crate::time::Timestamp;
use crate::track::link::LinkTrack;
use crate::track::timeline::CountsBySecond;

/// What stalls are judged by, beside their own waits.
pub(super) struct Surroundings<'a> {
    /// All links there are.
    pub(super) links: &'a [LinkTrack],
    pub(super) settings: &'a Settings,
    pub(super) elections: &'a [Election],
    pub(super) timeline: &'a CountsBySecond,
    /// The host at which everything was captured.
    pub(super) vantage: Option<Address>,
    pub(super) capture_end: Timestamp,
}
