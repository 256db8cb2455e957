//! What was read, what was reckoned with, and the servers.

use super::ViewContext;
use super::link::BytesView;
use super::log::LogFileView;
use crate::capture::FileInfo;
use crate::findings::{ClockStep, HeadersCut, HostClock, Report, RoleSpan, Server, Settings, Strangers};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
pub(super) struct InputView<'a> {
    files: Vec<FileView<'a>>,
    frames: u64,
    captured_bytes: u64,
    wire_bytes: u64,
    cut_frames: u64,
    first: Option<String>,
    last: Option<String>,
    ignored: &'a BTreeMap<&'static str, u64>,
    tunnels: &'a BTreeMap<&'static str, u64>,
    headers_cut: Option<HeadersCutView>,
    skipped: &'a [String],
    election_bytes: BytesView,
    strangers: StrangersView,
    clock_steps: Vec<ClockStepView>,
    logs: Vec<LogFileView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<serde_json::Value>,
}

impl<'a> InputView<'a> {
    pub(super) fn of(report: &'a Report, ctx: &ViewContext<'_>) -> Self {
        let input = &report.input;
        let Strangers { connections, bytes } = report.strangers;
        Self {
            files: input.files.iter().map(|file| FileView::of(file, ctx)).collect(),
            frames: input.frames,
            captured_bytes: input.captured_bytes,
            wire_bytes: input.wire_bytes,
            cut_frames: input.cut_frames,
            first: ctx.maybe(input.first),
            last: ctx.maybe(input.last),
            ignored: &input.ignored,
            tunnels: &input.tunnels,
            headers_cut: input
                .headers_cut
                .map(|HeadersCut { frames, snaplen_needed }| HeadersCutView { frames, snaplen_needed }),
            skipped: &input.skipped,
            election_bytes: BytesView::of(&report.election_bytes),
            strangers: StrangersView { connections, bytes },
            clock_steps: report.clock_steps.iter().map(|step| ClockStepView::of(step, ctx)).collect(),
            logs: input.logs.iter().map(|log| LogFileView::of(log, ctx)).collect(),
            live: input.live.as_ref().map(super::live::input),
        }
    }
}

/// Frames of which the snaplen left too little behind their headers.
#[derive(Serialize)]
struct HeadersCutView {
    frames: u64,
    snaplen_needed: u32,
}

/// The capture's clock was set forward.
#[derive(Serialize)]
struct ClockStepView {
    at: String,
    by_ms: u64,
}

impl ClockStepView {
    fn of(step: &ClockStep, ctx: &ViewContext<'_>) -> Self {
        Self { at: ctx.time(step.from), by_ms: step.by.millis() }
    }
}

/// Connections to a quorum or an election port in which no packet was recognised.
#[derive(Serialize)]
struct StrangersView {
    connections: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct FileView<'a> {
    path: &'a str,
    format: Option<&'static str>,
    compression: &'static str,
    link_type: Option<String>,
    snaplen: Option<u32>,
    frames: u64,
    dropped: Option<u64>,
    reordered_frames: u64,
    first: Option<String>,
    last: Option<String>,
    problem: Option<&'a str>,
}

impl<'a> FileView<'a> {
    fn of(file: &'a FileInfo, ctx: &ViewContext<'_>) -> Self {
        Self {
            path: &file.path,
            format: file.format.map(|format| format.name()),
            compression: file.compression.name(),
            link_type: file.link_type.map(|link_type| match link_type {
                crate::frame::LinkType::Other(number) => format!("other({number})"),
                known => known.name().to_owned(),
            }),
            snaplen: file.snaplen,
            frames: file.frames,
            dropped: file.dropped,
            reordered_frames: file.reordered_frames,
            first: ctx.maybe(file.first),
            last: ctx.maybe(file.last),
            problem: file.problem.as_deref(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SettingsView<'a> {
    tick_ms: u32,
    tick_from: &'static str,
    sync_limit: u32,
    sync_limit_from: &'static str,
    init_limit: u32,
    init_limit_from: &'static str,
    stall_limit_ms: u64,
    init_limit_ms: u64,
    clocks: Vec<ClockView<'a>>,
}

/// The captures of one host, and its clock.
#[derive(Serialize)]
struct ClockView<'a> {
    host: Option<String>,
    files: Vec<&'a str>,
    reference: bool,
    offset_us: Option<i64>,
    drift_ppm: Option<f64>,
    uncertainty_us: Option<u64>,
    corrected: bool,
    matched_segments: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<StepView>,
}

/// A clock that was set.
#[derive(Serialize)]
struct StepView {
    at: String,
    by_us: i64,
}

impl<'a> ClockView<'a> {
    fn of(clock: &HostClock, ctx: &ViewContext<'a>) -> Self {
        Self {
            host: clock.host.map(|host| host.to_string()),
            files: clock.files.iter().filter_map(|file| ctx.file(*file)).collect(),
            reference: clock.is_reference,
            offset_us: clock.offset_us,
            // Three digits behind the point are more than can be known.
            drift_ppm: clock.offset_us.map(|_| (clock.drift_ppm * 1e3).round() / 1e3),
            uncertainty_us: clock.uncertainty_us,
            corrected: clock.is_corrected,
            matched_segments: clock.matched_segments,
            step: clock.step.map(|(at, by_us)| StepView { at: ctx.time(at), by_us }),
        }
    }
}

impl<'a> SettingsView<'a> {
    pub(super) fn of(settings: &Settings, clocks: &[HostClock], ctx: &ViewContext<'a>) -> Self {
        Self {
            tick_ms: settings.tick_ms,
            tick_from: settings.tick_from.name(),
            sync_limit: settings.sync_limit,
            sync_limit_from: settings.sync_limit_from.name(),
            init_limit: settings.init_limit,
            init_limit_from: settings.init_limit_from.name(),
            stall_limit_ms: settings.stall_limit_ms(),
            init_limit_ms: settings.init_limit_ms(),
            clocks: clocks.iter().map(|clock| ClockView::of(clock, ctx)).collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ServerView<'a> {
    address: String,
    sid: Option<i64>,
    name: Option<&'a str>,
    roles: Vec<RoleView>,
    last_zxid: Option<String>,
}

impl<'a> ServerView<'a> {
    pub(super) fn of(server: &'a Server, ctx: &ViewContext<'_>) -> Self {
        Self {
            address: server.address.to_string(),
            sid: server.sid.map(|sid| sid.0),
            name: server.name.as_deref(),
            roles: server.roles.iter().map(|span| RoleView::of(span, ctx)).collect(),
            last_zxid: server.last_zxid.map(|zxid| zxid.to_string()),
        }
    }
}

#[derive(Serialize)]
struct RoleView {
    role: &'static str,
    from: String,
    to: Option<String>,
}

impl RoleView {
    fn of(span: &RoleSpan, ctx: &ViewContext<'_>) -> Self {
        Self { role: span.role.name(), from: ctx.time(span.from), to: ctx.maybe(span.to) }
    }
}
