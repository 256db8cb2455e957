//! Builds frames and capture files for tests.

pub(crate) mod frame;
