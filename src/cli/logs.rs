//! The servers' own logs, as `--log` names them.

use super::config::Config;
use super::exit::{Failure, complain};
use crate::address::Address;
use crate::findings::{Report, selection::ServerChoice};
use crate::logs::{self, Log};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// First bytes of a gzip file (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A file, and the server it is said to be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogArg {
    server: Option<ServerChoice>,
    path: PathBuf,
}

impl LogArg {
    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// What `[NAME=]FILE` stands for: a file may have a `=` in its path, a name has no `/`.
#[expect(clippy::unnecessary_wraps, reason = "a value parser's signature")]
pub(super) fn argument(text: &str) -> Result<LogArg, String> {
    let named = text.split_once('=').filter(|(name, file)| {
        !name.is_empty() && !file.is_empty() && !name.contains('/') && !Path::new(text).exists()
    });
    Ok(match named {
        Some((name, file)) => LogArg { server: Some(ServerChoice::read(name)), path: file.into() },
        None => LogArg { server: None, path: text.into() },
    })
}

/// Reads the logs; a file that cannot be opened is a mistake.
pub(super) fn read(args: &[LogArg], config: &Config, report: &Report) -> Result<Vec<Log>, Failure> {
    let log = |arg: &LogArg| {
        let path = arg.path.display().to_string();
        let input = open(&arg.path).map_err(|error| Failure::wrong(format!("--log {path}: {error}")))?;
        let contents = logs::read(input);
        let server = match &arg.server {
            Some(choice) => server(choice, contents.sid.is_some(), config, report)?,
            None => None,
        };
        if contents.lines == 0 {
            complain(format_args!(
                "--log {path}: no line with a time and a level, as log4j, zap or capnslog write them"
            ));
        }
        Ok(Log { path, server, contents })
    };
    args.iter().map(log).collect()
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    let mut file = BufReader::new(File::open(path)?);
    let is_packed = file.fill_buf()?.starts_with(&GZIP);
    Ok(if is_packed { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) })
}

/// The server that a name stands for; none where nobody knows the name, and the lines say themselves whose they are.
fn server(
    choice: &ServerChoice,
    has_sid: bool,
    config: &Config,
    report: &Report,
) -> Result<Option<Address>, Failure> {
    let known = logs::server(choice, report).or_else(|| config.addresses(choice).first().copied());
    let name = match (known, choice) {
        (Some(address), _) => return Ok(Some(address)),
        (None, ServerChoice::Address(address)) => return Ok(Some(*address)),
        (None, ServerChoice::Name(name)) => name,
    };
    let what = format!("--log {name}=...: no server is called {name}");
    let known = config.known_names(report).join(", ");
    if has_sid {
        complain(format_args!("{what}; [myid:N] in its lines says whose log it is (names are {known})"));
        return Ok(None);
    }
    Err(Failure::wrong(format!(
        "{what}; give one of these, a server id or an address: {known}; --zoo-cfg gives servers their names"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_stand_before_the_file() {
        let arg = |text: &str| argument(text).ok();
        let is = |server: Option<&str>, path: &str| {
            Some(LogArg { server: server.map(ServerChoice::read), path: path.into() })
        };
        assert_eq!(arg("zk1=a/b.log"), is(Some("zk1"), "a/b.log"));
        assert_eq!(arg("10.0.0.1=b=c.log"), is(Some("10.0.0.1"), "b=c.log"));
        assert_eq!(arg("a/x=y.log"), is(None, "a/x=y.log"));
        assert_eq!(arg("zk1.log"), is(None, "zk1.log"));
    }
}
