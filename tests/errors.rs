//! What `qscope` says when it is given something wrong: each row an input, the exit code, and what must be in the
//! sentence on standard error: what is wrong, what was expected, and what to type.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use flate2::read::GzDecoder;
use lzma_rust2::{XzOptions, XzWriter};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Arguments with `DATA` for a folder of captures and `HERE` for a folder of wrong ones; the exit code; what is said.
type Row = (&'static str, i32, &'static [&'static str]);

/// Read, and no complaint.
const FINE: &[&str] = &[];

/// Files that are no captures, or none that holds anything.
const FILES: [Row; 14] = [
    // These are read.
    ("HERE/a.xz", 0, FINE),
    ("HERE/a.bz2", 0, FINE),
    ("HERE/a.lz4", 0, FINE),
    ("HERE/a.snoop", 0, FINE),
    ("HERE/a.zip", 2, &["a zip archive", "'unzip FILE'"]),
    ("HERE/a.tar", 2, &["a tar archive", "'tar -xf FILE'"]),
    ("HERE/a.tar.gz", 2, &["a tar archive", "'tar -xf FILE'"]),
    ("HERE/a.erf", 2, &["an ERF capture", "'editcap -F pcap FILE OUT.pcap'"]),
    ("HERE/netmon.cap", 2, &["a Network Monitor capture", "'editcap -F pcap FILE OUT.pcap'"]),
    ("HERE/notes.txt", 2, &["HERE/notes.txt: not a capture file but text", "'tcpdump -w FILE'", "--log"]),
    ("HERE/zeros.pcap", 2, &["not a capture file: pcap, pcapng and snoop are read", "'file FILE'"]),
    ("HERE/empty.pcap", 2, &["HERE/empty.pcap: empty file"]),
    ("HERE/header.pcap", 3, &["HERE/header.pcap: no frame in it", "filter", "2888"]),
    ("HERE/missing.pcap", 2, &["HERE/missing.pcap: No such file"]),
];

/// Nothing where something was expected.
const NOTHING: [Row; 9] = [
    ("-", 2, &["-: nothing came through the pipe", "command before it"]),
    ("HERE/nothing", 2, &["HERE/nothing: no capture in the folder: no file is there", "Name the folder"]),
    ("HERE/others", 2, &["HERE/others: no capture in the folder", "none of the 2 files", "a.zip, notes.txt"]),
    (
        "nosuch",
        2,
        &[
            "nosuch: there is no such file or folder, and no such command",
            "replay, dump, export, index, live",
        ],
    ),
    ("repaly DATA", 2, &["'repaly'", "'replay'"]),
    ("live", 2, &["--interface NAME", "'qscope live -D'", "--follow DIR"]),
    ("replay", 2, &["<PATH>...", "Usage: qscope replay"]),
    ("dump --type snap DATA", 0, &["no record to print", "--type"]),
    ("dump HERE/header.pcap", 0, &["no record to print", "--quorum-port"]),
];

/// Arguments that make no sense, or none with these captures.
const ARGUMENTS: [Row; 32] = [
    (
        "--etcd-conf HERE/notes.txt DATA",
        2,
        &["HERE/notes.txt: not a configuration of etcd", "heartbeat-interval"],
    ),
    ("--etcd-conf HERE/zeros.pcap DATA", 2, &["not a configuration of etcd"]),
    ("--etcd-conf HERE/missing.yml DATA", 2, &["HERE/missing.yml: No such file"]),
    (
        "--etcd-conf HERE/bad.yml DATA",
        2,
        &["election-timeout must be a number of milliseconds from 1 to 50000", "'never'"],
    ),
    ("--zoo-cfg HERE/notes.txt DATA", 2, &["HERE/notes.txt: not a zoo.cfg", "tickTime", "server.N"]),
    ("--zoo-cfg HERE/zeros.pcap DATA", 2, &["not a zoo.cfg"]),
    ("--zoo-cfg HERE/missing.cfg DATA", 2, &["HERE/missing.cfg: No such file"]),
    (
        "--log zk1=DATA/zk1.log.gz --zoo-cfg DATA/zoo.cfg DATA",
        0,
        &["no server is called zk1", "[myid:N]", "server.1"],
    ),
    (
        "--log zk9=HERE/nameless.log --zoo-cfg DATA/zoo.cfg DATA",
        2,
        &["no server is called zk9", "server.1, server.2"],
    ),
    ("--log server.1=DATA/zk1.log.gz --zoo-cfg DATA/zoo.cfg DATA", 0, FINE),
    ("--log HERE/missing.log DATA", 2, &["HERE/missing.log: No such file"]),
    ("--json DATA", 0, FINE),
    ("--json --format text DATA", 2, &["'--json' cannot be used with '--format text'"]),
    ("--series --format text DATA", 2, &["'--series' cannot be used with '--format text'"]),
    ("--json --format json DATA", 0, FINE),
    ("--series --json DATA", 0, FINE),
    ("--format json --series DATA", 0, FINE),
    ("--warn-at abc DATA", 2, &["'abc' for '--warn-at <PERCENT>'", "a whole number from 1 to 100"]),
    ("--warn-at 101 DATA", 2, &["a whole number from 1 to 100"]),
    ("--threads 0 DATA", 2, &["'0' for '--threads <N>'", "1 or more"]),
    ("--quorum-port 0 DATA", 2, &["a whole number from 1 to 65535"]),
    ("--quorum-port 12888 DATA", 0, FINE),
    ("--max-connections none DATA", 2, &["a whole number from 1 to 16777216"]),
    (
        "--server 10.9.9.9 DATA",
        3,
        &["--server 10.9.9.9: the captures do not show that server", "10.255.0.105"],
    ),
    ("--server zk7 DATA", 2, &["--server zk7: the captures do not show that server; they show 10.255.0.1"]),
    ("--tz Mars DATA", 2, &["no such zone", "Europe/Berlin, local or UTC"]),
    ("--from yesterday DATA", 2, &["no time: 'yesterday'", "2026-11-21T08:02:00Z"]),
    ("--from 2026-11-22 --to 2026-11-21 DATA", 2, &["--from", "--to"]),
    (
        "--from 2027-01-01T00:00:00Z DATA",
        3,
        &["--from 2027-01-01 00:00:00 UTC", "end at 2026-11-21 08:03:14 UTC"],
    ),
    (
        "--to 2020-01-01T00:00:00Z DATA",
        3,
        &["--to 2020-01-01 00:00:00 UTC", "begin at 2026-11-21 08:02:01 UTC"],
    ),
    ("dump --type nonsense DATA", 2, &["no such type: 'nonsense'", "PROPOSAL, ACK"]),
    ("--annotate HERE/a.zip DATA", 2, &["a.zip exists", "--force"]),
];

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/freeze-follower")
}

/// A little-endian pcap as snoop (RFC 1761): each record padded to four bytes.
fn snoop(pcap: &[u8]) -> Vec<u8> {
    let number = |at: usize| u32::from_le_bytes(pcap[at..at + 4].try_into().unwrap());
    let mut out = b"snoop\0\0\0\0\0\0\x02\0\0\0\x04".to_vec();
    let mut at = 24;
    while at < pcap.len() {
        let len = number(at + 8);
        let padded = len.next_multiple_of(4);
        for word in [number(at + 12), len, 24 + padded, 0, number(at), number(at + 4)] {
            out.extend(word.to_be_bytes());
        }
        let end = at + 16 + len as usize;
        out.extend(&pcap[at + 16..end]);
        out.resize(out.len() + (padded - len) as usize, 0);
        at = end;
    }
    out
}

/// The folder of wrong files.
fn wrong_files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut pcap = Vec::new();
    let packed = fs::File::open(data().join("zk1-261121-080218.pcap.gz")).unwrap();
    GzDecoder::new(packed).read_to_end(&mut pcap).unwrap();
    let mut tar = vec![0; 512];
    tar[..6].copy_from_slice(b"a.pcap");
    tar[257..265].copy_from_slice(b"ustar\x0000");
    tar.extend(&pcap);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut tar.as_slice(), &mut gzip).unwrap();
    let mut xz = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    xz.write_all(&pcap).unwrap();
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&pcap).unwrap();
    let mut lz4 = lz4_flex::frame::FrameEncoder::new(Vec::new());
    lz4.write_all(&pcap).unwrap();
    // Time, type Ethernet, flags, lengths (18 and 60 octets more than headers), and a frame.
    let mut erf = b"\0\0\0\0\xc0\x38\xfd\x6a\x02\x04\0\x4e\0\0\0\x3c".to_vec();
    erf.resize(0x4e, 0);
    let starts: [(&str, &[u8]); 14] = [
        ("a.xz", &xz.finish().unwrap()),
        ("a.bz2", &bzip2.finish().unwrap()),
        ("a.lz4", &lz4.finish().unwrap()),
        ("a.zip", b"PK\x03\x04\x14\0\0\0\x08\0"),
        ("a.tar", &tar),
        ("a.tar.gz", &gzip.finish().unwrap()),
        ("a.snoop", &snoop(&pcap)),
        ("a.erf", &erf),
        ("netmon.cap", b"GMBU\0\x02\x01\0"),
        ("notes.txt", b"these are notes, and no packets at all\n"),
        ("bad.yml", b"name: a\nelection-timeout: never\n"),
        ("zeros.pcap", &[0; 4_096]),
        ("empty.pcap", b""),
        ("header.pcap", &pcap[..24]),
    ];
    for (name, bytes) in starts {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let line = "2026-11-21 08:02:42,493 [main] - WARN  [QuorumPeer:Follower@96] - Exception when following the leader\n";
    fs::write(folder.path().join("nameless.log"), line).unwrap();
    fs::create_dir(folder.path().join("nothing")).unwrap();
    fs::create_dir(folder.path().join("others")).unwrap();
    for name in ["a.zip", "notes.txt"] {
        fs::copy(folder.path().join(name), folder.path().join("others").join(name)).unwrap();
    }
    folder
}

fn check(rows: &[Row]) {
    let here = wrong_files();
    let data = data();
    let placed = |text: &str| {
        text.replace("HERE", here.path().to_str().unwrap()).replace("DATA", data.to_str().unwrap())
    };
    let mut failures = Vec::new();
    for (line, code, parts) in rows {
        let args: Vec<_> = line.split(' ').map(placed).collect();
        let output =
            Command::new(env!("CARGO_BIN_EXE_qscope")).args(&args).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let is_said = parts.iter().all(|part| said.contains(&placed(part)));
        let is_quiet = !parts.is_empty() || said.is_empty();
        if output.status.code() != Some(*code) || !is_said || !is_quiet {
            failures
                .push(format!("{line}: {:?}, {code} and {parts:?} expected\n{said}", output.status.code()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn files_that_are_no_captures_are_named_for_what_they_are() {
    check(&FILES);
}

#[test]
fn where_there_is_nothing_it_is_said_what_was_expected() {
    check(&NOTHING);
}

#[test]
fn arguments_that_make_no_sense_are_answered_with_those_that_do() {
    check(&ARGUMENTS);
}
