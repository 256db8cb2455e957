//! Reads a log's bytes and extracts the relevant events, in bounded memory.

use super::event::LogEvent;
use super::line::{self, Stamp};
use super::member;
use crate::findings::log::LogEventKind;
use crate::time::Span;
use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

/// Bytes read of a line; longer lines are cut and counted.
const MAX_LINE: u64 = 16 << 10;
/// Events kept per file; beyond that the oldest are dropped and counted.
const MAX_EVENTS: usize = 50_000;
/// Lines read per file; if there are more, the report says so.
const MAX_LINES: u64 = 1 << 30;

/// Events among which to look for the learner that the leader was about to close.
const NAMED_WITHIN: usize = 6;
/// And within what time.
const SOON: Span = Span::from_millis(1_000);

/// The content of a log.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// Events, in the file's order.
    pub events: VecDeque<LogEvent>,
    /// Lines with a time.
    pub lines: u64,
    /// The server's id, if the lines name it.
    pub sid: Option<i64>,
    /// The id of etcd's member, if the lines name it.
    pub member: Option<u64>,
    /// The first time.
    pub first: Option<Stamp>,
    /// The last one.
    pub last: Option<Stamp>,
    /// Lines that were cut.
    pub cut: u64,
    /// Events dropped.
    pub dropped: u64,
    /// Why reading stopped early.
    pub problem: Option<String>,
}

/// Reads a log to its end, or as far as possible.
pub fn read(mut input: impl BufRead) -> Contents {
    let mut contents = Contents::default();
    let mut bytes = Vec::new();
    let mut open = false;
    for _ in 0..MAX_LINES {
        bytes.clear();
        match line(&mut input, &mut bytes) {
            Ok(None) => return contents,
            Ok(Some(is_whole)) => contents.cut += u64::from(!is_whole),
            Err(error) => {
                contents.problem = Some(error.to_string());
                return contents;
            }
        }
        let text = String::from_utf8_lossy(&bytes);
        contents.take(text.trim_end(), &mut open);
    }
    contents.problem = Some(format!("more than {MAX_LINES} lines"));
    contents
}

impl Contents {
    /// Processes a line; `open` tells whether the last event may still get an exception.
    fn take(&mut self, text: &str, open: &mut bool) {
        // What is JSON is no line of log4j's, whatever words are in it.
        let parsed = if member::is_json(text) { None } else { line::parse(text) };
        if parsed.is_none()
            && let Some(line) = member::json(text).or_else(|| member::text(text))
        {
            *open = false;
            self.member = self.member.or(line.own);
            self.dated(line.stamp);
            self.keep(line.event);
            return;
        }
        let Some(line) = parsed else {
            if *open
                && !text.is_empty()
                && let Some(event) = self.events.back_mut()
            {
                event.exception(text);
                *open = false;
            }
            return;
        };
        *open = false;
        self.sid = self.sid.or(line.sid);
        self.dated(line.stamp);
        let event = LogEvent::of(&line);
        if let Some(event) = &event {
            *open = event.wants_exception();
            self.name_the_late(event);
        }
        self.keep(event);
    }

    fn dated(&mut self, stamp: Stamp) {
        self.lines += 1;
        self.first.get_or_insert(stamp);
        self.last = Some(stamp);
    }

    fn keep(&mut self, event: Option<LogEvent>) {
        let Some(event) = event else { return };
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
            self.dropped += 1;
        }
        self.events.push_back(event);
    }
}

impl Contents {
    /// A leader that closes because of a late ACK names the learner only in the following lines.
    fn name_the_late(&mut self, event: &LogEvent) {
        if !matches!(event.kind, LogEventKind::Closing | LogEventKind::Goodbye) {
            return;
        }
        let recent = self.events.iter_mut().rev().take(NAMED_WITHIN);
        let is_nameless = |late: &&mut LogEvent| {
            late.kind == LogEventKind::TransactionTimeout && late.peer.is_none() && late.peer_sid.is_none()
        };
        if let Some(late) =
            recent.filter(|late| event.stamp.wall.since(late.stamp.wall) <= SOON).find(is_nameless)
        {
            (late.peer, late.peer_sid) = (event.peer, event.peer_sid);
        }
    }
}

/// Reads a line without its line end; returns whether it is complete, `None` at the end of the file.
fn line(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<Option<bool>> {
    if input.by_ref().take(MAX_LINE).read_until(b'\n', bytes)? == 0 {
        return Ok(None);
    }
    if bytes.last() == Some(&b'\n') || (bytes.len() as u64) < MAX_LINE {
        return Ok(Some(true));
    }
    loop {
        let buffer = input.fill_buf()?;
        let len = buffer.len();
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                input.consume(at + 1);
                return Ok(Some(false));
            }
            None if len == 0 => return Ok(Some(false)),
            None => input.consume(len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_belongs_to_the_line_above_it() {
        let text = "2026-11-21 08:02:42,493 [myid:5] - ERROR [LearnerHandler-/10.0.0.1:4:LearnerHandler@7] - \
                    Unexpected exception in LearnerHandler: \n\
                    java.net.SocketTimeoutException: Read timed out\n\
                    \tat a.b.C(D.java:1)\n\
                    2026-11-21 08:02:42,494 [myid:5] - INFO  [main:A@1] - Shutdown called\n\
                    java.lang.Exception: shutdown Leader! reason: Not sufficient followers synced, only\n\
                    2026-11-21 08:02:42,495 [myid:5] - INFO  [main:A@1] - LOOKING\n";
        let contents = read(text.as_bytes());
        let kinds: Vec<_> = contents.events.iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [LogEventKind::ReadTimeout, LogEventKind::LostQuorum, LogEventKind::State]);
        assert_eq!((contents.lines, contents.sid, contents.cut), (3, Some(5), 0));
    }

    #[test]
    fn long_lines_are_cut_and_bytes_need_not_be_text() {
        let mut bytes = b"2026-11-21 08:02:42,493 [myid:5] - INFO  [main:A@1] - x".to_vec();
        bytes.resize(100_000, 0xff);
        bytes.extend(b"\n2026-11-21 08:02:42,495 [myid:5] - INFO  [main:A@1] - LOOKING");
        let contents = read(bytes.as_slice());
        assert_eq!((contents.lines, contents.cut, contents.events.len()), (2, 1, 1));
    }

    #[test]
    fn of_more_events_than_are_kept_the_oldest_go() {
        let event = |number: usize| {
            format!("2026-11-21 08:02:42,493 [myid:5] - INFO  [main:A@1] - Shutdown called {number}\n")
        };
        let text: String = (0..MAX_EVENTS + 7).map(event).collect();
        let contents = read(text.as_bytes());
        assert_eq!((contents.events.len(), contents.dropped), (MAX_EVENTS, 7));
        assert!(contents.events[0].text.ends_with(" 7"), "{}", contents.events[0].text);
    }
}
