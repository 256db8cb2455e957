//! Waits to incidents: what stalled, for how long, and why most likely.

mod cause;
mod context;
mod crossing;
mod stall;

pub use stall::{near_misses, stalls};
