//! Who does what: one thread, or several that hand on to each other.
//!
//! One reads, one dissects, and this one analyses. Batches of frames and of events go round in rings, so
//! memory is that of a few of each, and nothing is allocated for a frame. What is
//! found is the same to the letter however many threads there are: they do the same work in the same
//! order, and each has a part of it.

use super::reader::{FrameCounts, ReaderThread};
use crate::capture::{Batch, Replay};
use crate::dissect::{DissectOptions, Dissector, Event, Events, Observer, Replayer};
use crate::ring::{Filler, ring};
use std::collections::BTreeMap;
use std::num::NonZero;
use std::thread;

/// Batches of events under way: most of them full, one in hand at each end.
const BATCHES: usize = 10;
/// Connections ended at a time, once the capture is over.
const ENDED_AT_ONCE: usize = 256;

/// What came of it.
#[derive(Debug)]
pub(super) struct Dissected {
    pub(super) replay: Replay,
    pub(super) passed: FrameCounts,
    /// Which limits of the dissector were reached, and how often.
    pub(super) limits_hit: BTreeMap<&'static str, u64>,
}

/// How many threads to work with: as many as asked for, else as there are processors.
pub(super) fn threads(asked: Option<NonZero<usize>>) -> usize {
    let asked = asked.or_else(|| thread::available_parallelism().ok());
    asked.map_or(1, NonZero::get)
}

/// Reads everything into `analyzer`; `update` is called now and then. `None` if a thread broke off.
pub(super) fn run<O: Observer + 'static>(
    replay: Replay,
    settings: DissectOptions,
    passed: FrameCounts,
    analyzer: &mut O,
    threads: usize,
    update: impl FnMut(),
) -> Option<Dissected> {
    match threads {
        0 | 1 => Some(alone(replay, settings, passed, analyzer, update)),
        _ => together(replay, settings, passed, analyzer, update),
    }
}

/// All in this thread.
fn alone<O: Observer>(
    mut replay: Replay,
    settings: DissectOptions,
    mut passed: FrameCounts,
    analyzer: &mut O,
    mut update: impl FnMut(),
) -> Dissected {
    let mut dissector = Dissector::new(settings);
    let mut batch = Batch::new();
    while !passed.is_over && replay.fill(&mut batch) {
        passed.batch(&batch, &mut dissector, analyzer);
        update();
    }
    dissector.finish(analyzer);
    Dissected { replay, passed, limits_hit: dissector.limits_hit() }
}

/// Reading and dissecting in threads of their own.
fn together<O: Observer + 'static>(
    replay: Replay,
    settings: DissectOptions,
    passed: FrameCounts,
    analyzer: &mut O,
    mut update: impl FnMut(),
) -> Option<Dissected> {
    let (filler, batches) = ring(BATCHES, Events::<O>::default);
    let out = Outgoing { events: filler.empty().unwrap_or_default(), filler };
    let thread = thread::spawn(move || dissect(replay, settings, passed, out));
    let mut replayer = Replayer::default();
    while let Some(mut events) = batches.next() {
        replayer.tell(&events, analyzer);
        events.clear();
        batches.give_back(events);
        update();
    }
    thread.join().ok().flatten()
}

/// Dissects what another thread reads.
fn dissect<O: Observer>(
    replay: Replay,
    settings: DissectOptions,
    mut passed: FrameCounts,
    mut out: Outgoing<O>,
) -> Option<Dissected> {
    let mut dissector = Dissector::new(settings);
    let reading = ReaderThread::start(replay);
    while let Some(batch) = reading.next() {
        passed.batch(&batch, &mut dissector, &mut out);
        reading.done_with(batch);
        if passed.is_over {
            break;
        }
    }
    out.end(&mut dissector);
    let limits_hit = dissector.limits_hit();
    reading.finish().map(|replay| Dissected { replay, passed, limits_hit })
}

/// Events on their way to the thread that analyses.
struct Outgoing<O> {
    events: Events<O>,
    filler: Filler<Events<O>>,
}

impl<O: Observer> Outgoing<O> {
    /// Ends the capture.
    fn end(mut self, dissector: &mut Dissector) {
        while dissector.finish_some(ENDED_AT_ONCE, &mut self) {}
        self.hand_on();
    }

    /// Sends what there is, and waits for an empty one.
    #[cold]
    fn hand_on(&mut self) {
        let next = self.filler.empty().unwrap_or_default();
        // The other thread is there for as long as there is something to send.
        self.filler.send(std::mem::replace(&mut self.events, next));
    }
}

impl<O: Observer> Observer for Outgoing<O> {
    #[inline(always)]
    fn event(&mut self, event: Event<'_>) {
        self.events.event(event);
        if self.events.is_full() {
            self.hand_on();
        }
    }
}
