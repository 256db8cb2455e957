//! Records as they pass.
