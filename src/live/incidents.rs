//! Which incidents were told, and what there is to tell of them now.
//!
//! An incident is told once when it begins, with what is known then, and once when it is over, with what all frames
//! of it and of the time after it say. Judgements of the same incident are recognised by whom they blame, by their
//! links, and by their times.

use crate::address::Address;
use crate::findings::incident::Incident;
use crate::findings::{Cause, Outcome, Report, Stall, Suspect};
use crate::report::live::{IncidentNews, IncidentState, What};
use crate::time::{Span, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A wait as many times as long as its limit, and [`GIVEN_UP_AFTER`] long, is told to be over: both ends close
/// at the limit, and a capture that has lost the close would else show a stall for ever.
const GIVEN_UP_TIMES: i64 = 10;
/// See [`GIVEN_UP_TIMES`].
const GIVEN_UP_AFTER: Span = Span::from_millis(300_000);
/// Incidents under way that were told; beyond, no more are told until one of them is over.
pub(super) const MAX_TOLD: usize = 256;
/// How far apart two judgements may put the start of one incident.
const NEAR: Span = Span::from_millis(2_000);
/// An incident that a judgement lacks for so long is none, or is part of another one.
const GONE: Span = Span::from_millis(3_000);

/// An incident that was told.
#[derive(Clone, Debug)]
struct ToldIncident {
    id: u32,
    /// As it was judged last, with the report that names what it names.
    news: IncidentNews,
    /// The last that was seen of it.
    trace: Timestamp,
    /// Since when judgements lack it.
    gone_since: Option<Timestamp>,
    is_over: bool,
}

/// The incidents that were told.
#[derive(Clone, Debug, Default)]
pub(super) struct ToldIncidents {
    told: Vec<ToldIncident>,
    count: u32,
    /// What was over before this was told and forgotten.
    forgotten_until: Option<Timestamp>,
}

/// When an incident is over for good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For so long after its last trace its verdict may still change.
    pub(super) settles: Span,
    /// The same, where nothing that is waited for began before.
    pub(super) settles_at_rest: Span,
    /// When the oldest wait began that is under way.
    pub(super) oldest_wait: Timestamp,
    /// Whether a wait nears its limit, which may be of the same root.
    pub(super) is_tense: bool,
    /// Of what was over before, judgements know nothing: not what led to it either.
    pub(super) since: Timestamp,
    /// For so long after its last trace its end is waited for.
    pub(super) gives_up: Span,
}

impl Patience {
    /// Whether something may be out of sight that belongs to an incident.
    const fn is_cut_short(&self, incident: &Incident) -> bool {
        incident.start.minus(self.settles).nanos() < self.since.nanos()
    }
}

impl ToldIncidents {
    /// Incidents under way that were told.
    pub(super) fn open(&self) -> impl Iterator<Item = &Incident> {
        self.told.iter().filter(|told| !told.is_over).filter_map(|told| told.news.incident())
    }

    /// Gives the incidents of a judgement the numbers under which they are told, and leaves out those that are told no
    /// more or not yet.
    pub(super) fn number(&mut self, report: &mut Report, now: Timestamp, patience: Patience) {
        let known = self.recognise(report, now);
        let mut ids: BTreeMap<u32, u32> = BTreeMap::new();
        let mut room = MAX_TOLD.saturating_sub(self.open().count());
        for incident in &report.incidents {
            if let Some(told) = known.get(&incident.id).and_then(|index| self.told.get(*index)) {
                ids.insert(incident.id, told.id);
                continue;
            }
            let trace = trace_of(incident, report, now);
            // What explains it may need as long to show.
            let is_early = is_led_to(incident.root) && now.since(incident.start) < patience.settles;
            if room == 0
                || is_early
                || patience.is_cut_short(incident)
                || self.forgotten_until.is_some_and(|until| trace < until)
            {
                continue;
            }
            room -= 1;
            self.count = self.count.saturating_add(1);
            ids.insert(incident.id, self.count);
        }
        report.incidents.retain(|incident| ids.contains_key(&incident.id));
        for incident in &mut report.incidents {
            incident.id = ids.get(&incident.id).copied().unwrap_or(0);
        }
        for stall in &mut report.stalls {
            stall.incident = ids.get(&stall.incident).copied().unwrap_or(0);
        }
        for outage in &mut report.outages {
            outage.incident = outage.incident.and_then(|id| ids.get(&id).copied());
        }
    }

    /// Which of the incidents that were told each incident of a judgement is, by its number there.
    fn recognise(&self, report: &Report, now: Timestamp) -> BTreeMap<u32, usize> {
        let mut pairs = Vec::new();
        for incident in &report.incidents {
            let end = trace_of(incident, report, now);
            for (index, told) in self.told.iter().enumerate() {
                let Some(held) = told.news.incident() else { continue };
                let is_then = held.start <= end.plus(NEAR) && incident.start <= told.trace.plus(NEAR);
                // Whom it blames for what says more than what it hurt.
                let alike = [Likeness::Same, Likeness::Suspect, Likeness::Links];
                let rank = alike.iter().position(|likeness| likeness.of(held, incident));
                if let Some(rank) = rank.filter(|_| is_then) {
                    let apart = held.start.since(incident.start).abs();
                    pairs.push((rank, apart, incident.id, index));
                }
            }
        }
        pairs.sort_unstable();
        let mut known: BTreeMap<u32, usize> = BTreeMap::new();
        let mut taken: BTreeSet<usize> = BTreeSet::new();
        for (_, _, id, index) in pairs {
            if !known.contains_key(&id) && taken.insert(index) {
                known.insert(id, index);
            }
        }
        known
    }

    /// Sets a judgement, numbered by [`Self::number`], against what was told, and says what is new. At the end of the
    /// watching nothing more is waited for.
    pub(super) fn compare(
        &mut self,
        report: &Report,
        now: Timestamp,
        patience: Patience,
        is_end: bool,
    ) -> Vec<What> {
        let mut events = Vec::new();
        for incident in &report.incidents {
            let trace = trace_of(incident, report, now);
            let news = IncidentNews::of(report, incident, now);
            let Some(told) = self.told.iter_mut().find(|told| told.id == incident.id) else {
                events.push(What::Incident(Box::new(news.clone())));
                let (id, gone_since, is_over) = (incident.id, None, false);
                self.told.push(ToldIncident { id, news, trace, gone_since, is_over });
                continue;
            };
            if told.is_over && (trace <= told.trace.plus(NEAR) || patience.is_cut_short(incident)) {
                continue;
            }
            if std::mem::take(&mut told.is_over) {
                events.push(What::Incident(Box::new(news.clone())));
            }
            (told.news, told.trace, told.gone_since) = (news, trace, None);
        }
        let here = |id: u32| report.incidents.iter().any(|incident| incident.id == id);
        let mut ended = Vec::new();
        for told in self.told.iter_mut().filter(|told| !told.is_over) {
            let Some(incident) = told.news.incident() else { continue };
            let state = if here(told.id) {
                state_of(incident, &told.news.report, now, told.trace, patience, is_end)
            } else {
                let since = *told.gone_since.get_or_insert(now);
                (is_end || now.since(since) >= GONE).then(|| gone(incident, report))
            };
            if let Some(state) = state {
                told.is_over = true;
                told.news.state = state;
                ended.push(What::IncidentOver(Box::new(told.news.clone())));
            }
        }
        events.extend(ended);
        events
    }

    /// Lets go of what was over before `since`: it is told no more.
    pub(super) fn forget(&mut self, since: Timestamp) {
        let before = self.told.len();
        self.told.retain(|told| !told.is_over || told.trace >= since);
        let mut excess = self.told.len().saturating_sub(MAX_TOLD);
        self.told.retain(|told| {
            let goes = excess > 0 && told.is_over;
            excess -= usize::from(goes);
            !goes
        });
        if self.told.len() < before {
            self.forgotten_until = self.forgotten_until.max(Some(since));
        }
    }
}

/// In what two judgements of one incident are alike.
#[derive(Clone, Copy, Debug)]
enum Likeness {
    Same,
    Suspect,
    Links,
}

impl Likeness {
    fn of(self, a: &Incident, b: &Incident) -> bool {
        let shares_links = a.links.iter().any(|id| b.links.contains(id));
        match self {
            Self::Same => a.root == b.root && a.suspect == b.suspect,
            Self::Suspect => {
                let (of_a, of_b) = (hosts(a.suspect), hosts(b.suspect));
                let shares_host = of_a.iter().flatten().any(|host| of_b.contains(&Some(*host)));
                shares_links && shares_host
            }
            Self::Links => shares_links,
        }
    }
}

const fn hosts(suspect: Option<Suspect>) -> [Option<Address>; 2] {
    match suspect {
        Some(Suspect::Host(a) | Suspect::HostNetwork(a)) => [Some(a), None],
        Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => [Some(a), Some(b)],
        None => [None, None],
    }
}

/// The last that is seen of an incident by now.
fn trace_of(incident: &Incident, report: &Report, now: Timestamp) -> Timestamp {
    let stalls = stalls_of(incident, report);
    let of_stalls = stalls.map(|stall| if goes_on(stall, report, now) { now } else { last_of(stall) });
    let closes = report.links.iter().filter(|link| incident.links.contains(&link.id));
    let closes = closes.filter_map(|link| link.closed).map(|closed| closed.at);
    let frames = incident.evidence.iter().map(|evidence| evidence.at);
    // Links that were closed later on are others' affair, unless it goes on.
    let until = incident.end.unwrap_or(now);
    let within = closes.chain(frames).filter(|at| *at <= until);
    of_stalls.chain(within).chain(incident.end).chain([incident.start]).max().unwrap_or(now).min(now)
}

/// Whether a stall goes on, and is not given up.
fn goes_on(stall: &Stall, report: &Report, now: Timestamp) -> bool {
    let limit = Span::from_millis(report.settings.stall_limit_ms().cast_signed());
    stall.outcome == Outcome::Open && now.since(stall.start) <= given_up_after(limit)
}

fn last_of(stall: &Stall) -> Timestamp {
    stall.end.unwrap_or(stall.start)
}

fn stalls_of<'a>(incident: &'a Incident, report: &'a Report) -> impl Iterator<Item = &'a Stall> {
    report.stalls.iter().filter(|stall| incident.stalls.contains(&stall.id))
}

/// How long a wait is told to go on.
pub(super) fn given_up_after(limit: Span) -> Span {
    limit.times(GIVEN_UP_TIMES).max(GIVEN_UP_AFTER)
}

/// Whether something shows when it ends: a process speaks again, a path is open.
const fn has_end(root: Cause) -> bool {
    matches!(
        root,
        Cause::ProcessStalled
            | Cause::ProcessEnded
            | Cause::NetworkCut
            | Cause::ConnectRefused
            | Cause::ConnectUnanswered
            | Cause::ElectionLinkDead
            | Cause::SyncLoop
    )
}

/// Whether other incidents lead to the same, and it is a root only where none of them is found.
const fn is_led_to(root: Cause) -> bool {
    matches!(root, Cause::ConnectRefused | Cause::ConnectUnanswered | Cause::ElectionLinkDead)
}

/// How an incident ended that was last seen so long ago; `None` while it goes on.
fn state_of(
    incident: &Incident,
    report: &Report,
    now: Timestamp,
    trace: Timestamp,
    patience: Patience,
    is_end: bool,
) -> Option<IncidentState> {
    let mut stalls = stalls_of(incident, report);
    if stalls.any(|stall| goes_on(stall, report, now)) {
        return None;
    }
    if stalls_of(incident, report).any(|stall| stall.outcome == Outcome::Open) {
        return Some(IncidentState::LostFromSight);
    }
    let rest = now.since(trace);
    let is_known = incident.end.is_some() || !has_end(incident.root);
    // What a path loses may come in bursts.
    let is_of_process = matches!(incident.root, Cause::ProcessStalled | Cause::ProcessEnded);
    let is_at_rest = is_of_process && patience.oldest_wait.since(trace) >= patience.settles_at_rest;
    let is_settled = is_at_rest || rest >= patience.settles && !patience.is_tense;
    if is_known && (is_end || is_settled) {
        return Some(IncidentState::Over);
    }
    (rest >= patience.gives_up).then_some(IncidentState::LostFromSight)
}

/// What became of an incident that judgements lack.
fn gone(incident: &Incident, report: &Report) -> IncidentState {
    let takes_in = |other: &&Incident| {
        [Likeness::Same, Likeness::Suspect, Likeness::Links]
            .iter()
            .any(|likeness| likeness.of(other, incident))
    };
    report
        .incidents
        .iter()
        .find(takes_in)
        .map_or(IncidentState::Denied, |other| IncidentState::PartOf(other.id))
}
