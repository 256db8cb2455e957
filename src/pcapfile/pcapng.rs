//! pcapng: a file of blocks, in sections that each have their own byte order and interfaces.
//!
//! A block is its type (4 bytes), its length (4), a body and its length again. Lengths are checked here; the
//! `pcap-parser` crate reads the fields of a block. What it does not support is read here: the obsolete
//! packet block, and the timestamp options (it rejects resolutions in powers of two, and reads the time
//! offset as little-endian in every file). Blocks without frames are skipped, whatever their size.
//!
//! Source: draft-ietf-opsawg-pcapng.

use pcap_parser::pcapng::{
    Block, EnhancedPacketBlock, InterfaceDescriptionBlock, InterfaceStatisticsBlock, OptionCode,
    SimplePacketBlock, parse_block_be, parse_block_le,
};

use super::{ByteOrder, Description, Format, FrameHead, MAX_CAPTURED, Problem, ProblemKind, Progress};
use crate::frame::{Frame, LinkType};
use crate::time::Timestamp;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;
const ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_RESOLUTION: u16 = 9;
const OPTION_OFFSET: u16 = 14;
/// Of statistics: what the interface dropped, and what the operating system did.
const OPTIONS_DROPPED: [u16; 2] = [5, 7];
/// A block's type and length.
const BLOCK_START: usize = 8;
/// A block's type and both its lengths.
const MIN_BLOCK_LEN: u32 = 12;
/// Bytes of an enhanced or obsolete packet block before the frame.
const PACKET_START: usize = 28;
/// The same for a simple packet block.
const SIMPLE_START: usize = 12;
/// The longest block that is parsed: a frame, and 64 KiB of options.
const MAX_BLOCK: u32 = MAX_CAPTURED + 65_536;
/// The most interfaces of a section. A frame names one by its number.
const MAX_INTERFACES: usize = 4_096;
/// The default of `if_tsresol`: microseconds.
const MICROSECONDS: u8 = 6;
/// The bit of `if_tsresol` that selects powers of two instead of ten.
const POWER_OF_TWO: u8 = 0x80;

/// Reads a pcapng file. See [`super::Decoder`] for the rules.
#[derive(Debug)]
pub struct PcapngDecoder {
    order: ByteOrder,
    /// Interfaces of the current section.
    interfaces: Vec<InterfaceBlock>,
    /// The first interface of the file.
    first: Option<InterfaceBlock>,
    nanos: bool,
    /// Bytes of the current block still to be skipped.
    skip: u64,
    /// Offset of the next unused byte in the file.
    offset: u64,
    frames: u32,
    begun: bool,
    /// Frames dropped, by the statistics of sections before this one.
    dropped_before: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct InterfaceBlock {
    link: LinkType,
    snaplen: u32,
    clock: TimestampUnits,
    /// Frames dropped, by the last statistics.
    dropped: Option<u64>,
}

/// The fields of a packet block.
struct PacketBlock {
    interface: u32,
    /// The timestamp in the interface's units; none if the block has no time.
    ticks: Option<u64>,
    orig_len: u32,
    len: usize,
    start: usize,
}

impl PcapngDecoder {
    /// The decoder for a file that starts with these bytes; `None` if it is not pcapng.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Option<Self> {
        (u32::from_be_bytes(*start.first_chunk()?) == SECTION_HEADER).then(|| Self {
            order: ByteOrder::Little,
            interfaces: Vec::new(),
            first: None,
            nanos: false,
            skip: 0,
            offset: 0,
            frames: 0,
            begun: false,
            dropped_before: None,
        })
    }

    /// The file's description of itself.
    #[must_use]
    pub fn description(&self) -> Description {
        Description {
            format: Format::Pcapng,
            link_type: self.first.map(|interface| interface.link),
            snaplen: self.first.map(|interface| interface.snaplen).filter(|len| *len > 0),
            nanos: self.nanos,
            dropped: self.dropped(),
        }
    }

    /// Frames that the capturing host dropped, by the last statistics of each interface.
    fn dropped(&self) -> Option<u64> {
        let here = self.interfaces.iter().filter_map(|interface| interface.dropped);
        self.dropped_before.into_iter().chain(here).reduce(u64::saturating_add)
    }

    /// What is wrong with a file that ends with `rest` unused bytes.
    #[must_use]
    pub fn finish(&self, rest: usize) -> Option<Problem> {
        match self {
            Self { begun: false, .. } => Some(self.problem(ProblemKind::EndsInHeader)),
            _ if rest > 0 || self.skip > 0 => Some(self.problem(ProblemKind::EndsInside)),
            _ => None,
        }
    }

    /// Decodes `bytes`, the next ones of the file, and calls `found` with the head of each frame.
    pub fn decode(&mut self, bytes: &[u8], found: &mut impl FnMut(FrameHead)) -> Progress {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let step = match self.step(rest) {
                Ok(step) => step,
                Err(kind) => return Progress { used, needed: 0, problem: Some(self.problem(kind)) },
            };
            let step_used = match step {
                BlockStep::Needs(needed) => return Progress { used, needed, problem: None },
                BlockStep::Passed(len) => len,
                BlockStep::Packet(packet, len) => match self.head(&packet, used) {
                    Ok(head) => {
                        found(head);
                        len
                    }
                    Err(kind) => return Progress { used, needed: 0, problem: Some(self.problem(kind)) },
                },
            };
            used += step_used;
            self.offset += step_used as u64;
        }
    }

    /// Reads one block, or skips a part of one.
    fn step(&mut self, bytes: &[u8]) -> Result<BlockStep, ProblemKind> {
        if self.skip > 0 {
            let len = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            self.skip -= len as u64;
            return Ok(if len == 0 { BlockStep::Needs(0) } else { BlockStep::Passed(len) });
        }
        let Some([t0, t1, t2, t3, l0, l1, l2, l3]) = bytes.first_chunk::<BLOCK_START>().copied() else {
            return Ok(BlockStep::Needs(BLOCK_START));
        };
        // A section header's type is the same in both byte orders, and the block sets the order.
        let kind = self.order.u32([t0, t1, t2, t3]);
        if kind == SECTION_HEADER {
            let Some(magic) = bytes.get(BLOCK_START..).and_then(<[u8]>::first_chunk) else {
                return Ok(BlockStep::Needs(BLOCK_START + 4));
            };
            self.order = [ByteOrder::Little, ByteOrder::Big]
                .into_iter()
                .find(|order| order.u32(*magic) == ORDER_MAGIC)
                .ok_or(ProblemKind::BadBlock(kind))?;
        }
        let len = self.order.u32([l0, l1, l2, l3]);
        if len < MIN_BLOCK_LEN || !len.is_multiple_of(4) {
            return Err(ProblemKind::BadBlock(kind));
        }
        if !matches!(
            kind,
            SECTION_HEADER | INTERFACE | OBSOLETE_PACKET | SIMPLE_PACKET | STATISTICS | ENHANCED_PACKET
        ) {
            self.skip = u64::from(len);
            return self.step(bytes);
        }
        if len > MAX_BLOCK {
            return Err(ProblemKind::BadBlock(kind));
        }
        let Some(block) = bytes.get(..len as usize) else { return Ok(BlockStep::Needs(len as usize)) };
        let packet = self.block(kind, block)?;
        Ok(packet.map_or(BlockStep::Passed(block.len()), |packet| BlockStep::Packet(packet, block.len())))
    }

    /// Reads a complete block of a supported type.
    fn block(&mut self, kind: u32, bytes: &[u8]) -> Result<Option<PacketBlock>, ProblemKind> {
        if kind == OBSOLETE_PACKET {
            return obsolete(self.order, bytes).map(Some).ok_or(ProblemKind::BadBlock(kind));
        }
        let parsed = match self.order {
            ByteOrder::Little => parse_block_le(bytes),
            ByteOrder::Big => parse_block_be(bytes),
        };
        let Ok((_, block)) = parsed else { return Err(ProblemKind::BadBlock(kind)) };
        match block {
            Block::SectionHeader(_) => {
                self.dropped_before = self.dropped();
                self.interfaces.clear();
                self.begun = true;
                Ok(None)
            }
            Block::InterfaceDescription(block) => self.interface(&block).map(|()| None),
            Block::EnhancedPacket(block) => enhanced(&block).map(Some).ok_or(ProblemKind::BadBlock(kind)),
            Block::InterfaceStatistics(block) => {
                self.statistics(&block);
                Ok(None)
            }
            Block::SimplePacket(block) => Ok(Some(self.simple(&block))),
            _ => Ok(None),
        }
    }

    fn interface(&mut self, block: &InterfaceDescriptionBlock<'_>) -> Result<(), ProblemKind> {
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(ProblemKind::TooManyInterfaces);
        }
        let mut resolution = MICROSECONDS;
        let mut offset = 0;
        for option in &block.options {
            match (option.code, &*option.value) {
                (OptionCode::IfTsresol, [value, ..]) => resolution = *value,
                (OptionCode::IfTsoffset, value) => {
                    if let Some(value) = value.first_chunk() {
                        offset = match self.order {
                            ByteOrder::Little => i64::from_le_bytes(*value),
                            ByteOrder::Big => i64::from_be_bytes(*value),
                        };
                    }
                }
                _ => {}
            }
        }
        let clock = TimestampUnits::new(resolution, offset).ok_or(ProblemKind::BadClock(resolution))?;
        // The crate uses a signed type; in the file the number has 16 bits.
        let link = LinkType::from_number(u32::try_from(block.linktype.0).unwrap_or(u32::MAX));
        let interface = InterfaceBlock { link, snaplen: block.snaplen, clock, dropped: None };
        self.nanos |= clock.is_finer_than_micros();
        self.first.get_or_insert(interface);
        self.interfaces.push(interface);
        Ok(())
    }

    /// Notes what an interface dropped from the beginning on.
    fn statistics(&mut self, block: &InterfaceStatisticsBlock<'_>) {
        let Some(interface) = self.interfaces.get_mut(block.if_id as usize) else { return };
        let dropped = block.options.iter().filter(|option| OPTIONS_DROPPED.contains(&option.code.0));
        let counts = dropped.filter_map(|option| option.value.first_chunk()).map(|value| match self.order {
            ByteOrder::Little => u64::from_le_bytes(*value),
            ByteOrder::Big => u64::from_be_bytes(*value),
        });
        interface.dropped = counts.reduce(u64::saturating_add).or(interface.dropped);
    }

    /// A simple packet is of the first interface, has no time, and does not say how much was kept.
    fn simple(&self, block: &SimplePacketBlock<'_>) -> PacketBlock {
        let snaplen = self.interfaces.first().map_or(0, |interface| interface.snaplen);
        let most = if snaplen == 0 { block.origlen } else { snaplen.min(block.origlen) };
        let len = block.data.len().min(most as usize);
        PacketBlock { interface: 0, ticks: None, orig_len: block.origlen, len, start: SIMPLE_START }
    }

    /// The head of a packet whose block starts at `at` in the bytes that were given.
    fn head(&mut self, packet: &PacketBlock, at: usize) -> Result<FrameHead, ProblemKind> {
        let index = packet.interface as usize;
        let interface = self.interfaces.get(index).ok_or(ProblemKind::UnknownInterface(packet.interface))?;
        let number = self.frames.checked_add(1).ok_or(ProblemKind::TooManyFrames)?;
        let (Ok(start), Ok(len)) = (u32::try_from(at + packet.start), u32::try_from(packet.len)) else {
            return Err(ProblemKind::TooManyFrames);
        };
        self.frames = number;
        Ok(FrameHead {
            at: packet.ticks.map_or(Timestamp::UNKNOWN, |ticks| interface.clock.time(ticks)),
            link: interface.link,
            orig_len: packet.orig_len.max(len),
            start,
            len,
            number,
        })
    }

    fn problem(&self, kind: ProblemKind) -> Problem {
        Problem { kind, offset: self.offset, frame: self.frames.saturating_add(1) }
    }
}

/// The result of one step.
enum BlockStep {
    /// Needs this many bytes.
    Needs(usize),
    /// Skipped this many bytes.
    Passed(usize),
    /// Found a frame in a block of this many bytes.
    Packet(PacketBlock, usize),
}

/// An enhanced packet block; none if the frame is longer than its block.
fn enhanced(block: &EnhancedPacketBlock<'_>) -> Option<PacketBlock> {
    let len = block.caplen as usize;
    (len <= block.data.len() && block.caplen <= MAX_CAPTURED).then(|| PacketBlock {
        interface: block.if_id,
        ticks: Some(u64::from(block.ts_high) << 32 | u64::from(block.ts_low)),
        orig_len: block.origlen,
        len,
        start: PACKET_START,
    })
}

/// The obsolete packet block, written until 2010: a 16-bit interface, a drop count, then the fields of the
/// enhanced one.
fn obsolete(order: ByteOrder, bytes: &[u8]) -> Option<PacketBlock> {
    let [
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        _,
        i0,
        i1,
        _,
        _,
        h0,
        h1,
        h2,
        h3,
        l0,
        l1,
        l2,
        l3,
        c0,
        c1,
        c2,
        c3,
        o0,
        o1,
        o2,
        o3,
    ] = *bytes.first_chunk::<PACKET_START>()?;
    let captured = order.u32([c0, c1, c2, c3]);
    let room = bytes.len().checked_sub(PACKET_START + 4)?;
    (captured as usize <= room && captured <= MAX_CAPTURED).then(|| PacketBlock {
        interface: u32::from(order.u16([i0, i1])),
        ticks: Some(u64::from(order.u32([h0, h1, h2, h3])) << 32 | u64::from(order.u32([l0, l1, l2, l3]))),
        orig_len: order.u32([o0, o1, o2, o3]),
        len: captured as usize,
        start: PACKET_START,
    })
}

/// The units of an interface's timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TimestampUnits {
    ticks: Ticks,
    /// Seconds to add.
    offset: i64,
}

/// Ticks of a clock in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ticks {
    /// At most a thousand million.
    Coarse { nanos_each: u64 },
    /// More than that.
    Any { per_second: u64 },
}

impl TimestampUnits {
    /// From the options' values; none if the resolution is not supported.
    fn new(resolution: u8, offset: i64) -> Option<Self> {
        let exponent = u32::from(resolution & !POWER_OF_TWO);
        let per_second = if resolution & POWER_OF_TWO == 0 {
            10_u64.checked_pow(exponent)?
        } else {
            1_u64.checked_shl(exponent)?
        };
        let ticks = match 1_000_000_000 % per_second {
            0 => Ticks::Coarse { nanos_each: 1_000_000_000 / per_second },
            _ => Ticks::Any { per_second },
        };
        Some(Self { ticks, offset })
    }

    fn is_finer_than_micros(self) -> bool {
        match self.ticks {
            Ticks::Coarse { nanos_each } => nanos_each < 1_000,
            Ticks::Any { per_second } => per_second > 1_000_000,
        }
    }

    /// The time of a timestamp, clamped to what fits.
    fn time(self, count: u64) -> Timestamp {
        let nanos = match self.ticks {
            Ticks::Coarse { nanos_each } => i128::from(count) * i128::from(nanos_each),
            Ticks::Any { per_second } => i128::from(count) * 1_000_000_000 / i128::from(per_second),
        };
        let nanos = nanos + i128::from(self.offset) * 1_000_000_000;
        let most = if nanos < 0 { i64::MIN } else { i64::MAX };
        Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(most))
    }
}

/// Encodes pcapng into memory; the caller writes it.
#[derive(Clone, Copy, Debug)]
pub struct PcapngEncoder {
    /// The byte order.
    pub order: ByteOrder,
}

impl PcapngEncoder {
    /// Appends a section header, with a comment unless that is empty.
    pub fn section(self, comment: &str, out: &mut Vec<u8>) {
        let mut body = Vec::new();
        body.extend(self.order.bytes32(ORDER_MAGIC));
        body.extend(self.order.bytes16(1));
        body.extend(self.order.bytes16(0));
        // The section's length: not specified.
        body.extend([0xff; 8]);
        self.comment(comment, &mut body);
        self.block(SECTION_HEADER, &body, out);
    }

    /// Appends an interface with a nanosecond clock; `link` is the registry's number, and a snaplen
    /// of 0 means none.
    pub fn interface(self, link: u16, snaplen: u32, out: &mut Vec<u8>) {
        self.interface_with_clock(link, snaplen, 9, 0, out);
    }

    /// Appends an interface with this `if_tsresol` and `if_tsoffset`.
    pub fn interface_with_clock(
        self,
        link: u16,
        snaplen: u32,
        resolution: u8,
        offset: i64,
        out: &mut Vec<u8>,
    ) {
        let mut body = Vec::new();
        body.extend(self.order.bytes16(link));
        body.extend([0; 2]);
        body.extend(self.order.bytes32(snaplen));
        self.option(OPTION_RESOLUTION, &[resolution], &mut body);
        if offset != 0 {
            let value = match self.order {
                ByteOrder::Little => offset.to_le_bytes(),
                ByteOrder::Big => offset.to_be_bytes(),
            };
            self.option(OPTION_OFFSET, &value, &mut body);
        }
        self.option(OPTION_END, &[], &mut body);
        self.block(INTERFACE, &body, out);
    }

    /// Appends a frame of an interface with a nanosecond clock, with a comment unless that is empty.
    pub fn frame(self, interface: u32, frame: &Frame<'_>, comment: &str, out: &mut Vec<u8>) {
        self.packet(interface, frame.at.nanos().max(0).unsigned_abs(), frame, comment, out);
    }

    /// Appends a frame whose time is given in its interface's units.
    pub fn packet(self, interface: u32, ticks: u64, frame: &Frame<'_>, comment: &str, out: &mut Vec<u8>) {
        let [h0, h1, h2, h3, l0, l1, l2, l3] = ticks.to_be_bytes();
        let captured = u32::try_from(frame.data.len()).unwrap_or(u32::MAX);
        let mut body = Vec::new();
        for field in [
            interface,
            u32::from_be_bytes([h0, h1, h2, h3]),
            u32::from_be_bytes([l0, l1, l2, l3]),
            captured,
            frame.orig_len,
        ] {
            body.extend(self.order.bytes32(field));
        }
        body.extend_from_slice(frame.data);
        pad(&mut body);
        self.comment(comment, &mut body);
        self.block(ENHANCED_PACKET, &body, out);
    }

    /// Appends a block of any type; its body is padded to whole words.
    pub fn block(self, kind: u32, body: &[u8], out: &mut Vec<u8>) {
        let padded = body.len().next_multiple_of(4);
        let len = self.order.bytes32(u32::try_from(padded + MIN_BLOCK_LEN as usize).unwrap_or(u32::MAX));
        out.extend(self.order.bytes32(kind));
        out.extend(len);
        out.extend_from_slice(body);
        out.resize(out.len() + (padded - body.len()), 0);
        out.extend(len);
    }

    fn comment(self, comment: &str, body: &mut Vec<u8>) {
        if !comment.is_empty() {
            self.option(OPTION_COMMENT, comment.as_bytes(), body);
            self.option(OPTION_END, &[], body);
        }
    }

    /// Appends an option; one too long for its length field is cut.
    fn option(self, code: u16, value: &[u8], body: &mut Vec<u8>) {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        body.extend(self.order.bytes16(code));
        body.extend(self.order.bytes16(len));
        body.extend_from_slice(value.get(..usize::from(len)).unwrap_or_default());
        pad(body);
    }
}

/// Pads to a multiple of 4 bytes.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests;
