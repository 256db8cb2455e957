//! The frames of a link: in which files they lie, when the last came, and what the capture lacks.

use super::ahead::AheadSegments;
use crate::dissect::PerDirection;
use crate::time::Timestamp;

/// Files remembered per link.
const MAX_FILES: usize = 64;

/// Where and when the frames of a link were captured.
#[derive(Clone, Debug)]
pub struct Frames {
    /// The files that hold frames of it, at most 64.
    pub files: Vec<u32>,
    /// Time to live of the first frame of each direction; 0 while there was none.
    pub ttl: PerDirection<u8>,
    /// Whether it lacks bytes that were on the way before the close: silences on it prove little.
    pub has_gaps: bool,
    /// Stretches that the captures of it lack, or that of the host that waits: who was silent through one is not known.
    pub unseen: Vec<(Timestamp, Timestamp)>,
    /// Segments that came ahead of bytes which may still come.
    pub(super) ahead: PerDirection<AheadSegments>,
    /// Whether the capture lacks bytes of a direction.
    pub(super) lacks: PerDirection<bool>,
    pub(super) last_at: Timestamp,
    pub(super) last_file: Option<u32>,
}

impl Frames {
    /// None yet, of a link that appeared at a time.
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            files: Vec::new(),
            ttl: PerDirection::default(),
            has_gaps: false,
            unseen: Vec::new(),
            ahead: PerDirection::default(),
            lacks: PerDirection::default(),
            last_at: at,
            last_file: None,
        }
    }

    /// One lies in a file.
    #[inline]
    pub(super) fn of_file(&mut self, file: u32) {
        if self.last_file != Some(file) {
            self.last_file = Some(file);
            if self.files.len() < MAX_FILES && !self.files.contains(&file) {
                self.files.push(file);
            }
        }
    }

    /// Whether of one direction not a frame was captured, though the other side has acknowledged bytes of it:
    /// how the link ended may stand in these. (Who says nothing gets nothing acknowledged.)
    pub(super) const fn is_one_sided(&self) -> bool {
        self.lacks.to_leader && self.ttl.to_leader == 0 || self.lacks.to_learner && self.ttl.to_learner == 0
    }

    /// The capture lacks what segments of a direction waited for, and the other side had it: nothing was lost.
    pub(super) fn not_lost(&mut self, direction: crate::dissect::Direction) {
        *self.ahead.of_mut(direction) = AheadSegments::default();
    }
}
