//! Each limit of what the trackers hold is made to bite, and says so.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use super::*;
use crate::findings::Deadline;
use crate::frame::FrameRef;
use crate::proto::election::Notification;
use crate::proto::{ServerState, Zxid};
use crate::testkit::event::{LEADER, at, close, open, packet};
use crate::testkit::segment::{endpoint, segment};
use std::collections::BTreeMap;

fn limits_hit(tracker: Tracker) -> BTreeMap<&'static str, u64> {
    tracker.finish(&[]).limits_hit
}

#[test]
fn links_that_go_on_keep_their_places() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    for number in 0..70_000 {
        open(&mut tracker, number, number);
    }
    let hit = limits_hit(tracker);
    assert_eq!(hit["links"], 70_000 - MAX_LINKS as u64);
    assert!(!hit.contains_key("links_let_go"), "{hit:?}");
}

#[test]
fn of_many_waits_the_longest_stay() {
    let tick_ms = Some((2_000, Origin::Option));
    let mut tracker =
        Tracker::new(TrackerOptions { tick_ms, warn_at_percent: 50, ..TrackerOptions::default() });
    let slot = open(&mut tracker, 1, 0);
    let mut now = 0;
    for number in 0..2_000 {
        // Every hundredth waits for 30 s, more than the limit, the others for 1 s.
        now += if number % 100 == 99 { 30_000 } else { 1_000 };
        let mut data = segment(LEADER, endpoint(1, 40_000), number, number * 20, &[0; 20]);
        data.header.at = at(now);
        let seen = SegmentSeen {
            direction: Direction::ToLearner,
            segment: &data,
            fate: Fate::InOrder,
            new_bytes: 20,
            acked_more: false,
            both_ends_captured: false,
        };
        tracker.segment(slot, &seen);
        packet(&mut tracker, slot, Direction::ToLearner, PacketType::Ping, 1, now);
    }
    let link = &tracker.links[0];
    assert!(link.waits.list.len() < link::MAX_WAITS);
    assert_eq!(link.waits.list.iter().filter(|wait| wait.len() == Span::from_millis(30_000)).count(), 20);
    // What went is far below anything that a report lists.
    assert!(!limits_hit(tracker).contains_key("waits"));
}

#[test]
fn what_is_under_way_on_a_link_is_limited() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let slot = open(&mut tracker, 1, 0);
    for number in 1..=20_000 {
        packet(&mut tracker, slot, Direction::ToLearner, PacketType::Proposal, u64::from(number), number);
    }
    for number in 0..100 {
        packet(&mut tracker, slot, Direction::ToLearner, PacketType::Ping, 20_000, 30_000 + number);
    }
    for number in 100..300 {
        packet(&mut tracker, slot, Direction::ToLeader, PacketType::Unknown(number), 0, 31_000);
    }
    let link = tracker.links.first().unwrap();
    assert_eq!(link.proposals.flight.len(), 16_384);
    let hit = limits_hit(tracker);
    assert_eq!(hit["proposals_in_flight"], 20_000 - 16_384);
    assert_eq!(hit["pings"], 100 - 64);
    assert_eq!(hit["unknown_types"], 200 - 64);
}

#[test]
fn what_all_links_remember_is_limited_together() {
    const MAX_BYTES: usize = 200_000;
    let weight = |tracker: &Tracker| tracker.links.iter().map(LinkTrack::held_bytes).sum::<usize>();
    let mut tracker = Tracker::new(TrackerOptions::default());
    let small = open(&mut tracker, 100, 0);
    packet(&mut tracker, small, Direction::ToLearner, PacketType::Proposal, 1, 1);
    for learner in 0..10 {
        let slot = open(&mut tracker, learner, 0);
        for number in 1..=3_000 {
            let (zxid, millis) = (u64::from(number), number * 10);
            packet(&mut tracker, slot, Direction::ToLearner, PacketType::Proposal, zxid, millis);
            if number <= 1_000 {
                // Each ACK takes another time, so that none is counted with the others.
                packet(&mut tracker, slot, Direction::ToLeader, PacketType::Ack, zxid, millis + number);
            }
        }
    }
    let before = weight(&tracker);
    assert!(before > 5 * MAX_BYTES, "{before}");
    tracker.weigh(before);
    assert_eq!(weight(&tracker), before, "within the limit nothing goes");
    tracker.weigh(MAX_BYTES);
    assert!(weight(&tracker) <= MAX_BYTES, "{}", weight(&tracker));
    assert_eq!(tracker.link(small).unwrap().proposals.flight.len(), 1, "who takes little keeps it");
    let report = tracker.finish(&[]);
    assert!(report.limits_hit["proposals_in_flight"] > 10 * 1_500, "{:?}", report.limits_hit);
    assert!(report.limits_hit["samples"] > 5_000, "{:?}", report.limits_hit);
    let told = report.summaries.iter().find(|link| link.ack.count == 1_000).unwrap();
    assert!(told.ack.quantiles.is_none_or(|ack| ack.max == 1_000_000), "{:?}", told.ack);
}

#[test]
fn answers_without_a_question_are_limited() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let slot = open(&mut tracker, 1, 0);
    for number in 1..=2_000 {
        packet(&mut tracker, slot, Direction::ToLeader, PacketType::Ack, u64::from(number), number);
        packet(&mut tracker, slot, Direction::ToLeader, PacketType::Ping, u64::from(number), number);
    }
    let hit = limits_hit(tracker);
    assert_eq!(hit["proposals_in_flight"], 2_000 - 1_024);
    assert_eq!(hit["pings"], 2_000 - 64);
}

#[test]
fn breaks_of_the_rules_are_limited() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    let slot = open(&mut tracker, 1, 0);
    for number in 1..=200 {
        packet(&mut tracker, slot, Direction::ToLearner, PacketType::Proposal, u64::from(number) * 3, number);
    }
    close(&mut tracker, slot);
    let report = tracker.finish(&[]);
    assert_eq!(report.violations.len(), 64);
    assert_eq!(report.limits_hit["violations"], 199 - 64);
}

#[test]
fn breaks_of_the_rules_are_limited_on_all_links_together() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    for learner in 0..40 {
        let slot = open(&mut tracker, learner, 0);
        for number in 1..=40 {
            let zxid = u64::from(number) * 3;
            packet(&mut tracker, slot, Direction::ToLearner, PacketType::Proposal, zxid, number);
        }
        close(&mut tracker, slot);
    }
    let mut lighter = tracker.clone();
    let report = tracker.finish(&[]);
    assert_eq!(report.violations.len(), 1_024);
    assert_eq!(report.limits_hit["violations"], 40 * 39 - 1_024);
    lighter.weigh(40_000);
    let report = lighter.finish(&[]);
    assert_eq!(report.violations.len(), 40 * 4);
    assert_eq!(report.limits_hit["violations"], 40 * 35);
}

#[test]
fn elections_and_changes_of_roles_are_limited() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    for number in 0..5_000 {
        looks(&mut tracker, 1, number * 10_000);
        let slot = open(&mut tracker, 1, number * 10_000 + 10);
        packet(&mut tracker, slot, Direction::ToLeader, PacketType::FollowerInfo, 0, number * 10_000 + 20);
        close(&mut tracker, slot);
    }
    let report = tracker.finish(&[]);
    assert_eq!(report.limits_hit["elections"], 5_000 - 4_096);
    assert_eq!(report.elections.len(), 4_096);
    assert!(report.limits_hit["roles"] > 5_000, "{:?}", report.limits_hit);
    assert!(report.servers.iter().all(|server| server.roles.len() <= 1_024));
}

/// A vote of a server that looks for a leader.
fn looks(tracker: &mut Tracker, host: u32, millis: u32) {
    let message = Notification {
        state: ServerState::Looking,
        leader: Sid(1),
        zxid: Zxid(0),
        election_epoch: i64::from(millis) + 1,
        peer_epoch: Some(1),
        version: Some(2),
        config: None,
        rest: &[],
    };
    tracker.election(&ElectionSeen {
        src: endpoint(host, 3888),
        dst: endpoint(2, 40_000),
        message: ElectionMessage::Notification(message),
        size: 40,
        cut: 0,
        at: at(millis),
        frame: FrameRef::default(),
    });
}

#[test]
fn those_who_look_are_limited() {
    let mut tracker = Tracker::new(TrackerOptions::default());
    (0..100).for_each(|host| looks(&mut tracker, host, host));
    let report = tracker.finish(&[]);
    assert_eq!((report.elections.len(), report.elections[0].by.len()), (1, 64));
    assert_eq!(report.limits_hit["looking"], 100 - 64);
}

#[test]
fn an_ack_that_may_have_gone_by_unseen_ends_what_is_known_of_its_wait() {
    use Direction::{ToLeader, ToLearner};
    let waits = |tracker: &mut Tracker| {
        close(tracker, ConnectionSlot(1));
        let link = tracker.links.first().unwrap();
        let acks = link.waits.list.iter().filter(|wait| wait.deadline == Deadline::Ack);
        (acks.map(|wait| wait.len().millis()).collect::<Vec<_>>(), link.waits.worst[Deadline::Ack as usize])
    };
    let shut = |tracker: &mut Tracker, slot, millis| {
        let closing =
            Closing { by: crate::stream::Side::A, reset: false, at: at(millis), frame: FrameRef::default() };
        tracker.link_closed(slot, ToLearner, &closing);
    };
    let unread = |len| Unread { from: at(3_000), to: at(3_000), len };
    let start = || {
        let mut tracker = Tracker::new(TrackerOptions::default());
        let slot = open(&mut tracker, 1, 0);
        packet(&mut tracker, slot, ToLearner, PacketType::Proposal, 1, 1_000);
        packet(&mut tracker, slot, ToLeader, PacketType::Ack, 1, 1_010);
        packet(&mut tracker, slot, ToLearner, PacketType::Proposal, 2, 2_000);
        packet(&mut tracker, slot, ToLearner, PacketType::Proposal, 3, 5_000);
        (tracker, slot)
    };
    let (mut certain, slot) = start();
    shut(&mut certain, slot, 9_000);
    assert_eq!(waits(&mut certain).0, [7_000]);

    let (mut before, slot) = start();
    before.unread(slot, ToLeader, &unread(20));
    shut(&mut before, slot, 9_000);
    assert_eq!(waits(&mut before).0, [1_000, 4_000], "the second surely up to then, the third to the end");

    // What was hidden is known to be unread only later, as a rule.
    let (mut late, slot) = start();
    shut(&mut late, slot, 9_000);
    late.unread(slot, ToLeader, &unread(20));
    let (lens, worst) = waits(&mut late);
    assert_eq!((lens, worst), (vec![1_000, 4_000], Some((Span::from_millis(4_000), at(5_000)))));

    // In so few bytes there is no ACK.
    let (mut short, slot) = start();
    short.unread(slot, ToLeader, &unread(19));
    shut(&mut short, slot, 9_000);
    assert_eq!(waits(&mut short).0, [7_000]);

    // ACKs come in order: the first one's again shows that the second had not been given by then.
    let (mut refuted, slot) = start();
    refuted.unread(slot, ToLeader, &unread(20));
    packet(&mut refuted, slot, ToLeader, PacketType::Ack, 1, 4_000);
    shut(&mut refuted, slot, 9_000);
    assert_eq!(waits(&mut refuted).0, [1_000, 7_000]);

    let (mut other_way, slot) = start();
    other_way.unread(slot, ToLearner, &unread(20));
    shut(&mut other_way, slot, 9_000);
    assert_eq!(waits(&mut other_way).0, [7_000]);
}

#[test]
fn limits_of_any_length_overflow_nothing() {
    let most = Some((u32::MAX, Origin::Option));
    for warn_at_percent in [1, 50, 100, u32::MAX] {
        let options = TrackerOptions {
            tick_ms: most,
            sync_limit: most,
            init_limit: most,
            warn_at_percent,
            ..TrackerOptions::default()
        };
        assert!(Tracker::new(options).near() >= Span::from_millis(i64::MAX / 100), "{warn_at_percent} %");
    }
}
