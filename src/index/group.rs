//! Files are joined one by one, each time with the reason why.

use super::{FlowEnds, Front, Tick};
use crate::hash::{fold, mix};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Segments that two files must share.
const MIN_SHARED: usize = 8;
/// How far a sender's clock may be off: its own drift and the captures' clocks.
const CLOCK_OFF_MS: i64 = 2_000;
/// The same, per mille of the time between.
const DRIFT_PERMILLE: i64 = 2;
/// A longer stretch without a capture parts two groups.
const GAP: Span = Span::from_millis(6 * 3_600_000);

/// Which group a file is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping {
    /// The group, from 1, in order of time.
    pub group: u64,
    /// The ensemble: files of one have the same number, whatever the time between.
    pub ensemble: u64,
    /// Why: one sentence for each file that it was joined with, at most a few.
    pub why: Vec<String>,
}

/// Reasons told of a file.
const MAX_WHY: usize = 3;

/// Sets of files, and how they came about.
struct Joined<'a> {
    files: &'a [Front],
    parent: Vec<usize>,
    why: Vec<Vec<String>>,
}

impl<'a> Joined<'a> {
    fn new(files: &'a [Front]) -> Self {
        Self { files, parent: (0..files.len()).collect(), why: vec![Vec::new(); files.len()] }
    }

    fn root(&mut self, file: usize) -> usize {
        let mut at = file;
        while let Some(next) = self.parent.get(at).copied().filter(|next| *next != at) {
            // Halve the way for the next time.
            let further = self.parent.get(next).copied().unwrap_or(next);
            if let Some(parent) = self.parent.get_mut(at) {
                *parent = further;
            }
            at = further;
        }
        at
    }

    /// Joins two files, unless their paths say that they are not of one ensemble.
    fn join(&mut self, one: usize, other: usize, why: impl Fn(&str) -> String) {
        let (a, b) = (self.root(one), self.root(other));
        if a == b || !self.may_be_one(one, other) {
            return;
        }
        if let Some(parent) = self.parent.get_mut(a.max(b)) {
            *parent = a.min(b);
        }
        for (file, with) in [(one, other), (other, one)] {
            let path = self.files.get(with).map_or("", |front| front.path.as_str());
            if let Some(all) = self.why.get_mut(file).filter(|all| all.len() < MAX_WHY) {
                all.push(why(path));
            }
        }
    }

    fn may_be_one(&self, one: usize, other: usize) -> bool {
        let (Some(one), Some(other)) = (self.files.get(one), self.files.get(other)) else { return false };
        ["site", "ensemble"].iter().all(|name| match (one.names.get(*name), other.names.get(*name)) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        })
    }
}

/// The group of each file.
#[must_use]
pub fn groups(files: &[Front]) -> Vec<Grouping> {
    let mut joined = Joined::new(files);
    by_path(files, &mut joined);
    by_segments(files, &mut joined);
    by_connection(files, &mut joined);
    by_servers(files, &mut joined);
    numbered(files, joined)
}

/// Paths that name the same site and ensemble.
fn by_path(files: &[Front], joined: &mut Joined<'_>) {
    let mut first: BTreeMap<(Option<&String>, &String), usize> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let Some(ensemble) = file.names.get("ensemble") else { continue };
        match first.get(&(file.names.get("site"), ensemble)) {
            Some(other) => {
                joined.join(index, *other, |path| format!("its path names the same ensemble as {path}"))
            }
            None => {
                first.insert((file.names.get("site"), ensemble), index);
            }
        }
    }
}

/// Segments that two files hold.
fn by_segments(files: &[Front], joined: &mut Joined<'_>) {
    let mut holders: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut shared: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for segment in &file.segments {
            let others = holders.entry(*segment).or_default();
            for other in others.iter() {
                *shared.entry((*other, index)).or_default() += 1;
            }
            // Of a path that many captures show, the first few are enough to join them all.
            if others.len() < 4 {
                others.push(index);
            }
        }
    }
    for ((one, other), count) in shared {
        if count >= MIN_SHARED {
            joined.join(one, other, |path| format!("shares segments with {path}"));
        }
    }
}

/// Connections that go on in another file.
fn by_connection(files: &[Front], joined: &mut Joined<'_>) {
    let mut holders: BTreeMap<FlowEnds, Vec<(usize, Tick)>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        for (flow, tick) in &file.flows {
            holders.entry(*flow).or_default().push((index, *tick));
        }
    }
    for ((src, dst), mut ticks) in holders {
        ticks.sort_by_key(|(_, tick)| tick.at);
        // The latest moment of each connection that these ends have had.
        let mut known: Vec<(usize, Tick)> = Vec::new();
        for (index, tick) in ticks {
            match known.iter_mut().find(|(_, other)| goes_on(*other, tick)) {
                Some(other) => {
                    joined.join(index, other.0, |path| {
                        format!("holds the connection {src} to {dst} of {path}, by its timestamps")
                    });
                    *other = (index, tick);
                }
                None => known.push((index, tick)),
            }
        }
    }
}

/// Whether one clock may have written both.
fn goes_on(earlier: Tick, later: Tick) -> bool {
    let passed = later.at.since(earlier.at).nanos() / 1_000_000;
    let ticked = i64::from(later.value.wrapping_sub(earlier.value));
    // It wraps after 49 days.
    let off = (passed - ticked).rem_euclid(1 << 32);
    let off = off.min((1 << 32) - off);
    off <= CLOCK_OFF_MS + passed / 1_000 * DRIFT_PERMILLE
}

/// The same servers with the same ids in one folder, and an epoch that does not fall.
fn by_servers(files: &[Front], joined: &mut Joined<'_>) {
    let mut folders: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, file) in files.iter().enumerate() {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        folders.entry(folder).or_default().push(index);
    }
    for mut its in folders.into_values() {
        its.sort_by_key(|index| files.get(*index).and_then(|file| file.first));
        for pair in its.windows(2) {
            let [one, other] = *pair else { continue };
            if let (Some(a), Some(b)) = (files.get(one), files.get(other))
                && are_alike(a, b)
            {
                joined.join(one, other, |path| {
                    format!("likely: the same servers with the same ids as in {path}, in one folder")
                });
            }
        }
    }
}

fn are_alike(earlier: &Front, later: &Front) -> bool {
    let with_ids = |front: &Front| -> BTreeSet<_> {
        front.servers.iter().filter_map(|(address, sid)| sid.map(|sid| (*address, sid.0))).collect()
    };
    let (a, b) = (with_ids(earlier), with_ids(later));
    let addresses =
        |all: &BTreeSet<(_, i64)>| all.iter().map(|(address, _)| *address).collect::<BTreeSet<_>>();
    let contradict = addresses(&a).intersection(&addresses(&b)).count() != a.intersection(&b).count();
    let falls = earlier.epochs.last().zip(later.epochs.last()).is_none_or(|(earlier, later)| later < earlier);
    a.intersection(&b).count() >= 2 && !contradict && !falls
}

/// Ensembles and their stretches of time, numbered by the time of their first files.
fn numbered(files: &[Front], mut joined: Joined<'_>) -> Vec<Grouping> {
    let mut order: Vec<usize> = (0..files.len()).collect();
    order.sort_by_key(|index| files.get(*index).map(|file| (file.first.is_none(), file.first)));
    let mut ensembles: BTreeMap<usize, EnsembleFiles> = BTreeMap::new();
    let mut all = vec![Grouping::default(); files.len()];
    let mut groups = 0;
    for index in order {
        let Some(file) = files.get(index) else { continue };
        let count = ensembles.len() as u64;
        let root = joined.root(index);
        let stretch =
            ensembles.entry(root).or_insert(EnsembleFiles { ensemble: count + 1, group: 0, end: None });
        let is_later = stretch.end.zip(file.first).is_some_and(|(end, first)| first.since(end) > GAP);
        if stretch.group == 0 || is_later {
            groups += 1;
            stretch.group = groups;
        }
        stretch.end = stretch.end.max(file.last).max(file.first);
        if let Some(place) = all.get_mut(index) {
            let why = joined.why.get_mut(index).map(std::mem::take).unwrap_or_default();
            *place = Grouping { group: stretch.group, ensemble: stretch.ensemble, why };
        }
    }
    all
}

/// The ensembles' names by their numbers: from a path, else one made of the servers, the same whatever else is
/// there as long as no other ensemble has the same servers.
#[must_use]
pub fn ensembles(files: &[Front], groups: &[Grouping]) -> BTreeMap<u64, String> {
    let mut members: BTreeMap<u64, Vec<&Front>> = BTreeMap::new();
    for (file, group) in files.iter().zip(groups) {
        members.entry(group.ensemble).or_default().push(file);
    }
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for (ensemble, its) in members {
        let named = its.iter().find_map(|file| file.names.get("ensemble"));
        let name = named.cloned().unwrap_or_else(|| made_of(&its));
        // Of different sites the same name is fine.
        let site = its.iter().find_map(|file| file.names.get("site")).map_or("", String::as_str);
        let count = taken.entry(format!("{site}/{name}")).or_default();
        *count += 1;
        let name = if *count > 1 { format!("{name}-{count}") } else { name };
        names.insert(ensemble, name);
    }
    names
}

/// A name made of the servers that files show.
fn made_of(files: &[&Front]) -> String {
    let servers: BTreeSet<_> = files.iter().flat_map(|file| file.servers.keys()).collect();
    let hash = servers.iter().fold(0, |hash, server| mix(hash, fold(server.bits())));
    format!("zk-{:08x}", hash >> 32)
}

/// The files of an ensemble so far, in order of time.
struct EnsembleFiles {
    ensemble: u64,
    group: u64,
    end: Option<Timestamp>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::address::{Address, Endpoint};
    use crate::proto::Sid;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(1_700_000_000 + seconds, 0)
    }

    /// A file of the same two servers, whose connection shows this timestamp.
    fn front(path: &str, seconds: i64, value: u32) -> Front {
        let [a, b] = [1, 2].map(|host| Endpoint { address: Address::v4(0x0a00_0000 + host), port: 2888 });
        Front {
            path: path.to_owned(),
            first: Some(at(seconds)),
            last: Some(at(seconds + 60)),
            flows: [((a, b), Tick { value, at: at(seconds) })].into(),
            ..Front::default()
        }
    }

    fn numbers(files: &[Front]) -> Vec<(u64, u64)> {
        groups(files).iter().map(|group| (group.ensemble, group.group)).collect()
    }

    #[test]
    fn a_connection_that_goes_on_joins_and_addresses_alone_do_not() {
        let day = 86_400;
        let files = [
            front("a/1", 0, 1_000),
            front("b/1", 10, 9_000_000),
            front("a/2", 3_600, 3_601_000),
            front("a/3", day, 86_401_900),
        ];
        assert_eq!(numbers(&files), [(1, 1), (2, 2), (1, 1), (1, 3)]);
        assert!(groups(&files)[2].why[0].contains("a/1, by its timestamps"));
        assert!(goes_on(Tick { value: u32::MAX, at: at(0) }, Tick { value: 999, at: at(1) }), "it wraps");
    }

    #[test]
    fn paths_have_the_last_word() {
        let named = |front: Front, ensemble: &str| Front {
            names: [("ensemble".to_owned(), ensemble.to_owned())].into(),
            ..front
        };
        let one = [front("a", 0, 1_000), front("b", 60, 61_000)];
        assert_eq!(numbers(&one), [(1, 1), (1, 1)]);
        let [a, b] = one;
        assert_eq!(numbers(&[named(a.clone(), "x"), named(b.clone(), "y")]), [(1, 1), (2, 2)]);
        let apart = Front { flows: BTreeMap::new(), ..b };
        assert_eq!(numbers(&[named(a, "x"), named(apart, "x")]), [(1, 1), (1, 1)]);
    }

    #[test]
    fn segments_and_servers_join_too() {
        let shared: Vec<u64> = (0..8).collect();
        let with = |path: &str, segments: &[u64]| Front {
            path: path.to_owned(),
            segments: segments.to_vec(),
            first: Some(at(0)),
            ..Front::default()
        };
        assert_eq!(numbers(&[with("a", &shared), with("b", &shared)]), [(1, 1), (1, 1)]);
        assert_eq!(numbers(&[with("a", &shared), with("b", &shared[1..])]), [(1, 1), (2, 2)]);
        let of = |path: &str, sids: [i64; 2], epoch| Front {
            path: path.to_owned(),
            first: Some(at(i64::from(epoch))),
            servers: [1, 2]
                .into_iter()
                .zip(sids)
                .map(|(host, sid)| (Address::v4(host), Some(Sid(sid))))
                .collect(),
            epochs: [epoch].into(),
            ..Front::default()
        };
        assert_eq!(numbers(&[of("d/1", [1, 2], 4), of("d/2", [1, 2], 5)]), [(1, 1), (1, 1)]);
        assert_eq!(numbers(&[of("d/1", [1, 2], 4), of("e/2", [1, 2], 5)]), [(1, 1), (2, 2)], "other folder");
        assert_eq!(numbers(&[of("d/1", [1, 2], 4), of("d/2", [2, 1], 5)]), [(1, 1), (2, 2)], "other ids");
    }
}
