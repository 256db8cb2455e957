//! Sheets: late events, widening, long waits.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use crate::dissect::Direction;
use crate::findings::Deadline;
use crate::testkit::random::Random;
use std::sync::{Arc, Mutex};

const DIRECTION: Direction = Direction::ToLeader;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_nanos(1_795_248_120_000_000_000).plus(Span::from_millis(ms))
}

fn sealed(mut sheet: Sheet) -> Sheet {
    sheet.seal();
    sheet
}

#[test]
fn each_interval_has_its_own() {
    let mut sheet = Sheet::default();
    for ms in [10, 20, 350] {
        sheet.record(at(ms), DIRECTION, true);
        sheet.trip(Trip::Ack, at(ms), 1_000);
    }
    sheet.sessions(at(350), 3);
    sheet.retransmitted(DIRECTION, at(120));
    sheet.missing(DIRECTION, at(50), 7);
    let intervals = sealed(sheet).intervals(false);
    assert_eq!(intervals.len(), 4);
    let counts: Vec<_> =
        intervals.iter().map(|one| (one.records.to_leader, one.retransmits.to_leader)).collect();
    assert_eq!(counts, [(2, 0), (0, 1), (0, 0), (1, 0)]);
    assert_eq!(intervals[0].ack.unwrap().count, 2);
    assert_eq!((intervals[1].ack, intervals[1].sessions), (None, None));
    assert_eq!((intervals[0].missing.to_leader, intervals[3].sessions), (7, Some(3)));
}

#[test]
fn what_comes_late_goes_where_it_belongs() {
    let mut sheet = Sheet::default();
    for ms in [1_000, 1_500, 400, 1_010, 1_500] {
        sheet.record(at(ms), DIRECTION, false);
        sheet.trip(Trip::Ping, at(ms), 500);
    }
    let intervals = sealed(sheet).intervals(false);
    let counts: Vec<_> = intervals.iter().map(|one| one.records.to_leader).collect();
    assert_eq!(counts, [1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2]);
    assert!(intervals.iter().all(|one| one.ping.map_or(0, |ping| ping.count) == one.records.to_leader));
}

#[test]
fn the_width_doubles_and_nothing_is_lost() {
    let mut random = Random::new(3);
    let mut sheet = Sheet::default();
    for step in 0..50_000 {
        let when = at(step * 100 + i64::try_from(random.within(0..100)).unwrap() - 3_000);
        sheet.record(when, DIRECTION, true);
        sheet.trip(Trip::Commit, when, random.within(1..5_000));
    }
    let sheet = sealed(sheet);
    let (first, end) = sheet.extent_at(sheet.width());
    let len = usize::try_from(end - first).unwrap();
    assert!(len <= MAX_INTERVALS && len > MAX_INTERVALS / 4, "{len}");
    assert_eq!(sheet.width().millis() % 100, 0);
    let (mut records, mut trips) = (0, 0);
    for one in sheet.clone().intervals(false) {
        records += one.records.to_leader;
        trips += one.commit.map_or(0, |trips| trips.count);
    }
    assert_eq!((records, trips), (50_000, 50_000));
    assert!(sheet.held_bytes() < 4_000_000, "{}", sheet.held_bytes());
}

#[test]
fn a_long_wait_grows_from_interval_to_interval() {
    let mut sheet = Sheet::default();
    sheet.record(at(0), DIRECTION, false);
    sheet.wait(Deadline::LeaderRead, at(50), Span::from_millis(420));
    sheet.wait(Deadline::LeaderRead, at(480), Span::from_millis(10));
    sheet.wait(Deadline::Ack, at(10), Span::from_millis(5));
    let intervals = sealed(sheet).intervals(false);
    let waits: Vec<_> = intervals.iter().map(|one| one.waits[0].map(Span::millis)).collect();
    assert_eq!(waits, [Some(50), Some(150), Some(250), Some(350), Some(420)]);
    assert_eq!(intervals[0].waits[2].map(Span::millis), Some(5));
}

#[test]
fn waits_are_taken_back() {
    let mut sheet = Sheet::default();
    sheet.wait(Deadline::Ack, at(0), Span::from_millis(1_000));
    sheet.take_back(Deadline::Ack, at(300), Timestamp::MAX);
    let intervals = sealed(sheet).intervals(false);
    // The first interval is that of the end: what began before was not watched.
    assert!(intervals.iter().all(|one| one.waits[2].is_none()), "{intervals:?}");
}

#[test]
fn clocks_of_all_centuries_are_borne() {
    let mut sheet = Sheet::default();
    for at in
        [Timestamp::from_nanos(0), Timestamp::MAX, Timestamp::MIN, Timestamp::from_nanos(-1), Timestamp::MAX]
    {
        sheet.record(at, DIRECTION, false);
        sheet.trip(Trip::Ack, at, u64::MAX);
        sheet.wait(Deadline::Init, Timestamp::MIN, at.since(Timestamp::MIN));
        sheet.wait(Deadline::Init, at, Span::from_nanos(i64::MIN));
    }
    sheet.keep_within(0);
    let sheet = sealed(sheet);
    let records: u64 = sheet.clone().intervals(false).iter().map(|one| one.records.to_leader).sum();
    assert_eq!(records, 5);
    let series = side_by_side(
        vec![(1, sheet.clone()), (2, sheet.clone())],
        SeriesOptions { max_intervals: 0, buckets: false },
    );
    assert_eq!(series.links.len(), 2);
}

#[test]
fn sheets_are_set_side_by_side() {
    let (mut one, mut other) = (Sheet::default(), Sheet::default());
    (0..3_000).for_each(|step| one.record(at(step * 100), DIRECTION, false));
    other.record(at(200_000), DIRECTION, false);
    let series = side_by_side(
        vec![(4, sealed(one)), (0, sealed(other))],
        SeriesOptions { max_intervals: 10_000, buckets: false },
    );
    assert_eq!((series.width.millis(), series.links.len(), series.intervals), (200, 1, 1_500));
    let rest = series.rest.unwrap();
    assert_eq!((rest.first, rest.intervals.len()), (1_000, 1));
}

#[test]
fn links_beyond_the_detailed_share_one_sheet_and_a_copy_has_its_own() {
    let mut book = SeriesBook::new(Some(SeriesOptions { max_intervals: 10_000, buckets: true }));
    let mut keepers: Vec<_> = (0..MAX_DETAILED + 2).map(|_| book.keeper()).collect();
    let wait = |keeper: &mut Keeper| keeper.wait(Deadline::Ack, at(0), Span::from_millis(1));
    keepers.iter_mut().for_each(wait);
    let is_shared = |keeper: &&Keeper| matches!(keeper, Keeper::Shared(_));
    assert_eq!(keepers.iter().filter(is_shared).count(), 2);
    let mut copy = book.clone();
    let mut copied = keepers.clone();
    copy.detach(copied.iter_mut());
    copied.last_mut().unwrap().missing(DIRECTION, at(0), 5);
    let rest = |book: SeriesBook| book.finish([]).unwrap().rest.unwrap().intervals[0].missing.to_leader;
    assert_eq!((rest(book), rest(copy)), (0, 5));
    assert!(matches!(SeriesBook::new(None).keeper(), Keeper::Off));
}

#[test]
fn what_links_gather_for_the_others_is_what_one_sheet_would_have() {
    let mut random = Random::new(11);
    let shared = Arc::new(Mutex::new(Sheet::default()));
    let mut shares: Vec<_> = (0..5).map(|_| Share::of(Arc::clone(&shared))).collect();
    let mut one = Sheet::default();
    for step in 0..40_000 {
        let when = at(step * 20 + i64::try_from(random.within(0..3_000)).unwrap());
        let share = &mut shares[usize::try_from(random.within(0..5)).unwrap()];
        if random.within(0..3) == 0 {
            let len = Span::from_millis(i64::try_from(random.within(0..400)).unwrap());
            share.wait(Deadline::Ack, when, len);
            one.wait(Deadline::Ack, when, len);
        } else {
            share.record(when, DIRECTION, step % 2 == 0);
            one.record(when, DIRECTION, step % 2 == 0);
        }
    }
    shares.iter_mut().for_each(Share::flush);
    let mut all = sealed(shared.lock().unwrap().clone());
    let mut one = sealed(one);
    // The width may have doubled at another moment.
    let width = all.width().max(one.width());
    all.widen_to(width);
    one.widen_to(width);
    let shown = |sheet: Sheet| {
        let all = sheet.intervals(false).into_iter();
        all.map(|one| (one.records.to_leader, one.proposals, one.waits)).collect::<Vec<_>>()
    };
    assert_eq!(all.extent_at(width), one.extent_at(width));
    let (all, one) = (shown(all), shown(one));
    assert_eq!(all.len(), one.len());
    for (all, one) in all.iter().zip(&one) {
        assert_eq!((all.0, all.1), (one.0, one.1));
        // A wait over several intervals stops at one that has a longer one: gathered ones come later, so none is lost.
        assert!(all.2.iter().zip(&one.2).all(|(all, one)| all >= one), "{all:?} {one:?}");
    }
}
