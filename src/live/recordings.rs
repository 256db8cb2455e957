//! The recordings in a directory, and the pages beside them: their names, and which of them are kept.
//!
//! Only regular files of the current user whose names match the exact pattern count, and not those of other
//! running processes. This process's own recordings are the newest, in the order in which it wrote them,
//! whatever the clock says; older ones are ordered by name. The newest is never deleted.

use crate::output::{FileId, Folder, NewFile, Replace};
use crate::time::Timestamp;
use nix::sys::signal::kill;
use nix::unistd::{Pid, geteuid};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// How the names of recordings begin.
const PREFIX: &str = "qscope-";
/// How those of captures end.
pub(super) const CAPTURE: &str = ".pcapng";
/// Recordings of one second and one stall: a name that is taken gets a number.
const MAX_SAME: u32 = 64;

/// What a recording's name says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    /// When its stall was announced: `20261121T080232Z`.
    stamp: String,
    /// The process that wrote it.
    process: i32,
    /// The number of its stall; behind a dot, which recording of that name it is.
    stall: String,
}

impl Name {
    /// Reads a name that we may have given.
    fn read(name: &OsStr, suffix: &str) -> Option<Self> {
        let inner = name.to_str()?.strip_prefix(PREFIX)?.strip_suffix(suffix)?;
        let mut parts = inner.split('-');
        let (stamp, process, stall) = (parts.next()?, parts.next()?, parts.next()?);
        let stall = stall.strip_prefix("stall")?;
        let is_stamp = stamp.len() == 16
            && stamp.bytes().enumerate().all(|(index, byte)| match index {
                8 => byte == b'T',
                15 => byte == b'Z',
                _ => byte.is_ascii_digit(),
            });
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_stall = match stall.split_once('.') {
            Some((stall, again)) => is_number(stall) && is_number(again),
            None => is_number(stall),
        };
        if !is_stamp || !is_stall || !is_number(process) || parts.next().is_some() {
            return None;
        }
        Some(Self { stamp: stamp.to_owned(), process: process.parse().ok()?, stall: stall.to_owned() })
    }

    fn file_name(&self, suffix: &str) -> OsString {
        format!("{PREFIX}{}-{}-stall{}{suffix}", self.stamp, self.process, self.stall).into()
    }
}

/// The recordings of a folder, as far as they are ours.
#[derive(Debug)]
pub(super) struct Recordings {
    folder: Folder,
    keep: usize,
    suffix: &'static str,
    process: i32,
    /// What this process wrote, the newest last.
    own: VecDeque<(OsString, FileId)>,
}

impl Recordings {
    /// The recordings of a folder whose names end so, of which so many are kept.
    pub(super) fn new(folder: Folder, keep: usize, suffix: &'static str) -> Self {
        Self { folder, keep: keep.max(1), suffix, process: Pid::this().as_raw(), own: VecDeque::new() }
    }

    /// The folder.
    pub(super) const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Begins a recording of a stall that was announced at that time.
    ///
    /// # Errors
    /// See [`Folder::begin`].
    pub(super) fn begin(
        &self,
        at: Timestamp,
        stall: u32,
    ) -> Result<(OsString, NewFile), crate::output::OutputError> {
        let seconds = at.nanos().div_euclid(1_000_000_000);
        let stamp = jiff::Timestamp::from_second(seconds).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
        let mut name = Name { stamp: stamp.to_string(), process: self.process, stall: stall.to_string() };
        let mut again = 1;
        loop {
            match self.folder.begin(&name.file_name(self.suffix), Replace::default()) {
                Err(crate::output::OutputError::Exists(_)) if again < MAX_SAME => {
                    again += 1;
                    name.stall = format!("{stall}.{again}");
                }
                Err(error) => return Err(error),
                Ok(file) => return Ok((name.file_name(self.suffix), file)),
            }
        }
    }

    /// Notes a recording that was written, and removes those that are too many.
    pub(super) fn wrote(&mut self, name: OsString, id: FileId) {
        self.own.push_back((name, id));
        let others = self.others();
        let excess = others.len().saturating_add(self.own.len()).saturating_sub(self.keep);
        for (name, id) in others.iter().take(excess) {
            // What somebody else has removed is gone all the same.
            let _ = self.folder.remove(name, *id);
        }
        for _ in others.len()..excess {
            if self.own.len() > 1
                && let Some((name, id)) = self.own.pop_front()
            {
                let _ = self.folder.remove(&name, id);
            }
        }
    }

    /// What processes wrote that are over, the oldest first.
    fn others(&self) -> Vec<(OsString, FileId)> {
        let Ok(entries) = fs::read_dir(self.folder.path()) else { return Vec::new() };
        let user = geteuid().as_raw();
        let mut others: Vec<_> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = Name::read(&entry.file_name(), self.suffix)?;
                // Of the entry itself: a link is nothing of ours.
                let about = entry.metadata().ok().filter(|about| about.is_file() && about.uid() == user)?;
                let is_others = name.process != self.process && is_running(name.process);
                let id = FileId::from(&about);
                let is_own = self.own.iter().any(|(_, own)| *own == id);
                (!is_others && !is_own).then_some((name, id))
            })
            .collect();
        others.sort();
        others.into_iter().map(|(name, id)| (name.file_name(self.suffix), id)).collect()
    }
}

/// Whether there is a process of that number, whoever it belongs to.
fn is_running(process: i32) -> bool {
    process > 0 && kill(Pid::from_raw(process), None) != Err(nix::errno::Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::path::Path;

    /// A process that is over; numbers of processes end before it.
    const GONE: &str = "99999999";

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn record(recordings: &mut Recordings, second: i64, stall: u32) -> String {
        let at = Timestamp::from_parts(second, 0);
        let (name, file) = recordings.begin(at, stall).unwrap();
        let id = file.finish(Replace::default()).unwrap();
        recordings.wrote(name.clone(), id);
        name.into_string().unwrap()
    }

    #[test]
    fn a_name_has_one_exact_pattern() {
        let name = "qscope-20261121T080232Z-17-stall3.pcapng";
        assert_eq!(Name::read(name.as_ref(), CAPTURE).unwrap().file_name(CAPTURE), name);
        assert!(Name::read("qscope-20261121T080232Z-17-stall3.2.pcapng".as_ref(), CAPTURE).is_some());
        assert_eq!(Name::read(name.as_ref(), ".html"), None, "pages are counted apart");
        for name in [
            "qscope-notes.pcapng",
            "qscope-20261121T080232Z-stall3.pcapng",
            "qscope-20261121T080232Z-17-stall.pcapng",
            "qscope-20261121T080232Z-17-stall3-old.pcapng",
            "qscope-20261121T080232Z-x-stall3.pcapng",
            "qscope-9999-17-stall3.pcapng",
            "qscope-20261121T080232Z-17-stall3.pcapng.gz",
        ] {
            assert_eq!(Name::read(name.as_ref(), CAPTURE), None, "{name}");
        }
    }

    #[test]
    fn the_newest_are_kept_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let mut recordings = Recordings::new(Folder::open(folder.path()).unwrap(), 2, CAPTURE);
        // The clock was far in the future, and was set right.
        let first = record(&mut recordings, 4_000_000_000, 1);
        let second = record(&mut recordings, 1_000, 2);
        assert_eq!(names(folder.path()).len(), 2);
        let third = record(&mut recordings, 1_001, 3);
        let kept = names(folder.path());
        assert!(!kept.contains(&first) && kept.contains(&second) && kept.contains(&third), "{kept:?}");
        // Of one second and one stall, as after a restart in a container.
        let again = record(&mut recordings, 1_001, 3);
        assert!(again.ends_with("-stall3.2.pcapng") && names(folder.path()).contains(&again), "{again}");
    }

    #[test]
    fn only_our_own_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let ended = format!("qscope-99991231T235959Z-{GONE}-stall1.pcapng");
        // Process 1 runs.
        let running = "qscope-20000101T000000Z-1-stall1.pcapng";
        let foreign = ["qscope-zzz.pcapng", "qscope-99991231T235959Z.pcapng", "notes.txt", running];
        foreign.iter().for_each(|name| fs::write(path(name), "precious").unwrap());
        fs::write(path(&ended), "old").unwrap();
        fs::create_dir(path(&format!("qscope-20000101T000000Z-{GONE}-stall2.pcapng"))).unwrap();
        let link = format!("qscope-20000101T000000Z-{GONE}-stall3.pcapng");
        std::os::unix::fs::symlink(path("notes.txt"), path(&link)).unwrap();
        let mut recordings = Recordings::new(Folder::open(folder.path()).unwrap(), 1, CAPTURE);
        let newest = record(&mut recordings, 1_000, 1);
        let kept = names(folder.path());
        assert!(kept.contains(&newest), "{kept:?}");
        assert!(!kept.contains(&ended), "{kept:?}");
        assert_eq!(kept.len(), foreign.len() + 3, "{kept:?}");
    }
}
