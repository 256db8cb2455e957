//! How far a capture reaches: links that it no longer shows.
//!
//! Silence counts only where it was watched. A capture that several hosts' were merged into goes on after one of
//! them has ended; a rotation of which a file is lost may hide how a link ended.

use super::holes::Holes;
use super::link::LinkTrack;
use crate::address::Address;
use crate::time::{Span, Timestamp};

/// How long the others must go on for a link to be out of sight.
const GO_ON_FOR: Span = Span::from_millis(2_000);

/// For each link, since when it is out of sight though it was not seen to close; `None` where it never was.
pub(super) fn ends(links: &[LinkTrack], holes: &Holes, hosts: &[Option<Address>]) -> Vec<Option<Timestamp>> {
    let seen: Vec<_> = links.iter().map(Seen::of).collect();
    links.iter().zip(&seen).map(|(link, last)| end_of(link, last, &seen, holes, hosts)).collect()
}

/// Between whom a link was last seen, and when.
struct Seen {
    ends: [Address; 2],
    opened: Timestamp,
    at: Timestamp,
}

impl Seen {
    fn of(link: &LinkTrack) -> Self {
        let ends = [link.opened.leader.address, link.opened.learner.address];
        Self { ends, opened: link.opened.at, at: link.last_frame_at() }
    }
}

fn end_of(
    link: &LinkTrack,
    last: &Seen,
    all: &[Seen],
    holes: &Holes,
    hosts: &[Option<Address>],
) -> Option<Timestamp> {
    if link.teardown.closed.is_some() {
        return None;
    }
    let hidden = holes.hides_from(link, hosts);
    if hidden.is_some() {
        return hidden;
    }
    // Its learner is back on another one, and its close was not seen, nor anything else for a while.
    if holes.is_quiet_after(last.at) && is_replaced(link, last, all) {
        return Some(last.at);
    }
    // Whatever is seen from then on is of one host, which is no end of this link: the capture that showed this one
    // has ended.
    let mut later = all.iter().filter(|other| other.at.since(last.at) >= GO_ON_FOR).map(|other| other.ends);
    let first = later.next()?;
    let common = later
        .fold(first.map(Some), |common, ends| common.map(|host| host.filter(|host| ends.contains(host))));
    let is_other = common.into_iter().flatten().any(|host| !last.ends.contains(&host));
    is_other.then_some(last.at)
}

/// Whether the same two servers, or the learner and another leader, have a link that was opened later.
fn is_replaced(link: &LinkTrack, last: &Seen, all: &[Seen]) -> bool {
    let learner = link.opened.learner.address;
    all.iter().any(|other| other.ends.last() == Some(&learner) && other.opened > last.at)
}

/// Whether a link that serves was in sight all through a stretch without a COMMIT. `lost` are the times at which
/// others went out of sight.
pub(super) fn is_watched(links: &[LinkTrack], lost: &[Timestamp], from: Timestamp, to: Timestamp) -> bool {
    links.iter().any(|link| {
        let last = link.last_frame_at();
        let is_lost = lost.contains(&last) && link.teardown.closed.is_none();
        link.serves_now()
            && link.opened.at <= from
            && !is_lost
            && link.teardown.closed.map_or(last, |closed| closed.at) >= to
    })
}
