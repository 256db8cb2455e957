//! One open file: decompressed, decoded, counted.

use std::io::{self, Read};
use std::mem;

use super::FileInfo;
use super::batch::{Batch, BatchFrame};
use super::clock::ClockCorrection;
use super::order::Order;
use super::unpack::Unpacker;
use super::unreadable;
use crate::pcapfile::{Decoder, Progress};
use crate::time::Timestamp;

/// A buffer with less space than this is full: reading a few more bytes is not worth a call.
const MIN_READ_BYTES: usize = 16 * 1024;

/// Reads one file, a batch at a time. Every problem is recorded in its [`FileInfo`], after all frames before
/// it are delivered. Owns all it needs, so that it can run on a thread of its own.
pub(super) struct Reader {
    /// What is known so far.
    pub(super) info: FileInfo,
    /// The file's index in the input.
    pub(super) file: u32,
    /// The correction of its clock, if it needs one.
    pub(super) clock: Option<ClockCorrection>,
    /// None once the file is finished.
    source: Option<Unpacker>,
    decoder: Option<Decoder>,
    /// The start of an incomplete record.
    tail: Vec<u8>,
    /// Whether to deliver the available frames instead of waiting for more, as for a pipe.
    eager: bool,
    /// What puts frames in order of time.
    order: Order,
}

/// Why reading stopped.
enum Stop {
    End,
    Problem(String),
}

impl Reader {
    /// A reader of `source`; the path is only its name.
    pub(super) fn new(path: String, source: io::Result<Unpacker>, eager: bool) -> Self {
        let mut info = FileInfo { path, ..FileInfo::default() };
        let source = match source {
            Ok(source) => {
                info.compression = source.compression();
                Some(source)
            }
            Err(error) => {
                info.problem = Some(error.to_string());
                None
            }
        };
        Self {
            info,
            file: 0,
            clock: None,
            source,
            decoder: None,
            tail: Vec::new(),
            eager,
            order: Order::default(),
        }
    }

    /// Fills a batch, cleared before, with this file's next frames in order of time: about `target` bytes of them.
    /// False at the end of what can be read.
    pub(super) fn fill(&mut self, batch: &mut Batch, target: usize) -> bool {
        let mut order = mem::take(&mut self.order);
        let is_more = if self.eager {
            let is_more = self.fill_as_written(batch, target);
            order.sort(batch);
            is_more
        } else {
            order.fill(batch, |batch| {
                self.fill_as_written(batch, target);
            })
        };
        self.info.reordered_frames = order.reordered;
        self.order = order;
        let mut times =
            batch.entries.iter().map(|entry| entry.head.at).filter(|at| *at != Timestamp::UNKNOWN);
        let first = times.next();
        self.info.first = self.info.first.or(first);
        // The last one's, not the latest: a clock may have been set back.
        self.info.last = times.next_back().or(first).or(self.info.last);
        is_more
    }

    /// The same in the order of the file.
    pub(super) fn fill_as_written(&mut self, batch: &mut Batch, target: usize) -> bool {
        batch.clear();
        let Some(mut source) = self.source.take() else { return false };
        batch.append(&self.tail);
        self.tail.clear();
        batch.reserve(target.max(batch.filled + MIN_READ_BYTES));
        let mut used = 0;
        match self.read(&mut source, batch, &mut used) {
            Ok(()) => {
                self.tail.extend_from_slice(batch.bytes.get(used..batch.filled).unwrap_or_default());
                self.source = Some(source);
            }
            Err(Stop::Problem(problem)) => self.info.problem = Some(problem),
            Err(Stop::End) => {
                self.info.problem = self
                    .problem_at_end(batch.bytes.get(used..batch.filled).unwrap_or_default())
                    .or(self.info.problem.take());
            }
        }
        self.describe();
        !batch.is_empty()
    }

    /// Reads and decodes until there are frames and the buffer is full.
    fn read(&mut self, source: &mut Unpacker, batch: &mut Batch, used: &mut usize) -> Result<(), Stop> {
        loop {
            let read = match source.read(batch.bytes.get_mut(batch.filled..).unwrap_or_default()) {
                Ok(0) => {
                    self.last_look(batch, used)?;
                    return Err(Stop::End);
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Problem(error.to_string())),
            };
            batch.filled += read;
            let Some(progress) = self.decode(batch, *used)? else { continue };
            *used += progress.used;
            if let Some(problem) = progress.problem {
                return Err(Stop::Problem(problem.to_string()));
            }
            let room = batch.bytes.len() - batch.filled;
            if !batch.is_empty() && (self.eager || room < MIN_READ_BYTES) {
                return Ok(());
            }
            if batch.is_empty() {
                // The used bytes held no frame; make space.
                batch.bytes.copy_within(*used..batch.filled, 0);
                batch.filled -= *used;
                *used = 0;
            }
            // The decoder has checked its request against its limits.
            batch.reserve(progress.needed.max(batch.filled + MIN_READ_BYTES));
        }
    }

    /// Decodes the file's last bytes once more, where it makes a difference that they are the last.
    fn last_look(&mut self, batch: &mut Batch, used: &mut usize) -> Result<(), Stop> {
        if self.decoder.as_mut().is_some_and(Decoder::end_of_file)
            && let Some(progress) = self.decode(batch, *used)?
        {
            *used += progress.used;
            if let Some(problem) = progress.problem {
                return Err(Stop::Problem(problem.to_string()));
            }
        }
        Ok(())
    }

    /// Finds the frames in the bytes from `used` on; nothing where it is too early to tell the format.
    fn decode(&mut self, batch: &mut Batch, used: usize) -> Result<Option<Progress>, Stop> {
        let bytes = batch.bytes.get(used..batch.filled).unwrap_or_default();
        let decoder = match &mut self.decoder {
            Some(decoder) => decoder,
            None if bytes.len() < Decoder::MAGIC_LEN => return Ok(None),
            None => match Decoder::sniff(bytes) {
                Some(decoder) => self.decoder.insert(decoder),
                // What is no capture is waited for until it can be named.
                None if bytes.len() < unreadable::START_LEN => return Ok(None),
                None => return Err(Stop::Problem(unreadable::reason(bytes))),
            },
        };
        let (file, clock) = (self.file, self.clock);
        let entries = &mut batch.entries;
        let before = entries.len();
        let (mut captured_bytes, mut wire_bytes, mut cut_frames) = (0, 0, 0);
        // The buffer is far below 4 GiB.
        let base = u32::try_from(used).unwrap_or(u32::MAX);
        let progress = decoder.decode(bytes, &mut |mut head| {
            head.start = head.start.saturating_add(base);
            if let Some(clock) = &clock
                && head.at != Timestamp::UNKNOWN
            {
                head.at = clock.correct(head.at);
            }
            captured_bytes += u64::from(head.len);
            wire_bytes += u64::from(head.orig_len);
            cut_frames += u64::from(head.len < head.orig_len);
            entries.push(BatchFrame { head, file });
        });
        self.info.frames += (entries.len() - before) as u64;
        self.info.captured_bytes += captured_bytes;
        self.info.wire_bytes += wire_bytes;
        self.info.cut_frames += cut_frames;
        Ok(Some(progress))
    }

    fn describe(&mut self) {
        if let Some(decoder) = &self.decoder {
            let description = decoder.description();
            self.info.format = Some(description.format);
            self.info.link_type = description.link_type;
            self.info.snaplen = description.snaplen;
            self.info.nanos = description.nanos;
            self.info.dropped = description.dropped;
        }
    }

    /// What is wrong with the file, if it ends with these unused bytes.
    fn problem_at_end(&self, rest: &[u8]) -> Option<String> {
        match &self.decoder {
            Some(decoder) => decoder.finish(rest.len()).map(|problem| problem.to_string()),
            None if rest.is_empty() && self.eager => {
                Some("nothing came through the pipe: see what the command before it said".to_owned())
            }
            None if rest.is_empty() => Some("empty file".to_owned()),
            None => Some(unreadable::reason(rest)),
        }
    }
}
