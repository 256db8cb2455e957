//! Frames out of order: none is lost, and what is late by up to a second is put in its place.

use super::FuzzBytes;
use crate::capture::order_times;

/// The time that a frame may be late, in milliseconds.
const LATE_MS: i64 = 1_000;

/// Times of frames: a byte for how many are read at once, then a step of the clock for each frame, in steps of 8 ms.
///
/// Properties: the same frames come out, each once; where no frame is more than a second late, they come out in order
/// of time, and those of one time in the order of the file; the size of a portion makes no difference to that as long
/// as a second lies in it; what is in order is not touched.
pub fn reorder(data: &[u8]) {
    let mut input = FuzzBytes(data);
    let Some(portion) = input.byte() else { return };
    let mut times = Vec::new();
    let mut now = 0i64;
    while let Some(step) = input.byte() {
        now += i64::from(step.cast_signed()) * 8;
        times.push(now);
    }
    let (found, moved) = order_times(&times, usize::from(portion) + 1);
    let mut numbers: Vec<_> = found.iter().map(|(number, _)| *number as usize).collect();
    assert!(found.iter().all(|(number, at)| times.get(*number as usize) == Some(at)));
    numbers.sort_unstable();
    assert!(numbers.iter().copied().eq(0..times.len()), "a frame is lost or doubled");
    if times.is_sorted() {
        assert_eq!(moved, 0);
        assert!(found.iter().map(|(number, _)| *number as usize).eq(0..times.len()));
    }
    let mut latest = i64::MIN;
    let is_near = times.iter().all(|at| {
        latest = latest.max(*at);
        latest - at <= LATE_MS
    });
    if is_near && usize::from(portion) + 1 >= times.len() {
        assert!(found.is_sorted_by_key(|(number, at)| (*at, *number)), "{found:?}");
    }
}
