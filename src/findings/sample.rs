//! A small report, made by hand, in which everything occurs at least once.

use crate::address::{Address, Endpoint};
use crate::capture::{Compression, FileInfo};
use crate::dissect::{ByteSums, FramingLoss, FramingLosses, PerDirection, Protection};
use crate::findings::incident::{Confidence, Coverage, Incident, Outage, OutageKind, StallCoverage};
use crate::findings::session::{ClosedBy, Session, SessionServer, Sessions};
use crate::findings::{
    Breach, Cause, Closed, Context, Deadline, Election, End, Evidence, Headroom, Input, KnownBy, LearnerLoad,
    Link, NearMiss, Note, Origin, Outcome, Phases, Quantiles, Report, Role, RoleSpan, RoundTrips, Server,
    Settings, Shows, Stall, Suspect, Sync, TcpCounts, Vantage, Violation,
};
use crate::frame::{FrameRef, LinkType};
use crate::pcapfile::Format;
use crate::proto::{PacketType, Sid, Zxid};
use crate::time::{Span, Timestamp};

/// 2026-11-21 08:02:00 UTC.
const START: Timestamp = Timestamp::from_nanos(1_795_248_120_000_000_000);

pub(crate) fn at(ms: i64) -> Timestamp {
    START.plus(Span::from_millis(ms))
}

pub(crate) fn address(last: u32) -> Address {
    Address::v4(0x0aff_0000 + last)
}

const fn frame(number: u32) -> FrameRef {
    FrameRef { file: 0, number }
}

/// Two followers and an observer of zk3; zk1 is frozen, and its link comes back.
pub(crate) fn report() -> Report {
    let mut frozen = link(1, 1);
    frozen.closed = Some(Closed { at: at(42_514), by_leader: true, reset: false, frame: frame(9_001) });
    frozen.headroom = headroom([Some(10_002), Some(1_004), Some(9_800), Some(420)]);
    let mut back = link(3, 1);
    back.opened = at(48_100);
    back.picked_up = false;
    back.sync = Some(Sync::Diff);
    let mut observer = link(4, 4);
    observer.role = Some(Role::Observer);
    observer.protection = Protection::Tls;
    observer.ping = RoundTrips::default();
    Report {
        raft: super::raft::Raft::default(),
        incidents: vec![incident()],
        outages: vec![Outage {
            id: 1,
            kind: OutageKind::NoLeader,
            start: at(32_500),
            end: Some(at(44_100)),
            duration_ms: 11_600,
            incident: Some(1),
            is_certain: true,
        }],
        coverage: coverage(),
        sessions: Sessions { seen: 30, list: vec![session()] },
        input: input(),
        settings: Settings {
            tick_ms: 2_000,
            tick_from: Origin::Pings,
            sync_limit_from: Origin::Config,
            init_limit_from: Origin::Option,
            ..Settings::default()
        },
        servers: servers(),
        links: vec![frozen, link(2, 2), back, observer],
        series: None,
        stalls: vec![stall()],
        near_misses: vec![NearMiss {
            link: 2,
            deadline: Deadline::Ack,
            at: at(20_000),
            wait_ms: 6_100,
            limit_ms: 10_000,
            cause: Some(Cause::DiskSlow),
            suspect: Some(Suspect::Host(address(2))),
        }],
        elections: vec![election()],
        violations: vec![Violation {
            link: 2,
            at: at(30_000),
            frame: FrameRef { file: 1, number: 77 },
            breach: Breach::Numbering {
                kind: PacketType::Commit,
                zxid: Zxid(0x2_0000_0003),
                last: Zxid(0x2_0000_0005),
            },
        }],
        election_bytes: ByteSums { decoded: 900, cut: 50, missing: 20, unframed: 6, cut_unframed: 4 },
        strangers: crate::findings::Strangers { connections: 2, bytes: 4096 },
        votes_cut: crate::findings::VotesCut::default(),
        dials: Vec::new(),
        clock_steps: Vec::new(),
        limits_hit: [("connections", 3)].into(),
        clocks: Vec::new(),
    }
}

fn input() -> Input {
    let first = FileInfo {
        path: "/captures/zk3-261121-080158.pcap.gz".to_owned(),
        format: Some(Format::Pcap),
        compression: Compression::Gzip,
        link_type: Some(LinkType::Ethernet),
        snaplen: Some(96),
        frames: 9_500,
        captured_bytes: 700_190,
        wire_bytes: 1_135_969,
        cut_frames: 2_375,
        first: Some(at(0)),
        last: Some(at(45_000)),
        ..FileInfo::default()
    };
    let second = FileInfo {
        path: "/captures/zk3-261121-080245.pcap".to_owned(),
        compression: Compression::None,
        frames: 500,
        first: Some(at(45_001)),
        last: Some(at(74_743)),
        problem: Some("the file ends inside frame 501".to_owned()),
        ..first.clone()
    };
    Input {
        files: vec![first, second],
        frames: 10_000,
        captured_bytes: 1_400_380,
        wire_bytes: 2_271_938,
        cut_frames: 4_750,
        first: Some(at(0)),
        last: Some(at(74_743)),
        ignored: [("duplicate", 12), ("not_tcp", 4)].into(),
        tunnels: [].into(),
        headers_cut: None,
        skipped: vec!["/captures/notes.txt".to_owned()],
        logs: Vec::new(),
        live: None,
    }
}

fn servers() -> Vec<Server> {
    let server = |last: u32, role| Server {
        address: address(last),
        sid: Some(Sid(i64::from(last))),
        name: (last != 4).then(|| format!("zk{last}")),
        roles: vec![
            RoleSpan { role: Role::Looking, from: at(0), to: Some(at(900)) },
            RoleSpan { role, from: at(900), to: None },
        ],
        last_zxid: Some(Zxid(0x2_0000_002a)),
    };
    vec![
        server(1, Role::Follower),
        server(2, Role::Follower),
        server(3, Role::Leader),
        server(4, Role::Observer),
    ]
}

fn headroom(worst: [Option<u64>; 4]) -> [Headroom; 4] {
    let mut limit_ms = [10_000, 10_000, 10_000, 20_000].into_iter();
    worst.map(|worst_ms| Headroom {
        limit_ms: limit_ms.next().unwrap_or_default(),
        worst_ms,
        at: worst_ms.map(|_| at(32_512)),
    })
}

fn link(id: u32, learner: u32) -> Link {
    let trips = |max| RoundTrips {
        count: 1_900,
        unanswered: 2,
        quantiles: Some(Quantiles { min: 120, p50: 431, p90: 980, p99: 2_345, p999: 8_000, max }),
    };
    let bytes = ByteSums { decoded: 80_000, cut: 15_000, missing: 4_000, unframed: 1_000, cut_unframed: 20 };
    Link {
        id,
        leader: Endpoint { address: address(3), port: 2888 },
        learner: Endpoint { address: address(learner), port: 46_850 },
        learner_sid: Some(Sid(i64::from(learner))),
        role: Some(Role::Follower),
        opened: at(1_000),
        closed: None,
        picked_up: true,
        epoch: Some(2),
        sync: None,
        protection: Protection::None,
        phases: Phases { broadcast: Some(at(1_100)), sync_bytes: Some(289), ..Phases::default() },
        records: PerDirection {
            to_leader: [(PacketType::Ack, 1_957), (PacketType::Ping, 57)].into(),
            to_learner: [(PacketType::Proposal, 1_955), (PacketType::Unknown(77), 1)].into(),
        },
        inferred: PerDirection { to_leader: [(PacketType::Ack, 3)].into(), ..PerDirection::default() },
        ping: trips(1_200),
        ack: trips(6_100_000),
        commit: trips(9_800),
        headroom: headroom([Some(1_004), Some(1_003), Some(610), None]),
        tcp: PerDirection {
            to_leader: TcpCounts {
                retransmits: 2,
                out_of_order: 1,
                duplicates: 3,
                zero_windows: 4,
                out_of_window: 5,
            },
            to_learner: TcpCounts { retransmits: 9, ..TcpCounts::default() },
        },
        rtt_p50_us: PerDirection { to_leader: Some(90), to_learner: Some(110) },
        rtt_max_us: PerDirection { to_leader: None, to_learner: Some(40_000) },
        bytes: PerDirection { to_leader: bytes, to_learner: bytes },
        losses: PerDirection {
            to_leader: FramingLosses::default(),
            to_learner: FramingLosses::of(&[FramingLoss::Gap]),
        },
        tick_ms: Some(2_000),
        sessions: 30,
        vantage: Vantage { end: End::Leader, known_by: Some(KnownBy::Connections) },
        seen_from: vec![address(3)],
        one_way: PerDirection::default(),
        lost_on_the_way: PerDirection::default(),
    }
}

fn stall() -> Stall {
    Stall {
        id: 1,
        incident: 0,
        links: vec![1],
        subject: address(1),
        deadlines: vec![Deadline::LeaderRead, Deadline::Ack],
        start: at(32_512),
        end: Some(at(42_514)),
        duration_ms: 10_002,
        limit_ms: 10_000,
        outcome: Outcome::ClosedByLeader,
        election: Some(0),
        cause: Cause::ProcessStalled,
        suspect: Some(Suspect::Host(address(1))),
        evidence: vec![Evidence {
            frame: frame(7_120),
            at: at(32_512),
            shows: Shows::LastFromLearner { learner: Endpoint { address: address(1), port: 46_850 } },
        }],
        notes: vec![Note::KernelAcknowledged { subject: address(1), times: 274 }],
        context: Context {
            writes_per_s_before: Some(39.8),
            writes_per_s_during: Some(40.0),
            largest_proposal_bytes: Some(186),
            proposals_in_flight: Some(401),
            learners: vec![LearnerLoad {
                learner: address(1),
                link: 1,
                sessions: 30,
                ping_bytes: 360,
                hash_collisions: Some(2),
            }],
            snapshots: vec![4],
            is_election: true,
            resent_elsewhere: vec![(2, 17)],
        },
        log: Vec::new(),
        log_says: Vec::new(),
    }
}

/// zk1 stood still.
pub(crate) fn incident() -> Incident {
    Incident {
        id: 1,
        root: Cause::ProcessStalled,
        suspect: Some(Suspect::Host(address(1))),
        confidence: Confidence::Proven,
        start: at(32_512),
        end: Some(at(47_560)),
        duration_ms: 15_048,
        stalls: vec![1],
        members: Vec::new(),
        links: vec![1],
        elections: vec![0],
        outages: vec![1],
        why: Vec::new(),
        evidence: stall().evidence,
        count: 1,
    }
}

fn coverage() -> Coverage {
    Coverage {
        stalls: StallCoverage::Full,
        hosts: vec![address(3)],
        hosts_expected: Some(4),
        links_seen: 3,
        links_expected: Some(3),
        from: Some(at(0)),
        to: Some(at(74_743)),
        gaps: Vec::new(),
        blind: Vec::new(),
        shared_addresses: Vec::new(),
    }
}

fn session() -> Session {
    Session {
        id: 0x1000_02a0_0000_0001,
        timeout_ms: Some(12_000),
        servers: vec![
            SessionServer { address: address(1), from: at(2_000), to: at(32_000) },
            SessionServer { address: address(2), from: at(45_000), to: at(74_000) },
        ],
        created: Some(at(1_900)),
        closed: Some(at(74_500)),
        closed_by: Some(ClosedBy::Expiry),
        expired_after_ms: Some(42_500),
        incident: Some(1),
    }
}

fn election() -> Election {
    Election {
        start: at(43_000),
        end: Some(at(43_850)),
        leader_sid: Some(Sid(3)),
        epoch: Some(3),
        votes: 15,
        by: vec![address(1), address(2)],
        rounds: 1,
        handover_to: None,
    }
}
