//! Frames that stand too late in their file, put in their place.
//!
//! Several receive queues write a file in which a frame may stand some hundred microseconds behind later ones.
//! Times are right, so the order is mended by them: one batch is read ahead, and where it fits behind the one
//! before, nothing is done or copied. From the first frame on that does not, frames of the last second are held
//! back and sorted. A step back of more than that is a clock that was set, and the file's order stays.

use std::mem;

use super::batch::{Batch, BatchFrame};
use crate::time::{Span, Timestamp};

/// How late a frame may be.
const MAX_LATE: Span = Span::from_millis(1_000);
/// The most that is held back, in bytes of frames; beyond it the earliest are let go before their second is over.
const MAX_HELD_BYTES: usize = 1024 * 1024;

/// Puts a file's frames in order of time.
#[derive(Default)]
pub(super) struct Order {
    /// The batch behind the one that was handed on last.
    next: Batch,
    has_begun: bool,
    held: Option<Box<HeldFrames>>,
    /// Frames that were put before others.
    pub(super) reordered: u64,
}

/// Frames held back, because earlier ones may follow.
#[derive(Default)]
struct HeldFrames {
    frames: Batch,
    /// Where each belongs.
    keys: Vec<PlaceInOrder>,
    /// The latest time so far, since the clock was last set back.
    latest: Option<Timestamp>,
    /// How often the clock was set back.
    epoch: u32,
    count: u64,
}

/// A frame's place: since which setting of the clock, when, and which frame of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PlaceInOrder {
    epoch: u32,
    at: Timestamp,
    number: u64,
}

impl Order {
    /// The next batch in order, of those that `read` gives, which clears it and leaves it empty at the file's end.
    /// False at the end.
    pub(super) fn fill(&mut self, batch: &mut Batch, mut read: impl FnMut(&mut Batch)) -> bool {
        if !mem::replace(&mut self.has_begun, true) {
            read(&mut self.next);
        }
        loop {
            mem::swap(batch, &mut self.next);
            self.next.clear();
            if !batch.is_empty() {
                read(&mut self.next);
            }
            if self.held.is_none() && is_in_order(batch, &self.next) {
                return !batch.is_empty();
            }
            let is_end = batch.is_empty();
            let held = self.held.get_or_insert_default();
            self.reordered += held.take(batch);
            held.release(is_end, batch);
            if !batch.is_empty() || is_end {
                return !batch.is_empty();
            }
        }
    }

    /// Puts one batch in order by itself: of a pipe nothing is held back.
    pub(super) fn sort(&mut self, batch: &mut Batch) {
        if !is_in_order(batch, &Batch::new()) {
            let held = self.held.get_or_insert_default();
            self.reordered += held.take(batch);
            held.release(true, batch);
        }
    }
}

/// Whether a batch is in order, and nothing of the next one belongs before its end.
fn is_in_order(batch: &Batch, next: &Batch) -> bool {
    let times = || batch.entries.iter().map(|entry| entry.head.at);
    let Some(last) = times().next_back() else { return true };
    times().is_sorted() && next.entries.iter().all(|entry| entry.head.at >= last)
}

impl HeldFrames {
    /// Takes all frames of a batch; how many of them belong before others that were there already.
    fn take(&mut self, batch: &Batch) -> u64 {
        let mut late = 0;
        for entry in &batch.entries {
            let key = self.key(entry);
            late += u64::from(self.latest.is_some_and(|latest| key.at < latest));
            self.keys.push(key);
            self.frames.push(batch, entry);
        }
        late
    }

    fn key(&mut self, entry: &BatchFrame) -> PlaceInOrder {
        let latest = *self.latest.get_or_insert(entry.head.at);
        // Without a time it stays where it is.
        let at = if entry.head.at == Timestamp::UNKNOWN { latest } else { entry.head.at };
        if latest.since(at) > MAX_LATE {
            self.epoch += 1;
            self.latest = Some(at);
        } else {
            self.latest = Some(latest.max(at));
        }
        self.count += 1;
        PlaceInOrder { epoch: self.epoch, at, number: self.count }
    }

    /// Moves those to `out`, cleared before, that nothing earlier can follow: all of them at the end.
    fn release(&mut self, is_end: bool, out: &mut Batch) {
        out.clear();
        let mut order: Vec<_> = self.keys.iter().copied().zip(&self.frames.entries).collect();
        order.sort_by_key(|(key, _)| *key);
        let until = self.latest.map_or(Timestamp::MIN, |latest| latest.minus(MAX_LATE));
        let mut excess = self.frames.weight().saturating_sub(MAX_HELD_BYTES);
        let (mut frames, mut keys) = (Batch::new(), Vec::new());
        for (key, entry) in order {
            if is_end || key.epoch < self.epoch || key.at <= until || excess > 0 {
                excess = excess.saturating_sub(entry.head.len as usize + size_of::<BatchFrame>() / 2);
                out.push(&self.frames, entry);
            } else {
                frames.push(&self.frames, entry);
                keys.push(key);
            }
        }
        (self.frames, self.keys) = (frames, keys);
    }
}

/// Frames at these milliseconds as they come out, with their indices, read so many at a time; and how many were put
/// before others.
#[cfg(feature = "fuzzing")]
#[must_use]
pub(crate) fn order_times(times: &[i64], portion: usize) -> (Vec<(u32, i64)>, u64) {
    use crate::frame::{Frame, FrameRef, LinkType};
    let mut portions = times.chunks(portion.max(1));
    let mut number = 0;
    let mut read = |batch: &mut Batch| {
        batch.clear();
        for at in portions.next().unwrap_or_default() {
            let at = Timestamp::from_nanos(at.saturating_mul(1_000_000));
            let id = FrameRef { file: 0, number };
            batch.add(&Frame { at, link: LinkType::Ethernet, orig_len: 8, data: &[0; 8], id });
            number += 1;
        }
    };
    let (mut order, mut batch, mut found) = (Order::default(), Batch::new(), Vec::new());
    while order.fill(&mut batch, &mut read) {
        found.extend(batch.frames().map(|frame| (frame.id.number, frame.at.nanos() / 1_000_000)));
    }
    (found, order.reordered)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may fail")]

    use super::*;
    use crate::frame::{Frame, FrameRef, LinkType};
    use crate::testkit::random::Random;

    /// Frames at these milliseconds, so many in a batch, as they come out, and how many were moved.
    fn ordered(times: &[i64], portion: usize) -> (Vec<i64>, u64) {
        let mut portions = times.chunks(portion).zip(0_u32..);
        let mut order = Order::default();
        let (mut batch, mut found) = (Batch::new(), Vec::new());
        let mut read = |batch: &mut Batch| {
            batch.clear();
            for at in portions.next().map_or(&[][..], |(portion, _)| portion) {
                let data = at.to_be_bytes();
                let at = Timestamp::from_nanos(at * 1_000_000);
                let id = FrameRef::default();
                batch.add(&Frame { at, link: LinkType::Ethernet, orig_len: 8, data: &data, id });
            }
        };
        while order.fill(&mut batch, &mut read) {
            for frame in batch.frames() {
                assert_eq!(frame.data, (frame.at.nanos() / 1_000_000).to_be_bytes());
                found.push(frame.at.nanos() / 1_000_000);
            }
        }
        (found, order.reordered)
    }

    #[test]
    fn what_is_in_order_is_left_alone() {
        let times: Vec<_> = (0..100).map(|at| at / 3).collect();
        for portion in [1, 7, 100] {
            assert_eq!(ordered(&times, portion), (times.clone(), 0));
        }
        assert_eq!(ordered(&[], 5), (vec![], 0));
    }

    #[test]
    fn frames_up_to_a_second_late_are_put_in_their_place() {
        let mut random = Random::new(15);
        let times: Vec<_> = (0..2_000).collect();
        let mut late: Vec<_> =
            times.iter().map(|at| (at + i64::try_from(random.within(0..900)).unwrap(), *at)).collect();
        late.sort_unstable();
        let late: Vec<_> = late.into_iter().map(|(_, at)| at).collect();
        // Each batch is longer than what is late, as it is in a file.
        for portion in [1_000, 1_500, 2_000] {
            let (found, moved) = ordered(&late, portion);
            assert_eq!(found, times);
            assert!(moved > 500, "{moved}");
        }
    }

    #[test]
    fn a_frame_late_across_two_batches_is_put_in_its_place() {
        assert_eq!(ordered(&[1, 2, 4, 3, 5, 6], 3), (vec![1, 2, 3, 4, 5, 6], 1));
    }

    #[test]
    fn a_clock_that_is_set_back_leaves_the_order_as_it_is() {
        let times = [5_000, 5_001, 1_000, 1_002, 1_001, 9_000];
        assert_eq!(ordered(&times, 2), (vec![5_000, 5_001, 1_000, 1_001, 1_002, 9_000], 1));
    }
}
