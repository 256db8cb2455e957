//! Requests: clients' writes, which the learner forwards to the leader.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | session |
//! | 8 | 4 | cxid; 0 in what the server asks for itself |
//! | 12 | 4 | operation |
//! | 16 | n | the client's own body, as it came |
//!
//! The learner does not check the body, so a client can put anything there; [`RequestGlimpse`] reads as much as is
//! valid.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/Learner.java`, request;
//! `zookeeper-jute/src/main/resources/zookeeper.jute`, module org.apache.zookeeper.proto.

use nom::Parser;

use super::error::{DecodeError, DecodeErrorKind};
use super::id::SessionId;
use super::jute::{self, Acl, Fault, List, Parsed};
use super::op::OpCode;
use super::txn::put_node;

/// A whole request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The session that asks.
    pub session: SessionId,
    /// The client's number for it.
    pub cxid: i32,
    /// The operation.
    pub op: OpCode,
    /// Its arguments.
    pub body: RequestBody<'a>,
}

impl<'a> Request<'a> {
    /// Bytes before the body.
    pub const HEADER_LEN: usize = 16;

    /// The request that fills `data`.
    ///
    /// # Errors
    /// If the client's body is not valid for its operation: too short, too long, or with invalid lengths.
    pub fn decode(data: &'a [u8]) -> Result<Self, DecodeError> {
        jute::whole(data, Self::parse)
    }

    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (after, (session, cxid, op)) =
            (jute::id("session").map(SessionId), jute::int("cxid"), jute::int("op").map(OpCode::from_number))
                .parse(input)?;
        let (after, body) = RequestBody::parse(op, after)?;
        Ok((after, Self { session, cxid, op, body }))
    }

    /// Appends its encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        jute::put_id(out, self.session.0);
        jute::put_int(out, self.cxid);
        jute::put_int(out, self.op.number());
        self.body.encode(out);
    }

    /// The path of its znode as raw bytes, if it has a single one.
    #[must_use]
    pub const fn path(&self) -> Option<&'a [u8]> {
        self.body.path()
    }
}

/// The readable part of a request that was cut, or whose body is invalid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestGlimpse<'a> {
    /// The session that asks; needs 8 captured bytes.
    pub session: Option<SessionId>,
    /// The client's number for it; needs 12.
    pub cxid: Option<i32>,
    /// The operation; needs 16.
    pub op: Option<OpCode>,
    /// The path, if there is a single one and it was captured completely.
    pub path: Option<&'a [u8]>,
}

impl<'a> RequestGlimpse<'a> {
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
        let input = jute::set(&mut self.op, jute::int("op").map(OpCode::from_number), input)?;
        // A deleteContainer's path has no length, so a cut path would look complete.
        if self.op.is_some_and(|op| op.leads_with_path() && op != OpCode::DeleteContainer) {
            self.path = jute::string("path")(input)?.1;
        }
        Ok((input, ()))
    }
}

/// The arguments of a request, by operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestBody<'a> {
    /// Create a znode of any kind.
    Create {
        /// Its path.
        path: Option<&'a [u8]>,
        /// Its data.
        data: Option<&'a [u8]>,
        /// Its access control list.
        acl: List<'a, Acl<'a>>,
        /// 0 persistent, 1 ephemeral, 2 and 3 the same sequential, 4 container, 5 TTL, 6 that sequential.
        flags: i32,
        /// Time to live in milliseconds; createTTL only.
        ttl_ms: Option<i64>,
    },
    /// Delete a znode.
    Delete {
        /// Its path.
        path: Option<&'a [u8]>,
        /// The expected version; −1 for any.
        version: i32,
    },
    /// Delete a container if it is empty. A leader issues this itself; a learner forwards it only from a
    /// client that imitates a server.
    DeleteContainer {
        /// Its path: bare bytes, without a length before them.
        path: &'a [u8],
    },
    /// Replace the data of a znode.
    SetData {
        /// Its path.
        path: Option<&'a [u8]>,
        /// The new value.
        data: Option<&'a [u8]>,
        /// The expected version; −1 for any.
        version: i32,
    },
    /// Replace a znode's access control list.
    SetAcl {
        /// Its path.
        path: Option<&'a [u8]>,
        /// The new value.
        acl: List<'a, Acl<'a>>,
        /// The expected version of the list; −1 for any.
        version: i32,
    },
    /// Compare the version of a znode.
    Check {
        /// Its path.
        path: Option<&'a [u8]>,
        /// The expected version.
        version: i32,
    },
    /// Wait until everything committed so far has reached this server.
    Sync {
        /// A path, which ZooKeeper ignores.
        path: Option<&'a [u8]>,
    },
    /// Reconfigure the ensemble.
    Reconfig {
        /// Joining servers: `server.N=` lines separated by commas.
        joining: Option<&'a [u8]>,
        /// Leaving servers: sids separated by commas.
        leaving: Option<&'a [u8]>,
        /// The whole new ensemble, instead of the two above.
        new_members: Option<&'a [u8]>,
        /// The expected version of the configuration; −1 for any.
        config_id: i64,
    },
    /// Several operations, all or none.
    Multi(Ops<'a>),
    /// Open a session.
    CreateSession {
        /// Its timeout in milliseconds.
        timeout_ms: i32,
    },
    /// Close the session.
    CloseSession,
    /// An unknown operation.
    Unknown(&'a [u8]),
}

impl<'a> RequestBody<'a> {
    fn parse(op: OpCode, input: &'a [u8]) -> Parsed<'a, Self> {
        match op {
            OpCode::Create | OpCode::Create2 | OpCode::CreateContainer => create(input),
            OpCode::CreateTtl => create_ttl(input),
            OpCode::Delete => (jute::string("path"), jute::int("version"))
                .map(|(path, version)| Self::Delete { path, version })
                .parse(input),
            OpCode::DeleteContainer => jute::rest.map(|path| Self::DeleteContainer { path }).parse(input),
            OpCode::SetData => (jute::string("path"), jute::string("data"), jute::int("version"))
                .map(|(path, data, version)| Self::SetData { path, data, version })
                .parse(input),
            OpCode::SetAcl => (jute::string("path"), List::parse("acl"), jute::int("version"))
                .map(|(path, acl, version)| Self::SetAcl { path, acl, version })
                .parse(input),
            OpCode::Check => (jute::string("path"), jute::int("version"))
                .map(|(path, version)| Self::Check { path, version })
                .parse(input),
            OpCode::Sync => jute::string("path").map(|path| Self::Sync { path }).parse(input),
            OpCode::Reconfig => reconfig(input),
            OpCode::Multi => Ops::parse.map(Self::Multi).parse(input),
            OpCode::CreateSession => {
                jute::int("timeout").map(|timeout_ms| Self::CreateSession { timeout_ms }).parse(input)
            }
            OpCode::CloseSession => Ok((input, Self::CloseSession)),
            OpCode::Error | OpCode::Unknown(_) => jute::rest.map(Self::Unknown).parse(input),
        }
    }

    /// Appends its encoding to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Create { path, data, acl, flags, ttl_ms } => {
                put_node(out, path, data, &acl);
                jute::put_int(out, flags);
                if let Some(ttl_ms) = ttl_ms {
                    jute::put_long(out, ttl_ms);
                }
            }
            Self::Delete { path, version } | Self::Check { path, version } => {
                jute::put_buffer(out, path);
                jute::put_int(out, version);
            }
            Self::DeleteContainer { path } => out.extend_from_slice(path),
            Self::Sync { path } => jute::put_buffer(out, path),
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
            Self::Reconfig { joining, leaving, new_members, config_id } => {
                jute::put_buffer(out, joining);
                jute::put_buffer(out, leaving);
                jute::put_buffer(out, new_members);
                jute::put_long(out, config_id);
            }
            Self::Multi(ops) => out.extend_from_slice(ops.raw),
            Self::CreateSession { timeout_ms } => jute::put_int(out, timeout_ms),
            Self::CloseSession => {}
            Self::Unknown(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The path of its znode as raw bytes, if it has a single one.
    #[must_use]
    pub const fn path(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Create { path, .. }
            | Self::Delete { path, .. }
            | Self::SetData { path, .. }
            | Self::SetAcl { path, .. }
            | Self::Check { path, .. }
            | Self::Sync { path } => path,
            Self::DeleteContainer { path } => Some(path),
            Self::Reconfig { .. }
            | Self::Multi(_)
            | Self::CreateSession { .. }
            | Self::CloseSession
            | Self::Unknown(_) => None,
        }
    }
}

fn create(input: &[u8]) -> Parsed<'_, RequestBody<'_>> {
    (jute::string("path"), jute::string("data"), List::parse("acl"), jute::int("flags"))
        .map(|(path, data, acl, flags)| RequestBody::Create { path, data, acl, flags, ttl_ms: None })
        .parse(input)
}

fn create_ttl(input: &[u8]) -> Parsed<'_, RequestBody<'_>> {
    (
        jute::string("path"),
        jute::string("data"),
        List::parse("acl"),
        jute::int("flags"),
        jute::long("ttl").map(Some),
    )
        .map(|(path, data, acl, flags, ttl_ms)| RequestBody::Create { path, data, acl, flags, ttl_ms })
        .parse(input)
}

fn reconfig(input: &[u8]) -> Parsed<'_, RequestBody<'_>> {
    (jute::string("joining"), jute::string("leaving"), jute::string("new members"), jute::long("config id"))
        .map(|(joining, leaving, new_members, config_id)| RequestBody::Reconfig {
            joining,
            leaving,
            new_members,
            config_id,
        })
        .parse(input)
}

/// The operations of a multi: validated when decoded, and decoded again as they are iterated.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | operation, −1 behind the last |
/// | 4 | 1 | done: 0, and 1 behind the last |
/// | 5 | 4 | error, −1 |
/// | 9 | n | its body; none behind the last |
///
/// An operation that a multi may not contain has no known length: it and everything after it become one
/// [`RequestBody::Unknown`].
///
/// Source: `apache/zookeeper: zookeeper-server/.../zookeeper/MultiOperationRecord.java`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ops<'a> {
    raw: &'a [u8],
}

impl<'a> Ops<'a> {
    /// The operations that fill `raw`, with their headers and the end marker.
    ///
    /// # Errors
    /// If `raw` is not a valid list of operations.
    pub fn new(raw: &'a [u8]) -> Result<Self, DecodeError> {
        jute::whole(raw, Self::parse)
    }

    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let mut after = input;
        loop {
            let (next, op) = Op::parse(after)?;
            after = next;
            match op {
                // An unknown operation used everything, including the end marker.
                None | Some(Op { body: RequestBody::Unknown(_), .. }) => break,
                Some(_) => {}
            }
        }
        let raw = input.get(..input.len().saturating_sub(after.len())).unwrap_or_default();
        Ok((after, Self { raw }))
    }

    /// The operations, in order.
    #[must_use]
    pub const fn iter(&self) -> OpIter<'a> {
        OpIter { raw: self.raw }
    }

    /// The encoded operations.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }
}

impl<'a> IntoIterator for Ops<'a> {
    type Item = Op<'a>;
    type IntoIter = OpIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Iterates over the operations of an [`Ops`].
#[derive(Clone, Debug)]
pub struct OpIter<'a> {
    raw: &'a [u8],
}

impl<'a> Iterator for OpIter<'a> {
    type Item = Op<'a>;

    fn next(&mut self) -> Option<Op<'a>> {
        let (after, op) = Op::parse(self.raw).ok()?;
        self.raw = after;
        op
    }
}

/// One operation of a multi.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op<'a> {
    /// The operation.
    pub op: OpCode,
    /// Its arguments.
    pub body: RequestBody<'a>,
}

impl<'a> Op<'a> {
    /// Decodes one operation at the start; `None` at the end marker. An operation of unknown length uses
    /// everything.
    fn parse(input: &'a [u8]) -> Parsed<'a, Option<Self>> {
        let (after, (op, is_done, _)) =
            (jute::int("op").map(OpCode::from_number), jute::boolean("done"), jute::int("error"))
                .parse(input)?;
        if is_done {
            return Ok((after, None));
        }
        let (after, body) = match op {
            OpCode::Create
            | OpCode::Create2
            | OpCode::CreateContainer
            | OpCode::CreateTtl
            | OpCode::Delete
            | OpCode::SetData
            | OpCode::SetAcl
            | OpCode::Check => RequestBody::parse(op, after)?,
            OpCode::Error => return Err(Fault::at("op", input, DecodeErrorKind::BadValue(-1))),
            _ => jute::rest.map(RequestBody::Unknown).parse(after)?,
        };
        Ok((after, Some(Self { op, body })))
    }

    /// Appends its header and its body to `out`. After the last one, call [`Op::encode_end`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        jute::put_int(out, self.op.number());
        jute::put_bool(out, false);
        jute::put_int(out, -1);
        self.body.encode(out);
    }

    /// Appends the end marker to `out`.
    pub fn encode_end(out: &mut Vec<u8>) {
        jute::put_int(out, -1);
        jute::put_bool(out, true);
        jute::put_int(out, -1);
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

    use crate::proto::examples::{hex, named};

    const WORLD: &str = "00000001 0000001F 00000005 776F726C64 00000006 616E796F6E65";
    const END: &str = "FFFFFFFF 01 FFFFFFFF";

    fn of(op: OpCode, body: &str) -> Vec<u8> {
        let mut data = hex("0100000B54A30000 00000003");
        data.extend(op.number().to_be_bytes());
        data.extend(hex(body));
        data
    }

    fn round(data: &[u8]) -> Request<'_> {
        let request = Request::decode(data).unwrap();
        let mut again = Vec::new();
        request.encode(&mut again);
        assert_eq!(again, data);
        request
    }

    #[test]
    fn a_create_tells_all() {
        let data = named("REQUEST create").data();
        let request = round(&data);
        assert_eq!((request.session, request.cxid), (SessionId(0x0100_000b_54a3_0000), 3));
        assert_eq!((request.op, request.path()), (OpCode::Create, Some(&b"/a"[..])));
        let RequestBody::Create { data, acl, flags, ttl_ms, .. } = request.body else { panic!() };
        assert_eq!((data, acl.len(), flags, ttl_ms), (Some(&b"hi"[..]), 1, 0, None));
    }

    #[test]
    fn every_body_comes_out_as_it_went_in_and_nothing_shorter_or_longer_does() {
        let node = format!("00000002 2F61 00000002 6869 {WORLD} 00000000");
        let bodies = [
            (OpCode::Create, node.clone(), true),
            (OpCode::Create2, node.clone(), true),
            (OpCode::CreateContainer, node.clone(), true),
            (OpCode::CreateTtl, format!("{node} 0000000000001388"), true),
            (OpCode::Delete, "00000002 2F61 FFFFFFFF".into(), true),
            (OpCode::SetData, "00000002 2F61 FFFFFFFF FFFFFFFF".into(), true),
            (OpCode::SetAcl, format!("00000002 2F61 {WORLD} 00000001"), true),
            (OpCode::Check, "00000002 2F61 00000004".into(), true),
            (OpCode::Sync, "00000002 2F61".into(), true),
            (OpCode::Reconfig, "FFFFFFFF 00000001 33 FFFFFFFF FFFFFFFFFFFFFFFF".into(), false),
            (OpCode::CreateSession, "00002710".into(), false),
            (OpCode::CloseSession, String::new(), false),
            (OpCode::Multi, END.into(), false),
            (OpCode::Multi, format!("00000002 00 FFFFFFFF 00000002 2F61 00000001 {END}"), false),
        ];
        for (op, body, has_path) in bodies {
            let data = of(op, &body);
            let request = round(&data);
            assert_eq!(request.path(), has_path.then_some(&b"/a"[..]), "{op}");
            assert_eq!(RequestGlimpse::decode(&data).path, request.path(), "{op}");
            for len in 0..data.len() {
                assert!(Request::decode(&data[..len]).is_err(), "{op} at {len}");
                let shown = RequestGlimpse::decode(&data[..len]);
                assert_eq!(shown.cxid, (len >= 12).then_some(3));
                assert_eq!(shown.op, (len >= 16).then_some(op));
                assert_eq!(shown.path, (has_path && len >= 22).then_some(&b"/a"[..]));
            }
            let mut long = data.clone();
            long.push(0);
            assert_eq!(Request::decode(&long).unwrap_err().kind, DecodeErrorKind::Trailing(1), "{op}");
        }
    }

    #[test]
    fn a_delete_container_is_the_bare_path() {
        let data = of(OpCode::DeleteContainer, "2F61");
        assert_eq!(round(&data).path(), Some(&b"/a"[..]));
        assert_eq!(RequestGlimpse::decode(&data).path, None);
    }

    #[test]
    fn a_multi_holds_its_operations_up_to_one_of_unknown_length() {
        let delete = "00000002 00 FFFFFFFF 00000002 2F61 00000001";
        let check = "0000000D 00 FFFFFFFF 00000002 2F62 00000004";
        let data = of(OpCode::Multi, &format!("{delete} {check} {END}"));
        let RequestBody::Multi(ops) = round(&data).body else { panic!() };
        let found: Vec<_> = ops.iter().map(|op| (op.op, op.body.path())).collect();
        assert_eq!(found, [(OpCode::Delete, Some(&b"/a"[..])), (OpCode::Check, Some(&b"/b"[..]))]);
        let mut again = Vec::new();
        ops.iter().for_each(|op| op.encode(&mut again));
        Op::encode_end(&mut again);
        assert_eq!(again, ops.raw());
        assert_eq!(Ops::new(&again), Ok(ops));

        for odd in ["00000063", "0000000E", "00000009"] {
            let data = of(OpCode::Multi, &format!("{delete} {odd} 00 FFFFFFFF 010203 {END}"));
            let RequestBody::Multi(ops) = round(&data).body else { panic!() };
            let last = ops.iter().last().unwrap();
            assert_eq!(ops.iter().count(), 2);
            assert!(matches!(last.body, RequestBody::Unknown([1, 2, 3, ..])), "{last:?}");
        }
        let data = of(OpCode::Multi, "FFFFFFFF 00 FFFFFFFF");
        assert_eq!(Request::decode(&data).unwrap_err().kind, DecodeErrorKind::BadValue(-1));
    }

    #[test]
    fn an_operation_that_no_release_forwards_keeps_its_bytes() {
        let data = of(OpCode::Unknown(105), "0102");
        assert_eq!(round(&data).body, RequestBody::Unknown(&[1, 2]));
    }
}
