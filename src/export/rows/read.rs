//! What was read: runs, files, servers.

use crate::export::{ExportError, Table, Tables, Value};
use crate::findings::incident::Coverage;
use crate::findings::{HostClock, Report, Server};
use crate::frame::LinkType;
use crate::report::wording;
use std::borrow::Cow;

/// The run itself.
pub(super) fn run(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    let (input, settings, coverage) = (&report.input, &report.settings, &report.coverage);
    let name = tables.name().to_owned();
    let stalls = report.stalls.iter().filter(|stall| tables.takes(stall.start)).count();
    let near_misses = report.near_misses.iter().filter(|miss| tables.takes(miss.at)).count();
    let violations = report.violations.iter().filter(|violation| tables.takes(violation.at)).count();
    let row = [
        tables.run().into(),
        name.as_str().into(),
        env!("CARGO_PKG_VERSION").into(),
        input.first.into(),
        input.last.into(),
        input.files.len().into(),
        input.frames.into(),
        input.captured_bytes.into(),
        input.wire_bytes.into(),
        input.cut_frames.into(),
        input.ignored.values().sum::<u64>().into(),
        settings.tick_ms.into(),
        settings.tick_from.name().into(),
        settings.stall_limit_ms().into(),
        settings.init_limit_ms().into(),
        coverage.stalls.name().into(),
        blind(coverage).into(),
        coverage.hosts.len().into(),
        coverage.hosts_expected.into(),
        coverage.links_seen.into(),
        coverage.links_expected.into(),
        coverage.gaps.len().into(),
        report.servers.len().into(),
        tables.rows(Table::Incidents).into(),
        tables.rows(Table::Outages).into(),
        stalls.into(),
        near_misses.into(),
        tables.rows(Table::Elections).into(),
        violations.into(),
        limits_hit(report).into(),
    ];
    tables.row(Table::Runs, &row)
}

/// What hides stalls; nothing where nothing does.
fn blind(coverage: &Coverage) -> Option<String> {
    let sentences: Vec<_> = coverage.blind.iter().map(wording::blind).collect();
    (!sentences.is_empty()).then(|| sentences.join("; "))
}

fn limits_hit(report: &Report) -> Option<String> {
    let all: Vec<_> = report.limits_hit.iter().map(|(name, count)| format!("{name}={count}")).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// The files.
pub(super) fn files(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    for (file, index) in report.input.files.iter().zip(0_u32..) {
        let clock = report.clocks.iter().find(|clock| clock.files.contains(&index));
        let host = clock.and_then(|clock| clock.host).map(|host| host.to_string());
        let link_type = file.link_type.map(|link_type| match link_type {
            LinkType::Other(number) => Cow::Owned(format!("other({number})")),
            known => Cow::Borrowed(known.name()),
        });
        let row = [
            tables.run().into(),
            index.into(),
            file.path.as_str().into(),
            host.into(),
            file.format.map(|format| format.name()).into(),
            file.compression.name().into(),
            link_type.into(),
            file.snaplen.into(),
            file.frames.into(),
            file.captured_bytes.into(),
            file.wire_bytes.into(),
            file.cut_frames.into(),
            file.first.into(),
            file.last.into(),
            file.problem.as_deref().into(),
            clock.and_then(|clock| clock.offset_us).into(),
            clock.and_then(|clock| clock.uncertainty_us).into(),
            clock.map(|clock: &HostClock| clock.is_corrected).into(),
        ];
        tables.row(Table::Files, &row)?;
    }
    Ok(())
}

/// The servers, with each role that they had.
pub(super) fn servers(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    for server in &report.servers {
        let mut is_told = false;
        for span in server.roles.iter().filter(|span| tables.reaches(span.from, span.to)).collect::<Vec<_>>()
        {
            let role = [span.role.name().into(), span.from.into(), span.to.into()];
            self::server(server, role, tables)?;
            is_told = true;
        }
        if !is_told {
            self::server(server, [Value::Null, Value::Null, Value::Null], tables)?;
        }
    }
    Ok(())
}

fn server(server: &Server, [role, from, to]: [Value<'_>; 3], tables: &mut Tables) -> Result<(), ExportError> {
    let address = server.address.to_string();
    let row = [
        tables.run().into(),
        address.as_str().into(),
        server.sid.map(|sid| sid.0).into(),
        server.name.as_deref().into(),
        server.last_zxid.map(|zxid| zxid.0).map(u64::cast_signed).into(),
        role,
        from,
        to,
    ];
    tables.row(Table::Servers, &row)
}
