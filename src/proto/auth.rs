//! What may precede the quorum protocols on both ports: SASL packets and TLS.
//!
//! SASL ends with the server's SUCCESS, and the stream continues in clear text. TLS is only recognised and
//! its records sized; nothing behind it can be read.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/auth/QuorumAuth.java` and
//! `zookeeper.jute`, QuorumAuthPacket; TLS records: RFC 8446, section 5.1.

use nom::Parser;

use super::error::{DecodeErrorKind, Decoded};
use super::jute::{self, Fault, Parsed};
use super::wire_enum::wire_enum;

/// The first 8 bytes of every SASL packet, `QuorumAuth.QUORUM_AUTH_MAGIC_NUMBER`.
pub const MAGIC: [u8; 8] = [0x5f, 0x24, 0x35, 0x01, 0x35, 0x01, 0xed, 0xcc];

/// Whether a SASL packet starts here.
#[must_use]
pub fn is_magic(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

wire_enum! {
    /// How the authentication stands, `QuorumAuth.Status`.
    pub enum Status {
        /// 0: tokens still go back and forth. A learner never sends anything else.
        InProgress = 0, "IN_PROGRESS";
        /// 1: the server accepts the learner; the stream continues in clear text.
        Success = 1, "SUCCESS";
        /// −1: the server rejects the learner.
        Error = -1, "ERROR";
        _ = "UNKNOWN";
    }
}

/// The first 16 bytes of a SASL packet, enough to size it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaslHead {
    /// Status of the authentication.
    pub status: Status,
    /// The token's length, −1 for null.
    pub token_len: i32,
}

impl SaslHead {
    /// Bytes in a head.
    pub const LEN: usize = 16;

    /// The head at the start of `bytes`; `None` below 16 bytes or without [`MAGIC`].
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (status, rest) = bytes.strip_prefix(&MAGIC)?.split_first_chunk()?;
        Some(Self {
            status: Status::from_number(i32::from_be_bytes(*status)),
            token_len: i32::from_be_bytes(*rest.first_chunk()?),
        })
    }

    /// The packet's size on the wire.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::from(self.token_len.max(0).unsigned_abs()) + 16
    }
}

/// A SASL packet.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | [`MAGIC`] |
/// | 8 | 4 | status |
/// | 12 | 4 | token length, −1 for null |
/// | 16 | n | token |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SaslPacket<'a> {
    /// How the authentication stands.
    pub status: Status,
    /// The mechanism's token.
    pub token: Option<&'a [u8]>,
}

impl<'a> SaslPacket<'a> {
    /// Decodes the packet at the start of `input`, with a token of at most `limit` bytes.
    #[must_use]
    pub fn decode(input: &'a [u8], limit: u32) -> Decoded<Self> {
        Decoded::of(jute::front(input, |input| Self::parse(input, limit)))
    }

    fn parse(input: &'a [u8], limit: u32) -> Parsed<'a, Self> {
        let (after, magic) = jute::long("magic")(input)?;
        if magic != i64::from_be_bytes(MAGIC) {
            return Err(Fault::at("magic", input, DecodeErrorKind::BadValue(magic)));
        }
        (jute::int("status").map(Status::from_number), jute::buffer("token", limit))
            .map(|(status, token)| Self { status, token })
            .parse(after)
    }

    /// Appends its encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        jute::put_int(out, self.status.number());
        jute::put_buffer(out, self.token);
    }
}

/// The first 5 bytes of a TLS record.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 1 | content type, 20 to 24 |
/// | 1 | 2 | version, 0x0300 to 0x0304 |
/// | 3 | 2 | length of what follows, at most 16,384 + 2,048 |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsHead {
    /// 22 handshake, 23 application data, 20 change of cipher, 21 alert, 24 heartbeat.
    pub content: u8,
    /// 0x0301 to 0x0303; the handshake negotiates the true version.
    pub version: u16,
    /// Bytes after the head.
    pub len: u16,
}

impl TlsHead {
    /// Bytes in a head.
    pub const LEN: usize = 5;

    /// The longest record: 2^14 bytes and the most that protection may add (RFC 5246, section 6.2.3).
    const MAX_RECORD: u16 = 16_384 + 2_048;

    /// The head at the start of `bytes`; `None` below 5 bytes or if no TLS record starts like this.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let [content, major, minor, high, low] = *bytes.first_chunk()?;
        let head = Self {
            content,
            version: u16::from_be_bytes([major, minor]),
            len: u16::from_be_bytes([high, low]),
        };
        let fits = matches!(content, 20..=24) && major == 3 && minor <= 4 && head.len <= Self::MAX_RECORD;
        fits.then_some(head)
    }

    /// The record's size on the wire.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::from(self.len) + 5
    }
}

/// Whether a stream that starts with these bytes is TLS: the dialer sends a handshake record first.
#[must_use]
pub fn is_tls(bytes: &[u8]) -> bool {
    matches!(bytes, [0x16, 0x03, 0..=4, ..])
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

    use crate::proto::examples::{AUTH, hex};

    #[test]
    fn sasl_packets_come_out_as_they_went_in() {
        for (name, text) in AUTH {
            let mut bytes = hex(text);
            let size = bytes.len();
            for len in 0..size {
                match SaslPacket::decode(&bytes[..len], 1000) {
                    Decoded::NeedMore { at_least } => assert!(at_least > len && at_least <= size, "{name}"),
                    other => panic!("{name} at {len}: {other:?}"),
                }
                assert_eq!(SaslHead::decode(&bytes[..len]).is_some(), len >= 16, "{name}");
            }
            bytes.push(0xff);
            let (packet, used) = SaslPacket::decode(&bytes, 1000).record().unwrap();
            assert_eq!(used, size, "{name}");
            assert_eq!(SaslHead::decode(&bytes).unwrap().size(), size as u64, "{name}");
            let mut again = Vec::new();
            packet.encode(&mut again);
            assert_eq!(again, bytes[..size], "{name}");
        }
        let status = |index: usize| SaslHead::decode(&hex(AUTH[index].1)).unwrap().status;
        assert_eq!([status(0), status(1), status(2)], [Status::InProgress, Status::Success, Status::Error]);
    }

    #[test]
    fn a_token_is_held_against_its_limit() {
        let decode = |len: i32| {
            let mut bytes = MAGIC.to_vec();
            bytes.extend([0; 4]);
            bytes.extend(len.to_be_bytes());
            SaslPacket::decode(&bytes, 10)
                .record()
                .map(|(packet, used)| (packet.token.is_none(), used))
                .ok_or(bytes)
        };
        assert_eq!(decode(-1), Ok((true, 16)));
        assert_eq!(decode(0), Ok((false, 16)));
        let ten = decode(10).unwrap_err();
        assert_eq!(SaslPacket::decode(&ten, 10), Decoded::NeedMore { at_least: 26 });
        for len in [-2, 11, i32::MAX] {
            assert!(
                matches!(SaslPacket::decode(&decode(len).unwrap_err(), 10), Decoded::Malformed(_)),
                "{len}"
            );
        }
        assert!(matches!(SaslPacket::decode(&[0; 16], 10), Decoded::Malformed(_)));
    }

    #[test]
    fn tls_is_known_by_its_first_bytes() {
        assert!(is_tls(&hex("160301")) && is_tls(&hex("16030300")) && is_tls(&hex("160304")));
        assert!(!is_tls(&hex("1603")) && !is_tls(&hex("170303")) && !is_tls(&hex("160305")));
        let head = TlsHead::decode(&hex("1703030030FF")).unwrap();
        assert_eq!((head.content, head.version, head.len, head.size()), (23, 0x303, 48, 53));
        for other in ["17030300", "1903030030", "1304030030", "1602030030", "1703034801", "0000000B00"] {
            assert_eq!(TlsHead::decode(&hex(other)), None, "{other}");
        }
        assert!(TlsHead::decode(&hex("1703034800")).is_some());
    }
}
