//! How many packets of each type there were.

use crate::proto::PacketType;
use std::collections::BTreeMap;

/// Counts by packet type: the numbers of the protocol, with all unknown ones apart.
#[derive(Clone, Debug, Default)]
pub struct TypeCounts {
    known: [u64; 20],
    unknown: BTreeMap<i32, u64>,
}

/// Unknown types told apart per link and direction.
const MAX_UNKNOWN: usize = 64;

impl TypeCounts {
    /// Counts a packet; false for one type too many.
    #[inline]
    pub(super) fn add(&mut self, kind: PacketType) -> bool {
        let number = kind.number();
        match usize::try_from(number).ok().and_then(|index| self.known.get_mut(index)) {
            Some(count) => *count += 1,
            None if self.unknown.len() < MAX_UNKNOWN || self.unknown.contains_key(&number) => {
                *self.unknown.entry(number).or_default() += 1;
            }
            None => return false,
        }
        true
    }

    /// Types with their counts, those above 0.
    #[must_use]
    pub fn map(&self) -> BTreeMap<PacketType, u64> {
        let known = (0..).zip(self.known);
        known
            .filter(|(_, count)| *count > 0)
            .chain(self.unknown.iter().map(|(number, count)| (*number, *count)))
            .map(|(number, count)| (PacketType::from_number(number), count))
            .collect()
    }
}
