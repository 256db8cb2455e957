//! Which tables there are, and what each column holds. `docs/export.md` lists the same, and a test holds them together.

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::Result;
use parquet::schema::types::{Type, TypePtr};
use std::sync::Arc;

/// Name and number of the tables' form, in the metadata of each file. It stays as long as columns are only added.
pub const SCHEMA: &str = "quorumscope.export/1";

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// INT64: a number, an id, a duration.
    Int,
    /// DOUBLE.
    Float,
    /// BOOLEAN.
    Bool,
    /// UTF-8.
    Text,
    /// INT64, microseconds since 1970 in UTC.
    Time,
    /// A list of `us` and `count`: a histogram.
    Buckets,
}

impl ColumnKind {
    /// Its name in the documentation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int => "int64",
            Self::Float => "double",
            Self::Bool => "boolean",
            Self::Text => "string",
            Self::Time => "timestamp",
            Self::Buckets => "list of (us int64, count int64)",
        }
    }
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: ColumnKind,
    /// What that means.
    pub what: &'static str,
}

const fn int(name: &'static str, what: &'static str) -> Column {
    Column { name, kind: ColumnKind::Int, what }
}

const fn float(name: &'static str, what: &'static str) -> Column {
    Column { name, kind: ColumnKind::Float, what }
}

const fn flag(name: &'static str, what: &'static str) -> Column {
    Column { name, kind: ColumnKind::Bool, what }
}

const fn text(name: &'static str, what: &'static str) -> Column {
    Column { name, kind: ColumnKind::Text, what }
}

const fn time(name: &'static str, what: &'static str) -> Column {
    Column { name, kind: ColumnKind::Time, what }
}

const fn buckets(name: &'static str, what: &'static str) -> Column {
    Column { name, kind: ColumnKind::Buckets, what }
}

/// The run that a row is of; first in each table.
const RUN: Column = int("run", "the run that the row is of: see `runs`");

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// What was read, and what it can tell.
    Runs,
    /// Capture files.
    Files,
    /// Servers and what they were when.
    Servers,
    /// Connections between a leader and a learner.
    Links,
    /// What happened.
    Incidents,
    /// When nothing was committed.
    Outages,
    /// Waits beyond a tenth of their deadline.
    Waits,
    /// Elections.
    Elections,
    /// Numbers over time.
    Intervals,
    /// Client sessions.
    Sessions,
    /// Each record.
    Records,
    /// Which captures belong together: `qscope index`.
    Captures,
}

impl Table {
    /// Those that every run writes.
    pub const ALL: [Self; 10] = [
        Self::Runs,
        Self::Files,
        Self::Servers,
        Self::Links,
        Self::Incidents,
        Self::Outages,
        Self::Waits,
        Self::Elections,
        Self::Intervals,
        Self::Sessions,
    ];

    /// Its name: that of its folder.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Files => "files",
            Self::Servers => "servers",
            Self::Links => "links",
            Self::Incidents => "incidents",
            Self::Outages => "outages",
            Self::Waits => "waits",
            Self::Elections => "elections",
            Self::Intervals => "intervals",
            Self::Sessions => "sessions",
            Self::Records => "records",
            Self::Captures => "captures",
        }
    }

    /// What a row of it is.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Runs => {
                "One row a run: what was read, and what it can tell. Runs without a stall are here too."
            }
            Self::Files => "One row a capture file.",
            Self::Servers => "One row a server and role that it had; one with no role where none was seen.",
            Self::Links => "One row a connection between a leader and a learner.",
            Self::Incidents => "One row a root cause.",
            Self::Outages => "One row a stretch of time in which nothing was committed.",
            Self::Waits => {
                "One row a wait that took more than a tenth of its deadline. An idle ensemble has one for each PING: \
                 half a tick is a tenth of five. Links of which no packet can be read have none."
            }
            Self::Elections => "One row an election.",
            Self::Intervals => {
                "One row a link, interval and kind of number. Sums of `count` and `sum`, the greatest `max` and merged \
                 `buckets` are right for any set of rows."
            }
            Self::Sessions => {
                "One row a client session and server that held it. The report does not list sessions yet: the table is \
                 empty."
            }
            Self::Records => "With `--records`: one row a record, as `qscope dump` prints it.",
            Self::Captures => {
                "`qscope index --parquet`: one row a capture, and with which others it belongs."
            }
        }
    }

    /// Its columns, in order.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Runs => RUNS,
            Self::Files => FILES,
            Self::Servers => SERVERS,
            Self::Links => LINKS,
            Self::Incidents => INCIDENTS,
            Self::Outages => OUTAGES,
            Self::Waits => WAITS,
            Self::Elections => ELECTIONS,
            Self::Intervals => INTERVALS,
            Self::Sessions => SESSIONS,
            Self::Records => RECORDS,
            Self::Captures => CAPTURES,
        }
    }

    /// Its schema as Parquet has it.
    ///
    /// # Errors
    /// None: the columns are fixed.
    pub fn parquet_schema(self) -> Result<TypePtr> {
        let fields = self.columns().iter().map(field).collect::<Result<Vec<_>>>()?;
        Ok(Arc::new(Type::group_type_builder("schema").with_fields(fields).build()?))
    }
}

fn field(column: &Column) -> Result<TypePtr> {
    let primitive = |physical| Type::primitive_type_builder(column.name, physical);
    let optional = Repetition::OPTIONAL;
    let built = match column.kind {
        ColumnKind::Int => primitive(Physical::INT64).with_repetition(optional).build()?,
        ColumnKind::Float => primitive(Physical::DOUBLE).with_repetition(optional).build()?,
        ColumnKind::Bool => primitive(Physical::BOOLEAN).with_repetition(optional).build()?,
        ColumnKind::Text => primitive(Physical::BYTE_ARRAY)
            .with_repetition(optional)
            .with_converted_type(ConvertedType::UTF8)
            .with_logical_type(Some(LogicalType::String))
            .build()?,
        ColumnKind::Time => primitive(Physical::INT64)
            .with_repetition(optional)
            .with_converted_type(ConvertedType::TIMESTAMP_MICROS)
            .with_logical_type(Some(LogicalType::timestamp(true, TimeUnit::MICROS)))
            .build()?,
        ColumnKind::Buckets => list_of_buckets(column.name)?,
    };
    Ok(Arc::new(built))
}

/// `optional group NAME (LIST) { repeated group list { required group element { us, count } } }`.
fn list_of_buckets(name: &str) -> Result<Type> {
    let number = |name| -> Result<TypePtr> {
        let number = Type::primitive_type_builder(name, Physical::INT64);
        Ok(Arc::new(number.with_repetition(Repetition::REQUIRED).build()?))
    };
    let element = Type::group_type_builder("element")
        .with_repetition(Repetition::REQUIRED)
        .with_fields(vec![number("us")?, number("count")?])
        .build()?;
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    Type::group_type_builder(name)
        .with_repetition(Repetition::OPTIONAL)
        .with_converted_type(ConvertedType::LIST)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()
}

const RUNS: &[Column] = &[
    RUN,
    text("name", "the run's name: that of its files; the day, where `--date` was given"),
    text("version", "of `qscope`"),
    time("first_at", "time of the first frame"),
    time("last_at", "time of the last frame"),
    int("files", "files read"),
    int("frames", "frames read"),
    int("captured_bytes", "bytes of them that were captured"),
    int("wire_bytes", "bytes that they had on the wire"),
    int("cut_frames", "frames of which the snaplen cut something"),
    int("ignored_frames", "frames that took no part"),
    int("tick_ms", "tickTime"),
    text("tick_from", "where it came from: `option`, `config`, `pings`, `default`"),
    int("stall_limit_ms", "syncLimit x tickTime"),
    int("init_limit_ms", "initLimit x tickTime"),
    text(
        "coverage",
        "whether a stall would have shown: `full`, `partial`, `none`. No incident is an all-clear with `full` only",
    ),
    text("blind", "what hides the rest, in sentences"),
    int("hosts", "hosts at which was captured"),
    int("hosts_expected", "servers that the configuration or the traffic names"),
    int("links_seen", "links of which anything was seen"),
    int("links_expected", "links that there must have been"),
    int("gaps", "stretches of time that a capture lacks"),
    int("servers", "servers seen"),
    int("incidents", "rows of `incidents`"),
    int("outages", "rows of `outages`"),
    int("stalls", "waits beyond a deadline"),
    int("near_misses", "waits beyond half of a deadline"),
    int("elections", "rows of `elections`"),
    int("violations", "what a healthy ensemble never sends"),
    text("limits_hit", "limits of the tool that were reached: `name=count`, by commas"),
];

const FILES: &[Column] = &[
    RUN,
    int("file", "its number in the run, from 0, in order of time"),
    text("path", "its path, as it was read"),
    text("host", "address of the host that it was taken at, where several hosts were captured"),
    text("format", "`pcap`, `pcapng`"),
    text("compression", "`none`, `gzip`, `zstd`"),
    text("link_type", "of the first interface"),
    int("snaplen", "of the first interface"),
    int("frames", "frames read"),
    int("captured_bytes", "bytes of them that were captured"),
    int("wire_bytes", "bytes that they had on the wire"),
    int("cut_frames", "frames of which the snaplen cut something"),
    time("first_at", "time of the first frame"),
    time("last_at", "time of the last frame"),
    text("problem", "why its reading stopped before its end"),
    int("clock_offset_us", "what its times lacked of the reference's clock"),
    int("clock_uncertainty_us", "how far off that may be"),
    flag("clock_corrected", "whether its times were corrected"),
];

const SERVERS: &[Column] = &[
    RUN,
    text("server", "its address"),
    int("sid", "its id"),
    text("name", "its name in `zoo.cfg`"),
    int("last_zxid", "the highest zxid that it proposed or acknowledged in sight"),
    text("role", "`leader`, `follower`, `observer`, `looking`"),
    time("role_from", "since when it had that role"),
    time("role_to", "until when; null where the capture ends first"),
];

const LINKS: &[Column] = &[
    RUN,
    int("link", "its number in the run"),
    text("leader", "the leader's address"),
    int("leader_port", "the leader's port"),
    text("learner", "the learner's address"),
    int("learner_port", "the learner's port"),
    int("learner_sid", "the learner's id"),
    text("role", "`follower`, `observer`"),
    time("opened_at", "first frame"),
    time("closed_at", "first FIN or RST"),
    text("closed_by", "`leader`, `learner`"),
    text("close", "`fin`, `rst`"),
    flag("picked_up", "whether the capture began inside it"),
    int("epoch", "the epoch"),
    text("sync", "`DIFF`, `SNAP`, `TRUNC`"),
    text("protection", "`none`, `sasl`, `tls`"),
    time("synchronization_at", "when it began to be brought up to date"),
    time("broadcast_at", "when it was"),
    int("sync_bytes", "bytes that that took"),
    int("records_to_leader", "records, seen or inferred"),
    int("records_to_learner", "records, seen or inferred"),
    int("inferred_to_leader", "those of them that were inferred"),
    int("inferred_to_learner", "those of them that were inferred"),
    int("ping_count", "PINGs answered"),
    int("ping_p50_us", "their median"),
    int("ping_p99_us", "their 99th percentile"),
    int("ping_max_us", "the longest"),
    int("ack_count", "PROPOSALs acknowledged"),
    int("ack_unanswered", "PROPOSALs never acknowledged"),
    int("ack_p50_us", "median from PROPOSAL to ACK"),
    int("ack_p99_us", "99th percentile"),
    int("ack_max_us", "the longest"),
    int("commit_count", "PROPOSALs committed"),
    int("commit_p50_us", "median from PROPOSAL to COMMIT"),
    int("commit_p99_us", "99th percentile"),
    int("commit_max_us", "the longest"),
    int("leader_read_worst_ms", "the longest wait against this deadline"),
    int("learner_read_worst_ms", "the longest wait against this deadline"),
    int("ack_worst_ms", "the longest wait against this deadline"),
    int("init_worst_ms", "the longest wait against this deadline"),
    int("retransmits_to_leader", "segments sent again"),
    int("retransmits_to_learner", "segments sent again"),
    int("zero_windows_to_leader", "closed windows announced to the leader"),
    int("zero_windows_to_learner", "closed windows announced to the learner"),
    int("stream_bytes_to_leader", "payload spanned by the sequence numbers"),
    int("stream_bytes_to_learner", "payload spanned by the sequence numbers"),
    int("decoded_bytes_to_leader", "captured, in records"),
    int("decoded_bytes_to_learner", "captured, in records"),
    int("unframed_bytes_to_leader", "captured, in none"),
    int("unframed_bytes_to_learner", "captured, in none"),
    int("cut_bytes_to_leader", "beyond the snaplen"),
    int("cut_bytes_to_learner", "beyond the snaplen"),
    int("missing_bytes_to_leader", "in frames that the capture lacks"),
    int("missing_bytes_to_learner", "in frames that the capture lacks"),
    int("losses_to_leader", "how often framing was lost"),
    int("losses_to_learner", "how often framing was lost"),
    int("tick_ms", "tickTime as its PINGs show it"),
    int("client_sessions", "client sessions named in one PING, at most"),
    text("vantage", "where the capture was taken: `leader`, `learner`, `both`, `between`, `unknown`"),
];

const INCIDENTS: &[Column] = &[
    RUN,
    int("incident", "its number in the run"),
    text(
        "root",
        "`process_stalled`, `disk_slow`, `network_cut`, `network_loss`, `network_slow`, `network_mtu`, `sync_slow`, `process_ended`, `link_reset`, `unknown`",
    ),
    text("confidence", "`proven`, `likely`, `unknown`"),
    text(
        "suspect_kind",
        "`host`, `host_network`, `path` (both ways), `one_way` (from the first to the second); null where nothing decides",
    ),
    text("suspect", "address of the host that is to blame, or of one end of the path"),
    text("suspect_to", "address of the other end of the path"),
    text("suspect_name", "name of `suspect` in `zoo.cfg`, else `server.N`"),
    time("started_at", "when the root began"),
    time("ended_at", "when it ended; null where the capture does not show it"),
    int("duration_ms", "the time between, or to the capture's end"),
    int("count", "how often it happened, where it is told once"),
    int("stalls", "stalls that it explains"),
    int("links", "links that it hurt"),
    int("elections", "elections that it led to"),
    int("outages", "outages that it led to"),
    int("outage_ms", "their durations together"),
    text("summary", "one sentence: who and what first"),
];

const OUTAGES: &[Column] = &[
    RUN,
    int("outage", "its number in the run"),
    text("kind", "`no_leader`, `no_commit`"),
    time("started_at", "the last COMMIT before"),
    time("ended_at", "the first one after; null where the capture does not show it"),
    int("duration_ms", "the time between, or to the capture's end"),
    int("incident", "the incident that led to it"),
    flag("certain", "false where a link that could show COMMITs was not in sight"),
];

const WAITS: &[Column] = &[
    RUN,
    int("link", "the link"),
    text("deadline", "`leader_read`, `learner_read`, `ack`, `init`"),
    text("subject", "address of the one that was waited for"),
    text("waiter", "address of the one that waited"),
    time("started_at", "the last sign of life, or the PROPOSAL"),
    int("wait_us", "how long it was"),
    int("limit_ms", "the deadline"),
    float("share", "of the deadline; a stall above 1"),
    text("ended", "`heard`, `closed`, `capture_end`"),
];

const ELECTIONS: &[Column] = &[
    RUN,
    int("election", "its index in the run, from 0"),
    time("started_at", "the first server looked for a leader"),
    time("ended_at", "a leader was followed again; null where that was not seen"),
    int("duration_ms", "the time between"),
    int("leader_sid", "who won"),
    text("leader", "its address"),
    int("epoch", "the epoch that began"),
    int("votes", "notifications seen"),
    int("rounds", "rounds"),
    text("looking", "addresses of those who looked, by spaces"),
    int("handover_to", "the server to which a reconfiguration handed the lead"),
    int("incident", "the incident that led to it"),
];

const INTERVALS: &[Column] = &[
    RUN,
    int("link", "the link; null for all beyond the first 64 together"),
    time("t0", "when the interval begins: a multiple of its width since 1970"),
    int("width_us", "its width: 100 ms, doubled until a link has at most 2,000"),
    text(
        "kind",
        "`ping`, `ack`, `commit` (round trips that ended in it, in us); `wait_leader_read`, `wait_learner_read`, `wait_ack`, `wait_init` (us); `records_to_leader`, `records_to_learner`, `proposals`, `retransmits_to_leader`, `retransmits_to_learner`; `missing_to_leader`, `missing_to_learner` (bytes); `client_sessions`",
    ),
    int("count", "how many; null for waits and sessions"),
    int("sum", "all round trips or bytes together; else null"),
    int("max", "the longest round trip or wait, the most sessions; else null"),
    buckets(
        "buckets",
        "round trips by how long they took: `us` is the middle of a bucket, to 2 %; else null",
    ),
];

const SESSIONS: &[Column] = &[
    RUN,
    int("session", "its id"),
    int("timeout_ms", "its timeout"),
    text("server", "address of a server that held it"),
    time("from_at", "first named by that server"),
    time("to_at", "last named by it"),
    time("created_at", "when it was created, in sight"),
    time("closed_at", "when it was closed, in sight"),
    text("closed_by", "`client`, `expiry`"),
    int("expired_after_ms", "from the last sign of life of its server to its expiry"),
    int("incident", "the incident in which it moved or expired"),
];

const RECORDS: &[Column] = &[
    RUN,
    int("file", "the file: see `files`"),
    int("frame", "the frame in it, from 1"),
    time("at", "time of its first byte"),
    text("src", "sender's address"),
    int("src_port", "sender's port"),
    text("dst", "receiver's address"),
    int("dst_port", "receiver's port"),
    text("proto", "`quorum`, `election`, `auth`"),
    text("type", "as ZooKeeper spells it"),
    int("length", "bytes on the wire"),
    int("cut", "bytes of it that were not captured"),
    flag("inferred", "whether it lies in cut bytes"),
    flag("at_is_vague", "whether its time is that of one of several frames"),
    int("zxid", "its zxid; the epoch is in the upper 32 bits"),
    int("data_length", "length of its data, -1 for none"),
    int("sid", "a server's id"),
    int("protocol_version", "the protocol"),
    int("epoch", "an epoch"),
    int("sessions", "sessions that a PING names"),
    text("op", "operation of a REQUEST or a PROPOSAL"),
    int("session", "client session"),
    int("cxid", "the client's number of the request"),
    text("path", "znode; bytes that are not UTF-8 as `\\xff`"),
    int("error", "error code of a write that failed"),
    int("timeout_ms", "timeout of a session"),
    text("state", "a notification's state"),
    int("leader", "id of the server that is voted for"),
    int("round", "election round"),
];

const CAPTURES: &[Column] = &[
    text("path", "its path"),
    int("group_id", "captures of one ensemble and one stretch of time have the same number"),
    text("site", "from the path, where a template says so"),
    text("ensemble", "from the path, else a name made of its servers"),
    text("host", "address of the host that it was taken at, where its content shows that"),
    time("first_at", "time of the first frame"),
    time("last_at", "time of the last frame that was looked at"),
    int("bytes", "size of the file"),
    flag("whole", "whether all of it was looked at"),
    text("servers", "addresses of servers seen, with their ids: `10.0.0.1=1`, by spaces"),
    text("epochs", "epochs seen, by spaces"),
    text("why", "why it is in its group"),
    text("problem", "what stopped its reading"),
];
