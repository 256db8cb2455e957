//! One table's file: rows are gathered in columns, and written as row groups of bounded size.

use super::column::ColumnValues;
use super::schema::{SCHEMA, Table};
use super::value::Value;
use parquet::basic::Compression;
use parquet::errors::Result;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use std::io::Write;
use std::sync::Arc;

/// Rows of a row group.
pub const MAX_ROWS: usize = 1 << 17;
/// About how many bytes of memory a row group may take while it is gathered.
const MAX_BYTES: usize = 32 << 20;

/// A table that is written to `out`.
pub struct TableFile<W: Write + Send> {
    out: SerializedFileWriter<W>,
    columns: Vec<ColumnValues>,
    rows: usize,
    bytes: usize,
    written: u64,
}

impl<W: Write + Send> TableFile<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// What the writer says.
    pub fn new(table: Table, out: W) -> Result<Self> {
        let about = |key: &str, value: &str| KeyValue::new(key.to_owned(), value.to_owned());
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_created_by(format!("quorumscope version {}", env!("CARGO_PKG_VERSION")))
            .set_key_value_metadata(Some(vec![
                about("quorumscope.schema", SCHEMA),
                about("quorumscope.table", table.name()),
                about("quorumscope.version", env!("CARGO_PKG_VERSION")),
            ]))
            .build();
        let columns = table.columns().iter().map(|column| ColumnValues::new(column.kind)).collect();
        let out = SerializedFileWriter::new(out, table.parquet_schema()?, Arc::new(properties))?;
        Ok(Self { out, columns, rows: 0, bytes: 0, written: 0 })
    }

    /// Adds a row, its values in the order of the table's columns; what is left out is not known.
    ///
    /// # Errors
    /// What the writer says.
    pub fn row(&mut self, values: &[Value<'_>]) -> Result<()> {
        let rest = std::iter::repeat(&Value::Null);
        let sizes =
            self.columns.iter_mut().zip(values.iter().chain(rest)).map(|(column, value)| column.push(value));
        self.bytes += sizes.sum::<usize>();
        self.rows += 1;
        self.written += 1;
        if self.rows >= MAX_ROWS || self.bytes >= MAX_BYTES { self.flush() } else { Ok(()) }
    }

    /// How many rows it has.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.written
    }

    /// About how many bytes of memory the row group under way takes.
    #[must_use]
    pub const fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Ends the row group under way.
    ///
    /// # Errors
    /// What the writer says.
    pub fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.out.next_row_group()?;
        self.columns.iter_mut().try_for_each(|column| column.write(&mut group))?;
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    /// Ends the file and hands back what it was written to.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(mut self) -> Result<W> {
        self.flush()?;
        self.out.into_inner()
    }
}
