//! What all sections need: names, colours, lines that fit.

use super::{COLUMNS, Style};
use crate::address::Address;
use crate::findings::{Link, Report};
use crate::frame::FrameRef;
use crate::report::clock::WallClock;
use crate::report::wording::Names;
use crate::report::{escape, short_paths};
use crate::time::Timestamp;

pub(super) use crate::report::wording::number::{bytes, count, grouped, percent};

/// A colour, or a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paint {
    /// Something is wrong.
    Red,
    /// Something came near.
    Yellow,
    /// All is well.
    Green,
    /// A heading.
    Bold,
    /// Less important.
    Dim,
}

impl Paint {
    /// Parameter of the control sequence SGR (ECMA-48, 8.3.117).
    const fn code(self) -> &'static str {
        match self {
            Self::Red => "1;31",
            Self::Yellow => "33",
            Self::Green => "1;32",
            Self::Bold => "1",
            Self::Dim => "2",
        }
    }
}

/// The text as it grows.
pub(super) struct Page<'a> {
    pub(super) report: &'a Report,
    pub(super) style: &'a Style,
    pub(super) text: String,
    pub(super) names: Names,
    files: Vec<String>,
}

impl<'a> Page<'a> {
    pub(super) fn new(report: &'a Report, style: &'a Style) -> Self {
        let paths = report.input.files.iter().map(|file| file.path.as_str());
        Self {
            report,
            style,
            text: String::new(),
            names: Names::of(report),
            files: short_paths(paths).iter().map(|path| escape::text(path).into_owned()).collect(),
        }
    }

    pub(super) const fn clock(&self) -> &'a WallClock {
        &self.style.clock
    }

    /// A text in a colour, where colours are wanted.
    pub(super) fn paint(&self, paint: Paint, text: &str) -> String {
        if self.style.is_coloured { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
    }

    /// What a server is called, safe to show.
    pub(super) fn name(&self, address: Address) -> String {
        escape::text(&self.names.name(address)).into_owned()
    }

    /// A server's name with all that identifies it: `zk1 (10.255.0.101, sid 1)`.
    pub(super) fn full_name(&self, address: Address) -> String {
        let server = self.report.servers.iter().find(|server| server.address == address);
        let sid = server.and_then(|server| server.sid).map(|sid| format!("sid {sid}"));
        let name = self.name(address);
        let beside = Some(address.to_string()).filter(|address| *address != name);
        let more: Vec<_> = beside.into_iter().chain(sid).collect();
        if more.is_empty() { name } else { format!("{name} ({})", more.join(", ")) }
    }

    /// Names joined by commas; beyond `most`, how many there are.
    pub(super) fn list(&self, addresses: &[Address], most: usize) -> String {
        let mut names: Vec<_> = addresses.iter().take(most).map(|address| self.name(*address)).collect();
        if let Some(more) = addresses.len().checked_sub(most).filter(|more| *more > 0) {
            names.push(format!("{more} more"));
        }
        names.join(", ")
    }

    pub(super) fn link(&self, id: u32) -> Option<&'a Link> {
        self.report.links.iter().find(|link| link.id == id)
    }

    /// A frame as `file#number`.
    pub(super) fn frame(&self, frame: FrameRef) -> String {
        let file = self.files.get(frame.file as usize).map_or("?", String::as_str);
        format!("{file}#{}", frame.number)
    }

    /// A file's short name.
    pub(super) fn file(&self, index: usize) -> &str {
        self.files.get(index).map_or("?", String::as_str)
    }

    /// A time in few characters: to the millisecond, or where the capture spans more than one day,
    /// to the second with month and day.
    pub(super) fn time(&self, at: Timestamp) -> String {
        if self.is_one_day() { self.clock().time(at) } else { self.clock().day_and_time(at) }
    }

    pub(super) fn is_one_day(&self) -> bool {
        let input = &self.report.input;
        input.first.zip(input.last).is_some_and(|(first, last)| self.clock().is_same_day(first, last))
    }

    /// An empty line and a heading.
    pub(super) fn heading(&mut self, heading: &str, remark: &str) {
        let painted = self.paint(Paint::Bold, heading);
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(&painted);
        if !remark.is_empty() {
            self.text.push_str("  ");
            let remark = self.paint(Paint::Dim, remark);
            self.text.push_str(&remark);
        }
        self.text.push('\n');
    }

    /// A line as it is.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// A text behind a label, folded at words; the lines that follow stand under its first word.
    pub(super) fn labelled(&mut self, indent: usize, label: &str, width: usize, text: &str) {
        let left = indent + width;
        let mut prefix = format!("{:indent$}{label:<width$}", "");
        for line in fold(text, COLUMNS.saturating_sub(left)) {
            self.text.push_str(&prefix);
            self.text.push_str(&line);
            self.text.push('\n');
            prefix = " ".repeat(left);
        }
    }

    /// A text folded at words, whose further lines stand farther to the right than its first.
    pub(super) fn hanging(&mut self, first: usize, rest: usize, text: &str) {
        let mut indent = first;
        for line in fold(text, COLUMNS.saturating_sub(rest.max(first))) {
            self.text.push_str(&" ".repeat(indent));
            self.text.push_str(&line);
            self.text.push('\n');
            indent = rest;
        }
    }

    /// A paragraph.
    pub(super) fn paragraph(&mut self, indent: usize, text: &str) {
        self.labelled(indent, "", 0, text);
    }
}

/// A text as lines of at most `width` characters; a longer word has a line of its own.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut len = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word_len = visible_len(word);
        if len > 0 && len + 1 + word_len > width {
            lines.push(std::mem::take(&mut line));
            len = 0;
        }
        if len > 0 {
            line.push(' ');
            len += 1;
        }
        line.push_str(word);
        len += word_len;
    }
    lines.push(line);
    lines
}

/// Characters that are seen: without our own colours.
pub(super) fn visible_len(text: &str) -> usize {
    let mut len = 0;
    let mut in_colour = false;
    for c in text.chars() {
        match c {
            '\x1b' => in_colour = true,
            'm' if in_colour => in_colour = false,
            _ if in_colour => {}
            _ => len += 1,
        }
    }
    len
}

/// A text in `width` characters; a longer one loses its end and shows that.
pub(super) fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return format!("{text:<width$}");
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('~');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_folded_at_words() {
        assert_eq!(fold("one two three", 7), ["one two", "three"]);
        assert_eq!(fold("incomprehensible x", 5), ["incomprehensible", "x"]);
        assert_eq!(fold("", 5), [""]);
        assert_eq!(fold("\x1b[1mone\x1b[0m two", 7), ["\x1b[1mone\x1b[0m two"], "colours take no room");
    }

    #[test]
    fn long_names_lose_their_ends() {
        assert_eq!([fit("zk1", 5), fit("zookeeper-1", 5)], ["zk1  ", "zook~"]);
    }
}
