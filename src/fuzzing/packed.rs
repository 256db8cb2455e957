//! Compressed files: the content comes out in any portions, and as far as the file goes.

use std::io::Write;

use super::Dice;
use crate::capture::read_bytes_as_written;
use flate2::Compression;
use flate2::write::GzEncoder;

/// A file, compressed or not, and the same compressed with gzip.
///
/// Properties: the frames do not depend on the read size; a buffer holds no more than the read size and the
/// largest record; the same frames come out of any number of gzip members; a truncated file yields its first
/// frames and a problem.
pub fn packed(data: &[u8]) {
    let mut dice = Dice::of(data);
    let plain = read_bytes_as_written(data.to_vec(), 1 << 20);
    let portion = 1 + dice.below(4096);
    let portions = read_bytes_as_written(data.to_vec(), portion);
    assert_eq!(portions.frames, plain.frames, "in portions of {portion}");
    // If a file is damaged and not a capture, either may be reported.
    assert_eq!(portions.info.problem.is_some(), plain.info.problem.is_some());
    assert!(portions.held <= (1 << 20) + 2 * data.len().max(1 << 16), "{} bytes held", portions.held);

    let (first, rest) = data.split_at(dice.below(data.len() + 1));
    let (second, third) = rest.split_at(dice.below(rest.len() + 1));
    let (mut file, mut ends) = (Vec::new(), Vec::new());
    for member in [first, second, third] {
        let mut encoder = GzEncoder::new(&mut file, Compression::fast());
        encoder.write_all(member).unwrap();
        encoder.finish().unwrap();
        ends.push(file.len());
    }
    let unpacked = read_bytes_as_written(file.clone(), portion);
    // Only one level of compression is decompressed.
    if plain.info.compression == crate::capture::Compression::None {
        assert_eq!(unpacked.frames, plain.frames);
        assert_eq!(unpacked.info.format, plain.info.format);
    }
    let len = dice.below(file.len());
    let cut = read_bytes_as_written(file[..len].to_vec(), portion);
    // How long a variant's record headers are only the second one shows: where that is cut off, the first is read
    // as the usual one.
    let is_alike = match (cut.frames.as_slice(), unpacked.frames.as_slice()) {
        ([(alone, _)], [(first, _), ..]) => alone == first,
        _ => false,
    };
    let is_prefix = is_alike || unpacked.frames.starts_with(&cut.frames);
    assert!(is_prefix, "{len} of {} bytes", file.len());
    // At the end of a member the file may end: nothing shows that more members followed.
    assert!(cut.info.problem.is_some() || cut.frames == unpacked.frames || ends.contains(&len));
}
