//! A page for a browser for each incident: what the frames show that were held when it was over.
//!
//! The frames are those of the flight recorder, read anew on the thread that writes the page: so the watching is not
//! held up, and the page tells what `qscope replay --html` tells of the recording. No clock is read here.

use super::recordings::Recordings;
use crate::capture::Batch;
use crate::output::{self, Folder, NewFile, Replace};
use crate::report::live::What;
use crate::time::{Span, Timestamp};
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// How the names of pages end.
const SUFFIX: &str = ".html";
/// Stalls of one page; further ones do not put off its end.
const MAX_STALLS: usize = 64;
/// An incident that does not end is shown as it stands after so long; nobody waits longer for a picture.
const MAX_LEN: Span = Span::from_millis(600_000);

/// Frames that were held.
pub struct HeldBytes<'a> {
    /// In their order.
    pub batches: &'a [Arc<Batch>],
    /// Those of an earlier time are left out.
    pub from: Timestamp,
    /// Up to when nothing else came.
    pub until: Timestamp,
    /// The last frame that was let go for want of memory, where that lies behind `from`.
    pub cut_at: Option<Timestamp>,
    /// The first stall's number.
    pub stall: u32,
}

/// Writes a page; answers how many incidents are on it.
pub type WritePage = dyn Fn(&HeldBytes<'_>, &mut NewFile) -> io::Result<usize> + Send + Sync;

/// Where pages go, and how one is written.
#[derive(Clone)]
pub struct PageOptions {
    /// The folder.
    pub folder: PathBuf,
    /// Writes one.
    pub write: Arc<WritePage>,
}

impl fmt::Debug for PageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageOptions").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A page that waits for its incident's end.
#[derive(Clone, Debug)]
struct DuePage {
    from: Timestamp,
    told_at: Timestamp,
    stall: u32,
    open: BTreeSet<u32>,
    /// When the last stall was over.
    over_at: Option<Timestamp>,
}

/// The pages of a folder.
pub(super) struct Pages {
    written: Arc<Mutex<Recordings>>,
    write: Arc<WritePage>,
    due: Option<DuePage>,
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages").field("due", &self.due).finish_non_exhaustive()
    }
}

impl Pages {
    /// Pages to this folder, of which so many are kept.
    pub(super) fn new(folder: Folder, keep: usize, write: Arc<WritePage>) -> Self {
        Self { written: Arc::new(Mutex::new(Recordings::new(folder, keep, SUFFIX))), write, due: None }
    }

    /// A stall was told that began then, or told to be over.
    pub(super) fn stall(
        &mut self,
        at: Timestamp,
        (id, start): (u32, Timestamp),
        is_over: bool,
        before: Span,
    ) {
        if is_over {
            if let Some(due) = &mut self.due
                && due.open.remove(&id)
                && due.open.is_empty()
            {
                due.over_at = Some(at);
            }
            return;
        }
        let due = self.due.get_or_insert_with(|| DuePage {
            from: at.minus(before),
            told_at: at,
            stall: id,
            open: BTreeSet::new(),
            over_at: None,
        });
        due.from = due.from.min(start);
        if due.open.len() < MAX_STALLS {
            due.open.insert(id);
            due.over_at = None;
        }
    }

    /// From when on frames are needed.
    pub(super) fn from(&self) -> Option<Timestamp> {
        self.due.as_ref().map(|due| due.from)
    }

    /// Whether it is time to write one: the incident was over so long ago.
    pub(super) fn is_due(&self, now: Timestamp, after: Span) -> bool {
        self.due.as_ref().is_some_and(|due| {
            due.over_at.is_some_and(|over_at| now.since(over_at) >= after)
                || now.since(due.told_at) >= MAX_LEN
        })
    }

    /// The page that is due, to be written of these frames.
    pub(super) fn job(
        &mut self,
        batches: Vec<Arc<Batch>>,
        cut_at: Option<Timestamp>,
        until: Timestamp,
    ) -> Option<PageJob> {
        let due = self.due.take()?;
        let cut_at = cut_at.filter(|cut_at| *cut_at >= due.from);
        let (written, write) = (Arc::clone(&self.written), Arc::clone(&self.write));
        Some(PageJob { due, batches, until, cut_at, written, write })
    }
}

/// A page to be written.
pub(super) struct PageJob {
    due: DuePage,
    batches: Vec<Arc<Batch>>,
    until: Timestamp,
    cut_at: Option<Timestamp>,
    written: Arc<Mutex<Recordings>>,
    write: Arc<WritePage>,
}

impl PageJob {
    pub(super) fn run(self) -> What {
        let DuePage { from, told_at, stall, .. } = self.due;
        let (until, cut_at) = (self.until, self.cut_at);
        let held = HeldBytes { batches: &self.batches, from, until, cut_at, stall };
        let mut pages = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = pages.folder().path().to_owned();
        let written = pages.begin(told_at, stall).and_then(|(name, mut file)| {
            let path = folder.join(&name);
            let incidents =
                (self.write)(&held, &mut file).map_err(|error| output::OutputError::io(&path, error))?;
            let id = file.finish(Replace::default())?;
            pages.wrote(name, id);
            Ok(What::Page { path: path.display().to_string(), incidents, stall })
        });
        written.unwrap_or_else(|error| {
            What::Problem(format!(
                "the page of stall #{stall} could not be written: {}; the watching goes on ('df -h {}')",
                error.sentence(),
                folder.display()
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use std::io::Write;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_parts(seconds, 0)
    }

    const BEFORE: Span = Span::from_millis(60_000);
    const AFTER: Span = Span::from_millis(30_000);

    fn pages(folder: &std::path::Path) -> Pages {
        let write = |held: &HeldBytes<'_>, out: &mut NewFile| {
            write!(out, "{} {:?}", held.from.nanos(), held.cut_at.is_some())?;
            Ok(1)
        };
        Pages::new(Folder::open(folder).unwrap(), 2, Arc::new(write))
    }

    #[test]
    fn a_page_waits_until_all_its_stalls_are_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut pages = pages(folder.path());
        pages.stall(at(999), (9, at(980)), true, BEFORE);
        assert!(pages.from().is_none(), "the end of what nobody was told");
        pages.stall(at(1_000), (1, at(930)), false, BEFORE);
        assert_eq!(pages.from(), Some(at(930)), "from its beginning on, though that is earlier");
        pages.stall(at(1_005), (2, at(995)), false, BEFORE);
        pages.stall(at(1_010), (1, at(930)), true, BEFORE);
        assert!(!pages.is_due(at(1_100), AFTER), "another goes on");
        pages.stall(at(1_100), (2, at(995)), true, BEFORE);
        assert!(!pages.is_due(at(1_129), AFTER) && pages.is_due(at(1_130), AFTER));
        pages.stall(at(1_129), (3, at(1_120)), false, BEFORE);
        assert!(!pages.is_due(at(1_150), AFTER), "one more began in time");
        assert!(pages.is_due(at(1_600), AFTER), "what does not end is shown as it stands");
        let What::Page { path, incidents, stall } =
            pages.job(Vec::new(), Some(at(940)), at(1_600)).unwrap().run()
        else {
            unreachable!("it can be written")
        };
        assert_eq!((incidents, stall), (1, 1));
        assert!(path.ends_with("-stall1.html"), "{path}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), format!("{} true", at(930).nanos()));
        assert!(pages.from().is_none() && pages.job(Vec::new(), None, at(1_600)).is_none());
    }

    #[test]
    fn so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut pages = pages(folder.path());
        for number in 1..=5 {
            let told = at(i64::from(number) * 1_000);
            pages.stall(told, (number, told), false, BEFORE);
            assert!(matches!(pages.job(Vec::new(), None, at(1_600)).unwrap().run(), What::Page { .. }));
        }
        let mut names: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names.len(), 2, "{names:?}");
        assert!(names.iter().all(|name| name.to_string_lossy().ends_with(".html")), "{names:?}");
    }
}
