//! The arguments, and the help that teaches them.

use super::config::{Config, MAX_LIMIT_TICKS, MAX_TICK_MS};
use super::exit::Failure;
use super::logs::{self, LogArg};
use super::zone;
use crate::findings::selection::ServerChoice;
use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use std::fmt;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;

const AFTER_HELP: &str = "\
Capture on every server, or at least on the leader (a ring of ten files of 500 MB; leave out -G):
  tcpdump -i eth0 -s 96 -C 500 -W 10 -w /var/tmp/zk.pcap -Z root 'tcp port 2888 or tcp port 3888'

Then:
  qscope .                             # what happened, to whom, when, and what to look at next
  qscope -v --tz local --zoo-cfg /etc/zookeeper/conf/zoo.cfg .
  qscope dump --type proposal --type ack . | head

qscope PATH... is short for qscope replay PATH...

Exit codes: 0 the input was read, 1 there were incidents (only with --fail-on-stall),
2 nothing could be read or the arguments make no sense, 3 the input was read and nothing in it
could be analyzed: no stall in it means nothing.";

const REPLAY_HELP: &str = "\
Examples:
  qscope replay tcpdump-trace-*.pcap*
      All files of a rotation, in any order, packed or not: one capture.
  qscope replay --zoo-cfg zoo.cfg --server zk3.example.org DIR
      With the ensemble's own limits and names; only what one server had a part in.
  qscope replay --tz Europe/Berlin --from '2026-11-21 09:00' --to '2026-11-21 09:10' DIR
      What happened in ten minutes of the servers' own clocks.
  qscope replay --html report.html DIR
      A page for a browser: incidents, a timeline of all servers, charts of all links.
  ssh zk1 timeout 600 tcpdump -i eth0 -s 96 -w - 'tcp port 2888 or tcp port 3888' | qscope -
      Ten minutes of another host; the report comes when the capture ends.
  qscope replay --log zk1=zk1.log.gz --log 5=zookeeper.out --log-tz Europe/Berlin DIR
      With the servers' own logs: what they say to each stall, and where the wire knows better.
  qscope replay --json --fail-on-stall DIR > report.json || alert
      For programs.";

const DUMP_HELP: &str = "\
Examples:
  qscope dump DIR | less
      Every record on both ports, in order.
  qscope dump -v --type request --type proposal --server 10.0.0.7 DIR
      The writes that one server had a part in, with sessions and paths.
  qscope dump --format json DIR | jq -r 'select(.type==\"PROPOSAL\") | .txn.path'
      JSON lines for other programs.

What the cut hid and arithmetic proves is marked (inferred). It is printed when it becomes known, so
its time may lie before that of the line above it.";

/// Sees from packets alone why a ZooKeeper ensemble stumbled.
///
/// Reads captures of ZooKeeper's quorum and election ports (2888 and 3888) and says which server
/// stalled, from when to when, against which of ZooKeeper's deadlines, and what ended it. Captures cut
/// at 96 bytes a frame suffice.
#[derive(Debug, Parser)]
#[command(name = "qscope", version, long_version = super::version::LONG, after_long_help = AFTER_HELP, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Report what happened, who is to blame and what to look at next, from capture files.
    #[command(after_help = REPLAY_HELP)]
    Replay(ReplayArgs),
    /// Print every record as it passes, in the manner of tcpdump.
    #[command(after_help = DUMP_HELP)]
    Dump(DumpArgs),
    /// Write what was found as tables, for DuckDB, Spark and other engines that read Parquet.
    #[command(after_help = super::export::HELP)]
    Export(super::export::ExportArgs),
    /// Tell which captures belong together: a line for each, with its ensemble and stretch of time.
    #[command(after_help = super::index::HELP)]
    Index(super::index::IndexArgs),
    /// Watch an interface: tell every incident when it happens.
    #[command(after_help = super::live::HELP)]
    Live(Box<super::live::LiveArgs>),
    /// Print a completion script for a shell.
    Completions(super::generate::CompletionArgs),
    /// Write the man pages.
    Man(super::generate::ManArgs),
}

/// Where servers listen, and what describes them.
#[derive(Args, Clone, Debug)]
pub(super) struct EnsembleArgs {
    /// A port on which leaders listen to learners, rather than 2888; may be repeated. Links on other ports count
    /// too, where their beginning was captured and shows what they are.
    #[arg(long, value_name = "PORT", value_parser = number(1..=u16::MAX))]
    pub(super) quorum_port: Vec<u16>,

    /// A port of leader election, rather than 3888; may be repeated. The same holds for other ports.
    #[arg(long, value_name = "PORT", value_parser = number(1..=u16::MAX))]
    pub(super) election_port: Vec<u16>,

    /// A port on which etcd's members listen to each other, rather than 2380; may be repeated. The same holds for
    /// other ports.
    #[arg(long, value_name = "PORT", value_parser = number(1..=u16::MAX))]
    pub(super) peer_port: Vec<u16>,

    /// The ensemble's zoo.cfg: its limits, and its servers' names and ports.
    ///
    /// dynamicConfigFile is followed, from the folder that zoo.cfg is in.
    #[arg(long, value_name = "FILE")]
    pub(super) zoo_cfg: Option<PathBuf>,

    /// A configuration of an etcd member: its intervals, and the members' names and ports.
    ///
    /// A YAML file, a systemd unit or whatever else holds its flags, or an environment file. Without it the heartbeat
    /// interval is measured, and the election timeout taken for ten of it.
    #[arg(long, value_name = "FILE")]
    pub(super) etcd_conf: Option<PathBuf>,
}

impl EnsembleArgs {
    /// The files that are read of the configurations that were named.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.zoo_cfg.iter().flat_map(|path| Config::files(path)).chain(self.etcd_conf.clone()).collect()
    }
}

/// The limits reckoned with.
#[derive(Args, Clone, Debug)]
pub(super) struct LimitArgs {
    /// tickTime in milliseconds, rather than from zoo.cfg or the pings.
    #[arg(long, value_name = "MS", value_parser = number(1..=MAX_TICK_MS))]
    pub(super) tick_time: Option<u32>,

    /// syncLimit in ticks.
    #[arg(long, value_name = "N", value_parser = number(1..=MAX_LIMIT_TICKS))]
    pub(super) sync_limit: Option<u32>,

    /// initLimit in ticks.
    #[arg(long, value_name = "N", value_parser = number(1..=MAX_LIMIT_TICKS))]
    pub(super) init_limit: Option<u32>,
}

/// What both read.
#[derive(Args, Debug)]
pub(super) struct InputArgs {
    /// Captures: files, directories (every capture directly in them), or - for standard input.
    ///
    /// pcap, pcapng and snoop, plain or packed (gzip, zstd, xz, bzip2, lz4), told by their content. Files
    /// are put in order by their times; files of several hosts or interfaces are merged.
    #[arg(required = true, value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(super) ensemble: EnsembleArgs,

    /// The zone of times shown, and of --from and --to: a name like Europe/Berlin, local, or UTC.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone::zone)]
    pub(super) tz: TimeZone,

    /// Leave out what ended before this time.
    ///
    /// RFC 3339, or 'YYYY-MM-DD HH:MM[:SS]' in the zone of --tz. What is before is read all the same, so
    /// that the state of every connection is known; links' figures count it too.
    #[arg(long, value_name = "TIME")]
    pub(super) from: Option<String>,

    /// Stop at this time.
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<String>,

    /// Only what this server has a part in: an address, a name of --zoo-cfg, or server.N.
    #[arg(long, value_name = "SERVER", value_parser = server)]
    pub(super) server: Option<ServerChoice>,

    /// Connections tracked at once; beyond that the longest idle is let go, and counted.
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = connections)]
    pub(super) max_connections: usize,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("written").multiple(true))]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,

    /// Text for people, which is the default, or one JSON object for programs.
    #[arg(long, value_enum)]
    pub(super) format: Option<OutputFormat>,

    /// The same as --format json.
    #[arg(long)]
    pub(super) json: bool,

    /// Add the links' numbers over time to the JSON: waits, round trips, records, retransmissions by interval.
    ///
    /// Says --json too. Intervals are of 100 ms, doubled until no link has more than 2,000 of them; the first 64
    /// links are told in detail, the others in sum.
    #[arg(long)]
    pub(super) series: bool,

    /// Tell everything: each stall, near misses, elections, links with their waits and round trips, files.
    #[arg(short, long)]
    pub(super) verbose: bool,

    /// Write text to the terminal as it is, rather than through $PAGER (less where that is not set).
    #[arg(long)]
    pub(super) no_pager: bool,

    /// Threads to work with: 1 does all in one, more share reading, dissecting and tracking. The report
    /// is the same. As a rule as many as there are processors.
    #[arg(long, value_name = "N", value_parser = threads)]
    pub(super) threads: Option<NonZero<usize>>,

    /// Exit with 1 if there is an incident.
    #[arg(long)]
    pub(super) fail_on_stall: bool,

    #[command(flatten)]
    pub(super) limits: LimitArgs,

    /// Write the frames around every stall as pcapng, with what they show as comments.
    #[arg(long, value_name = "OUT.pcapng", group = "written")]
    pub(super) annotate: Option<PathBuf>,

    /// Write the report as one page for a browser, which needs no network: incidents, a timeline, the links' charts.
    #[arg(long, value_name = "OUT.html", group = "written")]
    pub(super) html: Option<PathBuf>,

    /// Write what happened when in the trace event format, for Perfetto or chrome://tracing.
    #[arg(long, value_name = "OUT.json", group = "written")]
    pub(super) trace: Option<PathBuf>,

    /// Replace the file of --annotate, --html or --trace if there is one; never one that is read.
    #[arg(long, requires = "written")]
    pub(super) force: bool,

    /// A server's own log, to be set beside what the wire shows; may be repeated.
    ///
    /// Lines as log4j and logback print them with ZooKeeper's defaults, plain or gzip. Those that belong
    /// to a stall are shown in it, with whether they agree. NAME is a server's name, sid or address;
    /// without it the server is found from [myid:N] in the lines. Example: --log zk1=zk1.log.gz
    #[arg(long, value_name = "[NAME=]FILE", value_parser = logs::argument)]
    pub(super) log: Vec<LogArg>,

    /// The zone of the logs' times: a name like Europe/Berlin, local, or UTC.
    ///
    /// Where it is not given it is found: closes and elections in the logs are looked for on the wire.
    #[arg(long, value_name = "ZONE", value_parser = zone::zone, requires = "log")]
    pub(super) log_tz: Option<TimeZone>,

    /// List waits that reached this share of a deadline, though they did not pass it.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = number(1..=100_u32))]
    pub(super) warn_at: u32,

    /// Colour: on a terminal, always or never. NO_COLOR in the environment turns auto off.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,
}

impl ReplayArgs {
    /// The form that was asked for.
    pub(super) const fn format(&self) -> OutputFormat {
        form(self.format, self.json || self.series)
    }
}

#[derive(Args, Debug)]
pub(super) struct DumpArgs {
    #[command(flatten)]
    pub(super) input: InputArgs,

    /// Text, a line per record, which is the default, or JSON lines.
    #[arg(long, value_enum)]
    pub(super) format: Option<OutputFormat>,

    /// The same as --format json.
    #[arg(long)]
    pub(super) json: bool,

    /// Only records of this type; may be repeated.
    ///
    /// A quorum packet's type as ZooKeeper spells it (PROPOSAL, ACK, PING, ...), HELLO, NOTIFICATION, or
    /// SASL's IN_PROGRESS, SUCCESS, ERROR; case does not matter.
    #[arg(long = "type", value_name = "TYPE")]
    pub(super) types: Vec<String>,

    /// Show what is in the records: paths, sessions, votes, configurations, and the frame.
    #[arg(short, long)]
    pub(super) verbose: bool,
}

impl DumpArgs {
    /// The form that was asked for.
    pub(super) const fn format(&self) -> OutputFormat {
        form(self.format, self.json)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputFormat {
    Text,
    Json,
}

/// The form that was asked for, where `is_json` is what says JSON without `--format`.
pub(super) const fn form(format: Option<OutputFormat>, is_json: bool) -> OutputFormat {
    match format {
        Some(format) => format,
        None if is_json => OutputFormat::Json,
        None => OutputFormat::Text,
    }
}

/// Refuses `--format text` beside an option that says JSON; `by` is that one, where it was given.
pub(super) fn is_one_form(format: Option<OutputFormat>, by: Option<&str>) -> Result<(), Failure> {
    match by {
        Some(option) if format == Some(OutputFormat::Text) => {
            Err(Failure::wrong(format!("'{option}' cannot be used with '--format text'")))
        }
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[expect(clippy::unnecessary_wraps, reason = "a value parser's signature")]
fn server(text: &str) -> Result<ServerChoice, String> {
    Ok(ServerChoice::read(text))
}

/// A parser of whole numbers in a range: whoever gives something else is told the range.
pub(super) fn number<T>(
    range: RangeInclusive<T>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: FromStr + PartialOrd + fmt::Display + Clone + Send + Sync + 'static,
{
    move |text| match text.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!("give a whole number from {} to {}", range.start(), range.end())),
    }
}

pub(super) fn connections(text: &str) -> Result<usize, String> {
    number(1..=16_777_216)(text)
}

pub(super) fn threads(text: &str) -> Result<NonZero<usize>, String> {
    text.parse().map_err(|_| "give a whole number, 1 or more; 1 does all in one thread".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn replay(line: &str) -> ReplayArgs {
        match parse(line).unwrap().command {
            Command::Replay(args) => args,
            _ => panic!("{line} is no replay"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_not_said_is_customary() {
        let args = replay("qscope replay a b");
        assert_eq!(args.input.paths.len(), 2);
        assert_eq!(args.input.tz, TimeZone::UTC);
        assert_eq!((args.warn_at, args.format(), args.color), (50, OutputFormat::Text, Color::Auto));
        assert_eq!((args.limits.tick_time, args.input.max_connections), (None, 16_384));
        assert!(!args.verbose && !args.no_pager);
        assert_eq!(replay("qscope replay a --json").format(), OutputFormat::Json);
        assert!(args.input.ensemble.quorum_port.is_empty(), "the dissector knows the customary ports");
    }

    #[test]
    fn all_can_be_said() {
        let args = replay(
            "qscope replay - --format json --fail-on-stall --quorum-port 12888 --quorum-port 2888 \
             --election-port 13888 --zoo-cfg zoo.cfg --tick-time 2000 --sync-limit 5 --init-limit 10 \
             --warn-at 80 --tz Europe/Berlin --color never --from 2026-11-21T08:00:00Z --to 2026-11-21T09:00 \
             --server [::1] --max-connections 10",
        );
        assert_eq!(args.input.ensemble.quorum_port, [12888, 2888]);
        assert_eq!(
            (args.limits.tick_time, args.limits.sync_limit, args.limits.init_limit),
            (Some(2000), Some(5), Some(10))
        );
        assert_eq!(args.input.server, Some(ServerChoice::read("::1")));
        assert_eq!(args.input.tz.iana_name(), Some("Europe/Berlin"));
        let Command::Dump(args) = parse("qscope dump -v --type ACK --type ping x").unwrap().command else {
            panic!("no dump")
        };
        assert_eq!((args.verbose, args.types), (true, vec!["ACK".to_owned(), "ping".to_owned()]));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "qscope",
            "qscope replay",
            "qscope replay x --warn-at 0",
            "qscope replay x --warn-at 101",
            "qscope replay x --quorum-port 0",
            "qscope replay x --tick-time -1",
            "qscope replay x --tz Mars/Olympus",
            "qscope replay x --format xml",
            "qscope replay x --max-connections 0",
            "qscope watch",
        ] {
            assert!(parse(line).unwrap_err().use_stderr(), "{line}");
        }
    }

    #[test]
    fn text_and_json_at_once_are_refused() {
        let said = |line: &str| {
            let args = replay(line);
            is_one_form(args.format, args.json.then_some("--json")).is_ok()
        };
        assert!(!said("qscope replay x --format text --json"));
        assert!(said("qscope replay x --format json --json"));
        assert!(said("qscope replay x --format text") && said("qscope replay x --json"));
    }

    #[test]
    fn help_has_an_example_for_each() {
        for line in ["qscope replay --help", "qscope dump --help"] {
            let help = parse(line).unwrap_err();
            assert!(!help.use_stderr());
            assert!(help.to_string().contains("Examples:\n  qscope "), "{line}");
        }
        assert!(parse("qscope --help").unwrap_err().to_string().contains("tcpdump -i"));
    }
}
