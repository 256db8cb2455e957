//! What happened: incidents, outages, elections, sessions.

use super::lasted_ms;
use crate::address::Address;
use crate::export::{ExportError, Table, Tables, Value};
use crate::findings::incident::Incident;
use crate::findings::session::Session;
use crate::findings::{Report, Suspect};
use crate::report::wording::{IncidentWords, Names};

/// The incidents.
pub(super) fn incidents(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    let (words, names) = (IncidentWords::in_utc(report), Names::of(report));
    for incident in &report.incidents {
        let [kind, suspect, to] = suspect(incident.suspect);
        let row = [
            tables.run().into(),
            incident.id.into(),
            incident.root.name().into(),
            incident.confidence.name().into(),
            kind,
            suspect,
            to,
            incident.suspect.map(|suspect| names.name(first(suspect))).into(),
            incident.start.into(),
            incident.end.into(),
            incident.duration_ms.into(),
            incident.count.into(),
            incident.stalls.len().into(),
            incident.links.len().into(),
            incident.elections.len().into(),
            incident.outages.len().into(),
            outage_ms(incident, report).into(),
            words.summary(incident).into(),
        ];
        tables.row_at(Table::Incidents, incident.start, &row)?;
    }
    Ok(())
}

fn outage_ms(incident: &Incident, report: &Report) -> u64 {
    let its = report.outages.iter().filter(|outage| incident.outages.contains(&outage.id));
    its.map(|outage| outage.duration_ms).fold(0, u64::saturating_add)
}

const fn first(suspect: Suspect) -> Address {
    match suspect {
        Suspect::Host(host) | Suspect::HostNetwork(host) => host,
        Suspect::Path(from, _) | Suspect::OneWay(from, _) => from,
    }
}

fn suspect(suspect: Option<Suspect>) -> [Value<'static>; 3] {
    let (kind, from, to) = match suspect {
        None => return [Value::Null, Value::Null, Value::Null],
        Some(Suspect::Host(host)) => ("host", host, None),
        Some(Suspect::HostNetwork(host)) => ("host_network", host, None),
        Some(Suspect::Path(from, to)) => ("path", from, Some(to)),
        Some(Suspect::OneWay(from, to)) => ("one_way", from, Some(to)),
    };
    [kind.into(), from.to_string().into(), to.map(|to| to.to_string()).into()]
}

/// The outages.
pub(super) fn outages(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    for outage in &report.outages {
        let row = [
            tables.run().into(),
            outage.id.into(),
            outage.kind.name().into(),
            outage.start.into(),
            outage.end.into(),
            outage.duration_ms.into(),
            outage.incident.into(),
            outage.is_certain.into(),
        ];
        tables.row_at(Table::Outages, outage.start, &row)?;
    }
    Ok(())
}

/// The elections.
pub(super) fn elections(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    for (index, election) in report.elections.iter().enumerate() {
        let leader = election.leader_sid.and_then(|sid| {
            report
                .servers
                .iter()
                .find(|server| server.sid == Some(sid))
                .map(|server| server.address.to_string())
        });
        let looking: Vec<_> = election.by.iter().map(ToString::to_string).collect();
        let incident = report.incidents.iter().find(|incident| incident.elections.contains(&index));
        let row = [
            tables.run().into(),
            index.into(),
            election.start.into(),
            election.end.into(),
            lasted_ms(election.start, election.end).into(),
            election.leader_sid.map(|sid| sid.0).into(),
            leader.into(),
            election.epoch.into(),
            election.votes.into(),
            election.rounds.into(),
            looking.join(" ").into(),
            election.handover_to.map(|sid| sid.0).into(),
            incident.map(|incident| incident.id).into(),
        ];
        tables.row_at(Table::Elections, election.start, &row)?;
    }
    Ok(())
}

/// The sessions that the report lists, by the servers that held them.
pub(super) fn sessions(report: &Report, tables: &mut Tables) -> Result<(), ExportError> {
    for session in &report.sessions.list {
        for server in &session.servers {
            let address = server.address.to_string();
            let held = [address.as_str().into(), server.from.into(), server.to.into()];
            tables.row_at(Table::Sessions, server.from, &session_row(tables.run(), session, held))?;
        }
    }
    Ok(())
}

fn session_row<'a>(run: i64, session: &Session, [server, from, to]: [Value<'a>; 3]) -> [Value<'a>; 11] {
    [
        run.into(),
        session.id.cast_signed().into(),
        session.timeout_ms.into(),
        server,
        from,
        to,
        session.created.into(),
        session.closed.into(),
        session.closed_by.map(|by| by.name()).into(),
        session.expired_after_ms.into(),
        session.incident.into(),
    ]
}
