//! Columns of a row group under way.

use super::schema::ColumnKind;
use super::value::Value;
use crate::findings::series::Bucket;
use hashbrown::HashMap;
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result};
use parquet::file::writer::{SerializedColumnWriter, SerializedRowGroupWriter};
use std::io::Write;

/// Texts of a column that are kept to be used again.
const MAX_TEXTS: usize = 4_096;
/// Longer texts are written anew each time.
const MAX_KEPT_TEXT: usize = 128;

/// The values of one column; definition levels beside them say which rows have one.
#[derive(Debug)]
pub(super) struct ColumnValues {
    levels: Vec<i16>,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Int(Vec<i64>),
    Float(Vec<f64>),
    Bool(Vec<bool>),
    Text(Texts),
    Buckets(Lists),
}

#[derive(Debug, Default)]
struct Texts {
    all: Vec<ByteArray>,
    /// Each text but once: columns hold names that come again and again.
    known: HashMap<Box<str>, ByteArray, foldhash::fast::FixedState>,
}

/// Lists of buckets, one after the other: a repetition level of 1 goes on with a list.
#[derive(Debug, Default)]
struct Lists {
    repetitions: Vec<i16>,
    us: Vec<i64>,
    counts: Vec<i64>,
}

impl ColumnValues {
    pub(super) fn new(kind: ColumnKind) -> Self {
        let values = match kind {
            ColumnKind::Int | ColumnKind::Time => Values::Int(Vec::new()),
            ColumnKind::Float => Values::Float(Vec::new()),
            ColumnKind::Bool => Values::Bool(Vec::new()),
            ColumnKind::Text => Values::Text(Texts::default()),
            ColumnKind::Buckets => Values::Buckets(Lists::default()),
        };
        Self { levels: Vec::new(), values }
    }

    /// Adds the value of the next row and answers about how many bytes it takes; one of another kind is none.
    pub(super) fn push(&mut self, value: &Value<'_>) -> usize {
        if let (Values::Buckets(lists), Value::Buckets(buckets)) = (&mut self.values, value) {
            return lists.push(buckets, &mut self.levels);
        }
        let (is_there, bytes) = match (&mut self.values, value) {
            (Values::Int(all), Value::Int(value)) => (push(all, *value), 8),
            (Values::Int(all), Value::Time(at)) => (push(all, at.nanos().div_euclid(1_000)), 8),
            (Values::Float(all), Value::Float(value)) => (push(all, *value), 8),
            (Values::Bool(all), Value::Bool(value)) => (push(all, *value), 1),
            (Values::Text(texts), Value::Text(text)) => (texts.push(text), 32 + text.len()),
            (Values::Buckets(lists), _) => (push(&mut lists.repetitions, 0), 2),
            _ => (false, 0),
        };
        let is_value = is_there && !matches!(self.values, Values::Buckets(_));
        self.levels.push(i16::from(is_value));
        2 + bytes
    }

    /// Writes all, as the next column or columns of a row group, and forgets it.
    pub(super) fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        let levels = &self.levels;
        match &mut self.values {
            Values::Int(all) => put(group, levels, None, &Leaf::Int(all))?,
            Values::Float(all) => put(group, levels, None, &Leaf::Float(all))?,
            Values::Bool(all) => put(group, levels, None, &Leaf::Bool(all))?,
            Values::Text(texts) => put(group, levels, None, &Leaf::Text(&texts.all))?,
            Values::Buckets(lists) => {
                put(group, levels, Some(&lists.repetitions), &Leaf::Int(&lists.us))?;
                put(group, levels, Some(&lists.repetitions), &Leaf::Int(&lists.counts))?;
            }
        }
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.levels.clear();
        match &mut self.values {
            Values::Int(all) => all.clear(),
            Values::Float(all) => all.clear(),
            Values::Bool(all) => all.clear(),
            Values::Text(texts) => texts.all.clear(),
            Values::Buckets(lists) => *lists = Lists::default(),
        }
    }
}

fn push<T>(all: &mut Vec<T>, value: T) -> bool {
    all.push(value);
    true
}

impl Texts {
    fn push(&mut self, text: &str) -> bool {
        if let Some(known) = self.known.get(text) {
            return push(&mut self.all, known.clone());
        }
        let bytes = ByteArray::from(text);
        if text.len() <= MAX_KEPT_TEXT {
            if self.known.len() >= MAX_TEXTS {
                self.known.clear();
            }
            self.known.insert(text.into(), bytes.clone());
        }
        push(&mut self.all, bytes)
    }
}

impl Lists {
    /// Level 0: no list; 1: an empty one; 2: an entry.
    fn push(&mut self, buckets: &[Bucket], levels: &mut Vec<i16>) -> usize {
        if buckets.is_empty() {
            levels.push(1);
            self.repetitions.push(0);
        }
        for (index, bucket) in buckets.iter().enumerate() {
            levels.push(2);
            self.repetitions.push(i16::from(index > 0));
            self.us.push(i64::try_from(bucket.us).unwrap_or(i64::MAX));
            self.counts.push(i64::try_from(bucket.count).unwrap_or(i64::MAX));
        }
        8 + 20 * buckets.len()
    }
}

/// Values of a physical column.
enum Leaf<'a> {
    Int(&'a [i64]),
    Float(&'a [f64]),
    Bool(&'a [bool]),
    Text(&'a [ByteArray]),
}

fn put<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    levels: &[i16],
    repetitions: Option<&[i16]>,
    leaf: &Leaf<'_>,
) -> Result<()> {
    let mut column: SerializedColumnWriter<'_> = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than the schema has".to_owned()))?;
    match (column.untyped(), leaf) {
        (ColumnWriter::Int64ColumnWriter(out), Leaf::Int(all)) => {
            out.write_batch(all, Some(levels), repetitions)
        }
        (ColumnWriter::DoubleColumnWriter(out), Leaf::Float(all)) => {
            out.write_batch(all, Some(levels), repetitions)
        }
        (ColumnWriter::BoolColumnWriter(out), Leaf::Bool(all)) => {
            out.write_batch(all, Some(levels), repetitions)
        }
        (ColumnWriter::ByteArrayColumnWriter(out), Leaf::Text(all)) => {
            out.write_batch(all, Some(levels), repetitions)
        }
        _ => Err(ParquetError::General("a column of another type than the schema's".to_owned())),
    }?;
    column.close()
}
