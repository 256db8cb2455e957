//! Captures with the kernel's packet ring, if the build has no libpcap: `AF_PACKET` with `TPACKET_V3`
//! (packet(7); Documentation/networking/packet_mmap.rst of Linux).
//!
//! Timestamps, lengths and drop counts come from the kernel, as with libpcap. Other features of libpcap are
//! missing: the pseudo interface `any`, and filter expressions.

use super::port_filter::{self, Layout};
use super::{Interface, InterfaceRequest, explain};
use crate::findings::Received;
use crate::frame::LinkType;
use crate::time::Timestamp;
use ferranet::{BpfInsn, Channel, Receiver, RingConfig};
use std::fs;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Bytes of a block of the ring. The kernel hands blocks over, not frames.
const BLOCK_BYTES: u32 = 1 << 18;
/// After how long the kernel hands over a block that is not full, in milliseconds.
const RETIRE_MS: u32 = 2;
/// How often an interface without frames is looked at: the ring does not tell that it has gone.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// `IFF_UP` of Linux's `if.h`.
const IFF_UP: u32 = 1;
/// `ARPHRD_ETHER`, `ARPHRD_LOOPBACK` and `ARPHRD_NONE` of Linux's `if_arp.h`: what frames of an interface begin with.
const ARPHRD_ETHER: u32 = 1;
const ARPHRD_LOOPBACK: u32 = 772;
const ARPHRD_NONE: u32 = 65_534;

/// An open interface.
pub(super) struct OpenSource {
    interface: String,
    receiver: Receiver,
    /// The interface's number: one that is made anew under its name has another.
    index: String,
    looked_at: Instant,
}

/// Opens an interface.
///
/// # Errors
/// One sentence: what is wrong, and what helps.
pub(super) fn open(request: &InterfaceRequest) -> Result<(OpenSource, Interface), String> {
    let name = request.interface.as_str();
    if name == "any" {
        return Err(
            "the interface any needs libpcap, and this qscope was built without it: name one interface \
                    ('qscope live -D' lists them), or install libpcap and build it again"
                .to_owned(),
        );
    }
    if request.more.is_some() {
        return Err(
            "--filter needs libpcap, and this qscope was built without it: leave it out, or install libpcap \
                    and build it again"
                .to_owned(),
        );
    }
    let link_type = link_type(name)?;
    let layout = if link_type == LinkType::RawIp { Layout::Ip } else { Layout::Ethernet };
    let program: Vec<BpfInsn> = port_filter::program(layout, &request.ports, request.snaplen)
        .into_iter()
        .map(|step| BpfInsn::new(step.code, step.jt, step.jf, step.k))
        .collect();
    let blocks = (u64::from(request.buffer_mib) << 20) / u64::from(BLOCK_BYTES);
    let ring = RingConfig {
        block_size: BLOCK_BYTES,
        block_count: u32::try_from(blocks.max(2)).unwrap_or(u32::MAX),
        retire_blk_tov_ms: RETIRE_MS,
        ..RingConfig::rx_default()
    };
    // Nothing is ever sent: that half of the channel is closed at once.
    let (_, receiver) = Channel::builder(name)
        .promiscuous(request.promiscuous)
        .filter(program)
        .rx_ring(ring.snaplen(request.snaplen))
        .tx_ring(RingConfig::small())
        .build_sync()
        .map_err(|error| explain(name, &words(&error)))?;
    let index = attribute(name, "ifindex").unwrap_or_default();
    let source = OpenSource { interface: name.to_owned(), receiver, index, looked_at: Instant::now() };
    Ok((source, Interface { link_type, nanos: true }))
}

/// What the kernel says of an interface.
fn attribute(interface: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/sys/class/net/{interface}/{name}")).ok()?;
    Some(text.trim().to_owned())
}

/// What the frames of an interface begin with, as the kernel says.
fn link_type(interface: &str) -> Result<LinkType, String> {
    // A name is one step of a path, and none of the names that are not.
    if interface.contains('/') || matches!(interface, "" | "." | "..") {
        return Err(explain(interface, "No such device"));
    }
    let kind = fs::read_to_string(format!("/sys/class/net/{interface}/type"))
        .map_err(|_| explain(interface, "No such device"))?;
    match kind.trim().parse() {
        Ok(ARPHRD_ETHER | ARPHRD_LOOPBACK) => Ok(LinkType::Ethernet),
        Ok(ARPHRD_NONE) => Ok(LinkType::RawIp),
        _ => Err(format!(
            "{interface}: frames of an interface of type {} cannot be read without libpcap",
            kind.trim()
        )),
    }
}

impl OpenSource {
    /// Hands on the frames that wait, at least a block and until `max` are reached: time, length on the wire, bytes.
    /// Answers how many.
    ///
    /// # Errors
    /// One sentence: what broke the capture off.
    pub(super) fn take(
        &mut self,
        max: usize,
        each: &mut dyn FnMut(Timestamp, u32, &[u8]),
    ) -> Result<usize, String> {
        let mut taken = 0;
        while taken < max {
            let block = self.receiver.recv_block_timeout(Duration::ZERO);
            let Some(block) = block.map_err(|error| explain(&self.interface, &words(&error)))? else { break };
            for frame in block.frames() {
                let since =
                    frame.timestamp().and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
                let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
                let at = Timestamp::from_parts(seconds, since.subsec_nanos());
                each(at, u32::try_from(frame.wire_len()).unwrap_or(u32::MAX), frame.data());
                taken += 1;
            }
        }
        if taken == 0 && self.looked_at.elapsed() >= LOOK_EVERY {
            self.looked_at = Instant::now();
            self.is_there().map_err(|words| explain(&self.interface, words))?;
        }
        Ok(taken)
    }

    /// Whether the interface is still there and up, where the kernel tells.
    fn is_there(&self) -> Result<(), &'static str> {
        if attribute("lo", "ifindex").is_none() || self.index.is_empty() {
            return Ok(());
        }
        if attribute(&self.interface, "ifindex").as_ref() != Some(&self.index) {
            return Err("it has disappeared");
        }
        let flags = attribute(&self.interface, "flags");
        let flags = flags.and_then(|flags| u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
        if flags.is_some_and(|flags| flags & IFF_UP == 0) { Err("it is down") } else { Ok(()) }
    }

    /// What the kernel received and dropped since the interface was opened.
    pub(super) fn received(&mut self) -> Received {
        let stats = self.receiver.stats().unwrap_or_default();
        Received { received: stats.received, dropped_kernel: stats.dropped, ..Received::default() }
    }
}

/// An error with its cause, on one line.
fn words(error: &ferranet::Error) -> String {
    error.as_io().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
