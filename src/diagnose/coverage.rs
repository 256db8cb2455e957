//! What the captures can tell at all, before what they tell.
//!
//! In each epoch a leader has a link to every other server. Of these, the captures show some: all of them at the
//! leader's host, one at a follower's.

use crate::address::Address;
use crate::dissect::{ByteSums, Protection};
use crate::findings::incident::{Blind, Coverage, SharedAddress, StallCoverage};
use crate::findings::{Link, Report};
use crate::packet::IgnoreReason;
use crate::proto::Sid;
use crate::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What the heads of records need behind headers of Ethernet, IPv4 and TCP, in bytes.
const SNAPLEN_NEEDED: u32 = 96;
/// Bytes missing from the captures are told from this part of all on, in thousandths.
const MIN_MISSING_PER_MILLE: u64 = 1;

/// Completes a report's coverage: hosts, gaps and the servers that a configuration names are in it already. The
/// report's input is known. `window` is what was asked for.
#[must_use]
pub fn coverage(report: &Report, window: (Option<Timestamp>, Option<Timestamp>)) -> Coverage {
    let known = &report.coverage;
    let (links_seen, links_expected) = with_paths(report, links(report));
    let blind =
        blind(report, window, links_expected.map_or(0, |expected| expected.saturating_sub(links_seen)));
    let servers = report.servers.len().max(report.raft.members.len()) as u64;
    let hosts_expected =
        known.hosts_expected.map(|named| named.max(servers)).or((servers > 0).then_some(servers));
    let (from, to) = span(report, window);
    let is_all = links_expected.is_some_and(|expected| links_seen >= expected);
    let is_any = report.links.iter().any(|link| is_read(link) || link.protection == Protection::Tls)
        || !report.raft.paths.is_empty();
    let is_blind = |blind: &Blind| {
        !matches!(blind, Blind::Dropped { .. } | Blind::Tunnels { .. } | Blind::VotesCut { .. })
    };
    let stalls = if !is_any || blind.contains(&Blind::WindowOutside) {
        StallCoverage::None
    } else if is_all && known.gaps.is_empty() && !blind.iter().any(is_blind) {
        StallCoverage::Full
    } else {
        StallCoverage::Partial
    };
    Coverage {
        stalls,
        hosts: known.hosts.clone(),
        hosts_expected,
        links_seen,
        links_expected,
        from,
        to,
        gaps: known.gaps.clone(),
        blind,
        shared_addresses: shared_addresses(report),
    }
}

/// Addresses from which learners of several ids came, or learners of another id than the server's there.
fn shared_addresses(report: &Report) -> Vec<SharedAddress> {
    let mut sids: BTreeMap<Address, BTreeSet<Sid>> = BTreeMap::new();
    let of_learners = report.links.iter().filter_map(|link| Some((link.learner.address, link.learner_sid?)));
    let of_servers = report.servers.iter().filter_map(|server| Some((server.address, server.sid?)));
    for (address, sid) in of_learners.chain(of_servers) {
        sids.entry(address).or_default().insert(sid);
    }
    let shared = sids.into_iter().filter(|(_, sids)| sids.len() > 1);
    shared.map(|(address, sids)| SharedAddress { address, sids: sids.into_iter().collect() }).collect()
}

/// What was captured of what was asked for.
fn span(
    report: &Report,
    (from, to): (Option<Timestamp>, Option<Timestamp>),
) -> (Option<Timestamp>, Option<Timestamp>) {
    let captured = report.input.first.zip(report.input.last);
    let asked =
        captured.map(|(first, last)| (first.max(from.unwrap_or(first)), last.min(to.unwrap_or(last))));
    asked.filter(|(from, to)| from <= to).unzip()
}

/// The links of one leader's time.
#[derive(Default)]
struct Term<'a> {
    leaders: BTreeSet<Address>,
    learners: BTreeSet<Address>,
    links: Vec<&'a Link>,
}

impl Term<'_> {
    /// Whether the captures of the leader itself show it.
    fn is_of_leader(&self) -> bool {
        self.links.iter().any(|link| {
            let leader = link.leader.address;
            // An observer's master is somebody's learner.
            link.seen_from.contains(&leader) && !self.learners.contains(&leader)
        })
    }
}

/// Links seen, and links that there must have been.
fn links(report: &Report) -> (u64, Option<u64>) {
    let mut terms: BTreeMap<(Option<u32>, Option<Address>), Term<'_>> = BTreeMap::new();
    for link in report.links.iter().filter(|link| is_used(link)) {
        let of = if link.epoch.is_some() { None } else { Some(link.leader.address) };
        let term = terms.entry((link.epoch, of)).or_default();
        term.leaders.insert(link.leader.address);
        term.learners.insert(link.learner.address);
        term.links.push(link);
    }
    let seen = terms.values().map(|term| term.learners.len() as u64).sum();
    let named = report.coverage.hosts_expected;
    let is_voting = !report.elections.is_empty() || report.election_bytes.decoded > 0;
    let servers = named.unwrap_or(0).max(report.servers.len() as u64);
    let is_known = named.is_some() || is_voting || terms.values().all(Term::is_of_leader);
    if terms.is_empty() || !is_known {
        return (seen, named.map(|named| named.saturating_sub(1)));
    }
    let expected = terms.values().map(|term| {
        let learners = term.learners.len() as u64;
        if term.is_of_leader() { learners } else { servers.saturating_sub(1).max(learners) }
    });
    (seen, Some(expected.sum()))
}

/// Adds the paths between etcd's members.
fn with_paths(report: &Report, (seen, expected): (u64, Option<u64>)) -> (u64, Option<u64>) {
    if report.raft.is_empty() {
        return (seen, expected);
    }
    let expected = if report.links.is_empty() { Some(0) } else { expected };
    let paths = report.raft.paths.len() as u64;
    (seen + paths, expected.map(|expected| expected + report.raft.paths_expected))
}

/// Whether anything but a handshake passed on it.
fn is_used(link: &Link) -> bool {
    link.bytes.to_leader.stream() + link.bytes.to_learner.stream() > 0
}

/// Whether records of it were read.
fn is_read(link: &Link) -> bool {
    let all = [
        &link.records.to_leader,
        &link.records.to_learner,
        &link.inferred.to_leader,
        &link.inferred.to_learner,
    ];
    all.iter().any(|records| !records.is_empty())
}

fn blind(report: &Report, window: (Option<Timestamp>, Option<Timestamp>), unseen: u64) -> Vec<Blind> {
    let mut blind = Vec::new();
    // Where --to ends the reading, the input's own times end there too.
    let first = report.input.files.iter().filter_map(|file| file.first).min();
    let last = report.input.files.iter().filter_map(|file| file.last).max();
    let is_after = window.0.zip(last).is_some_and(|(from, last)| from > last);
    let is_before = window.1.zip(first).is_some_and(|(to, first)| to < first);
    if is_after || is_before {
        blind.push(Blind::WindowOutside);
    }
    let no_times = report.input.ignored.get(IgnoreReason::NoTime.name()).copied().unwrap_or(0);
    if no_times > 0 {
        blind.push(Blind::NoTimes { frames: no_times });
    }
    blind.extend(cut_headers(report));
    let connections = report.strangers.connections;
    let is_any = !report.links.is_empty() || report.election_bytes.decoded > 0 || !report.raft.is_empty();
    if !is_any && connections > 0 {
        blind.push(Blind::Strangers { connections });
    } else if !is_any && report.election_bytes.stream() == 0 && no_times == 0 {
        blind.push(Blind::NothingRead);
    }
    let count = |is: &dyn Fn(&Link) -> bool| report.links.iter().filter(|link| is(link)).count() as u64;
    let is_unread =
        |link: &Link| is_used(link) && link.protection != Protection::Tls && !is_read(link) && is_cut(link);
    let snaplens = report.input.files.iter().filter_map(|file| file.snaplen);
    let snaplen = snaplens.filter(|snaplen| *snaplen > 0).min();
    // So short that nobody could tell what a stranger said.
    let is_foreign_cut =
        report.strangers.connections > 0 && snaplen.is_some_and(|snaplen| snaplen < SNAPLEN_NEEDED);
    if count(&is_unread) > 0 || is_foreign_cut {
        let cut = report.input.headers_cut.map_or(0, |cut| cut.snaplen_needed);
        let needed = cut.max(SNAPLEN_NEEDED);
        blind.push(Blind::SnaplenTooShort { snaplen: snaplen.unwrap_or(0), needed });
    }
    let votes = report.votes_cut;
    if votes.votes > 0 {
        let needed = snaplen.unwrap_or(SNAPLEN_NEEDED).saturating_add(votes.lacking);
        blind.push(Blind::VotesCut { votes: votes.votes, needed });
    }
    let paths = if report.raft.is_tls { report.raft.paths.len() as u64 } else { 0 };
    let tls = count(&|link| link.protection == Protection::Tls) + paths;
    if tls > 0 {
        blind.push(Blind::Tls { links: tls });
    }
    let one_direction = count(&is_one_direction);
    if one_direction > 0 {
        blind.push(Blind::OneDirection { links: one_direction });
    }
    if unseen > 0 && !(report.links.is_empty() && report.raft.is_empty()) {
        blind.push(Blind::Bystander { unseen });
    }
    if report.raft.ended_last > 0 {
        blind.push(Blind::EndedLast { members: report.raft.ended_last });
    }
    blind.extend(dropped(report));
    let files = report.input.files.iter().filter(|file| file.problem.is_some()).count() as u64;
    if files > 0 {
        blind.push(Blind::EndsEarly { files });
    }
    blind
}

/// Frames without whole headers, where they are not a few.
fn cut_headers(report: &Report) -> Option<Blind> {
    let cut = report.input.headers_cut?;
    let is_many =
        cut.frames.saturating_mul(1_000) >= report.input.frames.saturating_mul(MIN_MISSING_PER_MILLE);
    is_many
        .then_some(Blind::HeadersCut { frames: cut.frames, needed: cut.snaplen_needed.max(SNAPLEN_NEEDED) })
}

const fn is_cut(link: &Link) -> bool {
    link.bytes.to_leader.cut + link.bytes.to_learner.cut > 0
}

/// Whether of one direction nothing was captured though the other side acknowledged it.
fn is_one_direction(link: &Link) -> bool {
    let is_lacking = |sums: &ByteSums| sums.missing > 0 && sums.missing == sums.stream();
    is_lacking(&link.bytes.to_leader) || is_lacking(&link.bytes.to_learner)
}

fn dropped(report: &Report) -> Option<Blind> {
    let frames = report.input.live.as_ref().and_then(|live| live.received).map(|received| received.dropped());
    if let Some(frames) = frames.filter(|frames| *frames > 0) {
        return Some(Blind::Dropped { frames: Some(frames) });
    }
    let both = report.links.iter().filter(|link| !is_one_direction(link));
    let sums = both.flat_map(|link| [link.bytes.to_leader, link.bytes.to_learner]);
    let (missing, all) =
        sums.fold((0u64, 0u64), |(missing, all), sums| (missing + sums.missing, all + sums.stream()));
    (missing > 0 && missing.saturating_mul(1_000) >= all.saturating_mul(MIN_MISSING_PER_MILLE))
        .then_some(Blind::Dropped { frames: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::sample;

    #[test]
    fn what_was_not_read_is_no_all_clear() {
        let nothing = coverage(&Report::default(), (None, None));
        assert_eq!(nothing.stalls, StallCoverage::None);
        assert_eq!(nothing.blind, [Blind::NothingRead]);
        assert_eq!(nothing.links_expected, None);
    }

    #[test]
    fn what_nobody_could_read_is_named_with_what_would_do() {
        let mut report = Report::default();
        report.strangers.connections = 2;
        assert_eq!(coverage(&report, (None, None)).blind, [Blind::Strangers { connections: 2 }]);
        report.input.files.push(crate::capture::FileInfo { snaplen: Some(68), ..Default::default() });
        let found = coverage(&report, (None, None)).blind;
        assert!(found.contains(&Blind::SnaplenTooShort { snaplen: 68, needed: 96 }), "{found:?}");
        report.input.frames = 100;
        report.input.headers_cut = Some(crate::findings::HeadersCut { frames: 3, snaplen_needed: 154 });
        report.input.ignored.insert(IgnoreReason::NoTime.name(), 7);
        report.votes_cut = crate::findings::VotesCut { votes: 4, lacking: 22 };
        let found = coverage(&report, (None, None)).blind;
        for blind in [
            Blind::HeadersCut { frames: 3, needed: 154 },
            Blind::NoTimes { frames: 7 },
            Blind::VotesCut { votes: 4, needed: 90 },
            Blind::SnaplenTooShort { snaplen: 68, needed: 154 },
        ] {
            assert!(found.contains(&blind), "{blind:?} in {found:?}");
        }
    }

    #[test]
    fn a_window_outside_the_captures_shows_nothing() {
        let report = sample::report();
        let late = report.input.last.map(|last| last.plus(crate::time::Span::from_millis(1_000)));
        let found = coverage(&report, (late, None));
        assert_eq!(found.stalls, StallCoverage::None);
        assert!(found.blind.contains(&Blind::WindowOutside));
        assert_eq!((found.from, found.to), (None, None), "a time that runs backwards is none");
    }

    #[test]
    fn several_servers_behind_one_address_are_named() {
        let mut report = sample::report();
        assert_eq!(coverage(&report, (None, None)).shared_addresses, []);
        let proxy = Address::v4(0x0aff_00fe);
        for (link, sid) in report.links.iter_mut().zip([Some(Sid(7)), Some(Sid(5)), None]) {
            (link.learner.address, link.learner_sid) = (proxy, sid);
        }
        let found = coverage(&report, (None, None));
        let shared = found.shared_addresses.iter().find(|shared| shared.address == proxy);
        assert_eq!(shared.map(|shared| &shared.sids[..]), Some(&[Sid(5), Sid(7)][..]));
        // What each link shows is of one server all the same.
        assert_eq!(found.blind, coverage(&sample::report(), (None, None)).blind);
    }

    #[test]
    fn a_file_that_was_not_read_to_its_end_is_no_all_clear() {
        let mut report = sample::report();
        for file in &mut report.input.files {
            file.problem = None;
        }
        assert!(!coverage(&report, (None, None)).blind.iter().any(is_early));
        if let Some(file) = report.input.files.first_mut() {
            file.problem = Some("the gzip data end early".to_owned());
        }
        let found = coverage(&report, (None, None));
        assert!(found.blind.iter().any(is_early) && found.stalls != StallCoverage::Full, "{found:?}");
    }

    fn is_early(blind: &Blind) -> bool {
        *blind == Blind::EndsEarly { files: 1 }
    }

    #[test]
    fn links_of_servers_that_a_configuration_names_are_expected() {
        let mut report = sample::report();
        // A follower's capture; the leader's own would show all links that there were.
        for link in &mut report.links {
            link.seen_from = vec![link.learner.address];
        }
        let seen = coverage(&report, (None, None));
        report.coverage.hosts_expected = Some(9);
        let found = coverage(&report, (None, None));
        assert_eq!(found.hosts_expected, Some(9));
        assert_eq!(found.links_seen, seen.links_seen);
        assert!(found.links_expected > Some(found.links_seen), "{found:?}");
        assert_eq!(found.stalls, StallCoverage::Partial);
        assert!(found.blind.iter().any(|blind| matches!(blind, Blind::Bystander { .. })));
    }
}
