//! Sees from packets alone why a ZooKeeper ensemble stumbled.
//!
//! One way through: frames, segments, streams, records, events, trackers, findings, report.

pub mod address;
pub mod capture;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clocks;
pub mod common_host;
pub mod diagnose;
pub mod dissect;
pub mod findings;
pub mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod live;
pub mod logs;
pub mod packet;
pub mod pcapfile;
pub mod proto;
pub mod report;
pub mod stream;
pub mod time;
pub mod track;

#[cfg(test)]
mod testkit;
