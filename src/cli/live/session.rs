//! What is done with frames and with time, wherever they come from.
//!
//! It asks no clock: the present is the latest of the frames' times and of what it is told. So a file
//! gives the same announcements as the wire it was taken from.

use super::gaps::Gaps;
use super::output::Output;
use crate::capture::{Batch, Compression, FileInfo};
use crate::cli::exit::Failure;
use crate::cli::reader::FrameCounts;
use crate::diagnose::Analyzer;
use crate::dissect::{DissectOptions, Dissector};
use crate::findings::{LiveInput, Received, Report};
use crate::frame::LinkType;
use crate::live::Watch;
use crate::live::clock::{ClockSet, Shown};
use crate::live::follow::Loss;
use crate::live::metrics::Metrics;
use crate::live::numbers::Numbers;
use crate::live::recorder::Recorder;
use crate::pcapfile::Description;
use crate::report::clock;
use crate::report::live::{Announcement, What};
use crate::time::{Span, Timestamp};
use crate::track;
use std::time::Instant;

/// How often links that are over are looked for, to be let go.
const EVICT_EVERY: Span = Span::from_millis(1_000);

/// Files told apart where a rotation is followed.
pub(super) const MAX_FILES: u32 = 4_095;

/// What is kept for the report.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeepLimits {
    /// Links.
    pub(super) links: usize,
    /// How far back round trips reach.
    pub(super) window: Span,
}

/// A watch under way.
pub(super) struct WatchSession {
    dissector: Dissector,
    analyzer: Analyzer,
    watch: Watch,
    passed: FrameCounts,
    files: Vec<FileInfo>,
    live: LiveInput,
    kept: KeepLimits,
    output: Output,
    recorder: Option<Recorder>,
    metrics: Option<(Metrics, Numbers)>,
    now: Timestamp,
    looked_at: Timestamp,
    let_go_at: Timestamp,
    window_from: Timestamp,
    drops_told: u64,
    gaps: Gaps,
    shown: Shown,
}

impl WatchSession {
    pub(super) fn new(
        settings: DissectOptions,
        options: track::TrackerOptions,
        kept: KeepLimits,
        output: Output,
    ) -> Self {
        let watch = Watch::new(options.warn_at_percent);
        Self {
            dissector: Dissector::new(settings),
            analyzer: Analyzer::new(options),
            watch,
            passed: FrameCounts::new(None),
            files: Vec::new(),
            live: LiveInput { source: String::new(), received: None, behind_ms: None },
            kept,
            output,
            recorder: None,
            metrics: None,
            now: Timestamp::MIN,
            looked_at: Timestamp::MIN,
            let_go_at: Timestamp::MIN,
            window_from: Timestamp::MIN,
            drops_told: 0,
            gaps: Gaps::default(),
            shown: Shown::default(),
        }
    }

    /// Says where frames will come from.
    pub(super) fn reads(&mut self, name: &str, link: LinkType, snaplen: u32, nanos: bool) {
        name.clone_into(&mut self.live.source);
        self.files.push(FileInfo {
            path: name.to_owned(),
            link_type: Some(link),
            snaplen: Some(snaplen),
            nanos,
            ..FileInfo::default()
        });
    }

    /// Frames will come from one more file, by its number; the last entry stands for all beyond `MAX_FILES`.
    pub(super) fn reads_file(&mut self, number: u32, path: &str) {
        if self.files.len() <= number as usize {
            self.files.push(FileInfo { path: path.to_owned(), ..FileInfo::default() });
        }
        self.output.file(number, path);
    }

    /// What a file says of itself.
    pub(super) fn is_described(&mut self, number: u32, about: Description, compression: Compression) {
        if let Some(file) = self.files.get_mut(number as usize) {
            (file.format, file.compression) = (Some(about.format), compression);
            (file.link_type, file.snaplen, file.nanos) = (about.link_type, about.snaplen, about.nanos);
        }
    }

    /// What stopped the reading of a file.
    pub(super) fn has_problem(&mut self, number: u32, problem: &str) {
        if let Some(file) = self.files.get_mut(number as usize) {
            file.problem = Some(problem.to_owned());
        }
    }

    /// Something was written to a folder and never read.
    pub(super) fn lost(&mut self, loss: &Loss) -> Result<(), Failure> {
        let from = loss.from.unwrap_or(self.now);
        match loss.to {
            Some(to) => self.gaps.add(from, to.max(from)),
            None => self.gaps.open(from),
        }
        self.problem(&loss.to_string())
    }

    /// The system's clock was set: times are shown by the new one from here on, deadlines go on as they were.
    pub(super) fn clock_set(&mut self, set: &ClockSet) -> Result<(), Failure> {
        self.gaps.add(set.before, set.after);
        self.shown.set(set);
        let way = if set.by < Span::ZERO { "back" } else { "forward" };
        let by = clock::millis(set.by.nanos().unsigned_abs() / 1_000_000);
        self.notice(&format!("the system's clock was set {way} by {by}: deadlines go on as they were"))
    }

    /// Names where frames come from.
    pub(super) fn follows(&mut self, folder: &str) {
        folder.clone_into(&mut self.live.source);
    }

    /// Notes how far behind the present frames are read.
    pub(super) const fn behind(&mut self, span: Span) {
        self.live.behind_ms = Some(span.millis());
    }

    /// Tells what is worth knowing.
    pub(super) fn notice(&mut self, what: &str) -> Result<(), Failure> {
        self.tell(What::Notice(what.to_owned()))
    }

    /// Tells that watching begins.
    pub(super) fn start(&mut self, at: Timestamp, filter: &str) -> Result<(), Failure> {
        self.now = at;
        self.window_from = at;
        let source = self.live.source.clone();
        self.tell(What::Start { source, filter: filter.to_owned() })
    }

    /// Takes frames.
    pub(super) fn batch(&mut self, batch: &Batch) -> Result<(), Failure> {
        if let Some(first) = batch.frame(0) {
            self.gaps.close(first.at);
        }
        self.passed.batch(batch, &mut self.dissector, &mut self.analyzer);
        for frame in batch.frames() {
            if let Some(recorder) = &mut self.recorder {
                recorder.frame(&frame);
            }
            let Some(file) = self.files.get_mut(frame.id.file as usize) else { continue };
            let (captured, wire) = (frame.data.len() as u64, u64::from(frame.orig_len));
            file.frames += 1;
            file.captured_bytes += captured;
            file.wire_bytes += wire;
            file.cut_frames += u64::from(captured < wire);
            file.first.get_or_insert(frame.at);
            file.last = file.last.max(Some(frame.at));
        }
        self.time(self.passed.last.unwrap_or(self.now));
        Ok(())
    }

    /// Lets time pass up to here.
    pub(super) fn time(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// When there may be something to tell although no frame comes.
    pub(super) const fn next_due(&self) -> Timestamp {
        self.watch.next_due()
    }

    /// Whether it is time to look: a deadline passes, or so much time has passed.
    pub(super) fn is_due(&self, tick: Span) -> bool {
        self.now >= self.watch.next_due() || self.now.since(self.looked_at) >= tick
    }

    /// Looks at what time has decided, and tells it.
    pub(super) fn look(&mut self) -> Result<(), Failure> {
        self.looked_at = self.now;
        self.dissector.tick(self.now, &mut self.analyzer);
        let events = self.watch.look(&mut self.analyzer, self.now);
        self.announce(&events)?;
        if let Some(what) = self.recorder.as_mut().and_then(|recorder| recorder.time(self.now)) {
            self.tell(what)?;
        }
        if self.now.since(self.let_go_at) >= EVICT_EVERY {
            self.let_go_at = self.now;
            if let Some((_, numbers)) = &mut self.metrics {
                numbers.gather_last(self.analyzer.tracker());
            }
            self.analyzer.compact();
            self.analyzer.evict(self.kept.links, self.now);
        }
        if self.now.since(self.window_from) >= self.kept.window {
            self.window_from = self.now;
            if let Some((_, numbers)) = &mut self.metrics {
                numbers.gather(self.analyzer.tracker(), self.now);
            }
            self.analyzer.rotate();
            if let Some((_, numbers)) = &mut self.metrics {
                numbers.begin_anew(self.analyzer.tracker());
            }
        }
        Ok(())
    }

    /// Notes what the capture got by now.
    pub(super) fn received(&mut self, received: Received) {
        self.live.received = Some(received);
    }

    /// Tells drops, if there are new ones.
    pub(super) fn tell_drops(&mut self) -> Result<(), Failure> {
        let Some(all) = self.live.received else { return Ok(()) };
        let since = all.dropped() - self.drops_told;
        if since == 0 {
            return Ok(());
        }
        self.drops_told = all.dropped();
        self.tell(What::Drops { since, all })
    }

    /// Tells what does not work.
    pub(super) fn problem(&mut self, what: &str) -> Result<(), Failure> {
        self.tell(What::Problem(what.to_owned()))
    }

    /// Hands the screen, if there is one, the state of now, and does what keys ask for. False where they ask for the end.
    pub(super) fn view(&mut self, present: Timestamp) -> bool {
        let Some(mut view) = self.output.take_view() else { return true };
        if view.is_due() {
            view.show(self, present);
        }
        if view.asks_to_record()
            && let Some(recorder) = &mut self.recorder
        {
            recorder.asked(self.now);
        }
        let goes_on = !view.asks_to_quit();
        self.output.put_view(view);
        goes_on
    }

    /// Frames by now.
    pub(super) fn frames(&self) -> u64 {
        self.files.iter().map(|file| file.frames).sum()
    }

    /// Writes announcements; stalls go to the recorder too.
    fn announce(&mut self, events: &[Announcement]) -> Result<(), Failure> {
        for event in events {
            self.put(event.clone())?;
            if let (What::StallOver(news), Some((_, numbers))) = (&event.what, &mut self.metrics) {
                numbers.stall(news.stall.cause);
            }
            if let (What::IncidentOver(news), Some((_, numbers))) = (&event.what, &mut self.metrics)
                && let Some(incident) = news.judged()
            {
                numbers.incident(incident.root);
            }
            let Some(recorder) = &mut self.recorder else { continue };
            if let What::Stall(news) | What::StallOver(news) = &event.what {
                let is_over = matches!(event.what, What::StallOver(_));
                recorder.stall(event.at, &news.stall, self.output.sentence(event), is_over);
            }
        }
        Ok(())
    }

    /// Leaves numbers for whoever asks.
    pub(super) fn publishes(&mut self, metrics: Metrics) {
        self.metrics = Some((metrics, Numbers::new()));
    }

    /// Gathers the numbers of now, and sees to it that they are served.
    pub(super) fn publish(&mut self) -> Result<(), Failure> {
        let frames = self.frames();
        let Some((metrics, numbers)) = &mut self.metrics else { return Ok(()) };
        numbers.gather(self.analyzer.tracker(), self.now);
        numbers.stalls_open = self.watch.open_stalls().count() as u64;
        numbers.incidents_open = self.watch.open_incidents().count() as u64;
        numbers.frames = frames;
        numbers.received = self.live.received.unwrap_or_default();
        metrics.publish(numbers);
        metrics.check(Instant::now()).map_or(Ok(()), |what| self.problem(&what))
    }

    /// Keeps the last frames, and writes them when a stall is told.
    pub(super) fn records(&mut self, recorder: Recorder) {
        self.recorder = Some(recorder);
    }

    fn tell(&mut self, what: What) -> Result<(), Failure> {
        self.put(Announcement { at: self.now, what })
    }

    /// Writes an announcement, its times by the system's clock of their moment.
    fn put(&mut self, mut event: Announcement) -> Result<(), Failure> {
        if !self.shown.is_plain() {
            event.change_times(&|at| self.shown.at(at));
        }
        Ok(self.output.event(&event)?)
    }

    /// Writes the report so far; the watching goes on.
    pub(super) fn report(&mut self) -> Result<(), Failure> {
        if self.output.has_view() {
            return self.notice("no report so far is written where the screen is: q ends it with the report");
        }
        let mut dissector = self.dissector.clone();
        let mut analyzer = self.analyzer.clone();
        dissector.finish(&mut analyzer);
        let report = self.whole(analyzer, &dissector);
        Ok(self.output.report(self.shown.at(self.now), &report)?)
    }

    /// Ends the watching: what is left to tell, and the report.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.output.end_view();
        self.dissector.tick(self.now, &mut self.analyzer);
        let events = self.watch.finish(&mut self.analyzer, self.now);
        self.announce(&events)?;
        for what in self.recorder.as_mut().map(Recorder::finish).unwrap_or_default() {
            self.tell(what)?;
        }
        self.tell_drops()?;
        self.dissector.finish(&mut self.analyzer);
        let analyzer = std::mem::take(&mut self.analyzer);
        let report = self.whole(analyzer, &self.dissector);
        self.output.report(self.shown.at(self.now), &report)?;
        Ok(self.output.finish()?)
    }

    /// The report of an analyzer whose dissector has ended.
    fn whole(&self, analyzer: Analyzer, dissector: &Dissector) -> Report {
        let mut report = analyzer.finish(&[Some(self.now)]);
        report.input = self.passed.input(&self.files, &[]);
        report.input.live = Some(self.live.clone());
        report.limits_hit.extend(dissector.limits_hit());
        report.coverage.gaps.extend(self.gaps.until(self.now));
        report.coverage = crate::diagnose::coverage(&report, (None, None));
        if !self.shown.is_plain() {
            report.change_times(&|at| self.shown.at(at));
        }
        report
    }
}

/// What the screen shows.
#[cfg(feature = "tui")]
impl WatchSession {
    /// What was found by now.
    pub(super) const fn analyzer(&self) -> &Analyzer {
        &self.analyzer
    }

    /// The present, by the capture.
    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    /// The present as it is shown.
    pub(super) fn shown_now(&self) -> Timestamp {
        self.shown.at(self.now)
    }

    /// What is known of the source.
    pub(super) const fn live(&self) -> &LiveInput {
        &self.live
    }

    /// Stalls that go on.
    pub(super) fn open_stalls(&self) -> usize {
        self.watch.open_stalls().count()
    }
}
