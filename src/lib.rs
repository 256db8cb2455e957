//! Finds out from packet captures alone why a ZooKeeper ensemble stumbled: who went quiet, when, for how
//! long, and who or what is to blame.
//!
//! # Shape
//!
//! There is one way through, for every command and every capture format. A layer uses only those above it in
//! this table:
//!
//! | layer | modules | in | out |
//! | --- | --- | --- | --- |
//! | terms | [`time`], [`address`], [`frame`], [`common_host`] | | |
//! | files | [`pcapfile`], [`capture`] | files, directories, pipes | frames in order of time |
//! | segments | [`packet`] | frames | TCP segments, or why a frame is ignored |
//! | clocks | [`clocks`] | captures of several hosts | what aligns their clocks |
//! | streams | [`stream`] | segments | the bytes of each direction, with gaps |
//! | records | [`proto`] | bytes | packets and election notifications |
//! | events | [`dissect`] | segments | what happened on each link |
//! | facts | [`track`], in the types of [`findings`] | events | waits, round trips, roles, elections |
//! | findings | [`diagnose`], [`logs`] | facts, the servers' logs | stalls, with cause, suspect and evidence |
//! | report | [`report`] | findings | text, JSON |
//! | output files | `output` | bytes | files that appear complete or not at all |
//! | watching | [`live`] | an interface, a growing rotation | stalls as they happen, recordings, metrics |
//!
//! # Contract
//!
//! - Input is hostile. No input makes this library panic, use unbounded memory or recurse without bound, and
//!   nothing is dropped without being counted. There is no `unsafe` in it.
//! - Time is data. Only [`live`] and the command line read a clock; everything else takes its time from the
//!   capture, so the same input always gives the same report.
//! - Captures may be cut: 96 bytes of each frame are enough. What was worked out rather than seen is marked
//!   as inferred.
//! - Where the packets do not decide a cause, the verdict is `unknown`, and says what would decide it.
//!
//! # Limits
//!
//! [`stream::Limits`] bounds what reassembly holds: connections, waiting segments and their bytes. The other
//! bounds are constants named `MAX_…` beside the code that they protect. A limit that was reached is counted
//! in the report.
//!
//! # Features
//!
//! - `cli` (default): the `qscope` command line.
//! - `live` (default): capture from an interface; needs libpcap.
//! - `fuzzing`: the checks that the fuzz targets run.
//!
//! # Example
//!
//! ```
//! use quorumscope::capture::{Batch, Replay, ReplayOptions};
//! use quorumscope::packet::{self, Flags};
//!
//! /// Counts the resets in a capture: a pcap or pcapng file, packed or not, or a directory of them.
//! fn resets(path: &str) -> Result<usize, Box<dyn std::error::Error>> {
//!     let mut replay = Replay::open(&[path.into()], &ReplayOptions::default())?;
//!     let (mut batch, mut resets) = (Batch::new(), 0);
//!     while replay.fill(&mut batch) {
//!         let segments = batch.frames().filter_map(|frame| packet::segment(&frame).ok().map(|s| s.flags));
//!         resets += segments.filter(|flags| flags.contains(Flags::RST)).count();
//!     }
//!     Ok(resets)
//! }
//! assert!(resets("no such file").is_err());
//! ```

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
mod hash;
pub mod live;
pub mod logs;
#[cfg(feature = "cli")]
pub mod output;
pub mod packet;
pub mod pcapfile;
pub mod proto;
pub mod report;
pub mod stream;
pub mod time;
pub mod track;

#[cfg(test)]
mod testkit;
