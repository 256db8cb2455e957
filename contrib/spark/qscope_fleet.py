#!/usr/bin/env python3
"""Runs qscope over the captures of many ensembles, one Spark task per ensemble and day, and writes its tables.

    qscope index --template '{site}/{ensemble}/{host}/...' /captures > index.jsonl
    spark-submit --files /usr/bin/qscope contrib/spark/qscope_fleet.py --index index.jsonl --out hdfs:///tables

A task reads the captures of its day, and of an hour before and after: so the state of every connection is known when
the day begins, and what begins on it is seen to end. It writes the rows of its day alone, to files that are named after the day:
a task that is run again replaces them, whole, with the same.

Captures and tables may lie on any file system that Spark's Hadoop knows, or on local paths that all executors have. Where they are
not local, they are copied to a scratch folder and back by Hadoop's own shell, as streams: their size does not matter.

Exit code: 0 all groups were written, 1 some failed (named in the report, all others are there), 2 nothing could be done.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from urllib.parse import unquote, urlparse

DAY = datetime.timedelta(days=1)
# A group's result, as one row.
RESULT = "site string, ensemble string, date string, files int, seconds double, rows string, error string"
# Days of one capture: a file with a wild clock is not a thousand tasks.
MAX_DAYS = 400


def moment(text):
    """A time of the index; None where there is none."""
    if not text:
        return None
    # A capture may have nine digits of a second, Python six.
    return datetime.datetime.fromisoformat(text.rstrip("Z")[:26] + "+00:00")


def groups_of(lines, lead):
    """The tasks of an index: ensemble and day, with the captures that reach into it."""
    days, captures = {}, {}
    for line in lines:
        capture = json.loads(line)
        first = moment(capture.get("first"))
        last = moment(capture.get("last")) or first
        if first is None:
            continue
        key = (capture.get("site") or "default", capture["ensemble"])
        captures.setdefault(key, []).append((first, max(first, last), capture["path"]))
        day = first.date()
        for _ in range(MAX_DAYS):
            if day > last.date() and day > first.date():
                break
            days.setdefault(key, set()).add(day)
            day += DAY
    found = []
    for key in sorted(days):
        for day in sorted(days[key]):
            begin = datetime.datetime.combine(day, datetime.time(), datetime.timezone.utc)
            paths = [
                path for first, last, path in sorted(captures[key]) if first < begin + DAY + lead and last >= begin - lead
            ]
            found.append((key[0], key[1], day.isoformat(), paths))
    return found


def is_local(path):
    return urlparse(path).scheme in ("", "file")


def local_path(path):
    return unquote(urlparse(path).path) if path.startswith("file:") else path


def hadoop(*args):
    """Hadoop's shell, of the jars that Spark itself runs on."""
    home = os.environ.get("SPARK_HOME")
    if not home:
        import pyspark

        home = os.path.dirname(pyspark.__file__)
    command = [os.path.join(home, "bin", "spark-class"), "org.apache.hadoop.fs.FsShell", *args]
    if "HADOOP_CONF_DIR" in os.environ:
        run(command)
        return
    # Hadoop's shell does not start without a core-site.xml, even an empty one.
    with tempfile.TemporaryDirectory(prefix="qscope-hadoop-") as conf:
        with open(os.path.join(conf, "core-site.xml"), "w", encoding="utf-8") as file:
            file.write("<configuration/>\n")
        run(command, env=dict(os.environ, HADOOP_CONF_DIR=conf))


def run(command, ok=(0,), env=None):
    """Runs a command; what it said on standard error is the error where it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", env=env
    )
    if done.returncode not in ok:
        said = done.stderr.strip().splitlines()[-4:]
        raise RuntimeError(f"{os.path.basename(command[0])} ended with {done.returncode}: {' '.join(said)[:2000]}")
    return done.stdout


def fetched(paths, scratch, by_hadoop):
    """The captures as local files, in the order given; two of the same name do not meet."""
    local = []
    for index, path in enumerate(paths):
        if is_local(path) and not by_hadoop:
            local.append(local_path(path))
            continue
        folder = os.path.join(scratch, "captures", f"{index:05}")
        os.makedirs(folder)
        local.append(os.path.join(folder, os.path.basename(urlparse(path).path)))
        hadoop("-get", path, local[-1])
    return local


def zoo_cfg(site, ensemble, scratch, options):
    """The ensemble's configuration as a local file; None where there is none."""
    if not options["zoo_cfg"]:
        return None
    path = options["zoo_cfg"].replace("{site}", site).replace("{ensemble}", ensemble)
    if is_local(path) and not options["by_hadoop"]:
        return local_path(path) if os.path.isfile(local_path(path)) else None
    local = os.path.join(scratch, "zoo.cfg")
    try:
        hadoop("-get", path, local)
    except RuntimeError as what:
        if "No such file" in str(what):
            return None
        raise
    return local


def binary(name):
    """The qscope to run: the one that came with --files, else a path or a command of the executor."""
    try:
        from pyspark import SparkFiles

        shipped = SparkFiles.get(os.path.basename(name))
        if os.path.isfile(shipped):
            if not os.access(shipped, os.X_OK):
                os.chmod(shipped, 0o755)
            return shipped
    except Exception:  # Not in an executor.
        pass
    return name


def export(group, options):
    """Writes the tables of one ensemble and day, and answers its rows by table."""
    site, ensemble, date, paths = group
    scratch = tempfile.mkdtemp(prefix="qscope-", dir=options["scratch"])
    try:
        captures = fetched(paths, scratch, options["by_hadoop"])
        is_direct = is_local(options["out"]) and not options["by_hadoop"]
        tables = local_path(options["out"]) if is_direct else os.path.join(scratch, "tables")
        os.makedirs(tables, exist_ok=True)
        command = [binary(options["qscope"]), "export", "--parquet", tables, "--force", "--date", date]
        command += ["--site", site, "--ensemble", ensemble, "--threads", str(options["threads"]), *options["options"]]
        config = zoo_cfg(site, ensemble, scratch, options)
        command += ["--zoo-cfg", config] if config else []
        # 3: read, and nothing in it could be judged; that is a row of the table runs.
        said = run([*command, "--", *captures], ok=(0, 3))
        if not is_direct:
            publish(tables, options["out"])
        return {table: int(rows) for table, rows in (line.split() for line in said.splitlines())}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def publish(tables, out):
    """Copies tables to their place; -put gives each file its name when it is whole. The runs come last."""
    hadoop("-mkdir", "-p", out)
    names = sorted(os.listdir(tables), key=lambda name: (name == "runs", name))
    rest = [os.path.join(tables, name) for name in names if name != "runs"]
    hadoop("-put", "-f", *rest, out)
    hadoop("-put", "-f", os.path.join(tables, "runs"), out)


def result(group, options):
    """A group's row: what was written, or why not."""
    began, rows, error = time.monotonic(), None, None
    try:
        rows = json.dumps(export(group, options), sort_keys=True)
    except Exception as what:  # One group that fails is no reason to lose the others.
        error = str(what) or type(what).__name__
    site, ensemble, date, paths = group
    seconds = round(time.monotonic() - began, 3)
    return {
        "site": site, "ensemble": ensemble, "date": date, "files": len(paths),
        "seconds": seconds, "rows": rows, "error": error,
    }


def run_batches(options):
    """What each task does: for each group of its batches, run qscope."""

    def batches(arrived):
        import pyarrow

        schema = pyarrow.schema([
            ("site", pyarrow.string()), ("ensemble", pyarrow.string()), ("date", pyarrow.string()),
            ("files", pyarrow.int32()), ("seconds", pyarrow.float64()), ("rows", pyarrow.string()),
            ("error", pyarrow.string()),
        ])
        for batch in arrived:
            for row in batch.to_pylist():
                group = (row["site"], row["ensemble"], row["date"], row["paths"])
                yield pyarrow.RecordBatch.from_pylist([result(group, options)], schema=schema)

    return batches


def run_groups(spark, groups, options):
    """Runs all groups on the cluster, a task each; the slowest first would need to know them."""
    tasks = spark.sparkContext.parallelize(groups, max(1, len(groups)))
    frame = spark.createDataFrame(tasks, "site string, ensemble string, date string, paths array<string>")
    return [row.asDict() for row in frame.mapInArrow(run_batches(options), RESULT).collect()]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--index", required=True, help="JSON lines of 'qscope index', on any file system")
    parser.add_argument("--out", required=True, help="folder of the tables, on any file system")
    parser.add_argument("--qscope", default="qscope", help="the binary: shipped with --files, or on each executor")
    parser.add_argument("--zoo-cfg", help="path of each ensemble's zoo.cfg, with {site} and {ensemble} in it")
    parser.add_argument("--lead", type=int, default=3600, help="seconds read before and after each day")
    parser.add_argument("--threads", type=int, default=1, help="threads of each qscope: the cores of a task")
    parser.add_argument("--scratch", help="folder for copies on executors (default: the system's)")
    parser.add_argument("--report", help="local file for the results, as JSON lines")
    parser.add_argument("--by-hadoop", action="store_true", help="copy local paths by Hadoop's shell too")
    parser.add_argument("option", nargs="*", help="more options of 'qscope export', after --")
    return parser.parse_args()


def main():
    args = arguments()
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.appName("qscope").getOrCreate()
    lines = [row.value for row in spark.read.text(args.index).collect()]
    groups = groups_of(lines, datetime.timedelta(seconds=args.lead))
    if not groups:
        print("qscope_fleet: no capture in the index has a time", file=sys.stderr)
        return 2
    options = {
        "qscope": args.qscope, "out": args.out, "threads": args.threads, "scratch": args.scratch,
        "by_hadoop": args.by_hadoop, "options": args.option, "zoo_cfg": args.zoo_cfg,
    }
    results = sorted(run_groups(spark, groups, options), key=lambda row: (row["site"], row["ensemble"], row["date"]))
    failed = [row for row in results if row["error"] is not None]
    if args.report:
        with open(args.report, "w", encoding="utf-8") as report:
            report.writelines(json.dumps(row, sort_keys=True) + "\n" for row in results)
    for row in failed:
        print(f"qscope_fleet: {row['site']}/{row['ensemble']} {row['date']}: {row['error']}", file=sys.stderr)
    print(f"qscope_fleet: {len(results) - len(failed)} groups written, {len(failed)} failed")
    spark.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
