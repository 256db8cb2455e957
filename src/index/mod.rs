//! Which captures belong together: those of one ensemble in one stretch of time.
//!
//! Addresses alone are no key: the same private ones are in use everywhere. What is a proof: segments that two files
//! share; a TCP connection that goes on in another file, by the timestamps of its ends (RFC 7323), which count
//! milliseconds since a random start. A path template says it too. Where servers were all restarted, the same servers
//! with the same ids in one folder, and an epoch that does not fall, make it likely. Only the front of each file is read.

mod group;
mod template;

pub use group::{Grouping, ensembles, groups};
pub use template::Template;

use crate::address::{Address, Endpoint};
use crate::capture::Replay;
use crate::clocks::sample::Sample;
use crate::dissect::{DissectOptions, Dissector, Event, Observer};
use crate::packet::{self, Segment};
use crate::proto::Sid;
use crate::time::Timestamp;
use crate::track::Tracker;
use std::collections::{BTreeMap, BTreeSet};

/// Name and number of a line's form.
pub const SCHEMA: &str = "quorumscope.index/1";
/// Connections of a file that are kept.
const MAX_CONNECTIONS: usize = 64;
/// Segments of a file that are kept, by their hashes: the lowest ones, so that all files keep the same.
const MAX_SEGMENTS: usize = 256;

/// A direction of a TCP connection.
pub type FlowEnds = (Endpoint, Endpoint);

/// A moment of a sender's clock: a TCP timestamp, and when it was captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The timestamp, in milliseconds on all systems in use.
    pub value: u32,
    /// When.
    pub at: Timestamp,
}

/// What the front of a file shows.
#[derive(Clone, Debug, Default)]
pub struct Front {
    /// Its path, as it was found.
    pub path: String,
    /// What the path's template says of it, by name.
    pub names: BTreeMap<String, String>,
    /// The host that it was taken at.
    pub host: Option<Address>,
    /// Time of the first frame.
    pub first: Option<Timestamp>,
    /// Time of the last frame; reckoned from its size where only its front was read.
    pub last: Option<Timestamp>,
    /// Size on disk; `None` where it is not known.
    pub bytes: Option<u64>,
    /// Whether all of it was read.
    pub is_whole: bool,
    /// Servers, with their ids as far as they were told.
    pub servers: BTreeMap<Address, Option<Sid>>,
    /// Epochs of its links.
    pub epochs: BTreeSet<u32>,
    /// Its connections, each direction with a moment of its sender's clock.
    pub flows: BTreeMap<FlowEnds, Tick>,
    /// Hashes of some of its segments, in order.
    pub segments: Vec<u64>,
    /// Why it could not be read.
    pub problem: Option<String>,
}

impl Front {
    /// Reads the front of a file: at most about so many bytes on disk.
    #[must_use]
    pub fn of(replay: &Replay, file: u32, most_bytes: u64, options: &DissectOptions) -> Self {
        let Some(info) = replay.files().get(file as usize) else { return Self::default() };
        let bytes = std::fs::metadata(&info.path).ok().map(|about| about.len());
        let mut observer = FrontObserver::default();
        let mut dissector = Dissector::new(options.clone());
        let mut last = info.first;
        let is_whole = bytes.is_some_and(|bytes| bytes <= most_bytes);
        replay.look(file, most_bytes, |frame| {
            last = last.max(Some(frame.at));
            if let Ok(segment) = packet::segment(frame) {
                dissector.segment(&segment, &mut observer);
            }
            true
        });
        dissector.finish(&mut observer);
        let sample = Sample::of(replay, file, most_bytes);
        let facts = observer.tracker.finish(&[last]);
        Self {
            path: info.path.clone(),
            host: sample.vantage.host(),
            first: info.first,
            last: if is_whole { last } else { reckoned_end(info.first, last, bytes, most_bytes) },
            bytes,
            is_whole,
            servers: facts.servers.iter().map(|server| (server.address, server.sid)).collect(),
            epochs: facts.summaries.iter().filter_map(|link| link.epoch).collect(),
            flows: observer.flows,
            segments: sample.lowest(MAX_SEGMENTS),
            problem: info.problem.clone(),
            ..Self::default()
        }
    }
}

/// When a file ends, if all of it is as dense as its front.
fn reckoned_end(
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    bytes: Option<u64>,
    read: u64,
) -> Option<Timestamp> {
    let (first, last, bytes) = (first?, last?, bytes?);
    let times = i64::try_from(bytes / read.max(1)).unwrap_or(i64::MAX).saturating_add(1);
    Some(first.plus(last.since(first).times(times)))
}

/// Keeps connections, and has the trackers learn who is who.
#[derive(Debug, Default)]
struct FrontObserver {
    tracker: Tracker,
    flows: BTreeMap<FlowEnds, Tick>,
}

impl FrontObserver {
    fn segment(&mut self, segment: &Segment<'_>) {
        let flow = (segment.src, segment.dst);
        let Some((value, _)) = segment.timestamps else { return };
        if self.flows.len() < MAX_CONNECTIONS {
            self.flows.entry(flow).or_insert(Tick { value, at: segment.at });
        }
    }
}

impl Observer for FrontObserver {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Segment(_, seen) | Event::AtLearner(_, seen) => self.segment(seen.segment),
            Event::Aside(segment, _) => self.segment(segment),
            Event::LinkOpened(..)
            | Event::SegmentMatch(..)
            | Event::Packet(..)
            | Event::Snapshot(..)
            | Event::LinkClosed(..)
            | Event::LinkEncrypted(_)
            | Event::Gap(..)
            | Event::Unread(..)
            | Event::LinkUnwatched(..)
            | Event::LinkOver(..)
            | Event::Election(_)
            | Event::ElectionOver(_)
            | Event::Auth(_)
            | Event::Peer(_) => {}
        }
        self.tracker.event(event);
    }
}
