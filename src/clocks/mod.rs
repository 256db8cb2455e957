//! Aligns the clocks of captures from several hosts: before the replay, a sample of each file is searched for
//! segments that other files hold too.
//!
//! A file's content tells its host: every connection in it has that host as an end. Files of one host share a
//! clock. Where captures of two hosts hold the same segments, [`estimate`](estimate::estimate) gives the
//! offset of their clocks, and offsets add up along a chain of hosts. The constants below bound what is
//! sampled; of a longer rotation, files are sampled evenly. Sampling needs files that can be read twice, so
//! with a pipe in the input clocks are not aligned.

pub mod estimate;
pub(crate) mod sample;

use crate::address::Address;
use crate::capture::{ClockCorrection, Replay};
use crate::time::Span;
use estimate::{Estimate, Point};
use sample::Sample;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// The most files sampled.
const MAX_SAMPLED: usize = 48;
/// The most bytes sampled, as on disk.
const MAX_READ: u64 = 128 << 20;
/// The most bytes sampled of one file.
const MAX_READ_OF_ONE: u64 = 48 << 20;
/// Bytes read of each file to determine its host.
const READ_FOR_HOST: u64 = 128 << 10;
/// The most files of an input; with more, clocks are not aligned.
const MAX_FILES: usize = 4_096;
/// Uncertainties that differ by less are alike.
const ALIKE: Span = Span::from_micros(100);
/// Segments that two files must share before their clocks are compared.
const MIN_SHARED_SEGMENTS: usize = 8;

/// The captures of one host, and their clock.
#[derive(Clone, Debug)]
pub struct HostCaptures {
    /// The host; `None` if its captures do not show it.
    pub host: Option<Address>,
    /// Its files, by their index in the input.
    pub files: Vec<u32>,
    /// The correction to the reference's clock; `None` for the reference itself, and if it cannot be
    /// estimated.
    pub estimate: Option<Estimate>,
    /// Whether its clock is the reference.
    pub is_reference: bool,
}

impl HostCaptures {
    /// The correction to apply; none if the clocks agree within the uncertainty.
    #[must_use]
    pub fn correction(&self) -> Option<ClockCorrection> {
        self.estimate.filter(|estimate| !estimate.agrees()).map(|estimate| estimate.clock)
    }
}

/// All captures by their hosts.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// Hosts in the order of their first files.
    pub groups: Vec<HostCaptures>,
}

impl Survey {
    /// The correction of each file, by its index.
    #[must_use]
    pub fn corrections(&self, files: usize) -> Vec<Option<ClockCorrection>> {
        let mut corrections = vec![None; files];
        for group in &self.groups {
            for file in &group.files {
                if let Some(correction) = corrections.get_mut(*file as usize) {
                    *correction = group.correction();
                }
            }
        }
        corrections
    }

    /// The host of each file, by its index.
    #[must_use]
    pub fn hosts(&self, files: usize) -> Vec<Option<Address>> {
        let mut hosts = vec![None; files];
        for group in &self.groups {
            for file in &group.files {
                if let Some(host) = hosts.get_mut(*file as usize) {
                    *host = group.host;
                }
            }
        }
        hosts
    }
}

/// Samples the files of a replay that has not started; `None` if all are from one host.
#[must_use]
pub fn survey(replay: &Replay) -> Option<Survey> {
    let count = replay.files().len();
    if !replay.is_repeatable() || !(2..=MAX_FILES).contains(&count) {
        return None;
    }
    let files: Vec<u32> = (0_u32..)
        .zip(replay.files())
        .filter(|(_, file)| file.first.is_some())
        .map(|(file, _)| file)
        .collect();
    let mut hosts: BTreeMap<u32, Host> = files
        .iter()
        .map(|file| (*file, Host::of(sample::host(replay, *file, READ_FOR_HOST).candidates())))
        .collect();
    if is_one_host(&hosts) {
        return None;
    }
    let chosen = choose(&files, &hosts);
    let each = (MAX_READ / (chosen.len() as u64).max(1)).min(MAX_READ_OF_ONE);
    let samples: Vec<Sample> = chosen.iter().map(|file| Sample::of(replay, *file, each)).collect();
    for sample in &samples {
        hosts.insert(sample.file, Host::of(sample.vantage.candidates()));
    }
    resolve(&samples, &mut hosts);
    let mut groups = groups(&files, &hosts);
    if groups.len() < 2 {
        return None;
    }
    set(&mut groups, &samples);
    Some(Survey { groups })
}

/// The host of a file, as far as its own content shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Host {
    At(Address),
    /// One of two: the file has no others.
    OneOf(Address, Address),
    Unknown,
}

impl Host {
    fn of(candidates: [Option<Address>; 2]) -> Self {
        match candidates {
            [Some(a), Some(b)] => Self::OneOf(a.min(b), a.max(b)),
            [Some(host), None] | [None, Some(host)] => Self::At(host),
            [None, None] => Self::Unknown,
        }
    }

    fn may_be(self, host: Address) -> bool {
        match self {
            Self::At(only) => only == host,
            Self::OneOf(a, b) => a == host || b == host,
            Self::Unknown => false,
        }
    }
}

fn is_one_host(hosts: &BTreeMap<u32, Host>) -> bool {
    let mut all = hosts.values();
    match all.next() {
        Some(Host::At(host)) => all.all(|other| *other == Host::At(*host)),
        Some(Host::OneOf(..)) => hosts.len() < 2,
        Some(Host::Unknown) => all.all(|other| *other == Host::Unknown),
        None => true,
    }
}

/// The files to sample: all, or the same number for each host, spread evenly over its files.
fn choose(files: &[u32], hosts: &BTreeMap<u32, Host>) -> Vec<u32> {
    if files.len() <= MAX_SAMPLED {
        return files.to_vec();
    }
    let mut by_host: BTreeMap<Host, Vec<u32>> = BTreeMap::new();
    for file in files {
        by_host.entry(hosts.get(file).copied().unwrap_or(Host::Unknown)).or_default().push(*file);
    }
    let each = (MAX_SAMPLED / by_host.len()).max(1);
    let evenly = |files: &Vec<u32>| -> Vec<u32> {
        let count = each.min(files.len());
        let at = |n: usize| if count < 2 { 0 } else { n * (files.len() - 1) / (count - 1) };
        (0..count).filter_map(|n| files.get(at(n)).copied()).collect()
    };
    by_host.values().flat_map(evenly).take(MAX_SAMPLED).collect()
}

/// The segments between two hosts that two samples share; those that `near` sent are outward.
fn points(reference: &Sample, other: &Sample, near: Address, far: Address) -> Vec<Point> {
    reference
        .shared(other)
        .filter_map(|(here, there)| {
            let is_outward = here.src == near && here.dst == far;
            let is_inward = here.src == far && here.dst == near;
            (is_outward || is_inward).then(|| Point {
                at: there.at,
                ahead: here.at.since(there.at),
                is_outward,
            })
        })
        .collect()
}

/// For files that show only two hosts: the end that saw the segments of a direction earlier is their sender.
fn resolve(samples: &[Sample], hosts: &mut BTreeMap<u32, Host>) {
    for (index, sample) in samples.iter().enumerate() {
        let Some(Host::OneOf(a, b)) = hosts.get(&sample.file).copied() else { continue };
        let others = samples.iter().enumerate().filter(|(other, _)| *other != index);
        let found = others.filter_map(|(_, other)| {
            let mut points = points(other, sample, a, b);
            let apart =
                (points.len() >= MIN_SHARED_SEGMENTS).then(|| estimate::separation(&mut points))??;
            let place = hosts.get(&other.file).copied();
            match place {
                // The other file saw `a`'s segments first, so it was taken at `a`.
                _ if !estimate::is_one_place(apart) => Some(if apart.nanos() > 0 { b } else { a }),
                Some(Host::At(host)) if host == a || host == b => Some(host),
                _ => None,
            }
        });
        if let Some(host) = found.into_iter().next() {
            hosts.insert(sample.file, Host::At(host));
        }
    }
    // Assign the rest to the host that more of the other files may belong to.
    let settled: Vec<(u32, Host)> = hosts
        .iter()
        .filter_map(|(file, host)| {
            let Host::OneOf(a, b) = *host else { return None };
            let like = |end: Address| hosts.values().filter(|other| other.may_be(end)).count();
            let place = match like(a).cmp(&like(b)) {
                Ordering::Less => b,
                Ordering::Greater => a,
                Ordering::Equal => return None,
            };
            Some((*file, Host::At(place)))
        })
        .collect();
    hosts.extend(settled);
}

fn groups(files: &[u32], hosts: &BTreeMap<u32, Host>) -> Vec<HostCaptures> {
    let mut groups: Vec<(Host, HostCaptures)> = Vec::new();
    for file in files {
        let host = hosts.get(file).copied().unwrap_or(Host::Unknown);
        if let Some((_, group)) = groups.iter_mut().find(|(other, _)| *other == host) {
            group.files.push(*file);
            continue;
        }
        let address = if let Host::At(address) = host { Some(address) } else { None };
        let group = HostCaptures { host: address, files: vec![*file], estimate: None, is_reference: false };
        groups.push((host, group));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// Estimates the clocks: starts with the host that shares most segments with the others, then follows the
/// links with the smallest uncertainty first.
fn set(groups: &mut [HostCaptures], samples: &[Sample]) {
    let mut edges: BTreeMap<(usize, usize), Estimate> = BTreeMap::new();
    for (one, a) in groups.iter().enumerate() {
        for (two, b) in groups.iter().enumerate().skip(one + 1) {
            let Some((near, far)) = a.host.zip(b.host) else { continue };
            let of = |group: &HostCaptures| -> Vec<&Sample> {
                samples.iter().filter(|sample| group.files.contains(&sample.file)).collect()
            };
            let (ours, theirs) = (of(a), of(b));
            let mut shared: Vec<Point> = ours
                .iter()
                .flat_map(|our| theirs.iter().flat_map(|their| points(our, their, near, far)))
                .collect();
            if let Some(estimate) =
                estimate::estimate(&mut shared).filter(|e| e.matched >= MIN_SHARED_SEGMENTS)
            {
                edges.insert((one, two), estimate);
            }
        }
    }
    let weight = |group: usize| -> usize {
        edges.iter().filter(|((a, b), _)| *a == group || *b == group).map(|(_, edge)| edge.matched).sum()
    };
    let most = (0..groups.len()).max_by_key(|group| (weight(*group), std::cmp::Reverse(*group)));
    let Some(reference) = most.filter(|group| weight(*group) > 0) else { return };
    if let Some(group) = groups.get_mut(reference) {
        group.is_reference = true;
    }
    let mut known: BTreeMap<usize, Estimate> = BTreeMap::new();
    loop {
        let is_known = |group: usize| group == reference || known.contains_key(&group);
        let next = edges
            .iter()
            .filter(|((a, b), _)| is_known(*a) != is_known(*b))
            .map(|((a, b), edge)| if is_known(*a) { (*a, *b, *edge) } else { (*b, *a, turned(edge)) })
            .map(|(from, to, edge)| (to, joined(&edge, known.get(&from))))
            // Of those that are as sure, the one that knows best when a clock was set.
            .min_by_key(|(_, estimate)| {
                (estimate.uncertainty.nanos() / ALIKE.nanos(), estimate.step_within, estimate.uncertainty)
            });
        let Some((to, estimate)) = next else { break };
        known.insert(to, estimate);
    }
    for (index, group) in groups.iter_mut().enumerate() {
        group.estimate = known.get(&index).copied();
    }
}

/// The inverse estimate.
fn turned(estimate: &Estimate) -> Estimate {
    Estimate { clock: estimate.clock.back(), ..*estimate }
}

/// An estimate relative to a clock that is itself estimated.
fn joined(estimate: &Estimate, rest: Option<&Estimate>) -> Estimate {
    let Some(rest) = rest else { return *estimate };
    Estimate {
        clock: estimate.clock.then(&rest.clock),
        uncertainty: Span::from_nanos(estimate.uncertainty.nanos().saturating_add(rest.uncertainty.nanos())),
        matched: estimate.matched,
        step_within: estimate.step_within.max(rest.step_within),
    }
}
