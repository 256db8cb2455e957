//! Finds changed files of a directory with inotify, and by listing it at intervals.
//!
//! Listing also covers network file systems, where inotify does not see the writes of other hosts. A slow
//! listing is made rarely, so that a directory with a million names costs no more than one with ten.

#[cfg(target_os = "linux")]
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// How often the folder is listed where inotify tells nothing.
const LIST_EVERY: Duration = Duration::from_millis(250);
/// How often where it does.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// A listing takes at most this part of the time.
const LISTING_PART: u32 = 50;
/// Names that wait to be looked at; beyond, the folder is listed.
const MAX_NAMES: usize = 4_096;
/// Files of a listing, the newest; more than those that are known again, so that what is beyond was never read.
const MAX_LISTED: usize = 4 * MAX_NAMES;

/// A name, and what its file was when it was listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: OsString,
    pub(super) changed: SystemTime,
    pub(super) inode: u64,
    pub(super) len: u64,
}

/// Names as they change.
pub(super) struct WatchedNames {
    folder: PathBuf,
    #[cfg(target_os = "linux")]
    watch: Option<Inotify>,
    /// Whether inotify has missed something that a listing found.
    is_trusted: bool,
    next_listing: Instant,
    must_list: bool,
}

/// What has happened in the folder.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Files that were made or written, and how.
    pub(super) touched: BTreeMap<OsString, Touched>,
    /// Names that their files do not have any more, but others, and that no other file has got since.
    pub(super) renamed: BTreeSet<OsString>,
    /// Whether some were not told: the folder is listed.
    pub(super) is_overrun: bool,
}

/// What has happened to one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Touched {
    /// Whether the first was that something was written.
    begins_written: bool,
    /// Whether it was written, or has come under this name, or has only been made.
    pub(super) is_written: bool,
    /// How often it was written after it had been closed.
    reopened: u32,
    /// Whether whoever wrote it has closed it, and when that was the last of all.
    pub(super) is_closed: bool,
    ends_closed: bool,
}

impl Touched {
    #[cfg(target_os = "linux")]
    fn note(&mut self, is_first: bool, mask: AddWatchFlags) {
        let is_close = mask.contains(AddWatchFlags::IN_CLOSE_WRITE);
        self.is_written |= mask.intersects(AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_MOVED_TO);
        self.begins_written |= is_first && !is_close;
        self.reopened = self.reopened.saturating_add(u32::from(self.ends_closed && !is_close));
        self.is_closed |= is_close;
        self.ends_closed = is_close;
    }
}

/// How often a file was begun anew at most, as closing and writing tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turns {
    /// Since it was last seen to hold what it held.
    pub(super) count: u32,
    pub(super) is_closed: bool,
}

impl Turns {
    /// Notes what has happened to the file.
    pub(super) fn note(&mut self, touched: Touched) {
        let reopened = u32::from(self.is_closed && touched.begins_written);
        self.count = self.count.saturating_add(reopened).saturating_add(touched.reopened);
        self.is_closed = touched.ends_closed;
    }
}

impl WatchedNames {
    pub(super) fn new(folder: &Path, now: Instant) -> Self {
        Self {
            folder: folder.to_owned(),
            #[cfg(target_os = "linux")]
            watch: watch(folder),
            is_trusted: cfg!(target_os = "linux"),
            next_listing: now,
            must_list: true,
        }
    }

    /// What inotify tells. Each call takes all there is, so that its queue does not overflow.
    #[cfg(target_os = "linux")]
    pub(super) fn changes(&mut self) -> Changes {
        let mut changes = Changes::default();
        let Some(watch) = &self.watch else { return changes };
        // A read takes some hundred events; more than a queue's worth at once is left for the next call.
        for _ in 0..256 {
            let Ok(events) = watch.read_events() else { break };
            for event in events {
                if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
                    changes.is_overrun = true;
                }
                let Some(name) = event.name else { continue };
                if event.mask.contains(AddWatchFlags::IN_MOVED_FROM) {
                    changes.renamed.insert(name);
                    continue;
                }
                changes.renamed.remove(&name);
                let is_first = !changes.touched.contains_key(&name);
                changes.touched.entry(name).or_default().note(is_first, event.mask);
            }
            if changes.touched.len() > MAX_NAMES {
                changes.is_overrun = true;
            }
        }
        self.must_list |= changes.is_overrun;
        changes
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn changes(&mut self) -> Changes {
        Changes::default()
    }

    /// Whether inotify tells when a file is closed.
    pub(super) fn are_told(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.watch.is_some() && self.is_trusted;
        #[cfg(not(target_os = "linux"))]
        return false;
    }

    /// Notes that something has come without inotify's telling it.
    pub(super) fn found_untold(&mut self) {
        self.is_trusted = false;
    }

    /// The files that are newer than `horizon`, where it is time to list them, and how many are not; an error where
    /// the folder cannot be listed.
    pub(super) fn list(
        &mut self,
        now: Instant,
        horizon: Option<SystemTime>,
    ) -> Option<std::io::Result<Listing>> {
        if now < self.next_listing && !self.must_list {
            return None;
        }
        self.must_list = false;
        let listing = self.list_now(horizon);
        let took = now.elapsed();
        let every = if self.are_told() { CHECK_EVERY } else { LIST_EVERY };
        self.next_listing = now + took + every.max(took.saturating_mul(LISTING_PART));
        Some(listing)
    }

    fn list_now(&self, horizon: Option<SystemTime>) -> std::io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in fs::read_dir(&self.folder)?.filter_map(Result::ok) {
            // Of the entry itself: links are not followed.
            let Ok(about) = entry.metadata() else { continue };
            let Ok(changed) = about.modified() else { continue };
            if !about.is_file() || about.len() == 0 {
                continue;
            }
            if horizon.is_some_and(|horizon| changed <= horizon) {
                listing.older += 1;
                continue;
            }
            listing.files.push(Listed {
                name: entry.file_name(),
                changed,
                inode: about.ino(),
                len: about.len(),
            });
            if listing.files.len() >= 2 * MAX_LISTED {
                listing.keep_newest();
            }
        }
        listing.keep_newest();
        Ok(listing)
    }
}

/// The files of a folder, by when they changed.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) files: Vec<Listed>,
    /// Files that are not in it because they are older than was asked for.
    pub(super) older: u64,
    /// Files that are not in it because there are too many.
    pub(super) excess: u64,
}

impl Listing {
    fn keep_newest(&mut self) {
        self.files.sort_by(|a, b| (a.changed, &a.name).cmp(&(b.changed, &b.name)));
        let excess = self.files.len().saturating_sub(MAX_LISTED);
        self.files.drain(..excess);
        self.excess = self.excess.saturating_add(excess as u64);
    }
}

#[cfg(target_os = "linux")]
fn watch(folder: &Path) -> Option<Inotify> {
    let watch = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC).ok()?;
    let told = AddWatchFlags::IN_CREATE
        | AddWatchFlags::IN_MOVED_TO
        | AddWatchFlags::IN_MOVED_FROM
        | AddWatchFlags::IN_MODIFY
        | AddWatchFlags::IN_CLOSE_WRITE
        | AddWatchFlags::IN_ONLYDIR;
    watch.add_watch(folder, told).ok()?;
    Some(watch)
}
