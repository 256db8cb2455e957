//! The screen in buffers of two sizes, compared with the files beside this one, and the keys.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use super::*;
use crate::diagnose::Analyzer;
use crate::dissect::Direction;
use crate::findings::{Origin, Received, Role};
use crate::proto::PacketType;
use crate::report::clock::{Digits, WallClock};
use crate::testkit::event::{at, open, packet};
use crate::time::Timestamp;
use crate::track::TrackerOptions;
use jiff::tz::TimeZone;
use ratatui::backend::TestBackend;
use ratatui::style::Color;
use std::path::Path;
use std::time::Duration;

const REWRITE: &str = "QSCOPE_REWRITE_GOLDEN";

fn screen() -> State {
    let clock = WallClock { zone: TimeZone::UTC, digits: Digits::Six };
    let mut state = State::new(clock);
    state.records = true;
    state
}

fn gauge(learner: &str, shares: [Option<u16>; 4], past: &[u16]) -> LinkGauge {
    LinkGauge {
        leader: "zk5".to_owned(),
        learner: learner.to_owned(),
        role: Some(Role::Follower),
        is_open: true,
        shares,
        past: past.iter().map(|share| Some(*share)).collect(),
        ping_p99_us: Some(1_234),
        ack_p99_us: Some(87),
        commit_p99_us: None,
        resent: 3,
        sessions: 41,
    }
}

/// An ensemble of which one member is silent and one is slow; one observer is gone.
fn troubled() -> ScreenSnapshot {
    let rising: Vec<u16> = (0..60).map(|at| at * 2).collect();
    let mut gone = gauge("10.255.255.104", [None; 4], &[5; 30]);
    (gone.is_open, gone.role) = (false, Some(Role::Observer));
    ScreenSnapshot {
        at: Timestamp::from_parts(1_795_248_152, 505_248_000),
        source: "eth0".to_owned(),
        limits: "tickTime 2000 ms, syncLimit 5, initLimit 10".to_owned(),
        warn_at_percent: 50,
        links: vec![
            gauge("zk1", [Some(10), Some(11), Some(0), None], &[10; 60]),
            gauge("zk2", [Some(118), Some(11), Some(64), None], &rising),
            gauge("a-name-that-is-longer-than-any-column", [Some(55), Some(50), None, Some(3)], &[55; 7]),
            gone,
        ],
        refused: 0,
        open_stalls: 1,
        frames: 123_456,
        received: Some(Received { received: 123_457, dropped_kernel: 1, ..Received::default() }),
        lag_ms: Some(12),
    }
}

fn entry(number: u32, level: Attention, word: &'static str, sentence: &str) -> Announced {
    Announced {
        time: format!("08:02:{:02}.505", number % 60),
        word,
        level,
        sentence: sentence.to_owned(),
        details: vec![
            "deadline: leader_read: the leader's read timeout".to_owned(),
            "note: a tcpdump there would show whether it sent anything".to_owned(),
            "evidence: 08:02:20.482 the last new bytes from there".to_owned(),
        ],
    }
}

fn troubled_screen() -> State {
    let mut state = screen();
    state.update(troubled());
    state.announce(entry(10, Attention::Plain, "START", "watching eth0: tcp port 2888 or tcp port 3888"));
    state.announce(entry(
        26,
        Attention::Warning,
        "WARNING",
        "zk5 hears nothing from zk2 for 5.0 s (50 % of 10.0 s)",
    ));
    let sentence = "#1 zk2 quiet towards its leader zk5 since 08:02:20.482, limit 10.0 s passed; process_stalled \
                    (its kernel goes on acknowledging, the process reads nothing), suspect zk2";
    state.announce(entry(31, Attention::Alarm, "STALL", sentence));
    state
}

/// The lines that a window of that size shows, and the buffer behind them.
fn shown(state: &State, width: u16, height: u16) -> (Vec<String>, TestBackend) {
    shown_late(state, width, height, Duration::ZERO)
}

fn shown_late(state: &State, width: u16, height: u16, age: Duration) -> (Vec<String>, TestBackend) {
    let mut terminal = ratatui::Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| {
            let area = frame.area();
            draw(state, age, area, frame.buffer_mut());
        })
        .unwrap();
    let buffer = terminal.backend().buffer();
    let lines = (0..height)
        .map(|y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned())
        .collect();
    (lines, terminal.backend().clone())
}

/// Compares lines with a file beside this one.
fn is_as_in(lines: &[String], name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/live/screen").join(name);
    let text = lines.join("\n") + "\n";
    if std::env::var_os(REWRITE).is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{REWRITE}=1 rewrites {name}");
}

#[test]
fn a_small_window_and_a_wide_one_show_it_all() {
    let state = troubled_screen();
    is_as_in(&shown(&state, 80, 24).0, "screen-80x24.txt");
    is_as_in(&shown(&state, 200, 50).0, "screen-200x50.txt");
}

#[test]
fn what_matters_has_a_mark_or_a_word_and_not_only_a_colour() {
    let mut state = troubled_screen();
    let plain = shown(&state, 80, 24);
    let coloured =
        |backend: &TestBackend| backend.buffer().content().iter().any(|cell| cell.fg != Color::Reset);
    assert!(!coloured(&plain.1));
    state.is_coloured = true;
    let colours = shown(&state, 80, 24);
    assert!(coloured(&colours.1));
    assert_eq!(plain.0, colours.0, "the text is the same with and without");
    let line = |name: &str| plain.0.iter().find(|line| line[1..].starts_with(&format!(" {name}"))).unwrap();
    assert!(line("zk2").starts_with('!') && line("zk1").starts_with(' '), "{:#?}", plain.0);
    assert!(line("a-name").starts_with('~') && line("10.255").starts_with('x'), "{:#?}", plain.0);
    state.is_unicode = false;
    let ascii = shown(&state, 80, 24).0;
    assert!(ascii.iter().all(|line| line.is_ascii()), "{ascii:#?}");
}

#[test]
fn no_window_is_too_small_or_too_odd() {
    let mut state = troubled_screen();
    for mode in ["", "?", "\n", "/"] {
        state.key(ScreenKey::Escape);
        for c in mode.chars() {
            state.key(if c == '\n' { ScreenKey::Enter } else { ScreenKey::Char(c) });
        }
        for (width, height) in
            [(1, 1), (59, 30), (60, 12), (61, 200), (80, 11), (300, 13), (139, 24), (140, 24)]
        {
            shown(&state, width, height);
            shown(&screen(), width, height);
        }
    }
    assert!(shown(&state, 40, 10).0[0].contains("too small"));
}

#[test]
fn where_not_all_links_have_room_those_nearest_to_their_limits_have() {
    let mut state = screen();
    let calm = (0..40).map(|number| gauge(&format!("calm{number}"), [Some(number), None, None, None], &[]));
    let mut links: Vec<_> = calm.collect();
    links.push(gauge("silent", [Some(300), None, None, None], &[]));
    state.update(ScreenSnapshot { links, ..troubled() });
    let (lines, _) = shown(&state, 80, 24);
    let has = |what: &str| lines.iter().any(|line| line.contains(what));
    assert!(has("silent") && has("calm39") && !has("calm0 ") && has(" more that are farther"), "{lines:#?}");
}

#[test]
fn announcements_are_chosen_filtered_and_bounded() {
    let mut state = troubled_screen();
    let chosen = |state: &State| state.chosen().unwrap().1.word;
    assert_eq!(chosen(&state), "STALL", "the newest, unless told otherwise");
    state.key(ScreenKey::Up);
    assert_eq!(chosen(&state), "WARNING");
    state.announce(entry(40, Attention::Over, "STALL over", "#1 zk2 quiet"));
    assert_eq!(chosen(&state), "WARNING", "what comes does not move the choice");
    state.key(ScreenKey::Home);
    assert_eq!(chosen(&state), "START");
    state.key(ScreenKey::PageDown);
    assert_eq!(chosen(&state), "STALL over");
    "/zk2 q".chars().for_each(|c| assert_eq!(state.key(ScreenKey::Char(c)), Asked::Nothing));
    assert_eq!(state.listed().count(), 3 - 1, "the characters of a filter are no keys");
    state.key(ScreenKey::Backspace);
    state.key(ScreenKey::Backspace);
    state.key(ScreenKey::Enter);
    assert_eq!((state.listed().count(), state.links().len()), (3, 1));
    assert!(shown(&state, 80, 24).0.iter().any(|line| line.contains("filter: zk2")));
    state.key(ScreenKey::Escape);
    assert_eq!((state.listed().count(), state.links().len()), (4, 4));
    (0..5_000).for_each(|number| state.announce(entry(number, Attention::Plain, "NOTICE", "no")));
    assert_eq!(state.listed().count(), 1_000);
    state.key(ScreenKey::Home);
    (0..2_000).for_each(|number| state.announce(entry(number, Attention::Plain, "NOTICE", "no")));
    shown(&state, 80, 24);
}

#[test]
fn a_pause_holds_what_is_shown_and_says_so() {
    let mut state = troubled_screen();
    state.key(ScreenKey::Char('p'));
    let (before, _) = shown(&state, 80, 24);
    assert!(before[0].contains("PAUSED"), "{}", before[0]);
    state.announce(entry(40, Attention::Over, "STALL over", "#1 zk2 quiet"));
    state.update(ScreenSnapshot { links: Vec::new(), open_stalls: 0, ..troubled() });
    let (after, _) = shown(&state, 80, 24);
    assert!(after[0].contains("PAUSED, 1 new"), "{}", after[0]);
    assert_eq!(before[1..], after[1..], "all below the title");
    state.key(ScreenKey::Char('p'));
    let (resumed, _) = shown(&state, 80, 24);
    assert!(resumed.iter().any(|line| line.contains("no link between")), "{resumed:#?}");
}

#[test]
fn keys_ask_for_what_the_watching_does() {
    let mut state = troubled_screen();
    assert_eq!(state.key(ScreenKey::Char('r')), Asked::Record);
    state.records = false;
    assert_eq!(state.key(ScreenKey::Char('r')), Asked::Nothing);
    assert!(shown(&state, 80, 24).0[23].contains("--record DIR"));
    assert_eq!(state.key(ScreenKey::Char('?')), Asked::Nothing);
    assert!(shown(&state, 80, 24).0.iter().any(|line| line.contains("PgUp")));
    assert_eq!(state.key(ScreenKey::Char('q')), Asked::Nothing, "any key leaves the help");
    assert_eq!(state.key(ScreenKey::Char('q')), Asked::Quit);
    assert_eq!(state.key(ScreenKey::Interrupt), Asked::Quit);
}

#[test]
fn an_old_state_and_lost_announcements_are_told() {
    let mut state = troubled_screen();
    let status =
        |state: &State, seconds| shown_late(state, 140, 24, Duration::from_secs(seconds)).0[22].clone();
    assert!(!status(&state, 0).contains("nothing new"));
    assert!(status(&state, 7).contains("nothing new for 7 s"), "{}", status(&state, 7));
    state.lost(12);
    assert!(status(&state, 0).contains("12 announcements not shown"), "{}", status(&state, 0));
}

#[test]
fn gauges_follow_the_trackers() {
    let mut analyzer =
        Analyzer::new(TrackerOptions { tick_ms: Some((2_000, Origin::Option)), ..TrackerOptions::default() });
    open(&mut analyzer, 1, 0);
    let slot = open(&mut analyzer, 2, 0);
    packet(&mut analyzer, slot, Direction::ToLearner, PacketType::Ping, 1, 1_000);
    packet(&mut analyzer, slot, Direction::ToLeader, PacketType::Ping, 1, 1_005);
    let mut gauges = Gauges::default();
    (0..80).for_each(|quarter| gauges.gather(analyzer.tracker(), at(quarter * 250)));
    let rows = gauges.rows();
    // The first has shown no packet: nobody knows that it is a link. Nothing of TCP is seen of the second since 0 s, so
    // as of 19.75 s of 10 s:
    assert_eq!((rows.len(), rows[0].shares[0], rows[0].is_open), (1, Some(197), true), "{rows:#?}");
    assert_eq!(rows[0].past, [47, 97, 147, 197].map(Some));
    assert_eq!(rows[0].ping_p99_us, Some(5_000));
    // Ten minutes without any look: nothing of the past is left, and nobody is let go who is linked.
    gauges.gather(analyzer.tracker(), at(700_000));
    let rows = gauges.rows();
    assert_eq!((rows.len(), rows[0].past.len()), (1, 60));
    assert_eq!(rows[0].past[..59], [None; 59]);
    assert_eq!(rows[0].shares[0], Some(999));
}
