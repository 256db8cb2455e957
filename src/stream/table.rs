//! The connection table: from a segment's endpoints to the slot that holds its state.
//!
//! At most one hash of the flow key per frame, and none for a flow that was found lately. A full table evicts
//! the longest idle of a few candidates, so that a SYN flood costs no more per frame than other traffic.

use super::Side;
use crate::address::Endpoint;
use crate::hash::mix;
use crate::time::Timestamp;
use hashbrown::HashMap;

/// A connection's endpoints, the lower one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// The endpoint that sorts first: side A.
    pub a: Endpoint,
    /// The other one: side B.
    pub b: Endpoint,
}

impl FlowKey {
    /// The key of a segment from `src` to `dst`, and which side `src` is.
    #[must_use]
    #[inline]
    pub fn of(src: Endpoint, dst: Endpoint) -> (Self, Side) {
        if src <= dst { (Self { a: src, b: dst }, Side::A) } else { (Self { a: dst, b: src }, Side::B) }
    }

    /// The endpoint of a side.
    #[must_use]
    pub const fn endpoint(&self, side: Side) -> Endpoint {
        match side {
            Side::A => self.a,
            Side::B => self.b,
        }
    }
}

/// Index of a connection's state; reused after the connection is evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionSlot(pub u32);

impl ConnectionSlot {
    /// The slot as an index.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[derive(Clone, Debug)]
struct Entry {
    key: FlowKey,
    touched: Timestamp,
    used: bool,
}

/// Entries of the direct-mapped cache in front of the hash table: two for each connection tracked at once.
const RECENT: usize = 1 << RECENT_BITS;
const RECENT_BITS: u32 = 15;

/// Entries considered for one eviction.
const CANDIDATES: usize = 16;

/// Maps endpoints to slots.
#[derive(Clone, Debug)]
pub struct ConnectionTable {
    slots: HashMap<FlowKey, u32, foldhash::fast::RandomState>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Slots found lately: a direct-mapped cache, indexed by the flow's addresses and ports.
    recent: Box<[u32]>,
    limit: usize,
    hand: usize,
    /// Connections evicted because the table was full.
    pub evicted: u64,
}

/// What [`ConnectionTable::find`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A known connection.
    Known(ConnectionSlot),
    /// A new one, in a free slot.
    New(ConnectionSlot),
    /// A new one, in the slot of a connection that must be evicted first.
    Instead(ConnectionSlot),
}

impl ConnectionTable {
    /// A table that holds at most `limit` connections.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            slots: HashMap::default(),
            entries: Vec::new(),
            free: Vec::new(),
            recent: vec![u32::MAX; RECENT].into_boxed_slice(),
            limit: limit.clamp(1, u32::MAX as usize),
            hand: 0,
            evicted: 0,
        }
    }

    /// How many connections it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The cache index of a flow, the same for both of its directions.
    #[inline]
    const fn recent_index(a: &Endpoint, b: &Endpoint) -> usize {
        let both = (a.port ^ b.port) as u64
            ^ (((a.address.bits() ^ b.address.bits()) & 0xffff_ffff_ffff) as u64) << u16::BITS;
        (mix(0, both) >> (u64::BITS - RECENT_BITS)) as usize
    }

    /// The slot of a flow that was found lately, and which of its sides `src` is. On a miss, ask
    /// [`Self::find`].
    #[inline]
    pub fn find_recent(
        &mut self,
        src: &Endpoint,
        dst: &Endpoint,
        at: Timestamp,
    ) -> Option<(ConnectionSlot, Side)> {
        let slot = *self.recent.get(Self::recent_index(src, dst))?;
        let entry = self.entries.get_mut(slot as usize)?;
        let side = if entry.key.a == *src && entry.key.b == *dst {
            Side::A
        } else if entry.key.b == *src && entry.key.a == *dst {
            Side::B
        } else {
            return None;
        };
        if !entry.used {
            return None;
        }
        entry.touched = at;
        Some((ConnectionSlot(slot), side))
    }

    /// The slot of a flow; a new flow gets one.
    pub fn find(&mut self, key: &FlowKey, at: Timestamp) -> Lookup {
        if let Some((slot, _)) = self.find_recent(&key.a, &key.b, at) {
            return Lookup::Known(slot);
        }
        if let Some(&slot) = self.slots.get(key) {
            if let Some(held) = self.recent.get_mut(Self::recent_index(&key.a, &key.b)) {
                *held = slot;
            }
            if let Some(entry) = self.entries.get_mut(slot as usize) {
                entry.touched = at;
            }
            return Lookup::Known(ConnectionSlot(slot));
        }
        self.insert(*key, at)
    }

    #[cold]
    fn insert(&mut self, key: FlowKey, at: Timestamp) -> Lookup {
        let entry = Entry { key, touched: at, used: true };
        let found = if let Some(slot) = self.free.pop() {
            Lookup::New(ConnectionSlot(slot))
        } else if self.entries.len() < self.limit {
            #[expect(clippy::cast_possible_truncation, reason = "the limit fits")]
            let slot = self.entries.len() as u32;
            self.entries.push(Entry { key, touched: at, used: true });
            Lookup::New(ConnectionSlot(slot))
        } else {
            let slot = self.idlest();
            if let Some(old) = self.entries.get(slot as usize) {
                self.slots.remove(&old.key);
            }
            self.evicted += 1;
            Lookup::Instead(ConnectionSlot(slot))
        };
        let (Lookup::New(ConnectionSlot(slot))
        | Lookup::Instead(ConnectionSlot(slot))
        | Lookup::Known(ConnectionSlot(slot))) = found;
        if let Some(held) = self.entries.get_mut(slot as usize) {
            *held = entry;
        }
        self.slots.insert(key, slot);
        if let Some(held) = self.recent.get_mut(Self::recent_index(&key.a, &key.b)) {
            *held = slot;
        }
        found
    }

    /// The longest idle of the next few entries.
    #[expect(clippy::cast_possible_truncation, reason = "the limit fits")]
    fn idlest(&mut self) -> u32 {
        let count = self.entries.len().max(1);
        let candidates = (0..CANDIDATES.min(count)).map(|i| (self.hand + i) % count);
        let idlest = candidates.min_by_key(|&i| self.entries.get(i).map(|e| e.touched)).unwrap_or(0);
        self.hand = (self.hand + CANDIDATES) % count;
        idlest as u32
    }

    /// Removes a connection; its slot may be reused.
    pub fn remove(&mut self, slot: ConnectionSlot) {
        if let Some(entry) = self.entries.get_mut(slot.index())
            && entry.used
        {
            entry.used = false;
            self.slots.remove(&entry.key);
            self.free.push(slot.0);
        }
    }

    /// The endpoints of a slot in use.
    #[must_use]
    pub fn key(&self, slot: ConnectionSlot) -> Option<FlowKey> {
        self.entries.get(slot.index()).filter(|e| e.used).map(|e| e.key)
    }
}
