//! Finds out from packet captures alone why a ZooKeeper ensemble stumbled: who went quiet, when, for how
//! long, and who or what is to blame.
//!
//! # Layers
//!
//! There is one way through, for every command and every capture format. A module imports only from those
//! with a lower number; `tests/layers.rs` reads this list and refuses anything else.
//!
//! 1. [`address`], [`time`], `hash`, `ring`: names and order of everything; batches that threads pass on.
//! 2. [`frame`]: a captured frame.
//! 3. [`pcapfile`], [`common_host`]: the bytes of a capture file to frames; who captured them.
//! 4. [`capture`]: files of all kinds, in order of time.
//! 5. [`packet`]: frames to TCP segments.
//! 6. [`stream`]: segments to the streams of a connection.
//! 7. [`proto`], [`raft`]: bytes to the records of ZooKeeper and of etcd; know nothing of connections.
//! 8. [`dissect`]: streams to events.
//! 9. [`findings`]: the report as data, which those above fill in.
//! 10. [`clocks`], [`logs`]: what sets captures and servers' logs right.
//! 11. [`track`]: events to facts.
//! 12. [`diagnose`]: facts to findings.
//! 13. [`report`], `output`: findings to text, JSON and annotated captures; files that are whole or not there.
//! 14. `export`, [`index`]: the report as tables; which captures belong together.
//! 15. [`live`]: frames off an interface or a growing file, and what is told of them at once. Here are clocks.
//! 16. `cli`: the command line.
//! 17. `fuzzing`: what fuzz targets call.
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
//! - `export` (default): tables for DuckDB, pyarrow and Spark.
//! - `live` (default): capture from an interface; needs libpcap.
//! - `tui` (default): the screen of `qscope live --tui`.
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

// Not in Cargo.toml: tests and benches, which are crates of their own, may fail, print and measure as they like.
#![warn(clippy::disallowed_methods, clippy::indexing_slicing, clippy::print_stdout)]

pub mod address;
pub mod capture;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clocks;
pub mod common_host;
pub mod diagnose;
pub mod dissect;
#[cfg(feature = "export")]
pub mod export;
pub mod findings;
pub mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod hash;
pub mod index;
pub mod live;
pub mod logs;
#[cfg(feature = "cli")]
pub mod output;
pub mod packet;
pub mod pcapfile;
pub mod proto;
pub mod raft;
pub mod report;
mod ring;
pub mod stream;
pub mod time;
pub mod track;

#[cfg(test)]
mod testkit;
