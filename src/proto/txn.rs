//! Transactions: the data of PROPOSAL and INFORM, and of INFORMANDACTIVATE after its sid.
//!
//! | offset | size | part |
//! | --- | --- | --- |
//! | 0 | 32 | [`TxnHeader`] |
//! | 32 | n | [`TxnBody`], by the header's type |
//! | 32 + n | 0 or 12 | [`Digest`] (3.6+) |
//!
//! No field says whether there is a digest: 12 bytes left over after the body are one. So the body of an
//! unknown type includes everything after the header.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/util/SerializeUtils.java`,
//! `zookeeper-jute/src/main/resources/zookeeper.jute`, module org.apache.zookeeper.txn.

use nom::Parser;

use super::error::DecodeError;
use super::id::{SessionId, Zxid};
use super::jute::{self, Acl, Element, List, Parsed};
use super::op::OpCode;

/// The header of a transaction.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 8 | session; 0 for what the servers do themselves |
/// | 8 | 4 | cxid |
/// | 12 | 8 | zxid, the packet's own |
/// | 20 | 8 | time |
/// | 28 | 4 | type |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnHeader {
    /// The session that wrote.
    pub session: SessionId,
    /// The client's number for it.
    pub cxid: i32,
    /// Its zxid.
    pub zxid: Zxid,
    /// The leader's wall clock, in milliseconds since 1970.
    pub time_ms: i64,
    /// The operation.
    pub kind: OpCode,
}

impl TxnHeader {
    /// Bytes in a header.
    pub const LEN: usize = 32;

    /// Decodes the header at the start of the data.
    ///
    /// # Errors
    /// If there are less than 32 bytes.
    pub fn decode(data: &[u8]) -> Result<Self, DecodeError> {
        jute::front(data, Self::parse).map(|(header, _)| header)
    }

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (
            jute::id("session").map(SessionId),
            jute::int("cxid"),
            jute::id("zxid").map(Zxid),
            jute::long("time"),
            jute::int("type").map(OpCode::from_number),
        )
            .map(|(session, cxid, zxid, time_ms, kind)| Self { session, cxid, zxid, time_ms, kind })
            .parse(input)
    }

    /// Appends its encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        jute::put_id(out, self.session.0);
        jute::put_int(out, self.cxid);
        jute::put_id(out, self.zxid.0);
        jute::put_long(out, self.time_ms);
        jute::put_int(out, self.kind.number());
    }
}

/// The captured part of a transaction. A capture of 96 bytes per frame shows session and cxid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxnGlimpse<'a> {
    /// The session that wrote; needs 8 captured bytes.
    pub session: Option<SessionId>,
    /// The client's number for it; needs 12.
    pub cxid: Option<i32>,
    /// Its zxid; needs 20.
    pub zxid: Option<Zxid>,
    /// The leader's wall clock, in milliseconds since 1970; needs 28.
    pub time_ms: Option<i64>,
    /// The operation; needs 32.
    pub kind: Option<OpCode>,
    /// The path, if there is a single one and it was captured completely.
    pub path: Option<&'a [u8]>,
}

impl<'a> TxnGlimpse<'a> {
    /// Decodes what is there.
    #[must_use]
    pub fn decode(data: &'a [u8]) -> Self {
        let mut shown = Self::default();
        // Stops at the first incomplete field; the fields before it stay.
        let _ = shown.fill(data);
        shown
    }

    fn fill(&mut self, input: &'a [u8]) -> Parsed<'a, ()> {
        let input = jute::set(&mut self.session, jute::id("session").map(SessionId), input)?;
        let input = jute::set(&mut self.cxid, jute::int("cxid"), input)?;
        let input = jute::set(&mut self.zxid, jute::id("zxid").map(Zxid), input)?;
        let input = jute::set(&mut self.time_ms, jute::long("time"), input)?;
        let input = jute::set(&mut self.kind, jute::int("type").map(OpCode::from_number), input)?;
        // A reconfiguration's transaction is a setData, unlike its request; a sync has no transaction.
        if self.kind.is_some_and(|kind| match kind {
            OpCode::Reconfig => true,
            OpCode::Sync => false,
            kind => kind.leads_with_path(),
        }) {
            self.path = jute::string("path")(input)?.1;
        }
        Ok((input, ()))
    }
}

/// A digest of the leader's tree after a transaction, which the others compare with theirs (3.6+).
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | version, 2 in every release so far |
/// | 4 | 8 | digest of the tree |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Version of the algorithm.
    pub version: i32,
    /// The digest.
    pub tree: u64,
}

impl Digest {
    /// Bytes in a digest.
    pub const LEN: usize = 12;
    /// The version that 3.6 to 3.9 write.
    pub const VERSION: i32 = 2;

    fn parse(input: &[u8]) -> Parsed<'_, Self> {
        (jute::int("digest version"), jute::id("digest"))
            .map(|(version, tree)| Self { version, tree })
            .parse(input)
    }

    fn encode(self, out: &mut Vec<u8>) {
        jute::put_int(out, self.version);
        jute::put_id(out, self.tree);
    }
}

/// A whole transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Txn<'a> {
    /// Session, time and operation.
    pub header: TxnHeader,
    /// Its arguments.
    pub body: TxnBody<'a>,
    /// The digest of the tree, in versions that send one.
    pub digest: Option<Digest>,
}

impl<'a> Txn<'a> {
    /// Decodes the transaction that fills `data`.
    ///
    /// # Errors
    /// If a field is too short or has an invalid length, or if the bytes after the body are neither empty nor
    /// a digest.
    pub fn decode(data: &'a [u8]) -> Result<Self, DecodeError> {
        jute::whole(data, Self::parse)
    }

    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (after, header) = TxnHeader::parse(input)?;
        let (after, body) = TxnBody::parse(header.kind, after)?;
        let (after, digest) = match after.len() {
            Digest::LEN => Digest::parse.map(Some).parse(after)?,
            _ => (after, None),
        };
        Ok((after, Self { header, body, digest }))
    }

    /// Appends its encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        self.body.encode(out);
        if let Some(digest) = self.digest {
            digest.encode(out);
        }
    }

    /// The path of its znode as raw bytes, if it has a single one.
    #[must_use]
    pub const fn path(&self) -> Option<&'a [u8]> {
        self.body.path()
    }
}

/// The body of a transaction. Several types share a record: create and create2, delete and deleteContainer,
/// setData and reconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxnBody<'a> {
    /// A session ends.
    CloseSession {
        /// The ephemeral znodes deleted with it; `None` up to 3.5, or if that is disabled.
        paths: Option<List<'a, Option<&'a [u8]>>>,
    },
    /// A session begins.
    CreateSession {
        /// Its timeout in milliseconds.
        timeout_ms: i32,
    },
    /// A write failed.
    Error {
        /// ZooKeeper's error code, negative.
        code: i32,
    },
    /// A znode is created (CreateTxn, CreateTxnV0).
    Create {
        /// Its path.
        path: Option<&'a [u8]>,
        /// Its data.
        data: Option<&'a [u8]>,
        /// Its access control list.
        acl: List<'a, Acl<'a>>,
        /// Whether it is ephemeral.
        is_ephemeral: bool,
        /// The parent's new child version; `None` in CreateTxnV0 (3.3 and before).
        parent_cversion: Option<i32>,
    },
    /// A container znode is created.
    CreateContainer {
        /// Its path.
        path: Option<&'a [u8]>,
        /// Its data.
        data: Option<&'a [u8]>,
        /// Its access control list.
        acl: List<'a, Acl<'a>>,
        /// The parent's new child version.
        parent_cversion: i32,
    },
    /// A znode with a time to live is created.
    CreateTtl {
        /// Its path.
        path: Option<&'a [u8]>,
        /// Its data.
        data: Option<&'a [u8]>,
        /// Its access control list.
        acl: List<'a, Acl<'a>>,
        /// The parent's new child version.
        parent_cversion: i32,
        /// Its time to live in milliseconds.
        ttl_ms: i64,
    },
    /// A znode is deleted.
    Delete {
        /// Its path.
        path: Option<&'a [u8]>,
    },
    /// A znode's data is replaced; in a reconfiguration, the configuration is.
    SetData {
        /// Its path.
        path: Option<&'a [u8]>,
        /// The new value.
        data: Option<&'a [u8]>,
        /// Its new version.
        version: i32,
    },
    /// A znode's access control list is replaced.
    SetAcl {
        /// Its path.
        path: Option<&'a [u8]>,
        /// The new value.
        acl: List<'a, Acl<'a>>,
        /// The list's new version.
        version: i32,
    },
    /// A version was compared, inside a multi.
    Check {
        /// Its path.
        path: Option<&'a [u8]>,
        /// The expected version.
        version: i32,
    },
    /// Several transactions, all or none.
    Multi(List<'a, SubTxn<'a>>),
    /// An unknown type, with everything after the header.
    Unknown(&'a [u8]),
}

impl<'a> TxnBody<'a> {
    fn parse(kind: OpCode, input: &'a [u8]) -> Parsed<'a, Self> {
        match kind {
            OpCode::CloseSession => close_session(input),
            OpCode::CreateSession => {
                jute::int("timeout").map(|timeout_ms| Self::CreateSession { timeout_ms }).parse(input)
            }
            OpCode::Error => jute::int("error").map(|code| Self::Error { code }).parse(input),
            OpCode::Create | OpCode::Create2 => create(input),
            OpCode::CreateContainer => create_container(input),
            OpCode::CreateTtl => create_ttl(input),
            OpCode::Delete | OpCode::DeleteContainer => {
                jute::string("path").map(|path| Self::Delete { path }).parse(input)
            }
            OpCode::SetData | OpCode::Reconfig => {
                (jute::string("path"), jute::string("data"), jute::int("version"))
                    .map(|(path, data, version)| Self::SetData { path, data, version })
                    .parse(input)
            }
            OpCode::SetAcl => (jute::string("path"), List::parse("acl"), jute::int("version"))
                .map(|(path, acl, version)| Self::SetAcl { path, acl, version })
                .parse(input),
            OpCode::Check => (jute::string("path"), jute::int("version"))
                .map(|(path, version)| Self::Check { path, version })
                .parse(input),
            OpCode::Multi => List::parse("txns").map(Self::Multi).parse(input),
            OpCode::Sync | OpCode::Unknown(_) => jute::rest.map(Self::Unknown).parse(input),
        }
    }

    /// Appends its encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::CloseSession { paths: None } => {}
            Self::CloseSession { paths: Some(paths) } => paths.encode(out),
            Self::CreateSession { timeout_ms: number } | Self::Error { code: number } => {
                jute::put_int(out, number);
            }
            Self::Create { path, data, acl, is_ephemeral, parent_cversion } => {
                put_node(out, path, data, &acl);
                jute::put_bool(out, is_ephemeral);
                if let Some(version) = parent_cversion {
                    jute::put_int(out, version);
                }
            }
            Self::CreateContainer { path, data, acl, parent_cversion } => {
                put_node(out, path, data, &acl);
                jute::put_int(out, parent_cversion);
            }
            Self::CreateTtl { path, data, acl, parent_cversion, ttl_ms } => {
                put_node(out, path, data, &acl);
                jute::put_int(out, parent_cversion);
                jute::put_long(out, ttl_ms);
            }
            Self::Delete { path } => jute::put_buffer(out, path),
            Self::SetData { path, data, version } => {
                jute::put_buffer(out, path);
                jute::put_buffer(out, data);
                jute::put_int(out, version);
            }
            Self::SetAcl { path, acl, version } => {
                jute::put_buffer(out, path);
                acl.encode(out);
                jute::put_int(out, version);
            }
            Self::Check { path, version } => {
                jute::put_buffer(out, path);
                jute::put_int(out, version);
            }
            Self::Multi(txns) => txns.encode(out),
            Self::Unknown(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The path of its znode as raw bytes, if it has a single one.
    #[must_use]
    pub const fn path(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Create { path, .. }
            | Self::CreateContainer { path, .. }
            | Self::CreateTtl { path, .. }
            | Self::Delete { path }
            | Self::SetData { path, .. }
            | Self::SetAcl { path, .. }
            | Self::Check { path, .. } => path,
            Self::CloseSession { .. }
            | Self::CreateSession { .. }
            | Self::Error { .. }
            | Self::Multi(_)
            | Self::Unknown(_) => None,
        }
    }
}

/// Up to 3.5 a closeSession has no body, since 3.6 it may have one, and a digest may follow either. So an
/// empty rest, 12 bytes that start like a digest, and anything else are distinguished.
fn close_session(input: &[u8]) -> Parsed<'_, TxnBody<'_>> {
    let is_bare = match input.len() {
        0 => true,
        Digest::LEN => input.starts_with(&Digest::VERSION.to_be_bytes()),
        _ => false,
    };
    if is_bare {
        return Ok((input, TxnBody::CloseSession { paths: None }));
    }
    List::parse("paths").map(|paths| TxnBody::CloseSession { paths: Some(paths) }).parse(input)
}

/// CreateTxnV0 (3.3 and before) ends with the ephemeral flag.
fn create(input: &[u8]) -> Parsed<'_, TxnBody<'_>> {
    let (after, (path, data, acl, is_ephemeral)) =
        (jute::string("path"), jute::string("data"), List::parse("acl"), jute::boolean("ephemeral"))
            .parse(input)?;
    let (after, parent_cversion) = match after.len() {
        0 => (after, None),
        _ => jute::int("parent cversion").map(Some).parse(after)?,
    };
    Ok((after, TxnBody::Create { path, data, acl, is_ephemeral, parent_cversion }))
}

fn create_container(input: &[u8]) -> Parsed<'_, TxnBody<'_>> {
    (jute::string("path"), jute::string("data"), List::parse("acl"), jute::int("parent cversion"))
        .map(|(path, data, acl, parent_cversion)| TxnBody::CreateContainer {
            path,
            data,
            acl,
            parent_cversion,
        })
        .parse(input)
}

fn create_ttl(input: &[u8]) -> Parsed<'_, TxnBody<'_>> {
    (
        jute::string("path"),
        jute::string("data"),
        List::parse("acl"),
        jute::int("parent cversion"),
        jute::long("ttl"),
    )
        .map(|(path, data, acl, parent_cversion, ttl_ms)| TxnBody::CreateTtl {
            path,
            data,
            acl,
            parent_cversion,
            ttl_ms,
        })
        .parse(input)
}

/// The fields that every kind of create begins with.
pub(super) fn put_node(out: &mut Vec<u8>, path: Option<&[u8]>, data: Option<&[u8]>, acl: &List<'_, Acl<'_>>) {
    jute::put_buffer(out, path);
    jute::put_buffer(out, data);
    acl.encode(out);
}

/// One transaction of a multi.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | type |
/// | 4 | 4 + n | a buffer: its [`TxnBody`], never with a digest |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubTxn<'a> {
    /// The operation. [`OpCode::Error`] in any of them makes the whole multi a no-op.
    pub kind: OpCode,
    /// Its encoded body.
    pub data: Option<&'a [u8]>,
}

impl<'a> SubTxn<'a> {
    /// Decodes its body. A multi inside a multi is decoded lazily.
    ///
    /// # Errors
    /// If the bytes are not exactly one body of its type; offsets count from the body's first byte.
    pub fn body(&self) -> Result<TxnBody<'a>, DecodeError> {
        jute::whole(self.data.unwrap_or_default(), |input| TxnBody::parse(self.kind, input))
    }

    /// Appends its encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        jute::put_int(out, self.kind.number());
        jute::put_buffer(out, self.data);
    }
}

impl<'a> Element<'a> for SubTxn<'a> {
    fn decode_front(input: &'a [u8]) -> Result<(Self, usize), DecodeError> {
        jute::front(
            input,
            (jute::int("type").map(OpCode::from_number), jute::string("txn"))
                .map(|(kind, data)| Self { kind, data }),
        )
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

    use crate::proto::error::DecodeErrorKind;
    use crate::proto::examples::{QUORUM, hex, named};
    use crate::proto::id::PacketType;
    use crate::proto::jute::{Id, MAX_BUFFER_LIMIT};

    const WORLD: &str = "00000001 0000001F 00000005 776F726C64 00000006 616E796F6E65";

    fn of(kind: OpCode, body: &str) -> Vec<u8> {
        let mut data = Vec::new();
        let session = SessionId(0x0100_000b_54a3_0000);
        TxnHeader { session, cxid: 3, zxid: Zxid::new(5, 7), time_ms: 1, kind }.encode(&mut data);
        data.extend(hex(body));
        data
    }

    /// Decodes, and checks that encoding gives the same bytes.
    fn round(data: &[u8]) -> Txn<'_> {
        let txn = Txn::decode(data).unwrap();
        let mut again = Vec::new();
        txn.encode(&mut again);
        assert_eq!(again, data);
        txn
    }

    #[test]
    fn a_create_tells_all() {
        let data = named("PROPOSAL create 3.6+").data();
        let txn = round(&data);
        assert_eq!(txn.header.session, SessionId(0x0100_000b_54a3_0000));
        assert_eq!((txn.header.cxid, txn.header.zxid), (3, Zxid::new(5, 7)));
        assert_eq!((txn.header.time_ms, txn.header.kind), (0x018b_2c4d_5e6f, OpCode::Create));
        assert_eq!(txn.digest, Some(Digest { version: 2, tree: 0x1a2b_3c4d }));
        assert_eq!(txn.path(), Some(&b"/a"[..]));
        let TxnBody::Create { data, acl, is_ephemeral, parent_cversion, .. } = txn.body else { panic!() };
        assert_eq!((data, is_ephemeral, parent_cversion), (Some(&b"hi"[..]), false, Some(1)));
        let anyone = Acl { permissions: 31, id: Id { scheme: Some(b"world"), id: Some(b"anyone") } };
        assert_eq!(acl.iter().collect::<Vec<_>>(), [anyone]);
    }

    #[test]
    fn every_body_comes_out_as_it_went_in_with_a_digest_and_without() {
        let node = format!("00000002 2F61 00000002 6869 {WORLD}");
        let bodies = [
            (OpCode::CreateSession, "00002710".into()),
            (OpCode::Error, "FFFFFF92".into()),
            (OpCode::Create, format!("{node} 01 00000001")),
            (OpCode::Create2, format!("{node} 00 00000001")),
            (OpCode::CreateContainer, format!("{node} 00000001")),
            (OpCode::CreateTtl, format!("{node} 00000001 0000000000001388")),
            (OpCode::Delete, "00000002 2F61".into()),
            (OpCode::DeleteContainer, "00000002 2F61".into()),
            (OpCode::SetData, "00000002 2F61 FFFFFFFF 00000001".into()),
            (OpCode::Reconfig, "00000002 2F61 00000002 6869 FFFFFFFF".into()),
            (OpCode::SetAcl, format!("00000002 2F61 {WORLD} 00000001")),
            (OpCode::Check, "00000002 2F61 00000004".into()),
            (OpCode::Multi, "00000001 00000002 00000006 00000002 2F61".into()),
        ];
        for (kind, body) in bodies {
            let plain = of(kind, &body);
            assert_eq!(round(&plain).digest, None, "{kind}");
            assert_ne!(round(&plain).header.kind, OpCode::Unknown(0));
            let digested = of(kind, &format!("{body} 00000002 000000001A2B3C4D"));
            let txn = round(&digested);
            assert_eq!(txn.digest, Some(Digest { version: 2, tree: 0x1a2b_3c4d }), "{kind}");
            assert_eq!(txn.body, round(&plain).body, "{kind}");
            let has_path = !matches!(kind, OpCode::CreateSession | OpCode::Error | OpCode::Multi);
            assert_eq!(txn.path(), has_path.then_some(&b"/a"[..]), "{kind}");
            for len in 32..plain.len() {
                let cut = Txn::decode(&plain[..len]);
                // A body that ends with the ephemeral flag is a CreateTxnV0.
                let is_v0 = matches!(kind, OpCode::Create | OpCode::Create2) && len == plain.len() - 4;
                assert_eq!(cut.is_ok(), is_v0, "{kind} at {len}: {cut:?}");
            }
            for tail in 1..12 {
                let long = of(kind, &format!("{body} {}", "00".repeat(tail)));
                assert!(Txn::decode(&long).is_err(), "{kind} with {tail} more");
            }
        }
    }

    #[test]
    fn a_sync_is_no_transaction_and_has_no_path_at_any_cut() {
        let data = of(OpCode::Sync, "00000002 2F61");
        assert_eq!(round(&data).path(), None);
        assert_eq!(TxnGlimpse::decode(&data).path, None);
    }

    #[test]
    fn a_create_of_3_3_has_no_parent_version() {
        let data = of(OpCode::Create, &format!("00000002 2F61 00000002 6869 {WORLD} 01"));
        let TxnBody::Create { is_ephemeral, parent_cversion, .. } = round(&data).body else { panic!() };
        assert_eq!((is_ephemeral, parent_cversion), (true, None));
    }

    #[test]
    fn a_close_session_is_told_by_its_length_and_its_first_bytes() {
        let forms = [
            ("", None, false),
            ("00000002 000000001A2B3C4D", None, true),
            ("00000000", Some(0), false),
            ("00000000 00000002 000000001A2B3C4D", Some(0), true),
            ("00000001 00000002 2F65", Some(1), false),
            ("00000001 00000002 2F65 00000002 000000001A2B3C4D", Some(1), true),
            // Twelve bytes that are no digest: one path of four.
            ("00000001 00000004 2F656565", Some(1), false),
        ];
        for (body, expected, digested) in forms {
            let data = of(OpCode::CloseSession, body);
            let txn = round(&data);
            let TxnBody::CloseSession { paths } = txn.body else { panic!() };
            assert_eq!(paths.map(|paths| paths.len()), expected, "{body}");
            assert_eq!(txn.digest.is_some(), digested, "{body}");
        }
        assert!(Txn::decode(&of(OpCode::CloseSession, "00000001 00000002 2F65 00")).is_err());
    }

    #[test]
    fn a_multi_holds_its_parts_and_multis_within() {
        let data = named("PROPOSAL multi").data();
        let TxnBody::Multi(txns) = round(&data).body else { panic!() };
        let parts: Vec<_> = txns.iter().map(|sub| (sub.kind, sub.body().unwrap())).collect();
        let expected = [
            (OpCode::Delete, TxnBody::Delete { path: Some(b"/a") }),
            (OpCode::Check, TxnBody::Check { path: Some(b"/b"), version: 4 }),
        ];
        assert_eq!(parts, expected);

        let nested = "00000001 0000000E 00000010 00000001 FFFFFFFF 00000004 FFFFFFFE";
        let data = of(OpCode::Multi, nested);
        let TxnBody::Multi(outer) = round(&data).body else { panic!() };
        let Ok(TxnBody::Multi(inner)) = outer.iter().next().unwrap().body() else { panic!() };
        let failed = inner.iter().next().unwrap();
        assert_eq!((failed.kind, failed.body()), (OpCode::Error, Ok(TxnBody::Error { code: -2 })));
        let mut again = Vec::new();
        failed.encode(&mut again);
        assert_eq!(again, inner.raw());

        let broken = SubTxn { kind: OpCode::Delete, data: Some(b"\0\0\0\x09/") };
        assert!(broken.body().is_err());
        assert!(SubTxn { data: None, ..broken }.body().is_err());
    }

    #[test]
    fn a_type_that_no_release_knows_keeps_its_bytes() {
        for kind in [OpCode::Unknown(77), OpCode::Sync] {
            let data = of(kind, "0102030405060708090A0B0C");
            let txn = round(&data);
            assert_eq!((txn.header.kind, txn.digest), (kind, None));
            assert_eq!(txn.body, TxnBody::Unknown(&data[32..]));
        }
    }

    #[test]
    fn lengths_inside_are_held_against_what_is_there() {
        let at_path = |len: i32| {
            let mut data = of(OpCode::Delete, "");
            data.extend(len.to_be_bytes());
            data.extend(b"/a");
            Txn::decode(&data).map(|txn| txn.path().map(<[u8]>::to_vec)).map_err(|error| error.kind)
        };
        let limit = MAX_BUFFER_LIMIT as i32;
        assert_eq!(at_path(2), Ok(Some(b"/a".to_vec())));
        assert_eq!(at_path(-1), Err(DecodeErrorKind::Trailing(2)));
        assert_eq!(at_path(-2), Err(DecodeErrorKind::BadValue(-2)));
        let short = DecodeErrorKind::TooShort { needed: MAX_BUFFER_LIMIT as usize, present: 2 };
        assert_eq!(at_path(limit), Err(short));
        let over = |len: i32| DecodeErrorKind::TooLong {
            len: len.unsigned_abs().into(),
            limit: MAX_BUFFER_LIMIT.into(),
        };
        assert_eq!(at_path(limit + 1), Err(over(limit + 1)));
        assert_eq!(at_path(i32::MAX), Err(over(i32::MAX)));

        for count in ["7FFFFFFF", "04000000", "00000001"] {
            let data = of(OpCode::Multi, count);
            assert!(matches!(Txn::decode(&data).unwrap_err().kind, DecodeErrorKind::TooShort { .. }));
        }
        for count in ["FFFFFFFF", "FFFFFFFE", "80000000", "00000000"] {
            let data = of(OpCode::Multi, count);
            let TxnBody::Multi(txns) = round(&data).body else { panic!() };
            assert!(txns.is_empty() && txns.iter().next().is_none());
        }
    }

    #[test]
    fn a_glimpse_shows_what_a_cut_left() {
        let data = named("PROPOSAL create 3.6+").data();
        let whole = Txn::decode(&data).unwrap();
        for len in 0..=data.len() {
            let shown = TxnGlimpse::decode(&data[..len]);
            assert_eq!(shown.session, (len >= 8).then_some(whole.header.session));
            assert_eq!(shown.cxid, (len >= 12).then_some(3));
            assert_eq!(shown.zxid, (len >= 20).then_some(whole.header.zxid));
            assert_eq!(shown.time_ms, (len >= 28).then_some(whole.header.time_ms));
            assert_eq!(shown.kind, (len >= 32).then_some(OpCode::Create));
            assert_eq!(shown.path, (len >= 38).then_some(&b"/a"[..]));
            assert_eq!(TxnHeader::decode(&data[..len]).is_ok(), len >= 32);
        }
        for example in QUORUM.iter().filter(|example| example.kind == PacketType::Proposal) {
            let data = example.data();
            assert_eq!(
                TxnGlimpse::decode(&data).path,
                Txn::decode(&data).unwrap().path(),
                "{}",
                example.name
            );
        }
    }
}
