//! What `qscope --version` says: which commit it was built from, with which features, and what captures.

/// Whether interfaces can be watched, and by what.
const CAPTURE: &str = if cfg!(not(feature = "live")) {
    "none (built without live)"
} else if cfg!(libpcap) {
    "libpcap"
} else {
    "AF_PACKET (built without libpcap)"
};

/// The answer to `--version`; `-V` gives the number alone.
pub(super) const LONG: &str = const_format::concatcp!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("QSCOPE_COMMIT"),
    "\nfeatures: cli",
    if cfg!(feature = "export") { ", export" } else { "" },
    if cfg!(feature = "live") { ", live" } else { "" },
    "\ncapture: ",
    CAPTURE
);
