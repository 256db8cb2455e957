//! What all sections need: names, colours, lines that fit.

use super::{COLUMNS, Style};
use crate::address::Address;
use crate::findings::{Link, Report};
use crate::frame::FrameRef;
use crate::report::clock::WallClock;
use crate::report::{escape, short_paths};
use crate::time::Timestamp;
use std::collections::BTreeMap;

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
    names: BTreeMap<Address, String>,
    files: Vec<String>,
}

impl<'a> Page<'a> {
    pub(super) fn new(report: &'a Report, style: &'a Style) -> Self {
        let named = report.servers.iter().filter_map(|server| {
            let name = server.name.as_deref()?;
            Some((server.address, escape::text(name).into_owned()))
        });
        let paths = report.input.files.iter().map(|file| file.path.as_str());
        Self {
            report,
            style,
            text: String::new(),
            names: named.collect(),
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

    /// A server's name, else its address.
    pub(super) fn name(&self, address: Address) -> String {
        self.names.get(&address).cloned().unwrap_or_else(|| address.to_string())
    }

    /// A server's name with all that identifies it: `zk1 (10.255.0.101, sid 1)`.
    pub(super) fn full_name(&self, address: Address) -> String {
        let server = self.report.servers.iter().find(|server| server.address == address);
        let sid = server.and_then(|server| server.sid).map(|sid| format!("sid {sid}"));
        let beside = self.names.contains_key(&address).then(|| address.to_string());
        let more: Vec<_> = beside.into_iter().chain(sid).collect();
        let name = self.name(address);
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
fn visible_len(text: &str) -> usize {
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

/// A number and what it counts: `1 stall`, `2 stalls`.
pub(super) fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

/// A number with its digits in groups: `1,135,969`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes as people say them: `512 B`, `1.1 MB`.
pub(super) fn bytes(number: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    for (size, unit) in UNITS {
        if number >= size {
            return format!("{}.{} {unit}", number / size, number % size / (size / 10));
        }
    }
    format!("{number} B")
}

/// A share in whole percent, rounded down, so that 100 means all.
pub(super) const fn percent(part: u64, whole: u64) -> u64 {
    match part.saturating_mul(100).checked_div(whole) {
        Some(share) => share,
        None => 0,
    }
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
    fn numbers_are_readable() {
        assert_eq!([grouped(0), grouped(999), grouped(1_135_969)], ["0", "999", "1,135,969"]);
        assert_eq!([bytes(999), bytes(1_135_969), bytes(42_000_000_000)], ["999 B", "1.1 MB", "42.0 GB"]);
        assert_eq!([percent(9_999, 10_000), percent(1, 0)], [99, 0]);
        assert_eq!([fit("zk1", 5), fit("zookeeper-1", 5)], ["zk1  ", "zook~"]);
    }
}
