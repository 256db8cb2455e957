//! Where packets begin and end, on the quorum port.

use super::bytes::*;
use super::*;
use crate::proto::auth;

/// The packets of a follower and its leader until it serves, and a few more, each with its direction.
fn conversation() -> Vec<(Direction, PacketType, Vec<u8>)> {
    use PacketType as T;
    let last = Zxid::new(EPOCH - 1, 40);
    vec![
        (ToLeader, T::FollowerInfo, follower_info(1)),
        (ToLearner, T::LeaderInfo, leader_info()),
        (ToLeader, T::AckEpoch, ack_epoch(last)),
        (ToLearner, T::Diff, small(T::Diff, last.plus(1))),
        (ToLearner, T::Proposal, proposal(last.plus(1), 120)),
        (ToLearner, T::Commit, commit(last.plus(1))),
        (ToLearner, T::NewLeader, newleader(158)),
        (ToLeader, T::Ack, ack(zxid(0))),
        (ToLearner, T::UpToDate, uptodate()),
        (ToLeader, T::Ack, ack(zxid(0))),
        (ToLearner, T::Ping, ping(zxid(0))),
        (ToLeader, T::Ping, pong(zxid(0), 0)),
        (ToLeader, T::Request, create_session()),
        (ToLearner, T::Proposal, proposal(zxid(1), 68)),
        (ToLeader, T::Ack, ack(zxid(1))),
        (ToLearner, T::Commit, commit(zxid(1))),
        (ToLeader, T::Request, request(1, 40, Some("10.0.0.7"))),
        (ToLearner, T::Proposal, proposal(zxid(2), 333)),
        (ToLeader, T::Ack, ack(zxid(2))),
        (ToLearner, T::Commit, commit(zxid(2))),
        (ToLeader, T::Revalidate, revalidate(true)),
        (ToLearner, T::Revalidate, revalidate(false)),
        (ToLearner, T::Sync, small(T::Sync, Zxid(0))),
        (ToLearner, T::CommitAndActivate, packet(T::CommitAndActivate, zxid(3), Some(&[0; 8]))),
        (ToLearner, T::Ping, ping(zxid(3))),
        (ToLeader, T::Ping, pong(zxid(3), 3)),
    ]
}

/// The other types: to an observer, and with TRUNC.
fn observers_conversation() -> Vec<(Direction, PacketType, Vec<u8>)> {
    use PacketType as T;
    let mut info = follower_info(4);
    info[3] = 16;
    vec![
        (ToLeader, T::ObserverInfo, info),
        (ToLearner, T::LeaderInfo, leader_info()),
        (ToLeader, T::AckEpoch, ack_epoch(zxid(9))),
        (ToLearner, T::Trunc, small(T::Trunc, zxid(7))),
        (ToLearner, T::NewLeader, small(T::NewLeader, zxid(0))),
        (ToLearner, T::UpToDate, uptodate()),
        (ToLearner, T::Inform, transaction(T::Inform, zxid(8), 99)),
        (ToLearner, T::InformAndActivate, packet(T::InformAndActivate, zxid(9), Some(&[1; 140]))),
        (ToLearner, T::Ping, ping(zxid(9))),
        (ToLeader, T::Ping, pong(zxid(9), 1)),
    ]
}

fn kinds_of(said: &[(Direction, PacketType, Vec<u8>)], direction: Direction) -> Vec<PacketType> {
    said.iter().filter(|(d, ..)| *d == direction).map(|(_, kind, _)| *kind).collect()
}

#[test]
fn every_type_comes_out_as_it_went_in() {
    for said in [conversation(), observers_conversation()] {
        let mut wire = Wire::open();
        for (direction, _, bytes) in &said {
            wire.wait(3);
            wire.send(*direction, bytes);
        }
        let heard = wire.finish();
        assert_eq!(heard.opened.len(), 1);
        assert_eq!((heard.opened[0].leader, heard.opened[0].learner), (LEADER, LEARNER));
        assert!(!heard.opened[0].picked_up);
        for (record, (index, (direction, kind, bytes))) in heard.records.iter().zip(said.iter().enumerate()) {
            assert_eq!((record.direction, record.kind, &record.seen), (*direction, *kind, bytes));
            assert_eq!((record.size, record.cut), (Some(bytes.len() as u64), 0));
            assert_eq!(record.frame, index as u32 + 4, "three frames open the connection");
            assert!(!record.inferred && record.timed);
        }
        assert_eq!(heard.records.len(), said.len());
        let totals = &heard.totals[0];
        assert_eq!(totals.protection, Protection::None);
        assert_eq!(totals.losses, PerDirection::default());
        for direction in [ToLeader, ToLearner] {
            let sums = totals.bytes.of(direction);
            assert_eq!(sums.decoded, sums.stream());
        }
    }
}

#[test]
fn any_segmentation_gives_the_same_records() {
    for said in [conversation(), observers_conversation()] {
        let streams = [ToLeader, ToLearner].map(|direction| {
            let of_it = said.iter().filter(|(d, ..)| *d == direction);
            (direction, of_it.flat_map(|(_, _, bytes)| bytes.clone()).collect::<Vec<u8>>())
        });
        for size in (1..50).chain([4, 64, 100, 512, 8192]) {
            let mut wire = Wire::open();
            for (direction, stream) in &streams {
                wire.send_in(*direction, stream, size);
            }
            let heard = wire.finish();
            for (direction, stream) in &streams {
                assert_eq!(heard.kinds(*direction), kinds_of(&said, *direction), "in pieces of {size}");
                let of_it = heard.records.iter().filter(|r| r.direction == *direction);
                let again: Vec<u8> = of_it.flat_map(|r| r.seen.clone()).collect();
                assert_eq!(again, *stream, "in pieces of {size}");
            }
        }
    }
}

#[test]
fn a_record_may_be_split_anywhere() {
    let front = [follower_info(1), ack_epoch(zxid(0)), ack(zxid(0))].concat();
    for record in [ack(zxid(1)), pong(zxid(1), 2), request(1, 9, Some("10.0.0.7")), request(2, 0, None)] {
        for split in 1..record.len() {
            let mut wire = Wire::open();
            wire.send(ToLeader, &front);
            wire.send(ToLeader, &record[..split]);
            wire.wait(7);
            wire.send(ToLeader, &record[split..]);
            let heard = wire.finish();
            let found = &heard.records[3];
            assert_eq!((heard.records.len(), &found.seen), (4, &record), "split at {split}");
            assert_eq!((found.frame, found.last_at), (5, START.plus(Span::from_millis(7))));
        }
    }
}

#[test]
fn a_flushed_buffer_may_leave_the_end_of_a_packet_to_the_next_segment() {
    let big = proposal(zxid(1), 20 + 9000);
    let mut wire = Wire::open();
    wire.send(ToLearner, &leader_info());
    let (front, end) = big.split_at(big.len() - 4);
    assert_eq!(end, [0xff; 4]);
    wire.send(ToLearner, &front[..16]);
    wire.send_in(ToLearner, &front[16..], 1448);
    wire.send(ToLearner, &[end, &commit(zxid(1)), &ping(zxid(1))].concat());
    let heard = wire.finish();
    use PacketType::{Commit, LeaderInfo, Ping, Proposal};
    assert_eq!(heard.kinds(ToLearner), [LeaderInfo, Proposal, Commit, Ping]);
    assert_eq!(heard.records[1].seen, big);

    // The same if the capture begins after its start, or lacks its middle.
    for is_picked_up in [true, false] {
        let mut wire = if is_picked_up { Wire::picked_up() } else { Wire::open() };
        if is_picked_up {
            wire.send(ToLearner, &ping(zxid(0)));
        } else {
            wire.send(ToLearner, &leader_info());
        }
        wire.skip(ToLearner, big.len() - 4);
        wire.send(ToLearner, &[end, &commit(zxid(1)), &ping(zxid(1))].concat());
        wire.ack(ToLeader);
        wire.wait(100);
        wire.ack(ToLeader);
        let heard = wire.finish();
        assert_eq!(heard.kinds(ToLearner)[1..], [Commit, Ping]);
        assert_eq!(heard.totals[0].bytes.to_learner.unframed, 4);
    }
}

#[test]
fn large_packets_are_framed_though_not_kept() {
    let big = proposal(zxid(1), 300_000);
    for keeps in [usize::MAX, 30] {
        let mut wire = Wire::open();
        wire.keeps = keeps;
        wire.send(ToLearner, &leader_info());
        wire.send_in(ToLearner, &big, 1448);
        wire.send(ToLearner, &commit(zxid(1)));
        let heard = wire.finish();
        assert_eq!(heard.kinds(ToLearner)[1..], [PacketType::Proposal, PacketType::Commit]);
        assert_eq!(heard.records[1].size, Some(300_000));
        assert!(heard.records[1].seen.len() <= 64 * 1024);
        assert_eq!(heard.totals[0].bytes.to_learner.unframed, 0);
    }
}

#[test]
fn a_capture_may_begin_inside() {
    // The first bytes are the end of a packet, then whole packets follow.
    let tail = [&[0x2f; 13][..], &[0xff; 4]].concat();
    let mut wire = Wire::picked_up();
    wire.send(ToLearner, &tail);
    wire.send(ToLearner, &[proposal(zxid(7), 90), commit(zxid(6))].concat());
    wire.send(ToLeader, &ack(zxid(7)));
    wire.send(ToLearner, &ping(zxid(7)));
    let heard = wire.finish();
    assert!(heard.opened[0].picked_up);
    use PacketType::{Ack, Commit, Ping, Proposal};
    assert_eq!(heard.kinds(ToLearner), [Proposal, Commit, Ping]);
    assert_eq!(heard.kinds(ToLeader), [Ack]);
    let totals = &heard.totals[0];
    assert_eq!(totals.bytes.to_learner.unframed, tail.len() as u64);
    assert_eq!(totals.losses.to_learner.total(), 0, "beginning inside is no loss");
}

#[test]
fn unknown_ports_are_decided_by_what_is_said() {
    // From the start: FOLLOWERINFO.
    let mut wire = Wire::between(endpoint(1, 40_000), endpoint(2, 5555));
    wire.handshake();
    wire.send(ToLeader, &follower_info(1));
    wire.send(ToLearner, &leader_info());
    let heard = wire.finish();
    assert_eq!(heard.opened[0].leader.port, 5555);
    assert_eq!(heard.kinds(ToLearner), [PacketType::LeaderInfo]);
    assert_eq!(heard.kinds(ToLeader), [PacketType::FollowerInfo]);

    // In mid-connection: an ACK and a COMMIT have one direction each.
    for (direction, bytes) in [(ToLeader, ack(zxid(3))), (ToLearner, commit(zxid(3)))] {
        let mut wire = Wire::between(endpoint(2, 40_000), endpoint(1, 5555));
        wire.send(direction, &bytes);
        let heard = wire.finish();
        assert_eq!(heard.opened[0].leader.port, 5555);
        assert_eq!(heard.records.len(), 1);
    }

    // Another protocol.
    let mut wire = Wire::between(endpoint(1, 40_000), endpoint(2, 5555));
    for _ in 0..20 {
        wire.send(ToLeader, b"GET /metrics HTTP/1.1\r\n\r\n");
    }
    wire.sent = [0; 2];
    let heard = wire.finish();
    assert!(heard.opened.is_empty() && heard.records.is_empty());
}

fn sasl(status: i32, token: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let token = vec![b't'; token];
    auth::SaslPacket { status: auth::Status::from_number(status), token: Some(&token) }.encode(&mut out);
    out
}

#[test]
fn sasl_comes_first_and_the_stream_goes_on_in_clear() {
    for size in [1, 3, 4, 15, 16, 17, 30, 100, 5000] {
        for keeps in [usize::MAX, 30] {
            let mut wire = Wire::open();
            wire.keeps = keeps;
            wire.send_in(ToLeader, &sasl(0, 0), size);
            wire.send_in(ToLearner, &sasl(0, 108), size);
            wire.send_in(ToLeader, &sasl(0, 3000), size);
            wire.send_in(ToLearner, &sasl(1, 40), size);
            wire.send(ToLeader, &follower_info(1));
            wire.send(ToLearner, &leader_info());
            let heard = wire.finish();
            let tokens: Vec<i32> = heard.auths.iter().map(|auth| auth.head.token_len).collect();
            assert_eq!(tokens, [0, 108, 3000, 40], "in pieces of {size}, {keeps} kept");
            assert_eq!(heard.auths[1].src, LEADER);
            assert_eq!(heard.records.len(), 2, "in pieces of {size}, {keeps} kept");
            assert_eq!(heard.totals[0].protection, Protection::Sasl);
            if keeps == usize::MAX {
                assert_eq!(heard.totals[0].bytes.to_leader.unframed, 0);
            }
        }
    }
}

#[test]
fn behind_tls_nothing_is_invented() {
    let record = |content: u8, len: usize| {
        let mut out = vec![content, 3, 3];
        out.extend((len as u16).to_be_bytes());
        out.extend(vec![0x5a; len]);
        out
    };
    for is_from_start in [true, false] {
        let mut wire = if is_from_start { Wire::open() } else { Wire::picked_up() };
        if is_from_start {
            wire.send(ToLeader, &record(22, 200));
            wire.send(ToLearner, &record(22, 1300));
        }
        for _ in 0..10 {
            wire.wait(500);
            wire.send(ToLearner, &[record(23, 45), ping(zxid(3))].concat());
            wire.send(ToLeader, &record(23, 45));
        }
        wire.send(ToLearner, &ping(zxid(3)));
        let heard = wire.finish();
        assert_eq!(heard.totals[0].protection, Protection::Tls, "from the start: {is_from_start}");
        assert!(heard.records.is_empty());
        let bytes = &heard.totals[0].bytes;
        assert_eq!((bytes.to_leader.decoded, bytes.to_learner.decoded), (0, 0));
    }
}

#[test]
fn lost_segments_cost_what_they_held_and_no_more() {
    let piece = |n: u32| [proposal(zxid(n), 80 + n as usize), commit(zxid(n))].concat();
    for lost in 2..9 {
        let mut wire = Wire::open();
        wire.send(ToLearner, &leader_info());
        for n in 1..10 {
            wire.wait(10);
            if n == lost {
                wire.skip(ToLearner, piece(n).len());
            } else {
                wire.send(ToLearner, &piece(n));
            }
            wire.ack(ToLeader);
        }
        let heard = wire.finish();
        assert_eq!(heard.gaps, [(ToLearner, piece(lost).len() as u64)]);
        let losses = &heard.totals[0].losses.to_learner;
        assert_eq!((losses.total(), losses.by_reason().collect()), (1, vec![(FramingLoss::Gap, 1)]));
        assert_eq!(heard.count(ToLearner, PacketType::Proposal), 8);
        assert_eq!(heard.count(ToLearner, PacketType::Commit), 8);
        assert_eq!(heard.totals[0].bytes.to_learner.unframed, 0);
    }
}

#[test]
fn a_gap_inside_a_packet_of_known_length_loses_nothing_else() {
    let big = proposal(zxid(1), 5000);
    let mut wire = Wire::open();
    wire.send(ToLearner, &leader_info());
    wire.send(ToLearner, &big[..1000]);
    wire.skip(ToLearner, 1000);
    wire.send(ToLearner, &[&big[2000..], &commit(zxid(1))].concat());
    wire.ack(ToLeader);
    wire.wait(100);
    wire.ack(ToLeader);
    let heard = wire.finish();
    assert_eq!(heard.kinds(ToLearner)[1..], [PacketType::Proposal, PacketType::Commit]);
    let found = &heard.records[1];
    assert_eq!((found.size, found.seen.len(), found.cut), (Some(5000), 1000, 1000));
    assert_eq!(heard.totals[0].losses.to_learner.total(), 0);
}

#[test]
fn a_gap_over_the_next_start_is_passed_to_the_next_strong_one() {
    let big = proposal(zxid(1), 5000);
    let mut wire = Wire::open();
    wire.send(ToLearner, &leader_info());
    wire.send(ToLearner, &big[..1000]);
    wire.skip(ToLearner, 4000 + 20);
    let middle = &proposal(zxid(2), 500)[100..];
    wire.send(ToLearner, middle);
    wire.send(ToLearner, &commit(zxid(2)));
    wire.ack(ToLeader);
    wire.wait(100);
    wire.ack(ToLeader);
    let heard = wire.finish();
    assert_eq!(heard.kinds(ToLearner)[1..], [PacketType::Proposal, PacketType::Commit]);
    assert_eq!(heard.totals[0].bytes.to_learner.unframed, middle.len() as u64);
}

#[test]
fn a_snapshot_is_passed_over_to_its_end() {
    let snap = small(PacketType::Snap, zxid(9));
    let stream = snapshot(20_000);
    let rest = [newleader(158), commit(zxid(10)), uptodate()].concat();
    for size in [1448, 4096, 7, 60_000] {
        let mut wire = Wire::open();
        wire.send(ToLearner, &leader_info());
        wire.send(ToLearner, &snap);
        wire.wait(5);
        wire.send_in(ToLearner, &[&stream[..], &rest].concat(), size);
        let heard = wire.finish();
        use PacketType::{Commit, NewLeader, Snap, UpToDate};
        assert_eq!(heard.kinds(ToLearner)[1..], [Snap, NewLeader, Commit, UpToDate], "pieces of {size}");
        assert_eq!(heard.snapshots.len(), 1);
        let found = &heard.snapshots[0];
        assert_eq!((found.bytes, found.is_complete), (stream.len() as u64, true));
        assert_eq!((found.from, found.to), (START, START.plus(Span::from_millis(5))));
    }
}

#[test]
fn a_cut_snapshot_ends_where_a_packet_surely_begins() {
    use PacketType::{LeaderInfo, NewLeader, Ping, Snap, UpToDate};
    let mut wire = Wire::open();
    wire.keeps = 30;
    wire.send(ToLeader, &follower_info(1));
    wire.send(ToLearner, &leader_info());
    wire.send(ToLearner, &small(Snap, zxid(9)));
    wire.send_in(ToLearner, &snapshot(20_000), 1448);
    wire.send(ToLearner, &newleader(158));
    wire.send(ToLearner, &uptodate());
    wire.send(ToLearner, &ping(zxid(9)));
    let heard = wire.finish();
    assert_eq!(heard.kinds(ToLearner), [LeaderInfo, Snap, NewLeader, UpToDate, Ping]);
    assert_eq!(heard.snapshots[0].bytes, snapshot(20_000).len() as u64);
    assert_eq!(heard.totals[0].bytes.to_learner.unframed, 0);
}

#[test]
fn a_snapshot_that_does_not_end_is_said_to_be_unfinished() {
    let mut wire = Wire::open();
    wire.send(ToLearner, &leader_info());
    wire.send(ToLearner, &small(PacketType::Snap, zxid(9)));
    wire.send(ToLearner, &snapshot(500)[..300]);
    let heard = wire.finish();
    assert_eq!((heard.snapshots[0].bytes, heard.snapshots[0].is_complete), (300, false));
}

#[test]
fn types_that_no_release_knows_are_records() {
    use PacketType::{Ping, Unknown};
    for (direction, opening) in [(ToLeader, follower_info(1)), (ToLearner, leader_info())] {
        let mut wire = Wire::open();
        wire.send(direction, &opening);
        wire.send(direction, &packet(Unknown(20), zxid(1), None));
        wire.send(direction, &packet(Unknown(77), zxid(1), Some(b"what is this")));
        wire.send(direction, &packet(Ping, zxid(1), direction.is_to_leader().then_some(&[])));
        let heard = wire.finish();
        assert_eq!(heard.kinds(direction)[1..], [Unknown(20), Unknown(77), Ping]);
    }
}

#[test]
fn what_a_cut_hides_is_counted_to_the_byte() {
    let said = conversation();
    for keeps in [0, 3, 4, 9, 10, 12, 16, 20, 30, 62, 134] {
        for batch in [1, 2, 3, 5] {
            let mut wire = Wire::open();
            wire.keeps = keeps;
            for direction in [ToLeader, ToLearner] {
                let of_it: Vec<&Vec<u8>> =
                    said.iter().filter(|(d, ..)| *d == direction).map(|(.., bytes)| bytes).collect();
                for packets in of_it.chunks(batch) {
                    wire.wait(1);
                    wire.send(direction, &packets.iter().copied().flatten().copied().collect::<Vec<u8>>());
                }
            }
            // `finish` checks that everything adds up; the seen packets are in the right order.
            let heard = wire.finish();
            for direction in [ToLeader, ToLearner] {
                let mut expected = kinds_of(&said, direction).into_iter();
                for record in heard.records.iter().filter(|r| r.direction == direction && !r.inferred) {
                    assert!(expected.any(|kind| kind == record.kind), "{keeps} kept: {record:?}");
                }
            }
        }
    }
}

#[test]
fn the_front_of_a_head_is_enough_where_several_agree() {
    // At 96 bytes a frame of IPv6 leaves 10 of payload: the type, the epoch, half of the counter.
    for (keeps, picked_up) in [(10, false), (10, true), (14, false), (14, true)] {
        let mut wire = if picked_up { Wire::picked_up() } else { Wire::open() };
        wire.keeps = keeps;
        for number in 1..=40 {
            wire.wait(20);
            wire.send(ToLearner, &proposal(zxid(number), 120));
            wire.wait(1);
            wire.send(ToLeader, &ack(zxid(number)));
            wire.wait(1);
            wire.send(ToLearner, &commit(zxid(number)));
        }
        let heard = wire.finish();
        for (direction, kind) in
            [(ToLearner, PacketType::Proposal), (ToLeader, PacketType::Ack), (ToLearner, PacketType::Commit)]
        {
            let count = heard.count(direction, kind);
            assert!((36..=40).contains(&count), "{keeps} kept: {count} {kind}");
        }
        if keeps > 12 {
            let acks: Vec<_> = heard.records.iter().filter(|r| r.kind == PacketType::Ack).collect();
            assert!(acks.iter().all(|ack| ack.zxid.is_some()));
            assert!(acks.iter().filter(|ack| !ack.inferred).count() >= 36);
        }
    }
}

#[test]
fn fronts_that_do_not_agree_are_no_heads() {
    for keeps in [10, 14] {
        let mut wire = Wire::open();
        wire.keeps = keeps;
        for number in 1..=40 {
            // Another protocol counts up in the bytes of the epoch.
            wire.send(ToLearner, &commit(Zxid::new(number, 5)));
            wire.send(ToLeader, &ack(Zxid::new(number + 7, 5)));
            // Contradictory heads prove neither epoch.
            wire.send(ToLearner, b"\0\0\0\x04\0\0\0\x09 some text that goes on for a while");
            wire.send(ToLearner, b"\0\0\x08\x04\0\0\0\x09 some text that goes on for a while");
        }
        assert!(wire.finish().records.is_empty());
    }
}

#[test]
fn long_identities_are_believed_once_they_come_again() {
    let mut wire = Wire::open();
    for (direction, _, bytes) in conversation() {
        wire.send(direction, &bytes);
    }
    wire.keeps = 30;
    let name = "CN=some.client,OU=".repeat(20);
    for number in 0..3 {
        wire.send(ToLeader, &request(number, 40, Some(&name)));
        wire.send(ToLeader, &ack(zxid(10 + number)));
    }
    let heard = wire.finish();
    let sizes: Vec<_> =
        heard.records.iter().filter(|r| r.kind == PacketType::Request).skip(2).map(|r| r.size).collect();
    let size = request(0, 40, Some(&name)).len() as u64;
    assert_eq!(sizes, [None, Some(size), Some(size)]);
    assert_eq!(heard.records.iter().filter(|r| r.kind == PacketType::Ack && r.cut == 0).count(), 7);
}

#[test]
fn full_segments_are_no_identities_however_often_they_come() {
    let mut wire = Wire::open();
    for (direction, _, bytes) in conversation() {
        wire.send(direction, &bytes);
    }
    wire.keeps = 30;
    for number in 0..3 {
        let mut all = request(number, 40, Some("10.0.0.7"));
        all.extend(pong(zxid(number), 1).repeat(60));
        all.truncate(1_448);
        wire.send(ToLeader, &all);
    }
    let heard = wire.finish();
    let sizes = heard.records.iter().filter(|r| r.kind == PacketType::Request).skip(2).map(|r| r.size);
    assert_eq!(sizes.collect::<Vec<_>>(), [None; 3]);
}

#[test]
fn a_request_that_ends_among_cut_bytes_takes_no_others_with_it() {
    let mut wire = Wire::open();
    for (direction, _, bytes) in conversation() {
        wire.send(direction, &bytes);
    }
    wire.keeps = 30;
    // A retransmission merges many segments into one, so many packets follow the first.
    let mut all = request(1, 40, Some("10.0.0.7"));
    for number in 10..30 {
        all.extend(ack(zxid(number)));
        all.extend(pong(zxid(number), 1));
    }
    wire.send(ToLeader, &all);
    let after = ack(zxid(30));
    wire.send(ToLeader, &after);
    let heard = wire.finish();
    let [.., request, last] = heard.records.as_slice() else { panic!("{} records", heard.records.len()) };
    assert_eq!((request.kind, request.size), (PacketType::Request, None));
    assert_eq!((last.kind, last.zxid), (PacketType::Ack, Some(zxid(30))));
    let sums = heard.totals[0].bytes.to_leader;
    assert_eq!(
        sums.decoded + sums.cut - sums.cut_unframed + sums.unframed,
        sums.stream() - sums.cut_unframed
    );
    assert!(sums.cut_unframed > 800, "{sums:?}");
}
