//! Transactions: the data of PROPOSAL and INFORM, and of INFORMANDACTIVATE behind its sid.
//!
//! | offset | size | part |
//! | --- | --- | --- |
//! | 0 | 32 | [`Header`] |
//! | 32 | n | [`Body`], by the header's type |
//! | 32 + n | 0 or 12 | [`Digest`] (3.6+) |
//!
//! Nothing says whether there is a digest: the body is read, and 12 bytes left over are one. So a
//! type that is unknown keeps all that follows its header.
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
pub struct Header {
    /// Whose write it is.
    pub session: SessionId,
    /// The client's number for it.
    pub cxid: i32,
    /// Its zxid.
    pub zxid: Zxid,
    /// The leader's wall clock, in milliseconds since 1970.
    pub time_ms: i64,
    /// What it does.
    pub kind: OpCode,
}

impl Header {
    /// Bytes in a header.
    pub const LEN: usize = 32;

    /// The header at the front of some data.
    ///
    /// # Errors
    /// Below 32 bytes.
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

    /// Writes it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        jute::put_id(out, self.session.0);
        jute::put_int(out, self.cxid);
        jute::put_id(out, self.zxid.0);
        jute::put_long(out, self.time_ms);
        jute::put_int(out, self.kind.number());
    }
}

/// As much of a transaction as a cut leaves. A capture of 96 bytes a frame shows session and cxid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Glimpse<'a> {
    /// Whose write it is: 8 bytes.
    pub session: Option<SessionId>,
    /// The client's number for it: 12 bytes.
    pub cxid: Option<i32>,
    /// Its zxid: 20 bytes.
    pub zxid: Option<Zxid>,
    /// The leader's wall clock, in milliseconds since 1970: 28 bytes.
    pub time_ms: Option<i64>,
    /// What it does: 32 bytes.
    pub kind: Option<OpCode>,
    /// What it does it to, if it is one path and all of it was kept.
    pub path: Option<&'a [u8]>,
}

impl<'a> Glimpse<'a> {
    /// What the front of a transaction shows.
    #[must_use]
    pub fn decode(data: &'a [u8]) -> Self {
        let mut shown = Self::default();
        // Stops at the first field that the cut reaches; what was read before stays.
        let _ = shown.fill(data);
        shown
    }

    fn fill(&mut self, input: &'a [u8]) -> Parsed<'a, ()> {
        let input = jute::set(&mut self.session, jute::id("session").map(SessionId), input)?;
        let input = jute::set(&mut self.cxid, jute::int("cxid"), input)?;
        let input = jute::set(&mut self.zxid, jute::id("zxid").map(Zxid), input)?;
        let input = jute::set(&mut self.time_ms, jute::long("time"), input)?;
        let input = jute::set(&mut self.kind, jute::int("type").map(OpCode::from_number), input)?;
        // A reconfiguration's transaction is a setData, unlike its request.
        if self.kind.is_some_and(|kind| kind.leads_with_path() || kind == OpCode::Reconfig) {
            self.path = jute::string("path")(input)?.1;
        }
        Ok((input, ()))
    }
}

/// What a server's tree amounted to after a transaction, so that others can compare (3.6+).
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | version, 2 in every release so far |
/// | 4 | 8 | digest of the tree |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How it was computed.
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
    /// Who, when, and which.
    pub header: Header,
    /// What.
    pub body: Body<'a>,
    /// What the tree came to, in versions that say so.
    pub digest: Option<Digest>,
}

impl<'a> Txn<'a> {
    /// The transaction that fills `data`.
    ///
    /// # Errors
    /// Where a field is short or has a length that no writer gives it, or where the bytes behind the body
    /// are neither nothing nor a digest.
    pub fn decode(data: &'a [u8]) -> Result<Self, DecodeError> {
        jute::whole(data, Self::parse)
    }

    fn parse(input: &'a [u8]) -> Parsed<'a, Self> {
        let (after, header) = Header::parse(input)?;
        let (after, body) = Body::parse(header.kind, after)?;
        let (after, digest) = match after.len() {
            Digest::LEN => Digest::parse.map(Some).parse(after)?,
            _ => (after, None),
        };
        Ok((after, Self { header, body, digest }))
    }

    /// Writes it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(out);
        self.body.encode(out);
        if let Some(digest) = self.digest {
            digest.encode(out);
        }
    }

    /// The znode it is about, as raw bytes, where it is one.
    #[must_use]
    pub const fn path(&self) -> Option<&'a [u8]> {
        self.body.path()
    }
}

/// What a transaction does. Several types share a record: create and create2, delete and
/// deleteContainer, setData and reconfig.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A session ends.
    CloseSession {
        /// The ephemeral znodes that go with it; `None` up to 3.5, or where that is switched off.
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
    /// A znode is made (CreateTxn, CreateTxnV0).
    Create {
        /// Where.
        path: Option<&'a [u8]>,
        /// With what in it.
        data: Option<&'a [u8]>,
        /// For whom.
        acl: List<'a, Acl<'a>>,
        /// Whether it goes with its session.
        is_ephemeral: bool,
        /// The parent's new child version; `None` in CreateTxnV0 (3.3 and before).
        parent_cversion: Option<i32>,
    },
    /// A container znode is made.
    CreateContainer {
        /// Where.
        path: Option<&'a [u8]>,
        /// With what in it.
        data: Option<&'a [u8]>,
        /// For whom.
        acl: List<'a, Acl<'a>>,
        /// The parent's new child version.
        parent_cversion: i32,
    },
    /// A znode with a time to live is made.
    CreateTtl {
        /// Where.
        path: Option<&'a [u8]>,
        /// With what in it.
        data: Option<&'a [u8]>,
        /// For whom.
        acl: List<'a, Acl<'a>>,
        /// The parent's new child version.
        parent_cversion: i32,
        /// How long it may stay unused, in milliseconds.
        ttl_ms: i64,
    },
    /// A znode is removed.
    Delete {
        /// Which.
        path: Option<&'a [u8]>,
    },
    /// A znode's data is replaced; in a reconfiguration, by the new configuration.
    SetData {
        /// Which.
        path: Option<&'a [u8]>,
        /// By what.
        data: Option<&'a [u8]>,
        /// Its new version.
        version: i32,
    },
    /// A znode's access control list is replaced.
    SetAcl {
        /// Which.
        path: Option<&'a [u8]>,
        /// By what.
        acl: List<'a, Acl<'a>>,
        /// The list's new version.
        version: i32,
    },
    /// A version was compared, inside a multi.
    Check {
        /// Of which znode.
        path: Option<&'a [u8]>,
        /// With what.
        version: i32,
    },
    /// Several at once.
    Multi(List<'a, SubTxn<'a>>),
    /// A type that no release so far proposes, with all that follows the header.
    Unknown(&'a [u8]),
}

impl<'a> Body<'a> {
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

    /// Writes it.
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

    /// The znode it is about, as raw bytes, where it is one.
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

/// Up to 3.5 a closeSession has no body, since 3.6 it may have one, and either may be followed by a
/// digest: nothing, 12 bytes that start like a digest, and anything else are told apart by that.
fn close_session(input: &[u8]) -> Parsed<'_, Body<'_>> {
    let is_bare = match input.len() {
        0 => true,
        Digest::LEN => input.starts_with(&Digest::VERSION.to_be_bytes()),
        _ => false,
    };
    if is_bare {
        return Ok((input, Body::CloseSession { paths: None }));
    }
    List::parse("paths").map(|paths| Body::CloseSession { paths: Some(paths) }).parse(input)
}

/// CreateTxnV0 (3.3 and before) ends behind the ephemeral flag.
fn create(input: &[u8]) -> Parsed<'_, Body<'_>> {
    let (after, (path, data, acl, is_ephemeral)) =
        (jute::string("path"), jute::string("data"), List::parse("acl"), jute::boolean("ephemeral"))
            .parse(input)?;
    let (after, parent_cversion) = match after.len() {
        0 => (after, None),
        _ => jute::int("parent cversion").map(Some).parse(after)?,
    };
    Ok((after, Body::Create { path, data, acl, is_ephemeral, parent_cversion }))
}

fn create_container(input: &[u8]) -> Parsed<'_, Body<'_>> {
    (jute::string("path"), jute::string("data"), List::parse("acl"), jute::int("parent cversion"))
        .map(|(path, data, acl, parent_cversion)| Body::CreateContainer { path, data, acl, parent_cversion })
        .parse(input)
}

fn create_ttl(input: &[u8]) -> Parsed<'_, Body<'_>> {
    (
        jute::string("path"),
        jute::string("data"),
        List::parse("acl"),
        jute::int("parent cversion"),
        jute::long("ttl"),
    )
        .map(|(path, data, acl, parent_cversion, ttl_ms)| Body::CreateTtl {
            path,
            data,
            acl,
            parent_cversion,
            ttl_ms,
        })
        .parse(input)
}

/// What every kind of create begins with.
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
/// | 4 | 4 + n | a buffer: its [`Body`], never with a digest |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubTxn<'a> {
    /// What it does. [`OpCode::Error`] in any of them makes the whole multi a no-op.
    pub kind: OpCode,
    /// Its body, as it is on the wire.
    pub data: Option<&'a [u8]>,
}

impl<'a> SubTxn<'a> {
    /// Its body, decoded. A multi inside a multi is decoded when it is asked for, and no sooner.
    ///
    /// # Errors
    /// Where the bytes are not exactly one body of its type; offsets count from the body's first byte.
    pub fn body(&self) -> Result<Body<'a>, DecodeError> {
        jute::whole(self.data.unwrap_or_default(), |input| Body::parse(self.kind, input))
    }

    /// Writes it.
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
