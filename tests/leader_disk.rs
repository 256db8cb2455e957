//! A real leader whose disk was slow while one of its two followers was down: each write waited for its own log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{list, report};
use std::path::Path;

#[test]
fn the_leaders_disk_is_told_by_commits_that_wait_for_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/leader-disk");
    for captures in [&["zk3.pcap.gz"][..], &["zk2.pcap.gz", "zk3.pcap.gz"]] {
        let paths: Vec<_> = captures.iter().map(|name| folder.join(name)).collect();
        let report = report(&folder.join("zoo.cfg"), &paths);
        let slow: Vec<_> =
            list(&report, "incidents").iter().filter(|incident| incident["root"] == "disk_slow").collect();
        assert_eq!(slow.len(), 1, "{captures:?}: {}", report["incidents"]);
        assert_eq!(slow[0]["suspect"]["host"], "10.255.0.103", "{captures:?}");
        assert_eq!(
            (&slow[0]["confidence"], &slow[0]["count"]),
            (&"likely".into(), &5.into()),
            "{captures:?}"
        );
        // Writes stood still five times, for three seconds each, and that is what it was for.
        let outages: Vec<_> = list(&report, "outages").iter().collect();
        assert_eq!(outages.len(), 5, "{captures:?}: {outages:?}");
        assert!(
            outages.iter().all(|outage| outage["incident"] == slow[0]["id"]),
            "{captures:?}: {outages:?}"
        );
    }
    // A follower does not see whether another one acknowledged.
    let alone = report(&folder.join("zoo.cfg"), &[folder.join("zk2.pcap.gz")]);
    assert_eq!(list(&alone, "incidents").len(), 0, "{}", alone["incidents"]);
    assert_eq!(list(&alone, "outages").len(), 5, "{}", alone["outages"]);
}
