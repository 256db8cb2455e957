//! What a decoder answers: a record, "not yet", or what is wrong and where.
//!
//! Errors are `Copy`, hold no text of their own and allocate nothing, so a hostile stream costs no more
//! than a good one.

use std::fmt;

/// What is wrong with some bytes, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The field that could not be read.
    pub field: &'static str,
    /// Where that field begins, in the bytes the decoder was given.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// The ways in which bytes can fail to be a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The field needs `needed` bytes from its offset on, and `present` are there.
    TooShort {
        /// Bytes the field takes, as far as is known.
        needed: usize,
        /// Bytes there are.
        present: usize,
    },
    /// A length or a count above its limit.
    TooLong {
        /// What the field says.
        len: u64,
        /// The most that is accepted.
        limit: u64,
    },
    /// A value that no writer puts there.
    BadValue(i64),
    /// Bytes left over where the record ends.
    Trailing(usize),
}

impl DecodeError {
    /// The same error, seen from `bytes` bytes further to the front.
    #[must_use]
    pub const fn behind(self, bytes: usize) -> Self {
        Self { offset: self.offset.saturating_add(bytes), ..self }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}: ", self.field, self.offset)?;
        match self.kind {
            DecodeErrorKind::TooShort { needed, present } => {
                write!(f, "{needed} bytes needed, {present} there")
            }
            DecodeErrorKind::TooLong { len, limit } => write!(f, "{len} is above the limit of {limit}"),
            DecodeErrorKind::BadValue(value) => write!(f, "unexpected value {value}"),
            DecodeErrorKind::Trailing(bytes) => write!(f, "{bytes} bytes too many"),
        }
    }
}

impl std::error::Error for DecodeError {}

/// What decoding from the front of a stream comes to. Not-yet is no error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// A record, and how many bytes it took.
    Record {
        /// The record.
        value: T,
        /// Its length on the wire.
        used: usize,
    },
    /// Too few bytes: the whole input must have at least `at_least` bytes for anything to change.
    NeedMore {
        /// Bytes from the record's first one on.
        at_least: usize,
    },
    /// No record starts like this.
    Malformed(DecodeError),
}

impl<T> Decoded<T> {
    /// A result as a step: what is too short becomes [`Decoded::NeedMore`].
    pub(super) fn of(result: Result<(T, usize), DecodeError>) -> Self {
        match result {
            Ok((value, used)) => Self::Record { value, used },
            Err(DecodeError { offset, kind: DecodeErrorKind::TooShort { needed, .. }, .. }) => {
                Self::NeedMore { at_least: offset.saturating_add(needed) }
            }
            Err(error) => Self::Malformed(error),
        }
    }

    /// The record and its length, if it is one.
    #[must_use]
    pub fn record(self) -> Option<(T, usize)> {
        match self {
            Self::Record { value, used } => Some((value, used)),
            Self::NeedMore { .. } | Self::Malformed(_) => None,
        }
    }
}
