//! What the captures can tell, in words.

use super::{Names, number};
use crate::findings::incident::{Blind, Coverage, CoverageGap, StallCoverage};
use crate::report::clock::{self, WallClock};

/// Gaps named one by one.
const GAPS: usize = 4;
/// Shared addresses named.
const SHARED: usize = 4;
/// Servers named of each.
const SIDS: usize = 8;

/// `from 5 of 5 hosts, 10 of 10 links, 2026-11-21 09:31:19 to 09:36:10 UTC, nothing lost by the captures`.
#[must_use]
pub fn seen(coverage: &Coverage, clock: &WallClock) -> String {
    let hosts = coverage.hosts.len() as u64;
    let mut parts = vec![match coverage.hosts_expected {
        _ if hosts == 0 => "from where, the captures do not show".to_owned(),
        Some(all) if all >= hosts => format!("from {hosts} of {}", number::count(all, "host", "hosts")),
        _ => format!("from {}", number::count(hosts, "host", "hosts")),
    }];
    parts.push(match coverage.links_expected {
        Some(all) if all >= coverage.links_seen => {
            format!("{} of {}", coverage.links_seen, number::count(all, "link", "links"))
        }
        _ => number::count(coverage.links_seen, "link", "links"),
    });
    if let Some((from, to)) = coverage.from.zip(coverage.to) {
        let zone = clock.zone_name(Some(from));
        parts.push(format!("{} to {} {zone}", clock.second(from), clock.second_beside(to, from)));
    }
    let is_whole = coverage.gaps.is_empty()
        && !coverage.blind.iter().any(|blind| {
            matches!(blind, Blind::Dropped { .. } | Blind::OneDirection { .. } | Blind::EndsEarly { .. })
        });
    if is_whole && coverage.from.is_some() {
        parts.push("nothing lost by the captures".to_owned());
    }
    parts.join(", ")
}

/// What was not seen, a sentence each.
#[must_use]
pub fn not_seen(coverage: &Coverage, names: &Names, clock: &WallClock) -> Vec<String> {
    let gaps = coverage.gaps.iter().take(GAPS).map(|gap| self::gap(gap, names, clock));
    let more = coverage.gaps.len().checked_sub(GAPS).filter(|more| *more > 0);
    let more = more.map(|more| format!("the captures have {more} more gaps"));
    coverage.blind.iter().map(blind).chain(gaps).chain(more).chain(shared(coverage)).collect()
}

/// Several servers behind one address, in a sentence for each address.
fn shared(coverage: &Coverage) -> impl Iterator<Item = String> {
    coverage.shared_addresses.iter().take(SHARED).map(|shared| {
        let sids: Vec<_> = shared.sids.iter().take(SIDS).map(|sid| format!("server.{sid}")).collect();
        let more = if shared.sids.len() > SIDS { " and others" } else { "" };
        format!(
            "{}{more} have one address, {}: what is heard of it is not of one of them alone",
            sids.join(", "),
            shared.address
        )
    })
}

/// What is not known where nothing else is named.
pub const OTHER_LINKS: &str = "whether there were other links does not show";

/// How far "no stall" reaches, as the beginning of a sentence; `assumed` is the syncLimit that it hangs on, where
/// something speaks against it.
#[must_use]
pub fn no_stall(stalls: StallCoverage, assumed: Option<u32>) -> String {
    let if_so = assumed.map_or_else(String::new, |ticks| format!(", if syncLimit is {ticks} as assumed"));
    match stalls {
        StallCoverage::Full => format!("No stall{if_so}."),
        StallCoverage::Partial if assumed.is_some() => {
            format!("No stall in what was seen{if_so}; and not everything was seen:")
        }
        StallCoverage::Partial => "No stall in what was seen, but not everything was:".to_owned(),
        StallCoverage::None => "Whether anything stalled, these captures cannot show:".to_owned(),
    }
}

fn gap(gap: &CoverageGap, names: &Names, clock: &WallClock) -> String {
    let whose = gap.host.map_or_else(
        || "the capture has".to_owned(),
        |host| format!("the capture of {} has", names.name(host)),
    );
    let (from, to) = (clock.second(gap.from), clock.second_beside(gap.to, gap.from));
    format!("{whose} nothing from {from} to {to} ({})", clock::between(gap.from, gap.to))
}

/// What blinds, in a sentence.
#[must_use]
pub fn blind(blind: &Blind) -> String {
    let links = |number| number::count(number, "link", "links");
    match *blind {
        Blind::NothingRead => {
            "no frame of a quorum or election port was read (2888 and 3888; --quorum-port and --election-port name others)"
                .to_owned()
        }
        Blind::SnaplenTooShort { snaplen, needed } => format!(
            "frames were cut at {snaplen} bytes, too short for ZooKeeper's records: capture with -s {needed} or more"
        ),
        Blind::HeadersCut { frames, needed } => format!(
            "{} cut within the headers: capture with -s {needed} or more",
            number::count(frames, "frame was", "frames were")
        ),
        Blind::VotesCut { votes, needed } => format!(
            "{} cut before what they say: capture with -s {needed} or more to see elections",
            number::count(votes, "vote was", "votes were")
        ),
        Blind::NoTimes { frames } => format!(
            "the capture does not say when {} by: nothing can be measured",
            number::count(frames, "frame came", "frames came")
        ),
        Blind::Strangers { connections } => format!(
            "nobody spoke ZooKeeper on {} to the quorum and election ports",
            number::count(connections, "connection", "connections")
        ),
        Blind::Tls { links: number } => format!(
            "{} encrypted (TLS): silences and closes show, what was said does not",
            number::count(number, "link is", "links are")
        ),
        Blind::OneDirection { links: number } => format!("only one direction of {} was captured", links(number)),
        Blind::Bystander { unseen } => format!(
            "{} out of sight (a capture on the leader's host shows all of its links)",
            number::count(unseen, "other link is", "other links are")
        ),
        Blind::EndedLast { members } => format!(
            "{} right before the captures did: what came of it is out of sight",
            number::count(members, "member's process ended", "members' processes ended")
        ),
        Blind::WindowOutside => "nothing between --from and --to was captured".to_owned(),
        Blind::Dropped { frames: Some(frames) } => {
            format!("the captures themselves dropped {}", number::count(frames, "frame", "frames"))
        }
        Blind::Dropped { frames: None } => "frames are missing from the captures".to_owned(),
        Blind::EndsEarly { files: 1 } => "a capture could not be read to its end".to_owned(),
        Blind::EndsEarly { files } => format!("{files} captures could not be read to their ends"),
        Blind::Tunnels { frames } => format!(
            "{} inside tunnels that were not opened",
            number::count(frames, "frame is", "frames are")
        ),
    }
}
