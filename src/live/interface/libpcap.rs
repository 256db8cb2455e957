//! Captures with libpcap.

use super::{Interface, InterfaceRequest, explain};
use crate::findings::Received;
use crate::frame::LinkType;
use crate::time::Timestamp;
use ::libpcap::{Active, Capture, Error, Precision, Stat};

/// Whether the kernel gives nanoseconds to those who ask.
const NANOS: bool = cfg!(target_os = "linux");

/// An open interface.
pub(super) struct OpenSource {
    interface: String,
    capture: Capture<Active>,
    /// The kernel's counts when it was last asked: they are numbers of 32 bits and wrap.
    last: Option<Stat>,
    received: Received,
}

/// Opens an interface.
///
/// # Errors
/// One sentence: what is wrong, and the command that helps.
pub(super) fn open(request: &InterfaceRequest) -> Result<(OpenSource, Interface), String> {
    let wrong = |error: &Error| explain(&request.interface, &words(error));
    let buffer = i32::try_from(request.buffer_mib.saturating_mul(1 << 20)).unwrap_or(i32::MAX);
    let capture = Capture::from_device(request.interface.as_str())
        .map_err(|error| wrong(&error))?
        .promisc(request.promiscuous && request.interface != "any")
        .snaplen(i32::try_from(request.snaplen).unwrap_or(i32::MAX))
        .buffer_size(buffer)
        .precision(if NANOS { Precision::Nano } else { Precision::Micro })
        .immediate_mode(true);
    let capture = capture.open().map_err(|error| wrong(&error))?;
    let mut capture = capture.setnonblock().map_err(|error| wrong(&error))?;
    let filter = request.filter();
    capture.filter(&filter, true).map_err(|error| format!("--filter: {}: '{filter}'", words(&error)))?;
    let number = u32::try_from(capture.get_datalink().0).unwrap_or(u32::MAX);
    let about = Interface { link_type: LinkType::from_number(number), nanos: NANOS };
    let source = OpenSource {
        interface: request.interface.clone(),
        capture,
        last: None,
        received: Received::default(),
    };
    Ok((source, about))
}

impl OpenSource {
    /// Hands on the frames that wait, at most `max` of them: time, length on the wire, bytes. Answers how many.
    ///
    /// # Errors
    /// One sentence: what broke the capture off.
    pub(super) fn take(
        &mut self,
        max: usize,
        each: &mut dyn FnMut(Timestamp, u32, &[u8]),
    ) -> Result<usize, String> {
        let taken = self.capture.dispatch(Some(max), |packet| {
            let header = packet.header;
            let part = header.ts.tv_usec.max(0).unsigned_abs();
            let nanos = u32::try_from(if NANOS { part } else { part.saturating_mul(1_000) }).unwrap_or(0);
            let at = Timestamp::from_parts(header.ts.tv_sec, nanos);
            each(at, header.len.max(header.caplen), packet.data);
        });
        match taken {
            Ok(taken) => Ok(taken),
            Err(Error::TimeoutExpired) => Ok(0),
            Err(error) => Err(explain(&self.interface, &words(&error))),
        }
    }

    /// What the kernel received and dropped since the interface was opened.
    pub(super) fn received(&mut self) -> Received {
        if let Ok(stat) = self.capture.stats() {
            let last = self.last.as_ref();
            let since =
                |now: u32, field: fn(&Stat) -> u32| u64::from(now.wrapping_sub(last.map_or(0, field)));
            self.received.received += since(stat.received, |stat| stat.received);
            self.received.dropped_kernel += since(stat.dropped, |stat| stat.dropped);
            self.received.dropped_interface += since(stat.if_dropped, |stat| stat.if_dropped);
            self.last = Some(stat);
        }
        self.received
    }
}

/// libpcap's own words, on one line.
fn words(error: &Error) -> String {
    let text = match error {
        Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
