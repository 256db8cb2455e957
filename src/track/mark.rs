//! A frame and its time.

use crate::frame::FrameRef;
use crate::time::Timestamp;

/// A frame and its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The frame.
    pub frame: FrameRef,
    /// Its time.
    pub at: Timestamp,
}
