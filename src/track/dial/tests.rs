#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::testkit::segment::{endpoint, segment};

const DIALER: Endpoint = endpoint(1, 40_000);
const SERVER: Endpoint = endpoint(2, 3_888);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_nanos(0).plus(Span::from_millis(millis))
}

/// A segment of `src` at a time, with these flags.
fn says(
    dials: &mut Dials,
    (src, dst): (Endpoint, Endpoint),
    flags: u8,
    seq: u32,
    ack: u32,
    len: usize,
    millis: i64,
) {
    let payload = [7; 16];
    let mut segment = segment(src, dst, 1, seq, &payload[..len]);
    (segment.header.at, segment.header.ack, segment.header.flags) = (at(millis), ack, Flags(flags));
    dials.segment(&segment, Port::Election, None);
}

#[test]
fn refusals_are_one_run_until_one_is_accepted() {
    let mut dials = Dials::default();
    for attempt in 0..5 {
        let dialer = endpoint(1, 40_000 + attempt);
        let millis = i64::from(attempt) * 2_000;
        says(&mut dials, (dialer, SERVER), Flags::SYN, 1, 0, 0, millis);
        says(&mut dials, (SERVER, dialer), Flags::RST | Flags::ACK, 0, 2, 0, millis + 1);
    }
    says(&mut dials, (DIALER, SERVER), Flags::SYN, 9, 0, 0, 12_000);
    says(&mut dials, (SERVER, DIALER), Flags::SYN | Flags::ACK, 50, 10, 0, 12_001);
    let (runs, dead, all) = dials.so_far(at(20_000));
    let run = runs.first().unwrap();
    assert_eq!((runs.len(), run.attempts, run.failure), (1, 5, DialFailure::Refused));
    assert_eq!((run.first, run.last, run.until), (at(0), at(8_001), Some(at(12_001))));
    assert_eq!(dead, []);
    assert_eq!((all[0].refused, all[0].accepted, all[0].unanswered), (5, 1, 0));
}

#[test]
fn a_syn_that_nothing_answers_counts_once_with_its_repeats() {
    let mut dials = Dials::default();
    for millis in [0, 1_000, 3_000] {
        says(&mut dials, (DIALER, SERVER), Flags::SYN, 1, 0, 0, millis);
    }
    says(&mut dials, (DIALER, SERVER), Flags::SYN, 500, 0, 0, 5_000);
    let (runs, _, all) = dials.so_far(at(5_500));
    assert_eq!((runs.len(), all[0].unanswered), (1, 1));
    assert_eq!((runs[0].first, runs[0].last), (at(0), at(3_000)));
    // The second is too young to tell.
    let (runs, ..) = dials.so_far(at(6_000));
    assert_eq!(runs[0].attempts, 2);
}

#[test]
fn the_handshake_s_ack_is_enough_where_one_direction_was_captured() {
    let mut dials = Dials::default();
    says(&mut dials, (DIALER, SERVER), Flags::SYN, 1, 0, 0, 0);
    says(&mut dials, (DIALER, SERVER), Flags::ACK, 2, 51, 0, 1);
    let (runs, _, all) = dials.so_far(at(9_000));
    assert_eq!((runs.len(), all[0].accepted), (0, 1));
}

#[test]
fn votes_retransmitted_into_the_void_until_a_rst_make_a_dead_connection() {
    let mut dials = Dials::default();
    says(&mut dials, (DIALER, SERVER), Flags::ACK, 100, 50, 16, 0);
    says(&mut dials, (SERVER, DIALER), Flags::ACK, 50, 116, 0, 1);
    for millis in [60_000, 60_200, 60_600, 61_400] {
        says(&mut dials, (DIALER, SERVER), Flags::ACK, 116, 50, 16, millis);
    }
    says(&mut dials, (SERVER, DIALER), Flags::RST, 50, 0, 0, 61_401);
    let (_, dead, _) = dials.so_far(at(70_000));
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].since, dead[0].last, dead[0].again), (at(60_000), at(61_401), 3));
    assert!(dead[0].is_reset && dead[0].from == DIALER.address);
}

#[test]
fn what_is_acknowledged_late_is_not_dead() {
    let mut dials = Dials::default();
    for millis in [0, 200, 600, 1_400] {
        says(&mut dials, (DIALER, SERVER), Flags::ACK, 100, 50, 16, millis);
    }
    says(&mut dials, (SERVER, DIALER), Flags::ACK, 50, 116, 0, 1_500);
    says(&mut dials, (SERVER, DIALER), Flags::RST, 50, 0, 0, 1_600);
    assert_eq!(dials.so_far(at(9_000)).1, []);
}

#[test]
fn a_connection_without_a_byte_and_one_turned_away_are_told_apart() {
    let mut dials = Dials::default();
    for (port, len) in [(1, 0), (2, 16)] {
        let dialer = endpoint(1, port);
        says(&mut dials, (dialer, SERVER), Flags::SYN, 1, 0, 0, 0);
        says(&mut dials, (SERVER, dialer), Flags::SYN | Flags::ACK, 50, 2, 0, 1);
        says(&mut dials, (dialer, SERVER), Flags::ACK, 2, 51, len, 2);
        says(&mut dials, (SERVER, dialer), Flags::FIN | Flags::ACK, 51, 2, 0, 3);
    }
    let (_, _, all) = dials.so_far(at(10));
    assert_eq!((all[0].empty, all[0].turned_away, all[0].accepted), (1, 1, 2));
}

#[test]
fn what_is_remembered_is_limited() {
    let mut dials = Dials::default();
    for host in 0..6_000u32 {
        says(&mut dials, (endpoint(host, 1), SERVER), Flags::SYN, 1, 0, 0, i64::from(host) * 10);
    }
    assert!(dials.talks.len() <= MAX_TALKS);
    // Many are let go at once, so that each new one costs little.
    let next = |dials: &mut Dials, host: u32| {
        says(dials, (endpoint(host, 1), SERVER), Flags::SYN, 1, 0, 0, i64::from(host) * 10);
        dials.talks.len()
    };
    let mut host = 6_000;
    let mut len = dials.talks.len();
    while len < MAX_TALKS {
        len = next(&mut dials, host);
        host += 1;
    }
    assert!(next(&mut dials, host) < MAX_TALKS - MAX_TALKS / 10);
    let (runs, _, all) = dials.so_far(at(90_000));
    assert!(runs.len() <= MAX_RUNS && all.len() <= MAX_DIALS);
}
