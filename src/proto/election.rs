//! The messages of leader election (the election port, 3888 by convention).
//!
//! The dialer identifies itself once ([`Hello`]). After that, and after SASL where it is enabled, both sides
//! send [`Notification`]s, each with a 4-byte length before it.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/QuorumCnxManager.java` and
//! `FastLeaderElection.java`.

use nom::Parser;

use super::auth;
use super::error::{DecodeError, DecodeErrorKind, Decoded};
use super::id::{ServerState, Sid, Zxid};
use super::jute::{self, Fault, Parsed};

/// The longest notification that any release accepts: 1 MiB in 3.3 to 3.4.5, half of that since.
pub const MAX_FRAME: u32 = 1_048_576;

/// The longest address text in a [`Hello`], `QuorumCnxManager.maxBuffer`.
pub const MAX_HELLO: u32 = 2048;

/// Bytes of the length before each notification.
pub const LENGTH_LEN: usize = 4;

/// The fields that every notification has had since 3.0: state, leader, zxid, election epoch.
pub const MIN_NOTIFICATION_LEN: usize = 28;

/// The dialer's first message.
///
/// ```
/// use quorumscope::proto::election::Hello;
/// use quorumscope::proto::{Decoded, Sid};
///
/// // A server of 3.4 says its sid and nothing else.
/// let Decoded::Record { value, used } = Hello::decode(&[0, 0, 0, 0, 0, 0, 0, 3]) else { panic!() };
/// assert_eq!((value.sid(), value.addresses().count(), used), (Sid(3), 0, 8));
/// ```
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | 3.4 and before: the sid (0 or more), and nothing else; since: the protocol, −65536 (one address) or −65535 (several, 3.6+) |
/// | 8 | 8 | sid |
/// | 16 | 4 | n, 1 to 2048 |
/// | 20 | n | `host:port`, joined by `\|` where there are several |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello<'a> {
    /// A bare sid (3.4 and before).
    Bare {
        /// The dialer's sid.
        sid: Sid,
    },
    /// A protocol number, a sid and addresses (3.5 and later).
    Addressed {
        /// [`Hello::V1`], [`Hello::V2`], or another negative number.
        protocol: i64,
        /// Who dials.
        sid: Sid,
        /// The election addresses it can be dialed at, as text.
        text: &'a [u8],
    },
}

impl<'a> Hello<'a> {
    /// The protocol with one address (3.5+).
    pub const V1: i64 = -65536;
    /// The protocol with several (3.6+, `multiAddress.enabled`).
    pub const V2: i64 = -65535;

    /// Decodes the hello at the start of the dialer's stream. Any 8 bytes above 0 are a bare sid, so TLS and
    /// SASL are rejected explicitly; see also [`Hello::plausible`].
    #[must_use]
    pub fn decode(input: &'a [u8]) -> Decoded<Self> {
        Decoded::of(jute::front(input, Self::parse))
    }

    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (after, first) = jute::long("protocol")(input)?;
        if first >= 0 {
            if auth::is_magic(input) || auth::is_tls(input) {
                return Err(Fault::at("sid", input, DecodeErrorKind::BadValue(first)));
            }
            return Ok((after, Self::Bare { sid: Sid(first) }));
        }
        let (len_at, sid) = jute::long("sid").map(Sid).parse(after)?;
        let (after, len) = jute::int("address length")(len_at)?;
        let len = match jute::length(len, MAX_HELLO) {
            Ok(Some(len)) if len > 0 => len,
            Ok(_) => {
                let kind = DecodeErrorKind::BadValue(i64::from(len));
                return Err(Fault::at("address length", len_at, kind));
            }
            Err(kind) => return Err(Fault::at("address length", len_at, kind)),
        };
        let (after, text) = jute::bytes("addresses", len)(after)?;
        Ok((after, Self::Addressed { protocol: first, sid, text }))
    }

    /// Who dials.
    #[must_use]
    pub const fn sid(&self) -> Sid {
        match *self {
            Self::Bare { sid } | Self::Addressed { sid, .. } => sid,
        }
    }

    /// The addresses, each `host:port`; none in a bare hello.
    pub fn addresses(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let text = match *self {
            Self::Bare { .. } => None,
            Self::Addressed { text, .. } => Some(text),
        };
        text.into_iter().flat_map(|text| text.split(|byte| *byte == b'|'))
    }

    /// Whether a server would send this: a protocol version that some release has, and a realistic sid (or
    /// the one that observers use). A notification misread as a hello fails here.
    #[must_use]
    pub const fn plausible(&self) -> bool {
        match *self {
            Self::Bare { sid } => (sid.0 >= 0 && sid.0 <= 0xffff) || sid.0 == i64::MAX,
            Self::Addressed { protocol, .. } => matches!(protocol, Self::V1 | Self::V2),
        }
    }

    /// Writes it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Bare { sid } => jute::put_long(out, sid.0),
            Self::Addressed { protocol, sid, text } => {
                jute::put_long(out, protocol);
                jute::put_long(out, sid.0);
                jute::put_buffer(out, Some(text));
            }
        }
    }
}

/// Decodes the length before a notification; `used` is 4. Depending on the JDK it may arrive in a segment of
/// its own, or in four.
#[must_use]
pub fn decode_length(input: &[u8]) -> Decoded<usize> {
    Decoded::of(jute::front(input, length))
}

fn length(input: &[u8]) -> Parsed<'_, usize> {
    let (after, len) = jute::int("length")(input)?;
    match jute::length(len, MAX_FRAME) {
        Ok(Some(len)) if len > 0 => Ok((after, len)),
        Ok(_) => Err(Fault::at("length", input, DecodeErrorKind::BadValue(i64::from(len)))),
        Err(kind) => Err(Fault::at("length", input, kind)),
    }
}

/// One server's vote, or its answer to another's.
///
/// | offset | size | field | since |
/// | --- | --- | --- | --- |
/// | 0 | 4 | state | 3.0 |
/// | 4 | 8 | leader: a sid | |
/// | 12 | 8 | zxid | |
/// | 20 | 8 | election epoch | |
/// | 28 | 8 | peer epoch | 3.4.0 |
/// | 36 | 4 | version | 3.4.6 |
/// | 40 | 4 | n (version 2) | 3.5.0 |
/// | 44 | n | config text | |
///
/// Offsets count from the end of the 4-byte length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notification<'a> {
    /// The sender's state.
    pub state: ServerState,
    /// The server that it votes for or follows. `i64::MIN` from a LOOKING observer, −1 before the first vote.
    pub leader: Sid,
    /// That candidate's last logged zxid when the election was held; `i64::MIN`'s bits from an observer.
    pub zxid: Zxid,
    /// The sender's election round, which starts at 1 with its process; not the epoch of zxids.
    pub election_epoch: i64,
    /// The candidate's epoch while LOOKING, the established one afterwards.
    pub peer_epoch: Option<i64>,
    /// The layout's version: 1 or 2.
    pub version: Option<i32>,
    /// The committed configuration, as [`super::config::ConfigText`] reads it.
    pub config: Option<&'a [u8]>,
    /// Bytes after the fields above; no known version has any.
    pub rest: &'a [u8],
}

impl<'a> Notification<'a> {
    /// Decodes the notification at the start of `input`, including its 4-byte length.
    #[must_use]
    pub fn decode(input: &'a [u8]) -> Decoded<Self> {
        let len = match decode_length(input) {
            Decoded::Record { value, .. } => value,
            Decoded::NeedMore { at_least } => return Decoded::NeedMore { at_least },
            Decoded::Malformed(error) => return Decoded::Malformed(error),
        };
        let used = LENGTH_LEN.saturating_add(len);
        let Some(payload) = input.get(LENGTH_LEN..used) else {
            return Decoded::NeedMore { at_least: used };
        };
        match Self::decode_payload(payload) {
            Ok(value) => Decoded::Record { value, used },
            Err(error) => Decoded::Malformed(error.behind(LENGTH_LEN)),
        }
    }

    /// Decodes a notification from a complete payload, without its length.
    ///
    /// # Errors
    /// If there are less than 28 bytes, or if a field does not fit into the payload.
    pub fn decode_payload(payload: &'a [u8]) -> Result<Self, DecodeError> {
        jute::whole(payload, |input| Self::parse(input, payload.len()))
    }

    /// Decodes a notification that the capture cut: `payload` is what was captured, `len` the length of the
    /// whole payload. Fields beyond the cut are `None`, as are fields that `len` leaves no room for.
    ///
    /// # Errors
    /// If `len` is below 28, or fewer than 28 bytes were captured.
    pub fn decode_cut(payload: &'a [u8], len: usize) -> Result<Self, DecodeError> {
        if payload.len() >= len {
            return Self::decode_payload(payload.get(..len).unwrap_or(payload));
        }
        jute::front(payload, |input| Self::parse(input, len)).map(|(value, _)| value)
    }

    /// The state alone, from the first 4 bytes of a payload.
    #[must_use]
    pub fn decode_state(payload: &[u8]) -> Option<ServerState> {
        payload.first_chunk().map(|state| ServerState::from_number(i32::from_be_bytes(*state)))
    }

    /// Reads the captured part of a payload of `len` bytes.
    fn parse(input: &'a [u8], len: usize) -> Parsed<'a, Self> {
        let is_cut = input.len() < len;
        if len < MIN_NOTIFICATION_LEN {
            let kind = DecodeErrorKind::TooShort { needed: MIN_NOTIFICATION_LEN, present: len };
            return Err(Fault::at("notification", input, kind));
        }
        let (after, (state, leader, zxid, election_epoch)) = (
            jute::int("state").map(ServerState::from_number),
            jute::long("leader").map(Sid),
            jute::id("zxid").map(Zxid),
            jute::long("election epoch"),
        )
            .parse(input)?;
        let (after, peer_epoch) = if_room(len >= 36, jute::long("peer epoch"), after);
        let (after, version) = if_room(len >= 40 && peer_epoch.is_some(), jute::int("version"), after);
        let (after, config) = match version {
            Some(2..) if len > 40 && !is_cut => config(after)?,
            _ => (after, None),
        };
        let (after, rest) = if is_cut { (after, &[][..]) } else { jute::rest(after)? };
        Ok((after, Self { state, leader, zxid, election_epoch, peer_epoch, version, config, rest }))
    }

    /// Appends its length and its encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut payload = Vec::with_capacity(MIN_NOTIFICATION_LEN);
        self.encode_payload(&mut payload);
        jute::put_buffer(out, Some(&payload));
    }

    fn encode_payload(&self, out: &mut Vec<u8>) {
        jute::put_int(out, self.state.number());
        jute::put_long(out, self.leader.0);
        jute::put_id(out, self.zxid.0);
        jute::put_long(out, self.election_epoch);
        if let Some(peer_epoch) = self.peer_epoch {
            jute::put_long(out, peer_epoch);
        }
        if let Some(version) = self.version {
            jute::put_int(out, version);
        }
        if self.config.is_some() {
            jute::put_buffer(out, self.config);
        }
        out.extend_from_slice(self.rest);
    }
}

/// A configuration's text. Unlike other buffers it is never null: a server skips a notification with a
/// negative length (FastLeaderElection, "Invalid configLength").
fn config(input: &[u8]) -> Parsed<'_, Option<&[u8]>> {
    let (after, config) = jute::buffer("config", MAX_FRAME)(input)?;
    match config {
        Some(_) => Ok((after, config)),
        None => Err(Fault::at("config", input, DecodeErrorKind::BadValue(-1))),
    }
}

/// A field that older layouts lack, and that a cut may hide.
fn if_room<'a, T>(
    is_there: bool,
    parser: impl Fn(&'a [u8]) -> Parsed<'a, T>,
    input: &'a [u8],
) -> (&'a [u8], Option<T>) {
    match parser(input) {
        Ok((after, value)) if is_there => (after, Some(value)),
        _ => (input, None),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    use crate::proto::examples::{AUTH, HELLOS, NOTIFICATIONS, hex};

    fn notification(index: usize) -> Vec<u8> {
        hex(NOTIFICATIONS[index].1)
    }

    #[test]
    fn hellos_come_out_as_they_went_in() {
        for (name, text) in HELLOS {
            let mut bytes = hex(text);
            let size = bytes.len();
            for len in 0..size {
                match Hello::decode(&bytes[..len]) {
                    Decoded::NeedMore { at_least } => assert!(at_least > len && at_least <= size, "{name}"),
                    other => panic!("{name} at {len}: {other:?}"),
                }
            }
            bytes.extend_from_slice(&[0xff; 9]);
            let (hello, used) = Hello::decode(&bytes).record().unwrap();
            assert_eq!((used, hello.sid()), (size, Sid(3)), "{name}");
            assert!(hello.plausible());
            let mut again = Vec::new();
            hello.encode(&mut again);
            assert_eq!(again, bytes[..size], "{name}");
        }
    }

    #[test]
    fn a_null_configuration_is_refused_not_forgotten() {
        let mut bytes = hex("00000030 00000000 0000000000000003 0000000500000000 0000000000000001");
        bytes.extend(hex("0000000000000005 00000002 FFFFFFFF 01020304"));
        let Decoded::Malformed(error) = Notification::decode(&bytes) else { panic!() };
        assert_eq!((error.field, error.offset, error.kind), ("config", 44, DecodeErrorKind::BadValue(-1)));
    }

    #[test]
    fn a_hello_names_its_addresses() {
        let bytes = hex(HELLOS[2].1);
        let (hello, _) = Hello::decode(&bytes).record().unwrap();
        assert!(matches!(hello, Hello::Addressed { protocol: Hello::V2, .. }));
        let addresses: Vec<_> = hello.addresses().collect();
        assert_eq!(addresses, [&b"10.0.0.3:3888"[..], b"10.1.0.3:3888"]);
        assert_eq!(Hello::Bare { sid: Sid(3) }.addresses().count(), 0);
    }

    #[test]
    fn a_hellos_length_is_held_against_its_limit() {
        let decode = |len: i32| {
            let mut bytes = hex("FFFFFFFFFFFF0000 0000000000000003");
            bytes.extend(len.to_be_bytes());
            match Hello::decode(&bytes) {
                Decoded::Malformed(error) => {
                    assert_eq!(error.offset, 16);
                    Err(error.kind)
                }
                Decoded::NeedMore { at_least } => Ok(at_least),
                Decoded::Record { .. } => panic!(),
            }
        };
        assert_eq!(decode(2048), Ok(2068));
        assert_eq!(decode(2049), Err(DecodeErrorKind::TooLong { len: 2049, limit: 2048 }));
        assert!(decode(i32::MAX).is_err());
        for len in [0, -1, -2] {
            assert_eq!(decode(len), Err(DecodeErrorKind::BadValue(len.into())));
        }
    }

    #[test]
    fn what_is_no_hello_is_not_taken_for_one() {
        assert!(matches!(Hello::decode(&hex(AUTH[0].1)), Decoded::Malformed(_)));
        assert!(matches!(Hello::decode(&hex("16030100C5010000")), Decoded::Malformed(_)));
        for index in 0..NOTIFICATIONS.len() {
            let bytes = notification(index);
            assert!(!Hello::decode(&bytes).record().unwrap().0.plausible());
        }
        assert!(Hello::Bare { sid: Sid(i64::MAX) }.plausible());
        assert!(!Hello::Addressed { protocol: -7, sid: Sid(1), text: b"a:1" }.plausible());
    }

    #[test]
    fn notifications_come_out_as_they_went_in() {
        for (name, text) in NOTIFICATIONS {
            let mut bytes = hex(text);
            let size = bytes.len();
            for len in 0..size {
                let expected = if len < 4 { 4 } else { size };
                assert_eq!(
                    Notification::decode(&bytes[..len]),
                    Decoded::NeedMore { at_least: expected },
                    "{name}"
                );
            }
            bytes.extend_from_slice(&[0xff; 9]);
            let (vote, used) = Notification::decode(&bytes).record().unwrap();
            assert_eq!(used, size, "{name}");
            assert_eq!((vote.state, vote.election_epoch), (ServerState::Looking, 1), "{name}");
            let mut again = Vec::new();
            vote.encode(&mut again);
            assert_eq!(again, bytes[..size], "{name}");
        }
    }

    #[test]
    fn each_length_of_notification_has_its_fields() {
        let fields = |index: usize| {
            let bytes = notification(index);
            let (vote, _) = Notification::decode(&bytes).record().unwrap();
            (vote.leader.0, vote.peer_epoch, vote.version, vote.config.map(<[u8]>::len))
        };
        assert_eq!(fields(0), (3, None, None, None));
        assert_eq!(fields(1), (3, Some(4), None, None));
        assert_eq!(fields(2), (3, Some(4), Some(1), None));
        assert_eq!(fields(3), (3, Some(4), Some(2), Some(42)));
        assert_eq!(fields(4), (i64::MIN, Some(i64::MIN), Some(2), Some(0)));
    }

    #[test]
    fn a_cut_notification_shows_its_first_four_fields() {
        let bytes = notification(3);
        let payload = &bytes[4..];
        let whole = Notification::decode_payload(payload).unwrap();
        for len in 0..payload.len() {
            let cut = Notification::decode_cut(&payload[..len], payload.len());
            assert_eq!(cut.is_ok(), len >= 28, "at {len}");
            assert_eq!(Notification::decode_state(&payload[..len]).is_some(), len >= 4);
            let Ok(cut) = cut else { continue };
            let expected = Notification {
                peer_epoch: whole.peer_epoch.filter(|_| len >= 36),
                version: whole.version.filter(|_| len >= 40),
                config: None,
                ..whole
            };
            assert_eq!(cut, expected, "at {len}");
        }
        assert_eq!(Notification::decode_cut(payload, payload.len()), Ok(whole));
        let error = Notification::decode_cut(&payload[..20], 27).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::TooShort { needed: 28, present: 27 });
    }

    #[test]
    fn odd_notifications_are_data_where_they_can_be() {
        let with = |payload: &str| {
            let payload = hex(payload);
            let mut bytes = Vec::new();
            jute::put_buffer(&mut bytes, Some(&payload));
            bytes
        };
        let votes = "00000007 0000000000000003 000000040000002B 0000000000000001 0000000000000004";
        let bytes = with(&format!("{votes} 00000003 00000001 41 0102"));
        let (vote, used) = Notification::decode(&bytes).record().unwrap();
        assert_eq!((vote.state, vote.version), (ServerState::Unknown(7), Some(3)));
        assert_eq!((vote.config, vote.rest, used), (Some(&b"A"[..]), &[1, 2][..], bytes.len()));
        let mut again = Vec::new();
        vote.encode(&mut again);
        assert_eq!(again, bytes);

        let refused = |bytes: &[u8]| match Notification::decode(bytes) {
            Decoded::Malformed(error) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&with("00000000 0000000000000003")).offset, 4);
        assert_eq!(refused(&with(&format!("{votes} 00000002 00000005 41"))).field, "config");
        assert_eq!(refused(&with(&format!("{votes} 00000002 FFFFFFFE"))).kind, DecodeErrorKind::BadValue(-2));
        assert_eq!(refused(&with(&format!("{votes} 00000002 41"))).field, "config");
    }

    #[test]
    fn a_notifications_length_is_held_against_its_limit() {
        assert_eq!(decode_length(&hex("00100000")), Decoded::Record { value: 1_048_576, used: 4 });
        assert_eq!(decode_length(&hex("001000")), Decoded::NeedMore { at_least: 4 });
        for bad in ["00100001", "7FFFFFFF", "00000000", "FFFFFFFF", "FFFFFFFE"] {
            assert!(matches!(decode_length(&hex(bad)), Decoded::Malformed(_)), "{bad}");
            assert!(matches!(Notification::decode(&hex(bad)), Decoded::Malformed(_)), "{bad}");
        }
    }
}
