#!/usr/bin/env python3
"""Tests the fleet's tools over all of testdata: qscope index, the Spark job, and the ten questions.

    contrib/spark/test_fleet.py QSCOPE TESTDATA [--without-spark]

Needs duckdb, and for Spark pyspark, pyarrow and Java. The tables that Spark's cluster writes are those of one process, row for
row; DuckDB and Spark answer all questions alike.
"""

import argparse
import glob
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SQL = os.path.join(os.path.dirname(HERE), "sql")
SITE = "lab"
TABLES = ["runs", "files", "servers", "links", "incidents", "outages", "waits", "elections", "intervals", "sessions"]
# An ensemble of two weeks, of which the second is worse: its captures are those of others, one a week later.
WEEKS = ("grown", [("freeze-leader", 0), ("busy", 0), ("freeze-leader", 7), ("busy", 7), ("freeze-3.5.9", 7)])


def say(text):
    print(text, flush=True)


def run(command, ok=(0,), **more):
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)
    if done.returncode not in ok:
        sys.exit(f"{' '.join(map(str, command))[:400]} ended with {done.returncode}:\n{done.stderr[-4000:]}\n{done.stdout[-4000:]}")
    return done


def later(path, days, out):
    """Writes a pcap with all its times moved."""
    with gzip.open(path, "rb") as packed:
        data = bytearray(packed.read())
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    at = 24
    while at + 16 <= len(data):
        seconds, _, length, _ = struct.unpack_from(order + "IIII", data, at)
        struct.pack_into(order + "I", data, at, seconds + days * 86_400)
        at += 16 + length
    with open(out, "wb") as file:
        file.write(data)


def captures(testdata, root):
    """SITE/ENSEMBLE/captures: each folder of testdata is an ensemble, and one more is made of several."""
    for folder in sorted(glob.glob(os.path.join(testdata, "*", ""))):
        name = os.path.basename(folder.rstrip("/"))
        os.makedirs(os.path.join(root, SITE, name))
        for path in sorted(glob.glob(os.path.join(folder, "*"))):
            os.symlink(os.path.abspath(path), os.path.join(root, SITE, name, os.path.basename(path)))
    name, parts = WEEKS
    os.makedirs(os.path.join(root, SITE, name))
    for part, days in parts:
        for path in sorted(glob.glob(os.path.join(testdata, part, "zk?.pcap.gz"))):
            out = f"{part}-{days}-{os.path.basename(path)[:-3]}"
            later(path, days, os.path.join(root, SITE, name, out))


def is_capture(path):
    return ".pcap" in os.path.basename(path) and ".full." not in path


def index(qscope, root, out):
    lines = run([qscope, "index", "--template", "{site}/{ensemble}/...", root]).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    folders = {}
    for row in rows:
        folder = os.path.basename(os.path.dirname(row["path"]))
        assert row["ensemble"] == folder and row["site"] == SITE, row
        folders.setdefault(folder, set()).add(row["group"])
    groups = [group for groups in folders.values() for group in groups]
    assert len(set(groups)) == len(groups), "two ensembles in one group"
    assert len(folders[WEEKS[0]]) >= 2, "two weeks are two stretches of time"
    with open(out, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows if is_capture(row["path"]))
    return [row for row in rows if is_capture(row["path"])]


def one_process(qscope, rows, root, out):
    """Each ensemble by itself, one after the other; that of several weeks day by day, all others whatever the day."""
    days = {}
    for row in rows:
        days.setdefault((row["ensemble"], row["first"][:10]), []).append(row["path"])
    for (ensemble, day), paths in sorted(days.items()):
        command = [qscope, "export", "--parquet", out, "--site", SITE, "--ensemble", ensemble]
        command += ["--date" if ensemble == WEEKS[0] else "--run", day]
        config = os.path.join(root, SITE, ensemble, "zoo.cfg")
        if os.path.exists(config):
            command += ["--zoo-cfg", config]
        run([*command, *paths], ok=(0, 3))


def connect(tables, inventory):
    import duckdb

    duck = duckdb.connect()
    duck.execute("SET TimeZone = 'UTC'")
    for statement in statements("duckdb.sql", tables, inventory):
        duck.execute(statement)
    return duck


def statements(name, tables, inventory):
    with open(os.path.join(SQL, name), encoding="utf-8") as file:
        text = "".join(line for line in file if not line.startswith("--"))
    text = text.replace("${tables}", tables).replace("${inventory}", inventory)
    return [statement for statement in text.split(";\n") if statement.strip()]


def questions():
    return sorted(glob.glob(os.path.join(SQL, "[0-9]*.sql")))


def plain(rows):
    """Rows as any engine has them."""
    def cell(value):
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, (int, float)) or type(value).__name__ == "Decimal":
            return round(float(value), 6)
        return str(value)

    return [tuple(cell(value) for value in row) for row in rows]


def answers_of_duckdb(duck):
    answers = {}
    for path in questions():
        with open(path, encoding="utf-8") as file:
            answers[os.path.basename(path)] = plain(duck.execute(file.read()).fetchall())
    return answers


def same_rows(one, other):
    """Row for row, all columns, whatever the order."""
    import duckdb

    duck = duckdb.connect()
    total = 0
    for table in TABLES:
        source = "SELECT * FROM read_parquet('{}/{}/*/*/*/*.parquet', hive_partitioning = true)"
        a, b = source.format(one, table), source.format(other, table)
        for alone in (f"({a}) EXCEPT ALL ({b})", f"({b}) EXCEPT ALL ({a})"):
            rows = duck.execute(alone).fetchmany(3)
            assert not rows, f"{table}: only one has {rows}"
        total += duck.execute(f"SELECT COUNT(*) FROM ({a})").fetchone()[0]
    return total


def submit(job, *args, ok=(0,)):
    import pyspark

    home = os.path.dirname(pyspark.__file__)
    environment = dict(os.environ, SPARK_HOME=home, PYSPARK_PYTHON=sys.executable, SPARK_LOCAL_IP="127.0.0.1")
    command = [
        os.path.join(home, "bin", "spark-submit"), "--master", "local-cluster[2,1,768]",
        "--conf", "spark.executor.memory=512m", "--conf", "spark.ui.enabled=false", "--conf", "spark.driver.memory=512m",
        *job, *args,
    ]
    return run(command, ok=ok, env=environment)


def files(root):
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
    return found


def spark_job(qscope, work, root, tables):
    job = ["--files", qscope, os.path.join(HERE, "qscope_fleet.py"), "--qscope", qscope, "--out", tables]
    job += ["--zoo-cfg", os.path.join(root, "{site}/{ensemble}/zoo.cfg")]
    lines = open(os.path.join(work, "index.jsonl"), encoding="utf-8").read()
    # One group more, whose capture is gone.
    gone = {"path": os.path.join(root, "gone.pcap"), "site": SITE, "ensemble": "gone", "first": "2026-11-21T00:00:00Z"}
    broken = os.path.join(work, "broken.jsonl")
    with open(broken, "w", encoding="utf-8") as file:
        file.write(lines + json.dumps(gone) + "\n")
    report = os.path.join(work, "report.jsonl")
    began = time.monotonic()
    done = submit(job, "--index", broken, "--report", report, ok=(1,))
    say(f"spark: {done.stdout.strip().splitlines()[-1]}, {time.monotonic() - began:.1f} s")
    results = [json.loads(line) for line in open(report, encoding="utf-8")]
    failed = [row for row in results if row["error"]]
    assert [row["ensemble"] for row in failed] == ["gone"], failed
    # spark-submit hands on what the job says on either.
    assert "gone.pcap" in failed[0]["error"] and "lab/gone 2026-11-21" in done.stdout + done.stderr
    return job, results


def spark_again(job, work, tables):
    """A retry of some groups, this time by way of Hadoop's file systems: the same files, to the byte."""
    before = files(tables)
    some = os.path.join(work, "some.jsonl")
    lines = open(os.path.join(work, "index.jsonl"), encoding="utf-8").read().splitlines()
    chosen = [line for line in lines if json.loads(line)["ensemble"] in ("kill-restart",)]
    with open(some, "w", encoding="utf-8") as file:
        file.write("\n".join(chosen) + "\n")
    began = time.monotonic()
    done = submit(job, "--index", "file://" + some, "--by-hadoop")
    say(f"spark again, by Hadoop's shell: {done.stdout.strip().splitlines()[-1]}, {time.monotonic() - began:.1f} s")
    after = files(tables)
    # Hadoop's local file system puts a checksum beside each file that it writes.
    after = {name: data for name, data in after.items() if not name.endswith(".crc")}
    # Paths of captures are those of the scratch folder.
    changed = [name for name in before if before[name] != after.get(name) and not name.startswith("files/")]
    assert not changed and before.keys() == after.keys(), (changed, before.keys() ^ after.keys())


def answers_of_spark(tables, inventory):
    os.environ.update(SPARK_LOCAL_IP="127.0.0.1", PYSPARK_PYTHON=sys.executable)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("questions")
    for key, value in {
        "spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.sql.session.timeZone": "UTC",
        "spark.log.level": "ERROR",
    }.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    for statement in statements("spark.sql", tables, inventory):
        spark.sql(statement)
    answers = {}
    for path in questions():
        with open(path, encoding="utf-8") as file:
            answers[os.path.basename(path)] = plain(spark.sql(file.read()).collect())
    spark.stop()
    return answers


def inventory_file(work, rows):
    path = os.path.join(work, "inventory.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.write("site,ensemble,server,hardware,version,since\n")
        for ensemble in sorted({row["ensemble"] for row in rows}):
            for server in range(101, 106):
                hardware = "old-raid" if ensemble.startswith("slow-disk") and server == 101 else "nvme"
                file.write(f"{SITE},{ensemble},10.255.0.{server},{hardware},3.8.0,2026-11-25\n")
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("qscope")
    parser.add_argument("testdata")
    parser.add_argument("--without-spark", action="store_true")
    parser.add_argument("--show", action="store_true", help="print all answers")
    args = parser.parse_args()
    qscope = os.path.abspath(args.qscope)
    work = tempfile.mkdtemp(prefix="qscope-fleet-")
    root, one, two = (os.path.join(work, name) for name in ("captures", "one", "two"))
    captures(args.testdata, root)
    rows = index(qscope, root, os.path.join(work, "index.jsonl"))
    say(f"index: {len(rows)} captures of {len({row['ensemble'] for row in rows})} ensembles")
    inventory = inventory_file(work, rows)
    one_process(qscope, rows, root, one)
    answers = answers_of_duckdb(connect(one, inventory))
    assert len(answers) == 10
    for name, rows_ in answers.items():
        assert rows_, f"{name}: DuckDB finds nothing in testdata"
        say(f"duckdb: {name}: {len(rows_)} rows")
        if args.show:
            for row in rows_:
                say(f"    {row}")
    if args.without_spark:
        say("!!! SKIPPED: Spark")
    else:
        job, _ = spark_job(qscope, work, root, two)
        total = same_rows(one, two)
        say(f"spark: its tables are those of one process, all {total} rows")
        spark_again(job, work, two)
        spark = answers_of_spark(one, inventory)
        for name, rows_ in answers.items():
            assert spark[name] == rows_, f"{name}: DuckDB says {rows_}, Spark {spark[name]}"
        say("spark: answers all ten questions as DuckDB does")
    shutil.rmtree(work)


if __name__ == "__main__":
    main()
