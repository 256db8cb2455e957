//! `qscope live --follow`: a rotation read as it grows.

use super::args::LiveArgs;
use super::output::Output;
use super::session::{MAX_FILES, Session};
use super::{COUNT_EVERY, LONGEST_SLEEP, Signals, TICK, give_up_rights, serve, session};
use crate::capture::Batch;
use crate::cli::exit::{ExitStatus, Failure};
use crate::cli::replay::Request;
use crate::dissect::DissectOptions;
use crate::live::follow::{Follower, Polled};
use crate::live::interface::now;
use crate::live::rights;
use crate::report::clock;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How often the folder is listed.
const LIST_EVERY: Duration = Duration::from_millis(250);
/// How long to wait for a file to grow.
const NAP: Duration = Duration::from_millis(20);

/// Follows a folder until it is told to stop.
pub(super) fn run(
    args: &LiveArgs,
    asked: &Request,
    settings: DissectOptions,
    signals: &Signals,
    folder: &Path,
) -> Result<ExitStatus, Failure> {
    // Who may read the files is whoever may: rights are given up only where it is asked for.
    let becomes = match &args.user {
        Some(user) => rights::whom(Some(user)).map_err(Failure::wrong)?,
        None => None,
    };
    let metrics = serve(args)?;
    give_up_rights(args, becomes.as_ref())?;
    let mut follower = Follower::new(folder, MAX_FILES).map_err(Failure::wrong)?;
    let mut session = session(args, asked, settings, Output::new(args, true, Vec::new()), metrics)?;
    session.follows(&folder.display().to_string());
    session.start(now(), "")?;
    follow(&mut session, &mut follower, signals)?;
    session.finish()?;
    Ok(ExitStatus::Done)
}

fn follow(session: &mut Session, follower: &mut Follower, signals: &Signals) -> Result<(), Failure> {
    let mut batch = Batch::new();
    let mut listed_at: Option<Instant> = None;
    let mut is_caught_up = false;
    let mut counted_at = Instant::now();
    loop {
        batch.clear();
        let step = follower.read(&mut batch, now());
        session.batch(&batch)?;
        tell(session, &step)?;
        let mut more = step.more;
        if !more && listed_at.is_none_or(|at| at.elapsed() >= LIST_EVERY) {
            listed_at = Some(Instant::now());
            let step = follower.look(now());
            more = step.more;
            tell(session, &step)?;
        }
        if !more {
            if let Some(last) = follower.last_at() {
                let behind = now().since(last);
                session.behind(behind);
                if !std::mem::replace(&mut is_caught_up, true) {
                    session.notice(&format!("read up to {} before now", clock::millis(behind.millis())))?;
                }
            }
            if let Some(quiet_until) = follower.quiet_until(now()) {
                session.time(quiet_until);
            }
        }
        if session.is_due(TICK) {
            session.look()?;
        }
        if counted_at.elapsed() >= COUNT_EVERY {
            counted_at = Instant::now();
            session.publish();
        }
        if signals.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        if signals.report.swap(false, Ordering::Relaxed) {
            session.report()?;
        }
        if !more {
            thread::sleep(NAP.min(LONGEST_SLEEP));
        }
    }
}

fn tell(session: &mut Session, step: &Polled) -> Result<(), Failure> {
    if let Some(path) = &step.began {
        let path = path.display().to_string();
        session.reads_file(&path);
        session.notice(&format!("reads {path}"))?;
    }
    if let Some((about, compression)) = step.description {
        session.is_described(about, compression);
    }
    for notice in &step.notices {
        session.notice(notice)?;
    }
    Ok(())
}
