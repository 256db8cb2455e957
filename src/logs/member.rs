//! One line of an etcd member's log: JSON as zap writes it (3.4 by flag, 3.5, 3.6), or capnslog's text (3.3, 3.4).
//!
//! ```text
//! {"level":"warn","ts":"2026-11-25T09:39:38.971Z","caller":"rafthttp/stream.go:436","msg":"lost TCP ...", ...}
//! 2026-11-25 09:00:11.876629 W | rafthttp: lost the TCP streaming connection with peer b64d3a7129bf7f21 (...)
//! raft2026/11/25 09:13:34 INFO: 3fb8ea78db0ad89b became follower at term 3
//! ```
//!
//! The texts are those of etcd 3.3 to 3.6: `rafthttp/stream.go`, `peer_status.go`, `probing_status.go`,
//! `snapshot_sender.go`, `etcdserver/raft.go`, `server.go`, `wal/wal.go`, and raft's own.

use super::event::{LogEvent, shortened};
use super::line::{self, Stamp};
use crate::findings::log::{Level, LogEventKind};
use crate::time::Timestamp;
use serde_json::{Map, Value};

/// Where JSON begins, behind whatever a collector put before it.
const JSON: &str = "{\"level\":\"";
/// Digits of a member's id that tell it from a word: `%x` leaves out zeros that lead, rarely more than two.
const MIN_ID: usize = 12;

/// What a line tells, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberLine {
    /// Its time, as written.
    pub stamp: Stamp,
    /// The member whose line it is, where it names it.
    pub own: Option<u64>,
    /// What it tells of, if of anything that matters.
    pub event: Option<LogEvent>,
}

/// Whether a line is JSON of zap's: no other reader is to have it.
#[must_use]
pub fn is_json(line: &str) -> bool {
    line.contains(JSON)
}

/// Reads a line of zap's.
#[must_use]
pub fn json(line: &str) -> Option<MemberLine> {
    let text = line.get(line.find(JSON)?..)?;
    // More may follow on the line: what a collector adds.
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Map<String, Value>>();
    let fields = values.next()?.ok()?;
    let of = |name: &str| fields.get(name).and_then(Value::as_str);
    let stamp = match fields.get("ts")? {
        Value::String(text) => line::stamp(text)?.0,
        number => epoch(&number.to_string())?,
    };
    let level = match of("level")? {
        "debug" => Level::Debug,
        "info" => Level::Info,
        "warn" => Level::Warn,
        _ => Level::Error,
    };
    let message = of("msg")?;
    let own = of("local-member-id").or_else(|| first_word(message)).and_then(id);
    let peer = ["remote-peer-id", "peer-id", "remote-raft-peer-id", "to"].into_iter().find_map(of);
    let peer = peer.or_else(|| of("remote-snapshot-sender-at")).and_then(id);
    let took = ["took", "exceeded-duration", "download-took"].into_iter().find_map(of).and_then(go_duration);
    let mut text = message.to_owned();
    if let Some(error) = of("error") {
        text.push_str(": ");
        text.push_str(error);
    }
    let event = event(stamp, level, &text).map(|event| LogEvent {
        peer_member: peer.or(event.peer_member),
        took_ms: took.or(event.took_ms),
        ..event
    });
    Some(MemberLine { stamp, own, event })
}

/// Reads a line of capnslog's, or of raft's logger.
#[must_use]
pub fn text(line: &str) -> Option<MemberLine> {
    if let Some((stamp, level, text)) = raft(line) {
        let own = text.strip_prefix("raft.node: ").unwrap_or(text);
        return Some(MemberLine {
            stamp,
            own: first_word(own).and_then(id),
            event: event(stamp, level, text),
        });
    }
    let (stamp, rest) = line::stamp_within(line)?;
    let (level, rest) = rest.trim_start().split_once(" | ")?;
    let level = match level {
        "D" | "T" => Level::Debug,
        "I" | "N" => Level::Info,
        "W" => Level::Warn,
        "E" | "C" => Level::Error,
        _ => return None,
    };
    // `rafthttp: text`; the package is none of the text.
    let (package, text) = rest.split_once(": ")?;
    if package.contains(' ') {
        return None;
    }
    let own = text.strip_prefix("starting member ").and_then(first_word);
    let own = own.or_else(|| first_word(text).filter(|_| text.contains("initialized peer connection")));
    Some(MemberLine { stamp, own: own.and_then(id), event: event(stamp, level, text) })
}

/// `raft2026/11/25 09:13:34 INFO: text`.
fn raft(line: &str) -> Option<(Stamp, Level, &str)> {
    let at = line.find("raft2").filter(|at| *at < line::MAX_PREFIX)?;
    let rest = line.get(at + 4..)?;
    let (date, rest) = (rest.get(..10)?, rest.get(10..)?);
    let (time, rest) = (rest.get(..9)?, rest.get(9..)?);
    let (stamp, _) = line::stamp(&format!("{}{time}", date.replace('/', "-")))?;
    let (level, text) = rest.trim_start().split_once(": ")?;
    let level = match level {
        "DEBUG" => Level::Debug,
        "INFO" => Level::Info,
        "WARN" | "WARNING" => Level::Warn,
        "ERROR" | "FATAL" | "PANIC" => Level::Error,
        _ => return None,
    };
    Some((stamp, level, text))
}

/// Seconds since 1970, as zap's own encoder writes them.
fn epoch(number: &str) -> Option<Stamp> {
    let (seconds, fraction) = number.split_once('.').unwrap_or((number, ""));
    let nanos = fraction.bytes().take_while(u8::is_ascii_digit).take(9);
    let nanos = nanos.chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0_u32, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    let seconds = seconds.parse().ok().filter(|seconds| (0..1 << 33).contains(seconds))?;
    Some(Stamp { wall: Timestamp::from_parts(seconds, nanos), offset_s: Some(0) })
}

fn event(stamp: Stamp, level: Level, text: &str) -> Option<LogEvent> {
    let kind = kind(text)?;
    let took_ms = match kind {
        LogEventKind::WalSync => after(text, "sync duration of "),
        LogEventKind::HeartbeatLate => after(text, "timeout for "),
        LogEventKind::ApplySlow => after(text, "took too long ("),
        _ => None,
    };
    let peer = ["with peer ", "peer ", "failed to read ", "failed to write ", "to ", "from "];
    // "to send ... to b64d3a7129bf7f21": whichever is followed by an id.
    let named = |mark: &str| {
        text.match_indices(mark).find_map(|(at, _)| id(first_word(text.get(at + mark.len()..)?)?))
    };
    let peer = peer.into_iter().find_map(named);
    Some(LogEvent {
        stamp,
        level,
        kind,
        peer: None,
        peer_sid: None,
        peer_member: peer,
        took_ms: took_ms.and_then(go_duration),
        text: shortened(text).to_owned(),
    })
}

fn after<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    text.split_once(mark).map(|(_, rest)| rest)
}

fn kind(text: &str) -> Option<LogEventKind> {
    let has = |part: &str| text.contains(part);
    Some(match () {
        () if has("lost the TCP streaming connection") || has("lost TCP streaming connection") => {
            LogEventKind::StreamLost
        }
        () if has("failed to read ") && has(" on stream ") => LogEventKind::StreamLost,
        () if has("became inactive (message send to peer failed)") => LogEventKind::PeerInactive,
        () if has("health check for peer") || has("prober detected unhealthy status") => {
            LogEventKind::ProbeFailed
        }
        () if has("sending buffer is full") => LogEventKind::QueueFull,
        () if has("failed to send out heartbeat on time") => LogEventKind::HeartbeatLate,
        () if has("sync duration of ") || has("slow fdatasync") => LogEventKind::WalSync,
        () if has("took too long") => LogEventKind::ApplySlow,
        () if has(" is starting a new election at term") => LogEventKind::Campaign,
        () if has("since quorum is not active") => LogEventKind::QuorumInactive,
        () if has(" became leader at term")
            || has(" elected leader ")
            || has(" lost leader ")
            || has(" changed leader from ") =>
        {
            LogEventKind::LeaderKnown
        }
        () if has("database snapshot") => LogEventKind::SnapshotLogged,
        () if has("permanently removed from the cluster") => LogEventKind::MemberRemoved,
        () if has("etcd Version: ")
            || text == "starting etcd server"
            || text == "starting an etcd server" =>
        {
            LogEventKind::MemberStarted
        }
        () => return None,
    })
}

fn first_word(text: &str) -> Option<&str> {
    text.split(|c: char| c.is_whitespace() || ",:;()[]".contains(c)).next()
}

/// A member's id in hexadecimal.
fn id(text: &str) -> Option<u64> {
    let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    ((MIN_ID..=16).contains(&text.len()) && is_hex).then(|| u64::from_str_radix(text, 16).ok())?
}

/// A duration as Go writes it: `2.500588436s`, `507.4ms`, `1m2.3s`, in whole milliseconds.
fn go_duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut nanos: u64 = 0;
    let mut is_any = false;
    while let Some(end) = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|end| *end > 0) {
        let (number, unit) = rest.split_at(end);
        let units =
            [("ms", 1_000_000), ("\u{b5}s", 1_000), ("us", 1_000), ("ns", 1), ("h", 3_600_000_000_000)];
        let units = units.into_iter().chain([("m", 60_000_000_000), ("s", 1_000_000_000_u64)]);
        let Some((name, size)) = units.into_iter().find(|(name, _)| unit.starts_with(name)) else { break };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let whole: u64 = whole.parse().ok()?;
        nanos = nanos.checked_add(whole.checked_mul(size)?)?;
        let mut place = size;
        for digit in fraction.bytes() {
            place /= 10;
            nanos = nanos.checked_add(u64::from(digit.checked_sub(b'0')?).checked_mul(place)?)?;
        }
        is_any = true;
        rest = unit.get(name.len()..)?;
    }
    is_any.then_some(nanos / 1_000_000)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const PEER: Option<u64> = Some(0xb64d_3a71_29bf_7f21);

    fn told(line: &str) -> LogEvent {
        json(line).or_else(|| text(line)).and_then(|line| line.event).unwrap_or_else(|| panic!("{line}"))
    }

    fn zap(message: &str, more: &str) -> String {
        format!(
            "{{\"level\":\"warn\",\"ts\":\"2026-11-25T09:00:11.876Z\",\"caller\":\"a/b.go:1\",\"msg\":\"{message}\",{more}}}"
        )
    }

    fn capnslog(text: &str) -> String {
        format!("2026-11-25 09:00:11.876629 W | rafthttp: {text}")
    }

    fn raft(text: &str) -> String {
        format!("raft2026/11/25 09:00:11 INFO: {text}")
    }

    type Row = (String, LogEventKind, Option<u64>, Option<u64>);

    fn check(rows: impl IntoIterator<Item = Row>) {
        for (line, kind, peer, took) in rows {
            let event = told(&line);
            assert_eq!((event.kind, event.took_ms), (kind, took), "{line}");
            assert!(peer.is_none() || event.peer_member == peer, "{line}: {event:?}");
            assert_eq!(event.stamp.wall.nanos() / 1_000_000_000, 1_795_597_211, "{line}");
        }
    }

    #[test]
    fn both_forms_tell_of_lost_members_alike() {
        let peer = "\"remote-peer-id\":\"b64d3a7129bf7f21\"";
        check([
            (
                capnslog(
                    "lost the TCP streaming connection with peer b64d3a7129bf7f21 (stream MsgApp v2 reader)",
                ),
                LogEventKind::StreamLost,
                PEER,
                None,
            ),
            (
                capnslog(
                    "failed to read b64d3a7129bf7f21 on stream Message (read tcp 1.2.3.4:1->1.2.3.5:2380: i/o timeout)",
                ),
                LogEventKind::StreamLost,
                PEER,
                None,
            ),
            (
                zap(
                    "lost TCP streaming connection with remote peer",
                    &format!("{peer},\"error\":\"unexpected EOF\""),
                ),
                LogEventKind::StreamLost,
                PEER,
                None,
            ),
            (
                capnslog("peer b64d3a7129bf7f21 became inactive (message send to peer failed)"),
                LogEventKind::PeerInactive,
                PEER,
                None,
            ),
            (
                zap("peer became inactive (message send to peer failed)", "\"peer-id\":\"b64d3a7129bf7f21\""),
                LogEventKind::PeerInactive,
                PEER,
                None,
            ),
            (
                capnslog("health check for peer b64d3a7129bf7f21 could not connect: EOF"),
                LogEventKind::ProbeFailed,
                PEER,
                None,
            ),
            (zap("prober detected unhealthy status", peer), LogEventKind::ProbeFailed, PEER, None),
        ]);
    }

    #[test]
    fn both_forms_tell_of_slow_members_alike() {
        check([
            (
                capnslog(
                    "failed to send out heartbeat on time (exceeded the 100ms timeout for 802.015565ms, to b64d3a7129bf7f21)",
                ),
                LogEventKind::HeartbeatLate,
                PEER,
                Some(802),
            ),
            (
                zap(
                    "leader failed to send out heartbeat on time; took too long, leader is overloaded likely from slow disk",
                    "\"to\":\"b64d3a7129bf7f21\",\"exceeded-duration\":\"1.5s\"",
                ),
                LogEventKind::HeartbeatLate,
                PEER,
                Some(1_500),
            ),
            (
                capnslog("sync duration of 2.500588436s, expected less than 1s"),
                LogEventKind::WalSync,
                None,
                Some(2_500),
            ),
            (
                zap("slow fdatasync", "\"took\":\"1m2.3s\",\"expected-duration\":\"1s\""),
                LogEventKind::WalSync,
                None,
                Some(62_300),
            ),
            (
                capnslog(
                    "request \"header:<ID:1 >\" with result \"size:5\" took too long (612.826174ms) to execute",
                ),
                LogEventKind::ApplySlow,
                None,
                Some(612),
            ),
            (
                zap("apply request took too long", "\"took\":\"212.5\u{b5}s\""),
                LogEventKind::ApplySlow,
                None,
                Some(0),
            ),
            (
                raft("b64d3a7129bf7f21 is starting a new election at term 2"),
                LogEventKind::Campaign,
                None,
                None,
            ),
            (
                raft("raft.node: 3fb8ea78db0ad89b lost leader b64d3a7129bf7f21 at term 2"),
                LogEventKind::LeaderKnown,
                None,
                None,
            ),
            (
                zap("b64d3a7129bf7f21 became leader at term 3", "\"x\":1"),
                LogEventKind::LeaderKnown,
                None,
                None,
            ),
            (
                capnslog("start to send database snapshot [index: 9, to b64d3a7129bf7f21, size 20 kB]..."),
                LogEventKind::SnapshotLogged,
                PEER,
                None,
            ),
        ]);
    }

    #[test]
    fn a_line_names_its_member_and_its_zone() {
        let own = |line: &str| json(line).or_else(|| text(line)).and_then(|line| line.own);
        assert_eq!(own("raft2026/11/25 09:13:34 INFO: b64d3a7129bf7f21 became follower at term 3"), PEER);
        assert_eq!(
            own(
                "raft2026/11/25 09:13:34 INFO: raft.node: b64d3a7129bf7f21 elected leader 3fb8ea78db0ad89b at term 3"
            ),
            PEER
        );
        assert_eq!(
            own(
                "2026-11-25 09:00:11.8 I | etcdserver: b64d3a7129bf7f21 initialized peer connection; fast-forwarding"
            ),
            PEER
        );
        assert_eq!(
            own(
                "etcd[7]: {\"level\":\"info\",\"ts\":1795597211.876,\"msg\":\"x\",\"local-member-id\":\"b64d3a7129bf7f21\"} trailing"
            ),
            PEER
        );
        let stamp =
            json("{\"level\":\"info\",\"ts\":\"2026-11-25T10:00:11.876+0100\",\"msg\":\"x\"}").unwrap().stamp;
        assert_eq!(stamp.offset_s, Some(3_600));
    }

    #[test]
    fn what_is_no_line_of_a_member_is_none() {
        for line in [
            "",
            "{\"level\":\"",
            "{\"level\":\"info\"}",
            "{\"level\":\"info\",\"ts\":true,\"msg\":\"x\"}",
            "raft2026/11/25",
            "raft2026/13/45 99:00:00 INFO: x",
            "2026-11-25 09:00:11 W | a b: c",
            "2026-11-21 08:02:42,493 [myid:5] - WARN  [a] - x | y: z",
            "raft2\u{e9}26/11/25 09:13:34 INFO: x",
        ] {
            assert_eq!(json(line).or_else(|| text(line)), None, "{line}");
        }
        for text in ["", "s", "1", "1x", "99999999999999999999s", "1.2.3s", "99999999h"] {
            assert!(go_duration(text).is_none(), "{text}");
        }
    }
}
