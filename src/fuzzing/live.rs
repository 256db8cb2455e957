//! The inputs of a running watch: requests for its metrics, and the directory that it follows.

use super::FuzzBytes;
use crate::capture::Batch;
use crate::frame::{Frame, FrameRef, LinkType};
use crate::live::clock::{Distance, Timeline};
use crate::live::follow::Follower;
use crate::live::http::{MAX_HEAD, parse, read_head};
use crate::pcapfile::{ByteOrder, pcapng};
use crate::time::{Span, Timestamp};
use flate2::{Compression, write::GzEncoder};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bytes that arrive in portions, with pauses between them.
struct Portions<'a> {
    rest: &'a [u8],
    portion: usize,
    pauses: bool,
}

impl Read for Portions<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pauses = !self.pauses;
        if self.pauses && !self.rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = self.portion.min(buffer.len()).min(self.rest.len());
        let (front, rest) = self.rest.split_at(len);
        buffer.get_mut(..len).unwrap().copy_from_slice(front);
        self.rest = rest;
        Ok(len)
    }
}

/// The requested page, or the refusal.
#[derive(Debug, PartialEq, Eq)]
enum HttpOutcome {
    For(String, String),
    Refused(u16),
    Nothing,
}

fn asked(bytes: &[u8], portion: usize) -> (HttpOutcome, usize) {
    let mut portions = Portions { rest: bytes, portion, pauses: true };
    let mut head = Vec::new();
    let asked = loop {
        match read_head(&mut portions, &mut head) {
            Ok(None) => {}
            Ok(Some(Err(response))) => break HttpOutcome::Refused(response.status),
            Ok(Some(Ok(()))) => {
                break match parse(&head) {
                    Ok(request) => HttpOutcome::For(request.path.to_owned(), request.accept.to_owned()),
                    Err(response) => HttpOutcome::Refused(response.status),
                };
            }
            Err(_) => break HttpOutcome::Nothing,
        }
    };
    (asked, head.len())
}

/// A request for the metrics, from any client.
///
/// Properties: the result does not depend on the portions, no more than a head is buffered, and a body
/// changes nothing.
pub fn http(data: &[u8]) {
    let (whole, _) = asked(data, usize::MAX);
    for portion in [1, 2, 3, 7, 100, 2_048] {
        let (again, held) = asked(data, portion);
        assert!(held <= MAX_HEAD + 2_048, "{held} bytes held");
        // A head that is too long may be refused before its end arrives.
        if data.len() <= MAX_HEAD {
            assert_eq!(again, whole, "in portions of {portion}");
        }
    }
    if data.len() <= MAX_HEAD && matches!(whole, HttpOutcome::For(..)) {
        let body = [data, &[b'x'; 3_000]].concat();
        assert_eq!(asked(&body, usize::MAX).0, whole, "a body was looked at");
    }
}

/// Directories created by this process so far.
static FOLDERS: AtomicU32 = AtomicU32::new(0);
const NAMES: [&str; 4] = ["a", "b", "c.gz", "c"];
const ENCODER: pcapng::PcapngEncoder = pcapng::PcapngEncoder { order: ByteOrder::Little };

/// A directory that is followed while its files change.
struct Followed {
    folder: PathBuf,
    follower: Follower,
    distance: Distance,
    now: Timestamp,
    /// The next frame's number.
    next: u32,
    /// The file of each frame, by frame number.
    written: BTreeMap<u32, usize>,
    seen: Vec<u32>,
    /// Unfinished files, by name.
    halves: BTreeMap<usize, Vec<u8>>,
    losses: usize,
    /// Whether an operation may have made frames unreadable.
    is_harmed: bool,
}

impl Followed {
    fn new() -> Option<Self> {
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("qscope-fuzz-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).ok()?;
        let follower = Follower::new(&folder, 3).ok()?;
        Some(Self {
            folder,
            follower,
            distance: Distance::new(Timeline::start()),
            now: Timestamp::from_parts(1_000_000, 0),
            next: 100,
            written: BTreeMap::new(),
            seen: Vec::new(),
            halves: BTreeMap::new(),
            losses: 0,
            is_harmed: false,
        })
    }

    fn path(&self, name: usize) -> PathBuf {
        self.folder.join(NAMES[name % NAMES.len()])
    }

    fn frames(&mut self, name: usize, count: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..count % 16 + 1 {
            let at = Timestamp::from_parts(1_000_000, 0).plus(Span::from_millis(i64::from(self.next)));
            let (link, id) = (LinkType::from_number(1), FrameRef::default());
            ENCODER.frame(0, &Frame { at, link, orig_len: self.next, data: &[7; 16], id }, "", &mut bytes);
            self.written.insert(self.next, name);
            self.next += 1;
        }
        bytes
    }

    fn whole(&mut self, name: usize, count: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        ENCODER.section("", &mut bytes);
        ENCODER.interface(1, 96, &mut bytes);
        bytes.extend(self.frames(name, count));
        bytes
    }

    /// Advances the time until there is nothing more to read.
    fn pass(&mut self, millis: i64) {
        for _ in 0..1_000 {
            let mut batch = Batch::new();
            let step = self.follower.step(&mut batch, &self.distance, self.now);
            self.losses += step.losses.len();
            self.seen.extend(batch.frames().map(|frame| frame.orig_len));
            if !step.more {
                self.now = self.now.plus(Span::from_millis(millis));
                return;
            }
        }
        panic!("it reads without end");
    }

    fn append(&mut self, name: usize, count: u8, is_half: bool) {
        let path = self.path(name);
        let about = fs::symlink_metadata(&path);
        if about.as_ref().is_ok_and(|about| !about.is_file()) {
            return;
        }
        let is_file = about.is_ok_and(|about| about.len() > 0);
        let mut bytes = self.halves.remove(&name).unwrap_or_default();
        bytes.extend(if is_file { self.frames(name, count) } else { self.whole(name, count) });
        if path.extension().is_some() {
            // Another gzip member, as from a compressor that appends.
            let mut out = GzEncoder::new(Vec::new(), Compression::fast());
            out.write_all(&bytes).unwrap();
            bytes = out.finish().unwrap();
        }
        if is_half && path.extension().is_none() {
            self.halves.insert(name, bytes.split_off(bytes.len() / 2));
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(&bytes).unwrap();
    }

    fn act(&mut self, action: u8, argument: u8) {
        let name = usize::from(argument & 3);
        match action % 11 {
            0..=2 => self.append(name, argument >> 2, false),
            3 => self.append(name, argument >> 2, true),
            4 => self.pass(i64::from(argument) * 10),
            5 => self.pass(12_000),
            6 => {
                self.is_harmed = true;
                self.halves.remove(&name);
                let bytes = self.whole(name, argument >> 2);
                if fs::symlink_metadata(self.path(name)).is_ok_and(|about| about.is_file()) {
                    File::create(self.path(name)).unwrap().write_all(&bytes).unwrap();
                }
            }
            7 => {
                self.is_harmed = true;
                self.halves.remove(&name);
                let _ = fs::remove_file(self.path(name));
            }
            8 => {
                self.is_harmed = true;
                self.halves.clear();
                let _ = fs::rename(self.path(name), self.path(name + 1));
            }
            9 => {
                self.is_harmed = true;
                self.halves.remove(&name);
                let _ = fs::remove_file(self.path(name));
                let _ = nix::unistd::mkfifo(&self.path(name), nix::sys::stat::Mode::S_IRWXU);
            }
            _ => {
                self.is_harmed = true;
                self.halves.remove(&name);
                let _ = fs::remove_file(self.path(name));
                let _ = std::os::unix::fs::symlink("/etc/passwd", self.path(name));
            }
        }
    }
}

/// Operations on the files of a followed directory.
///
/// Properties: no frame is read twice, and none that was not written; if no file was removed or replaced by a
/// compressed one, everything written since the first file was seen is read in order.
pub fn follower(data: &[u8]) {
    let Some(mut followed) = Followed::new() else { return };
    let mut input = FuzzBytes(data);
    // Following starts with the first file, not in the middle of several.
    let first = input.byte().unwrap_or(0);
    followed.append(usize::from(first & 1), first >> 2, false);
    followed.pass(20);
    for _ in 0..48 {
        let (Some(action), Some(argument)) = (input.byte(), input.byte()) else { break };
        followed.act(action, argument);
    }
    for name in 0..NAMES.len() {
        if followed.halves.contains_key(&name) {
            followed.append(name, 0, false);
        }
    }
    (0..8).for_each(|_| followed.pass(3_000));
    let _ = fs::remove_dir_all(&followed.folder);
    let Followed { written, seen, is_harmed, .. } = followed;
    let different: BTreeSet<u32> = seen.iter().copied().collect();
    assert_eq!(different.len(), seen.len(), "frames were read twice: {seen:?}");
    assert!(different.iter().all(|number| written.contains_key(number)), "{seen:?}");
    let expected = written.iter().filter(|(_, name)| !matches!(**name, 2 | 3)).map(|(number, _)| *number);
    if !is_harmed {
        let missing: Vec<_> = expected.filter(|number| !different.contains(number)).collect();
        assert!(missing.is_empty(), "{missing:?} of {written:?} were not read: {seen:?}");
    }
}
