//! What the screen shows of each link: looked up in the trackers as time passes. No clock is read here.
//!
//! A row stands for a leader and a learner, so it goes on where their connection is made anew. The number of rows
//! and the length of their past are bounded.

use crate::address::Address;
use crate::diagnose;
use crate::findings::{Role, Settings};
use crate::report::escape;
use crate::time::{Span, Timestamp};
use crate::track::Tracker;
use crate::track::link::LinkTrack;
use std::collections::{BTreeMap, VecDeque};

/// Pairs of servers that are shown; further ones are counted.
const MAX_PAIRS: usize = 256;
/// The past that is shown.
pub(super) const PAST: Span = Span::from_millis(300_000);
/// Points of it.
pub(super) const POINTS: usize = 60;
/// The time that a point stands for: [`PAST`] in [`POINTS`].
const POINT: Span = Span::from_millis(5_000);
/// Quantiles are looked up at most so often: where there are many round trips that costs something.
const QUANTILES_EVERY: Span = Span::from_millis(2_000);
/// A share beyond this is shown as this, in percent.
const MOST_PERCENT: u16 = 999;

/// What is shown of a leader and a learner.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkGauge {
    /// What the leader is called, safe to show.
    pub leader: String,
    /// The learner.
    pub learner: String,
    /// Follower or observer.
    pub role: Option<Role>,
    /// Whether they are linked.
    pub is_open: bool,
    /// The longest wait of the last five to ten seconds as a share of each deadline, in percent, in the order of
    /// [`Deadline::ALL`](crate::findings::Deadline::ALL); `None` where nothing was waited for.
    pub shares: [Option<u16>; 4],
    /// The longest wait as a share of its deadline, in percent, by five seconds, the latest last.
    pub past: Vec<Option<u16>>,
    /// PING to its answer: 99 of 100 take at most so many microseconds.
    pub ping_p99_us: Option<u64>,
    /// PROPOSAL to ACK.
    pub ack_p99_us: Option<u64>,
    /// PROPOSAL to COMMIT.
    pub commit_p99_us: Option<u64>,
    /// Segments sent again in the last five minutes, both ways.
    pub resent: u64,
    /// Client sessions that the learner names.
    pub sessions: u64,
}

impl LinkGauge {
    /// The share of the deadline that is nearest.
    #[must_use]
    pub fn worst(&self) -> u16 {
        self.shares.iter().flatten().copied().max().unwrap_or(0)
    }
}

/// Shares of the deadlines.
type Shares = [Option<u16>; 4];

/// A pair's past.
#[derive(Clone, Debug, Default)]
struct PairPast {
    gauge: LinkGauge,
    past: VecDeque<Option<u16>>,
    /// The longest waits of the time of the last point, and of the one before it.
    lately: [Shares; 2],
    open_at: Timestamp,
}

/// All pairs.
#[derive(Clone, Debug, Default)]
pub struct Gauges {
    pairs: BTreeMap<(Address, Address), PairPast>,
    /// When it was gathered last, and when quantiles were.
    gathered_at: Option<Timestamp>,
    quantiles_at: Option<Timestamp>,
    /// The number of the last point: its start in [`POINT`]s since 1970.
    point: i64,
    refused: u64,
}

impl Gauges {
    /// Looks at the trackers as of `now`.
    pub fn gather(&mut self, tracker: &Tracker, now: Timestamp) {
        let settings = tracker.settings();
        let since = self.gathered_at.replace(now).unwrap_or(now);
        let with_quantiles = self.quantiles_at.is_none_or(|at| now.since(at) >= QUANTILES_EVERY);
        if with_quantiles {
            self.quantiles_at = Some(now);
        }
        self.advance(now);
        self.refused = 0;
        for pair in self.pairs.values_mut() {
            let gauge = &mut pair.gauge;
            (gauge.is_open, gauge.resent, gauge.sessions) = (false, 0, 0);
        }
        let resent = tracker.timeline().resent_between(now.minus(PAST), now);
        for link in tracker.links() {
            let is_open = link.teardown.closed.is_none() && link.totals.is_none() && link.unwatched.is_none();
            let Some(pair) = self.pair(link, tracker, is_open, now) else { continue };
            pair.gauge.resent += resent.get(&link.id).copied().unwrap_or(0);
            // Short waits are not remembered: what goes on at each look is all that is known of them.
            pair.add(shares(link, &settings, since, now));
            if is_open {
                pair.is_linked(link, now, with_quantiles);
            }
        }
        self.pairs.retain(|_, pair| now.since(pair.open_at) < PAST);
    }

    /// The rows, by leader and learner: those whose leader has an open link first.
    #[must_use]
    pub fn rows(&self) -> Vec<LinkGauge> {
        let shown =
            |pair: &PairPast| LinkGauge { past: pair.past.iter().copied().collect(), ..pair.gauge.clone() };
        let mut rows: Vec<_> = self.pairs.values().map(shown).collect();
        let open: Vec<_> = rows.iter().filter(|row| row.is_open).map(|row| row.leader.clone()).collect();
        rows.sort_by_key(|row| !open.contains(&row.leader));
        rows
    }

    /// Links of pairs beyond those that are shown.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Begins the points up to now.
    fn advance(&mut self, now: Timestamp) {
        let point = now.nanos().div_euclid(POINT.nanos());
        let new = usize::try_from(point.saturating_sub(self.point)).unwrap_or(0).min(POINTS);
        self.point = self.point.max(point);
        for pair in self.pairs.values_mut() {
            pair.past.extend(std::iter::repeat_n(None, new));
            let excess = pair.past.len().saturating_sub(POINTS);
            pair.past.drain(..excess);
            pair.lately = match new {
                0 => pair.lately,
                1 => [[None; 4], pair.lately[0]],
                _ => [[None; 4]; 2],
            };
        }
    }

    fn pair(
        &mut self,
        link: &LinkTrack,
        tracker: &Tracker,
        is_open: bool,
        now: Timestamp,
    ) -> Option<&mut PairPast> {
        let key = (link.opened.leader.address, link.opened.learner.address);
        if !self.pairs.contains_key(&key) {
            // What was over before anybody looked is no row.
            if !is_open {
                return None;
            }
            if self.pairs.len() >= MAX_PAIRS {
                self.refused += 1;
                return None;
            }
            let past = VecDeque::from([None]);
            self.pairs.insert(key, PairPast { past, open_at: now, ..PairPast::default() });
        }
        let pair = self.pairs.get_mut(&key)?;
        pair.gauge.leader = escape::text(&tracker.name(key.0)).into_owned();
        pair.gauge.learner = escape::text(&tracker.name(key.1)).into_owned();
        pair.gauge.role = link.handshake.role.or(pair.gauge.role);
        Some(pair)
    }
}

impl PairPast {
    fn add(&mut self, shares: Shares) {
        let [now, before] = &mut self.lately;
        *now = longer(*now, shares);
        self.gauge.shares = longer(*now, *before);
        if let Some(last) = self.past.back_mut() {
            *last = (*last).max(shares.into_iter().flatten().max());
        }
    }

    fn is_linked(&mut self, link: &LinkTrack, now: Timestamp, with_quantiles: bool) {
        self.open_at = now;
        let gauge = &mut self.gauge;
        gauge.is_open = true;
        gauge.sessions = gauge.sessions.max(link.pings.sessions);
        if with_quantiles {
            let [ping, ack, commit] = [&link.pings.round_trips, &link.proposals.ack, &link.proposals.commit]
                .map(|of| of.quantiles().map(|quantiles| quantiles.p99));
            (gauge.ping_p99_us, gauge.ack_p99_us, gauge.commit_p99_us) = (ping, ack, commit);
        }
    }
}

fn longer(a: Shares, b: Shares) -> Shares {
    let mut all = a;
    all.iter_mut().zip(b).for_each(|(all, own)| *all = (*all).max(own));
    all
}

/// The longest waits that went on at `since` or later, as shares of their deadlines.
fn shares(link: &LinkTrack, settings: &Settings, since: Timestamp, now: Timestamp) -> Shares {
    let ended =
        link.waits.list.iter().filter(|wait| wait.end >= since).map(|wait| (wait.deadline, wait.len()));
    let pending = link.pending().map(|wait| (wait.deadline, now.since(wait.start)));
    let mut shares = [None; 4];
    for (deadline, len) in ended.chain(pending) {
        if let Some(share) = shares.get_mut(deadline as usize) {
            *share = (*share).max(Some(percent(len, diagnose::limit(deadline, settings))));
        }
    }
    shares
}

fn percent(len: Span, limit: Span) -> u16 {
    let percent = len.micros().saturating_mul(100) / limit.micros().max(1);
    u16::try_from(percent).unwrap_or(MOST_PERCENT).min(MOST_PERCENT)
}
