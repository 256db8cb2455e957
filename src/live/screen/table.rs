//! The rows of the links: a line for each leader, and one for each of its learners below it.

use super::canvas::{Canvas, Look};
use super::gauges::{LinkGauge, POINTS};
use crate::findings::Role;
use crate::report::clock;

/// From this width on there is room for long bars, all round trips and the whole past.
const WIDE: u16 = 140;

/// Where the columns are.
#[derive(Clone, Copy, Debug)]
struct Columns {
    is_wide: bool,
    name: usize,
    role: usize,
    bar: usize,
    past: usize,
}

impl Columns {
    fn of(width: u16) -> Self {
        if width < WIDE {
            let rest = usize::from(width).saturating_sub(71);
            let name = 15 + rest.saturating_sub(9).min(9);
            return Self { is_wide: false, name, role: 3, bar: 3, past: (rest + 15 - name).clamp(4, POINTS) };
        }
        let past = usize::from(width).saturating_sub(116).clamp(20, POINTS);
        Self { is_wide: true, name: 24, role: 8, bar: 8, past }
    }

    fn header(&self) -> String {
        let bar = self.bar + 4;
        let [leader, learner, ack, init] = if self.is_wide {
            ["leader read", "learner read", "ack", "init"]
        } else {
            ["leader", "learner", "ack", "init"]
        };
        let past = if self.past < 13 { "5 min" } else { "worst of 5 min" };
        let mut line = format!(
            "  {:name$} {:role$} {leader:bar$} {learner:bar$} {ack:bar$} {init:bar$} {past:past_width$}",
            "link",
            if self.is_wide { "role" } else { "" },
            name = self.name - 1,
            role = self.role,
            past_width = self.past,
        );
        line.push_str(if self.is_wide {
            "   ping    ack  commit  again sessions"
        } else {
            "   ping    ack  re"
        });
        line
    }
}

/// Lines of the table, told apart by what they show.
enum Row<'a> {
    Leader(&'a str),
    Link(&'a LinkGauge),
}

/// How many lines the links take.
pub(super) fn height(links: &[&LinkGauge]) -> usize {
    1 + rows(links).len()
}

/// Draws the links; where not all have room, those nearest to their limits.
pub(super) fn draw(canvas: &mut Canvas<'_>, links: &[&LinkGauge], warn_at: u16) {
    let columns = Columns::of(canvas.width());
    canvas.line(&columns.header(), Look::Head);
    if links.is_empty() {
        canvas.line("  no link between a leader and a learner is in sight", Look::Dim);
        return;
    }
    let (shown, hidden) = fitting(links, canvas.left());
    for row in rows(&shown) {
        match row {
            Row::Leader(name) => canvas.line(&format!("  leader {name}"), Look::Bold),
            Row::Link(link) => self::link(canvas, &columns, link, warn_at),
        }
    }
    if hidden > 0 {
        canvas
            .line(&format!("  and {hidden} more that are farther from their limits (/ filters)"), Look::Dim);
    }
}

fn rows<'a>(links: &[&'a LinkGauge]) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    let mut leader = None;
    for link in links {
        if leader.replace(&link.leader) != Some(&link.leader) {
            rows.push(Row::Leader(&link.leader));
        }
        rows.push(Row::Link(link));
    }
    rows
}

/// The links that have room in so many lines, in their order, and how many have none.
fn fitting<'a>(links: &[&'a LinkGauge], lines: usize) -> (Vec<&'a LinkGauge>, usize) {
    if rows(links).len() <= lines {
        return (links.to_vec(), 0);
    }
    let mut by_worst: Vec<_> = links.iter().enumerate().collect();
    by_worst.sort_by_key(|(_, link)| std::cmp::Reverse((link.worst(), link.is_open)));
    let mut most = lines.saturating_sub(2);
    loop {
        let mut kept: Vec<_> = by_worst.iter().take(most).copied().collect();
        kept.sort_by_key(|(index, _)| *index);
        let kept: Vec<_> = kept.into_iter().map(|(_, link)| *link).collect();
        if most == 0 || rows(&kept).len() < lines {
            let hidden = links.len() - kept.len();
            return (kept, hidden);
        }
        most -= 1;
    }
}

fn link(canvas: &mut Canvas<'_>, columns: &Columns, link: &LinkGauge, warn_at: u16) {
    let (mark, paint) = match link.worst() {
        _ if !link.is_open => ('x', Look::Dim),
        100.. => ('!', Look::Alarm),
        share if share >= warn_at => ('~', Look::Warning),
        _ => (' ', Look::Plain),
    };
    canvas.begin();
    canvas.put(&format!("{mark} {} ", canvas.fit(&link.learner, columns.name - 1)), paint);
    let role = match link.is_open {
        true => role(link.role),
        false if columns.is_wide => "closed",
        false => "off",
    };
    let role: String = role.chars().take(columns.role).collect();
    canvas.put(&format!("{role:width$} ", width = columns.role), paint);
    for share in link.shares {
        let paint = share.map_or(Look::Dim, |share| self::paint(share, warn_at));
        let number = share.map_or_else(|| "-".to_owned(), |share| share.to_string());
        let bar = canvas.bar(share.unwrap_or(0), columns.bar);
        canvas.put(&format!("{bar}{number:>4} "), paint);
    }
    past(canvas, link, columns.past, warn_at);
    let trip = |us: Option<u64>| us.map_or_else(|| "-".to_owned(), clock::micros);
    let again = short(link.resent);
    let rest = if columns.is_wide {
        let (ping, ack, commit) = (trip(link.ping_p99_us), trip(link.ack_p99_us), trip(link.commit_p99_us));
        format!(" {ping:>6} {ack:>6} {commit:>7} {again:>6} {:>8}", short(link.sessions))
    } else {
        format!(" {:>6} {:>6} {again:>3}", trip(link.ping_p99_us), trip(link.ack_p99_us))
    };
    canvas.put(&rest, if link.is_open { Look::Plain } else { Look::Dim });
    canvas.end();
}

/// The past, each character the longest wait of its time: `!` where it passed its limit.
fn past(canvas: &mut Canvas<'_>, link: &LinkGauge, width: usize, warn_at: u16) {
    let missing = POINTS.saturating_sub(link.past.len());
    let all: Vec<_> = std::iter::repeat_n(None, missing).chain(link.past.iter().copied()).collect();
    for place in 0..width {
        let (from, to) =
            (place * POINTS / width, ((place + 1) * POINTS / width).max(place * POINTS / width + 1));
        let worst = all.get(from..to).into_iter().flatten().flatten().copied().max();
        let level = canvas.level(worst);
        canvas.put(level.encode_utf8(&mut [0; 4]), worst.map_or(Look::Dim, |share| paint(share, warn_at)));
    }
}

const fn paint(share: u16, warn_at: u16) -> Look {
    match share {
        100.. => Look::Alarm,
        _ if share >= warn_at => Look::Warning,
        _ => Look::Plain,
    }
}

const fn role(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::Observer) => "observer",
        Some(_) => "follower",
        None => "?",
    }
}

/// A count in at most three characters.
fn short(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..100_000 => format!("{}k", count / 1_000),
        100_000..100_000_000 => format!("{}M", (count / 1_000_000).max(1)),
        _ => ">9M".to_owned(),
    }
}
