//! Live watching: announcements from a running capture, and the sources of its frames.
//!
//! [`Watch`] compares the trackers with what it has announced, and reports what is new: a wait near its
//! deadline, a stall, its end, and the incidents behind them. It reads no clock; the caller passes the present time. The drivers need the
//! feature `live`: an interface, signals, privileges, and the clock.

#![allow(clippy::disallowed_methods, reason = "what watches the present asks clocks what it is")]

#[cfg(feature = "live")]
pub mod clock;
#[cfg(feature = "live")]
mod error;
#[cfg(feature = "live")]
mod exposition;
#[cfg(feature = "live")]
pub mod follow;
#[cfg(feature = "live")]
pub mod http;
mod incidents;
#[cfg(feature = "live")]
pub mod interface;
#[cfg(feature = "live")]
pub mod metrics;
#[cfg(feature = "live")]
pub mod numbers;
#[cfg(feature = "live")]
pub mod pages;
#[cfg(feature = "live")]
pub mod raft_numbers;
#[cfg(feature = "live")]
pub mod recorder;
#[cfg(feature = "live")]
mod recordings;
#[cfg(feature = "live")]
pub mod rights;
#[cfg(feature = "tui")]
pub mod screen;
mod watch;

#[cfg(feature = "live")]
pub use error::LiveError;
pub use watch::Watch;
