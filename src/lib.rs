//! Sees from packets alone why a ZooKeeper ensemble stumbled.
//!
//! One way through: frames, segments, streams, records, events, trackers, report.

pub mod address;
pub mod capture;
pub mod frame;
pub mod packet;
pub mod pcapfile;
pub mod proto;
#[cfg(test)]
mod testkit;
pub mod time;
