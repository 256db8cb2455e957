//! Time zones and points in time, as people give them.

use crate::time::Timestamp;
use jiff::civil;
use jiff::tz::TimeZone;

/// The zone of a name: an IANA name, `local`, or `UTC`.
pub(super) fn zone(name: &str) -> Result<TimeZone, String> {
    if name.eq_ignore_ascii_case("utc") || name.eq_ignore_ascii_case("z") {
        return Ok(TimeZone::UTC);
    }
    if name.eq_ignore_ascii_case("local") {
        return TimeZone::try_system().map_err(|_| "this machine does not say which its zone is".to_owned());
    }
    TimeZone::get(name).map_err(|_| "no such zone; give one like Europe/Berlin, local or UTC".to_owned())
}

/// Which of two meanings a wall clock's time has where clocks were set back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fold {
    /// The first.
    Earlier,
    /// The second.
    Later,
}

/// A point in time: RFC 3339, or a date and a time of day in `zone`.
pub(super) fn moment(text: &str, zone: &TimeZone, fold: Fold) -> Result<Timestamp, String> {
    let instant = match text.parse::<jiff::Timestamp>() {
        Ok(instant) => instant,
        Err(_) => {
            let civil: civil::DateTime = text.parse().map_err(|_| unclear(text))?;
            let zoned = zone.to_ambiguous_zoned_datetime(civil);
            let zoned = match fold {
                Fold::Earlier => zoned.earlier(),
                Fold::Later => zoned.later(),
            };
            zoned.map_err(|_| unclear(text))?.timestamp()
        }
    };
    i64::try_from(instant.as_nanosecond()).map(Timestamp::from_nanos).map_err(|_| unclear(text))
}

fn unclear(text: &str) -> String {
    format!("no time: '{text}'; give 2026-11-21T08:02:00Z, or '2026-11-21 08:02' in the zone of --tz")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const AT: i64 = 1_795_248_120_000_000_000;

    #[test]
    fn times_are_read_as_people_write_them() {
        let utc = zone("utc").unwrap();
        for text in
            ["2026-11-21T08:02:00Z", "2026-11-21 08:02", "2026-11-21T08:02:00", "2026-11-21 09:02:00.0+01:00"]
        {
            assert_eq!(moment(text, &utc, Fold::Earlier), Ok(Timestamp::from_nanos(AT)), "{text}");
        }
        let berlin = zone("Europe/Berlin").unwrap();
        assert_eq!(moment("2026-11-21 09:02", &berlin, Fold::Earlier), Ok(Timestamp::from_nanos(AT)));
        assert!(moment("yesterday", &utc, Fold::Earlier).unwrap_err().contains("'yesterday'"));
    }

    #[test]
    fn an_hour_that_comes_twice_opens_the_window_wide() {
        let berlin = zone("Europe/Berlin").unwrap();
        let at = |fold| moment("2026-10-25 02:30", &berlin, fold).unwrap();
        assert_eq!(at(Fold::Later).since(at(Fold::Earlier)).millis(), 3_600_000);
    }

    #[test]
    fn zones_have_names() {
        assert!(zone("Mars/Olympus").unwrap_err().contains("Europe/Berlin"));
        assert_eq!(zone("UTC").unwrap(), TimeZone::UTC);
    }
}
