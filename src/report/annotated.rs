//! Frames as pcapng for Wireshark, with what was found written beside them.
//!
//! The section's comment is the verdict, and each frame of evidence carries its sentence. Nothing is
//! changed or left out of a frame.

use super::escape;
use crate::findings::Stall;
use crate::frame::{Frame, FrameRef, LinkType};
use crate::pcapfile::{ByteOrder, pcapng};
use crate::report::wording;
use std::collections::HashMap;
use std::io::{self, Write};

/// What a reader of the file should know: some of Wireshark's guesses take port 2888 for other
/// protocols, and may run for minutes.
pub const HINT: &str = "Open with: wireshark --disable-protocol lbmsrs --disable-protocol smpp";

/// Sentences for frames.
#[derive(Clone, Debug, Default)]
pub struct Notes(HashMap<FrameRef, String>);

impl Notes {
    /// Adds the evidence of a stall.
    pub fn add(&mut self, stall: &Stall) {
        for evidence in &stall.evidence {
            let note = self.0.entry(evidence.frame).or_default();
            if !note.is_empty() {
                note.push('\n');
            }
            note.push_str(&format!("stall #{}: {}", stall.id, wording::shows(&evidence.shows)));
        }
    }

    /// Whether a frame has one.
    #[must_use]
    pub fn has(&self, frame: FrameRef) -> bool {
        self.0.contains_key(&frame)
    }
}

/// Writes frames, each with its note.
#[derive(Debug)]
pub struct Annotated<W> {
    out: W,
    notes: Notes,
    /// Link types by the numbers of their interfaces.
    interfaces: Vec<LinkType>,
    snaplen: u32,
    buffer: Vec<u8>,
    /// Frames written.
    pub frames: u64,
    /// Of these, with a note.
    pub noted: u64,
}

impl<W: Write> Annotated<W> {
    /// Begins a file. A `snaplen` of 0 means none.
    ///
    /// # Errors
    /// What the writer says.
    pub fn new(mut out: W, comment: &str, notes: Notes, snaplen: u32) -> io::Result<Self> {
        let mut buffer = Vec::new();
        ENCODER.section(&shown(comment), &mut buffer);
        out.write_all(&buffer)?;
        Ok(Self { out, notes, interfaces: Vec::new(), snaplen, buffer, frames: 0, noted: 0 })
    }

    /// Writes a frame.
    ///
    /// # Errors
    /// What the writer says.
    pub fn frame(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.buffer.clear();
        let known = self.interfaces.iter().position(|link| *link == frame.link);
        let interface = known.unwrap_or_else(|| {
            let number = u16::try_from(frame.link.number()).unwrap_or(u16::MAX);
            ENCODER.interface(number, self.snaplen, &mut self.buffer);
            self.interfaces.push(frame.link);
            self.interfaces.len() - 1
        });
        let note = self.notes.0.get(&frame.id).map_or_else(String::new, |note| shown(note));
        self.frames += 1;
        self.noted += u64::from(!note.is_empty());
        ENCODER.frame(u32::try_from(interface).unwrap_or(0), frame, &note, &mut self.buffer);
        self.out.write_all(&self.buffer)
    }

    /// Ends the file; gives back what it was written to.
    ///
    /// # Errors
    /// What the writer says.
    pub fn finish(mut self) -> io::Result<W> {
        self.out.flush()?;
        Ok(self.out)
    }
}

/// A comment's lines, each safe to show: names in it are whatever a configuration says.
fn shown(comment: &str) -> String {
    comment.lines().map(escape::text).collect::<Vec<_>>().join("\n")
}

const ENCODER: pcapng::PcapngEncoder = pcapng::PcapngEncoder { order: ByteOrder::Little };

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn comments_carry_nothing_that_a_terminal_obeys() {
        let comment = "stall #1 of \u{1b}[2Jzk1\u{202e}\nsecond line";
        let out = Annotated::new(Vec::new(), comment, Notes::default(), 0).unwrap().finish().unwrap();
        let has = |text: &str| out.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has("\u{1b}") && !has("\u{202e}"));
        assert!(has("stall #1 of \\u{1b}[2Jzk1\\u{202e}\nsecond line"));
    }
}
