//! Connections on both sides of an address translation, and forged ones that look like one.

use super::bytes::*;
use super::*;
use crate::testkit::random::Random;

/// The address of a service, behind which the leader is.
const SERVICE: Endpoint = endpoint(9, 2888);

/// What is seen of the leader's link, frame by frame: direction, payload and flags.
fn conversation() -> Vec<(Direction, Vec<u8>, u8)> {
    let mut frames = vec![
        (ToLeader, Vec::new(), Flags::SYN),
        (ToLearner, Vec::new(), Flags::SYN | Flags::ACK),
        (ToLeader, Vec::new(), Flags::ACK),
        (ToLeader, follower_info(3), Flags::ACK),
        (ToLearner, leader_info(), Flags::ACK),
        (ToLeader, ack_epoch(zxid(0)), Flags::ACK),
    ];
    for counter in 1..60 {
        frames.push((ToLearner, proposal(zxid(counter), 90), Flags::ACK));
        frames.push((ToLeader, small(PacketType::Ack, zxid(counter)), Flags::ACK));
    }
    frames
}

/// Sends the conversation through a dissector. `other` tells what else comes by of each frame: the address in
/// place of the leader's, the payload, and whether it comes before.
fn hear(mut other: impl FnMut(usize, Direction, &[u8]) -> Option<(Endpoint, Vec<u8>, bool)>) -> Recorder {
    let mut dissector = Dissector::new(DissectOptions::default());
    let mut recorder = Recorder::default();
    let (mut seq, mut number, mut now) = ([100_u32, 900], 0, START);
    for (index, (direction, payload, flags)) in conversation().into_iter().enumerate() {
        let from = usize::from(!direction.is_to_leader());
        let mut push = |leader: Endpoint, payload: &[u8]| {
            let ends = if from == 0 { (LEARNER, leader) } else { (leader, LEARNER) };
            number += 1;
            now = now.plus(Span::from_micros(20));
            let mut sent = segment(ends.0, ends.1, number, seq[from], payload);
            (sent.header.at, sent.header.ack, sent.header.flags) = (now, seq[1 - from], Flags(flags));
            (sent.header.ip_id, sent.header.timestamps) = (index as u16 + 1, Some((index as u32, 7)));
            dissector.segment(&sent, &mut recorder);
        };
        match other(index, direction, &payload) {
            Some((leader, bytes, true)) => {
                push(leader, &bytes);
                push(LEADER, &payload);
            }
            Some((leader, bytes, false)) => {
                push(LEADER, &payload);
                push(leader, &bytes);
            }
            None => push(LEADER, &payload),
        }
        now = now.plus(Span::from_millis(5));
        let len = payload.len() as u32 + u32::from(flags & Flags::SYN > 0);
        seq[from] = seq[from].wrapping_add(len);
    }
    dissector.finish(&mut recorder);
    recorder
}

/// How many records were seen on links to the leader's own address, or to any.
fn links_to(heard: &Recorder, leader: Endpoint) -> usize {
    heard.opened.iter().filter(|opened| opened.leader == leader).count()
}

#[test]
fn both_sides_of_a_translation_are_one_link() {
    let alone = hear(|_, _, _| None);
    let is_before = |direction: Direction| direction.is_to_leader();
    let twice = hear(|_, direction, bytes| Some((SERVICE, bytes.to_vec(), is_before(direction))));
    assert_eq!((links_to(&twice, LEADER), links_to(&twice, SERVICE)), (1, 0));
    assert_eq!(twice.records.len(), alone.records.len());
    // Where the capture lacks every tenth frame of the copy, too.
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let lossy = hear(|index, direction, bytes| {
            let is_there = index == 0 || !random.chance(10);
            is_there.then(|| (SERVICE, bytes.to_vec(), is_before(direction)))
        });
        assert_eq!((links_to(&lossy, LEADER), links_to(&lossy, SERVICE)), (1, 0), "seed {seed}");
    }
}

#[test]
fn frames_of_others_may_come_between_the_two_of_a_translation() {
    for between in [0, 1, 8] {
        let mut dissector = Dissector::new(DissectOptions::default());
        let mut recorder = Recorder::default();
        let (mut seq, mut number, mut now) = ([100_u32, 900], 1, START);
        // Another connection that begins right before.
        let mut before = segment(endpoint(40, 40_000), endpoint(3, 3888), number, 7, b"");
        before.header.at = now;
        dissector.segment(&before, &mut recorder);
        for (index, (direction, payload, flags)) in conversation().into_iter().enumerate() {
            let from = usize::from(!direction.is_to_leader());
            let ends = if from == 0 { [SERVICE, LEADER] } else { [LEADER, SERVICE] };
            for (turn, leader) in ends.into_iter().enumerate() {
                let (src, dst) = if from == 0 { (LEARNER, leader) } else { (leader, LEARNER) };
                number += 1;
                now = now.plus(Span::from_micros(20));
                let mut sent = segment(src, dst, number, seq[from], &payload);
                (sent.header.at, sent.header.ack, sent.header.flags) = (now, seq[1 - from], Flags(flags));
                (sent.header.ip_id, sent.header.timestamps) = (index as u16 + 1, Some((index as u32, 7)));
                dissector.segment(&sent, &mut recorder);
                for other in 0..if turn == 0 { between } else { 0 } {
                    number += 1;
                    now = now.plus(Span::from_micros(5));
                    let mut sent = segment(endpoint(50 + other, 40_000), LEADER, number, 7, b"");
                    sent.header.at = now;
                    dissector.segment(&sent, &mut recorder);
                }
            }
            now = now.plus(Span::from_millis(5));
            seq[from] = seq[from].wrapping_add(payload.len() as u32 + u32::from(flags & Flags::SYN > 0));
        }
        dissector.finish(&mut recorder);
        assert_eq!(links_to(&recorder, SERVICE), 0, "{between} between");
        let infos = recorder.records.iter().filter(|record| record.kind == PacketType::FollowerInfo).count();
        assert_eq!(infos, 1, "{between} between");
    }
}

#[test]
fn a_forged_first_segment_hides_no_connection() {
    let alone = hear(|_, _, _| None);
    for is_before in [true, false] {
        let heard = hear(|index, _, bytes| (index == 0).then(|| (SERVICE, bytes.to_vec(), is_before)));
        assert_eq!(links_to(&heard, LEADER), 1, "forged before: {is_before}");
        let infos = heard.records.iter().filter(|record| record.kind == PacketType::FollowerInfo).count();
        assert_eq!(infos, 1, "who the learner is: {is_before}");
        assert_eq!(heard.records.len(), alone.records.len(), "forged before: {is_before}");
    }
}

#[test]
fn a_forged_start_hides_no_connection_that_differs_later() {
    for is_before in [true, false] {
        // A forger who copies the handshake, and says something else from then on.
        let heard = hear(|index, _, bytes| {
            let forged = if index < 6 { bytes.to_vec() } else { vec![0x55; bytes.len()] };
            Some((SERVICE, forged, is_before))
        });
        assert_eq!(links_to(&heard, LEADER), 1, "forged before: {is_before}");
        let records = heard.records.iter().filter(|record| record.kind == PacketType::Proposal).count();
        assert!(records >= 50, "forged before: {is_before}: {records}");
    }
}

#[test]
fn a_forged_twin_ends_no_link_that_there_was() {
    let alone = hear(|_, _, _| None);
    // From its middle on, a new connection begins with what the link says next.
    let heard = hear(|index, _, bytes| (index == 20).then(|| (SERVICE, bytes.to_vec(), true)));
    // All of the link's records, and the forged one.
    assert_eq!(heard.records.len(), alone.records.len() + 1);
    assert_eq!(links_to(&heard, LEADER), 1);
}

#[test]
fn pairs_are_bounded() {
    let mut dissector = Dissector::new(DissectOptions::default());
    let mut recorder = Recorder::default();
    for index in 0..3_000_u32 {
        for leader in [SERVICE, LEADER] {
            let learner = endpoint(100 + index, 40_000);
            let mut syn = segment(learner, leader, 2 * index + 1, 5, b"");
            (syn.header.ip_id, syn.header.flags) = (index as u16 + 1, Flags(Flags::SYN));
            syn.header.at = START.plus(Span::from_millis(i64::from(index)));
            dissector.segment(&syn, &mut recorder);
        }
    }
    assert_eq!(dissector.counts.duplicates, 1_024);
}
