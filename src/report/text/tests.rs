use super::*;
use crate::address::Address;
use crate::dissect::Protection;
use crate::findings::incident::{Blind, Confidence, Coverage, Incident, Reason, StallCoverage};
use crate::findings::{
    Cause, Deadline, NearMiss, Origin, Stall, Suspect,
    log::{LogSays, LogVerdict},
    sample::{self, address, at},
};
use crate::report::clock::Digits;
use crate::report::wording::IncidentWords;
use crate::time::Timestamp;
use jiff::tz::TimeZone;
use std::fs;

/// Set to write the golden files anew; look at what changed before you commit it.
const REWRITE: &str = "QSCOPE_REWRITE_GOLDEN";

fn style() -> Style {
    Style {
        clock: WallClock { zone: TimeZone::UTC, digits: Digits::Six },
        is_coloured: false,
        warn_at_percent: 50,
        is_verbose: true,
        selection: Selection::default(),
    }
}

fn first_screen() -> Style {
    Style { is_verbose: false, ..style() }
}

/// A report of a quiet night.
fn quiet() -> Report {
    let mut report = sample::report();
    report.incidents.clear();
    report.outages.clear();
    report.stalls.clear();
    report.near_misses.clear();
    report.violations.clear();
    report.elections.clear();
    report.limits_hit.clear();
    report.links.remove(0);
    report
}

fn written(report: &Report, style: &Style) -> String {
    let mut out = Vec::new();
    write(report, style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn is_golden(name: &str, text: &str) {
    let path = format!("{}/src/report/text/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os(REWRITE).is_some() {
        fs::write(&path, text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap(), "{name}");
}

fn longest_line(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

#[test]
fn the_first_screen_is_the_answer() {
    let text = written(&sample::report(), &first_screen());
    is_golden("first_screen.txt", &text);
    assert!(text.starts_with("FOLLOWER zk1 STOOD STILL "), "{text}");
    assert!(text.lines().count() <= 24 && longest_line(&text) <= COLUMNS);
}

#[test]
fn the_rest_comes_with_verbose_and_all_fits_the_terminal() {
    let text = written(&sample::report(), &style());
    is_golden("verbose.txt", &text);
    assert!(longest_line(&text) <= COLUMNS);
    let of = |heading: &str| text.find(heading).unwrap();
    let headings = [
        "\n1 STALL",
        "\n1 NEAR MISS",
        "\n1 ELECTION",
        "\n1 VIOLATION",
        "\nLINKS",
        "\nROUND TRIPS",
        "\n30 CLIENT",
        "\nREAD",
    ];
    assert!(headings.windows(2).all(|two| of(two[0]) < of(two[1])), "{text}");
}

#[test]
fn several_incidents_are_numbered_newest_last_and_the_worst_is_named_first() {
    let mut report = sample::report();
    let mut late = sample::incident();
    (late.id, late.start, late.end) = (2, at(60_000), Some(at(62_040)));
    (late.root, late.suspect) = (Cause::NetworkLoss, Some(Suspect::Path(address(2), address(3))));
    (late.duration_ms, late.outages, late.stalls, late.elections) =
        (2_040, Vec::new(), Vec::new(), Vec::new());
    late.confidence = Confidence::Likely;
    late.why =
        vec![Reason::RunnerUp { cause: Cause::ProcessStalled, suspect: Some(Suspect::Host(address(2))) }];
    report.incidents.push(late);
    let text = written(&report, &first_screen());
    is_golden("incidents.txt", &text);
    assert!(longest_line(&text) <= COLUMNS);
    report.incidents = (1..=300).map(|id| Incident { id, ..sample::incident() }).collect();
    let text = written(&report, &first_screen());
    assert!(text.lines().count() < 120, "{}", text.lines().count());
    assert!(text.contains("\n252 earlier ones: "), "{text}");
    assert!(text.find("#299 ").unwrap() < text.rfind("#300 ").unwrap());
}

#[test]
fn no_stall_is_said_only_where_one_would_have_shown() {
    let mut report = quiet();
    report.coverage.stalls = StallCoverage::Partial;
    report.coverage.blind = vec![Blind::Bystander { unseen: 3 }, Blind::Tls { links: 1 }];
    let text = written(&report, &first_screen());
    is_golden("partly_seen.txt", &text);
    report.coverage.stalls = StallCoverage::None;
    report.coverage.blind = vec![Blind::SnaplenTooShort { snaplen: 64, needed: 96 }];
    let text = written(&report, &first_screen());
    is_golden("not_seen.txt", &text);
    assert!(!text.contains("No stall"), "{text}");
}

#[test]
fn what_tls_hides_is_no_all_clear_even_where_no_coverage_is_known() {
    let mut report = quiet();
    report.coverage = Coverage::default();
    let some = written(&report, &first_screen());
    assert!(
        some.starts_with("No stall in what was seen, but not everything was: 1 link is encrypted"),
        "{some}"
    );
    report.links.retain(|link| link.protection == Protection::Tls);
    assert!(!written(&report, &first_screen()).contains("No stall"));
    let mut report = quiet();
    report.coverage = Coverage::default();
    report.links.retain(|link| link.protection != Protection::Tls);
    assert!(written(&report, &first_screen()).starts_with("No stall. "));
}

#[test]
fn each_root_has_its_own_words() {
    let mut report = sample::report();
    let (a, b) = (address(1), address(3));
    let suspects = [
        Some(Suspect::Host(a)),
        Some(Suspect::Host(b)),
        Some(Suspect::HostNetwork(b)),
        Some(Suspect::Path(a, b)),
        Some(Suspect::OneWay(b, a)),
        None,
    ];
    let mut all = String::new();
    for root in Cause::ALL {
        for suspect in suspects {
            report.incidents = vec![Incident { root, suspect, ..sample::incident() }];
            let words = IncidentWords::new(&report, style().clock);
            let incident = &report.incidents[0];
            let lines = [words.summary(incident), words.followed(incident).join("; ")];
            for line in lines.into_iter().chain(words.checks(incident)) {
                all.push_str(&line);
                all.push('\n');
            }
            all.push('\n');
        }
    }
    is_golden("roots.txt", &all);
}

#[test]
fn no_stall_is_one_line_with_the_least_headroom() {
    let text = written(&quiet(), &first_screen());
    is_golden("no_stall.txt", &text);
    assert!(longest_line(&text) <= COLUMNS);
}

#[test]
fn nothing_to_see_says_what_to_try() {
    let text = written(&Report::default(), &style());
    assert!(text.starts_with("No connection between a leader and a learner was seen.\n"), "{text}");
    assert!(text.contains("--quorum-port"));
}

#[test]
fn times_follow_the_zone() {
    let clock = WallClock { zone: TimeZone::get("America/New_York").unwrap(), digits: Digits::Six };
    let text = written(&sample::report(), &Style { clock, ..style() });
    assert!(text.contains("times are America/New_York, UTC-05"), "{text}");
    assert!(text.contains("2026-11-21 03:02:32.512 to 03:02:42.514"), "{text}");
    assert!(!text.contains("08:02:32"), "{text}");
}

#[test]
fn colour_changes_nothing_but_colour() {
    let plain = written(&sample::report(), &style());
    let coloured = written(&sample::report(), &Style { is_coloured: true, ..style() });
    assert!(coloured.contains("\x1b[1;31m"));
    let mut bare = coloured;
    for code in ["\x1b[1;31m", "\x1b[33m", "\x1b[1;32m", "\x1b[1m", "\x1b[2m", "\x1b[0m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, plain);
}

#[test]
fn hundreds_of_links_do_not_flood() {
    let mut report = sample::report();
    for id in 5..400 {
        let mut link = report.links[1].clone();
        link.id = id;
        link.learner.address = address(id);
        report.links.push(link);
    }
    let text = written(&report, &style());
    assert!(text.lines().count() < 140, "{}", text.lines().count());
    assert!(text.contains("and 375 links more, none of which used more than 10 % of a deadline"), "{text}");
    assert!(text.contains("100 %"), "the link of the stall is among those shown");
}

#[test]
fn many_stalls_are_cut_and_counted_newest_first() {
    let mut report = sample::report();
    let first = report.stalls[0].clone();
    report.stalls = (1..=300_u32).map(|id| Stall { id, start: at(i64::from(id)), ..first.clone() }).collect();
    let text = written(&report, &style());
    assert!(text.contains("\n300 STALLS"), "{text}");
    assert!(text.find("#300 ").unwrap() < text.find("#299 ").unwrap());
    assert!(text.contains("and 88 earlier ones"), "{text}");
}

#[test]
fn what_comes_off_the_wire_or_from_a_path_cannot_touch_the_terminal() {
    let evil = "\x1b]0;owned\x07\u{202e}\n\u{9b}2J";
    let mut report = sample::report();
    report.servers[0].name = Some(evil.to_owned());
    report.input.files[0].path = format!("/captures/{evil}");
    report.input.files[1].problem = Some(evil.to_owned());
    let says = LogSays::LostQuorum { leader: Some(address(1)), line: evil.to_owned() };
    report.stalls[0].log_says = vec![LogVerdict { agrees: None, at: None, says }];
    let text = written(&report, &style());
    let unsafe_at = text.char_indices().find(|(_, c)| c.is_control() && *c != '\n' || *c == '\u{202e}');
    assert_eq!(unsafe_at, None);
    assert!(text.contains("\\u{1b}]0;owned"));
}

#[test]
fn ipv6_and_long_times_still_fit() {
    let mut report = sample::report();
    for server in &mut report.servers {
        server.name = None;
    }
    for link in &mut report.links {
        link.leader.address = Address::v6(u128::MAX);
        link.learner.address = Address::v6(u128::MAX - u128::from(link.id));
    }
    report.input.last = Some(at(200_000_000));
    report.settings.tick_from = Origin::Default;
    let text = written(&report, &style());
    assert!(longest_line(&text) <= COLUMNS, "{text}");
    assert!(text.contains("11-21 08:02:42"), "{text}");
}

#[test]
fn times_at_the_ends_of_time_are_written() {
    let mut report = sample::report();
    report.input.first = Some(Timestamp::MIN);
    report.input.last = Some(Timestamp::MAX);
    report.stalls[0].start = Timestamp::MIN;
    report.stalls[0].end = None;
    assert!(written(&report, &style()).contains("1823-"));
}

#[test]
fn near_misses_are_one_line_for_each_link_and_deadline() {
    let mut report = sample::report();
    let miss = report.near_misses[0];
    report.near_misses.extend((1..=98).map(|n| NearMiss { at: at(20_000 + n), wait_ms: 6_000, ..miss }));
    report.near_misses.push(NearMiss { link: 1, at: at(32_600), wait_ms: 9_900, ..miss });
    let text = written(&report, &style());
    assert!(text.contains("\n1 NEAR MISS "), "what is part of a stall is no near miss: {text}");
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(joined.contains("99 such waits from 2026-11-21 08:02:20.000 to 08:02:20.098"), "{text}");
}

#[test]
fn who_answers_pings_is_not_called_quiet() {
    let mut report = sample::report();
    report.stalls[0].deadlines = vec![Deadline::Ack];
    assert!(
        written(&report, &style())
            .contains("#1 zk1 (10.255.0.1, sid 1) was late with its ACKs to its leader zk3")
    );
    report.stalls[0].subject = address(3);
    report.stalls[0].links = vec![1, 2];
    report.stalls[0].deadlines = vec![Deadline::LearnerRead];
    let text = written(&report, &style());
    assert!(
        text.contains("zk3 (10.255.0.3, sid 3), the leader, went quiet towards 2 learners: zk1, zk2"),
        "{text}"
    );
}

#[test]
fn a_close_after_whole_ticks_puts_the_assumed_limit_in_question() {
    let mut report = sample::report();
    report.stalls.clear();
    report.settings.sync_limit_from = Origin::Default;
    for link in &mut report.links {
        link.headroom.iter_mut().for_each(|headroom| headroom.worst_ms = Some(1_000));
    }
    report.links[0].headroom[0].worst_ms = Some(6_020);
    report.links[0].headroom[0].at = Some(at(36_494));
    let joined = |report: &Report| {
        let text = written(report, &style());
        assert!(longest_line(&text) <= COLUMNS);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let asked = "Is the limit right? syncLimit was assumed to be 5, but zk3 closed its link with zk1 at 2026-11-21 08:02:42.514 after a wait of 6.0 s, as if it were 3: see what \
                 --sync-limit 3 says";
    assert!(joined(&report).contains(asked), "{}", joined(&report));

    let mut other = report.clone();
    other.settings.sync_limit_from = Origin::Config;
    assert!(!joined(&other).contains("Is the limit right?"), "it is known");
    let mut other = report.clone();
    other.links[0].headroom[0].worst_ms = Some(7_000);
    assert!(!joined(&other).contains("Is the limit right?"), "half a tick is no limit");
    let mut other = report.clone();
    other.links[0].headroom[0].at = Some(at(10_000));
    assert!(!joined(&other).contains("Is the limit right?"), "the wait was over long before the close");
    let mut other = report.clone();
    other.links[1].headroom[1].worst_ms = Some(8_500);
    assert!(!joined(&other).contains("Is the limit right?"), "somebody else waited longer");
    report.links[0].closed = None;
    assert!(!joined(&report).contains("Is the limit right?"));
}

#[test]
fn each_other_tick_is_named_with_its_links() {
    let mut report = sample::report();
    let base = report.links[0].clone();
    report.links = [Some(2_000), Some(20), Some(500), Some(20), None]
        .into_iter()
        .zip(1..)
        .map(|(tick_ms, id)| crate::findings::Link { id, tick_ms, ..base.clone() })
        .collect();
    report.settings.tick_ms = 2_000;
    let text = written(&report, &style());
    let named: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("other tick")).collect();
    assert_eq!(named.len(), 2, "{text}");
    assert!(named[0].contains("links 2, 4: PINGs as of a tickTime of 20 ms"), "{named:?}");
    assert!(named[1].contains("link 3: PINGs as of a tickTime of 500 ms"), "{named:?}");
}

#[test]
fn a_window_outside_the_captures_is_no_all_clear_and_has_no_times() {
    let mut report = quiet();
    report.coverage.stalls = StallCoverage::None;
    (report.coverage.from, report.coverage.to) = (None, None);
    report.coverage.blind = vec![Blind::WindowOutside];
    let text = written(&report, &first_screen());
    assert!(text.contains("Whether anything stalled, these captures cannot show: nothing between"), "{text}");
    assert!(!text.contains("SEEN from") && !text.contains("No stall"), "{text}");
}
