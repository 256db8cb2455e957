//! Text inputs: servers' logs and configurations.

use crate::logs;
use std::io::BufReader;

/// A server's log.
///
/// Properties: the result does not depend on the read size, and every line is counted.
pub fn log(data: &[u8]) {
    let whole = logs::read(data);
    for capacity in [1, 7, 64] {
        let pieces = logs::read(BufReader::with_capacity(capacity, data));
        assert_eq!(format!("{pieces:?}"), format!("{whole:?}"), "with {capacity} bytes at once");
    }
    let lines = data.split(|byte| *byte == b'\n').count() as u64;
    assert!(whole.lines <= lines && whole.events.len() as u64 <= lines);
}

/// A `zoo.cfg`.
///
/// Properties: values lie in the ranges of the command-line options, so that no limit overflows a span, and
/// all line endings are accepted.
#[cfg(feature = "cli")]
pub fn zoo_cfg(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = crate::cli::config_settings(&text);
    if let Ok([tick, sync, init]) = read {
        for ticks in [sync, init].into_iter().flatten() {
            let limit = u64::from(tick.unwrap_or(1)) * u64::from(ticks);
            assert!((1..=3_600_000_000_000).contains(&limit), "{limit} ms");
        }
    }
    if !text.contains('\r') {
        assert_eq!(crate::cli::config_settings(&text.replace('\n', "\r\n")), read);
    }
}

/// A configuration of an etcd member.
///
/// Properties: values lie in etcd's ranges, and all line endings are accepted.
#[cfg(feature = "cli")]
pub fn etcd_conf(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = crate::cli::etcd_settings(&text);
    if let Ok((heartbeat, election, names)) = &read {
        assert!(heartbeat.is_none_or(|ms| (1..=10_000).contains(&ms)), "{heartbeat:?}");
        assert!(election.is_none_or(|ms| (1..=50_000).contains(&ms)), "{election:?}");
        assert!(*names <= 1_024, "{names}");
        if let Some((heartbeat, election)) = heartbeat.zip(*election) {
            assert!(heartbeat * 5 <= election, "{heartbeat} {election}");
        }
    }
    if !text.contains('\r') {
        assert_eq!(crate::cli::etcd_settings(&text.replace('\n', "\r\n")), read);
    }
}
