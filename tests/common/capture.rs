//! Reads captures into frames and writes them again.

#![allow(dead_code, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use crate::common::report;
use quorumscope::frame::{Frame, FrameRef, LinkType};
use quorumscope::pcapfile::{ByteOrder, Decoder, pcap};
use quorumscope::time::Timestamp;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::Path;

/// A frame of a file, as it was captured.
#[derive(Clone, Debug)]
pub(crate) struct Captured {
    pub(crate) at: Timestamp,
    pub(crate) orig_len: u32,
    pub(crate) data: Vec<u8>,
}

impl Captured {
    pub(crate) fn cut(&self, snaplen: usize) -> Self {
        Self { data: self.data.get(..snaplen).unwrap_or(&self.data).to_vec(), ..self.clone() }
    }

    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame {
            at: self.at,
            link: LinkType::Ethernet,
            orig_len: self.orig_len,
            data: &self.data,
            id: FrameRef::default(),
        }
    }
}

/// The frames of a file of `testdata`.
pub(crate) fn frames(path: &Path) -> Vec<Captured> {
    let packed = fs::read(path).unwrap();
    let mut bytes = Vec::new();
    if path.extension().is_some_and(|extension| extension == "zst") {
        ruzstd::decoding::StreamingDecoder::new(&packed[..]).unwrap().read_to_end(&mut bytes).unwrap();
    } else {
        flate2::read::MultiGzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    }
    let mut found = Vec::new();
    let progress = Decoder::sniff(&bytes).unwrap().decode(&bytes, &mut |head| {
        let start = head.start as usize;
        let data = bytes[start..start + head.len as usize].to_vec();
        found.push(Captured { at: head.at, orig_len: head.orig_len, data });
    });
    assert_eq!((progress.used, progress.problem), (bytes.len(), None), "{}", path.display());
    found
}

/// A pcap file of them.
pub(crate) fn as_pcap(order: ByteOrder, nanos: bool, frames: &[Captured]) -> Vec<u8> {
    let encoder = pcap::PcapEncoder { order, nanos };
    let mut bytes = Vec::new();
    encoder.header(1, 262_144, &mut bytes);
    for frame in frames {
        encoder.frame(&frame.frame(), &mut bytes);
    }
    bytes
}

/// The report of files with these names and bytes.
pub(crate) fn read(config: &Path, files: &[(&str, Vec<u8>)]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<_> = files.iter().map(|(name, _)| folder.path().join(name)).collect();
    for (path, (_, bytes)) in paths.iter().zip(files) {
        fs::write(path, bytes).unwrap();
    }
    report(config, &paths)
}
