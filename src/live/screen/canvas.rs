//! A part of the window, filled line by line. Nothing is told by colour alone: what is urgent has a mark or a word too.

use super::state::State;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Span;

/// Levels of the past, from nothing to the limit.
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The same in ASCII.
const ASCII_LEVELS: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '#'];
/// Eighths of a cell of a bar.
const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

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
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect, state: &State) -> Self {
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
    pub(super) fn paragraph(&mut self, text: &str, paint: Look) {
        for line in wrapped(text, usize::from(self.area.width)) {
            self.line(&line, paint);
        }
    }

    pub(super) fn style(&self, paint: Look) -> Style {
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

/// A text in lines of at most so many columns, broken at spaces where there are any; all but the first indented.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
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
