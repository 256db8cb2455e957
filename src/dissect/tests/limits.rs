//! Each memory limit of the dissector takes effect and is counted.

use super::*;
use crate::stream::Limits;

/// A new dissector with these limits.
fn within(limits: Limits) -> Dissector {
    Dissector::new(DissectOptions { limits, ..DissectOptions::default() })
}

/// `number` segments from as many learners, each beyond a gap.
fn gaps(dissector: &mut Dissector, recorder: &mut Recorder, learners: u16, payload: &[u8]) {
    for learner in 0..learners {
        let from = endpoint(1, 30_000 + learner);
        for (number, seq) in [(1, 100), (2, 10_000)] {
            let mut sent = segment(from, LEADER, u32::from(learner) * 2 + number, seq, payload);
            sent.header.at = START;
            dissector.segment(&sent, recorder);
        }
    }
}

#[test]
fn waiting_segments_of_all_streams_share_a_limit() {
    const MAX_HELD: usize = 64 * 1024;
    let mut dissector = within(Limits { held_bytes: MAX_HELD, ..Limits::default() });
    let mut recorder = Recorder::default();
    gaps(&mut dissector, &mut recorder, 200, &[7; 1_000]);
    assert!(
        dissector.held_bytes <= MAX_HELD && dissector.held_bytes > MAX_HELD / 2,
        "{}",
        dissector.held_bytes
    );
    let hit = dissector.limits_hit()["held_bytes"];
    assert!((100..200).contains(&hit), "{hit}");
    assert_eq!(recorder.gaps.len() as u64, hit, "who lets go has a gap");
    dissector.finish(&mut recorder);
    assert_eq!(dissector.held_bytes, 0);
    assert_eq!(recorder.gaps.len(), 200);
}

#[test]
fn records_that_are_not_whole_share_it_and_are_read_to_their_ends() {
    const MAX_HELD: usize = 256 * 1024;
    const SIZE: u32 = 40_000;
    let mut dissector = within(Limits { held_bytes: MAX_HELD, ..Limits::default() });
    let mut recorder = Recorder::default();
    let mut number = 0;
    let mut send = |from, to, seq, payload: &[u8]| {
        number += 1;
        dissector.segment(&segment(from, to, number, seq, payload), &mut recorder);
        assert!(dissector.held_bytes <= MAX_HELD);
    };
    let head = |kind: u32, len: u32| {
        [&kind.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &len.to_be_bytes()].concat()
    };
    let votes = Endpoint { port: 3888, ..LEADER };
    for learner in 0..20 {
        let from = endpoint(10 + learner, 40_000);
        // A PING identifies the protocol; then a PROPOSAL and a notification lack their last bytes.
        send(LEADER, from, 1, &[head(5, u32::MAX), vec![0xff; 4]].concat());
        send(LEADER, from, 21, &[head(2, SIZE), vec![0; SIZE as usize]].concat());
        // LOOKING, for server 0, in round 1.
        let round = [&[0; 4 + 8 + 8 + 7][..], &[1]].concat();
        let rest = vec![0; SIZE as usize - 1 - round.len()];
        send(from, votes, 1, &[&SIZE.to_be_bytes()[..], &round, &rest].concat());
    }
    for learner in 0..20 {
        let from = endpoint(10 + learner, 40_000);
        send(LEADER, from, 37 + SIZE, &[0xff; 4]);
        send(from, votes, 4 + SIZE, &[0]);
    }
    assert!(dissector.limits_hit()["held_bytes"] > 20, "{:?}", dissector.limits_hit());
    dissector.finish(&mut recorder);
    assert_eq!(dissector.held_bytes, 0);
    let whole: Vec<_> = recorder.records.iter().filter(|r| r.kind == PacketType::Proposal).collect();
    assert_eq!(whole.len(), 20);
    assert!(whole.iter().all(|proposal| proposal.size == Some(u64::from(SIZE) + 20) && proposal.cut == 0));
    let short = whole.iter().filter(|proposal| proposal.seen.len() < SIZE as usize).count();
    assert!((10..20).contains(&short), "{short} were not kept whole");
    assert_eq!(recorder.votes.len(), 20);
    for sums in recorder.totals.iter().map(|totals| totals.bytes.to_learner) {
        assert_eq!(sums.unframed, 0, "each byte of the stream is accounted for all the same");
        assert_eq!(sums.decoded, 40 + u64::from(SIZE));
    }
}

#[test]
fn what_waits_on_a_silent_connection_is_let_go_in_time() {
    let mut dissector = within(Limits::default());
    let mut recorder = Recorder::default();
    gaps(&mut dissector, &mut recorder, 10, &[7; 1_000]);
    assert!(dissector.held_bytes > 10_000);
    let busy = endpoint(3, 40_000);
    for number in 0..20_000 {
        let mut sent = segment(busy, LEADER, 1_000_000 + number, 5, b"");
        sent.header.at = START.plus(Span::from_millis(40_000 + i64::from(number)));
        dissector.segment(&sent, &mut recorder);
    }
    assert_eq!((dissector.held_bytes, recorder.gaps.len()), (0, 10));
    assert!(dissector.limits_hit().is_empty(), "time let them go, no limit");
}

#[test]
fn connections_are_limited_and_the_idle_ones_go_first() {
    let mut dissector = within(Limits { connections: 100, ..Limits::default() });
    let mut recorder = Recorder::default();
    let mut now = START;
    for number in 0..100_000_u32 {
        let flood = endpoint(1_000 + number / 50_000, (number % 50_000) as u16);
        let mut syn = segment(flood, LEADER, 0, number, b"");
        (syn.header.at, syn.header.flags) = (now, Flags(Flags::SYN));
        dissector.segment(&syn, &mut recorder);
        if number % 20 == 0 {
            let mut busy = segment(LEARNER, LEADER, number, 9, b"");
            busy.header.at = now;
            dissector.segment(&busy, &mut recorder);
        }
        now = now.plus(Span::from_millis(1));
    }
    assert!(dissector.flows.len() <= 100 && dissector.table.len() <= 100);
    assert!(dissector.limits_hit()["connections"] > 90_000, "{:?}", dissector.limits_hit());
    assert_eq!(recorder.opened.len(), 1, "the busy link stays, and no SYN makes one");
    assert!(recorder.totals.is_empty());
}

#[test]
fn a_packet_of_any_length_is_framed_in_little_memory() {
    // A PROPOSAL of 40 MB, of which every byte is captured.
    let data = vec![0; 40_000_000];
    let mut head = Vec::new();
    head.extend(2_u32.to_be_bytes());
    head.extend(0x1_0000_0002_u64.to_be_bytes());
    head.extend((data.len() as u32).to_be_bytes());
    let mut wire = Wire::picked_up();
    wire.send(ToLearner, &[&4_u32.to_be_bytes()[..], &0x1_0000_0001_u64.to_be_bytes(), &[0xff; 8]].concat());
    wire.send(ToLearner, &head);
    wire.send_in(ToLearner, &data, 60_000);
    wire.send(ToLearner, &[0xff; 4]);
    let heard = wire.finish();
    let proposal = heard.records.iter().find(|record| record.kind == PacketType::Proposal).unwrap();
    assert_eq!(proposal.size, Some(20 + 40_000_000));
    assert!(proposal.seen.len() <= 64 * 1024, "{} bytes were kept of it", proposal.seen.len());
}
