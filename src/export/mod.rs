//! The report as tables, for engines that read Parquet: one row an incident, a wait, an interval, a record.
//!
//! [`schema`] says which tables and columns there are, and is what `docs/export.md` lists. Rows are gathered in row
//! groups of bounded size and written by [`Tables`], below `site=/ensemble=/date=`, each file whole or not there.
//! Columns are added freely and never change their meaning; [`SCHEMA`] stands in the metadata of every file.

mod column;
mod file;
pub mod rows;
pub mod schema;
mod tables;
mod value;

pub use file::{MAX_ROWS, TableFile};
pub use schema::{SCHEMA, Table};
pub use tables::{Partition, Tables, bounds, customary_name, day_of, escaped, parse_day, show_day};
pub use value::Value;

use crate::output;
use std::error;
use std::fmt;
use std::io;

/// Why a table was not written.
#[derive(Debug)]
pub enum ExportError {
    /// A file stands in the way, or the system refused.
    Output(output::OutputError),
    /// The writer of Parquet refused.
    Parquet(parquet::errors::ParquetError),
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output(error) => f.write_str(&error.sentence()),
            Self::Parquet(error) => write!(f, "a table cannot be written: {error}"),
        }
    }
}

impl error::Error for ExportError {}

impl From<output::OutputError> for ExportError {
    fn from(error: output::OutputError) -> Self {
        Self::Output(error)
    }
}

impl From<parquet::errors::ParquetError> for ExportError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Parquet(error)
    }
}

impl From<io::Error> for ExportError {
    fn from(error: io::Error) -> Self {
        Self::Parquet(parquet::errors::ParquetError::External(Box::new(error)))
    }
}

/// The number of a run: of its names, the same wherever and whenever it is told (FNV-1a, 63 bits).
#[must_use]
pub fn run_id(partition: &Partition, name: &str) -> i64 {
    let parts = [partition.site.as_str(), partition.ensemble.as_str(), name];
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 1).cast_signed()
}
