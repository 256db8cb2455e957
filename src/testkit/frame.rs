//! Frames from their parts.
