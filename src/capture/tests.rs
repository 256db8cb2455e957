#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tempfile::TempDir;

use super::*;
use crate::frame::Frame;
use crate::pcapfile::ByteOrder;
use crate::testkit::file::{ORDERS, pcap, pcapng, small};
use crate::testkit::random::Random;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// Frames at these times, in nanoseconds.
fn at<'a>(times: &[i64]) -> Vec<Frame<'a>> {
    times.iter().map(|nanos| small(*nanos, b"abc", 60)).collect()
}

fn nanos_file(times: &[i64]) -> Vec<u8> {
    pcap(ByteOrder::Little, true, &at(times))
}

/// A folder with these files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn open(folder: &TempDir, options: &ReplayOptions) -> Result<Replay, OpenError> {
    Replay::open(&[folder.path().to_owned()], options)
}

/// Each frame's time, file and number, in the order they come.
fn frames(replay: &mut Replay) -> Vec<(i64, u32, u32)> {
    let mut batch = Batch::new();
    let mut seen = Vec::new();
    while replay.fill(&mut batch) {
        assert!(!batch.is_empty());
        assert_eq!(batch.len(), batch.frames().len());
        for (index, frame) in batch.frames().enumerate() {
            assert_eq!(frame.data, b"abc");
            assert_eq!(batch.frame(index).unwrap().id, frame.id);
            seen.push((frame.at.nanos(), frame.id.file, frame.id.number));
        }
    }
    assert!(batch.is_empty() && !replay.fill(&mut batch));
    seen
}

fn times(replay: &mut Replay) -> Vec<i64> {
    frames(replay).into_iter().map(|(at, ..)| at).collect()
}

/// The problems of files, by name.
fn problems(replay: &Replay) -> Vec<(String, Option<&str>)> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    replay.files().iter().map(|file| (name(&file.path), file.problem.as_deref())).collect()
}

/// One file alone: how many frames it gave, and its problem.
fn one(bytes: &[u8]) -> (u64, Option<String>) {
    let folder = folder(&[("one.pcap", bytes)]);
    match open(&folder, &ReplayOptions::default()) {
        Ok(mut replay) => {
            let mut batch = Batch::new();
            let mut seen = 0;
            while replay.fill(&mut batch) {
                seen += batch.len() as u64;
            }
            assert_eq!(replay.files()[0].frames, seen);
            (seen, replay.files()[0].problem.clone())
        }
        Err(error) => (0, error.files[0].problem.clone()),
    }
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), lzma_rust2::XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn every_packing_is_read_in_parts_and_as_far_as_it_goes() {
    let frames: Vec<_> = (0..30_000).map(|at| at * 1_000).collect();
    let plain = nanos_file(&frames);
    for pack in [gzip, zstd, xz, bzip2, lz4] {
        let parts: Vec<u8> = plain.chunks(250_000).flat_map(pack).collect();
        let read = read_bytes(parts.clone(), 40_000);
        assert_eq!((read.frames.len(), read.info.problem), (30_000, None));
        let read = read_bytes(parts[..parts.len() - 9].to_vec(), 40_000);
        assert!(read.info.problem.is_some());
        assert!(read.frames.len() > 10_000, "{:?}", read.info);
    }
}

#[test]
fn what_has_to_be_unpacked_first_is_named_with_the_command_for_it() {
    let mut tar = vec![0; 1_024];
    tar[..6].copy_from_slice(b"a.pcap");
    tar[257..262].copy_from_slice(b"ustar");
    let zip = [&b"PK\x03\x04"[..], &[7; 600]].concat();
    let cases = [(tar.clone(), "tar -xf FILE"), (gzip(&tar), "tar -xf FILE"), (zip, "unzip FILE")];
    for (bytes, command) in cases {
        let problem = read_bytes(bytes, 4_096).info.problem.unwrap();
        assert!(problem.contains(command), "{problem}");
    }
}

#[test]
fn replay_can_go_to_another_thread() {
    fn assert_send<T: Send>() {}
    assert_send::<Replay>();
    assert_send::<Batch>();
}

#[test]
fn every_format_order_and_packing_is_read() {
    let sent = at(&[1_000, 2_000, 3_000]);
    for order in ORDERS {
        let files = [
            (Format::Pcap, false, pcap(order, false, &sent)),
            (Format::Pcap, true, pcap(order, true, &sent)),
            (Format::Pcapng, true, pcapng(order, &sent)),
        ];
        for (format, nanos, plain) in files {
            for (compression, bytes) in [
                (Compression::None, plain.clone()),
                (Compression::Gzip, gzip(&plain)),
                (Compression::Zstd, zstd(&plain)),
                (Compression::Xz, xz(&plain)),
                (Compression::Bzip2, bzip2(&plain)),
                (Compression::Lz4, lz4(&plain)),
            ] {
                let folder = folder(&[("one", &bytes)]);
                let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
                assert_eq!(replay.total_bytes(), Some(bytes.len() as u64));
                assert_eq!(times(&mut replay), [1_000, 2_000, 3_000]);
                assert_eq!(replay.bytes_read(), bytes.len() as u64);
                let expected = FileInfo {
                    path: folder.path().join("one").display().to_string(),
                    format: Some(format),
                    compression,
                    link_type: Some(LinkType::Ethernet),
                    snaplen: Some(96),
                    nanos,
                    frames: 3,
                    captured_bytes: 9,
                    wire_bytes: 180,
                    cut_frames: 3,
                    dropped: None,
                    reordered_frames: 0,
                    first: Some(Timestamp::from_nanos(1_000)),
                    last: Some(Timestamp::from_nanos(3_000)),
                    problem: None,
                };
                assert_eq!(replay.files(), [expected]);
            }
        }
    }
}

#[test]
fn members_and_frames_join_into_one_file() {
    let plain = nanos_file(&[1, 2, 3]);
    let (head, tail) = plain.split_at(50);
    assert_eq!(one(&[gzip(head), gzip(b""), gzip(tail)].concat()), (3, None));
    assert_eq!(one(&[zstd(head), zstd(tail)].concat()), (3, None));
    // gzip allows zero padding; zstd has skippable frames.
    assert_eq!(one(&[gzip(head), vec![0; 5], gzip(tail), vec![0; 600]].concat()), (3, None));
    let skipped = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
    assert_eq!(one(&[&skipped, &zstd(head)[..], &skipped, &zstd(tail)].concat()), (3, None));
}

#[test]
fn garbage_after_packed_data_is_noted() {
    let plain = nanos_file(&[1, 2, 3]);
    assert_eq!(one(&[&gzip(&plain)[..], b"x"].concat()), (3, Some("garbage after the gzip data".to_owned())));
    assert_eq!(one(&[&zstd(&plain)[..], b"x"].concat()), (3, Some("garbage after the zstd data".to_owned())));
    assert_eq!(
        one(&[&zstd(&plain)[..], b"wxyz"].concat()),
        (3, Some("garbage after the zstd data".to_owned()))
    );
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_frames() {
    let plain = nanos_file(&[1, 2, 3]);
    assert_eq!(one(b""), (0, Some("empty file".to_owned())));
    for len in 1..plain.len() {
        let (frames, problem) = one(&plain[..len]);
        assert_eq!(frames, len.saturating_sub(24) as u64 / 19);
        assert_eq!(problem.is_none(), len >= 24 && (len - 24) % 19 == 0, "{len}: {problem:?}");
    }
}

/// Frames that do not compress well, so that a truncated file lacks data and not just a trailer.
fn noise() -> (Vec<u8>, u64) {
    let mut random = Random::new(7);
    let frames: Vec<_> = (0..20_000)
        .map(|_| {
            let [a, b, c, d, ..] = random.next().to_be_bytes();
            let bits = u32::from_be_bytes([a, b, c, d]);
            small(i64::from(bits), b"abc", bits >> 8)
        })
        .collect();
    (pcap(ByteOrder::Big, true, &frames), 20_000)
}

#[test]
fn a_packed_file_without_its_end_gives_all_before_it() {
    let (plain, count) = noise();
    for (name, packed) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain))] {
        let mut last = 0;
        for len in (20..packed.len()).step_by(9_973).chain([packed.len() - 9, packed.len() - 1]) {
            let (frames, problem) = one(&packed[..len]);
            assert!(frames >= last, "{name} {len}: more bytes, fewer frames");
            last = frames;
            let problem = problem.unwrap();
            assert_eq!(problem, format!("the {name} data end early"), "{len}");
        }
        // zstd compresses blocks of 128 KiB, and a truncated block yields nothing.
        let least = if name == "gzip" { count } else { count - 128 * 1024 / 19 - 1 };
        assert!(last >= least, "{name}: {last} of {count}");
    }
    // Half of a gzip file holds about half of the frames.
    let packed = gzip(&plain);
    let (frames, _) = one(&packed[..packed.len() / 2]);
    assert!(frames > count * 2 / 5, "{frames}");
}

#[test]
fn damaged_packed_data_give_what_lies_before() {
    let (plain, count) = noise();
    for (name, mut packed) in [("gzip", gzip(&plain)), ("zstd", zstd(&plain))] {
        let middle = packed.len() / 2;
        for byte in &mut packed[middle..middle + 64] {
            *byte ^= 0x5a;
        }
        let (frames, problem) = one(&packed);
        assert!(frames < count || problem.is_some(), "{name}");
        assert!(problem.is_some(), "{name}: {frames}");
    }
}

#[test]
fn no_byte_whatever_of_packed_data_makes_it_panic() {
    let plain = nanos_file(&(0..40).collect::<Vec<_>>());
    for packed in [gzip(&plain), zstd(&plain)] {
        for at in 4..packed.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, packed[at] ^ 1, packed[at] ^ 0x10] {
                let mut packed = packed.clone();
                packed[at] = value;
                one(&packed);
            }
        }
    }
}

#[test]
fn files_are_read_in_order_of_their_first_frame_whatever_their_names() {
    let files = [nanos_file(&[50, 60]), gzip(&nanos_file(&[10, 20])), zstd(&nanos_file(&[30, 40]))];
    let folder = folder(&[("a.pcap", &files[0]), ("b.pcap1", &files[1]), ("c", &files[2])]);
    let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
    assert_eq!(frames(&mut replay), [(10, 0, 1), (20, 0, 2), (30, 1, 1), (40, 1, 2), (50, 2, 1), (60, 2, 2)]);
    let names: Vec<_> = problems(&replay).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["b.pcap1", "c", "a.pcap"]);
}

#[test]
fn equal_times_at_a_boundary_keep_the_files_apart() {
    let files = [nanos_file(&[10, 20, 20]), nanos_file(&[20, 20, 30])];
    let folder = folder(&[("b", &files[0]), ("a", &files[1])]);
    let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
    assert_eq!(frames(&mut replay), [(10, 0, 1), (20, 0, 2), (20, 0, 3), (20, 1, 1), (20, 1, 2), (30, 1, 3)]);
}

#[test]
fn files_that_overlap_are_merged() {
    let files = [
        nanos_file(&[10, 20, 20, 60]),
        nanos_file(&[15, 20, 55, 70]),
        nanos_file(&[56, 57]),
        nanos_file(&[80]),
    ];
    let folder = folder(&[("a", &files[0]), ("b", &files[1]), ("c", &files[2]), ("d", &files[3])]);
    let expected = [
        (10, 0, 1),
        (15, 1, 1),
        (20, 0, 2),
        (20, 0, 3),
        (20, 1, 2),
        (55, 1, 3),
        (56, 2, 1),
        (57, 2, 2),
        (60, 0, 4),
        (70, 1, 4),
        (80, 3, 1),
    ];
    for batch_bytes in [1, 40, 100, 1_000_000] {
        let mut replay = open(&folder, &ReplayOptions { batch_bytes, ..ReplayOptions::default() }).unwrap();
        assert_eq!(frames(&mut replay), expected, "{batch_bytes}");
        assert!(replay.files().iter().all(|file| file.problem.is_none()));
    }
}

#[test]
fn frames_keep_their_files_order_where_the_clock_steps_back() {
    const SECOND: i64 = 1_000_000_000;
    let files = [nanos_file(&[10, 4 * SECOND, 30, 5 * SECOND]), nanos_file(&[35, 4 * SECOND + 5])];
    let folder = folder(&[("a", &files[0]), ("b", &files[1])]);
    let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
    let expected = [10, 35, 4 * SECOND, 30, 4 * SECOND + 5, 5 * SECOND];
    assert_eq!(times(&mut replay), expected);
    assert!(replay.files().iter().all(|file| file.reordered_frames == 0));
}

#[test]
fn frames_that_are_late_in_their_file_come_in_order_and_are_counted() {
    let files = [nanos_file(&[10, 40, 30, 50]), nanos_file(&[35, 45])];
    let folder = folder(&[("a", &files[0]), ("b", &files[1])]);
    let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
    assert_eq!(times(&mut replay), [10, 30, 35, 40, 45, 50]);
    let late: Vec<_> = replay.files().iter().map(|file| file.reordered_frames).collect();
    assert_eq!(late, [1, 0]);
}

#[test]
fn large_files_that_overlap_come_out_in_order() {
    let count = 40_000;
    let even: Vec<_> = (0..count).map(|n| 2 * n).collect();
    let odd: Vec<_> = (0..count).map(|n| 2 * n + 1).collect();
    let late: Vec<_> = (0..10).map(|n| 2 * count + n).collect();
    let files = [nanos_file(&even), gzip(&nanos_file(&odd)), nanos_file(&late)];
    let folder = folder(&[("a", &files[0]), ("b", &files[1]), ("c", &files[2])]);
    let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
    assert!(times(&mut replay).into_iter().eq(0..2 * count + 10));
}

#[test]
fn files_beyond_the_limit_are_read_late_and_say_so() {
    let files = [nanos_file(&[10, 40]), nanos_file(&[20, 50]), nanos_file(&[30, 60])];
    let folder = folder(&[("a", &files[0]), ("b", &files[1]), ("c", &files[2])]);
    let mut replay = open(&folder, &ReplayOptions { most_open: 2, ..ReplayOptions::default() }).unwrap();
    assert_eq!(times(&mut replay), [10, 20, 40, 30, 50, 60]);
    assert_eq!(problems(&replay)[2].1, Some("more than 2 files overlap in time: read after those"));
}

#[test]
fn what_cannot_be_read_is_named_and_the_rest_is_read() {
    let good = nanos_file(&[10, 20]);
    let folder = folder(&[
        ("a.log", b"2026-11-21 08:01:58 INFO a server's log"),
        ("b.log.gz", &gzip(b"2026-11-21 08:01:58 INFO a server's log")),
        ("c.cfg", b""),
        ("d.pcap", b""),
        ("e.pcap.gz", &gzip(b"")),
        ("f.pcap", &[0; 4_096]),
        ("g.pcap", &good[..50]),
        ("h", &good),
    ]);
    fs::create_dir(folder.path().join("below.pcap")).unwrap();
    fs::write(folder.path().join("below.pcap/i.pcap"), &good).unwrap();
    let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
    assert_eq!(frames(&mut replay).len(), 3);
    let unreadable = unreadable::reason(&[]);
    let expected = [
        ("g.pcap", Some("ends inside the record of frame 2, at byte 43")),
        ("h", None),
        ("d.pcap", Some("empty file")),
        ("e.pcap.gz", Some("empty file")),
        ("f.pcap", Some(unreadable.as_str())),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(name, problem)| (name.to_owned(), problem)).collect();
    assert_eq!(problems(&replay), expected);
    let skipped: Vec<_> = replay.skipped().iter().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(skipped, ["a.log", "b.log.gz", "c.cfg"]);
}

#[test]
fn nothing_readable_is_an_error_that_names_each_file() {
    let folder = folder(&[("a.log", b"a server's log")]);
    let log = folder.path().join("a.log");
    let none = folder.path().join("none.pcap");
    let error = Replay::open(&[log.clone(), none.clone()], &ReplayOptions::default()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("{}: not a capture file", log.display())), "{text}");
    assert!(text.contains(&format!("{}: No such file", none.display())), "{text}");
    let error = open(&folder, &ReplayOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "no capture file found (1 other files)");
    assert!(Replay::open(&[], &ReplayOptions::default()).is_err());
}

#[test]
fn a_capture_without_frames_is_no_error() {
    let folder = folder(&[("a", &nanos_file(&[]))]);
    let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
    assert_eq!(frames(&mut replay), []);
    assert_eq!(replay.files()[0].problem, None);
    assert_eq!(replay.files()[0].format, Some(Format::Pcap));
}

#[test]
fn a_file_given_twice_is_read_once() {
    let folder = folder(&[("a", &nanos_file(&[10]))]);
    let paths: [PathBuf; 3] = [folder.path().join("a"), folder.path().to_owned(), folder.path().join("./a")];
    let mut replay = Replay::open(&paths, &ReplayOptions::default()).unwrap();
    assert_eq!(frames(&mut replay), [(10, 0, 1)]);
}

#[test]
fn a_file_that_is_gone_when_its_turn_comes_says_so() {
    let folder = folder(&[("a", &nanos_file(&[10])), ("b", &nanos_file(&[20]))]);
    let mut replay = open(&folder, &ReplayOptions::default()).unwrap();
    fs::remove_file(folder.path().join("b")).unwrap();
    assert_eq!(times(&mut replay), [10]);
    let file = &replay.files()[1];
    assert_eq!((file.format, file.frames), (Some(Format::Pcap), 0));
    assert!(file.problem.is_some());
}

#[test]
fn large_frames_are_read_whole() {
    let data = vec![7; 200_000];
    let frame = Frame { orig_len: 200_000, data: &data, ..small(5, b"abc", 3) };
    let mut bytes = Vec::new();
    let encoder = crate::pcapfile::pcap::PcapEncoder { order: ByteOrder::Little, nanos: true };
    encoder.header(1, 262_144, &mut bytes);
    for _ in 0..9 {
        encoder.frame(&frame, &mut bytes);
    }
    let folder = folder(&[("a", &bytes), ("b", &bytes)]);
    let mut replay = open(&folder, &ReplayOptions { batch_bytes: 1, ..ReplayOptions::default() }).unwrap();
    let mut batch = Batch::new();
    let mut seen = 0;
    while replay.fill(&mut batch) {
        for frame in batch.frames() {
            assert_eq!(frame.data.len(), 200_000);
            seen += 1;
        }
    }
    assert_eq!(seen, 18);
}
