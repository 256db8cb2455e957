//! Jute, ZooKeeper's serialization format: its primitives, read from a slice and written to a vector.
//!
//! | type | on the wire |
//! | --- | --- |
//! | bool | 1 byte; anything but 0 is true |
//! | int, long | 4 or 8 bytes, big-endian, two's complement |
//! | buffer, string | int length, then as many bytes; −1 is null, and null is not empty |
//! | vector | int count, then the elements; −1 is null, any other negative count reads as 0 |
//! | record | its fields in order: no tag, no length, no padding |
//!
//! Strings stay bytes: ZooKeeper writes UTF-16 code units one by one, so they need not be UTF-8. A length is
//! checked against its limit before more bytes are requested. Vectors are validated once and never collected.
//! The parsers use nom, which is not visible outside `proto`.
//!
//! Source: `apache/zookeeper: zookeeper-jute/src/main/java/org/apache/jute/`, BinaryInputArchive and
//! BinaryOutputArchive.

use std::marker::PhantomData;

use nom::bytes::complete::take;
use nom::error::{ErrorKind, ParseError};
use nom::number::complete::{be_i32, be_i64, be_u8};
use nom::{IResult, Parser};

use super::error::{DecodeError, DecodeErrorKind};

/// The longest buffer or string that ZooKeeper accepts by default: `jute.maxbuffer` (0xfffff) plus
/// `zookeeper.jute.maxbuffer.extrasize` (3.5.7 and later), which has the same default.
pub const DEFAULT_MAX_BUFFER: u32 = 2_097_150;

/// The largest limit, for ensembles with a larger `jute.maxbuffer`: 64 MiB.
pub const MAX_BUFFER_LIMIT: u32 = 64 * 1024 * 1024;

/// A parse error inside `proto`, located by the number of bytes left, so that parsers need not track their
/// offset.
#[derive(Debug)]
pub(super) struct Fault {
    field: &'static str,
    left: usize,
    kind: DecodeErrorKind,
}

impl Fault {
    /// An error at the start of `input`.
    pub(super) fn at(field: &'static str, input: &[u8], kind: DecodeErrorKind) -> nom::Err<Self> {
        nom::Err::Error(Self { field, left: input.len(), kind })
    }

    fn short(field: &'static str, input: &[u8], needed: usize) -> nom::Err<Self> {
        Self::at(field, input, DecodeErrorKind::TooShort { needed, present: input.len() })
    }
}

impl<'a> ParseError<&'a [u8]> for Fault {
    fn from_error_kind(input: &'a [u8], _: ErrorKind) -> Self {
        let kind = DecodeErrorKind::TooShort { needed: input.len().saturating_add(1), present: input.len() };
        Self { field: "bytes", left: input.len(), kind }
    }

    fn append(_: &'a [u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// The result of a parser inside `proto`.
pub(super) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// Runs a parser at the start of `input`: its value, and how many bytes it used.
pub(super) fn front<'a, T>(
    input: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = T, Error = Fault>,
) -> Result<(T, usize), DecodeError> {
    match parser.parse(input) {
        Ok((rest, value)) => Ok((value, input.len().saturating_sub(rest.len()))),
        Err(nom::Err::Error(fault) | nom::Err::Failure(fault)) => Err(DecodeError {
            field: fault.field,
            offset: input.len().saturating_sub(fault.left),
            kind: fault.kind,
        }),
        // Only nom's streaming parsers return this, and there are none here.
        Err(nom::Err::Incomplete(_)) => Err(DecodeError {
            field: "bytes",
            offset: input.len(),
            kind: DecodeErrorKind::TooShort { needed: 1, present: 0 },
        }),
    }
}

/// Runs a parser that must use all of `input`.
pub(super) fn whole<'a, T>(
    input: &'a [u8],
    parser: impl Parser<&'a [u8], Output = T, Error = Fault>,
) -> Result<T, DecodeError> {
    let (value, used) = front(input, parser)?;
    match input.len().saturating_sub(used) {
        0 => Ok(value),
        left => Err(DecodeError { field: "end", offset: used, kind: DecodeErrorKind::Trailing(left) }),
    }
}

/// A boolean.
pub(super) fn boolean<'a>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, bool> {
    move |input| match be_u8::<_, Fault>(input) {
        Ok((rest, byte)) => Ok((rest, byte != 0)),
        Err(_) => Err(Fault::short(field, input, 1)),
    }
}

/// A 4-byte integer.
pub(super) fn int<'a>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, i32> {
    move |input| be_i32::<_, Fault>(input).map_err(|_| Fault::short(field, input, 4))
}

/// An 8-byte integer.
pub(super) fn long<'a>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, i64> {
    move |input| be_i64::<_, Fault>(input).map_err(|_| Fault::short(field, input, 8))
}

/// An 8-byte id; ZooKeeper itself treats it as signed.
pub(super) fn id<'a>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, u64> {
    move |input| long(field).map(i64::cast_unsigned).parse(input)
}

/// Exactly `len` bytes.
pub(super) fn bytes<'a>(field: &'static str, len: usize) -> impl Fn(&'a [u8]) -> Parsed<'a, &'a [u8]> {
    move |input| take::<_, _, Fault>(len)(input).map_err(|_| Fault::short(field, input, len))
}

/// Reads a field into `place`, and returns the rest.
pub(super) fn set<'a, T>(
    place: &mut Option<T>,
    mut parser: impl Parser<&'a [u8], Output = T, Error = Fault>,
    input: &'a [u8],
) -> Result<&'a [u8], nom::Err<Fault>> {
    let (after, value) = parser.parse(input)?;
    *place = Some(value);
    Ok(after)
}

/// All remaining bytes.
pub(super) fn rest(input: &[u8]) -> Parsed<'_, &[u8]> {
    let (front, back) = input.split_at(input.len());
    Ok((back, front))
}

/// A buffer or a string of at most `limit` bytes; `None` is null.
pub(super) fn buffer<'a>(
    field: &'static str,
    limit: u32,
) -> impl Fn(&'a [u8]) -> Parsed<'a, Option<&'a [u8]>> {
    move |input| {
        let (after, len) = int(field)(input)?;
        match length(len, limit) {
            Ok(None) => Ok((after, None)),
            Ok(Some(len)) => bytes(field, len).map(Some).parse(after),
            Err(kind) => Err(Fault::at(field, input, kind)),
        }
    }
}

/// A string inside a record whose size is already limited.
pub(super) fn string<'a>(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, Option<&'a [u8]>> {
    buffer(field, MAX_BUFFER_LIMIT)
}

/// Converts a length field: `None` is null (−1).
pub(super) fn length(len: i32, limit: u32) -> Result<Option<usize>, DecodeErrorKind> {
    if len == -1 {
        return Ok(None);
    }
    let Ok(unsigned) = u32::try_from(len) else {
        return Err(DecodeErrorKind::BadValue(i64::from(len)));
    };
    if unsigned > limit {
        return Err(DecodeErrorKind::TooLong { len: u64::from(unsigned), limit: u64::from(limit) });
    }
    usize::try_from(unsigned).map(Some).map_err(|_| DecodeErrorKind::BadValue(i64::from(len)))
}

/// An element type of a [`List`].
pub trait Element<'a>: Sized {
    /// The element at the start of `input`, and how many bytes it used (at least 1).
    ///
    /// # Errors
    /// Why the bytes are not an element, with the offset in `input`.
    fn decode_front(input: &'a [u8]) -> Result<(Self, usize), DecodeError>;
}

/// A vector: validated when it is decoded, and decoded again as it is iterated. It borrows the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List<'a, T> {
    count: i32,
    raw: &'a [u8],
    elements: PhantomData<T>,
}

impl<'a, T: Element<'a>> List<'a, T> {
    /// The null vector (count −1).
    pub const NULL: Self = Self { count: -1, raw: &[], elements: PhantomData };
    /// The vector without elements.
    pub const EMPTY: Self = Self { count: 0, raw: &[], elements: PhantomData };

    /// A vector of the `count` encoded elements that fill `raw`.
    ///
    /// # Errors
    /// If `raw` is not exactly `count` elements.
    pub fn new(count: i32, raw: &'a [u8]) -> Result<Self, DecodeError> {
        whole(raw, Self::elements(count))
    }

    /// Decodes count and elements at the start of the input.
    pub(super) fn parse(field: &'static str) -> impl Fn(&'a [u8]) -> Parsed<'a, Self> {
        Self::parse_within(field, i32::MAX, usize::MAX)
    }

    /// The same, for at most `most` elements in at most `limit` bytes.
    pub(super) fn parse_within(
        field: &'static str,
        most: i32,
        limit: usize,
    ) -> impl Fn(&'a [u8]) -> Parsed<'a, Self> {
        move |input| {
            let (after, count) = int(field)(input)?;
            if count > most {
                let kind = DecodeErrorKind::TooLong {
                    len: u64::from(count.unsigned_abs()),
                    limit: u64::from(most.unsigned_abs()),
                };
                return Err(Fault::at(field, input, kind));
            }
            let (after, list) = Self::elements(count)(after)?;
            if list.raw.len() > limit {
                let kind = DecodeErrorKind::TooLong { len: list.raw.len() as u64, limit: limit as u64 };
                return Err(Fault::at(field, input, kind));
            }
            Ok((after, list))
        }
    }

    fn elements(count: i32) -> impl Fn(&'a [u8]) -> Parsed<'a, Self> {
        move |input| {
            let mut after = input;
            for _ in 0..count.max(0) {
                after = element::<T>(after)?.0;
            }
            let raw = input.get(..input.len().saturating_sub(after.len())).unwrap_or_default();
            Ok((after, Self { count, raw, elements: PhantomData }))
        }
    }
}

impl<'a, T> List<'a, T> {
    /// The number of elements; 0 for null.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::try_from(self.count).unwrap_or(0)
    }

    /// Whether there is no element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count <= 0
    }

    /// Whether it is null, not just empty.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        self.count == -1
    }

    /// The encoded elements, without the count.
    #[must_use]
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Appends count and elements to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.count);
        out.extend_from_slice(self.raw);
    }

    /// The elements, in order.
    #[must_use]
    pub const fn iter(&self) -> Elements<'a, T> {
        Elements { raw: self.raw, elements: PhantomData }
    }
}

impl<'a, T: Element<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Elements<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The elements of a [`List`].
#[derive(Clone, Debug)]
pub struct Elements<'a, T> {
    raw: &'a [u8],
    elements: PhantomData<T>,
}

impl<'a, T: Element<'a>> Iterator for Elements<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.raw.is_empty() {
            return None;
        }
        let (rest, value) = element::<T>(self.raw).ok()?;
        self.raw = rest;
        Some(value)
    }
}

fn element<'a, T: Element<'a>>(input: &'a [u8]) -> Parsed<'a, T> {
    match T::decode_front(input) {
        Ok((value, used)) => Ok((input.get(used..).unwrap_or_default(), value)),
        Err(error) => {
            let here = input.get(error.offset..).unwrap_or_default();
            Err(Fault::at(error.field, here, error.kind))
        }
    }
}

/// A string in a vector of strings; `None` is null.
impl<'a> Element<'a> for Option<&'a [u8]> {
    fn decode_front(input: &'a [u8]) -> Result<(Self, usize), DecodeError> {
        front(input, string("string"))
    }
}

/// An identity: of a client connection in a REQUEST's authinfo, or of a grantee in an [`Acl`].
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 + n | scheme, a string |
/// | 4 + n | 4 + m | id, a string |
///
/// Source: `apache/zookeeper: zookeeper-jute/src/main/resources/zookeeper.jute`, Id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id<'a> {
    /// `ip`, `world`, `digest`, `sasl`, ...
    pub scheme: Option<&'a [u8]>,
    /// The identity, in the terms of the scheme.
    pub id: Option<&'a [u8]>,
}

impl Id<'_> {
    /// Writes it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_buffer(out, self.scheme);
        put_buffer(out, self.id);
    }
}

impl<'a> Element<'a> for Id<'a> {
    fn decode_front(input: &'a [u8]) -> Result<(Self, usize), DecodeError> {
        front(input, (string("scheme"), string("id")).map(|(scheme, id)| Self { scheme, id }))
    }
}

/// One entry of an access control list.
///
/// | offset | size | field |
/// | --- | --- | --- |
/// | 0 | 4 | permissions: 1 read, 2 write, 4 create, 8 delete, 16 admin |
/// | 4 | 8 + n + m | [`Id`] |
///
/// Source: `apache/zookeeper: zookeeper-jute/src/main/resources/zookeeper.jute`, ACL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acl<'a> {
    /// The permission bits.
    pub permissions: i32,
    /// The identity that has them.
    pub id: Id<'a>,
}

impl Acl<'_> {
    /// Writes it.
    pub fn encode(&self, out: &mut Vec<u8>) {
        put_int(out, self.permissions);
        self.id.encode(out);
    }
}

impl<'a> Element<'a> for Acl<'a> {
    fn decode_front(input: &'a [u8]) -> Result<(Self, usize), DecodeError> {
        front(input, (int("perms"), element::<Id<'a>>).map(|(permissions, id)| Self { permissions, id }))
    }
}

/// Writes a boolean.
pub(super) fn put_bool(out: &mut Vec<u8>, value: bool) {
    out.push(u8::from(value));
}

/// Writes a 4-byte integer.
pub(super) fn put_int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes an 8-byte integer.
pub(super) fn put_long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes an 8-byte id.
pub(super) fn put_id(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// Writes a buffer or a string; `None` is null.
pub(super) fn put_buffer(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        None => put_int(out, -1),
        Some(bytes) => {
            put_int(out, i32::try_from(bytes.len()).unwrap_or(i32::MAX));
            out.extend_from_slice(bytes);
        }
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

    #[test]
    fn null_and_empty_differ() {
        assert_eq!(whole(&[0xff; 4], buffer("b", 10)), Ok(None));
        assert_eq!(whole(&[0; 4], buffer("b", 10)), Ok(Some(&[][..])));
        let mut out = Vec::new();
        put_buffer(&mut out, None);
        put_buffer(&mut out, Some(b""));
        assert_eq!(out, [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert!(List::<Id<'_>>::NULL.is_null() && !List::<Id<'_>>::EMPTY.is_null());
    }

    #[test]
    fn anything_but_zero_is_true() {
        assert_eq!(whole(&[0], boolean("b")), Ok(false));
        assert_eq!(whole(&[1], boolean("b")), Ok(true));
        assert_eq!(whole(&[0xff], boolean("b")), Ok(true));
    }

    #[test]
    fn errors_say_where() {
        let error = front(&[0; 15], (long("first"), long("second"))).unwrap_err();
        let kind = DecodeErrorKind::TooShort { needed: 8, present: 7 };
        assert_eq!(error, DecodeError { field: "second", offset: 8, kind });
        assert_eq!(error.to_string(), "second at byte 8: 8 bytes needed, 7 there");
        let error = whole(&[0; 5], int("only")).unwrap_err();
        assert_eq!((error.offset, error.kind), (4, DecodeErrorKind::Trailing(1)));
        let mut ids = 2_i32.to_be_bytes().to_vec();
        ids.extend([0; 8]);
        ids.extend((-5_i32).to_be_bytes());
        let error = front(&ids, List::<Id<'_>>::parse("ids")).unwrap_err();
        assert_eq!(error, DecodeError { field: "scheme", offset: 12, kind: DecodeErrorKind::BadValue(-5) });
    }

    #[test]
    fn a_list_is_as_long_as_its_count_and_bytes_say() {
        let strings = [0, 0, 0, 1, b'a', 0xff, 0xff, 0xff, 0xff];
        let list = List::<Option<&[u8]>>::new(2, &strings).unwrap();
        assert_eq!((list.len(), list.iter().collect::<Vec<_>>()), (2, vec![Some(&b"a"[..]), None]));
        assert_eq!(list.into_iter().count(), 2);
        let mut out = Vec::new();
        list.encode(&mut out);
        assert_eq!(out, [&[0, 0, 0, 2][..], &strings].concat());
        assert!(List::<Option<&[u8]>>::new(1, &strings).is_err());
        assert!(List::<Option<&[u8]>>::new(3, &strings).is_err());
        assert!(List::<Option<&[u8]>>::new(i32::MAX, &strings).is_err());
    }
}
