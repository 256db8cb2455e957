//! Files that grow, turn, vanish and are swapped: what is read of them, and what is said to be lost.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::*;
use crate::frame::{Frame, FrameRef, LinkType};
use crate::live::clock::Timeline;
use crate::pcapfile::{ByteOrder, pcapng};
use flate2::{Compression as Level, write::GzEncoder};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;

const ENCODER: pcapng::PcapngEncoder = pcapng::PcapngEncoder { order: ByteOrder::Little };

/// A folder that is followed, with a clock of its own.
struct Folder {
    folder: tempfile::TempDir,
    follower: Follower,
    distance: Distance,
    now: Timestamp,
    /// The numbers that frames carry as their lengths on the wire, in the order in which they came.
    seen: Vec<u32>,
    notices: Vec<String>,
    losses: Vec<Loss>,
    problems: Vec<String>,
}

impl Folder {
    fn new() -> Self {
        Self::of(tempfile::tempdir().unwrap())
    }

    fn of(folder: tempfile::TempDir) -> Self {
        let follower = Follower::new(folder.path(), 4_095).unwrap();
        let distance = Distance::new(Timeline::start());
        let now = Timestamp::from_parts(1_000_000, 0);
        Self {
            folder,
            follower,
            distance,
            now,
            seen: vec![],
            notices: vec![],
            losses: vec![],
            problems: vec![],
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads all there is, and lets some time pass.
    fn pass(&mut self, millis: i64) {
        for _ in 0..10_000 {
            let mut batch = Batch::new();
            let step = self.follower.step(&mut batch, &self.distance, self.now);
            self.seen.extend(batch.frames().map(|frame| frame.orig_len));
            self.notices.extend(step.notices);
            self.losses.extend(step.losses);
            self.problems.extend(step.problems.into_iter().map(|(_, problem)| problem));
            if !step.more {
                self.now = self.now.plus(Span::from_millis(millis));
                return;
            }
        }
        panic!("it reads without end");
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap().write_all(bytes).unwrap();
    }
}

/// A capture's beginning, and frames of these numbers, a millisecond each.
fn head() -> Vec<u8> {
    let mut bytes = Vec::new();
    ENCODER.section("", &mut bytes);
    ENCODER.interface(1, 96, &mut bytes);
    bytes
}

fn frames(numbers: std::ops::Range<u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in numbers {
        let at = Timestamp::from_parts(1_000_000, 0).plus(Span::from_millis(i64::from(number)));
        let (link, id) = (LinkType::from_number(1), FrameRef::default());
        ENCODER.frame(0, &Frame { at, link, orig_len: number, data: &[7; 60], id }, "", &mut bytes);
    }
    bytes
}

fn whole(numbers: std::ops::Range<u32>) -> Vec<u8> {
    [head(), frames(numbers)].concat()
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Level::default());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn count(numbers: std::ops::Range<u32>) -> Vec<u32> {
    numbers.collect()
}

#[test]
fn a_file_is_read_as_it_grows_and_the_next_one_after_it() {
    let mut folder = Folder::new();
    folder.append("a.pcapng", &whole(100..110));
    folder.pass(20);
    assert_eq!(folder.seen, count(100..110));
    let more = frames(110..120);
    folder.append("a.pcapng", &more[..more.len() / 2]);
    folder.pass(20);
    folder.append("a.pcapng", &more[more.len() / 2..]);
    folder.append("b.pcapng", &whole(120..130));
    folder.pass(1_500);
    folder.pass(20);
    assert_eq!(folder.seen, count(100..130));
    assert!(folder.losses.is_empty() && folder.notices.is_empty(), "{:?}", folder.notices);
}

#[test]
fn packed_data_that_pause_are_read_to_their_end() {
    let mut folder = Folder::new();
    let bytes = packed(&whole(100..2_066));
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    folder.append("a.pcapng.gz", first);
    folder.pass(20);
    folder.pass(5_000);
    assert!(folder.seen.len() < 1_966);
    folder.append("a.pcapng.gz", rest);
    folder.pass(3_000);
    folder.pass(20);
    assert_eq!(folder.seen, count(100..2_066));
    assert!(folder.problems.is_empty(), "{:?}", folder.problems);
}

#[test]
fn packed_data_whose_name_another_file_takes_are_read_once_and_to_their_end() {
    let mut folder = Folder::new();
    let bytes = packed(&whole(100..2_066));
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    folder.append("a.pcapng.gz", first);
    folder.append("b", &whole(2_066..2_070));
    folder.pass(20);
    folder.pass(5_000);
    // In one moment the name of the packed file is the other one's, and the other way round.
    for (from, to) in [("b", "c"), ("a.pcapng.gz", "b"), ("c", "a.pcapng.gz")] {
        fs::rename(folder.path(from), folder.path(to)).unwrap();
    }
    folder.append("b", rest);
    (0..8).for_each(|_| folder.pass(3_000));
    folder.seen.sort_unstable();
    assert_eq!(folder.seen, count(100..2_070));
    assert!(folder.losses.is_empty(), "{:?}", folder.losses);
}

#[test]
fn packed_data_without_an_end_are_said_to_have_none() {
    let mut folder = Folder::new();
    let bytes = packed(&whole(100..2_066));
    folder.append("a.pcapng.gz", &bytes[..bytes.len() / 2]);
    (0..30).for_each(|_| folder.pass(1_000));
    assert_eq!(folder.problems, ["the packed data end early"]);
    assert!(folder.notices.iter().any(|notice| notice.contains("end early")), "{:?}", folder.notices);
}

#[test]
fn packed_files_are_read_only_where_their_plain_selves_were_not() {
    let mut folder = Folder::new();
    folder.append("a.pcapng", &whole(100..110));
    folder.pass(20);
    folder.append("a.pcapng.gz", &packed(&whole(100..110)));
    fs::remove_file(folder.path("a.pcapng")).unwrap();
    folder.append("b.pcapng.gz", &packed(&whole(110..120)));
    (0..5).for_each(|_| folder.pass(1_000));
    assert_eq!(folder.seen, count(100..120));
}

#[test]
fn a_ring_is_read_round_and_round() {
    let mut folder = Folder::new();
    for turn in 0..20_u32 {
        let name = format!("ring{}", turn % 3);
        // As tcpdump opens it: the same inode, made empty.
        let mut file = File::create(folder.path(&name)).unwrap();
        let from = 100 + turn * 50;
        file.write_all(&whole(from..from + 25)).unwrap();
        folder.pass(20);
        file.write_all(&frames(from + 25..from + 50)).unwrap();
        drop(file);
        folder.pass(20);
    }
    folder.pass(1_500);
    folder.pass(20);
    assert_eq!(folder.seen, count(100..1_100));
    assert_eq!(folder.losses, []);
}

#[test]
fn what_a_ring_loses_is_told() {
    let mut folder = Folder::new();
    let mut file = File::create(folder.path("ring0")).unwrap();
    file.write_all(&whole(100..110)).unwrap();
    folder.pass(20);
    file.write_all(&frames(110..200)).unwrap();
    // Before anybody has looked it is begun anew, and is longer than it was.
    let mut file = File::create(folder.path("ring0")).unwrap();
    file.write_all(&whole(500..700)).unwrap();
    folder.pass(20);
    assert_eq!(folder.seen, [count(100..110), count(500..700)].concat());
    assert_eq!(folder.losses.len(), 1);
    assert!(folder.losses[0].from.is_some());
}

#[test]
fn a_file_that_is_truncated_and_rewritten_is_read_again() {
    let mut folder = Folder::new();
    folder.append("a", &whole(100..200));
    folder.pass(20);
    fs::write(folder.path("a"), whole(300..310)).unwrap();
    folder.pass(20);
    fs::write(folder.path("a"), whole(400..600)).unwrap();
    folder.pass(20);
    assert_eq!(folder.seen, [count(100..200), count(300..310), count(400..600)].concat());
}

#[test]
fn a_file_that_was_left_is_read_on_when_it_grows() {
    let mut folder = Folder::new();
    folder.append("a", &whole(100..110));
    folder.pass(20);
    folder.append("b", &whole(110..120));
    // Long enough for the first one to be closed.
    (0..30).for_each(|_| folder.pass(1_000));
    folder.append("a", &frames(30_120..30_130));
    (0..3).for_each(|_| folder.pass(1_000));
    assert_eq!(folder.seen, [count(100..120), count(30_120..30_130)].concat());
}

#[test]
fn files_that_grow_side_by_side_are_read_in_order() {
    let mut folder = Folder::new();
    folder.append("a", &whole(100..101));
    folder.pass(20);
    folder.append("b", &whole(101..102));
    let mut number = 102;
    for turn in 0..100 {
        let name = if turn % 2 == 0 { "a" } else { "b" };
        folder.append(name, &frames(number..number + 7));
        number += 7;
        folder.pass(20);
    }
    (0..5).for_each(|_| folder.pass(500));
    assert_eq!(folder.seen, count(100..number));
}

#[test]
fn what_was_there_before_is_left_alone() {
    let mut folder = Folder::new();
    for number in 0..300 {
        fs::write(folder.path(&format!("old{number}")), whole(1..2)).unwrap();
    }
    std::thread::sleep(std::time::Duration::from_millis(20));
    folder.append("new", &whole(100..110));
    folder.pass(20);
    assert_eq!(folder.seen, count(100..110));
    assert!(folder.notices[0].starts_with("300 older files are left alone"), "{:?}", folder.notices);
    folder.append("newer", &whole(110..120));
    (0..3).for_each(|_| folder.pass(1_000));
    assert_eq!(folder.seen, count(100..120));
}

#[test]
fn what_is_no_file_is_neither_opened_nor_waited_for() {
    let mut folder = Folder::new();
    folder.append("a", &whole(100..110));
    folder.pass(20);
    nix::unistd::mkfifo(&folder.path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), whole(900..910)).unwrap();
    symlink(outside.path().join("secret"), folder.path("link")).unwrap();
    fs::create_dir(folder.path("folder")).unwrap();
    folder.pass(20);
    // Swapped under its name.
    fs::remove_file(folder.path("a")).unwrap();
    nix::unistd::mkfifo(&folder.path("a"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    folder.pass(20);
    fs::remove_file(folder.path("a")).unwrap();
    folder.append("a", &whole(110..120));
    folder.append("nonsense", b"no capture at all");
    (0..5).for_each(|_| folder.pass(1_000));
    assert_eq!(folder.seen, count(100..120));
    let passed_over = folder.notices.iter().filter(|notice| notice.contains("passed over")).count();
    assert!((3..=4).contains(&passed_over), "each is named once: {:?}", folder.notices);
}

#[test]
fn a_file_that_is_renamed_is_read_once() {
    let mut folder = Folder::new();
    folder.append("a", &whole(100..110));
    folder.pass(20);
    fs::rename(folder.path("a"), folder.path("a.1")).unwrap();
    folder.append("a", &whole(110..120));
    (0..30).for_each(|_| folder.pass(1_000));
    // By now it is closed.
    fs::rename(folder.path("a.1"), folder.path("a.2")).unwrap();
    folder.append("a", &frames(30_120..30_130));
    (0..3).for_each(|_| folder.pass(1_000));
    assert_eq!(folder.seen, [count(100..120), count(30_120..30_130)].concat());
}

#[test]
fn what_waits_for_another_file_is_read_by_the_end() {
    let mut folder = Folder::new();
    folder.append("a", &whole(100..101));
    folder.pass(20);
    // It stays open: what is closed holds nothing up.
    let mut open = File::create(folder.path("b")).unwrap();
    open.write_all(&whole(101..102)).unwrap();
    folder.pass(20);
    folder.append("a", &frames(102..150));
    folder.pass(20);
    assert!(folder.seen.len() < 50, "the other file may still hold earlier frames");
    let mut batch = Batch::new();
    assert_eq!(folder.follower.finish(&mut batch), []);
    folder.seen.extend(batch.frames().map(|frame| frame.orig_len));
    assert_eq!(folder.seen, count(100..150));
}

#[test]
fn a_file_that_is_begun_anew_twice_between_two_looks_is_told() {
    let mut folder = Folder::new();
    fs::write(folder.path("ring0"), whole(100..110)).unwrap();
    folder.pass(20);
    folder.pass(20);
    fs::write(folder.path("ring0"), whole(200..300)).unwrap();
    fs::write(folder.path("ring0"), whole(400..450)).unwrap();
    folder.pass(20);
    assert_eq!(folder.seen, [count(100..110), count(400..450)].concat());
    assert_eq!(folder.losses.iter().map(|loss| loss.how).collect::<Vec<_>>(), [Lost::Rewritten]);
}

#[test]
fn what_a_ring_loses_is_missing_from_its_own_last_frame_on() {
    let mut folder = Folder::new();
    fs::write(folder.path("ring0"), whole(100..110)).unwrap();
    folder.pass(20);
    fs::write(folder.path("ring1"), whole(200..210)).unwrap();
    (0..3).for_each(|_| folder.pass(1_000));
    assert_eq!(folder.seen, [count(100..110), count(200..210)].concat());
    fs::write(folder.path("ring0"), whole(110..150)).unwrap();
    fs::write(folder.path("ring0"), whole(300..310)).unwrap();
    (0..3).for_each(|_| folder.pass(20));
    let of_109 = Timestamp::from_parts(1_000_000, 0).plus(Span::from_millis(109));
    let lost: Vec<_> = folder.losses.iter().map(|loss| (loss.how, loss.from)).collect();
    assert_eq!(lost, [(Lost::Rewritten, Some(of_109))]);
}

#[test]
fn a_file_that_is_removed_before_anybody_looks_is_told() {
    let mut folder = Folder::new();
    folder.append("a", &whole(100..110));
    folder.pass(20);
    folder.append("b", &whole(110..120));
    fs::remove_file(folder.path("b")).unwrap();
    File::create(folder.path("empty")).unwrap();
    fs::remove_file(folder.path("empty")).unwrap();
    folder.append("c.part", &whole(110..120));
    fs::rename(folder.path("c.part"), folder.path("c")).unwrap();
    (0..3).for_each(|_| folder.pass(1_000));
    assert_eq!(folder.seen, count(100..120));
    let lost: Vec<_> = folder.losses.iter().map(|loss| (loss.how, loss.path.clone())).collect();
    assert_eq!(lost, [(Lost::Removed, folder.path("b"))]);
}

#[test]
fn new_files_among_seventy_thousand_are_read() {
    let full = tempfile::tempdir().unwrap();
    (0..70_000).for_each(|number| drop(File::create(full.path().join(format!("n{number:06}"))).unwrap()));
    let mut folder = Folder::of(full);
    folder.pass(1_000);
    for (name, numbers) in [("o1", 100..110), ("a", 110..120), ("n035000-1", 120..130)] {
        folder.append(name, &whole(numbers));
        (0..3).for_each(|_| folder.pass(1_000));
    }
    assert_eq!(folder.seen, count(100..130));
    folder.append("n035000-1", &frames(130..140));
    folder.pass(1_000);
    assert_eq!(folder.seen, count(100..140));
    assert!(folder.losses.is_empty(), "{:?}", folder.losses);
}

#[test]
fn more_names_than_are_remembered_are_told() {
    let mut folder = Folder::new();
    folder.append("a", &whole(100..110));
    folder.pass(20);
    let excess = 7;
    folder.follower.due =
        (0..MAX_DUE + excess).map(|number| (format!("n{number:06}").into(), false)).collect();
    folder.pass(20);
    assert_eq!(folder.losses.iter().map(|loss| loss.how).collect::<Vec<_>>(), [Lost::Names(excess as u64)]);
}

#[test]
fn what_stands_behind_a_damage_is_counted() {
    let mut folder = Folder::new();
    folder.append("a", &[whole(100..110), vec![0xff; 64]].concat());
    folder.pass(20);
    assert_eq!(folder.seen, count(100..110));
    folder.append("b.gz", &packed(&[whole(110..120), vec![0xff; 64]].concat()));
    folder.pass(20);
    assert_eq!(folder.seen, count(100..120));
    let lost: Vec<_> = folder.losses.iter().map(|loss| loss.how).collect();
    assert_eq!(lost, [Lost::Damaged(Some(64)), Lost::Damaged(None)]);
}

#[test]
fn what_is_not_read_by_the_end_is_counted() {
    let mut folder = Folder::new();
    let content = whole(100..60_000);
    folder.append("a", &content);
    let mut batch = Batch::new();
    while batch.is_empty() {
        assert!(folder.follower.step(&mut batch, &folder.distance, folder.now).more);
    }
    let read = batch.len();
    batch.clear();
    let losses = folder.follower.finish(&mut batch);
    let [Loss { how: Lost::Unread(bytes), to: None, from: Some(_), .. }] = losses[..] else {
        panic!("{losses:?}")
    };
    // What is in hand when it ends is less than a frame.
    let rest = (59_900 - read - batch.len()) * frames(100..101).len();
    assert!(read > 0 && (rest as u64).abs_diff(bytes) < READ_BYTES as u64, "{bytes} of {rest}, {read} read");
}
