//! TCP headers, timestamps, window scale and SACK (RFC 9293, RFC 7323, RFC 2018).

use super::{Flags, IgnoreReason};

/// A TCP header without options.
const HEADER_LEN: usize = 20;
/// The header up to its flags: the least that is needed to place a segment in its stream.
const NEEDED_LEN: usize = 14;
/// The options of nearly every segment of an open connection: two NOPs and timestamps.
pub(super) const COMMON: [u8; 4] = [OPTION_NOP, OPTION_NOP, OPTION_TIMESTAMPS, 10];
/// The length of a header with just these.
const COMMON_LEN: usize = 32;

const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
const OPTION_WINDOW_SCALE: u8 = 3;
const OPTION_SACK: u8 = 5;
const OPTION_TIMESTAMPS: u8 = 8;

/// A TCP header's fields and what follows it.
pub(super) struct TcpHeader<'a> {
    pub(super) src_port: u16,
    pub(super) dst_port: u16,
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: Flags,
    pub(super) window: u16,
    pub(super) checksum: u16,
    pub(super) options: TcpOptions,
    pub(super) payload: &'a [u8],
    pub(super) payload_len: u32,
}

/// The options that were captured completely.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub(super) struct TcpOptions {
    pub(super) timestamps: Option<(u32, u32)>,
    pub(super) window_scale: Option<u8>,
    pub(super) sack: bool,
}

/// Reads the header of a segment of which `data` was captured of `wire_len` bytes.
#[inline]
pub(super) fn header(data: &[u8], wire_len: usize) -> Result<TcpHeader<'_>, IgnoreReason> {
    if wire_len < HEADER_LEN {
        return Err(IgnoreReason::BadTcpHeader);
    }
    let head = match data.first_chunk::<HEADER_LEN>() {
        Some(whole) => *whole,
        None => cut(data)?,
    };
    let [s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, c0, c1, _, _] = head;
    let header_len = usize::from(offset >> 4) * 4;
    if header_len < HEADER_LEN || header_len > wire_len {
        return Err(IgnoreReason::BadTcpHeader);
    }
    let payload_len = u32::try_from(wire_len - header_len).map_err(|_| IgnoreReason::LengthContradiction)?;
    Ok(TcpHeader {
        src_port: u16::from_be_bytes([s0, s1]),
        dst_port: u16::from_be_bytes([d0, d1]),
        seq: u32::from_be_bytes([q0, q1, q2, q3]),
        ack: u32::from_be_bytes([a0, a1, a2, a3]),
        flags: Flags(flags),
        window: u16::from_be_bytes([w0, w1]),
        checksum: u16::from_be_bytes([c0, c1]),
        options: options(data, header_len, u32::from_be_bytes([a0, a1, a2, a3])),
        payload: data.get(header_len..).unwrap_or_default(),
        payload_len,
    })
}

/// A header that ends early but after its flags; what follows them reads as zero.
#[cold]
fn cut(data: &[u8]) -> Result<[u8; HEADER_LEN], IgnoreReason> {
    let kept: &[u8; NEEDED_LEN] = data.first_chunk().ok_or(IgnoreReason::CutHeader)?;
    let mut head = [0; HEADER_LEN];
    for (to, from) in head.iter_mut().zip(kept) {
        *to = *from;
    }
    Ok(head)
}

#[inline]
fn options(data: &[u8], header_len: usize, ack: u32) -> TcpOptions {
    if header_len == HEADER_LEN {
        return TcpOptions::default();
    }
    if header_len == COMMON_LEN
        && let Some(bytes) = data.first_chunk::<COMMON_LEN>()
        && let [.., n0, n1, kind, len, v0, v1, v2, v3, e0, e1, e2, e3] = *bytes
        && [n0, n1, kind, len] == COMMON
    {
        let timestamps = Some((u32::from_be_bytes([v0, v1, v2, v3]), u32::from_be_bytes([e0, e1, e2, e3])));
        return TcpOptions { timestamps, ..TcpOptions::default() };
    }
    walk(data.get(HEADER_LEN..header_len.min(data.len())).unwrap_or_default(), ack)
}

/// Whether a SACK option with `len` bytes of blocks tells of a gap: a block lies beyond what is acknowledged. One that
/// does not says that something came twice (RFC 2883, section 4). Blocks of a cut option are taken for gaps.
fn reports_gap(bytes: &[u8], len: usize, ack: u32) -> bool {
    let (blocks, _) = bytes.get(..len.min(bytes.len())).unwrap_or_default().as_chunks::<8>();
    let is_beyond = |[_, _, _, _, r0, r1, r2, r3]: &[u8; 8]| {
        u32::from_be_bytes([*r0, *r1, *r2, *r3]).wrapping_sub(ack).cast_signed() > 0
    };
    len > 0 && (bytes.len() < len || blocks.iter().any(is_beyond))
}

/// Reads options up to their end, the first invalid one, or the cut. Of a repeated option the first counts,
/// as it would if a cut hid the second.
fn walk(mut bytes: &[u8], ack: u32) -> TcpOptions {
    let mut found = TcpOptions::default();
    loop {
        match *bytes {
            [OPTION_NOP, ref rest @ ..] => bytes = rest,
            [] | [OPTION_END, ..] => return found,
            [kind, len, ref rest @ ..] if len >= 2 => {
                found.sack |= kind == OPTION_SACK && reports_gap(rest, usize::from(len) - 2, ack);
                let Some((value, rest)) = rest.split_at_checked(usize::from(len) - 2) else {
                    return found;
                };
                match (kind, value) {
                    (OPTION_TIMESTAMPS, &[v0, v1, v2, v3, e0, e1, e2, e3]) => {
                        found.timestamps.get_or_insert((
                            u32::from_be_bytes([v0, v1, v2, v3]),
                            u32::from_be_bytes([e0, e1, e2, e3]),
                        ));
                    }
                    (OPTION_WINDOW_SCALE, &[shift]) => {
                        found.window_scale.get_or_insert(shift);
                    }
                    _ => {}
                }
                bytes = rest;
            }
            [_, ..] => return found,
        }
    }
}
