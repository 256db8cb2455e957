//! `qscope live --html-on-incident`: what was held, read anew and written as a page.

use super::args::LiveArgs;
use crate::capture::{Batch, FileInfo};
use crate::cli::reader::FrameCounts;
use crate::cli::replay::{ReplayRequest, options};
use crate::diagnose::{self, Analyzer};
use crate::dissect::{DissectOptions, Dissector};
use crate::findings::Report;
use crate::findings::incident::CoverageGap;
use crate::findings::selection::Selection;
use crate::frame::{Frame, FrameRef};
use crate::live::pages::{HeldBytes, PageOptions};
use crate::output::NewFile;
use crate::report::clock::{Digits, WallClock};
use crate::report::html;
use crate::report::text::Style;
use crate::track::TrackerOptions;
use crate::track::series::SeriesOptions;
use std::io;
use std::sync::Arc;

/// What a page is made with.
struct PageWriter {
    settings: DissectOptions,
    told: TrackerOptions,
    style: Style,
    snaplen: u32,
}

/// How pages are written, where they are asked for; with times of so many digits.
pub(super) fn options_of(
    args: &LiveArgs,
    asked: &ReplayRequest,
    settings: &DissectOptions,
    digits: Digits,
) -> Option<PageOptions> {
    let folder = args.html_on_incident.clone()?;
    let series = SeriesOptions { max_intervals: html::MAX_INTERVALS, buckets: false };
    let pages = PageWriter {
        settings: settings.clone(),
        told: TrackerOptions { series: Some(series), ..options(&args.limits, args.warn_at, &asked.config) },
        style: Style {
            clock: WallClock { zone: args.tz.clone(), digits },
            is_coloured: false,
            warn_at_percent: args.warn_at,
            is_verbose: true,
            selection: Selection::default(),
        },
        snaplen: args.snaplen,
    };
    Some(PageOptions { folder, write: Arc::new(move |held, out| pages.write(held, out)) })
}

impl PageWriter {
    fn write(&self, held: &HeldBytes<'_>, out: &mut NewFile) -> io::Result<usize> {
        let report = self.report(held);
        html::write(&report, &self.style, out)?;
        Ok(report.incidents.len())
    }

    /// The report of what was held: frames are numbered as in the recording, which begins with the same one.
    fn report(&self, held: &HeldBytes<'_>) -> Report {
        let mut dissector = Dissector::new(self.settings.clone());
        let mut analyzer = Analyzer::new(self.told.clone());
        let mut passed = FrameCounts::new(None);
        let mut file = FileInfo {
            path: format!("the frames held of stall #{}", held.stall),
            snaplen: Some(self.snaplen),
            nanos: self.style.clock.digits == Digits::Nine,
            ..FileInfo::default()
        };
        let frames = held.batches.iter().map(|batch| {
            let mut own = Batch::new();
            for frame in batch.frames().filter(|frame| frame.at >= held.from) {
                let number = counted(&mut file, &frame);
                own.add(&Frame { id: FrameRef { file: 0, number }, ..frame });
            }
            own
        });
        frames.for_each(|batch| passed.batch(&batch, &mut dissector, &mut analyzer));
        dissector.finish(&mut analyzer);
        let mut report = analyzer.finish(&[Some(held.until)]);
        report.input = passed.input(&[file], &[]);
        report.limits_hit.extend(dissector.limits_hit());
        if let Some(cut_at) = held.cut_at {
            report.coverage.gaps.push(CoverageGap { host: None, from: held.from, to: cut_at });
        }
        report.coverage = diagnose::coverage(&report, (None, None));
        report
    }
}

/// Adds a frame to its file's figures; its number.
fn counted(file: &mut FileInfo, frame: &Frame<'_>) -> u32 {
    let (captured, wire) = (frame.data.len() as u64, u64::from(frame.orig_len));
    file.frames += 1;
    file.captured_bytes += captured;
    file.wire_bytes += wire;
    file.cut_frames += u64::from(captured < wire);
    file.link_type = Some(frame.link);
    file.first.get_or_insert(frame.at);
    file.last = file.last.max(Some(frame.at));
    u32::try_from(file.frames).unwrap_or(u32::MAX)
}
