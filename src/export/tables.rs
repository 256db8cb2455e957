//! All tables of a run below one folder: `TABLE/site=S/ensemble=E/date=D/RUN.parquet`.

use super::file::TableFile;
use super::schema::Table;
use super::value::Value;
use super::{ExportError, run_id};
use crate::output::{FileId, Folder, NewFile, Replace};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;
/// Days of one run that have files of their own; rows of others have no date.
const MAX_DAYS: usize = 64;
/// What Hive, Spark and DuckDB take for no value.
const NO_DAY: &str = "__HIVE_DEFAULT_PARTITION__";
/// Row groups under way of all files together may take so many bytes of memory.
const MAX_HELD: usize = 128 << 20;

/// Where rows belong: the first two levels of folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// The site.
    pub site: String,
    /// The ensemble.
    pub ensemble: String,
}

/// A day of UTC, counted from 1970-01-01.
type Day = i64;

/// The day of a time.
#[must_use]
pub const fn day_of(at: Timestamp) -> i64 {
    at.nanos().div_euclid(DAY)
}

/// Reads a day written as `2026-11-21`.
#[must_use]
pub fn parse_day(text: &str) -> Option<i64> {
    let midnight: jiff::Timestamp = format!("{text}T00:00:00Z").parse().ok()?;
    let day = midnight.as_second().div_euclid(DAY / 1_000_000_000);
    (text.len() == 10).then_some(day)
}

/// A day's name: `2026-11-21`.
#[must_use]
pub fn show_day(day: i64) -> String {
    let at = jiff::Timestamp::from_second(day.saturating_mul(86_400)).unwrap_or_default();
    at.strftime("%F").to_string()
}

/// The tables of one run.
pub struct Tables {
    root: PathBuf,
    partition: Partition,
    name: String,
    run: i64,
    /// Where rows of the run itself go.
    home: Day,
    /// Only rows of this day are written, if there is one.
    only: Option<Day>,
    force: bool,
    inputs: Vec<FileId>,
    open: BTreeMap<(Table, Option<Day>), TableFile<NewFile>>,
    days: BTreeSet<Day>,
    rows: BTreeMap<Table, u64>,
}

impl Tables {
    /// Nothing is written yet. With `force`, files of an earlier run of that name are replaced; `inputs` never are.
    #[must_use]
    pub fn new(root: &Path, partition: Partition, name: &str, force: bool, inputs: Vec<FileId>) -> Self {
        Self {
            root: root.to_owned(),
            run: run_id(&partition, name),
            partition,
            name: name.to_owned(),
            home: 0,
            only: None,
            force,
            inputs,
            open: BTreeMap::new(),
            days: BTreeSet::new(),
            rows: BTreeMap::new(),
        }
    }

    fn replace(&self) -> Replace<'_> {
        Replace { force: self.force, inputs: &self.inputs }
    }

    /// Sets the day of the run: that of its first frame, or the only one of which rows are written.
    pub fn set_home(&mut self, first: Option<Timestamp>, only: Option<i64>) {
        self.home = only.or(first.map(day_of)).unwrap_or_default();
        self.only = only;
    }

    /// The run's number.
    #[must_use]
    pub const fn run(&self) -> i64 {
        self.run
    }

    /// The run's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rows of a table by now.
    #[must_use]
    pub fn rows(&self, table: Table) -> u64 {
        self.rows.get(&table).copied().unwrap_or_default()
    }

    /// Whether the run would be refused, since it was written before.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn check(&self) -> Result<(), ExportError> {
        let path = self.folder(Table::Runs, Some(self.home));
        if path.is_dir() {
            Folder::open(&path)?.check(&self.file_name(), self.replace())?;
        }
        Ok(())
    }

    /// Whether rows of this time are written.
    #[must_use]
    pub fn takes(&self, at: Timestamp) -> bool {
        self.only.is_none_or(|only| day_of(at) == only)
    }

    /// Whether something that lasted is told: it reaches into the day that was asked for.
    #[must_use]
    pub fn reaches(&self, from: Timestamp, to: Option<Timestamp>) -> bool {
        self.only.is_none_or(|only| day_of(from) <= only && to.is_none_or(|to| day_of(to) >= only))
    }

    /// Adds a row about the run itself.
    ///
    /// # Errors
    /// What stands in the way of its file.
    pub fn row(&mut self, table: Table, values: &[Value<'_>]) -> Result<(), ExportError> {
        self.put(table, Some(self.home), values)
    }

    /// Adds a row about something that happened at a time, if that is wanted.
    ///
    /// # Errors
    /// What stands in the way of its file.
    pub fn row_at(&mut self, table: Table, at: Timestamp, values: &[Value<'_>]) -> Result<(), ExportError> {
        if !self.takes(at) {
            return Ok(());
        }
        let day = day_of(at);
        let is_known = self.days.contains(&day);
        if !is_known && self.days.len() >= MAX_DAYS {
            return self.put(table, None, values);
        }
        if !is_known {
            self.days.insert(day);
        }
        self.put(table, Some(day), values)
    }

    fn put(&mut self, table: Table, day: Option<Day>, values: &[Value<'_>]) -> Result<(), ExportError> {
        let key = (table, day);
        if !self.open.contains_key(&key) {
            let file = self.begin(table, day)?;
            self.open.insert(key, file);
        }
        if let Some(file) = self.open.get_mut(&key) {
            file.row(values)?;
            *self.rows.entry(table).or_default() += 1;
            if file.held_bytes() > MAX_HELD / MAX_DAYS {
                self.keep_within()?;
            }
        }
        Ok(())
    }

    /// Ends the largest row groups while all together take too much.
    fn keep_within(&mut self) -> Result<(), ExportError> {
        while self.open.values().map(TableFile::held_bytes).sum::<usize>() > MAX_HELD {
            let Some(largest) = self.open.values_mut().max_by_key(|file| file.held_bytes()) else { break };
            largest.flush()?;
        }
        Ok(())
    }

    /// Gives the files of a table their names; the one of the run's own day is there even without a row.
    ///
    /// # Errors
    /// What stands in the way.
    pub fn finish(&mut self, table: Table) -> Result<(), ExportError> {
        if !self.open.contains_key(&(table, Some(self.home))) {
            let file = self.begin(table, Some(self.home))?;
            self.open.insert((table, Some(self.home)), file);
        }
        let keys: Vec<_> = self.open.keys().filter(|(other, _)| *other == table).copied().collect();
        for key in keys {
            if let Some(file) = self.open.remove(&key) {
                file.finish()?.finish(self.replace())?;
            }
        }
        Ok(())
    }

    fn begin(&self, table: Table, day: Option<Day>) -> Result<TableFile<NewFile>, ExportError> {
        let folder = open_all(&self.folder(table, day))?;
        let file = folder.begin(&self.file_name(), self.replace())?;
        Ok(TableFile::new(table, file)?)
    }

    fn file_name(&self) -> OsString {
        format!("{}.parquet", escaped(&self.name)).into()
    }

    fn folder(&self, table: Table, day: Option<Day>) -> PathBuf {
        let day = day.map_or_else(|| NO_DAY.to_owned(), show_day);
        let Partition { site, ensemble } = &self.partition;
        self.root
            .join(table.name())
            .join(format!("site={}", escaped(site)))
            .join(format!("ensemble={}", escaped(ensemble)))
            .join(format!("date={day}"))
    }
}

/// Opens a folder below others, and makes those that are not there.
fn open_all(path: &Path) -> Result<Folder, ExportError> {
    if !path.is_dir()
        && let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
    {
        open_all(parent)?;
    }
    match Folder::open_or_make(path, None) {
        // Another run may have made it just now.
        Err(_) if path.is_dir() => Ok(Folder::open(path)?),
        folder => Ok(folder?),
    }
}

/// A name as Hive writes it in a path: what is neither letter, digit nor one of `-_.` as `%2F`.
#[must_use]
pub fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') || byte == b'.' && !out.is_empty() {
            out.push(char::from(byte));
        } else {
            // A String takes everything.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The name of a run that nobody named: its first moment, and a hash of the files' names and beginnings.
#[must_use]
pub fn customary_name<'n>(files: impl Iterator<Item = (&'n str, Option<Timestamp>)>) -> String {
    let mut files: Vec<_> =
        files.map(|(path, first)| (path.rsplit('/').next().unwrap_or(path), first)).collect();
    files.sort_unstable();
    let first = files.iter().filter_map(|(_, first)| *first).min().unwrap_or_default();
    let all = files.iter().fold(String::new(), |mut all, (name, first)| {
        let _ = write!(all, "{name}\0{}\0", first.map_or(0, Timestamp::nanos));
        all
    });
    let partition = Partition { site: String::new(), ensemble: String::new() };
    let hash = run_id(&partition, &all) & 0xffff_ffff;
    let second = jiff::Timestamp::from_second(first.nanos().div_euclid(1_000_000_000)).unwrap_or_default();
    format!("{}-{hash:08x}", second.strftime("%Y%m%dT%H%M%SZ"))
}

/// The times of a day.
#[must_use]
pub const fn bounds(day: i64) -> (Timestamp, Timestamp) {
    let from = Timestamp::from_nanos(day.saturating_mul(DAY));
    (from, from.plus(Span::from_nanos(DAY)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_one_folder_below() {
        assert_eq!(escaped("eu-west_1.b"), "eu-west_1.b");
        assert_eq!(escaped("../a=b c/ä"), "%2E.%2Fa%3Db%20c%2F%C3%A4");
        assert_eq!(escaped("."), "%2E");
    }

    #[test]
    fn days_are_those_of_utc() {
        let day = parse_day("2026-11-21").unwrap();
        assert_eq!(show_day(day), "2026-11-21");
        let (from, to) = bounds(day);
        assert_eq!((day_of(from), day_of(to)), (day, day + 1));
        assert_eq!(day_of(Timestamp::from_nanos(-1)), -1);
        assert_eq!((parse_day("2026-13-01"), parse_day("20261121"), parse_day("")), (None, None, None));
        assert_eq!(show_day(day_of(Timestamp::MAX)), "2116-02-20");
    }

    #[test]
    fn a_run_is_called_the_same_whatever_the_order() {
        let first = Some(Timestamp::from_parts(1_700_000_000, 5));
        let files = [("/a/one.pcap", first), ("/b/two.pcap", None)];
        let name = customary_name(files.into_iter());
        assert_eq!(name, customary_name(files.into_iter().rev()));
        assert!(name.starts_with("20231114T221320Z-"), "{name}");
        assert_ne!(name, customary_name([("/a/one.pcap", first)].into_iter()));
    }
}
