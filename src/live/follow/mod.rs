//! Follows a growing rotation: new files, growing files, files that disappear.
//!
//! All growing files are read at the same time, and their frames passed on in order. Files older than the
//! newest one at the start are ignored, and so are compressed copies of files that were read. A closed file
//! is recognized by its inode and its first bytes: if it has grown, reading continues, and if its content was
//! replaced, as in a ring of files, it is read from the start. What may have been lost is reported: see
//! [`Loss`]. The caller passes the present time; the lag of the files is learned from how they grow.

mod active;
mod loss;
mod merge;
mod names;
mod source;
mod waiting;

use super::clock::Distance;
use super::error::LiveError;
use crate::capture::{Batch, Compression};
use crate::pcapfile::Description;
use crate::time::{Span, Timestamp};
use active::{Active, PassedOver};
pub use loss::{Loss, Lost};
use names::{Listed, Turns, WatchedNames};
use source::{FileMark, FollowedFile, ReadOutcome};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};

/// Bytes read at once.
const READ_BYTES: usize = 256 * 1024;
/// Packed data that stop in the middle are looked at again so much later.
const AGAIN_AFTER: Span = Span::from_millis(2_000);
/// Packed data that have stopped in the middle for so long are reported.
const UNFINISHED_AFTER: Span = Span::from_millis(10_000);
/// A file that does not grow is closed after so long; it is known again when it does.
const IDLE: Span = Span::from_millis(10_000);
/// Growths by which it is learned how late files are written.
const GROWTHS: usize = 32;
/// Files that are open at once; beyond, others wait.
const MAX_OPEN: usize = 32;
/// Files that are known again.
const MAX_KNOWN: usize = 4_096;
/// Names that are looked at in one step.
const MAX_LOOKED_AT: usize = 256;
/// Names that wait to be looked at.
const MAX_DUE: usize = 65_536;
/// Frames of a second file are put in order if they are late by no more than this; what is older is left alone.
const MAX_LATE: Span = Span::from_millis(5_000);

/// What a step brought beside frames.
#[derive(Debug, Default)]
pub struct Polled {
    /// Files that were begun, with their numbers, which their frames carry.
    pub began: Vec<(u32, PathBuf)>,
    /// What files say of themselves, by their numbers, once that is known.
    pub described: Vec<(u32, Description, Compression)>,
    /// What stopped the reading of files, by their numbers.
    pub problems: Vec<(u32, String)>,
    /// What is worth knowing.
    pub notices: Vec<String>,
    /// What was lost since the last step.
    pub losses: Vec<Loss>,
    /// Whether there is more to read at once.
    pub more: bool,
}

/// Follows a folder.
pub struct Follower {
    folder: PathBuf,
    names: WatchedNames,
    active: Vec<Active>,
    /// Files that were read or passed over, by inode.
    marks: HashMap<u64, FileMark>,
    /// The names under which that was, and the last inode of each.
    known: BTreeMap<OsString, u64>,
    /// Both, those longest known first.
    order: VecDeque<(OsString, u64)>,
    /// Files that changed no later than this, and are not known, were there before.
    horizon: Option<SystemTime>,
    /// Names that are to be looked at, and whether something was surely in their files.
    due: BTreeMap<OsString, bool>,
    /// Files begun.
    begun: u32,
    files_most: u32,
    /// How late the last growths were: from the first frame's time to when it could be read.
    late: VecDeque<Span>,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// Files beyond those that a listing holds, as far as that was told.
    excess_told: u64,
    is_unlisted: bool,
    is_crowded: bool,
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower")
            .field("folder", &self.folder)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

impl Follower {
    /// A follower of a folder; frames of the file `files_most` and of all behind it have the same number.
    ///
    /// # Errors
    /// It cannot be listed.
    pub fn new(folder: &Path, files_most: u32) -> Result<Self, LiveError> {
        fs::read_dir(folder)
            .map_err(|error| LiveError::with(format!("--follow {}", folder.display()), error))?;
        Ok(Self {
            folder: folder.to_owned(),
            names: WatchedNames::new(folder, Instant::now()),
            active: Vec::new(),
            marks: HashMap::new(),
            known: BTreeMap::new(),
            order: VecDeque::new(),
            horizon: None,
            due: BTreeMap::new(),
            begun: 0,
            files_most,
            late: VecDeque::new(),
            first_at: None,
            last_at: None,
            excess_told: 0,
            is_unlisted: false,
            is_crowded: false,
            buffer: vec![0; READ_BYTES],
        })
    }

    /// Up to when all frames were surely seen, as of `now`: behind the present by as much as files were lately
    /// written late. `None` before that is known.
    #[must_use]
    pub fn quiet_until(&self, now: Timestamp) -> Option<Timestamp> {
        let passed_on = self.active.iter().all(|file| file.waiting.is_empty());
        self.late.iter().max().filter(|_| passed_on).map(|late| now.minus(*late))
    }

    /// The last frame's time.
    #[must_use]
    pub const fn last_at(&self) -> Option<Timestamp> {
        self.last_at
    }

    /// Looks for changes, and reads what there is, as far as it fits, into a batch that was cleared. `now` is the
    /// present; `distance` puts frames' times on its timeline.
    #[must_use]
    pub fn step(&mut self, batch: &mut Batch, distance: &Distance, now: Timestamp) -> Polled {
        let mut step = Polled::default();
        self.look(now, &mut step);
        for index in 0..self.active.len() {
            self.read(index, distance, now, &mut step);
        }
        merge::pour(&mut self.active, now, batch);
        self.note_times(batch);
        self.say_passed_over(&mut step);
        self.close(now);
        step.more |= self.active.iter().any(|file| !file.is_at_end);
        step
    }

    /// Passes on the frames that wait for those of other files: at the end, none of these come any more. Answers what
    /// was not read by then.
    #[must_use]
    pub fn finish(&mut self, batch: &mut Batch) -> Vec<Loss> {
        merge::pour_until(&mut self.active, Timestamp::MAX, batch);
        self.note_times(batch);
        let unread = self.active.iter().filter(|file| !file.is_at_end && !file.is_broken).map(|file| Loss {
            path: self.folder.join(&file.source.name),
            how: Lost::Unread(file.source.unread()),
            from: file.waiting.last_at.or(self.last_at),
            to: None,
        });
        unread.filter(|loss| loss.how != Lost::Unread(0)).collect()
    }

    fn note_times(&mut self, batch: &Batch) {
        self.first_at = self.first_at.or_else(|| batch.frame(0).map(|frame| frame.at));
        self.last_at = batch.frames().map(|frame| frame.at).max().max(self.last_at);
    }

    /// Something is lost from the last frame on.
    fn lose(&self, path: PathBuf, how: Lost, step: &mut Polled) {
        step.losses.push(Loss { path, how, from: self.last_at, to: None });
    }

    /// Finds the files that are to be begun.
    fn look(&mut self, now: Timestamp, step: &mut Polled) {
        let changes = self.names.changes();
        if changes.is_overrun {
            step.notices.push(format!("{}: more changes than inotify could tell", self.folder.display()));
        }
        for file in &mut self.active {
            if let Some(touched) = changes.touched.get(&file.source.name) {
                file.is_closed |= touched.is_closed;
                file.turns.note(*touched);
            }
        }
        let is_first = self.horizon.is_none();
        if !is_first {
            // What was renamed is told under its new name.
            let touched = changes.touched.into_iter().filter(|(name, _)| !changes.renamed.contains(name));
            for (name, touched) in touched {
                *self.due.entry(name).or_default() |= touched.is_written;
            }
        }
        self.due.retain(|name, _| !changes.renamed.contains(name));
        match self.names.list(Instant::now(), self.horizon) {
            None => {}
            Some(Err(_)) if self.is_unlisted => {}
            Some(Err(error)) => {
                self.is_unlisted = true;
                let folder = self.folder.display();
                step.notices.push(format!("{folder}: the folder cannot be listed any more: {error}"));
            }
            Some(Ok(listing)) if is_first => self.first(listing, step),
            Some(Ok(listing)) => {
                self.is_unlisted = false;
                self.say_excess(listing.excess, step);
                for file in listing.files {
                    if self.is_news(&file) && self.due.insert(file.name, true).is_none() {
                        self.names.found_untold();
                    }
                }
            }
        }
        let excess = self.due.len().saturating_sub(MAX_DUE);
        if excess > 0 {
            while self.due.len() > MAX_DUE && self.due.pop_last().is_some() {}
            self.lose(self.folder.clone(), Lost::Names(excess as u64), step);
        }
        for _ in 0..MAX_LOOKED_AT {
            if self.active.len() >= MAX_OPEN {
                if !self.due.is_empty() && !std::mem::replace(&mut self.is_crowded, true) {
                    step.notices
                        .push(format!("{MAX_OPEN} files grow at once: others wait until some do not"));
                }
                return;
            }
            let Some((name, is_written)) = self.due.pop_first() else { break };
            self.consider(&name, is_written, now, step);
        }
        self.is_crowded = false;
        step.more |= !self.due.is_empty();
    }

    /// Says that there are more files than are looked at, once for each.
    fn say_excess(&mut self, excess: u64, step: &mut Polled) {
        let more = excess.saturating_sub(self.excess_told);
        self.excess_told = excess;
        if more > 0 {
            self.lose(self.folder.clone(), Lost::Names(more), step);
        }
    }

    /// Says which files held frames from before: those of the time that was watched are lost.
    fn say_passed_over(&mut self, step: &mut Polled) {
        let first_at = self.first_at;
        for file in self.active.iter_mut().filter(|file| file.is_at_end && file.passed_over.frames > 0) {
            let path = self.folder.join(&file.source.name);
            let PassedOver { frames, first, last } = std::mem::take(&mut file.passed_over);
            if last >= first_at {
                step.losses.push(Loss { path, how: Lost::Late(frames), from: first.max(first_at), to: last });
            } else {
                step.notices.push(format!("{}: {frames} older frames are left alone", path.display()));
            }
        }
    }

    /// Begins with what is being written, not with what is over.
    fn first(&mut self, listing: names::Listing, step: &mut Polled) {
        let newer = (listing.files.len() as u64).saturating_sub(1);
        let older = listing.older.saturating_add(listing.excess).saturating_add(newer);
        self.excess_told = 0;
        let Some(newest) = listing.files.last() else {
            self.horizon = Some(SystemTime::UNIX_EPOCH);
            return;
        };
        // A time in the future would hide all that comes.
        self.horizon = Some(newest.changed.min(SystemTime::now()));
        if older > 0 {
            step.notices.push(format!(
                "{older} older {} left alone: qscope replay reads {}",
                if older == 1 { "file is" } else { "files are" },
                if older == 1 { "it" } else { "them" }
            ));
        }
        self.due.insert(newest.name.clone(), true);
    }

    /// Whether a file that was listed is to be looked at.
    fn is_news(&self, file: &Listed) -> bool {
        let is_read = self
            .active
            .iter()
            .any(|active| active.source.name == file.name && active.source.inode() == file.inode);
        let is_known = self.known.get(&file.name) == Some(&file.inode)
            && self.marks.get(&file.inode).is_some_and(|mark| {
                // A file of a ring has the same length in each turn.
                mark.len == file.len && mark.changed == Some(file.changed)
                    || mark.is_hopeless && !mark.prefix.is_empty() && file.len > mark.len
            });
        !is_read && !is_known
    }

    /// Begins a file if there is something in it that was not read.
    fn consider(&mut self, name: &OsString, is_written: bool, now: Timestamp, step: &mut Polled) {
        let path = self.folder.join(name);
        let about = match fs::symlink_metadata(&path) {
            Ok(about) => about,
            Err(_) if is_written => return self.say_removed(name, path, step),
            Err(_) => return,
        };
        let is_other = |file: &Active| file.source.name == *name && file.source.inode() != about.ino();
        self.active.iter_mut().filter(|file| is_other(file)).for_each(|file| file.is_closed = true);
        if let Some(file) =
            self.active.iter_mut().find(|file| file.source.inode() == about.ino() && !file.is_superseded)
        {
            // The same file, under another name perhaps: while it is open nothing else has its inode.
            file.source.name.clone_from(name);
            return;
        }
        if about.len() < source::MIN_LEN && about.is_file() || about.is_dir() || self.has_plain(&path, name) {
            return;
        }
        let is_named = self.known.get(name) == Some(&about.ino());
        let is_known = self.known.contains_key(name) || self.marks.contains_key(&about.ino());
        let changed = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        if !is_known && self.begun > 0 && self.horizon.is_some_and(|horizon| changed < horizon) {
            return;
        }
        let mut source = match FollowedFile::open(&self.folder, name) {
            Ok(source) => source,
            Err(error) => {
                let mark = FileMark { inode: about.ino(), is_hopeless: true, ..FileMark::default() };
                // Said once.
                if !is_named || self.marks.get(&about.ino()) != Some(&mark) {
                    step.notices.push(format!("{}: {error}: it is passed over", path.display()));
                    self.remember(name.clone(), mark);
                }
                return;
            }
        };
        if let Some(mark) = self.marks.get_mut(&source.inode()) {
            let is_same = source.resumes(mark);
            if is_same && (mark.len == about.len() || mark.is_hopeless) {
                // Under whatever name it was read.
                mark.changed = Some(changed);
                self.known.insert(name.clone(), source.inode());
                return;
            }
            if !is_same && is_named && !mark.is_whole && mark.len > 0 {
                self.lose(path, Lost::Rewritten, step);
            }
        }
        // Whoever writes to a new file has closed the one before; a second writer's file grows on, and shows it.
        let are_told = self.names.are_told();
        for file in self.active.iter_mut().filter(|file| file.is_at_end) {
            file.is_at_end = false;
            file.is_closed |= !are_told;
        }
        self.begin(source, now, step);
    }

    /// Says that a file was there and is not any more, unless it was read or packed.
    fn say_removed(&self, name: &OsString, path: PathBuf, step: &mut Polled) {
        let is_read = self.known.contains_key(name)
            || self.active.iter().any(|file| file.source.name == *name && !file.is_superseded);
        let is_packed = ["gz", "zst"].iter().any(|extension| {
            let mut packed = path.clone().into_os_string();
            packed.push(".");
            packed.push(extension);
            Path::new(&packed).exists()
        });
        if !is_read && !is_packed {
            self.lose(path, Lost::Removed, step);
        }
    }

    /// Whether a packed file's plain self was read, or is about to be packed.
    fn has_plain(&self, path: &Path, name: &OsString) -> bool {
        if !path.extension().is_some_and(|extension| extension == "gz" || extension == "zst") {
            return false;
        }
        let plain = Path::new(name).with_extension("").into_os_string();
        let is_read = self.active.iter().any(|file| file.source.name == plain);
        is_read || self.known.contains_key(&plain) || path.with_extension("").exists()
    }

    fn begin(&mut self, mut source: FollowedFile, now: Timestamp, step: &mut Polled) {
        source.is_file(self.begun.min(self.files_most));
        self.begun = self.begun.saturating_add(1);
        step.began.push((source.file(), self.folder.join(&source.name)));
        // What a file holds from before the frames that were passed on comes too late to be put in order.
        let from = self.last_at.filter(|_| !self.active.is_empty());
        self.active.push(Active::new(source, from.map(|from| from.minus(MAX_LATE)), now));
        step.more = true;
    }

    /// Reads on in one file.
    fn read(&mut self, index: usize, distance: &Distance, now: Timestamp, step: &mut Polled) {
        let Self { active, buffer, folder, late, .. } = self;
        let Some(file) = active.get_mut(index) else { return };
        if file.is_broken
            || file.waiting.is_full()
            || file.unfinished.is_some_and(|_| now.since(file.looked_at) < AGAIN_AFTER)
        {
            file.is_at_end |= file.is_broken || file.unfinished.is_some();
            return;
        }
        let has_more =
            file.source.compression != Compression::None && file.is_at_end && file.source.unread() > 0;
        if file.unfinished.is_some() || has_more {
            file.unfinished.get_or_insert((now, false));
            return self.read_again(index, now, step);
        }
        file.looked_at = now;
        let before = file.waiting.batch.len();
        let was_at_end = file.is_at_end;
        let was_closed = file.is_closed;
        let outcome = file.source.read(buffer, &|stamp| distance.place(stamp, now), &mut file.waiting.batch);
        file.waiting.grew(before, now);
        if file.waiting.batch.len() > before {
            file.grew_at = now;
            let first = file.waiting.batch.frame(before).map(|frame| frame.at);
            if let Some(first) = first.filter(|_| was_at_end) {
                if late.len() >= GROWTHS {
                    late.pop_front();
                }
                late.push_back(now.since(first).max(Span::ZERO));
            }
        }
        if !file.is_described
            && let Some(about) = file.source.description()
        {
            file.is_described = true;
            step.described.push((file.source.file(), about, file.source.compression));
        }
        file.is_at_end = outcome != ReadOutcome::More;
        let path = folder.join(&file.source.name);
        match outcome {
            ReadOutcome::More => {
                file.turns.count = 0;
                // It was closed, and is written on.
                file.is_closed &= !file.is_whole;
                file.is_whole = false;
            }
            ReadOutcome::End => (file.is_whole, file.turns.count) = (was_closed, 0),
            ReadOutcome::Unfinished(_) => file.unfinished = Some((now, false)),
            ReadOutcome::Broken(problem) => {
                (file.is_broken, file.is_hopeless) = (true, true);
                if file.source.frames > 0 {
                    let (how, from) =
                        (Lost::Damaged(file.source.undecoded()), file.waiting.last_at.or(self.last_at));
                    step.losses.push(Loss { path: path.clone(), how, from, to: None });
                }
                step.notices.push(format!("{}: {problem}: the rest of it is passed over", path.display()));
                step.problems.push((file.source.file(), problem));
            }
            ReadOutcome::Rewritten => self.begin_anew(index, now, step),
        }
    }

    /// Other content has taken a file's place: it is read from its beginning.
    fn begin_anew(&mut self, index: usize, now: Timestamp, step: &mut Polled) {
        let Some(file) = self.active.get_mut(index) else { return };
        let path = self.folder.join(&file.source.name);
        // A file that is begun anew twice between two looks held something that nobody has seen.
        if !file.is_whole || file.turns.count > 1 {
            let from = file.waiting.last_at.or(self.last_at);
            step.losses.push(Loss { path, how: Lost::Rewritten, from, to: None });
        }
        let turns = Turns { count: 0, ..file.turns };
        (file.is_broken, file.is_closed, file.is_superseded) = (true, true, true);
        let (name, inode) = (file.source.name.clone(), file.source.inode());
        // The frames in hand are still good.
        file.is_whole = true;
        match FollowedFile::open(&self.folder, &name) {
            Ok(source) if source.inode() == inode => {
                self.begin(source, now, step);
                if let Some(file) = self.active.last_mut() {
                    file.turns = turns;
                }
            }
            // Another file has its name by now, or none has.
            _ => {
                self.due.insert(name, false);
            }
        }
    }

    /// Reads packed data that stopped in the middle from their beginning; what was read is passed over.
    fn read_again(&mut self, index: usize, now: Timestamp, step: &mut Polled) {
        let Some(file) = self.active.get_mut(index) else { return };
        file.looked_at = now;
        let has_grown = file.source.unread() > 0;
        let Some((since, is_told)) = file.unfinished else { return };
        if has_grown {
            let mark = file.source.mark(false);
            let number = file.source.file();
            if let Ok(mut again) = file.source.again()
                && again.resumes(&mark)
            {
                again.is_file(number);
                file.source = again;
                file.unfinished = None;
                file.is_at_end = false;
                step.more = true;
            } else {
                self.begin_anew(index, now, step);
            }
        } else if !is_told && now.since(since) >= UNFINISHED_AFTER {
            file.unfinished = Some((since, true));
            let problem = "the packed data end early";
            let path = self.folder.join(&file.source.name);
            step.notices.push(format!(
                "{}: {problem}, after {} frames: read on when it grows",
                path.display(),
                file.source.frames
            ));
            step.problems.push((file.source.file(), problem.to_owned()));
        }
    }

    /// Closes files that have nothing more to give, and remembers how far they were read.
    fn close(&mut self, now: Timestamp) {
        let mut index = 0;
        while let Some(file) = self.active.get_mut(index) {
            file.is_closed |= file.is_at_end && file.source.is_unlinked();
            let patience = if file.is_whole && file.is_closed { merge::PATIENCE } else { IDLE };
            let is_idle = now.since(file.grew_at) >= patience && file.unfinished.is_none();
            let is_over = file.is_at_end && file.waiting.is_empty() && (file.is_broken || is_idle);
            if is_over && (self.active.len() > 1 || self.active.iter().any(|file| file.is_broken)) {
                self.part(index);
            } else {
                index += 1;
            }
        }
    }

    fn part(&mut self, index: usize) {
        let file = self.active.remove(index);
        if file.is_superseded {
            return;
        }
        let changed = file.source.metadata().and_then(|about| about.modified());
        let mark = FileMark { is_hopeless: file.is_hopeless, ..file.source.mark(file.is_whole) };
        self.remember(file.source.name, mark);
        if self.order.len() > MAX_KNOWN {
            // What is forgotten must not be taken for new.
            let horizon = changed.unwrap_or(SystemTime::UNIX_EPOCH).min(SystemTime::now());
            self.horizon = self.horizon.max(Some(horizon));
        }
    }

    fn remember(&mut self, name: OsString, mark: FileMark) {
        let inode = mark.inode;
        self.marks.insert(inode, mark);
        // A name that belongs to another file by now keeps that.
        if self.known.get(&name).is_none_or(|known| !self.marks.contains_key(known))
            || self.is_at(&name, inode)
        {
            self.known.insert(name.clone(), inode);
        }
        self.order.push_back((name, inode));
        while self.order.len() > 2 * MAX_KNOWN {
            let Some((name, inode)) = self.order.pop_front() else { return };
            if self.known.get(&name) == Some(&inode) {
                self.known.remove(&name);
            }
            self.marks.remove(&inode);
        }
    }

    /// Whether a name leads to an inode.
    fn is_at(&self, name: &OsString, inode: u64) -> bool {
        fs::symlink_metadata(self.folder.join(name)).is_ok_and(|about| about.ino() == inode)
    }
}

#[cfg(test)]
mod tests;
