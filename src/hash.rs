//! One hash for tables, tags and identities of a few numbers: multiplicative, as in Knuth's *The Art of
//! Computer Programming*, volume 3, section 6.4.
//!
//! It is fast and spreads well, and an attacker can find collisions. So it serves only where a collision
//! costs a comparison or a sample, never a wrong answer that a bounded number of forged frames could buy.

/// 2^64 divided by the golden ratio; odd, so that multiplying by it loses nothing.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Mixes `word` into `hash`. The upper bits of the result are the best mixed ones.
#[inline]
pub(crate) const fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(31) ^ word).wrapping_mul(GOLDEN)
}

/// Both halves of a number in 64 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
pub(crate) const fn fold(bits: u128) -> u64 {
    bits as u64 ^ (bits >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_upper_bits_of_neighbours_differ() {
        let mut tops: Vec<u64> = (0..256).map(|number| mix(0, number) >> 52).collect();
        tops.sort_unstable();
        tops.dedup();
        assert!(tops.len() > 240, "{}", tops.len());
        assert_ne!(mix(mix(0, 1), 2), mix(mix(0, 2), 1));
        assert_eq!(fold(1 << 64 | 2), 3);
    }
}
