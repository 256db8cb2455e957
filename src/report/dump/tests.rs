use super::*;
use crate::dissect::ElectionMessage;
use crate::findings::sample::{address, at};
use crate::frame::FrameRef;
use crate::proto::body::{Body, TouchedSessions, encode};
use crate::proto::election::{Hello, Notification};
use crate::proto::txn::{self, Txn};
use crate::proto::{LearnerInfo, OpCode, ServerState, SessionId, Sid, Zxid};
use crate::report::clock::Digits;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

const SLOT: ConnectionSlot = ConnectionSlot(3);

fn options() -> DumpOptions {
    DumpOptions {
        is_json: false,
        is_verbose: true,
        types: Vec::new(),
        servers: None,
        from: None,
        to: None,
        clock: WallClock { zone: TimeZone::UTC, digits: Digits::Six },
        files: vec!["/captures/a.pcap".to_owned()],
        short_files: vec!["a.pcap".to_owned()],
    }
}

fn opened() -> LinkOpened {
    LinkOpened {
        leader: Endpoint { address: address(3), port: 2888 },
        learner: Endpoint { address: address(1), port: 40_000 },
        at: at(0),
        frame: FrameRef { file: 0, number: 1 },
        picked_up: false,
    }
}

/// What is written of a packet of which all but `cut` bytes were captured.
fn packet_line(
    options: DumpOptions,
    direction: Direction,
    bytes: &[u8],
    cut: usize,
    inferred: bool,
) -> String {
    let head = crate::proto::quorum::Head::decode(bytes).unwrap();
    let seen = &bytes[..bytes.len() - cut];
    let packet = PacketSeen {
        direction,
        kind: head.kind,
        zxid: Some(head.zxid),
        data_len: Some(head.data_len),
        size: Some(bytes.len() as u64),
        at: at(0),
        last_at: at(0),
        frame: FrameRef { file: 0, number: 42 },
        seen: if inferred { &[] } else { seen },
        cut: cut as u64,
        inferred,
        timed: true,
    };
    let mut out = Vec::new();
    let mut dump = Dump::new(&mut out, options);
    dump.link_opened(SLOT, &opened());
    dump.packet(SLOT, &packet);
    dump.flush().unwrap();
    String::from_utf8(out).unwrap()
}

fn proposal(path: &[u8]) -> Vec<u8> {
    let txn = Txn {
        header: txn::TxnHeader {
            session: SessionId(0x1_0000_0001),
            cxid: 7,
            zxid: Zxid(0x2_0000_0005),
            time_ms: 0,
            kind: OpCode::SetData,
        },
        body: txn::TxnBody::SetData { path: Some(path), data: Some(b"xyz"), version: 2 },
        digest: None,
    };
    let mut out = Vec::new();
    encode(PacketType::Proposal, Zxid(0x2_0000_0005), &Body::Proposal(txn), &no_authinfo(), &mut out);
    out
}

fn no_authinfo() -> crate::proto::quorum::Authinfo<'static> {
    crate::proto::quorum::Packet::new(PacketType::Ping, Zxid(0), None).authinfo
}

fn json_of(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_proposal_shows_its_transaction() {
    let line = packet_line(options(), Direction::ToLearner, &proposal(b"/app/x"), 0, false);
    assert_eq!(
        line,
        "2026-11-21 08:02:00.000000 10.255.0.3:2888 > 10.255.0.1:40000 PROPOSAL 0x200000005, length 73: \
         setData /app/x session 0x100000001 cxid 7 data 3 [a.pcap#42]\n"
    );
    let line = packet_line(
        DumpOptions { is_json: true, ..options() },
        Direction::ToLearner,
        &proposal(b"/app/x"),
        0,
        false,
    );
    assert_eq!(
        json_of(&line),
        json!({
            "file": "/captures/a.pcap", "frame": 42, "at": "2026-11-21T08:02:00.000000Z",
            "src": "10.255.0.3:2888", "dst": "10.255.0.1:40000", "proto": "quorum", "type": "PROPOSAL",
            "length": 73, "cut": 0, "zxid": "0x200000005", "data_length": 53,
            "txn": { "type": "setData", "session": "0x100000001", "cxid": 7, "path": "/app/x" },
        })
    );
}

#[test]
fn a_cut_proposal_shows_what_the_cut_left() {
    let bytes = proposal(b"/app/x");
    let options = DumpOptions { is_json: true, ..options() };
    let line = packet_line(options.clone(), Direction::ToLearner, &bytes, bytes.len() - 30, false);
    let expected = json!({ "type": null, "session": "0x100000001", "cxid": 7, "path": null });
    assert_eq!(json_of(&line)["txn"], expected);
    let line = packet_line(options, Direction::ToLearner, &bytes, bytes.len(), true);
    assert_eq!(json_of(&line)["inferred"], true);
    assert_eq!(json_of(&line)["txn"]["session"], Value::Null);
}

#[test]
fn pings_count_their_sessions_even_beyond_the_cut() {
    let mut table = Vec::new();
    for session in 0..20_u64 {
        table.extend_from_slice(&session.to_be_bytes());
        table.extend_from_slice(&30_000_i32.to_be_bytes());
    }
    let mut bytes = Vec::new();
    let body = Body::Ping(TouchedSessions::decode(&table).unwrap());
    encode(PacketType::Ping, Zxid(0x2_0000_0005), &body, &no_authinfo(), &mut bytes);
    let options = DumpOptions { is_json: true, ..options() };
    let line = packet_line(options, Direction::ToLeader, &bytes, bytes.len() - 30, false);
    let ping = json_of(&line);
    assert_eq!(ping["sessions"], 20);
    assert_eq!(ping["session_table"], json!([{ "session": "0x0", "timeout_ms": 30_000 }]));
    assert_eq!(ping["src"], "10.255.0.1:40000");
}

#[test]
fn the_handshake_shows_who_it_is() {
    let info = LearnerInfo { sid: Some(Sid(1)), protocol_version: Some(0x10000), config_version: None };
    let mut bytes = Vec::new();
    encode(PacketType::FollowerInfo, Zxid::new(4, 0), &Body::FollowerInfo(info), &no_authinfo(), &mut bytes);
    let options = DumpOptions { is_json: true, ..options() };
    let line = packet_line(options, Direction::ToLeader, &bytes, 0, false);
    let value = json_of(&line);
    assert_eq!([&value["sid"], &value["epoch"], &value["protocol_version"]], [1, 4, 0x10000]);
}

#[test]
fn election_messages_show_votes() {
    let notification = Notification {
        state: ServerState::Looking,
        leader: Sid(3),
        zxid: Zxid(0x2_0000_0005),
        election_epoch: 4,
        peer_epoch: Some(2),
        version: Some(1),
        config: None,
        rest: &[],
    };
    let hello = Hello::Addressed { protocol: Hello::V1, sid: Sid(1), text: b"10.0.0.1:3888\x1b[2J" };
    let mut out = Vec::new();
    let mut dump = Dump::new(&mut out, options());
    for message in [ElectionMessage::Hello(hello), ElectionMessage::Notification(notification)] {
        dump.election(&ElectionSeen {
            src: Endpoint { address: address(1), port: 40_001 },
            dst: Endpoint { address: address(3), port: 3888 },
            message,
            size: 44,
            cut: 0,
            at: at(1),
            frame: FrameRef { file: 0, number: 2 },
        });
    }
    dump.flush().unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("HELLO, sid 1, protocol -65536, length 44: 10.0.0.1:3888\\u{1b}[2J [a.pcap#2]\n"),
        "{text}"
    );
    assert!(
        text.contains("NOTIFICATION LOOKING for 3, zxid 0x200000005, round 4, epoch 2, length 44 ["),
        "{text}"
    );
}

#[test]
fn a_path_that_is_no_text_is_marked() {
    let options = DumpOptions { is_json: true, ..options() };
    let line = packet_line(options.clone(), Direction::ToLearner, &proposal(b"/\xff\x1b"), 0, false);
    assert_eq!(json_of(&line)["txn"]["path"], "/\\xff\\u{1b}");
    assert_eq!(json_of(&line)["txn"]["path_hex"], "2fff1b");
    let line = packet_line(options, Direction::ToLearner, &proposal("/\u{202e}".as_bytes()), 0, false);
    assert!(line.is_ascii(), "{line}");
    assert_eq!(json_of(&line)["txn"]["path"], "/\u{202e}");
}

#[test]
fn only_what_was_asked_for_is_written() {
    let bytes = proposal(b"/a");
    let count = |options| packet_line(options, Direction::ToLearner, &bytes, 0, false).lines().count();
    let types = |name| vec![TypeChoice::read(name).unwrap()];
    assert_eq!(count(DumpOptions { types: types("proposal"), ..options() }), 1);
    assert_eq!(count(DumpOptions { types: types("2"), ..options() }), 1);
    assert_eq!(count(DumpOptions { types: types("Ack"), ..options() }), 0);
    assert_eq!(count(DumpOptions { servers: Some(vec![address(1)]), ..options() }), 1);
    assert_eq!(count(DumpOptions { servers: Some(vec![address(9)]), ..options() }), 0);
    assert_eq!(count(DumpOptions { from: Some(at(1)), ..options() }), 0);
    assert_eq!(count(DumpOptions { to: Some(at(-1)), ..options() }), 0);
    assert_eq!(TypeChoice::read("nonsense"), None);
    assert!(TypeChoice::read("UNKNOWN").unwrap().takes("UNKNOWN(77)"));
    assert!(!TypeChoice::read("unknown(78)").unwrap().takes("UNKNOWN(77)"));
}

#[test]
fn a_writer_that_fails_is_told_once() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut dump = Dump::new(Closed, options());
    dump.link_opened(SLOT, &opened());
    dump.snapshot(SLOT, &SnapshotSeen { bytes: 1, from: at(0), to: at(1), is_complete: true });
    assert_eq!(dump.check().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert!(dump.check().is_ok());
}
