//! Where the bytes of a stream went.

/// Accounts for every byte of a stream: `stream = decoded + cut + missing + unframed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteSums {
    /// Captured, inside records.
    pub decoded: u64,
    /// In captured frames, beyond the snaplen.
    pub cut: u64,
    /// In frames that the capture lacks.
    pub missing: u64,
    /// Captured, but not in a record.
    pub unframed: u64,
    /// The part of `cut` that belongs to no record, seen or inferred.
    pub cut_unframed: u64,
}

impl ByteSums {
    /// All bytes of the stream.
    #[must_use]
    pub const fn stream(&self) -> u64 {
        self.decoded + self.cut + self.missing + self.unframed
    }

    /// Both together.
    #[must_use]
    pub const fn plus(&self, other: &Self) -> Self {
        Self {
            decoded: self.decoded + other.decoded,
            cut: self.cut + other.cut,
            missing: self.missing + other.missing,
            unframed: self.unframed + other.unframed,
            cut_unframed: self.cut_unframed + other.cut_unframed,
        }
    }
}
