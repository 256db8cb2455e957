//! Estimates the offset of two clocks from segments captured at both ends of a path.
//!
//! The apparent one-way delay is the true delay plus the clock offset in one direction, and minus the offset
//! in the other. Delays are never negative, so the offset lies between the smallest apparent delays of the
//! two directions. The estimate is their midpoint, as in NTP (RFC 5905, section 8), with an error of at most
//! half the smallest round trip. Clocks also drift: the estimate is made for each interval of time, and a
//! robust line is fitted, so that single intervals in which one direction was delayed do not count.

use crate::capture::{ClockCorrection, ClockStep};
use crate::time::{Span, Timestamp};

/// What clocks that run may differ by from one interval to the next; by more, one of them was set.
const MIN_STEP: Span = Span::from_millis(200);
/// Segments needed in each direction.
const MIN_SEGMENTS: usize = 4;
/// The most intervals of time.
const STRETCHES: usize = 48;
/// The least segments per interval, on average.
const IN_STRETCH: usize = 24;
/// The shortest time over which a drift is estimated.
const MIN_FOR_DRIFT: Span = Span::from_millis(10_000);
/// No clock drifts more: `adjtimex` slews by 500 ppm, chrony by somewhat more, and quartz is far better.
const MAX_DRIFT: f64 = 5_000e-6;
/// Two captures on one host get the same timestamps, except for rounding.
const SAME_PLACE: Span = Span::from_micros(2);

/// A segment found in two captures: the reference, and the one whose clock is to be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its time by the clock to be corrected.
    pub at: Timestamp,
    /// The reference's time minus this one.
    pub ahead: Span,
    /// Whether the reference's end of the path sent it.
    pub is_outward: bool,
}

/// An estimated clock correction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The correction.
    pub clock: ClockCorrection,
    /// The largest error of corrected times, as far as the points show: half the smallest round trip, or the
    /// spread of the intervals.
    pub uncertainty: Span,
    /// Segments found in both captures.
    pub matched: usize,
    /// The time between the segments around a step, somewhere in which it is; zero where there is none.
    pub step_within: Span,
}

impl Estimate {
    /// Whether the two clocks agree within the uncertainty.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.clock.drift == 0.0
            && self.clock.step.is_none()
            && self.clock.offset.nanos().unsigned_abs() <= self.uncertainty.nanos().unsigned_abs()
    }
}

/// The round trip between the two capture points: the apparent delay of segments to the reference plus that
/// of segments from it. Negative if "outward" is the wrong way round; zero for captures at the same point;
/// `None` if one direction is missing. Segments of opposite directions are compared only with their
/// neighbours in time, so that drift does not matter.
#[must_use]
pub fn separation(points: &mut [Point]) -> Option<Span> {
    points.sort_unstable_by_key(|point| point.at);
    let mut apart: Vec<i64> = points
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] if a.is_outward && !b.is_outward => Some(b.ahead.nanos().saturating_sub(a.ahead.nanos())),
            [a, b] if !a.is_outward && b.is_outward => Some(a.ahead.nanos().saturating_sub(b.ahead.nanos())),
            _ => None,
        })
        .collect();
    (apart.len() >= MIN_SEGMENTS).then(|| Span::from_nanos(median(&mut apart)))
}

/// Whether a round trip is that of two captures at the same point.
#[must_use]
pub const fn is_one_place(separation: Span) -> bool {
    separation.nanos().unsigned_abs() <= SAME_PLACE.nanos().unsigned_abs()
}

/// Estimates the correction between two clocks; `None` if the points do not suffice.
#[must_use]
pub fn estimate(points: &mut [Point]) -> Option<Estimate> {
    let outward = points.iter().filter(|point| point.is_outward).count();
    if outward < MIN_SEGMENTS || points.len() - outward < MIN_SEGMENTS {
        return None;
    }
    points.sort_unstable_by_key(|point| point.at);
    if let Some(stepped) = with_step(points) {
        return Some(stepped);
    }
    let (first, last) = (points.first()?.at, points.last()?.at);
    let length = last.since(first);
    let anchor = first.plus(length.over(2));
    // A reference point in the middle, so that the fitted numbers stay small.
    let base = points.get(points.len() / 2)?.ahead;
    let mut drift = 0.0;
    if length.nanos() >= MIN_FOR_DRIFT.nanos() {
        // Until the drift is known, it distorts the intervals themselves.
        for _ in 0..6 {
            let stretches = good(stretches(points, anchor, base, drift));
            let more = slope(&stretches);
            drift += more;
            if more.abs() < 1e-10 {
                break;
            }
        }
        if drift.abs() > MAX_DRIFT {
            return None;
        }
    }
    let with = fit(points, anchor, base, drift)?;
    let without = fit(points, anchor, base, 0.0)?;
    // A drift that does not improve the fit is dropped.
    let bent = whole(drift.abs() * nanos(length) / 2.0);
    Some(if bent > with.uncertainty.nanos() { with } else { without })
}

/// The correction of a clock that was set forward once, or whose reference was; `None` where none was. One that was
/// set back has the same times twice, which no correction by time can tell apart.
fn with_step(points: &[Point]) -> Option<Estimate> {
    let jumps = || {
        points.windows(2).enumerate().filter_map(|(index, pair)| match pair {
            [a, b] => Some((index + 1, b.ahead.nanos().saturating_sub(a.ahead.nanos()))),
            _ => None,
        })
    };
    let fallen = jumps().min_by_key(|(_, jump)| *jump)?;
    let risen = jumps().max_by_key(|(_, jump)| *jump)?;
    [fallen, risen].into_iter().find_map(|(place, _)| stepped_at(points, place))
}

/// The correction where it was set before the point of this index.
fn stepped_at(points: &[Point], place: usize) -> Option<Estimate> {
    let least = MIN_STEP.nanos().unsigned_abs();
    let (before, after) = points.split_at_checked(place)?;
    let [before_fit, after_fit] = [level(before)?, level(after)?];
    let by = after_fit.clock.offset.nanos().saturating_sub(before_fit.clock.offset.nanos());
    let uncertainty = before_fit.uncertainty.max(after_fit.uncertainty);
    // Either side is level, and far from the other: else something was delayed.
    let far = by.unsigned_abs();
    if far < least || uncertainty.nanos().unsigned_abs().saturating_mul(8) > far {
        return None;
    }
    let (last, next) = (before.last()?.at, after.first()?.at);
    let step = ClockStep { at: last.plus(next.since(last).over(2)), by: Span::from_nanos(by) };
    let clock = ClockCorrection { step: Some(step), ..before_fit.clock };
    Some(Estimate { clock, uncertainty, matched: points.len(), step_within: next.since(last) })
}

/// A clock that neither drifts nor is set, as far as one part of the points shows.
fn level(points: &[Point]) -> Option<Estimate> {
    let outward = points.iter().filter(|point| point.is_outward).count();
    if outward < MIN_SEGMENTS || points.len() - outward < MIN_SEGMENTS {
        return None;
    }
    let base = points.get(points.len() / 2)?.ahead;
    fit(points, points.first()?.at, base, 0.0)
}

/// An interval: its middle, the clock offset in it, and the uncertainty.
#[derive(Clone, Copy, Debug)]
struct OffsetInterval {
    at: f64,
    middle: f64,
    half_width: f64,
}

fn fit(points: &[Point], anchor: Timestamp, base: Span, drift: f64) -> Option<Estimate> {
    let stretches = good(stretches(points, anchor, base, drift));
    let mut middles: Vec<f64> = stretches.iter().map(|stretch| stretch.middle).collect();
    let offset = middle_of(&mut middles)?;
    let mut widths: Vec<f64> = stretches.iter().map(|stretch| stretch.half_width.abs()).collect();
    let half_width = middle_of(&mut widths)?;
    let farthest = middles.iter().map(|middle| (middle - offset).abs()).fold(half_width, f64::max);
    let offset = Span::from_nanos(base.nanos().saturating_add(whole(offset)));
    Some(Estimate {
        clock: ClockCorrection { anchor, offset, drift, step: None },
        // Timestamps have whole microseconds.
        uncertainty: Span::from_nanos(whole(farthest).max(1_000)),
        matched: points.len(),
        step_within: Span::ZERO,
    })
}

#[expect(clippy::cast_precision_loss, reason = "some nanoseconds of some hours do not matter")]
const fn nanos(span: Span) -> f64 {
    span.nanos() as f64
}

/// Rounds to nanoseconds.
#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn whole(nanos: f64) -> i64 {
    nanos.round() as i64
}

/// Splits the time into equal intervals, and keeps those with segments in both directions.
fn stretches(points: &[Point], anchor: Timestamp, base: Span, drift: f64) -> Vec<OffsetInterval> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let count = (points.len() / IN_STRETCH).clamp(1, STRETCHES);
    let length = (last.at.since(first.at).nanos() / i64::try_from(count).unwrap_or(1)).saturating_add(1);
    let mut found = Vec::new();
    for stretch in points.chunk_by(|a, b| {
        let of = |point: &Point| point.at.since(first.at).nanos() / length;
        of(a) == of(b)
    }) {
        let (mut least, mut most) = (f64::NEG_INFINITY, f64::INFINITY);
        for point in stretch {
            let at = nanos(point.at.since(anchor));
            let ahead =
                nanos(Span::from_nanos(point.ahead.nanos().saturating_sub(base.nanos()))) - drift * at;
            if point.is_outward {
                least = least.max(ahead);
            } else {
                most = most.min(ahead);
            }
        }
        if let ([a, ..], [.., b]) = (stretch, stretch)
            && least.is_finite()
            && most.is_finite()
        {
            let at = nanos(a.at.plus(b.at.since(a.at).over(2)).since(anchor));
            found.push(OffsetInterval {
                at,
                middle: f64::midpoint(least, most),
                half_width: (most - least) / 2.0,
            });
        }
    }
    found
}

/// The intervals in which neither direction was delayed: up to twice as wide as a narrow one.
fn good(mut stretches: Vec<OffsetInterval>) -> Vec<OffsetInterval> {
    let mut widths: Vec<f64> = stretches.iter().map(|stretch| stretch.half_width.abs()).collect();
    widths.sort_unstable_by(f64::total_cmp);
    let Some(narrow) = widths.get(widths.len() / 4).copied() else { return stretches };
    stretches.retain(|stretch| stretch.half_width.abs() <= narrow * 2.0 + 1_000.0);
    stretches
}

/// The median of the slopes between any two intervals (Theil–Sen estimator): robust against a few outliers.
fn slope(stretches: &[OffsetInterval]) -> f64 {
    let mut slopes = Vec::new();
    for (index, a) in stretches.iter().enumerate() {
        for b in stretches.iter().skip(index + 1).filter(|b| b.at > a.at) {
            slopes.push((b.middle - a.middle) / (b.at - a.at));
        }
    }
    middle_of(&mut slopes).unwrap_or(0.0)
}

fn middle_of(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn median(values: &mut [i64]) -> i64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::testkit::random::Random;

    const START: Timestamp = Timestamp::from_nanos(1_795_248_000_000_000_000);

    /// Segments both ways over `secs` seconds between a reference and a clock that is `offset` behind it and
    /// loses `drift`; the one-way delay is `way`, plus up to `noise`.
    fn points(seed: u64, secs: u64, offset: Span, drift: f64, way: [u64; 2], noise: u64) -> Vec<Point> {
        let mut random = Random::new(seed);
        let truth = ClockCorrection { anchor: START, offset, drift, step: None };
        let mut points = Vec::new();
        for _ in 0..secs * 40 {
            let is_outward = random.chance(40);
            let sent = START.plus(Span::from_nanos(random.within(0..secs * 1_000_000_000).cast_signed()));
            let most = if random.chance(10) { noise * 10 } else { noise };
            let on_the_way = way[usize::from(!is_outward)] + random.within(0..most + 1);
            let arrived = sent.plus(Span::from_micros(on_the_way.cast_signed()));
            // Both by the reference's clock; the inverse correction gives the other's.
            let (reference, own) = if is_outward { (sent, arrived) } else { (arrived, sent) };
            let at = truth.back().correct(own);
            points.push(Point { at, ahead: reference.since(at), is_outward });
        }
        points
    }

    fn check(seed: u64, secs: u64, offset: Span, drift: f64, way: [u64; 2], noise: u64) -> Estimate {
        let mut points = points(seed, secs, offset, drift, way, noise);
        let found = estimate(&mut points).unwrap();
        let truth = ClockCorrection { anchor: START, offset, drift, step: None };
        for second in [0, secs / 2, secs] {
            let at = START.minus(offset).plus(Span::from_millis(second.cast_signed() * 1000));
            let wrong = found.clock.correct(at).since(truth.correct(at)).nanos().abs();
            assert!(
                wrong <= found.uncertainty.nanos() + 20_000,
                "seed {seed}: {wrong} ns wrong after {second} s, {found:?}"
            );
        }
        found
    }

    #[test]
    fn minutes_of_offset_and_drift_are_found() {
        for (seed, (offset_ms, drift)) in
            (1..).zip([(137_000, 40e-6), (-137_000, -40e-6), (1, 0.0), (600_000, 400e-6)])
        {
            let found = check(seed, 120, Span::from_millis(offset_ms), drift, [50, 50], 300);
            assert!(found.uncertainty.micros() < 400, "{found:?}");
            assert!((found.clock.drift - drift).abs() < 3e-6, "{found:?}");
            assert!(!found.agrees());
        }
    }

    #[test]
    fn a_clock_that_was_set_forward_is_found() {
        let mut points = points(13, 100, Span::from_millis(20), 0.0, [40, 40], 100);
        points.sort_unstable_by_key(|point| point.at);
        for point in &mut points {
            if point.at.since(START).millis() >= 60_000 {
                point.at = point.at.plus(Span::from_millis(4_500));
                point.ahead = Span::from_nanos(point.ahead.nanos() - 4_500_000_000);
            }
        }
        let found = estimate(&mut points).unwrap();
        assert!(found.uncertainty.micros() < 500 && !found.agrees(), "{found:?}");
        for (own, true_one) in [(59_000, 59_020), (65_000, 60_520)] {
            let at = |millis| START.plus(Span::from_millis(millis));
            let wrong = found.clock.correct(at(own)).since(at(true_one)).nanos().abs();
            assert!(wrong < 500_000, "{wrong}: {found:?}");
        }
    }

    #[test]
    fn a_long_and_uneven_way_is_told_as_uncertainty() {
        // 100 ms there, 20 ms back: half of the difference cannot be observed.
        let found = check(7, 60, Span::from_millis(5_000), 0.0, [100_000, 20_000], 2_000);
        assert!((55_000..80_000).contains(&found.uncertainty.micros()), "{found:?}");
    }

    #[test]
    fn clocks_that_agree_are_left_alone() {
        let found = check(9, 90, Span::ZERO, 0.0, [20, 20], 100);
        assert!(found.agrees(), "{found:?}");
        assert_eq!(found.clock.drift, 0.0);
    }

    #[test]
    fn a_direction_held_up_for_a_while_does_not_count() {
        let mut points = points(11, 100, Span::from_millis(2_000), 10e-6, [40, 40], 100);
        for point in &mut points {
            let second = point.at.since(START).millis() / 1000;
            if point.is_outward && (40..60).contains(&second) {
                point.at = point.at.plus(Span::from_millis(150));
                point.ahead = Span::from_nanos(point.ahead.nanos() - 150_000_000);
            }
        }
        let found = estimate(&mut points).unwrap();
        assert!(found.uncertainty.micros() < 500, "{found:?}");
        assert!((found.clock.offset.nanos() - 2_000_000_000).abs() < 2_000_000, "{found:?}");
    }

    #[test]
    fn the_round_trip_tells_the_ends_apart() {
        let mut there = points(3, 30, Span::from_millis(9_000), 40e-6, [8, 8], 20);
        let apart = separation(&mut there).unwrap();
        assert!((10..60).contains(&apart.micros()), "{apart:?}");
        there.iter_mut().for_each(|point| point.is_outward = !point.is_outward);
        assert!(separation(&mut there).unwrap().nanos() < -10_000);
        let mut same = points(4, 30, Span::from_millis(9_000), 40e-6, [0, 0], 0);
        assert!(is_one_place(separation(&mut same).unwrap()));
    }

    #[test]
    fn too_little_tells_nothing() {
        assert_eq!(estimate(&mut []), None);
        let mut one_way = points(5, 10, Span::ZERO, 0.0, [1, 1], 1);
        one_way.retain(|point| point.is_outward);
        assert_eq!(estimate(&mut one_way), None);
        assert_eq!(separation(&mut one_way), None);
        let extreme = |at, ahead, is_outward| Point { at, ahead: Span::from_nanos(ahead), is_outward };
        let mut wild: Vec<_> = (0..40)
            .map(|i| {
                let at = if i % 3 == 0 { Timestamp::MIN } else { Timestamp::MAX };
                extreme(at, if i % 2 == 0 { i64::MAX } else { i64::MIN }, i % 5 < 2)
            })
            .collect();
        let _ = (separation(&mut wild), estimate(&mut wild));
    }
}
