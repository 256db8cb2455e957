//! The page of ten hours of five servers: from the trackers to the last byte of the file.
//!
//!     cargo bench --bench page

#![allow(missing_docs, reason = "criterion's macros make functions without")]

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::tz::TimeZone;
use quorumscope::address::{Address, Endpoint};
use quorumscope::diagnose::Analyzer;
use quorumscope::dissect::{Direction, Event, LinkOpened, Observer, PacketSeen};
use quorumscope::findings::selection::Selection;
use quorumscope::frame::FrameRef;
use quorumscope::proto::{PacketType, Zxid};
use quorumscope::report::clock::{Digits, WallClock};
use quorumscope::report::{html, text};
use quorumscope::stream::ConnectionSlot;
use quorumscope::time::{Span, Timestamp};
use quorumscope::track::TrackerOptions;
use quorumscope::track::series::SeriesOptions;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

const HOURS: i64 = 10;
/// A leader and four followers.
const LINKS: u32 = 4;
/// PROPOSALs a second.
const WRITES: i64 = 5;
/// Seconds between two silences of a follower beyond its limit.
const BETWEEN_STALLS: i64 = 1_800;

fn endpoint(host: u32, port: u16) -> Endpoint {
    Endpoint { address: Address::from(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + host))), port }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_parts(1_795_248_000, 0).plus(Span::from_millis(millis))
}

fn packet(
    analyzer: &mut Analyzer,
    link: u32,
    direction: Direction,
    kind: PacketType,
    zxid: u64,
    millis: i64,
) {
    let packet = PacketSeen {
        direction,
        kind,
        zxid: Some(Zxid(0x1_0000_0000 + zxid)),
        data_len: Some(-1),
        size: Some(20),
        at: at(millis),
        last_at: at(millis),
        frame: FrameRef::default(),
        seen: &[],
        cut: 0,
        inferred: false,
        timed: true,
    };
    analyzer.event(Event::Packet(ConnectionSlot(link), &packet));
}

/// Trackers that have seen ten hours of PINGs and writes.
fn ten_hours() -> Analyzer {
    let series = Some(SeriesOptions { max_intervals: html::MAX_INTERVALS, buckets: false });
    let mut analyzer =
        Analyzer::new(TrackerOptions { series, warn_at_percent: 50, ..TrackerOptions::default() });
    for link in 0..LINKS {
        let (leader, learner) = (endpoint(200, 2888), endpoint(link + 1, 40_000));
        let frame = FrameRef::default();
        let opened = LinkOpened { leader, learner, at: at(0), frame, picked_up: true };
        analyzer.event(Event::LinkOpened(ConnectionSlot(link), &opened));
    }
    let mut zxid = 0;
    for second in 0..HOURS * 3_600 {
        let now = second * 1_000;
        for link in 0..LINKS {
            packet(&mut analyzer, link, Direction::ToLearner, PacketType::Ping, zxid, now);
            let is_silent = link == 1 && second % BETWEEN_STALLS < 15;
            if !is_silent {
                let late = 1 + second % 7 + i64::from(link);
                packet(&mut analyzer, link, Direction::ToLeader, PacketType::Ping, zxid, now + late);
            }
        }
        for write in 1..=WRITES {
            zxid += 1;
            let now = now + write * 150;
            for (kind, direction, after) in [
                (PacketType::Proposal, Direction::ToLearner, 0),
                (PacketType::Ack, Direction::ToLeader, 3),
                (PacketType::Commit, Direction::ToLearner, 5),
            ] {
                (0..LINKS).for_each(|link| packet(&mut analyzer, link, direction, kind, zxid, now + after));
            }
        }
    }
    analyzer
}

fn style() -> text::Style {
    text::Style {
        clock: WallClock { zone: TimeZone::UTC, digits: Digits::Six },
        is_coloured: false,
        warn_at_percent: 50,
        is_verbose: false,
        selection: Selection::default(),
    }
}

fn page(criterion: &mut Criterion) {
    let analyzer = ten_hours();
    let style = style();
    let mut group = criterion.benchmark_group("page");
    group.sample_size(10);
    group.bench_function("ten hours of five servers, judged and written", |bench| {
        bench.iter(|| {
            let report = analyzer.clone().finish(&[Some(at(HOURS * 3_600_000))]);
            let mut page = Vec::new();
            html::write(&report, &style, &mut page).map(|()| black_box(page.len()))
        });
    });
    let report = analyzer.clone().finish(&[Some(at(HOURS * 3_600_000))]);
    group.bench_function("written", |bench| {
        bench.iter(|| {
            let mut page = Vec::new();
            html::write(&report, &style, &mut page).map(|()| black_box(page.len()))
        });
    });
    group.finish();
}

criterion_group!(benches, page);
criterion_main!(benches);
