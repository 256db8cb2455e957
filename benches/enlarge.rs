//! Makes a large capture for measurements from a small one, by repeating its traffic.
//!
//!     cargo run --release --example enlarge -- OUT.pcap FRAMES AT_ONCE IN...
//!
//! Writes `FRAMES` frames cut at 96 bytes as one classic pcap. `AT_ONCE` copies of the traffic run at the
//! same time on different ports, which multiplies the connections. With `steady` in its place the same links go on and on.
//! `-` is standard output.

#[path = "input/large.rs"]
mod large;
#[path = "input/steady.rs"]
mod steady;

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
    let mut out = BufWriter::with_capacity(1 << 20, file);
    if at_once == "steady" {
        return steady::write_steady(&mut out, frames.parse()?, &inputs);
    }
    large::write_large(&mut out, frames.parse()?, at_once.parse()?, &inputs)
}
