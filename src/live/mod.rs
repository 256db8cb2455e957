//! Watching as it happens: what a running capture gives cause to tell, and where its frames come from.
//!
//! [`Watch`] looks at the trackers whenever it is told to, and says what is new: a wait that nears its
//! deadline, a stall, its end. It asks no clock; whoever drives it passes the present. What drives it
//! lies behind the feature `live`: an interface, signals, rights, and the clock.

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
#[cfg(feature = "live")]
pub mod interface;
#[cfg(feature = "live")]
pub mod metrics;
#[cfg(feature = "live")]
pub mod numbers;
#[cfg(feature = "live")]
pub mod recorder;
#[cfg(feature = "live")]
mod recordings;
#[cfg(feature = "live")]
pub mod rights;
mod watch;

#[cfg(feature = "live")]
pub use error::Error;
pub use watch::Watch;
