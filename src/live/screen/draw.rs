//! The state as cells. Nothing is told by colour alone: what is urgent has a mark or a word too.

use super::canvas::{Canvas, Look, wrapped};
use super::entry::Attention;
use super::state::{ScreenMode, ScreenSnapshot, State};
use super::table;
use crate::report::clock;
use crate::report::wording::number::count;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use std::time::Duration;

/// The smallest window that shows anything.
const LEAST: (u16, u16) = (60, 12);
/// A state this old is told to be old: it is renewed four times a second.
const OLD: Duration = Duration::from_secs(2);

const HELP: [&str; 20] = [
    "keys",
    "  Up, Down, k, j     choose an announcement; PgUp and PgDn by tens, Home the oldest, End the newest",
    "  Enter              its details alone; any key goes back",
    "  /                  a filter: links and announcements that have this text; Return keeps it, Esc clears it",
    "  p, space           pause what is shown; the watching goes on",
    "  r                  record now: what is held in memory and what comes is written to the folder of --record",
    "  q, Ctrl-C          end the watching, with the report",
    "",
    "links",
    "  leader             how long the leader waits for the learner, of its limit in percent: the longest of 5 to 10 s",
    "  learner            how long the learner waits for the leader",
    "  ack                how long a PROPOSAL waits for its ACK",
    "  init               either wait while the learner synchronises",
    "  5 min              the longest wait of each moment of the last five minutes as a share of its limit, full at 100 %",
    "  ping, ack, commit  round trips: 99 of 100 take at most so long",
    "  re, again          segments sent again in the last five minutes",
    "  ! ~ x              beyond a limit; from --warn-at on; closed",
    "",
    "A limit that was passed in the last five minutes is a ! in the row of its link.",
    "any key goes back",
];

/// Draws the state. `age` is how long ago it was renewed.
pub fn draw(state: &State, age: Duration, area: Rect, buffer: &mut Buffer) {
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let mut canvas = Canvas::new(buffer, area, state);
        canvas.line(&format!("{}x{} is too small", area.width, area.height), Look::Plain);
        canvas.line(&format!("{}x{} are needed", LEAST.0, LEAST.1), Look::Plain);
        return;
    }
    let parts = Parts::of(state, area);
    title(&mut Canvas::new(buffer, parts.title, state), state);
    match state.mode {
        ScreenMode::Help => {
            let mut canvas = Canvas::new(buffer, parts.middle(), state);
            HELP.iter().for_each(|line| canvas.paragraph(line, Look::Plain));
        }
        ScreenMode::Details => {
            let mut canvas = Canvas::new(buffer, parts.middle(), state);
            details(&mut canvas, state, usize::from(state.scrolled));
        }
        ScreenMode::All | ScreenMode::Filter => {
            let warn_at = state.shown().map_or(100, |shown| shown.warn_at_percent);
            let warn_at = u16::try_from(warn_at).unwrap_or(100);
            table::draw(&mut Canvas::new(buffer, parts.links, state), &state.links(), warn_at);
            entries(&mut Canvas::new(buffer, parts.entries, state), state);
            details(&mut Canvas::new(buffer, parts.details, state), state, 0);
        }
    }
    bottom(&mut Canvas::new(buffer, parts.bottom, state), state, age);
}

/// How the window is divided.
struct Parts {
    title: Rect,
    links: Rect,
    entries: Rect,
    details: Rect,
    bottom: Rect,
}

impl Parts {
    fn of(state: &State, area: Rect) -> Self {
        let middle = area.height.saturating_sub(3);
        let details = (middle / 4).clamp(3, 14);
        let wanted = u16::try_from(table::height(&state.links()).max(2)).unwrap_or(u16::MAX);
        let links = wanted.min(middle.saturating_sub(details) * 3 / 5);
        let part = |y: u16, height: u16| Rect { y: area.y + y, height, ..area };
        let entries = middle - details - links;
        Self {
            title: part(0, 1),
            links: part(1, links),
            entries: part(1 + links, entries),
            details: part(1 + links + entries, details),
            bottom: part(area.height - 2, 2),
        }
    }

    fn middle(&self) -> Rect {
        self.links.union(self.details)
    }
}

fn title(canvas: &mut Canvas<'_>, state: &State) {
    canvas.begin();
    canvas.put("qscope live", Look::Bold);
    let Some(shown) = state.shown() else {
        canvas.put("  nothing was seen yet", Look::Plain);
        return;
    };
    if let Some(new) = state.since_pause() {
        canvas.put(&format!("  PAUSED, {new} new"), Look::Chosen);
    }
    if shown.open_stalls > 0 {
        let stalls = count(shown.open_stalls as u64, "stall goes on", "stalls go on");
        canvas.put(&format!("  ! {stalls}"), Look::Alarm);
    }
    let open = shown.links.iter().filter(|link| link.is_open).count();
    let at = state.clock.full(shown.at);
    // To the second: it changes four times a second.
    let at = at.split('.').next().unwrap_or_default();
    let zone = state.clock.zone_name(Some(shown.at));
    let source = canvas.cut(&shown.source, 24);
    canvas.put(&format!("  {}  {at} {zone}  {source}", count(open as u64, "link", "links")), Look::Plain);
    if canvas.width() >= 140 {
        canvas.put(&format!("  {}", shown.limits), Look::Dim);
    }
}

fn entries(canvas: &mut Canvas<'_>, state: &State) {
    let listed: Vec<_> = state.listed().collect();
    canvas.line(&heading("announcements", listed.len(), state), Look::Head);
    let room = canvas.left();
    let chosen = state.chosen().map(|(number, _)| number);
    let at = listed.iter().position(|(number, _)| Some(*number) == chosen).unwrap_or(0);
    // The newest are at the bottom; the chosen one is always in sight.
    let from = listed.len().saturating_sub(room).min(at);
    for (number, entry) in listed.iter().skip(from).take(room) {
        let is_chosen = Some(*number) == chosen;
        let mark = if is_chosen { '>' } else { ' ' };
        let line = format!("{mark} {} {} {}", entry.time, entry.word, entry.sentence);
        let line = canvas.cut(&line, canvas.width().into());
        canvas.line(&line, if is_chosen { Look::Chosen } else { paint(entry.level) });
    }
}

fn heading(what: &str, listed: usize, state: &State) -> String {
    let filter = if state.filter.is_empty() && state.mode != ScreenMode::Filter {
        String::new()
    } else {
        format!(", filter: {}", state.filter)
    };
    let cursor = if state.mode == ScreenMode::Filter { "_ (Return keeps it, Esc clears it)" } else { "" };
    format!("{what} ({listed}{filter}{cursor})")
}

/// The details of the chosen announcement, from so many lines on.
fn details(canvas: &mut Canvas<'_>, state: &State, from: usize) {
    let Some((_, entry)) = state.chosen() else {
        canvas.line("details", Look::Head);
        return;
    };
    canvas.line(&format!("details of {} {}", entry.time, entry.word), Look::Head);
    let lines: Vec<_> = std::iter::once(&entry.sentence)
        .chain(&entry.details)
        .flat_map(|line| wrapped(line, canvas.width().into()))
        .collect();
    let from = from.min(lines.len().saturating_sub(1));
    let room = canvas.left();
    let rest = lines.len() - from;
    let shown = if rest > room { room.saturating_sub(1) } else { rest };
    lines.iter().skip(from).take(shown).for_each(|line| canvas.line(line, Look::Plain));
    if rest > shown {
        let more = count((rest - shown) as u64, "more line", "more lines");
        let how = if state.mode == ScreenMode::Details { "Down" } else { "Enter" };
        canvas.line(&format!("{more} ({how} shows them)"), Look::Dim);
    }
}

fn bottom(canvas: &mut Canvas<'_>, state: &State, age: Duration) {
    let (text, is_bad) = state.latest().map_or_else(|| (String::new(), false), status);
    canvas.begin();
    canvas.put(&text, if is_bad { Look::Warning } else { Look::Plain });
    if age >= OLD {
        canvas.put(&format!("  ! nothing new for {} s", age.as_secs()), Look::Alarm);
    }
    if state.lost > 0 {
        canvas.put(
            &format!("  ! {} not shown here", count(state.lost, "announcement", "announcements")),
            Look::Warning,
        );
    }
    canvas.end();
    let keys = "r record  p pause  / filter  Enter details  ? help  q quit";
    canvas.line(state.message.unwrap_or(keys), if state.message.is_some() { Look::Bold } else { Look::Dim });
}

/// Drops and lag; whether there is anything wrong with them.
fn status(latest: &ScreenSnapshot) -> (String, bool) {
    let mut parts = Vec::new();
    let mut is_bad = false;
    let frames = latest.received.map_or(latest.frames, |received| received.received);
    parts.push(count(frames, "frame", "frames"));
    if let Some(lag) = latest.lag_ms {
        parts.push(format!("{} behind", clock::millis(lag)));
    }
    if let Some(received) = &latest.received {
        let dropped = received.dropped();
        is_bad = dropped > 0;
        parts.push(if is_bad {
            format!(
                "! {dropped} dropped (kernel {}, interface {}, here {})",
                received.dropped_kernel, received.dropped_interface, received.dropped_here
            )
        } else {
            "0 dropped".to_owned()
        });
    }
    if latest.refused > 0 {
        parts.push(format!("! {} not shown", count(latest.refused, "link", "links")));
    }
    (parts.join(", "), is_bad)
}

const fn paint(level: Attention) -> Look {
    match level {
        Attention::Plain => Look::Plain,
        Attention::Over => Look::Over,
        Attention::Warning => Look::Warning,
        Attention::Alarm => Look::Alarm,
    }
}
