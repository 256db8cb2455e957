//! Announcements as the screen lists them: all that came off the wire is safe to show.

use crate::report::live::{Announcement, What};
use crate::report::text::live::TextLines;
use crate::report::{escape, wording};

/// How much an announcement asks for attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// It does not.
    Plain,
    /// Something is over.
    Over,
    /// A warning, or something that does not work.
    Warning,
    /// A deadline has passed.
    Alarm,
}

/// An announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The time of day.
    pub time: String,
    /// The word it begins with.
    pub word: &'static str,
    /// Whether it is urgent.
    pub level: Attention,
    /// What it says.
    pub sentence: String,
    /// What there is to know beside, a line each.
    pub details: Vec<String>,
}

impl Announced {
    /// The entry of an announcement.
    #[must_use]
    pub fn of(event: &Announcement, lines: &TextLines) -> Self {
        let (word, colour) = TextLines::word(&event.what);
        let level = match colour {
            31 => Attention::Alarm,
            33 => Attention::Warning,
            32 => Attention::Over,
            _ => Attention::Plain,
        };
        Self {
            time: lines.clock.time(event.at),
            word,
            level,
            sentence: escape::text(&lines.sentence(&event.what)).into_owned(),
            details: details(event, lines),
        }
    }

    /// Whether a text is in it, without regard to case.
    #[must_use]
    pub fn has(&self, lower: &str) -> bool {
        self.word.to_lowercase().contains(lower)
            || self.sentence.to_lowercase().contains(lower)
            || self.details.iter().any(|line| line.to_lowercase().contains(lower))
    }
}

fn details(event: &Announcement, lines: &TextLines) -> Vec<String> {
    let (What::Stall(news) | What::StallOver(news)) = &event.what else { return Vec::new() };
    let stall = &news.stall;
    let deadlines = stall
        .deadlines
        .iter()
        .map(|deadline| format!("deadline: {}: {}", deadline.name(), wording::deadline(*deadline)));
    let notes = stall.notes.iter().map(|note| format!("note: {}", wording::note(note)));
    let evidence = stall.evidence.iter().map(|evidence| {
        let at = lines.clock.beside(evidence.at, stall.start);
        format!("evidence: {at} {}", wording::shows(&evidence.shows))
    });
    let all = deadlines.chain(notes).chain(evidence);
    all.map(|line| escape::text(&line).into_owned()).collect()
}
