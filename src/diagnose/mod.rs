//! Waits to incidents: what stalled, for how long, and why most likely.

mod cause;
mod context;
mod link_index;
mod one_way;
mod stall;

pub use stall::{election_after, limit, near_misses, stalls};
