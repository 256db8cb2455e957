//! Waits to incidents: what stalled, for how long, and why most likely.

mod cause;
mod context;
mod crossing;
mod lives;
mod stall;

pub use stall::{election_after, limit, near_misses, stalls};
