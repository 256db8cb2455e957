//! What the trackers know once a capture is over: facts, none of them judged.

use super::commits::Quiet;
use super::dial::{DeadConnection, DialRun};
use super::link::LinkTrack;
use super::raft::facts::PeerFacts;
use super::timeline::CountsBySecond;
use super::witness::Witness;
use crate::address::Address;
use crate::dissect::ByteSums;
use crate::findings::incident::CoverageGap;
use crate::findings::series::Series;
use crate::findings::session::Session;
use crate::findings::{ClockStep, Dial, Election, Link, Server, Settings, Strangers, Violation, VotesCut};
use crate::time::Timestamp;
use std::collections::BTreeMap;

/// All that the trackers know of a finished capture.
#[derive(Clone, Debug)]
pub struct CaptureFacts {
    /// ZooKeeper's limits, as reckoned with.
    pub settings: Settings,
    /// From which share of a deadline a wait is listed as a near miss, in percent.
    pub warn_at_percent: u32,
    /// All links, in order of their first frames.
    pub links: Vec<LinkTrack>,
    /// The same links, as a report shows them.
    pub summaries: Vec<Link>,
    /// All servers, by address.
    pub servers: Vec<Server>,
    /// All elections, in order of their starts.
    pub elections: Vec<Election>,
    /// What was written and retransmitted when.
    pub timeline: CountsBySecond,
    /// What every host was heard saying.
    pub witness: Witness,
    /// The links' numbers over time, where they were asked for.
    pub series: Option<Series>,
    /// The host that every connection has in common.
    pub host: Option<Address>,
    /// Client sessions, by id.
    pub sessions: Vec<Session>,
    /// When the capture ends.
    pub end: Timestamp,
    /// What a healthy ensemble never sends, in order of time.
    pub violations: Vec<Violation>,
    /// When the capture's clock was set forward.
    pub clock_steps: Vec<ClockStep>,
    /// Where the bytes of the election connections went.
    pub election_bytes: ByteSums,
    /// Attempts to connect that failed, in runs.
    pub dial_runs: Vec<DialRun>,
    /// Election connections that were dead and whose sender did not know.
    pub dead_connections: Vec<DeadConnection>,
    /// Votes of which the snaplen left too little.
    pub votes_cut: VotesCut,
    /// Attempts to connect, by who dials whom: those of which one failed.
    pub dials: Vec<Dial>,
    /// What else spoke to the ports.
    pub strangers: Strangers,
    /// The hosts at which frames were captured, as far as is known.
    pub hosts: Vec<Address>,
    /// How many servers a configuration names; 0 where there is none.
    pub servers_named: u64,
    /// Stretches of time that the captures lack.
    pub gaps: Vec<CoverageGap>,
    /// Stretches of time without a COMMIT.
    pub quiets: Vec<Quiet>,
    /// What etcd's members were seen to say.
    pub peers: PeerFacts,
    /// Counters of limits that were reached, by name; only those above 0.
    pub limits_hit: BTreeMap<&'static str, u64>,
}
