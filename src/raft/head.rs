//! HTTP heads of the peer port: what was asked, and what was answered.

use super::codec::Codec;

/// Hex digits of a member's id.
const MAX_ID_DIGITS: usize = 16;

/// What a member asks of another one: the first line of a request (etcd's `rafthttp/http.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerRequest {
    /// `GET /raft/stream/...`: the acceptor is to send raft's messages, in this codec.
    Stream(Codec),
    /// `GET /raft/probing`: every 4 s, from each member to each other one.
    Probe,
    /// `POST /raft`: one message, where a stream is down.
    Pipeline,
    /// `POST /raft/snapshot`: a database.
    Snapshot,
    /// `GET /version`: the leader's, every 4 s, and a joining member's.
    Version,
    /// `GET /members`: a starting member's.
    Members,
    /// Anything else.
    Other,
}

impl PeerRequest {
    /// Reads the first line of a request, as far as it was captured. `None` where none stands there.
    ///
    /// ```
    /// use quorumscope::raft::{Codec, PeerRequest};
    ///
    /// let read = |line: &str| PeerRequest::read(line.as_bytes());
    /// assert_eq!(read("GET /raft/stream/msgapp/df57"), Some(PeerRequest::Stream(Codec::Append)));
    /// assert_eq!(read("POST /raft HTTP/1.1"), Some(PeerRequest::Pipeline));
    /// assert_eq!(read("HTTP/1.1 200 OK"), None);
    /// ```
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let is_post = bytes.starts_with(b"POST /");
        let path = bytes.strip_prefix(b"GET ").or_else(|| bytes.strip_prefix(b"POST "))?;
        let end = path.iter().position(|byte| matches!(byte, b' ' | b'?' | b'\r'));
        let (path, is_whole) = (end.map_or(path, |end| path.get(..end).unwrap_or(path)), end.is_some());
        let is = |text: &[u8]| path == text || !is_whole && text.starts_with(path) && path.len() > 6;
        Some(match () {
            () if path.starts_with(b"/raft/stream/msgapp") => Self::Stream(Codec::Append),
            () if path.starts_with(b"/raft/stream/message") => Self::Stream(Codec::Message),
            () if path.starts_with(b"/raft/probing") => Self::Probe,
            () if is_post && is(b"/raft/snapshot") => Self::Snapshot,
            () if is_post && is_whole && path == b"/raft" => Self::Pipeline,
            () if is(b"/version") => Self::Version,
            () if is(b"/members") => Self::Members,
            () => Self::Other,
        })
    }

    /// Whether only a member of raft sends this: the request alone shows what the connection is.
    #[must_use]
    pub const fn is_distinctive(self) -> bool {
        matches!(self, Self::Stream(_) | Self::Probe | Self::Pipeline | Self::Snapshot)
    }

    /// The dialer's member id, as the path of a stream names it; `None` where the cut hides some of it.
    ///
    /// ```
    /// use quorumscope::raft::PeerRequest;
    ///
    /// let line = b"GET /raft/stream/message/3fb8ea78db0ad89b HTTP/1.1\r\n";
    /// assert_eq!(PeerRequest::dialer(line), Some(0x3fb8_ea78_db0a_d89b));
    /// assert_eq!(PeerRequest::dialer(&line[..30]), None);
    /// ```
    #[must_use]
    pub fn dialer(bytes: &[u8]) -> Option<u64> {
        let rest = bytes
            .strip_prefix(b"GET /raft/stream/msgapp/")
            .or_else(|| bytes.strip_prefix(b"GET /raft/stream/message/"))?;
        let end = rest.iter().position(|byte| *byte == b' ')?;
        let text = rest.get(..end).filter(|text| text.len() <= MAX_ID_DIGITS)?;
        u64::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok()
    }

    /// Its name in a dump.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stream(Codec::Append) => "STREAM_MSGAPP",
            Self::Stream(Codec::Message) => "STREAM_MESSAGE",
            Self::Probe => "PROBE",
            Self::Pipeline => "PIPELINE",
            Self::Snapshot => "SNAPSHOT",
            Self::Version => "VERSION",
            Self::Members => "MEMBERS",
            Self::Other => "REQUEST",
        }
    }
}

/// The status of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnswerHead(pub u16);

impl AnswerHead {
    /// Reads the first line of an answer. `None` where none stands there.
    ///
    /// ```
    /// use quorumscope::raft::AnswerHead;
    ///
    /// assert_eq!(AnswerHead::read(b"HTTP/1.1 410 Gone\r\n"), Some(AnswerHead(410)));
    /// assert_eq!(AnswerHead::read(b"HTTP/1.1 4"), None);
    /// ```
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(b"HTTP/1.1 ").or_else(|| bytes.strip_prefix(b"HTTP/1.0 "))?;
        let digits = rest.first_chunk::<3>().filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        let [a, b, c] = digits.map(|digit| u16::from(digit - b'0'));
        Some(Self(a * 100 + b * 10 + c))
    }

    /// Whether the acceptor says that the dialer was removed (403, 410).
    #[must_use]
    pub const fn is_removed(self) -> bool {
        matches!(self.0, 403 | 410)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_the_cut_shortens_is_told_as_far_as_it_goes() {
        let read = |line: &[u8]| PeerRequest::read(line);
        assert_eq!(read(b"POST /raft/snap"), Some(PeerRequest::Snapshot));
        assert_eq!(read(b"POST /raft"), Some(PeerRequest::Other), "might be either");
        assert_eq!(read(b"GET /version HTTP/1.1\r\nHost: 10."), Some(PeerRequest::Version));
        assert_eq!(read(b"GET /versions HTTP/1.1"), Some(PeerRequest::Other));
        assert_eq!(read(b"PRI * HTTP/2.0"), None);
        assert_eq!(read(&[]), None);
    }
}
