//! One log line as log4j and logback print it with ZooKeeper's defaults.
//!
//! ```text
//! 2026-11-21 08:02:42,493 [myid:5] - WARN  [thread:Class@737] - text
//! ```
//!
//! `[myid:N]` came with 3.4 and may be missing or empty. The fraction follows a comma or a dot; a `T` may
//! separate date and time; a time zone may follow. A prefix added by a log collector is skipped. Source:
//! `apache/zookeeper: conf/log4j.properties`, `conf/logback.xml`.

use crate::findings::log::Level;
use crate::time::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

/// Characters allowed before the time.
pub(super) const MAX_PREFIX: usize = 80;
/// Characters between the time and the level: `[myid:N] - `.
const MAX_HEADER: usize = 120;

/// A line's time as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The wall-clock time, read as UTC.
    pub wall: Timestamp,
    /// The offset from UTC in seconds, if the line names it.
    pub offset_s: Option<i32>,
}

/// A line that begins with a time and a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedLine<'a> {
    /// Its time.
    pub stamp: Stamp,
    /// The server's id, from `[myid:N]` or the thread's name.
    pub sid: Option<i64>,
    /// Its level.
    pub level: Level,
    /// The thread, with the logging class.
    pub thread: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Parses a line; `None` if it continues the line before.
#[must_use]
pub fn parse(line: &str) -> Option<TimedLine<'_>> {
    let (stamp, rest) = stamp_within(line)?;
    let (header, level, rest) = level(rest)?;
    let (thread, text) = thread(rest);
    let sid = number_after(header, "[myid:").or_else(|| number_after(thread, "[myid="));
    Some(TimedLine { stamp, sid, level, thread, text: text.trim() })
}

/// The number that follows `mark`.
#[must_use]
pub fn number_after(text: &str, mark: &str) -> Option<i64> {
    let rest = text.split_once(mark)?.1.trim_start();
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The first time near the start of the line.
pub(super) fn stamp_within(line: &str) -> Option<(Stamp, &str)> {
    let starts = line.char_indices().take(MAX_PREFIX).filter(|(at, c)| {
        let before = at.checked_sub(1).and_then(|at| line.as_bytes().get(at));
        c.is_ascii_digit() && before.is_none_or(|byte| !byte.is_ascii_digit())
    });
    starts.filter_map(|(at, _)| stamp(line.get(at..)?)).next()
}

/// `2026-11-21 08:02:42,493` with an optional zone.
pub(super) fn stamp(text: &str) -> Option<(Stamp, &str)> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let is = |at: usize, any: &[u8]| bytes.get(at).is_some_and(|byte| any.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b" T") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let small = |from: usize| number(from, from + 2).and_then(|value| i8::try_from(value).ok());
    let year = i16::try_from(number(0, 4)?).ok()?;
    let date = civil::Date::new(year, small(5)?, small(8)?).ok()?;
    // A leap second becomes the second before it.
    let time = civil::Time::new(small(11)?, small(14)?, small(17)?.min(59), 0).ok()?;
    let whole = TimeZone::UTC.to_timestamp(date.to_datetime(time)).ok()?;
    let (nanos, end) = if is(19, b",.") { fraction(text.get(20..)?) } else { (0, 0) };
    let end = if end == 0 { 19 } else { 20 + end };
    let wall = Timestamp::from_parts(whole.as_second(), nanos);
    let (offset_s, rest) = zone(text.get(end..)?);
    Some((Stamp { wall, offset_s }, rest))
}

/// The digits of a fraction as nanoseconds, and their number.
fn fraction(text: &str) -> (u32, usize) {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    let digits = text.bytes().take(count.min(9)).fold(0, |sum: u32, byte| sum * 10 + u32::from(byte - b'0'));
    let missing = u32::try_from(9_usize.saturating_sub(count)).unwrap_or(0);
    (digits * 10_u32.pow(missing), count)
}

/// `Z`, `+0530`, `+05:30` or `+05`, with at most one space before a sign.
fn zone(text: &str) -> (Option<i32>, &str) {
    if let Some(rest) = text.strip_prefix('Z') {
        return (Some(0), rest);
    }
    let signed = text.strip_prefix(' ').unwrap_or(text);
    let sign = match signed.bytes().next() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return (None, text),
    };
    let two = |from: usize| -> Option<i32> {
        let digits = signed.get(from..from + 2)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let Some(hours) = two(1).filter(|hours| *hours <= 18) else { return (None, text) };
    let colon = usize::from(signed.as_bytes().get(3) == Some(&b':'));
    let (minutes, end) = two(3 + colon).map_or((0, 3), |minutes| (minutes, 5 + colon));
    (Some(sign * (hours * 3_600 + minutes * 60)), signed.get(end..).unwrap_or(""))
}

/// The text before the level, the level, and the text after it.
fn level(text: &str) -> Option<(&str, Level, &str)> {
    let mut at = 0;
    for word in text.split_inclusive([' ', '[', ']', ':', '|']) {
        let bare = word.trim_end_matches([' ', '[', ']', ':', '|']);
        let level = match bare {
            "TRACE" | "DEBUG" => Some(Level::Debug),
            "INFO" => Some(Level::Info),
            "WARN" | "WARNING" => Some(Level::Warn),
            "ERROR" | "FATAL" => Some(Level::Error),
            _ => None,
        };
        if let Some(level) = level {
            return Some((text.get(..at)?, level, text.get(at + bare.len()..)?));
        }
        at += word.len();
        if at > MAX_HEADER {
            return None;
        }
    }
    None
}

/// `[thread:Class@737] - text`; thread names have brackets of their own.
fn thread(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    let Some(inside) = text.strip_prefix('[') else {
        return ("", text.strip_prefix("- ").unwrap_or(text));
    };
    let mut depth = 1;
    for (at, c) in inside.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            let (thread, rest) = inside.split_at(at);
            let rest = rest.strip_prefix(']').unwrap_or(rest).trim_start();
            return (thread, rest.strip_prefix("- ").or(rest.strip_prefix(": ")).unwrap_or(rest));
        }
    }
    inside.split_once("] - ").unwrap_or(("", text))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_nanos(1_795_248_162_493_000_000);

    #[test]
    fn a_line_of_each_version_is_taken_apart() {
        let line = parse(
            "2026-11-21 08:02:42,493 [myid:5] - WARN  [LearnerHandler-/10.255.0.101:45744:LearnerHandler@737] \
             - ******* GOODBYE /10.255.0.101:45744 ********",
        )
        .unwrap();
        assert_eq!((line.stamp.wall, line.stamp.offset_s, line.sid), (AT, None, Some(5)));
        assert_eq!(line.level, Level::Warn);
        assert_eq!(line.thread, "LearnerHandler-/10.255.0.101:45744:LearnerHandler@737");
        assert_eq!(line.text, "******* GOODBYE /10.255.0.101:45744 ********");
        let old = parse(
            "2026-11-21 08:02:42,493 - INFO  [QuorumPeer[myid=3]/[0:0:0:0:0:0:0:0]:2181:Follower@166] - \
             shutdown called",
        )
        .unwrap();
        assert_eq!((old.sid, old.text), (Some(3), "shutdown called"));
        assert_eq!(old.thread, "QuorumPeer[myid=3]/[0:0:0:0:0:0:0:0]:2181:Follower@166");
        let logback = parse(
            "2026-11-21 08:02:42,493 [myid:] - INFO  [main:o.a.z.s.q.QuorumPeerConfig@177] - Reading - it",
        )
        .unwrap();
        assert_eq!((logback.sid, logback.text), (None, "Reading - it"));
    }

    #[test]
    fn times_come_in_many_forms() {
        for (text, wall, offset_s) in [
            ("2026-11-21 08:02:42,493 - INFO [a] - x", AT, None),
            ("2026-11-21T08:02:42.493Z INFO [a] - x", AT, Some(0)),
            ("2026-11-21T08:02:42.493000+0530 INFO [a] - x", AT, Some(19_800)),
            ("2026-11-21 08:02:42,493 -03:30 [myid:1] - INFO [a] - x", AT, Some(-12_600)),
            ("zk5_1  | 2026-11-21 08:02:42,493 [myid:1] - INFO [a] - x", AT, None),
        ] {
            let line = parse(text).unwrap();
            assert_eq!((line.stamp, line.text), (Stamp { wall, offset_s }, "x"), "{text}");
        }
    }

    #[test]
    fn what_has_no_time_or_no_level_goes_on_from_before() {
        for text in [
            "",
            "\tat java.base/sun.nio.ch.NioSocketImpl.timedRead(NioSocketImpl.java:288)",
            "java.net.SocketTimeoutException: Read timed out",
            "2026-11-21 08:02:42,493",
            "2026-13-21 08:02:42,493 - INFO [a] - x",
            "2026-11-21 08:02:42,493 nothing of the kind",
            "2026-11-2\u{e9} 08:02:42,493",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
