//! Builds frames and capture files for tests.
#![expect(clippy::unwrap_used, reason = "tests give it sound parts")]

pub(crate) mod event;
pub(crate) mod file;
pub(crate) mod frame;
pub(crate) mod random;
pub(crate) mod segment;
