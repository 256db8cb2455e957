//! Makes a large capture out of a small one: the same traffic again and again, later, as
//! measurements need it.
//!
//!     cargo run --release --example enlarge -- OUT.pcap FRAMES AT_ONCE IN...
//!
//! Writes `FRAMES` frames cut at 96 bytes as one classic pcap; `AT_ONCE` copies run side by side on
//! other ports, so that a capture of ten connections becomes one of ten times as many. Standard output is `-`.

#[path = "input/large.rs"]
mod large;

use std::error::Error;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [out, frames, at_once, inputs @ ..] = arguments.as_slice() else {
        return Err("usage: enlarge OUT FRAMES AT_ONCE IN...".into());
    };
    let inputs: Vec<PathBuf> = inputs.iter().map(PathBuf::from).collect();
    let file: Box<dyn Write> =
        if out == "-" { Box::new(std::io::stdout()) } else { Box::new(std::fs::File::create(out)?) };
    large::write_large(
        &mut BufWriter::with_capacity(1 << 20, file),
        frames.parse()?,
        at_once.parse()?,
        &inputs,
    )
}
