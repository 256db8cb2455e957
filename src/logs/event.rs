//! Classifies log lines by their text.
//!
//! The texts are those of ZooKeeper 3.4 to 3.9: `apache/zookeeper: zookeeper-server/.../server/quorum/`
//! `Leader`, `LearnerHandler`, `Learner`, `Follower`, `Observer`, `QuorumPeer`, `FastLeaderElection`, and
//! `.../server/persistence/FileTxnLog`, `.../server/util/JvmPauseMonitor`. The class that logs changed
//! between versions, so the text alone is matched.

use super::line::{Stamp, TimedLine, number_after};
use crate::address::{Address, Endpoint};
use crate::findings::log::{Level, LogEventKind};
use std::net::IpAddr;

/// Characters kept of a line's text, and of its exception.
const MAX_TEXT: usize = 400;

/// An event reported by a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// Its time, as written.
    pub stamp: Stamp,
    /// Its level.
    pub level: Level,
    /// The kind of event.
    pub kind: LogEventKind,
    /// The other end, if the line names it.
    pub peer: Option<Endpoint>,
    /// The other server's id, if the line names it.
    pub peer_sid: Option<i64>,
    /// The id of etcd's member at the other end, if the line names it.
    pub peer_member: Option<u64>,
    /// The duration, if the line names it.
    pub took_ms: Option<u64>,
    /// The text, with its exception.
    pub text: String,
}

impl LogEvent {
    /// The event that a line reports, if it is a relevant one.
    #[must_use]
    pub fn of(line: &TimedLine<'_>) -> Option<Self> {
        let kind = kind(line.text)?;
        let took_ms = match kind {
            LogEventKind::Fsync | LogEventKind::ElectionTook => {
                number_after(line.text, "took ").or_else(|| number_after(line.text, "TOOK - "))
            }
            LogEventKind::Pause => number_after(line.text, "approximately "),
            _ => None,
        };
        let named = match kind {
            LogEventKind::Goodbye => line.text,
            _ => line.thread.strip_prefix("LearnerHandler-").unwrap_or(""),
        };
        Some(Self {
            stamp: line.stamp,
            level: line.level,
            kind,
            peer: endpoint(named),
            peer_sid: number_after(line.text, "to learner ")
                .or_else(|| number_after(line.text, "GOODBYE sid:")),
            peer_member: None,
            took_ms: took_ms.map(i64::unsigned_abs),
            text: shortened(line.text).to_owned(),
        })
    }

    /// Whether an exception on the next line belongs to it.
    #[must_use]
    pub const fn wants_exception(&self) -> bool {
        matches!(
            self.kind,
            LogEventKind::LearnerFailed
                | LogEventKind::HandlerFailed
                | LogEventKind::ConnectFailed
                | LogEventKind::Shutdown
        )
    }

    /// Appends the exception's first line.
    pub fn exception(&mut self, exception: &str) {
        let text = self.text.trim_end_matches([':', ' ']).len();
        self.text.truncate(text);
        self.text.push_str(": ");
        self.text.push_str(shortened(exception));
        if exception.contains("Read timed out") {
            self.kind = LogEventKind::ReadTimeout;
        } else if exception.contains("Unreasonable length") {
            self.kind = LogEventKind::UnreasonableLength;
        } else if self.kind == LogEventKind::Shutdown && is_loss_of_quorum(exception) {
            self.kind = LogEventKind::LostQuorum;
        }
    }
}

fn kind(text: &str) -> Option<LogEventKind> {
    let starts = |begin: &str| text.starts_with(begin);
    Some(match text {
        "LOOKING" | "FOLLOWING" | "LEADING" | "OBSERVING" => LogEventKind::State,
        _ if text.contains("GOODBYE ") => LogEventKind::Goodbye,
        _ if starts("Synchronously closing socket to learner") => LogEventKind::Closing,
        _ if text.contains("due to transaction timeout") => LogEventKind::TransactionTimeout,
        _ if starts("fsync-ing the write ahead log") => LogEventKind::Fsync,
        _ if starts("Exception when following the leader")
            || starts("Exception when observing the leader") =>
        {
            if text.contains("Read timed out") {
                LogEventKind::ReadTimeout
            } else {
                LogEventKind::LearnerFailed
            }
        }
        _ if starts("Unexpected exception in LearnerHandler")
            || starts("Unexpected exception causing shutdown while sock still open") =>
        {
            LogEventKind::HandlerFailed
        }
        _ if starts("Unexpected exception, tries=") => LogEventKind::ConnectFailed,
        _ if starts("Unexpected exception, connectToLeader exceeded") => LogEventKind::ConnectFailed,
        _ if starts("Unexpected exception, retries exceeded") => LogEventKind::ConnectFailed,
        _ if starts("Unexpected exception, initLimit exceeded") => LogEventKind::ConnectFailed,
        _ if is_loss_of_quorum(text) => LogEventKind::LostQuorum,
        _ if starts("Shutdown called") || text == "shutdown called" => LogEventKind::Shutdown,
        _ if starts("Disconnected from leader") => LogEventKind::Disconnected,
        _ if text.contains("LEADER ELECTION TOOK") => LogEventKind::ElectionTook,
        _ if starts("New election. My id") => LogEventKind::ElectionBegun,
        // The first PROPOSAL of each phase always logs this; it is harmless.
        _ if starts("Got zxid ") => (!text.ends_with("expected 0x1")).then_some(LogEventKind::ZxidGap)?,
        _ if starts("Starting quorum peer") => LogEventKind::Started,
        _ if starts("Detected pause in JVM") => LogEventKind::Pause,
        _ if text.contains("Unreasonable length") => LogEventKind::UnreasonableLength,
        _ => return None,
    })
}

/// The reasons for a leader's shutdown; 3.4.5 and before log `Only N followers`.
fn is_loss_of_quorum(text: &str) -> bool {
    text.contains("Not sufficient followers synced")
        || text.contains("Only ") && text.contains(" followers, need ")
}

/// The endpoint after the last `/`: `LearnerHandler-/10.0.0.1:45744:LearnerHandler@737`,
/// `/0:0:0:0:0:0:0:1:45744`, `/[::1]:45744`, `host/10.0.0.1:45744`.
fn endpoint(text: &str) -> Option<Endpoint> {
    let rest = text.rsplit_once('/')?.1;
    let end = rest.find(|c: char| !(c.is_ascii_hexdigit() || ".:[]%".contains(c))).unwrap_or(rest.len());
    // The class name after the endpoint may begin with what looks like a hexadecimal digit.
    let mut rest = rest.get(..end)?;
    loop {
        let (host, port) = rest.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let bare = bare.split('%').next().unwrap_or(bare);
        if let (Ok(ip), Ok(port)) = (bare.parse::<IpAddr>(), port.parse()) {
            return Some(Endpoint { address: Address::from(ip), port });
        }
        rest = host;
    }
}

/// At most [`MAX_TEXT`] characters.
pub(super) fn shortened(text: &str) -> &str {
    let text = text.trim();
    text.char_indices().nth(MAX_TEXT).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::super::line;
    use super::*;

    fn event(thread: &str, text: &str) -> Option<LogEvent> {
        LogEvent::of(
            &line::parse(&format!("2026-11-21 08:02:42,493 [myid:5] - WARN  [{thread}] - {text}")).unwrap(),
        )
    }

    fn shown(thread: &str, text: &str) -> String {
        event(thread, text).unwrap().peer.unwrap().to_string()
    }

    #[test]
    fn texts_of_each_version_are_known() {
        for (text, kind) in [
            ("******* GOODBYE sid:3 /10.0.0.1:45744 ********", LogEventKind::Goodbye),
            ("Synchronously closing socket to learner 1.", LogEventKind::Closing),
            ("Closing connection to peer due to transaction timeout.", LogEventKind::TransactionTimeout),
            ("Exception when observing the leader", LogEventKind::LearnerFailed),
            ("Unexpected exception causing shutdown while sock still open", LogEventKind::HandlerFailed),
            ("Unexpected exception, tries=0, connecting to /10.255.0.103:2888", LogEventKind::ConnectFailed),
            ("Shutdown called", LogEventKind::Shutdown),
            ("shutdown called", LogEventKind::Shutdown),
            (
                "Shutdown called. For the reason Not sufficient followers synced, only synced with sids: [ [2] ]",
                LogEventKind::LostQuorum,
            ),
            ("Only 1 followers, need 1", LogEventKind::LostQuorum),
            ("LOOKING", LogEventKind::State),
            ("FOLLOWING - LEADER ELECTION TOOK - 121 MS", LogEventKind::ElectionTook),
            ("New election. My id =  1, proposed zxid=0x0", LogEventKind::ElectionBegun),
            ("Got zxid 0x100000535 expected 0x100000530", LogEventKind::ZxidGap),
        ] {
            assert_eq!(event("main:A@1", text).map(|event| event.kind), Some(kind), "{text}");
        }
        for text in
            ["Unexpected exception", "Got zxid 0x100000535 expected 0x1", "LOOKING around", "Shutting down"]
        {
            assert_eq!(event("main:A@1", text), None, "{text}");
        }
    }

    #[test]
    fn lengths_and_peers_are_read() {
        let took = |text: &str| event("SyncThread:1:FileTxnLog@394", text).unwrap().took_ms;
        assert_eq!(
            took("fsync-ing the write ahead log in SyncThread:1 took 15006ms which will"),
            Some(15_006)
        );
        assert_eq!(took("LEADING - LEADER ELECTION TOOK - 229"), Some(229));
        assert_eq!(
            took("Detected pause in JVM or host machine (eg GC): pause of approximately 5123ms"),
            Some(5_123)
        );
        let failed = "Unexpected exception in LearnerHandler: ";
        assert_eq!(
            shown("LearnerHandler-/10.255.0.101:45744:LearnerHandler@737", failed),
            "10.255.0.101:45744"
        );
        assert_eq!(
            shown("LearnerHandler-/[fd00:0:0:0:0:0:0:1]:45744:LearnerHandler@7", failed),
            "[fd00::1]:45744"
        );
        assert_eq!(
            shown("LearnerHandler-/fd00:0:0:0:0:0:0:1:45744:LearnerHandler@7", failed),
            "[fd00::1]:45744"
        );
        let own = "QuorumPeer[myid=3]/[0:0:0:0:0:0:0:0]:2181:Follower@90";
        assert_eq!(event(own, "Exception when following the leader").unwrap().peer, None);
        assert_eq!(shown("main", "******* GOODBYE sid:1 /10.0.0.1:45744 ********"), "10.0.0.1:45744");
    }

    #[test]
    fn an_exception_says_more() {
        let mut event =
            event("LearnerHandler-/10.0.0.1:4:LearnerHandler@7", "Unexpected exception in LearnerHandler: ")
                .unwrap();
        event.exception("java.net.SocketTimeoutException: Read timed out");
        assert_eq!(event.kind, LogEventKind::ReadTimeout);
        assert_eq!(
            event.text,
            "Unexpected exception in LearnerHandler: java.net.SocketTimeoutException: Read timed out"
        );
    }
}
