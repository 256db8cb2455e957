//! Sees from packets alone why a ZooKeeper ensemble stumbled.
//!
//! One way through: frames, segments, streams, records, events, trackers, report.

pub mod frame;
pub mod proto;
pub mod time;
