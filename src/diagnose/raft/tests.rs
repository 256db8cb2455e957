#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use crate::dissect::{PeerConnection, PeerEvent, PeerRecord, PeerRecordKind, PeerSegment};
use crate::findings::incident::Confidence;
use crate::findings::{Cause, Suspect};
use crate::frame::FrameRef;
use crate::packet::Flags;
use crate::raft::{AnswerHead, Codec, Known, Message, MessageType, PeerRequest};
use crate::stream::Fate;
use crate::testkit::segment::endpoint;
use crate::time::Timestamp;
use crate::track::raft::Peers;

/// What hosts say to each other, as the captures of one host show it.
struct Play {
    peers: Peers,
    host: u32,
    said: Vec<(i64, u32, u32, Said)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Heartbeat,
    HeartbeatResp,
    LinkHeartbeat,
    Vote,
    TransferVote,
    TimeoutNow,
    App,
    Snapshot,
    Body,
    Saved,
    Ack,
    Resent,
    Fin,
    Syn,
    Refusal,
}

const LEADER: u32 = 1;

impl Play {
    /// Three members from the captures of one, all well for so many milliseconds, but for what `is_said` denies.
    fn new(host: u32, until: i64, is_said: impl Fn(i64, u32, u32, Said) -> bool) -> Self {
        let mut said = Vec::new();
        for other in (1..=3).filter(|other| *other != host) {
            for (from, to) in [(host, other), (other, host)] {
                for at in (0..until).step_by(100) {
                    if from == LEADER {
                        said.push((at, from, to, Said::Heartbeat));
                    } else if to == LEADER {
                        said.push((at + 1, from, to, Said::HeartbeatResp));
                    }
                    if from == LEADER || to == LEADER {
                        said.push((at + 2, from, to, Said::Ack));
                    }
                }
                for at in (0..until).step_by(1_667) {
                    said.push((at + i64::from(from) * 300, from, to, Said::LinkHeartbeat));
                    said.push((at + 2 + i64::from(from) * 300, to, from, Said::Ack));
                }
            }
        }
        said.retain(|(at, from, to, what)| is_said(*at, *from, *to, *what));
        Self { peers: Peers::default(), host, said }
    }

    fn say(mut self, at: i64, from: u32, to: u32, what: Said) -> Self {
        self.said.push((at, from, to, what));
        self
    }

    fn judged(mut self) -> Judged {
        self.said.sort_unstable();
        let hosts = [Some(endpoint(self.host, 0).address)];
        for (number, (at, from, to, what)) in (1..).zip(std::mem::take(&mut self.said)) {
            for event in events(number, at, from, to, what) {
                self.peers.event(&event, &hosts);
            }
        }
        judge(&self.peers.finish(), 50)
    }
}

fn events(number: u32, ms: i64, from: u32, to: u32, what: Said) -> Vec<PeerEvent> {
    let at = Timestamp::from_nanos(ms * 1_000_000);
    let frame = FrameRef { file: 0, number };
    // A database has a connection of its own.
    let is_snapshot = matches!(what, Said::Snapshot | Said::Body | Said::Saved);
    let stream = if is_snapshot { 1_000 } else { from * 10 + to };
    let connection = PeerConnection { view: 0, first: FrameRef { file: 0, number: stream } };
    let (src, dst) = (endpoint(from, 2380), endpoint(to, 40_000));
    let is_data = !matches!(what, Said::Ack | Said::Resent | Said::Fin | Said::Syn | Said::Refusal);
    let segment = PeerSegment {
        connection,
        src,
        dst,
        at,
        frame,
        len: u32::from(is_data) * 61,
        new_bytes: u64::from(is_data) * 61,
        flags: match what {
            Said::Fin => Flags(Flags::FIN | Flags::ACK),
            Said::Syn => Flags(Flags::SYN),
            Said::Refusal => Flags(Flags::RST | Flags::ACK),
            _ => Flags(Flags::ACK),
        },
        fate: if what == Said::Resent { Fate::Retransmission } else { Fate::InOrder },
        acked_more: what == Said::Ack,
        is_repeated: false,
        is_first_close: what == Said::Fin,
        is_refusal: what == Said::Refusal,
        round_trip: None,
        filled_after: None,
        is_dialers: Some(what == Said::Syn),
        is_stream: true,
        is_tls: false,
    };
    let message = |kind| Known::Message(Message { kind: Some(kind), ..Message::default() });
    let known = match what {
        Said::Heartbeat => message(MessageType::Heartbeat),
        Said::HeartbeatResp => message(MessageType::HeartbeatResp),
        Said::Vote => message(MessageType::Vote),
        Said::App => message(MessageType::App),
        Said::LinkHeartbeat => Known::LinkHeartbeat,
        Said::TimeoutNow => message(MessageType::TimeoutNow),
        Said::TransferVote => Known::Message(Message {
            kind: Some(MessageType::Vote),
            context_len: Some(16),
            ..Message::default()
        }),
        Said::Snapshot | Said::Saved => {
            let kind = match what {
                Said::Snapshot => PeerRecordKind::Request(PeerRequest::Snapshot, None),
                _ => PeerRecordKind::Answer(AnswerHead(204), Some(PeerRequest::Snapshot)),
            };
            let record = PeerRecord {
                connection,
                src,
                dst,
                at,
                frame,
                kind,
                size: 61,
                cut: 0,
                count: 1,
                is_inferred: false,
            };
            return vec![PeerEvent::Segment(segment), PeerEvent::Record(record)];
        }
        _ => return vec![PeerEvent::Segment(segment)],
    };
    let kind = PeerRecordKind::Stream(Codec::Message, known);
    let record =
        PeerRecord { connection, src, dst, at, frame, kind, size: 55, cut: 29, count: 1, is_inferred: false };
    vec![PeerEvent::Segment(segment), PeerEvent::Record(record)]
}

fn address(host: u32) -> Address {
    endpoint(host, 0).address
}

fn only(judged: &Judged) -> &Incident {
    let [incident] = judged.incidents.as_slice() else { panic!("{:#?}", judged.incidents) };
    incident
}

const fn is_in(at: i64, from: i64, to: i64) -> bool {
    at >= from && at < to
}

#[test]
fn members_that_are_well_make_no_incident() {
    for host in 1..=3 {
        let judged = Play::new(host, 30_000, |_, _, _, _| true).judged();
        assert!(judged.incidents.is_empty() && judged.outages.is_empty(), "{:#?}", judged.incidents);
        assert_eq!(judged.raft.settings.heartbeat_ms, 100);
        assert_eq!(judged.raft.settings.election_ms, 1_000);
    }
}

#[test]
fn a_kernel_that_answers_for_a_mute_process_is_a_process_that_stood_still() {
    for host in [1, 2] {
        let judged = Play::new(host, 30_000, |at, from, _, what| {
            from != 2 || what == Said::Ack || !is_in(at, 10_000, 13_000)
        })
        .judged();
        let incident = only(&judged);
        assert_eq!((incident.root, incident.confidence), (Cause::ProcessStalled, Confidence::Proven));
        assert_eq!(incident.suspect, Some(Suspect::Host(address(2))));
        assert!((2_900..3_300).contains(&incident.duration_ms), "{incident:?}");
    }
}

#[test]
fn a_kernel_that_is_silent_too_is_the_path() {
    // From the leader: one follower's frames come no more, and what was sent to it is retransmitted.
    let judged = Play::new(1, 30_000, |at, from, to, _| !is_in(at, 10_000, 15_000) || from != 2 && to != 2);
    let again = [10_200, 10_600, 11_400, 13_000].into_iter();
    let judged = again.fold(judged, |play, at| play.say(at, 1, 2, Said::Resent)).judged();
    let incident = only(&judged);
    assert_eq!(incident.root, Cause::NetworkCut);
    assert_eq!(incident.suspect, Some(Suspect::Path(address(1), address(2))));
}

#[test]
fn raft_that_waits_while_link_heartbeats_go_on_is_a_disk() {
    let judged = Play::new(1, 30_000, |at, from, _, what| {
        from != 2 || what != Said::HeartbeatResp || !is_in(at, 10_000, 20_000) || at % 2_500 < 100
    })
    .judged();
    let incident = only(&judged);
    assert_eq!((incident.root, incident.suspect), (Cause::DiskSlow, Some(Suspect::Host(address(2)))));
    assert_eq!(incident.confidence, Confidence::Proven);
}

#[test]
fn whoever_stands_still_himself_blames_nobody() {
    // The captured host froze: that the others hear nothing of it, and say less, is no fault of theirs.
    let judged = Play::new(1, 30_000, |at, from, _, what| {
        !is_in(at, 10_000, 14_000)
            || from == 1 && what == Said::Ack
            || from != 1 && matches!(what, Said::LinkHeartbeat | Said::Ack)
    })
    .judged();
    let incident = only(&judged);
    assert_eq!((incident.root, incident.suspect), (Cause::ProcessStalled, Some(Suspect::Host(address(1)))));
}

#[test]
fn closed_connections_and_refused_dials_are_an_ended_process() {
    let mut play = Play::new(1, 30_000, |at, from, to, _| !is_in(at, 10_000, 16_000) || from != 2 && to != 2)
        .say(10_000, 2, 1, Said::Fin)
        .say(10_010, 2, 1, Said::Fin);
    for at in (10_100..16_000).step_by(100) {
        play = play.say(at, 1, 2, Said::Syn).say(at + 1, 2, 1, Said::Refusal);
    }
    let judged = play.judged();
    let incident = only(&judged);
    assert_eq!((incident.root, incident.suspect), (Cause::ProcessEnded, Some(Suspect::Host(address(2)))));
    assert!((5_900..6_400).contains(&incident.duration_ms), "{incident:?}");
}

#[test]
fn a_leader_that_is_deposed_is_not_blamed() {
    // Somebody campaigns before an election timeout is over: the old leader goes on as a follower.
    let is_said = |at, from, to, what| {
        !(from == LEADER && what == Said::Heartbeat || to == LEADER && what == Said::HeartbeatResp)
            || at < 9_000
    };
    let mut play = Play::new(3, 20_000, is_said).say(9_400, 2, 3, Said::Vote).say(9_600, 2, 3, Said::App);
    for at in (9_700..20_000).step_by(100) {
        play = play.say(at, 2, 3, Said::Heartbeat).say(at + 1, 3, 2, Said::HeartbeatResp);
    }
    let judged = play.judged();
    let incident = only(&judged);
    assert_eq!((incident.root, incident.suspect), (Cause::Unknown, None));
    assert_eq!(judged.outages.len(), 1);
}

/// Member 2 leads after 1, though it had heard it; what it says before comes first.
fn deposed(host: u32, before: &[(i64, u32, u32, Said)]) -> Judged {
    let is_said = |at, from, to, what| {
        !(from == LEADER && what == Said::Heartbeat || to == LEADER && what == Said::HeartbeatResp)
            || at < 9_000
    };
    let play = Play::new(host, 20_000, is_said);
    let mut play = before.iter().fold(play, |play, (at, from, to, what)| play.say(*at, *from, *to, *what));
    for at in (9_000..20_000).step_by(100) {
        for other in [1, 3].into_iter().filter(|other| host == 2 || *other == host) {
            play = play.say(at, 2, other, Said::Heartbeat).say(at + 1, other, 2, Said::HeartbeatResp);
        }
    }
    play.judged()
}

#[test]
fn whoever_heard_its_leader_and_campaigns_all_the_same_does_so_needlessly() {
    for host in [1, 2] {
        let judged = deposed(host, &[(8_950, 2, 1, Said::Vote)]);
        let incident = only(&judged);
        assert_eq!((incident.root, incident.confidence), (Cause::ElectionNeedless, Confidence::Likely));
        assert_eq!(incident.suspect, Some(Suspect::Host(address(2))));
        assert_eq!(judged.raft.elections.last().unwrap().incident, Some(incident.id));
    }
    // Between other members nobody sees whether it had heard its leader.
    assert!(deposed(3, &[(8_950, 2, 3, Said::Vote)]).incidents.is_empty());
}

#[test]
fn whoever_is_asked_to_take_the_lead_does_not_campaign_needlessly() {
    for before in [
        vec![(8_940, 1, 2, Said::TimeoutNow), (8_950, 2, 1, Said::Vote)],
        // The cut hid MsgTimeoutNow: the vote has a context.
        vec![(8_950, 2, 1, Said::TransferVote)],
        // Somebody else asked for votes before.
        vec![(8_500, 3, 1, Said::Vote), (8_500, 3, 2, Said::Vote), (8_950, 2, 1, Said::Vote)],
        // What was heard may have been said long before.
        vec![(8_700, 2, 1, Said::Resent), (8_950, 2, 1, Said::Vote)],
    ] {
        for host in [1, 2] {
            let judged = deposed(host, &before);
            assert!(judged.incidents.is_empty(), "{before:?}: {:#?}", judged.incidents);
        }
    }
}

#[test]
fn a_snapshot_is_slow_where_it_takes_longer_than_anything_else_may() {
    let judged = |sent: i64, saved: Option<i64>| {
        let mut play = Play::new(1, 40_000, |_, _, _, _| true).say(10_000, 1, 2, Said::Snapshot);
        for at in (10_050..10_000 + sent).step_by(50) {
            play = play.say(at, 1, 2, Said::Body);
        }
        saved.into_iter().fold(play, |play, at| play.say(at, 2, 1, Said::Saved)).judged()
    };
    let place = |judged: &Judged| {
        let incident = only(judged);
        assert_eq!((incident.root, incident.confidence), (Cause::SnapshotSlow, Confidence::Likely));
        incident.suspect
    };
    // It takes long on its way, or to be saved.
    assert_eq!(place(&judged(8_000, Some(18_010))), Some(Suspect::Path(address(1), address(2))));
    assert_eq!(place(&judged(1_000, Some(18_010))), Some(Suspect::Host(address(2))));
    assert!(judged(4_000, Some(14_010)).incidents.is_empty());
    assert!(judged(200, Some(10_300)).incidents.is_empty());
}

#[test]
fn what_ends_when_the_captures_end_is_no_incident() {
    let judged = |until: i64| {
        let mut play = Play::new(1, until, |at, from, to, _| at < 10_000 || from != 2 && to != 2)
            .say(10_000, 2, 1, Said::Fin)
            .say(10_010, 2, 1, Said::Fin);
        for at in (10_100..until).step_by(100) {
            play = play.say(at, 1, 2, Said::Syn).say(at + 1, 2, 1, Said::Refusal);
        }
        play.judged()
    };
    let at_the_end = judged(10_900);
    assert!(
        at_the_end.incidents.is_empty() && at_the_end.raft.ended_last == 1,
        "{:#?}",
        at_the_end.incidents
    );
    assert_eq!(only(&judged(11_500)).root, Cause::ProcessEnded);
}

#[test]
fn a_leader_that_another_host_heard_all_the_time_was_not_elected_again() {
    // Host 2 is cut off, campaigns, and hears the same leader again, whom host 3 heard throughout.
    let mut peers = Peers::default();
    let hosts = [Some(address(2)), Some(address(3))];
    for host in [2_u32, 3] {
        let play =
            Play::new(host, 20_000, |at, from, to, _| !is_in(at, 8_000, 11_000) || from != 2 && to != 2);
        let mut said = play.say(9_500, 2, 1, Said::Vote).said;
        said.sort_unstable();
        for (number, (at, from, to, what)) in (1..).zip(said) {
            for mut event in events(number, at, from, to, what) {
                let file = host - 2;
                match &mut event {
                    PeerEvent::Segment(segment) => {
                        segment.connection.view = file;
                        segment.frame.file = file;
                    }
                    PeerEvent::Record(record) => {
                        record.connection.view = file;
                        record.frame.file = file;
                    }
                    PeerEvent::Over(_) => {}
                }
                peers.event(&event, &hosts);
            }
        }
    }
    let judged = judge(&peers.finish(), 50);
    let again = judged.raft.elections.iter().filter(|election| election.before.is_some());
    assert_eq!(again.count(), 0, "{:#?}", judged.raft.elections);
}

#[test]
fn a_leader_whose_raft_falls_silent_has_a_slow_disk_most_likely() {
    let is_said = |at, from, to, what| {
        !(from == LEADER && what == Said::Heartbeat || to == LEADER && what == Said::HeartbeatResp)
            || at < 9_000
    };
    let mut play = Play::new(3, 20_000, is_said).say(10_200, 2, 3, Said::Vote).say(10_300, 2, 3, Said::App);
    for at in (10_400..20_000).step_by(100) {
        play = play.say(at, 2, 3, Said::Heartbeat).say(at + 1, 3, 2, Said::HeartbeatResp);
    }
    let judged = play.judged();
    let incident = only(&judged);
    assert_eq!((incident.root, incident.confidence), (Cause::DiskSlow, Confidence::Likely));
    assert_eq!(incident.suspect, Some(Suspect::Host(address(LEADER))));
}

#[test]
fn a_near_miss_that_two_captures_show_is_told_once() {
    let miss = |member: u32, at: i64, wait_ms: u64| PeerNearMiss {
        member: endpoint(member, 0).address,
        leader: endpoint(LEADER, 0).address,
        at: Timestamp::from_nanos(at * 1_000_000),
        wait_ms,
        limit_ms: 1_000,
    };
    // The same wait twice, that of another member, and a later one.
    let kept = each_once(vec![miss(2, 100, 706), miss(2, 101, 707), miss(3, 100, 700), miss(2, 5_000, 600)]);
    let told: Vec<_> = kept.iter().map(|miss| (miss.at.nanos() / 1_000_000, miss.wait_ms)).collect();
    assert_eq!(told, [(101, 707), (100, 700), (5_000, 600)]);
}
