//! Where the capture was taken: the host that all its connections have in common.

use crate::address::Address;
use crate::time::Timestamp;

/// The hosts that every connection so far had as an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Vantage {
    common: [Option<Address>; 2],
    has_begun: bool,
}

impl Vantage {
    /// Notes that two hosts talked.
    pub(super) fn pair(&mut self, a: Address, b: Address) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.common = [Some(a), Some(b)];
            return;
        }
        for host in &mut self.common {
            *host = host.filter(|host| *host == a || *host == b);
        }
    }

    /// The one host that is an end of every connection; `None` while two are, or where none is.
    pub(super) const fn host(&self) -> Option<Address> {
        match self.common {
            [Some(host), None] | [None, Some(host)] => Some(host),
            _ => None,
        }
    }
}

/// Frames of a file that are looked at to tell where it was taken.
const SAMPLES: u32 = 2_048;
/// Files told apart; of later ones it stays open where they were taken.
const FILES_MOST: usize = 4_096;

/// Where each file of the input was taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Vantages {
    files: Vec<(Vantage, u32)>,
}

impl Vantages {
    /// Notes that two hosts talked in a file.
    #[inline]
    pub(super) fn pair(&mut self, file: u32, a: Address, b: Address) {
        match self.files.get_mut(file as usize) {
            Some((_, samples)) if *samples >= SAMPLES => {}
            Some((vantage, samples)) => {
                *samples += 1;
                vantage.pair(a, b);
            }
            None => self.enter(file, a, b),
        }
    }

    #[cold]
    fn enter(&mut self, file: u32, a: Address, b: Address) {
        let index = file as usize;
        if index < FILES_MOST {
            self.files.resize(index + 1, (Vantage::default(), 0));
            self.pair(file, a, b);
        }
    }

    /// When the last capture ends that sees what two hosts say to each other: `ends` are the files' ends.
    /// A file from a third host's interface goes on without seeing anything of them.
    pub(super) fn end_for(&self, a: Address, b: Address, ends: &[Option<Timestamp>]) -> Option<Timestamp> {
        let sees = |file: usize| {
            let host = self.files.get(file).and_then(|(vantage, _)| vantage.host());
            host.is_none_or(|host| host == a || host == b)
        };
        ends.iter().enumerate().filter(|(file, _)| sees(*file)).filter_map(|(_, end)| *end).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_connections_tell_whose_capture_it_is() {
        let [a, b, c] = [1, 2, 3].map(Address::v4);
        let mut vantage = Vantage::default();
        vantage.pair(a, b);
        assert_eq!(vantage.host(), None);
        vantage.pair(c, a);
        assert_eq!(vantage.host(), Some(a));
        vantage.pair(b, c);
        assert_eq!(vantage.host(), None);
    }
}
