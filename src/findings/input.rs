//! What was read: files, frames, hosts and their clocks.

use super::log::LogFile;
use crate::address::Address;
use crate::time::{Span, Timestamp};
use std::collections::BTreeMap;

/// The capture's clock was set forward between two frames: in the TCP timestamps of both ends of a link far less
/// time has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The last sign of life before.
    pub from: Timestamp,
    /// The first one after.
    pub to: Timestamp,
    /// By how much, about.
    pub by: Span,
}

/// Connections to a quorum or an election port that are neither links nor a ballot, for all that was
/// captured of them: not one packet was recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strangers {
    /// How many.
    pub connections: u64,
    /// Bytes of their streams.
    pub bytes: u64,
}

/// Votes of which the snaplen left too little to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VotesCut {
    /// How many.
    pub votes: u64,
    /// How many more bytes would have done.
    pub lacking: u32,
}

/// What the capture got and did not get, all from its beginning on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Frames that passed the filter, as the kernel counts them.
    pub received: u64,
    /// Frames that the kernel had no room for.
    pub dropped_kernel: u64,
    /// Frames that the interface or its driver dropped.
    pub dropped_interface: u64,
    /// Frames that were let go here, because the dissection was behind.
    pub dropped_here: u64,
}

impl Received {
    /// Frames dropped anywhere.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped_kernel + self.dropped_interface + self.dropped_here
    }
}

/// Where frames come from while they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveInput {
    /// The interface, or the folder that is followed.
    pub source: String,
    /// What it got; `None` where files are followed.
    pub received: Option<Received>,
    /// How far behind the present the last frame was when it was read, where that is known.
    pub behind_ms: Option<u64>,
}

/// Frames of which the snaplen left too little behind their headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadersCut {
    /// How many.
    pub frames: u64,
    /// The snaplen that would have done, in bytes.
    pub snaplen_needed: u32,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The files, in the order of [`FrameRef::file`](crate::frame::FrameRef::file).
    pub files: Vec<crate::capture::FileInfo>,
    /// Frames of all files.
    pub frames: u64,
    /// Bytes of them that were captured.
    pub captured_bytes: u64,
    /// Bytes they had on the wire.
    pub wire_bytes: u64,
    /// Frames of which the snaplen cut something.
    pub cut_frames: u64,
    /// Time of the first frame.
    pub first: Option<Timestamp>,
    /// Time of the last frame.
    pub last: Option<Timestamp>,
    /// Frames that took no part, by reason; only those above 0.
    pub ignored: BTreeMap<&'static str, u64>,
    /// Frames that came through each kind of tunnel; only those above 0.
    pub tunnels: BTreeMap<&'static str, u64>,
    /// Frames of which the snaplen left too little behind their headers; `None` where there is none.
    pub headers_cut: Option<HeadersCut>,
    /// Files of the directories given that are no captures.
    pub skipped: Vec<String>,
    /// The servers' own logs.
    pub logs: Vec<LogFile>,
    /// Where frames came from while they came; `None` where files were read.
    pub live: Option<LiveInput>,
}

/// The captures of one host, and how its clock differs from the others'.
#[derive(Clone, Debug, Default)]
pub struct HostClock {
    /// The host; `None` where its captures do not tell.
    pub host: Option<Address>,
    /// Its files: indices into [`Input::files`].
    pub files: Vec<u32>,
    /// Whether all times are by its clock.
    pub is_reference: bool,
    /// What the report added to its times, or would have, at the middle of what was compared, in
    /// microseconds; `None` where nothing tells.
    pub offset_us: Option<i64>,
    /// How much slower than the reference it runs.
    pub drift_ppm: f64,
    /// When its clock was set, by itself, and what the report added from then on, in microseconds.
    pub step: Option<(Timestamp, i64)>,
    /// How far off that may be, in microseconds.
    pub uncertainty_us: Option<u64>,
    /// Whether times were corrected: not where the clocks agree as far as can be seen.
    pub is_corrected: bool,
    /// Segments that were compared.
    pub matched_segments: u64,
}
