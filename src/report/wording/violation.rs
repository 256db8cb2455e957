//! What a healthy ensemble never sends.

use crate::findings::Breach;

/// A broken rule in words.
#[must_use]
pub fn breach(breach: &Breach) -> String {
    match breach {
        Breach::Numbering { kind, zxid, last } => format!("{kind} {zxid} follows {last}"),
        Breach::HeaderZxid { kind, zxid, carried } => format!("{kind} {zxid} carries transaction {carried}"),
        Breach::SidTwice { sid, first, second } => {
            format!(
                "{first} and {second} both are server.{sid}: each holds a link to the leader, and both speak"
            )
        }
        Breach::EpochBackwards { epoch } => format!("the leader names epoch {epoch}, below the learner's"),
    }
}
