//! The arguments of `qscope live`.

use crate::cli::args::{Color, EnsembleArgs, InputArgs, LimitArgs, OutputFormat, form, number};
use crate::cli::zone;
use clap::Args;
use jiff::tz::TimeZone;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(in crate::cli) const HELP: &str = "\
Examples:
  sudo qscope live -i eth0
      Until Ctrl-C: every stall when it happens, and the report at the end.
  sudo qscope live -i any --zoo-cfg /etc/zookeeper/conf/zoo.cfg --warn-at 60 --json
      For programs: one JSON object a line.
  sudo qscope live -i eth0 --tui --record /var/tmp/qscope
      A screen: every link's deadlines and round trips, and what was announced; ? lists the keys.
  qscope live -D
      The interfaces there are.
  kill -USR1 $(pidof qscope)
      The report so far, without stopping.";

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("held").multiple(true))]
pub(in crate::cli) struct LiveArgs {
    /// The interface to watch; any is all of them.
    #[arg(short, long, value_name = "INTERFACE")]
    pub(super) interface: Option<String>,

    /// List the interfaces and exit.
    #[arg(short = 'D', long)]
    pub(super) list_interfaces: bool,

    /// Rather than an interface, the rotation that a tcpdump writes to this folder, as it grows.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["interface", "filter"])]
    pub(super) follow: Option<PathBuf>,

    /// Of the frames of the ports, only those that this filter takes, in the language of pcap-filter(7).
    #[arg(long, value_name = "FILTER")]
    pub(super) filter: Option<String>,

    /// Bytes of each frame that are looked at.
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 256, value_parser = number(68..=262_144_u32))]
    pub(super) snaplen: u32,

    /// The kernel's buffer for frames that wait, in MiB.
    #[arg(short = 'B', long, value_name = "MIB", default_value_t = 16, value_parser = number(1..=1_024_u32))]
    pub(super) buffer: u32,

    /// Do not put the interface into promiscuous mode.
    #[arg(short = 'p', long)]
    pub(super) no_promiscuous: bool,

    /// Become this user once the interface is open. Root becomes nobody unless told otherwise.
    #[arg(short = 'Z', long, value_name = "USER")]
    pub(super) user: Option<String>,

    #[command(flatten)]
    pub(super) ensemble: EnsembleArgs,

    #[command(flatten)]
    pub(super) limits: LimitArgs,

    /// Tell waits that reach this share of a deadline; 100 tells stalls alone.
    #[arg(long, value_name = "PERCENT", default_value_t = 50, value_parser = number(1..=100_u32))]
    pub(super) warn_at: u32,

    /// The zone of times shown: a name like Europe/Berlin, local, or UTC.
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone::zone)]
    pub(super) tz: TimeZone,

    /// Text for people, which is the default, or JSON lines for programs.
    #[arg(long, value_enum)]
    pub(super) format: Option<OutputFormat>,

    /// The same as --format json.
    #[arg(long)]
    pub(super) json: bool,

    /// A screen rather than lines: links with their deadlines, announcements, keys. The report comes at the end.
    #[arg(long, conflicts_with_all = ["format", "json"])]
    pub(super) tui: bool,

    /// Colour: on a terminal, always or never. NO_COLOR in the environment turns auto off.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(super) color: Color,

    /// Round trips are those of this long, and of as long before: 30s, 15m, 24h.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    pub(super) window: Duration,

    /// Keep the last frames in memory, and write them to this folder when a stall is told.
    #[arg(long, value_name = "DIR", group = "held")]
    pub(super) record: Option<PathBuf>,

    /// Write a page for a browser to this folder when an incident is over, of the frames held in memory.
    #[arg(long, value_name = "DIR", group = "held")]
    pub(super) html_on_incident: Option<PathBuf>,

    /// A recording begins this long before the announcement.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration, requires = "held")]
    pub(super) before: Duration,

    /// And ends this long after it; a page, this long after the incident's end.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration, requires = "held")]
    pub(super) after: Duration,

    /// Frames held in memory for it, in MB; beyond, the oldest are let go.
    #[arg(long, value_name = "MB", default_value_t = 64, value_parser = number(1..=4_096_u16), requires = "held")]
    pub(super) max_mb: u16,

    /// Recordings kept in the folder, and pages in theirs; beyond, the oldest are removed.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = number(1..=u16::MAX), requires = "held")]
    pub(super) keep: u16,

    /// Answer GET /metrics (OpenMetrics, Prometheus) and /healthz here: 127.0.0.1:9141, or a port alone on 127.0.0.1.
    #[arg(long, value_name = "ADDR", value_parser = listening)]
    pub(super) metrics: Option<SocketAddr>,

    /// Links held for the report; beyond, the oldest that are over are let go, but for their stalls.
    #[arg(long, value_name = "N", default_value_t = 4_096, value_parser = links)]
    pub(super) max_links: usize,

    /// Connections tracked at once; beyond that the longest idle is let go, and counted.
    #[arg(long, value_name = "N", default_value_t = 4_096, value_parser = crate::cli::args::connections)]
    pub(super) max_connections: usize,
}

impl LiveArgs {
    /// The form that was asked for.
    pub(super) const fn format(&self) -> OutputFormat {
        form(self.format, self.json)
    }

    /// What it has in common with reading files.
    pub(super) fn input(&self) -> InputArgs {
        InputArgs {
            paths: Vec::new(),
            ensemble: self.ensemble.clone(),
            tz: self.tz.clone(),
            from: None,
            to: None,
            server: None,
            max_connections: self.max_connections,
        }
    }
}

fn links(text: &str) -> Result<usize, String> {
    number(16..=16_384)(text)
}

/// An address and a port, or a port of this host alone.
fn listening(text: &str) -> Result<SocketAddr, String> {
    let address = text.parse().or_else(|_| format!("127.0.0.1:{text}").parse());
    address.map_err(|_| "an address and a port such as 127.0.0.1:9141 or [::1]:9141".to_owned())
}

/// A length of time: a whole number and `s`, `m`, `h` or `d`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a length of time such as 30s, 15m, 24h or 7d".to_owned();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "s" => Some(number),
        "m" | "min" => number.checked_mul(60),
        "h" => number.checked_mul(3_600),
        "d" => number.checked_mul(86_400),
        _ => None,
    };
    match seconds {
        Some(seconds @ 1..=31_622_400) => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_has_a_unit() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("24h", 86_400), ("7d", 604_800)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in ["", "30", "s", "0s", "-1s", "1w", "99999999999999999999s", "9999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
