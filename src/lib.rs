//! Sees from packets alone why a ZooKeeper ensemble stumbled.
//!
//! One way through: frames, segments, streams, records, events, trackers, report.

pub mod address;
pub mod capture;
pub mod frame;
pub mod packet;
pub mod pcapfile;
pub mod proto;
pub mod stream;
pub mod time;

#[cfg(test)]
mod testkit;
