//! Facts to findings: what stalled, for how long, and why most likely.
//!
//! The [`Analyzer`] owns the trackers and judges what they know.

mod analyzer;
mod cause;
mod clock_doubt;
mod context;
mod coverage;
mod facts;
mod incident;
mod leader_disk;
mod link_index;
mod link_stall;
mod one_way;
mod outage;
mod past;
mod raft;
mod sessions;
mod stall;
mod surroundings;
#[cfg(test)]
mod tests;

pub use analyzer::Analyzer;
pub use clock_doubt::doubt_clocks;
pub use coverage::coverage;
pub use link_stall::{limit, told_after};
