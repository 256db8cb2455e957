//! The properties that fuzzing checks, as functions of arbitrary bytes.
//!
//! In: any bytes. Out: nothing, or a panic that names the violated property. Each function checks more than
//! the absence of panics: decoded data encodes to the same bytes, pieces give the same result as the whole,
//! cut data never contradicts the whole, and every byte is accounted for. Each target in `fuzz/` is one call;
//! `tests/corpus.rs` runs the corpus and past crashes through the same functions on stable Rust. Requires the
//! feature `fuzzing`.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a finding is a panic, and inputs are small"
)]

mod assembler;
mod dissect;
mod file;
#[cfg(feature = "live")]
mod live;
mod order;
mod packed;
mod packet;
mod peer;
mod proto;
mod report;
mod text;

pub use assembler::assembler;
pub use dissect::{link, whole};
pub use file::{capture_file, snoop};
#[cfg(feature = "live")]
pub use live::{follower, http};
pub use order::reorder;
pub use packed::packed;
pub use packet::{segment, tunnel};
pub use peer::peer;
pub use proto::{auth, election, jute, learner_info, proposal, quorum_packet, request, snapshot};
pub use report::report;
pub use text::log;
#[cfg(feature = "cli")]
pub use text::{etcd_conf, zoo_cfg};

/// A function that panics if a property is violated for these bytes.
pub type FuzzTarget = fn(&[u8]);

/// The targets by name, which is also that of their directories in `fuzz/corpus` and `fuzz/crashes`.
pub const TARGETS: &[(&str, FuzzTarget)] = &[
    ("assembler", assembler),
    ("auth", auth),
    ("capture_file", capture_file),
    ("election", election),
    #[cfg(feature = "cli")]
    ("etcd_conf", etcd_conf),
    #[cfg(feature = "live")]
    ("follower", follower),
    #[cfg(feature = "live")]
    ("http", http),
    ("jute", jute),
    ("learner_info", learner_info),
    ("link", link),
    ("log", log),
    ("packed", packed),
    ("peer", peer),
    ("proposal", proposal),
    ("quorum_packet", quorum_packet),
    ("reorder", reorder),
    ("report", report),
    ("request", request),
    ("segment", segment),
    ("snapshot", snapshot),
    ("snoop", snoop),
    ("tunnel", tunnel),
    ("whole", whole),
    #[cfg(feature = "cli")]
    ("zoo_cfg", zoo_cfg),
];

/// Reads operations from the start of the bytes; `None` at the end.
struct FuzzBytes<'a>(&'a [u8]);

impl<'a> FuzzBytes<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next `len` bytes, or all that are left.
    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (front, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        front
    }
}

/// Pseudo-random numbers seeded by the input, for choices that should not use up its bytes (xorshift).
struct Dice(u64);

impl Dice {
    /// FNV-1a of the input.
    fn of(data: &[u8]) -> Self {
        Self(data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        }))
    }

    /// A number below `end`, which must not be 0.
    fn below(&mut self, end: usize) -> usize {
        let Self(state) = self;
        *state |= u64::from(*state == 0);
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 16) as usize % end
    }
}

/// Lengths at which to cut `len` bytes: all if they are few, else those near the ends and some in between.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    let step = (len / 64).max(1);
    (0..len).filter(move |at| *at < 160 || at + 24 > len || at % step == 0)
}
