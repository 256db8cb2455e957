//! The state as cells. Nothing is told by colour alone: what is urgent has a mark or a word too.

use super::entry::Attention;
use super::state::{ScreenMode, ScreenSnapshot, State};
use super::table;
use crate::report::clock;
use crate::report::wording::number::count;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;
use std::time::Duration;

/// The smallest window that shows anything.
const LEAST: (u16, u16) = (60, 12);
/// A state this old is told to be old: it is renewed four times a second.
const OLD: Duration = Duration::from_secs(2);
/// Levels of the past, from nothing to the limit.
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same in ASCII.
const ASCII_LEVELS: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '#'];
/// Eighths of a cell of a bar.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

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

/// What something looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Dim,
    Bold,
    /// Headings and borders.
    Head,
    Over,
    Warning,
    Alarm,
    /// The chosen line.
    Chosen,
}

/// A part of the window that is filled line by line.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    x: u16,
    y: u16,
    is_coloured: bool,
    is_unicode: bool,
}

impl<'a> Canvas<'a> {
    fn new(buffer: &'a mut Buffer, area: Rect, state: &State) -> Self {
        let area = area.intersection(buffer.area);
        let (is_coloured, is_unicode) = (state.is_coloured, state.is_unicode);
        Self { buffer, area, x: area.x, y: area.y, is_coloured, is_unicode }
    }

    pub(super) const fn width(&self) -> u16 {
        self.area.width
    }

    /// Lines that are left.
    pub(super) fn left(&self) -> usize {
        usize::from(self.area.bottom().saturating_sub(self.y))
    }

    /// Begins a line.
    pub(super) const fn begin(&mut self) {
        self.x = self.area.x;
    }

    /// Adds to a line; what has no room is left out.
    pub(super) fn put(&mut self, text: &str, paint: Look) {
        let room = self.area.right().saturating_sub(self.x);
        if self.left() == 0 || room == 0 {
            return;
        }
        (self.x, _) = self.buffer.set_stringn(self.x, self.y, text, room.into(), self.style(paint));
    }

    /// Ends a line.
    pub(super) const fn end(&mut self) {
        self.y = self.y.saturating_add(1);
    }

    /// A whole line.
    pub(super) fn line(&mut self, text: &str, paint: Look) {
        self.begin();
        self.put(text, paint);
        if paint == Look::Chosen {
            self.put(&" ".repeat(usize::from(self.area.right().saturating_sub(self.x))), paint);
        }
        self.end();
    }

    /// A text over as many lines as it needs, all but the first indented.
    fn paragraph(&mut self, text: &str, paint: Look) {
        for line in wrapped(text, usize::from(self.area.width)) {
            self.line(&line, paint);
        }
    }

    fn style(&self, paint: Look) -> Style {
        let style = Style::new();
        let coloured = |colour| if self.is_coloured { style.fg(colour) } else { style };
        match paint {
            Look::Plain => style,
            Look::Dim => style.add_modifier(Modifier::DIM),
            Look::Bold => style.add_modifier(Modifier::BOLD),
            Look::Head => style.add_modifier(Modifier::UNDERLINED | Modifier::BOLD),
            Look::Over => coloured(Color::Green),
            Look::Warning => coloured(Color::Yellow),
            Look::Alarm => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Look::Chosen => style.add_modifier(Modifier::REVERSED),
        }
    }

    /// The beginning of a text, with a mark where it is cut.
    pub(super) fn cut(&self, text: &str, width: usize) -> String {
        if Span::raw(text).width() <= width {
            return text.to_owned();
        }
        let mut cut = String::new();
        for c in text.chars() {
            cut.push(c);
            if Span::raw(cut.as_str()).width() >= width {
                cut.pop();
                break;
            }
        }
        cut.push(if self.is_unicode { '…' } else { '~' });
        cut
    }

    /// A text in exactly so many columns.
    pub(super) fn fit(&self, text: &str, width: usize) -> String {
        let mut fit = self.cut(text, width);
        let used = Span::raw(fit.as_str()).width();
        fit.extend(std::iter::repeat_n(' ', width.saturating_sub(used)));
        fit
    }

    /// A bar of so many cells for a share in percent.
    pub(super) fn bar(&self, share: u16, cells: usize) -> String {
        let eighths = usize::from(share.min(100)) * cells * 8 / 100;
        if !self.is_unicode {
            let full = eighths.div_ceil(8);
            return format!("{}{}", "#".repeat(full), ".".repeat(cells - full));
        }
        let (full, part) = (eighths / 8, eighths % 8);
        let part = EIGHTHS.get(part).filter(|_| part > 0).map(char::to_string).unwrap_or_default();
        let bar = format!("{}{part}", "█".repeat(full));
        format!("{bar:cells$}")
    }

    /// The character of a share of the limit: `!` beyond it.
    pub(super) fn level(&self, share: Option<u16>) -> char {
        let levels = if self.is_unicode { LEVELS } else { ASCII_LEVELS };
        match share {
            None => ' ',
            Some(100..) => '!',
            Some(share) => levels.get(1 + usize::from(share) * 8 / 100).copied().unwrap_or(' '),
        }
    }
}

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

/// A text in lines of at most so many columns, broken at spaces where there are any; all but the first indented.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = vec![String::new()];
    let columns = |text: &str| Span::raw(text).width();
    for word in text.split(' ') {
        let mut word = word;
        while let Some(line) = lines.last_mut() {
            let used = columns(line);
            let space = usize::from(!line.trim().is_empty());
            if used + space + columns(word) <= width {
                line.push_str(if space == 1 { " " } else { "" });
                line.push_str(word);
                break;
            }
            if space == 0 {
                // Longer than a line.
                let ends = word.char_indices().map(|(at, c)| at + c.len_utf8());
                let fits = |end: &usize| word.get(..*end).is_some_and(|head| used + columns(head) <= width);
                let (head, tail) = word.split_at(ends.take_while(fits).last().unwrap_or(word.len()));
                line.push_str(head);
                word = tail;
            }
            lines.push("  ".to_owned());
        }
    }
    lines
}
