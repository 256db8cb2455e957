//! Numbers over time, kept while the capture is read: only where they were asked for.
//!
//! A link has intervals of 100 ms. Where it would have more than `MAX_INTERVALS` of them, or more than
//! `MAX_CELLS` cells in its histograms, two become one, so that its memory is bounded however long it lives.
//! `MAX_DETAILED` links have their own intervals, all others share some. Intervals begin at multiples of their
//! width since 1970, so that those of all links can be set side by side.

mod histogram;
mod interval;
mod keeper;
mod sheet;

#[cfg(test)]
mod tests;

pub use keeper::{Keeper, SeriesBook, SeriesOptions, Share};
pub use sheet::Sheet;

use crate::findings::series::{LinkSeries, Series};
use crate::time::{Span, Timestamp};
use sheet::FEW;

/// Links that have intervals of their own.
const MAX_DETAILED: usize = 64;
/// Intervals of a link.
const MAX_INTERVALS: usize = 2_000;
/// Waits over several intervals that a link notes before it writes them to all of these, of 24 bytes each.
const MAX_NOTED_WAITS: usize = 1_024;
/// Round trips that a link notes before it counts them in its intervals, of 16 bytes each: the more, the more of them one
/// interval has by then.
const MAX_NOTED_TRIPS: usize = 8_192;
/// For so many of them room is made at once.
const NOTED_AT_ONCE: usize = 512;
/// Cells in the histograms of a link, of 8 bytes each.
const MAX_CELLS: usize = 262_144;
/// The width that a link begins with.
const WIDTH: Span = Span::from_millis(100);

/// Which round trip was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trip {
    /// PING to its answer.
    Ping,
    /// PROPOSAL to ACK.
    Ack,
    /// PROPOSAL to COMMIT.
    Commit,
}

impl SeriesBook {
    /// The series of links by their ids, whose capture is over; `None` where nobody asked.
    pub(super) fn finish(self, keepers: impl IntoIterator<Item = (u32, Keeper)>) -> Option<Series> {
        let options = self.options?;
        let mut sheets: Vec<(u32, Sheet)> = Vec::new();
        for (link, keeper) in keepers {
            match keeper {
                Keeper::Off => {}
                Keeper::Own(sheet) => sheets.push((link, *sheet)),
                Keeper::Shared(mut share) => share.flush(),
            }
        }
        let rest = self.rest.and_then(|rest| rest.lock().ok().map(|rest| rest.clone()));
        sheets.extend(rest.map(|rest| (0, rest)));
        sheets.iter_mut().for_each(|(_, sheet)| sheet.seal());
        sheets.retain(|(_, sheet)| !sheet.is_empty());
        Some(side_by_side(sheets, options))
    }
}

/// Sheets set to one width, at which all their intervals together are at most `most`, and the capture's
/// [`MAX_INTERVALS`].
fn side_by_side(mut sheets: Vec<(u32, Sheet)>, options: SeriesOptions) -> Series {
    let mut width = sheets.iter().map(|(_, sheet)| sheet.width()).max().unwrap_or(WIDTH);
    while !fits(&sheets, width, options.max_intervals) {
        width = width.times(2);
    }
    let (first, end) = extent(&sheets, width);
    let links = sheets.drain(..).map(|(link, mut sheet)| {
        sheet.widen_to(width);
        let begins = sheet.extent_at(width).0;
        LinkSeries {
            link,
            first: usize::try_from(begins - first).unwrap_or(0),
            intervals: sheet.intervals(options.buckets),
        }
    });
    let (rest, links): (Vec<_>, Vec<_>) = links.partition(|link| link.link == 0);
    Series {
        width,
        from: Timestamp::from_nanos(first.saturating_mul(width.nanos())),
        intervals: usize::try_from(end - first).unwrap_or(0),
        links,
        rest: rest.into_iter().next(),
    }
}

/// Whether intervals of a width are few enough, or no width makes them fewer.
fn fits(sheets: &[(u32, Sheet)], width: Span, most: usize) -> bool {
    let lens = sheets.iter().map(|(_, sheet)| {
        let (first, end) = sheet.extent_at(width);
        usize::try_from(end - first).unwrap_or(0)
    });
    let (sum, longest) =
        lens.fold((0_usize, 0), |(sum, longest), len| (sum.saturating_add(len), len.max(longest)));
    let (first, end) = extent(sheets, width);
    end.saturating_sub(first) <= MAX_INTERVALS as i64 && (sum <= most || longest <= FEW)
}

/// The first interval of any sheet, and the one behind the last.
fn extent(sheets: &[(u32, Sheet)], width: Span) -> (i64, i64) {
    let extents = sheets.iter().map(|(_, sheet)| sheet.extent_at(width));
    extents.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1))).unwrap_or((0, 0))
}
