//! Where each file of the input was taken.

use crate::address::Address;
use crate::common_host::CommonHost;
use crate::time::Timestamp;

/// Frames of a file that are looked at to tell where it was taken.
const SAMPLES: u32 = 2_048;
/// Files told apart; of later ones it stays open where they were taken.
const MAX_FILES: usize = 4_096;

/// Where each file of the input was taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Vantages {
    files: Vec<(CommonHost, u32)>,
}

impl Vantages {
    /// Notes that two hosts talked in a file.
    #[inline(always)]
    pub(super) fn pair(&mut self, file: u32, a: Address, b: Address) {
        if self.files.get(file as usize).is_none_or(|(_, samples)| *samples < SAMPLES) {
            self.sample(file, a, b);
        }
    }

    #[cold]
    #[inline(never)]
    fn sample(&mut self, file: u32, a: Address, b: Address) {
        match self.files.get_mut(file as usize) {
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
        if index < MAX_FILES {
            self.files.resize(index + 1, (CommonHost::default(), 0));
            self.sample(file, a, b);
        }
    }

    /// The host that a file was taken at.
    pub(super) fn host(&self, file: u32) -> Option<Address> {
        self.files.get(file as usize)?.0.host()
    }

    /// Whether no host is an end of all that a file shows.
    pub(super) fn is_between(&self, file: u32) -> bool {
        self.files
            .get(file as usize)
            .is_some_and(|(vantage, samples)| *samples > 0 && vantage.candidates() == [None, None])
    }

    /// When the last capture ends that sees what two hosts say to each other: `ends` are the files' ends.
    /// A file from a third host's interface goes on without seeing anything of them. Whose it is may be known
    /// beforehand (`hosts`): of a second capture of the same host only copies come, which show nothing here.
    pub(super) fn end_for(
        &self,
        a: Address,
        b: Address,
        ends: &[Option<Timestamp>],
        hosts: &[Option<Address>],
    ) -> Option<Timestamp> {
        let sees = |file: usize| {
            let shown = || self.files.get(file).and_then(|(vantage, _)| vantage.host());
            let host = hosts.get(file).copied().flatten().or_else(shown);
            host.is_none_or(|host| host == a || host == b)
        };
        ends.iter().enumerate().filter(|(file, _)| sees(*file)).filter_map(|(_, end)| *end).max()
    }
}
