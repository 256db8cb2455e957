//! `qscope dump`: captures to a line per record.

use super::args::{DumpArgs, OutputFormat, is_one_form};
use super::exit::{ExitStatus, Failure, complain};
use super::progress::ReadProgress;
use super::reader::{FrameCounts, ReaderThread};
use super::replay::{ReplayRequest, open, set_clocks};
use crate::address::Address;
use crate::capture::Replay;
use crate::dissect::Dissector;
use crate::findings::selection::ServerChoice;
use crate::report::clock::{Digits, WallClock};
use crate::report::dump::{Dump, DumpOptions, TypeChoice};
use crate::report::short_paths;
use std::io::{self, BufWriter, IsTerminal, Write};

/// What is said where no line was printed.
const NOTHING: &str = "no record to print: none on ports 2888 and 3888 (--quorum-port and --election-port name \
                       others), or none that --type, --server, --from and --to leave";

/// Reads everything and writes each record as it passes.
pub(super) fn run(args: &DumpArgs) -> Result<ExitStatus, Failure> {
    is_one_form(args.format, args.json.then_some("--json"))?;
    let asked = ReplayRequest::of(&args.input)?;
    let types = args.types.iter().map(|name| type_choice(name)).collect::<Result<_, _>>()?;
    let servers = asked.selection.server.as_ref().map(|choice| addresses(choice, &asked)).transpose()?;
    let mut replay = open(&args.input)?;
    let (_, hosts) = set_clocks(&mut replay);
    let files: Vec<_> = replay.files().iter().map(|file| file.path.clone()).collect();
    let options = DumpOptions {
        is_json: args.format() == OutputFormat::Json,
        is_verbose: args.verbose,
        types,
        servers,
        from: asked.selection.from,
        to: asked.selection.to,
        clock: WallClock {
            zone: args.input.tz.clone(),
            digits: Digits::of(replay.files().iter().any(|file| file.nanos)),
        },
        short_files: short_paths(files.iter().map(String::as_str)),
        files,
    };
    let stdout = io::stdout();
    let is_quiet = !stdout.is_terminal();
    let dump = Dump::new(BufWriter::new(stdout.lock()), options);
    let passed = FrameCounts::of_any_time(asked.selection.to);
    pass(replay, asked.dissector(&args.input, hosts), dump, passed, is_quiet)?;
    Ok(ExitStatus::Done)
}

fn pass<W: Write>(
    replay: Replay,
    mut dissector: Dissector,
    mut dump: Dump<W>,
    mut passed: FrameCounts,
    is_quiet: bool,
) -> Result<(), Failure> {
    let mut progress = ReadProgress::new(replay.total_bytes(), replay.bytes_read_counter(), is_quiet);
    let reading = ReaderThread::start(replay);
    while let Some(batch) = reading.next() {
        passed.batch(&batch, &mut dissector, &mut dump);
        reading.done_with(batch);
        progress.update();
        // Whoever reads along sees what there is before the next frames are waited for.
        if reading.is_ahead() { dump.check() } else { dump.flush() }?;
        if passed.is_over {
            break;
        }
    }
    drop(progress);
    dissector.finish(&mut dump);
    dump.flush()?;
    if dump.written() == 0 {
        complain(format_args!("{NOTHING}"));
    }
    if let Some(replay) = reading.finish() {
        for file in replay.files().iter().filter(|file| file.format.is_some()) {
            if let Some(problem) = &file.problem {
                complain(format_args!("{}: {problem}", file.path));
            }
        }
    }
    Ok(())
}

fn type_choice(name: &str) -> Result<TypeChoice, Failure> {
    TypeChoice::read(name).ok_or_else(|| {
        let names: Vec<_> = TypeChoice::names().collect();
        Failure::wrong(format!("--type: no such type: '{name}'; there are {}", names.join(", ")))
    })
}

/// A dump goes by addresses, since records pass before all servers have said who they are.
fn addresses(choice: &ServerChoice, asked: &ReplayRequest) -> Result<Vec<Address>, Failure> {
    let mut addresses = asked.config.addresses(choice);
    if let ServerChoice::Address(address) = choice {
        addresses.push(*address);
    }
    if addresses.is_empty() {
        return Err(Failure::wrong("--server: no address known for that name; give the address itself"));
    }
    Ok(addresses)
}
