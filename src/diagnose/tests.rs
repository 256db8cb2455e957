//! What was found stays when its links go, up to a limit.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test fails by panicking")]

use super::Analyzer;
use crate::dissect::{Direction, Event, LinkOpened, Observer, SegmentSeen};
use crate::frame::FrameRef;
use crate::proto::PacketType;
use crate::stream::{Closing, ConnectionSlot, Fate};
use crate::testkit::event::{LEADER, at, close, open, packet};
use crate::testkit::segment::{endpoint, segment};
use crate::track::{CLOSED_AT_ONCE, MAX_CLOSED_LINKS, TrackerOptions};

#[test]
fn links_and_servers_are_limited() {
    let mut analyzer = Analyzer::new(TrackerOptions::default());
    for number in 0..70_000 {
        let slot = open(&mut analyzer, 1_000 + number, number);
        close(&mut analyzer, slot);
    }
    let hit = analyzer.finish(&[]).limits_hit;
    let kept = 70_000 - hit["links_let_go"] as usize;
    assert!((MAX_CLOSED_LINKS - CLOSED_AT_ONCE..=MAX_CLOSED_LINKS).contains(&kept), "{hit:?}");
    assert!(!hit.contains_key("links"), "{hit:?}");
    assert!(hit["servers"] > 15_000, "{hit:?}");
}

#[test]
fn what_is_not_watched_any_more_ends_then() {
    let mut analyzer = Analyzer::new(TrackerOptions::default());
    let silent = open(&mut analyzer, 1, 0);
    packet(&mut analyzer, silent, Direction::ToLearner, PacketType::Ping, 1, 0);
    analyzer.event(Event::LinkUnwatched(silent, at(5_000)));
    close(&mut analyzer, silent);
    let other = open(&mut analyzer, 2, 5_000);
    packet(&mut analyzer, other, Direction::ToLearner, PacketType::Ping, 1, 600_000);
    let report = analyzer.finish(&[Some(at(600_000))]);
    let links: Vec<_> = report.stalls.iter().flat_map(|stall| stall.links.clone()).collect();
    assert!(!links.contains(&1), "{:?}", report.stalls);
}

#[test]
fn a_learner_that_came_back_out_of_sight_was_not_too_slow_to_synchronize() {
    let joins = |analyzer: &mut Analyzer, number: u32, learner: u32, millis: u32| {
        let opened = LinkOpened {
            leader: LEADER,
            learner: endpoint(learner, 40_000 + number as u16),
            at: at(millis),
            frame: FrameRef::default(),
            picked_up: false,
        };
        analyzer.event(Event::LinkOpened(ConnectionSlot(number), &opened));
        packet(analyzer, ConnectionSlot(number), Direction::ToLeader, PacketType::FollowerInfo, 1, millis);
    };
    let stalls = |second: u32| {
        let mut analyzer = Analyzer::new(TrackerOptions::default());
        joins(&mut analyzer, 1, 1, 0);
        joins(&mut analyzer, 2, second, 60_000);
        // With a third one the capture is the leader's, and shows the first link to its end.
        joins(&mut analyzer, 3, 3, 60_000);
        analyzer.finish(&[Some(at(61_000))]).stalls.len()
    };
    assert_eq!((stalls(2), stalls(1)), (1, 0));
}

/// A link on which the leader hears nothing for 30 s, that begins so late.
fn stall(analyzer: &mut Analyzer, learner: u32, millis: u32) {
    let slot = open(analyzer, learner, millis);
    for (number, millis) in [(0, millis), (1, millis + 30_000)] {
        let from = endpoint(learner, 40_000);
        let mut segment = segment(from, LEADER, number, number * 20, &[0; 20]);
        segment.header.at = at(millis);
        let seen = SegmentSeen {
            direction: Direction::ToLeader,
            segment: &segment,
            fate: Fate::InOrder,
            new_bytes: 20,
            acked_more: false,
            both_ends_captured: false,
        };
        analyzer.event(Event::Segment(slot, &seen));
        packet(analyzer, slot, Direction::ToLeader, PacketType::Ping, 1, millis);
    }
    let closing = Closing {
        by: crate::stream::Side::A,
        reset: false,
        at: at(millis + 30_001),
        frame: FrameRef::default(),
    };
    analyzer.event(Event::LinkClosed(slot, Direction::ToLearner, &closing));
    close(analyzer, slot);
}

#[test]
fn stalls_are_limited_and_the_oldest_go_first() {
    let mut analyzer = Analyzer::new(TrackerOptions { warn_at_percent: 50, ..TrackerOptions::default() });
    for number in 0..1_100 {
        stall(&mut analyzer, number, number * 60_000);
    }
    let report = analyzer.finish(&[Some(at(1_100 * 60_000))]);
    assert_eq!(report.stalls.len(), 1_024);
    assert_eq!(report.limits_hit["stalls"], 1_100 - 1_024);
    assert_eq!(report.stalls[0].start, at(76 * 60_000));
}

#[test]
fn stalls_of_links_let_go_are_limited_too() {
    let mut analyzer = Analyzer::new(TrackerOptions { warn_at_percent: 50, ..TrackerOptions::default() });
    for number in 0..1_100 {
        stall(&mut analyzer, number, number * 60_000);
        analyzer.evict(0, at(number * 60_000 + 31_000));
    }
    let report = analyzer.finish(&[Some(at(1_100 * 60_000))]);
    assert_eq!((report.links.len(), report.stalls.len()), (0, 1_024));
    assert_eq!(report.stalls[0].start, at(76 * 60_000));
    assert_eq!(report.limits_hit["links_let_go"], 1_100);
    assert_eq!(report.limits_hit["stalls_let_go"], 1_100 - 1_024);
    assert_eq!(report.limits_hit["incidents_let_go"], 1_100 - 1_024);
}
