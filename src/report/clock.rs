//! How times are written: RFC 3339 for programs, a zone's wall clock for people.

use crate::time::{Span, Timestamp};
use jiff::tz::TimeZone;

/// How many digits of a second a capture's times have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Digits {
    /// Microseconds.
    #[default]
    Six,
    /// Nanoseconds.
    Nine,
}

impl Digits {
    /// The digits of a capture, of whose files at least one has nanoseconds or none has.
    #[must_use]
    pub const fn of(nanos: bool) -> Self {
        if nanos { Self::Nine } else { Self::Six }
    }

    const fn count(self) -> usize {
        match self {
            Self::Six => 6,
            Self::Nine => 9,
        }
    }
}

/// A time in RFC 3339, in UTC.
#[must_use]
pub fn rfc3339(at: Timestamp, digits: Digits) -> String {
    format!("{:.*}", digits.count(), instant(at))
}

/// Writes times as a wall clock in some zone shows them.
#[derive(Clone, Debug)]
pub struct WallClock {
    /// The zone.
    pub zone: TimeZone,
    /// Digits of a second.
    pub digits: Digits,
}

impl WallClock {
    /// A date and a time with all digits: `2026-11-21 08:02:32.505248`.
    #[must_use]
    pub fn precise(&self, at: Timestamp) -> String {
        format!("{:.*}", self.digits.count(), self.civil(at)).replacen('T', " ", 1)
    }

    /// A date and a time to the millisecond: `2026-11-21 08:02:32.505`.
    #[must_use]
    pub fn full(&self, at: Timestamp) -> String {
        format!("{:.3}", self.civil(to_millis(at))).replacen('T', " ", 1)
    }

    /// The time of day alone, to the millisecond.
    #[must_use]
    pub fn time(&self, at: Timestamp) -> String {
        format!("{:.3}", self.civil(to_millis(at)).time())
    }

    /// Month, day and time to the second: `11-21 08:02:32`.
    #[must_use]
    pub fn day_and_time(&self, at: Timestamp) -> String {
        let civil = self.civil(at);
        let (month, day) = (civil.month(), civil.day());
        format!("{month:02}-{day:02} {:02}:{:02}:{:02}", civil.hour(), civil.minute(), civil.second())
    }

    /// The time of day alone, rounded to the tenth of a second: `08:02:32.5`.
    #[must_use]
    pub fn tenth(&self, at: Timestamp) -> String {
        format!("{:.1}", self.civil(tenths(at)).time())
    }

    /// The same with the date: `2026-11-21 08:02:32.5`.
    #[must_use]
    pub fn day_and_tenth(&self, at: Timestamp) -> String {
        format!("{:.1}", self.civil(tenths(at))).replacen('T', " ", 1)
    }

    /// Date and time to the second: `2026-11-21 08:02:32`.
    #[must_use]
    pub fn second(&self, at: Timestamp) -> String {
        format!("{:.0}", self.civil(at)).replacen('T', " ", 1)
    }

    /// The second that goes with `other`: without the date where both fall on the same day.
    #[must_use]
    pub fn second_beside(&self, at: Timestamp, other: Timestamp) -> String {
        if self.is_same_day(at, other) { format!("{:.0}", self.civil(at).time()) } else { self.second(at) }
    }

    /// Whether two times fall on the same day.
    #[must_use]
    pub fn is_same_day(&self, a: Timestamp, b: Timestamp) -> bool {
        self.civil(a).date() == self.civil(b).date()
    }

    /// The time that goes with `other`: without the date where both fall on the same day.
    #[must_use]
    pub fn beside(&self, at: Timestamp, other: Timestamp) -> String {
        if self.is_same_day(at, other) { self.time(at) } else { self.full(at) }
    }

    /// The zone's name as people write it, with its distance from UTC at a time: `Europe/Berlin, UTC+01`.
    #[must_use]
    pub fn zone_name(&self, at: Option<Timestamp>) -> String {
        let name = self.zone.iana_name().unwrap_or("local time");
        if self.zone == TimeZone::UTC || name == "UTC" {
            return "UTC".to_owned();
        }
        let offset = self.zone.to_offset(instant(at.unwrap_or_default()));
        format!("{name}, UTC{offset}")
    }

    fn civil(&self, at: Timestamp) -> jiff::civil::DateTime {
        self.zone.to_datetime(instant(at))
    }
}

/// Cut to milliseconds, towards the past, so that what is shown never lies after what happened.
const fn to_millis(at: Timestamp) -> Timestamp {
    Timestamp::from_nanos(at.nanos().saturating_sub(at.nanos().rem_euclid(1_000_000)))
}

/// The same time in jiff's type; every time of ours is in its range.
fn instant(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_nanosecond(i128::from(at.nanos())).unwrap_or_default()
}

/// A number of milliseconds as people say it, rounded: `874 ms`, `10.0 s`, `3 min 5 s`, `2 h 7 min`.
#[must_use]
pub fn millis(ms: u64) -> String {
    let rounded = |unit: u64| ms.saturating_add(unit / 2) / unit;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..99_950 => format!("{}.{} s", rounded(100) / 10, rounded(100) % 10),
        99_950..3_599_500 => format!("{} min {} s", rounded(1_000) / 60, rounded(1_000) % 60),
        _ => format!("{} h {} min", rounded(60_000) / 60, rounded(60_000) % 60),
    }
}

/// A wait and its limit, so that the two look alike only where they are: `10.002 s` and `10.0 s`.
#[must_use]
pub fn against(wait_ms: u64, limit_ms: u64) -> (String, String) {
    let (wait, limit) = (millis(wait_ms), millis(limit_ms));
    let looks_alike = wait == limit && wait_ms != limit_ms;
    let wait = if looks_alike { format!("{}.{:03} s", wait_ms / 1_000, wait_ms % 1_000) } else { wait };
    (wait, limit)
}

/// A number of microseconds in at most six characters, rounded: `87us`, `4.1ms`, `312ms`, `10.0s`, `3m05s`.
#[must_use]
pub fn micros(us: u64) -> String {
    let rounded = |unit: u64| us.saturating_add(unit / 2) / unit;
    match us {
        0..1_000 => format!("{us}us"),
        1_000..99_950 => format!("{}.{}ms", rounded(100) / 10, rounded(100) % 10),
        99_950..999_500 => format!("{}ms", rounded(1_000)),
        999_500..99_950_000 => format!("{}.{}s", rounded(100_000) / 10, rounded(100_000) % 10),
        _ => format!("{}m{:02}s", rounded(1_000_000) / 60, rounded(1_000_000) % 60),
    }
}

/// A time rounded to the tenth of a second.
#[must_use]
pub fn tenths(at: Timestamp) -> Timestamp {
    let nanos = at.nanos().saturating_add(TENTH / 2);
    Timestamp::from_nanos(nanos.saturating_sub(nanos.rem_euclid(TENTH)))
}

/// A number of milliseconds, as a length rounded to the tenth of a second.
#[must_use]
pub fn tenths_of(ms: u64) -> Span {
    let tenths = ms.saturating_add(50) / 100;
    Span::from_millis(i64::try_from(tenths.saturating_mul(100)).unwrap_or(i64::MAX / 1_000_000))
}

/// A tenth of a second, in nanoseconds.
const TENTH: i64 = 100_000_000;

/// The length of time between two points, as people say it.
#[must_use]
pub fn between(from: Timestamp, to: Timestamp) -> String {
    let span: Span = to.since(from);
    millis(span.millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_nanos(1_795_248_152_505_248_999);

    #[test]
    fn programs_get_every_digit() {
        assert_eq!(rfc3339(AT, Digits::Six), "2026-11-21T08:02:32.505248Z");
        assert_eq!(rfc3339(AT, Digits::Nine), "2026-11-21T08:02:32.505248999Z");
        assert_eq!(rfc3339(Timestamp::from_nanos(0), Digits::Six), "1970-01-01T00:00:00.000000Z");
        assert_eq!(rfc3339(Timestamp::from_nanos(-1), Digits::Nine), "1969-12-31T23:59:59.999999999Z");
        assert!(rfc3339(Timestamp::MIN, Digits::Six).starts_with("1823-"));
        assert!(rfc3339(Timestamp::MAX, Digits::Six).starts_with("2116-"));
    }

    #[test]
    fn people_get_their_own_clock() {
        let clock = WallClock { zone: TimeZone::UTC, digits: Digits::Six };
        assert_eq!(clock.precise(AT), "2026-11-21 08:02:32.505248");
        assert_eq!(clock.full(AT), "2026-11-21 08:02:32.505");
        assert_eq!(clock.time(AT), "08:02:32.505");
        assert_eq!(clock.day_and_time(AT), "11-21 08:02:32");
        assert_eq!(clock.zone_name(Some(AT)), "UTC");
        let zone = TimeZone::get("Asia/Kolkata").unwrap_or(TimeZone::UTC);
        let clock = WallClock { zone, digits: Digits::Six };
        assert_eq!(clock.time(AT), "13:32:32.505");
        assert_eq!(clock.zone_name(Some(AT)), "Asia/Kolkata, UTC+05:30");
        assert_eq!(clock.time(Timestamp::from_nanos(-1)), "05:29:59.999");
    }

    #[test]
    fn lengths_are_short() {
        assert_eq!([millis(0), millis(999), millis(61_000)], ["0 ms", "999 ms", "61.0 s"]);
        assert_eq!([millis(185_000), millis(7_650_000)], ["3 min 5 s", "2 h 8 min"]);
        assert_eq!([micros(999), micros(4_199), micros(312_900)], ["999us", "4.2ms", "313ms"]);
        assert_eq!([micros(10_002_000), micros(185_000_000)], ["10.0s", "3m05s"]);
    }

    #[test]
    fn lengths_are_rounded_and_not_cut_off() {
        assert_eq!([millis(14_949), millis(14_950), millis(9_999)], ["14.9 s", "15.0 s", "10.0 s"]);
        assert_eq!([millis(99_949), millis(99_950), millis(119_600)], ["99.9 s", "1 min 40 s", "2 min 0 s"]);
        assert_eq!([millis(3_599_499), millis(3_599_500)], ["59 min 59 s", "1 h 0 min"]);
        assert_eq!([micros(99_950), micros(999_500), micros(99_950_000)], ["100ms", "1.0s", "1m40s"]);
        let longest = micros(999_499_999).len().max(micros(99_949).len());
        assert!(longest <= 6, "{longest}");
    }

    #[test]
    fn a_wait_beyond_its_limit_never_looks_like_it() {
        let shown = |wait, limit| {
            let (wait, limit) = against(wait, limit);
            [wait, limit]
        };
        assert_eq!(shown(10_002, 10_000), ["10.002 s", "10.0 s"]);
        assert_eq!(shown(9_996, 10_000), ["9.996 s", "10.0 s"]);
        assert_eq!(shown(10_000, 10_000), ["10.0 s", "10.0 s"]);
        assert_eq!(shown(14_950, 4_000), ["15.0 s", "4.0 s"]);
    }

    #[test]
    fn tenths_are_rounded() {
        let clock = WallClock { zone: TimeZone::UTC, digits: Digits::Six };
        assert_eq!(clock.tenth(AT), "08:02:32.5");
        assert_eq!(clock.tenth(Timestamp::from_nanos(59_950_000_000)), "00:01:00.0");
        assert_eq!(clock.day_and_tenth(AT), "2026-11-21 08:02:32.5");
        assert_eq!([clock.second(AT), clock.second_beside(AT, AT)], ["2026-11-21 08:02:32", "08:02:32"]);
        assert_eq!(tenths_of(9_960), Span::from_millis(10_000));
        assert!(clock.tenth(Timestamp::MAX).len() > 5 && clock.tenth(Timestamp::MIN).len() > 5);
        assert!(tenths_of(u64::MAX) > Span::ZERO);
    }
}
