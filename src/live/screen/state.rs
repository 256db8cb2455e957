//! What the screen shows, and what keys do to it: data alone, no terminal and no clock.

use super::entry::Announced;
use super::gauges::LinkGauge;
use crate::findings::Received;
use crate::report::clock::WallClock;
use crate::time::Timestamp;
use std::collections::VecDeque;

/// Announcements that can be looked at; beyond, the oldest are let go.
const MAX_ENTRIES: usize = 1_000;
/// Characters of a filter.
const MAX_FILTER: usize = 64;
/// Announcements of a page.
const PAGE: u64 = 10;

/// The state of the watching at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScreenSnapshot {
    /// The moment.
    pub at: Timestamp,
    /// What is watched, safe to show.
    pub source: String,
    /// ZooKeeper's limits, in words.
    pub limits: String,
    /// From which share of a deadline it is told, in percent.
    pub warn_at_percent: u32,
    /// The links, in order.
    pub links: Vec<LinkGauge>,
    /// Links beyond those that are kept.
    pub refused: u64,
    /// Stalls that go on.
    pub open_stalls: usize,
    /// Frames dissected.
    pub frames: u64,
    /// What the capture got; `None` where files are followed.
    pub received: Option<Received>,
    /// How far behind the present it is, in milliseconds; `None` where that is not known.
    pub lag_ms: Option<u64>,
}

/// A key that means something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScreenKey {
    /// A character.
    Char(char),
    /// The arrow.
    Up,
    /// The arrow.
    Down,
    /// A page back.
    PageUp,
    /// A page on.
    PageDown,
    /// To the oldest.
    Home,
    /// To the newest.
    End,
    /// Return.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// Ctrl-C.
    Interrupt,
}

/// What a key asks of the watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing.
    Nothing,
    /// To end.
    Quit,
    /// To write a recording.
    Record,
}

/// What is in front.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ScreenMode {
    /// Links, announcements, the details of one.
    #[default]
    All,
    /// The same, while a filter is typed.
    Filter,
    /// The details alone.
    Details,
    /// What keys do.
    Help,
}

/// What was there when it was paused.
#[derive(Clone, Debug)]
struct Paused {
    snapshot: Option<ScreenSnapshot>,
    /// The number of the first announcement after that.
    next: u64,
}

/// What the screen shows.
#[derive(Clone, Debug)]
pub struct State {
    /// How times are shown.
    pub clock: WallClock,
    /// Whether to use colour: nothing is told by colour alone.
    pub is_coloured: bool,
    /// Whether the terminal shows more than ASCII.
    pub is_unicode: bool,
    /// Whether frames are held in memory, to be written.
    pub records: bool,
    pub(super) mode: ScreenMode,
    pub(super) filter: String,
    /// Announcements that were lost because the screen did not keep up.
    pub(super) lost: u64,
    /// How far the details are scrolled.
    pub(super) scrolled: u16,
    /// An answer to the last key.
    pub(super) message: Option<&'static str>,
    snapshot: Option<ScreenSnapshot>,
    entries: VecDeque<Announced>,
    /// The number of the first of `entries`.
    first: u64,
    /// The number of the chosen one; `None` is always the newest.
    chosen: Option<u64>,
    paused: Option<Paused>,
}

impl State {
    /// A screen that has nothing to show yet.
    #[must_use]
    pub fn new(clock: WallClock) -> Self {
        Self {
            clock,
            is_coloured: false,
            is_unicode: true,
            records: false,
            mode: ScreenMode::default(),
            filter: String::new(),
            lost: 0,
            scrolled: 0,
            message: None,
            snapshot: None,
            entries: VecDeque::new(),
            first: 0,
            chosen: None,
            paused: None,
        }
    }

    /// The watching stands like this now.
    pub fn update(&mut self, snapshot: ScreenSnapshot) {
        self.snapshot = Some(snapshot);
    }

    /// Something was announced.
    pub fn announce(&mut self, entry: Announced) {
        if self.entries.len() >= MAX_ENTRIES {
            self.entries.pop_front();
            self.first += 1;
        }
        self.entries.push_back(entry);
    }

    /// So many announcements were lost by now because the screen did not keep up.
    pub const fn lost(&mut self, lost: u64) {
        self.lost = lost;
    }

    /// Takes a key.
    pub fn key(&mut self, key: ScreenKey) -> Asked {
        self.message = None;
        if key == ScreenKey::Interrupt {
            return Asked::Quit;
        }
        match self.mode {
            ScreenMode::Filter => self.key_of_filter(key),
            ScreenMode::Help => self.mode = ScreenMode::All,
            ScreenMode::Details => match key {
                ScreenKey::Up | ScreenKey::Char('k') => self.scrolled = self.scrolled.saturating_sub(1),
                ScreenKey::Down | ScreenKey::Char('j') => self.scrolled = self.scrolled.saturating_add(1),
                _ => (self.mode, self.scrolled) = (ScreenMode::All, 0),
            },
            ScreenMode::All => return self.key_of_all(key),
        }
        Asked::Nothing
    }

    fn key_of_filter(&mut self, key: ScreenKey) {
        match key {
            ScreenKey::Char(c) if self.filter.len() < MAX_FILTER && !c.is_control() => self.filter.push(c),
            ScreenKey::Backspace => drop(self.filter.pop()),
            ScreenKey::Escape => {
                self.filter.clear();
                self.mode = ScreenMode::All;
            }
            ScreenKey::Enter => self.mode = ScreenMode::All,
            _ => {}
        }
        self.chosen = None;
    }

    fn key_of_all(&mut self, key: ScreenKey) -> Asked {
        match key {
            ScreenKey::Char('q') => return Asked::Quit,
            ScreenKey::Char('r') if self.records => {
                self.message = Some("a recording of the last frames, and of those to come, will be written");
                return Asked::Record;
            }
            ScreenKey::Char('r') => {
                self.message = Some("there is nothing to record: start it with --record DIR")
            }
            ScreenKey::Char('p' | ' ') => self.pause(),
            ScreenKey::Char('/') => self.mode = ScreenMode::Filter,
            ScreenKey::Char('?' | 'h') => self.mode = ScreenMode::Help,
            ScreenKey::Escape => {
                self.filter.clear();
                self.chosen = None;
            }
            ScreenKey::Enter => self.mode = ScreenMode::Details,
            ScreenKey::Up | ScreenKey::Char('k') => self.choose(|at, _| at.saturating_sub(1)),
            ScreenKey::Down | ScreenKey::Char('j') => self.choose(|at, _| at.saturating_add(1)),
            ScreenKey::PageUp => self.choose(|at, _| at.saturating_sub(PAGE)),
            ScreenKey::PageDown => self.choose(|at, _| at.saturating_add(PAGE)),
            ScreenKey::Home | ScreenKey::Char('g') => self.choose(|_, _| 0),
            ScreenKey::End | ScreenKey::Char('G') => self.chosen = None,
            ScreenKey::Char(_) | ScreenKey::Backspace | ScreenKey::Interrupt => {}
        }
        Asked::Nothing
    }

    fn pause(&mut self) {
        self.paused = match self.paused {
            Some(_) => None,
            None => {
                Some(Paused { snapshot: self.snapshot.clone(), next: self.first + self.entries.len() as u64 })
            }
        };
    }

    /// Chooses an announcement by its place among those that are listed.
    fn choose(&mut self, to: impl Fn(u64, u64) -> u64) {
        let listed: Vec<u64> = self.listed().map(|(number, _)| number).collect();
        let Some(last) = (listed.len() as u64).checked_sub(1) else { return };
        let at = self.chosen.and_then(|chosen| listed.iter().position(|number| *number >= chosen));
        let to = to(at.map_or(last, |at| at as u64), last).min(last);
        self.chosen = usize::try_from(to).ok().and_then(|to| listed.get(to).copied()).filter(|_| to < last);
    }

    /// Whether a text passes the filter.
    fn lower_filter(&self) -> String {
        self.filter.to_lowercase()
    }

    /// The announcements that are listed, with their numbers.
    pub(super) fn listed(&self) -> impl Iterator<Item = (u64, &Announced)> {
        let until = self.paused.as_ref().map_or(u64::MAX, |paused| paused.next);
        let filter = self.lower_filter();
        let all = (self.first..).zip(&self.entries).take_while(move |(number, _)| *number < until);
        all.filter(move |(_, entry)| entry.has(&filter))
    }

    /// The links that are listed.
    pub(super) fn links(&self) -> Vec<&LinkGauge> {
        let filter = self.lower_filter();
        let has = |name: &str| name.to_lowercase().contains(&filter);
        let links = self.shown().into_iter().flat_map(|snapshot| &snapshot.links);
        links.filter(|link| has(&link.leader) || has(&link.learner)).collect()
    }

    /// The number of the announcement whose details are shown.
    pub(super) fn chosen(&self) -> Option<(u64, &Announced)> {
        match self.chosen {
            Some(chosen) => self.listed().find(|(number, _)| *number >= chosen),
            None => self.listed().last(),
        }
    }

    /// What is shown: what there was when it was paused, or what there is.
    pub(super) fn shown(&self) -> Option<&ScreenSnapshot> {
        match &self.paused {
            Some(paused) => paused.snapshot.as_ref(),
            None => self.snapshot.as_ref(),
        }
    }

    /// The latest, whether it is paused or not.
    pub(super) const fn latest(&self) -> Option<&ScreenSnapshot> {
        self.snapshot.as_ref()
    }

    /// Announcements since it was paused; `None` where it is not.
    pub(super) fn since_pause(&self) -> Option<u64> {
        let next = self.first + self.entries.len() as u64;
        self.paused.as_ref().map(|paused| next.saturating_sub(paused.next))
    }
}
