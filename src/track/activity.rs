//! What went on lately on a link, in quarters of a second: enough to say what happened during a wait.
//!
//! A ring of fixed size; what is older than it is forgotten. Counts saturate at 255, since what
//! matters is whether, and roughly how often.

use super::quarter::QuarterSecond;
use crate::time::Timestamp;

/// Quarters of a second kept: half a minute, beyond any usual limit.
const SLOTS: usize = 128;

/// Counts of one stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ActivityCounts {
    /// Frames of any kind from the learner, and from the leader.
    pub frames: [u8; 2],
    /// Segments with bytes that were new, likewise.
    pub fresh: [u8; 2],
    /// Segments all of whose bytes had been seen, or that came ahead of an earlier one, likewise.
    pub again: [u8; 2],
    /// Frames without payload that acknowledged something new, likewise.
    pub acked: [u8; 2],
    /// PINGs of the leader's.
    pub pings: u8,
    /// PINGs answered.
    pub pongs: u8,
    /// Of these, answered late by the link's own measure.
    pub late_pongs: u8,
    /// ACKs of the kernels that were timed.
    pub timed_acks: u8,
    /// Of these, late by the link's own measure.
    pub late_acks: u8,
}

impl ActivityCounts {
    /// A frame that is no retransmission, from one of the sides.
    #[inline]
    pub(super) const fn plain_frame(&mut self, side: usize, is_fresh: bool, acked_more: bool) {
        let Self { frames, fresh, acked, .. } = self;
        bump(frames, side);
        if is_fresh {
            bump(fresh, side);
        } else if acked_more {
            bump(acked, side);
        }
    }

    /// The ACK of a kernel that was timed, if it is one, and whether it was late.
    #[inline]
    pub(super) fn timed_ack(&mut self, is_late: Option<bool>) {
        if let Some(is_late) = is_late {
            self.timed_acks = self.timed_acks.saturating_add(1);
            self.late_acks = self.late_acks.saturating_add(u8::from(is_late));
        }
    }
}

#[inline]
const fn bump(count: &mut [u8; 2], side: usize) {
    let [learner, leader] = count;
    let count = if side == 0 { learner } else { leader };
    *count = count.saturating_add(1);
}

/// The sum of [`ActivityCounts`] over a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Frames of any kind from the learner, and from the leader.
    pub frames: [u32; 2],
    /// Segments with bytes that were new, likewise.
    pub fresh: [u32; 2],
    /// Segments all of whose bytes had been seen, or that came ahead of an earlier one, likewise.
    pub again: [u32; 2],
    /// Frames without payload that acknowledged something new, likewise.
    pub acked: [u32; 2],
    /// PINGs of the leader's.
    pub pings: u32,
    /// PINGs answered.
    pub pongs: u32,
    /// Of these, answered late by the link's own measure.
    pub late_pongs: u32,
    /// ACKs of the kernels that were timed.
    pub timed_acks: u32,
    /// Of these, late by the link's own measure.
    pub late_acks: u32,
}

/// The ring.
#[derive(Clone, Debug)]
pub struct Activity {
    slots: Box<[(u32, ActivityCounts); SLOTS]>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { slots: Box::new([(0, ActivityCounts::default()); SLOTS]) }
    }
}

/// The number of a quarter's slot; wraps after some thirty years.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number modulo 2^32")]
const fn of(quarter: QuarterSecond) -> u32 {
    quarter.number as u32
}

/// The number of a time's slot.
const fn number(at: Timestamp) -> u32 {
    of(QuarterSecond::of(at))
}

impl Activity {
    /// The counts of a time, to add to.
    #[inline]
    pub fn at(&mut self, at: Timestamp) -> Option<&mut ActivityCounts> {
        self.within(QuarterSecond::of(at))
    }

    /// The counts of a quarter of a second, to add to.
    #[inline(always)]
    pub(super) fn within(&mut self, quarter: QuarterSecond) -> Option<&mut ActivityCounts> {
        let number = of(quarter);
        let (held, counts) = self.slots.get_mut(number as usize % SLOTS)?;
        if *held != number {
            // Time ran on; a late one finds its slot taken and is dropped.
            if held.wrapping_sub(number).cast_signed() > 0 && *held != 0 {
                return None;
            }
            *held = number;
            *counts = ActivityCounts::default();
        }
        Some(counts)
    }

    /// All that went on after `from`'s slot, up to and with `to`'s.
    #[must_use]
    pub fn sum(&self, from: Timestamp, to: Timestamp) -> Sum {
        let (first, last) = (number(from).wrapping_add(1), number(to));
        let mut sum = Sum::default();
        for (held, counts) in self.slots.iter() {
            let after_first = held.wrapping_sub(first).cast_signed();
            let before_last = last.wrapping_sub(*held).cast_signed();
            if after_first < 0 || before_last < 0 {
                continue;
            }
            for side in 0..2 {
                let add = |to: &mut [u32; 2], from: &[u8; 2]| {
                    if let (Some(to), Some(from)) = (to.get_mut(side), from.get(side)) {
                        *to += u32::from(*from);
                    }
                };
                add(&mut sum.frames, &counts.frames);
                add(&mut sum.fresh, &counts.fresh);
                add(&mut sum.again, &counts.again);
                add(&mut sum.acked, &counts.acked);
            }
            sum.pings += u32::from(counts.pings);
            sum.pongs += u32::from(counts.pongs);
            sum.late_pongs += u32::from(counts.late_pongs);
            sum.timed_acks += u32::from(counts.timed_acks);
            sum.late_acks += u32::from(counts.late_acks);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::time::Span;

    #[test]
    fn a_wait_is_summed_without_the_moment_it_began_in() {
        let mut activity = Activity::default();
        let start = Timestamp::from_parts(1_795_248_000, 0);
        for quarter in 0..40 {
            activity.at(start.plus(Span::from_millis(250 * quarter))).unwrap().frames[0] += 1;
        }
        let sum = activity.sum(start, start.plus(Span::from_millis(5000)));
        assert_eq!(sum.frames, [20, 0]);
        let none = activity.sum(start.plus(Span::from_millis(20_000)), start.plus(Span::from_millis(30_000)));
        assert_eq!(none, Sum::default());
    }
}
