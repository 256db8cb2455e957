//! The result of decoding: a record, too few bytes, or an error with its offset.
//!
//! Errors are `Copy`, own no text and allocate nothing, so a hostile stream costs no more than a valid one.

use std::fmt;

/// What is wrong with some bytes, and at which offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// The field that could not be read.
    pub field: &'static str,
    /// Offset of that field in the decoder's input.
    pub offset: usize,
    /// What is wrong with it.
    pub kind: DecodeErrorKind,
}

/// The reasons why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The field needs `needed` bytes from its offset on, and only `present` are there.
    TooShort {
        /// Bytes the field takes, as far as is known.
        needed: usize,
        /// Bytes there are.
        present: usize,
    },
    /// A length or a count above its limit.
    TooLong {
        /// The field's value.
        len: u64,
        /// The largest accepted value.
        limit: u64,
    },
    /// A value that no encoder writes.
    BadValue(i64),
    /// Bytes left over after the record.
    Trailing(usize),
}

impl DecodeError {
    /// The same error with its offset moved back by `bytes` bytes.
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

/// The result of decoding at the start of a stream. Too few bytes are not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<T> {
    /// A record and its length.
    Record {
        /// The record.
        value: T,
        /// Its length on the wire.
        used: usize,
    },
    /// Too few bytes: try again once the whole input has at least `at_least` bytes.
    NeedMore {
        /// Bytes from the record's first byte on.
        at_least: usize,
    },
    /// No record starts with these bytes.
    Malformed(DecodeError),
}

impl<T> Decoded<T> {
    /// Converts a result: [`DecodeErrorKind::TooShort`] becomes [`Decoded::NeedMore`].
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
