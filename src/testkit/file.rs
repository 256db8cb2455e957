//! Builds capture files from frames.

use crate::frame::{Frame, FrameRef, LinkType};
use crate::pcapfile::{ByteOrder, Decoder, FrameHead, Problem, pcap, pcapng};
use crate::time::Timestamp;

/// Both byte orders.
pub(crate) const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

/// A frame with a time in nanoseconds and a length, cut to the 3 bytes that identify it.
pub(crate) fn small(nanos: i64, data: &[u8; 3], orig_len: u32) -> Frame<'_> {
    let at = Timestamp::from_nanos(nanos);
    Frame { at, link: LinkType::Ethernet, orig_len, data, id: FrameRef::default() }
}

/// A pcap file of Ethernet frames, snaplen 96.
pub(crate) fn pcap(order: ByteOrder, nanos: bool, frames: &[Frame<'_>]) -> Vec<u8> {
    let encoder = pcap::PcapEncoder { order, nanos };
    let mut bytes = Vec::new();
    encoder.header(1, 96, &mut bytes);
    for frame in frames {
        encoder.frame(frame, &mut bytes);
    }
    bytes
}

/// A pcapng file of one section and one Ethernet interface, snaplen 96, nanoseconds.
pub(crate) fn pcapng(order: ByteOrder, frames: &[Frame<'_>]) -> Vec<u8> {
    let encoder = pcapng::PcapngEncoder { order };
    let mut bytes = Vec::new();
    encoder.section("made for a test", &mut bytes);
    encoder.interface(1, 96, &mut bytes);
    for frame in frames {
        encoder.frame(0, frame, "", &mut bytes);
    }
    bytes
}

/// Feeds a decoder `chunk` bytes at a time; returns each frame's head and bytes, and the problem at the end.
pub(crate) fn decode(file: &[u8], chunk: usize) -> (Vec<(FrameHead, Vec<u8>)>, Option<Problem>) {
    let mut decoder = Decoder::sniff(file).unwrap();
    let mut found = Vec::new();
    let (mut used, mut end) = (0, 0);
    loop {
        // Once more with the same bytes, where it makes a difference that they are all there is.
        if end == file.len() && !(file.len() - used >= 24 && decoder.end_of_file()) {
            return (found, decoder.finish(file.len() - used));
        }
        end = file.len().min(end + chunk);
        let held = file.get(used..end).unwrap();
        let progress = decoder.decode(held, &mut |head| {
            let start = head.start as usize;
            found.push((
                FrameHead { start: 0, ..head },
                held.get(start..start + head.len as usize).unwrap().to_vec(),
            ));
        });
        assert!(progress.used <= held.len());
        if progress.problem.is_some() {
            return (found, progress.problem);
        }
        assert!(progress.needed == 0 || progress.needed > held.len() - progress.used, "it has that much");
        used += progress.used;
    }
}
