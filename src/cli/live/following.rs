//! `qscope live --follow`: a rotation read as it grows.

use super::args::LiveArgs;
use super::output::Output;
use super::session::{MAX_FILES, WatchSession};
use super::{COUNT_EVERY, LONGEST_SLEEP, Signals, TICK, give_up_rights, serve, session};
use crate::capture::Batch;
use crate::cli::exit::{ExitStatus, Failure};
use crate::cli::replay::ReplayRequest;
use crate::dissect::DissectOptions;
use crate::live::clock::{Distance, Timeline};
use crate::live::follow::{Follower, Polled};
use crate::live::rights;
use crate::report::clock;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// How long what is written may still be read when the watching ends.
const LAST_READS: Duration = Duration::from_secs(5);
/// How long to wait for a file to grow.
const NAP: Duration = Duration::from_millis(20);

/// Follows a folder until it is told to stop.
pub(super) fn run(
    args: &LiveArgs,
    asked: &ReplayRequest,
    settings: DissectOptions,
    signals: &Signals,
    folder: &Path,
) -> Result<ExitStatus, Failure> {
    // Who may read the files is whoever may: rights are given up only where it is asked for.
    let becomes = match &args.user {
        Some(user) => rights::whom(Some(user))?,
        None => None,
    };
    give_up_rights(args, becomes.as_ref())?;
    let metrics = serve(args)?;
    let mut follower = Follower::new(folder, MAX_FILES)?;
    let mut session = session(args, asked, settings, Output::new(args, true, Vec::new())?, metrics)?;
    session.follows(&folder.display().to_string());
    let timeline = Timeline::start();
    session.start(timeline.now(), "")?;
    follow(&mut session, &mut follower, timeline, signals)?;
    session.finish()?;
    Ok(ExitStatus::Done)
}

fn follow(
    session: &mut WatchSession,
    follower: &mut Follower,
    timeline: Timeline,
    signals: &Signals,
) -> Result<(), Failure> {
    let mut batch = Batch::new();
    let mut is_caught_up = false;
    let mut counted_at = Instant::now();
    let mut distance = Distance::new(timeline);
    let mut stopped_at: Option<Instant> = None;
    loop {
        if let Some(set) = distance.look() {
            session.clock_set(&set)?;
        }
        batch.clear();
        let step = follower.step(&mut batch, &distance, timeline.now());
        tell(session, &step)?;
        session.batch(&batch)?;
        if !step.more {
            if let Some(last) = follower.last_at() {
                let behind = timeline.now().since(last);
                session.behind(behind);
                if !std::mem::replace(&mut is_caught_up, true) {
                    session.notice(&format!("read up to {} before now", clock::millis(behind.millis())))?;
                }
            }
            if let Some(quiet_until) = follower.quiet_until(timeline.now()) {
                session.time(quiet_until);
            }
        }
        if session.is_due(TICK) {
            session.look()?;
        }
        if counted_at.elapsed() >= COUNT_EVERY {
            counted_at = Instant::now();
            session.publish()?;
        }
        if !session.view(timeline.now()) {
            signals.stop.store(true, Ordering::Relaxed);
        }
        if signals.stop.load(Ordering::Relaxed) {
            // What is written by now is read, unless it does not end.
            let has_time = stopped_at.get_or_insert_with(Instant::now).elapsed() < LAST_READS;
            if !step.more || !has_time {
                batch.clear();
                let losses = follower.finish(&mut batch);
                session.batch(&batch)?;
                return losses.iter().try_for_each(|loss| session.lost(loss));
            }
        }
        if signals.report.swap(false, Ordering::Relaxed) {
            session.report()?;
        }
        if !step.more {
            thread::sleep(NAP.min(LONGEST_SLEEP));
        }
    }
}

fn tell(session: &mut WatchSession, step: &Polled) -> Result<(), Failure> {
    for (number, path) in &step.began {
        let path = path.display().to_string();
        session.reads_file(*number, &path);
        session.notice(&format!("reads {path}"))?;
    }
    for (number, about, compression) in &step.described {
        session.is_described(*number, *about, *compression);
    }
    for (number, problem) in &step.problems {
        session.has_problem(*number, problem);
    }
    for notice in &step.notices {
        session.notice(notice)?;
    }
    step.losses.iter().try_for_each(|loss| session.lost(loss))
}
