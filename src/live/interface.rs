//! Captures frames from an interface on a separate thread: with libpcap if the build found it, else with
//! Linux's packet ring.
//!
//! Batches go round in a ring, as when files are read. If the consumer falls behind,
//! frames wait in the kernel's buffer for a moment and are then dropped and counted, since late announcements
//! are useless. The thread also reports up to which time no frame was waiting, which distinguishes silence
//! from lag.

use super::clock::{ClockSet, Distance, Timeline};
use super::error::LiveError;
use crate::capture::Batch;
use crate::findings::Received;
use crate::frame::{Frame, FrameRef, LinkType};
use crate::ring::{Drainer, Filler, RingEnded, ring};
use crate::time::{Span, Timestamp};
use pnet_datalink::NetworkInterface;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

#[cfg(any(not(libpcap), test))]
mod port_filter;
#[cfg(libpcap)]
#[path = "interface/libpcap.rs"]
mod source;
#[cfg(all(not(libpcap), target_os = "linux"))]
#[path = "interface/packet_ring.rs"]
mod source;

/// Frames of one batch at most.
const BATCH_FRAMES: usize = 2_048;
/// Batches under way at most: with those in hand some 20 MiB at a snaplen of 256.
const BATCHES: usize = 32;
/// How long the thread sleeps where there is no frame. libpcap's own waiting ends with a frame alone, and
/// silence is what is looked for here; and frames that come together are cheaper than frames one by one.
const NAP: Duration = Duration::from_millis(2);
/// How long frames are left in the kernel's buffer when all batches are under way.
const BEHIND: Duration = Duration::from_millis(50);
/// How often the kernel is asked what it dropped.
const COUNT_EVERY: Duration = Duration::from_millis(500);
/// Settings of the clock that wait to be reported.
const MAX_CLOCK_SET: usize = 16;
/// What has just arrived may not be readable yet.
const ARRIVING: Span = Span::from_millis(1);

/// What to capture.
#[derive(Clone, Debug)]
pub struct InterfaceRequest {
    /// The interface's name; `any` for all, with libpcap.
    pub interface: String,
    /// The TCP ports whose frames are wanted.
    pub ports: Vec<u16>,
    /// What frames must match beside, in libpcap's language.
    pub more: Option<String>,
    /// Bytes of each frame that are kept.
    pub snaplen: u32,
    /// The kernel's buffer, in MiB.
    pub buffer_mib: u32,
    /// Whether frames for others are wanted too, as on a mirror port.
    pub promiscuous: bool,
}

impl InterfaceRequest {
    /// The filter in libpcap's language, to be shown and to be used.
    #[must_use]
    pub fn filter(&self) -> String {
        let mut ports = self.ports.clone();
        ports.sort_unstable();
        ports.dedup();
        let each: Vec<_> = ports.iter().map(|port| format!("tcp port {port}")).collect();
        let ports = each.join(" or ");
        self.more.as_ref().map_or_else(|| ports.clone(), |more| format!("({ports}) and ({more})"))
    }
}

/// What is known of an open interface.
#[derive(Clone, Copy, Debug)]
pub struct Interface {
    /// What frames begin with.
    pub link_type: LinkType,
    /// Whether times have nanoseconds.
    pub nanos: bool,
}

/// An interface that is open, and not read yet.
pub struct OpenInterface {
    source: source::OpenSource,
    /// What is known of it.
    pub about: Interface,
}

/// Opens an interface.
///
/// # Errors
/// One sentence: what is wrong, and the command that helps.
pub fn open(request: &InterfaceRequest) -> Result<OpenInterface, LiveError> {
    let (source, about) = source::open(request).map_err(LiveError::new)?;
    if let LinkType::Other(number) = about.link_type {
        let what = format!("{}: frames of link type {number} cannot be read here", request.interface);
        return Err(LiveError::new(what));
    }
    Ok(OpenInterface { source, about })
}

/// The interfaces, as `tcpdump -D` lists them: number, name, state and addresses.
#[must_use]
pub fn list() -> Vec<String> {
    let line = |(number, interface): (usize, NetworkInterface)| {
        let mut marks: Vec<String> = Vec::new();
        marks.extend(interface.is_up().then(|| "Up".to_owned()));
        marks.extend(interface.is_running().then(|| "Running".to_owned()));
        marks.extend(interface.is_loopback().then(|| "Loopback".to_owned()));
        marks.extend(interface.ips.iter().map(|network| network.ip().to_string()));
        format!("{number}.{} [{}]", interface.name, marks.join(", "))
    };
    (1..).zip(pnet_datalink::interfaces()).map(line).collect()
}

/// What is wrong with an interface, and what helps.
fn explain(interface: &str, words: &str) -> String {
    let is = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if is(&["permission", "Operation not permitted"]) {
        return format!(
            "no right to capture on {interface}: run it with sudo, or once 'sudo setcap cap_net_raw+ep \
             $(command -v qscope)'"
        );
    }
    if is(&["No such device", "doesn't exist", "SIOCGIFHWADDR"]) {
        return format!("there is no interface {interface}: 'qscope live -D' lists those there are");
    }
    if is(&["disappeared", "not up", "went down", "is down"]) {
        return format!(
            "the interface {interface} has gone away or is down: 'ip link show' says which there are, \
             'ip link set {interface} up' brings it up ({words})"
        );
    }
    format!("cannot capture on {interface}: {words}")
}

/// What thread and reader share.
#[derive(Debug, Default)]
struct InterfaceState {
    stop: AtomicBool,
    /// Up to when all frames were handed over: nanoseconds since 1970, on the timeline.
    quiet_until: AtomicI64,
    dropped_here: AtomicU64,
    kernel: Mutex<Received>,
    /// When the system's clock was set, the latest first; not reported yet.
    clock_set: Mutex<Vec<ClockSet>>,
}

/// Frames on their way from an interface.
#[derive(Debug)]
pub struct Capturing {
    batches: Drainer<Batch>,
    shared: Arc<InterfaceState>,
    thread: JoinHandle<Option<String>>,
}

impl Capturing {
    /// Begins to capture.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(opened: OpenInterface, timeline: Timeline) -> Result<Self, LiveError> {
        let (filler, batches) = ring(BATCHES, Batch::new);
        let shared = Arc::new(InterfaceState::default());
        let state = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || {
                let OpenInterface { source, about } = opened;
                let mut round = Round {
                    source,
                    link_type: about.link_type,
                    number: 0,
                    batches: filler,
                    state,
                    spared: None,
                    timeline,
                    distance: Distance::new(timeline),
                };
                round.run()
            })
            .map_err(|error| LiveError::with("no thread to capture on", error))?;
        Ok(Self { batches, shared, thread })
    }

    /// Up to when nothing was waiting. Read it, then take all batches there are, then it is true.
    #[must_use]
    pub fn quiet_until(&self) -> Timestamp {
        Timestamp::from_nanos(self.shared.quiet_until.load(Ordering::Acquire))
    }

    /// The next frames, waited for at most so long; `None` where there are none yet.
    ///
    /// # Errors
    /// The capture is over: see [`Self::finish`].
    pub fn next(&self, patience: Duration) -> Result<Option<Batch>, CaptureOver> {
        self.batches.next_within(patience).map_err(|RingEnded| CaptureOver)
    }

    /// Gives a batch back, to be filled again.
    pub fn done_with(&self, mut batch: Batch) {
        batch.clear();
        self.batches.give_back(batch);
    }

    /// What the capture got by now.
    #[must_use]
    pub fn received(&self) -> Received {
        let kernel = *self.shared.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        Received { dropped_here: self.shared.dropped_here.load(Ordering::Relaxed), ..kernel }
    }

    /// That the system's clock was set, once for each time.
    #[must_use]
    pub fn clock_set(&self) -> Option<ClockSet> {
        self.shared.clock_set.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Asks the thread to end; what is under way can still be taken.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// Waits for the thread's end: what broke the capture off, as a sentence.
    #[must_use]
    pub fn finish(self) -> Option<String> {
        self.stop();
        drop(self.batches);
        self.thread.join().unwrap_or_else(|_| Some("the capture broke off".to_owned()))
    }
}

/// The capture is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaptureOver;

/// The thread's own.
struct Round {
    source: source::OpenSource,
    link_type: LinkType,
    /// Frames so far, modulo 2^32.
    number: u32,
    batches: Filler<Batch>,
    state: Arc<InterfaceState>,
    /// A batch that nothing came into.
    spared: Option<Batch>,
    timeline: Timeline,
    distance: Distance,
}

impl Round {
    /// Captures until it is told to stop, or an error comes up: what it is, as a sentence.
    fn run(&mut self) -> Option<String> {
        let mut counted_at = Instant::now();
        loop {
            let outcome = self.step();
            if counted_at.elapsed() >= COUNT_EVERY {
                counted_at = Instant::now();
                self.count();
            }
            match outcome {
                Ok(true) if !self.state.stop.load(Ordering::Relaxed) => {}
                Ok(_) => {
                    self.count();
                    return None;
                }
                Err(error) => return Some(error),
            }
        }
    }

    /// Takes what there is, once. False where nobody wants it any more.
    fn step(&mut self) -> Result<bool, String> {
        let Ok(mut batch) = self.empty_batch() else { return Ok(false) };
        self.look_at_clock();
        let present = self.timeline.now();
        let (link, number, distance, mut dropped) = (self.link_type, &mut self.number, &self.distance, 0);
        let taken = self.source.take(BATCH_FRAMES, &mut |at, orig_len, data| {
            *number = number.wrapping_add(1).max(1);
            let Some(batch) = &mut batch else {
                dropped += 1;
                return;
            };
            let (at, id) = (distance.place(at, present), FrameRef { file: 0, number: *number });
            batch.add(&Frame { at, link, orig_len, data, id });
        });
        self.state.dropped_here.fetch_add(dropped, Ordering::Relaxed);
        let taken = taken?;
        let is_wanted = match batch {
            Some(batch) if !batch.is_empty() => self.batches.send(batch),
            Some(batch) => {
                self.spared = Some(batch);
                true
            }
            None => true,
        };
        if taken == 0 {
            let until = self.timeline.now().minus(ARRIVING);
            self.state.quiet_until.store(until.nanos(), Ordering::Release);
            thread::sleep(NAP);
        }
        Ok(is_wanted)
    }

    /// Notes that the system's clock was set; the main thread reports it.
    fn look_at_clock(&mut self) {
        if let Some(set) = self.distance.look() {
            let mut all = self.state.clock_set.lock().unwrap_or_else(PoisonError::into_inner);
            all.insert(0, set);
            all.truncate(MAX_CLOCK_SET);
        }
    }

    /// A batch to fill; none where all are under way, and stay so for a while.
    fn empty_batch(&mut self) -> Result<Option<Batch>, RingEnded> {
        if let Some(batch) = self.spared.take() {
            return Ok(Some(batch));
        }
        self.batches.empty_within(BEHIND)
    }

    /// Asks the kernel for its counts.
    fn count(&mut self) {
        let received = self.source.received();
        *self.state.kernel.lock().unwrap_or_else(PoisonError::into_inner) = received;
    }
}
