//! The `qscope` binary.

fn main() {}
