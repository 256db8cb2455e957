//! The host where a capture was taken: the one that all its connections have in common.
//!
//! A host's interface shows only that host's own traffic. The host tells whose clock wrote a file, and which
//! end of a link it shows.

use crate::address::Address;

/// The hosts that are an end of every connection so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommonHost {
    common: [Option<Address>; 2],
    has_begun: bool,
}

impl CommonHost {
    /// Notes that two hosts talked.
    pub fn pair(&mut self, a: Address, b: Address) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.common = [Some(a), Some(b)];
            return;
        }
        for host in &mut self.common {
            *host = host.filter(|host| *host == a || *host == b);
        }
    }

    /// The one host that is an end of every connection; `None` while there are two, or if there is none.
    #[must_use]
    pub const fn host(&self) -> Option<Address> {
        match self.common {
            [Some(host), None] | [None, Some(host)] => Some(host),
            _ => None,
        }
    }

    /// The candidates: one, two if the capture has a single pair of hosts, or none.
    #[must_use]
    pub const fn candidates(&self) -> [Option<Address>; 2] {
        self.common
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_connections_tell_whose_capture_it_is() {
        let [a, b, c] = [1, 2, 3].map(Address::v4);
        let mut vantage = CommonHost::default();
        vantage.pair(a, b);
        assert_eq!(vantage.host(), None);
        vantage.pair(c, a);
        assert_eq!(vantage.host(), Some(a));
        vantage.pair(b, c);
        assert_eq!(vantage.host(), None);
    }
}
