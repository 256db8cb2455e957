//! The election port.

use super::*;
use crate::proto::election::{Hello, Notification};

const DIALED: Endpoint = endpoint(2, 3888);

fn vote(state: ServerState, leader: i64, version: Option<i32>, config: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    let peer_epoch = version.map(|_| 4);
    Notification {
        state,
        leader: Sid(leader),
        zxid: Zxid::new(4, 43),
        election_epoch: 1,
        peer_epoch,
        version,
        config,
        rest: &[],
    }
    .encode(&mut out);
    out
}

fn looking(leader: i64) -> Vec<u8> {
    vote(ServerState::Looking, leader, Some(2), Some(b"server.1=a:2888:3888:participant\nversion=0"))
}

fn hellos() -> Vec<(Vec<u8>, Sid)> {
    let text = b"10.0.0.1:3888";
    let forms = [
        Hello::Bare { sid: Sid(3) },
        Hello::Addressed { protocol: Hello::V1, sid: Sid(4), text },
        Hello::Addressed { protocol: Hello::V2, sid: Sid(5), text: b"10.0.0.1:3888|10.1.0.1:3888" },
    ];
    forms
        .into_iter()
        .map(|hello| {
            let mut out = Vec::new();
            hello.encode(&mut out);
            (out, hello.sid())
        })
        .collect()
}

fn dialed() -> Wire {
    let mut wire = Wire::between(LEARNER, DIALED);
    wire.handshake();
    wire
}

fn whats(heard: &Recorder, src: Endpoint) -> Vec<What> {
    heard.votes.iter().filter(|vote| vote.src == src).map(|vote| vote.what.clone()).collect()
}

#[test]
fn a_hello_in_any_form_and_votes_behind_it() {
    for (hello, sid) in hellos() {
        for size in [1, 2, 3, 4, 5, 8, 19, 20, 21, 1000] {
            let mut wire = dialed();
            wire.send_in(ToLeader, &[hello.clone(), looking(3), looking(2)].concat(), size);
            wire.send_in(ToLearner, &looking(7), size);
            let heard = wire.finish();
            let vote = |leader| What::Notification(ServerState::Looking, Sid(leader), Some(4));
            assert_eq!(whats(&heard, LEARNER), [What::Hello(sid), vote(3), vote(2)], "pieces of {size}");
            assert_eq!(whats(&heard, DIALED), [vote(7)], "pieces of {size}");
            assert!(heard.opened.is_empty());
        }
    }
}

#[test]
fn notifications_of_every_length() {
    let forms = [
        vote(ServerState::Leading, 1, None, None),
        vote(ServerState::Following, 1, Some(1), None),
        looking(1),
        vote(ServerState::Observing, i64::MIN, Some(2), Some(b"")),
    ];
    assert_eq!(forms.each_ref().map(Vec::len)[..2], [32, 44]);
    for keeps in [usize::MAX, 62, 36, 32] {
        for form in &forms {
            for is_separate in [false, true] {
                let mut wire = dialed();
                wire.keeps = keeps;
                wire.send(ToLeader, &hellos()[0].0);
                for _ in 0..3 {
                    if is_separate {
                        wire.send(ToLearner, &form[..4]);
                        wire.send(ToLearner, &form[4..]);
                    } else {
                        wire.send(ToLearner, form);
                    }
                }
                let heard = wire.finish();
                let found = whats(&heard, DIALED);
                assert_eq!(found.len(), 3);
                assert!(
                    found.iter().all(|what| matches!(what, What::Notification(..))),
                    "{keeps}: {found:?}"
                );
                let cut =
                    form.len().saturating_sub(if is_separate { keeps.saturating_add(4) } else { keeps });
                assert!(heard.votes[1..].iter().all(|v| (v.size, v.cut) == (form.len() as u64, cut as u64)));
            }
        }
    }
}

#[test]
fn a_length_in_four_segments_of_one_byte() {
    for keeps in [usize::MAX, 30] {
        let mut wire = dialed();
        wire.keeps = keeps;
        for leader in [3, 4, 5] {
            let vote = looking(leader);
            wire.send_in(ToLearner, &vote[..4], 1);
            wire.send(ToLearner, &vote[4..]);
        }
        let heard = wire.finish();
        let leaders: Vec<Sid> = heard
            .votes
            .iter()
            .map(|vote| match vote.what {
                What::Notification(_, leader, _) => leader,
                _ => panic!("{vote:?}"),
            })
            .collect();
        assert_eq!(leaders, [Sid(3), Sid(4), Sid(5)]);
        assert_eq!(heard.votes[1].frame, 3 + 6, "the first byte's frame");
    }
}

#[test]
fn what_is_cut_too_short_to_read_is_still_a_message() {
    let mut wire = dialed();
    wire.keeps = 20;
    wire.send(ToLeader, &hellos()[1].0);
    wire.send(ToLearner, &looking(3));
    wire.send(ToLearner, &looking(3));
    let heard = wire.finish();
    assert_eq!(whats(&heard, DIALED), [What::Unread, What::Unread]);
    assert_eq!(whats(&heard, LEARNER), [What::Hello(Sid(4))]);
}

#[test]
fn a_cut_that_hides_a_length_loses_the_thread_until_the_next_segment() {
    let mut wire = dialed();
    wire.keeps = 62;
    wire.send(ToLearner, &[looking(3), looking(4)].concat());
    wire.send(ToLearner, &looking(5));
    let heard = wire.finish();
    let vote = |leader| What::Notification(ServerState::Looking, Sid(leader), Some(4));
    assert_eq!(whats(&heard, DIALED)[0], vote(3));
    assert_eq!(*whats(&heard, DIALED).last().unwrap(), vote(5));
}

#[test]
fn a_capture_may_begin_inside_and_lose_segments() {
    for keeps in [usize::MAX, 62, 30] {
        let vote = looking(6);
        let mut wire = Wire::between(LEARNER, DIALED);
        wire.keeps = keeps;
        // The length was sent before the capture began.
        wire.send(ToLeader, &vote[4..]);
        wire.send(ToLeader, &vote[..4]);
        wire.send(ToLeader, &vote[4..]);
        wire.skip(ToLeader, vote.len() + 4);
        wire.send(ToLeader, &vote[4..]);
        wire.send(ToLeader, &vote[..4]);
        wire.send(ToLeader, &vote[4..]);
        wire.ack(ToLearner);
        wire.wait(100);
        wire.ack(ToLearner);
        let heard = wire.finish();
        let found = whats(&heard, LEARNER);
        assert_eq!(found.len(), 4, "{keeps} kept: {found:?}");
        assert!(found.iter().all(|what| matches!(what, What::Notification(_, Sid(6), _))));
    }
}

#[test]
fn sasl_comes_behind_the_hello() {
    let mut token = Vec::new();
    let packet = crate::proto::auth::SaslPacket {
        status: crate::proto::auth::Status::InProgress,
        token: Some(&[b't'; 100]),
    };
    packet.encode(&mut token);
    for keeps in [usize::MAX, 30] {
        for size in [7, 60, 1000] {
            let mut wire = dialed();
            wire.keeps = keeps;
            wire.send(ToLeader, &hellos()[1].0);
            wire.send_in(ToLeader, &token, size);
            wire.send_in(ToLearner, &token, size);
            wire.send(ToLeader, &looking(3));
            wire.send(ToLearner, &looking(3));
            let heard = wire.finish();
            assert_eq!(heard.auths.len(), 2, "{keeps} kept, in pieces of {size}");
            assert_eq!(heard.votes.len(), 3, "{keeps} kept, in pieces of {size}");
        }
    }
}

#[test]
fn tls_and_other_protocols_say_nothing() {
    let hello = [&[0x16, 3, 1, 0, 100][..], &[7; 100]].concat();
    let others: [&[u8]; 4] = [&hello, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[0xff; 60], &[0; 60]];
    for bytes in others {
        let mut wire = dialed();
        for _ in 0..5 {
            wire.send(ToLeader, bytes);
            wire.send(ToLearner, bytes);
        }
        let heard = wire.finish();
        let votes = heard.votes.iter().filter(|vote| matches!(vote.what, What::Notification(..)));
        assert_eq!(votes.count(), 0, "{bytes:?}");
        assert!(heard.votes.len() < 3, "{:?}", heard.votes);
    }
}
