//! Foreign and forged data on these ports: none of it becomes a record, all of it is counted.

use super::bytes::*;
use super::*;
use crate::testkit::random::Random;

/// Both directions of another protocol, in segments.
fn overhear(segments: &[(Direction, Vec<u8>)], is_from_start: bool, keeps: usize) -> Recorder {
    let mut wire = if is_from_start { Wire::open() } else { Wire::picked_up() };
    wire.keeps = keeps;
    for (direction, bytes) in segments {
        wire.wait(1);
        wire.send(*direction, bytes);
    }
    wire.finish()
}

fn assert_nothing(segments: &[(Direction, Vec<u8>)]) {
    for is_from_start in [true, false] {
        for keeps in [usize::MAX, 62, 30, 10, 4, 0] {
            let heard = overhear(segments, is_from_start, keeps);
            let what = (is_from_start, keeps, heard.records.first());
            assert!(heard.records.is_empty() && heard.snapshots.is_empty(), "{what:?}");
            let bytes = &heard.totals[0].bytes;
            assert_eq!((bytes.to_leader.decoded, bytes.to_learner.decoded), (0, 0), "{what:?}");
        }
    }
}

#[test]
fn http_is_none_of_ours() {
    let request = b"GET /commands/stat HTTP/1.1\r\nHost: zk1:2888\r\nAccept: */*\r\n\r\n".to_vec();
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found".to_vec();
    assert_nothing(&vec![[(ToLeader, request), (ToLearner, answer)]; 4].concat());
}

#[test]
fn clients_on_the_quorum_port_are_none_of_ours() {
    let frame = |parts: &[&[u8]]| {
        let body = parts.concat();
        [&(body.len() as u32).to_be_bytes(), &body[..]].concat()
    };
    let connect =
        frame(&[&[0; 4], &[0; 8], &10_000_u32.to_be_bytes(), &[0; 8], &[0, 0, 0, 16], &[0; 16], &[0]]);
    let ping = frame(&[&(-2_i32).to_be_bytes(), &11_u32.to_be_bytes()]);
    let mut segments = vec![(ToLeader, connect.clone()), (ToLearner, connect[..41].to_vec())];
    for len in 1..60_u32 {
        let op = if len % 2 == 0 { 4_u32 } else { 3 };
        let path = vec![b'/'; len as usize];
        segments.push((
            ToLeader,
            frame(&[&len.to_be_bytes(), &op.to_be_bytes(), &len.to_be_bytes(), &path, &[0]]),
        ));
        let zxid = zxid(len).0.to_be_bytes();
        segments.push((ToLearner, frame(&[&len.to_be_bytes(), &zxid, &[0; 4], &vec![b'v'; len as usize]])));
        segments.push((ToLeader, ping.clone()));
        segments.push((ToLearner, frame(&[&(-2_i32).to_be_bytes(), &zxid, &[0; 4]])));
    }
    assert_nothing(&segments);
}

#[test]
fn random_bytes_are_none_of_ours() {
    for seed in 0..200 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let segments: Vec<_> = (0..40)
            .map(|_| {
                let direction = if random.chance(50) { ToLeader } else { ToLearner };
                let len = 1 + random.index(1400);
                let mut bytes = random.bytes(len);
                if random.chance(30) {
                    // Small numbers in words of four, as in many protocols.
                    bytes
                        .iter_mut()
                        .enumerate()
                        .for_each(|(at, byte)| *byte &= if at % 4 == 3 { 31 } else { 0 });
                }
                (direction, bytes)
            })
            .collect();
        assert_nothing(&segments);
    }
}

#[test]
fn a_stream_begins_as_streams_of_its_direction_do() {
    // Packets of a running link prove nothing at the start of a stream.
    for (direction, bytes) in [
        (ToLeader, packet(PacketType::Unknown(44), Zxid(0), Some(&[]))),
        (ToLearner, packet(PacketType::Unknown(44), Zxid(0), Some(&[]))),
        (ToLearner, packet(PacketType::Unknown(99), zxid(1), Some(&[0; 30]))),
    ] {
        for keeps in [usize::MAX, 16] {
            assert!(overhear(&[(direction, bytes.clone())], true, keeps).records.is_empty());
        }
    }
}

#[test]
fn a_length_that_was_never_one_does_not_hide_a_link_for_long() {
    use PacketType::{NewLeader, Ping, Proposal, Request, Snap};
    let opening = [(ToLeader, follower_info(1)), (ToLearner, leader_info())];
    for (direction, lie) in [
        (ToLearner, head(Proposal, zxid(1), 60 << 20)),
        (ToLearner, head(NewLeader, zxid(0), 2_000_000)),
        (ToLearner, small(Snap, zxid(1))),
        (ToLeader, head(Ping, zxid(1), 12_000_000)),
        (ToLeader, head(Request, Zxid::NONE, 60 << 20)),
    ] {
        for keeps in [usize::MAX, 30] {
            let mut wire = Wire::open();
            wire.keeps = keeps;
            for (direction, bytes) in &opening {
                wire.send(*direction, bytes);
            }
            wire.send(direction, &lie);
            for n in 0..20 {
                wire.wait(500);
                wire.send(ToLearner, &ping(zxid(1)));
                wire.send(
                    ToLeader,
                    &[ack(zxid(n + 1)), pong(zxid(1), 1)].concat()[..if n % 2 == 0 { 20 } else { 52 }],
                );
            }
            let heard = wire.finish();
            let of_it: Vec<&Record> =
                heard.records.iter().filter(|r| r.direction == direction && r.seen.len() >= 20).collect();
            assert!(of_it.len() >= 16, "{direction:?} {lie:?} {keeps}: {}", of_it.len());
            assert!(heard.records.iter().all(|r| r.size.is_none_or(|size| size < 1000)));
            assert_eq!(heard.totals[0].losses.of(direction).total(), 1);
        }
    }
}

#[test]
fn packets_that_are_data_stay_data() {
    // A client wrote packet-like data into a znode; segment boundaries fall anywhere in it.
    let fake = [ping(zxid(900)), commit(zxid(901))].concat().repeat(400);
    let mut bytes = proposal(zxid(1), 52 + fake.len());
    bytes[48..48 + fake.len()].copy_from_slice(&fake);
    for size in [1448, 1460, 536, 1220] {
        let mut wire = Wire::open();
        wire.send(ToLearner, &leader_info());
        wire.send_in(ToLearner, &bytes, size);
        wire.send(ToLearner, &commit(zxid(1)));
        let heard = wire.finish();
        assert_eq!(heard.kinds(ToLearner)[1..], [PacketType::Proposal, PacketType::Commit]);
    }
}

#[test]
fn times_that_jump_do_no_harm() {
    let mut wire = Wire::open();
    wire.keeps = 30;
    wire.send(ToLearner, &leader_info());
    for (n, nanos) in
        [0, i64::MAX, i64::MIN, 5, 1 << 62, -(1 << 62), i64::MAX, 0].into_iter().cycle().take(64).enumerate()
    {
        wire.now = Timestamp::from_nanos(nanos);
        wire.send(ToLearner, &ping(zxid(n as u32 + 1)));
        wire.send(ToLearner, &[proposal(zxid(n as u32 + 1), 90), ping(zxid(n as u32 + 1))].concat());
        wire.send(ToLeader, &[ack(zxid(n as u32 + 1)), pong(zxid(n as u32 + 1), 1)].concat());
    }
    wire.finish();
}

#[test]
fn whatever_becomes_of_a_stream_its_bytes_add_up() {
    let to_leader = [
        follower_info(1),
        ack_epoch(zxid(0)),
        ack(zxid(0)),
        ack(zxid(0)),
        (1..30).flat_map(|n| ack(zxid(n))).collect(),
        request(1, 100, Some("10.0.0.7")),
        create_session(),
        pong(zxid(9), 4),
        revalidate(true),
    ]
    .concat();
    let mut to_learner =
        [leader_info(), small(PacketType::Diff, Zxid::new(EPOCH, 0)), newleader(158), uptodate()].concat();
    for n in 1..30 {
        to_learner.extend(proposal(zxid(n), 60 + n as usize * 7 % 400));
        to_learner.extend(commit(zxid(n)));
        to_learner.extend(ping(zxid(n)));
    }
    to_learner.extend([small(PacketType::Snap, zxid(30)), snapshot(500), proposal(zxid(31), 80)].concat());
    for seed in 0..3000 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut wire = if random.chance(70) { Wire::open() } else { Wire::picked_up() };
        wire.keeps = [usize::MAX, 134, 62, 30, 20, 13, 10, 5, 0][random.index(9)];
        let damage = random.within(0..4);
        let mut streams = [(ToLeader, to_leader.clone()), (ToLearner, to_learner.clone())];
        for (_, stream) in &mut streams {
            for _ in 0..damage {
                let at = random.index(stream.len());
                stream[at] = random.next() as u8;
            }
        }
        let mut rest = streams.each_ref().map(|(_, stream)| &stream[..]);
        while rest.iter().any(|rest| !rest.is_empty()) {
            let side = random.index(2);
            let direction = streams[side].0;
            let most = [20, 60, 200, 1500][random.index(4)];
            let (piece, behind) = rest[side].split_at((1 + random.index(most)).min(rest[side].len()));
            rest[side] = behind;
            wire.wait(i64::try_from(random.within(0..60)).unwrap());
            if piece.is_empty() {
                continue;
            }
            // Nothing is dropped at the very start, where its length would be unknown.
            if wire.sent[side] > 0 && random.chance(5) {
                wire.skip(direction, piece.len());
            } else {
                wire.send(direction, piece);
            }
        }
        for _ in 0..2 {
            // Both sides have acknowledged everything.
            wire.ack(ToLeader);
            wire.ack(ToLearner);
            wire.wait(100);
        }
        if wire.sent.iter().all(|sent| *sent > 0) {
            wire.finish_but_for_a_byte();
        }
    }
}

impl Wire {
    /// Like [`Wire::finish`], if the last byte of a stream may be taken for the sequence number of a FIN.
    fn finish_but_for_a_byte(mut self) {
        self.segment(ToLeader, 0, b"", Flags::FIN | Flags::ACK);
        self.segment(ToLearner, 0, b"", Flags::FIN | Flags::ACK);
        self.finish();
    }
}
