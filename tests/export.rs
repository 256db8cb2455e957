//! `qscope export`: the tables, read back, say what the report says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/capture.rs"]
mod capture;
mod common;

use common::{list, testdata};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use quorumscope::export::schema::ColumnKind;
use quorumscope::export::{MAX_ROWS, SCHEMA, Table};
use quorumscope::pcapfile::ByteOrder;
use quorumscope::time::{Span, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const DAY: i64 = 86_400_000_000_000;

fn export(tables: &Path, args: &[&str], inputs: &[PathBuf]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qscope"));
    command.arg("export").arg("--parquet").arg(tables).args(args).args(inputs);
    command.stdin(Stdio::null()).output().unwrap()
}

fn exported(args: &[&str], inputs: &[PathBuf]) -> tempfile::TempDir {
    let tables = tempfile::tempdir().unwrap();
    let output = export(tables.path(), args, inputs);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    tables
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

type Cells = BTreeMap<String, Field>;

/// The rows of a table.
fn rows(tables: &Path, table: Table) -> Vec<Cells> {
    let cells = |row: Row| row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect();
    files(&tables.join(table.name()))
        .iter()
        .map(|path| SerializedFileReader::new(File::open(path).unwrap()).unwrap())
        .flat_map(|reader| reader.into_iter().map(|row| cells(row.unwrap())).collect::<Vec<_>>())
        .collect()
}

fn int(row: &Cells, column: &str) -> Option<i64> {
    match &row[column] {
        Field::Null => None,
        Field::Long(number) | Field::TimestampMicros(number) => Some(*number),
        other => panic!("{column} is {other}"),
    }
}

fn text<'a>(row: &'a Cells, column: &str) -> Option<&'a str> {
    match &row[column] {
        Field::Null => None,
        Field::Str(text) => Some(text),
        other => panic!("{column} is {other}"),
    }
}

/// Microseconds since 1970 of a time in a report.
fn micros(time: &Value) -> Option<i64> {
    Some(time.as_str()?.parse::<jiff::Timestamp>().unwrap().as_microsecond())
}

fn replayed(inputs: &[PathBuf]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_qscope"))
        .args(["replay", "--json"])
        .args(inputs)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

const SCENES: [&str; 6] =
    ["freeze-follower", "freeze-leader-of-five", "kill-restart", "slow-disk-3.9.3", "loss-leader", "healthy"];

#[test]
fn the_tables_say_what_the_report_says() {
    for scene in SCENES {
        let input = [testdata().join(scene)];
        let (tables, report) = (exported(&[], &input), replayed(&input));
        let tables = tables.path();
        let run = &rows(tables, Table::Runs)[0];
        assert_eq!(int(run, "frames"), report["input"]["frames"].as_i64(), "{scene}");
        assert_eq!(text(run, "coverage"), report["coverage"]["stalls"].as_str(), "{scene}");
        assert_eq!(int(run, "stalls"), Some(list(&report, "stalls").len() as i64), "{scene}");
        for (table, key) in
            [(Table::Incidents, "incidents"), (Table::Outages, "outages"), (Table::Elections, "elections")]
        {
            let rows = rows(tables, table);
            let told = list(&report, key);
            assert_eq!(rows.len(), told.len(), "{scene}: {key}");
            for (row, told) in rows.iter().zip(told) {
                assert_eq!(int(row, "started_at"), micros(&told["start"]), "{scene}: {key}");
                assert_eq!(int(row, "ended_at"), micros(&told["end"]), "{scene}: {key}");
                assert_eq!(int(row, "run"), int(run, "run"));
            }
        }
        for (row, told) in rows(tables, Table::Incidents).iter().zip(list(&report, "incidents")) {
            assert_eq!(text(row, "root"), told["root"].as_str(), "{scene}");
            assert_eq!(text(row, "summary"), told["summary"].as_str(), "{scene}");
            let host = told["suspect"]["host"].as_str();
            assert_eq!(host.is_some(), text(row, "suspect_kind") == Some("host"), "{scene}");
            assert!(host.is_none_or(|host| text(row, "suspect") == Some(host)), "{scene}");
        }
        let servers: BTreeSet<_> =
            rows(tables, Table::Servers).iter().map(|row| text(row, "server").unwrap().to_owned()).collect();
        assert_eq!(servers.len(), list(&report, "servers").len(), "{scene}");
        assert_eq!(rows(tables, Table::Files).len(), list(&report["input"], "files").len(), "{scene}");
        links_and_their_numbers(scene, tables, &report);
    }
}

/// Links, waits and intervals against the report's links.
fn links_and_their_numbers(scene: &str, tables: &Path, report: &Value) {
    let (links, waits) = (rows(tables, Table::Links), rows(tables, Table::Waits));
    let intervals = rows(tables, Table::Intervals);
    assert_eq!(links.len(), list(report, "links").len(), "{scene}");
    for (row, told) in links.iter().zip(list(report, "links")) {
        let link = int(row, "link");
        assert_eq!(link, told["id"].as_i64(), "{scene}");
        for deadline in ["leader_read", "learner_read", "ack", "init"] {
            let headroom = &told["headroom"][deadline];
            let worst = headroom["worst_ms"].as_i64();
            assert_eq!(int(row, &format!("{deadline}_worst_ms")), worst, "{scene}");
            let its = waits
                .iter()
                .filter(|wait| int(wait, "link") == link && text(wait, "deadline") == Some(deadline));
            let longest = its.map(|wait| int(wait, "wait_us").unwrap()).max();
            let worst = worst.filter(|worst| *worst > headroom["limit_ms"].as_i64().unwrap() / 10);
            assert_eq!(longest.map(|us| us / 1_000), worst, "{scene}: link {link:?}, {deadline}");
        }
        for trip in ["ping", "ack", "commit"] {
            let its =
                intervals.iter().filter(|row| int(row, "link") == link && text(row, "kind") == Some(trip));
            let (mut count, mut max, mut in_buckets) = (0, None, 0);
            for row in its {
                count += int(row, "count").unwrap();
                max = max.max(int(row, "max"));
                in_buckets += buckets(row).iter().map(|(_, count)| count).sum::<i64>();
                let middle: i64 = buckets(row).iter().map(|(us, count)| us * count).sum();
                let sum = int(row, "sum").unwrap();
                assert!(
                    sum.abs_diff(middle) * 50 <= sum.unsigned_abs() + 50,
                    "{scene}: {sum} is told as {middle}"
                );
            }
            let told = &told["round_trips"][trip];
            assert_eq!(Some(count), told["count"].as_i64(), "{scene}: {trip}");
            assert_eq!((in_buckets, max), (count, told["max_us"].as_i64()), "{scene}: {trip}");
        }
    }
}

fn buckets(row: &Cells) -> Vec<(i64, i64)> {
    let Field::ListInternal(list) = &row["buckets"] else { panic!("no list: {}", row["buckets"]) };
    let pair = |field: &Field| {
        let Field::Group(bucket) = field else { panic!("no bucket: {field}") };
        let numbers: Vec<_> = bucket.get_column_iter().map(|(_, number)| number.clone()).collect();
        let [Field::Long(us), Field::Long(count)] = numbers[..] else { panic!("{numbers:?}") };
        (us, count)
    };
    list.elements().iter().map(pair).collect()
}

#[test]
fn records_are_those_of_the_dump() {
    let input = [testdata().join("kill-restart")];
    let tables = exported(&["--records", "--threads", "2"], &input);
    let output =
        Command::new(env!("CARGO_BIN_EXE_qscope")).args(["dump", "--json"]).args(&input).output().unwrap();
    let lines: Vec<Value> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let records = rows(tables.path(), Table::Records);
    assert_eq!(records.len(), lines.len());
    for (row, line) in records.iter().zip(&lines) {
        assert_eq!(text(row, "type"), line["type"].as_str());
        assert_eq!(int(row, "frame"), line["frame"].as_i64());
        assert_eq!(int(row, "at"), micros(&line["at"]));
        assert_eq!(int(row, "length"), line["length"].as_i64());
        let zxid = int(row, "zxid").map(|zxid| format!("{:#x}", zxid.cast_unsigned()));
        assert_eq!(zxid.as_deref(), line["zxid"].as_str());
        let path = line["txn"]["path"].as_str().or(line["request"]["path"].as_str());
        assert_eq!(text(row, "path"), path);
    }
}

#[test]
fn the_same_input_makes_the_same_files_and_none_is_replaced_unasked() {
    let input = [testdata().join("freeze-follower")];
    let (one, two) = (exported(&["--threads", "1"], &input), exported(&["--threads", "3"], &input));
    let relative = |root: &Path| -> Vec<(PathBuf, Vec<u8>)> {
        let files = files(root).into_iter();
        files.map(|path| (path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap())).collect()
    };
    let before = relative(one.path());
    assert_eq!(before.len(), Table::ALL.len(), "a file for each table, and no other");
    assert!(before == relative(two.path()));
    let refused = export(one.path(), &[], &input);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("exists: --force replaces it"));
    assert!(before == relative(one.path()));
    assert!(export(one.path(), &["--force"], &input).status.success());
    assert!(before == relative(one.path()));
    for path in files(one.path()) {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let about = reader.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(about.iter().any(|pair| pair.value.as_deref() == Some(SCHEMA)), "{about:?}");
        assert!(reader.metadata().row_groups().iter().all(|group| group.num_rows() <= MAX_ROWS as i64));
    }
}

/// The capture of a frozen follower, as if midnight had struck in the middle of it.
fn over_midnight(folder: &Path) -> (PathBuf, i64) {
    let mut frames = Vec::new();
    for name in ["zk1-261121-080158.pcap.gz", "zk1-261121-080218.pcap.gz", "zk1-261121-080238.pcap.gz"] {
        frames.extend(capture::frames(&testdata().join("freeze-follower").join(name)));
    }
    // The follower stands still from 08:02:32.5 to 08:02:47.5.
    let midnight = "2026-11-21T08:02:40Z".parse::<jiff::Timestamp>().unwrap().as_second() * 1_000_000_000;
    let later = Span::from_nanos(DAY - midnight.rem_euclid(DAY));
    for frame in &mut frames {
        frame.at = frame.at.plus(later);
    }
    let path = folder.join("midnight.pcap");
    fs::write(&path, capture::as_pcap(ByteOrder::Little, false, &frames)).unwrap();
    (path, Timestamp::from_nanos(midnight).plus(later).nanos() / DAY)
}

#[test]
fn days_apart_are_days_together() {
    let folder = tempfile::tempdir().unwrap();
    let (path, second) = over_midnight(folder.path());
    assert_eq!(second * DAY / DAY, second);
    let input = [path];
    let whole = exported(&["--site", "a", "--ensemble", "b/c"], &input);
    let days = tempfile::tempdir().unwrap();
    for day in ["2026-11-21", "2026-11-22"] {
        let output = export(days.path(), &["--site", "a", "--ensemble", "b/c", "--date", day], &input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    // All but the run's number.
    let told = |root: &Path, table| -> Vec<Cells> {
        let mut rows = rows(root, table);
        rows.iter_mut().for_each(|row| {
            row.remove("run");
        });
        rows
    };
    for table in [Table::Incidents, Table::Outages, Table::Elections, Table::Waits, Table::Intervals] {
        assert!(told(whole.path(), table) == told(days.path(), table), "{}", table.name());
    }
    let [incident] = &rows(days.path(), Table::Incidents)[..] else { panic!("not one incident") };
    assert_eq!(text(incident, "root"), Some("process_stalled"));
    let waits = files(&days.path().join("waits/site=a/ensemble=b%2Fc"));
    let days: Vec<_> = waits.iter().map(|path| path.parent().unwrap().file_name().unwrap()).collect();
    assert_eq!(days, ["date=2026-11-21", "date=2026-11-22"]);
    assert_eq!(waits[0].file_name().unwrap(), "2026-11-21.parquet");
}

#[test]
fn what_cannot_be_written_leaves_nothing() {
    let input = [testdata().join("healthy")];
    let folder = tempfile::tempdir().unwrap();
    let taken = folder.path().join("taken");
    fs::write(&taken, "a file").unwrap();
    let output = export(&taken, &[], &input);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("qscope: --parquet: "), "{output:?}");
    assert_eq!(fs::read_to_string(&taken).unwrap(), "a file");
    for args in
        [&["--date", "2026-02-30"][..], &["--site", ""], &["--ensemble", "a\nb"], &["--run", &"x".repeat(99)]]
    {
        let output = export(&folder.path().join("new"), args, &input);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
    assert!(!folder.path().join("new").exists());
}

/// The tables' part of the documentation.
fn documented() -> String {
    let mut page = String::new();
    for table in Table::ALL.into_iter().chain([Table::Records, Table::Captures]) {
        write!(
            page,
            "\n### {}\n\n{}\n\n| column | type | what it holds |\n| --- | --- | --- |\n",
            table.name(),
            table.what()
        )
        .unwrap();
        for column in table.columns() {
            writeln!(page, "| `{}` | {} | {} |", column.name, column.kind.name(), column.what).unwrap();
        }
    }
    page
}

#[test]
fn the_documentation_lists_every_column() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/export.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- tables -->\n").unwrap();
    let (shown, after) = rest.split_once("<!-- end of tables -->\n").unwrap();
    let made = documented();
    if std::env::var_os("QSCOPE_BLESS").is_some() {
        fs::write(&path, format!("{before}<!-- tables -->\n{made}<!-- end of tables -->\n{after}")).unwrap();
        return;
    }
    assert!(shown == made, "QSCOPE_BLESS=1 writes it anew");
    assert!(before.contains(SCHEMA), "the number of the schema");
}

#[test]
fn columns_have_names_of_their_own() {
    for table in Table::ALL.into_iter().chain([Table::Records, Table::Captures]) {
        let names: BTreeSet<_> = table.columns().iter().map(|column| column.name).collect();
        assert_eq!(names.len(), table.columns().len(), "{}", table.name());
        let lists = table.columns().iter().filter(|column| column.kind == ColumnKind::Buckets).count();
        assert_eq!(lists, usize::from(table == Table::Intervals));
        let schema = table.parquet_schema().unwrap();
        assert_eq!(schema.get_fields().len(), table.columns().len());
    }
}
