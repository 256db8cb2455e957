//! What a `zoo.cfg` says: the limits, and the servers with their ports.
//!
//! It is read as ZooKeeper reads it, with one kindness: a copy taken to another machine still finds its
//! dynamic part beside it. What is not about limits or servers is passed over.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/QuorumPeerConfig.java`.

use super::args::EnsembleArgs;
use super::etcd_conf::EtcdConf;
use super::exit::{Failure, complain};
use crate::address::Address;
use crate::findings::{Origin, Report, selection::ServerChoice};
use crate::proto::config::{self, ConfigLine, ConfigText};
use crate::track::NamedServer;
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// No configuration is longer; a capture given by mistake is not read to its end.
const MAX_BYTES: u64 = 4 << 20;

/// The longest tickTime, in milliseconds: an hour.
pub(super) const MAX_TICK_MS: u32 = 3_600_000;
/// The most ticks of a limit.
pub(super) const MAX_LIMIT_TICKS: u32 = 1_000_000;

/// What a configuration says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Config {
    pub(super) tick_ms: Option<u32>,
    pub(super) sync_limit: Option<u32>,
    pub(super) init_limit: Option<u32>,
    pub(super) servers: Vec<NamedServer>,
    pub(super) quorum_ports: BTreeSet<u16>,
    pub(super) election_ports: BTreeSet<u16>,
    /// What a configuration of etcd says.
    pub(super) etcd: EtcdConf,
    /// What is odd about it, though it could be used.
    pub(super) warnings: Vec<String>,
}

impl Config {
    /// What the files say that were named, and on standard error what is odd about them.
    pub(super) fn of(args: &EnsembleArgs) -> Result<Self, Failure> {
        let mut config = args.zoo_cfg.as_deref().map(Self::load).transpose()?.unwrap_or_default();
        config.etcd = args.etcd_conf.as_deref().map(EtcdConf::load).transpose()?.unwrap_or_default();
        for (path, warnings) in [(&args.zoo_cfg, &config.warnings), (&args.etcd_conf, &config.etcd.warnings)]
        {
            let path = path.as_deref().unwrap_or("".as_ref());
            warnings.iter().for_each(|warning| complain(format_args!("{}: {warning}", path.display())));
        }
        Ok(config)
    }

    /// Reads a file and its dynamic part.
    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let text = read(path).map_err(|error| Failure::wrong(format!("{}: {error}", path.display())))?;
        if !is_configuration(&text) {
            let what = "not a zoo.cfg: it sets none of tickTime, syncLimit, initLimit, dataDir, clientPort, \
                        dynamicConfigFile and server.N";
            return Err(Failure::wrong(format!("--zoo-cfg {}: {what}", path.display())));
        }
        let mut config = Self::default();
        let dynamic =
            config.fill(&text).map_err(|what| Failure::wrong(format!("{}: {what}", path.display())))?;
        if let Some(dynamic) = dynamic {
            config.follow(path, &dynamic);
        }
        Ok(config)
    }

    /// The files that are read for a configuration: its own, and those that may be its dynamic part.
    pub(super) fn files(path: &Path) -> Vec<PathBuf> {
        let text = read(path).unwrap_or_default();
        let dynamic = Self::default().fill(&text).ok().flatten();
        let mut files = vec![path.to_owned()];
        files.extend(dynamic.iter().flat_map(|dynamic| dynamic_parts(path, dynamic)));
        files
    }

    /// Takes the settings of a text; the path of its dynamic part comes back.
    fn fill(&mut self, text: &str) -> Result<Option<String>, String> {
        let mut dynamic = None;
        for (line, line_number) in ConfigText(text.as_bytes()).lines().zip(1..) {
            match line {
                ConfigLine::Server(server) => self.server(&server),
                ConfigLine::Other(line) => {
                    let Some((key, value)) = setting(line) else { continue };
                    match key {
                        "tickTime" => self.tick_ms = Some(number(key, value, line_number, MAX_TICK_MS)?),
                        "syncLimit" => {
                            self.sync_limit = Some(number(key, value, line_number, MAX_LIMIT_TICKS)?)
                        }
                        "initLimit" => {
                            self.init_limit = Some(number(key, value, line_number, MAX_LIMIT_TICKS)?)
                        }
                        "dynamicConfigFile" => dynamic = Some(value.to_owned()),
                        _ if key.starts_with("server.") => {
                            self.warnings.push(format!("cannot read '{key}={value}'"));
                        }
                        _ => {}
                    }
                }
                ConfigLine::Group { .. } | ConfigLine::Weight { .. } | ConfigLine::Version(_) => {}
            }
        }
        Ok(dynamic)
    }

    fn server(&mut self, server: &config::ConfigServer<'_>) {
        let hosts: Vec<_> = server.addresses().map(|address| address.host).collect();
        let name = hosts.iter().find(|host| host.parse::<IpAddr>().is_err());
        let name = name.map_or_else(|| format!("server.{}", server.sid), |host| (*host).to_owned());
        let mut addresses: Vec<_> = hosts.iter().filter_map(|host| host.parse().ok()).map(Some).collect();
        if addresses.is_empty() {
            addresses.push(None);
        }
        for address in addresses {
            self.servers.push(NamedServer { sid: server.sid, name: name.clone(), address });
        }
        for address in server.addresses() {
            self.quorum_ports.insert(address.quorum_port);
            self.election_ports.extend(address.election_port);
        }
    }

    /// Reads the dynamic part: where the file says it is, else beside the file.
    fn follow(&mut self, main: &Path, dynamic: &str) {
        let [said, beside] = dynamic_parts(main, dynamic);
        let text = match read(&said) {
            Ok(text) => Ok(text),
            Err(error) => read(&beside).map_err(|_| error),
        };
        match text.map_err(|error| error.to_string()).and_then(|text| self.fill(&text)) {
            // A dynamic part has no dynamic part.
            Ok(_) => {}
            Err(what) => self.warnings.push(format!("dynamicConfigFile {}: {what}", said.display())),
        }
    }

    /// The addresses of a server that a person named, as far as this configuration knows them.
    pub(super) fn addresses(&self, choice: &ServerChoice) -> Vec<Address> {
        let named = self.servers.iter().filter_map(|server| {
            let address = Address::from(server.address?);
            choice.is(Some(address), Some(server.sid), Some(&server.name)).then_some(address)
        });
        let members = self.etcd.peers.names.iter();
        let members = members.filter(|(address, name)| choice.is(Some(**address), None, Some(name)));
        named.chain(members.map(|(address, _)| *address)).collect()
    }

    /// What servers can be called: as this configuration names them, and those that were seen.
    pub(super) fn known_names(&self, report: &Report) -> Vec<String> {
        let seen = report.servers.iter().map(|server| match (&server.name, server.sid) {
            (Some(name), _) => name.clone(),
            (None, Some(sid)) => format!("server.{}", sid.0),
            (None, None) => server.address.to_string(),
        });
        let members = report.raft.members.iter();
        let members = members.map(|member| member.name.clone().unwrap_or_else(|| member.address.to_string()));
        let named = self
            .servers
            .iter()
            .map(|server| server.name.clone())
            .chain(self.etcd.peers.names.values().cloned());
        let names: BTreeSet<_> = named.chain(seen).chain(members).collect();
        if names.is_empty() { vec!["none was seen".to_owned()] } else { names.into_iter().collect() }
    }

    /// Whether a server of that name is in it.
    pub(super) fn names(&self, choice: &ServerChoice) -> bool {
        self.servers
            .iter()
            .any(|server| choice.is(server.address.map(Address::from), Some(server.sid), Some(&server.name)))
            || self.etcd.peers.names.iter().any(|(address, name)| choice.is(Some(*address), None, Some(name)))
    }
}

/// tickTime, syncLimit and initLimit of a text.
#[cfg(feature = "fuzzing")]
pub(super) fn settings(text: &str) -> Result<[Option<u32>; 3], String> {
    let mut config = Config::default();
    config.fill(text)?;
    Ok([config.tick_ms, config.sync_limit, config.init_limit])
}

/// Where the dynamic part of a configuration may be: where it says, and beside it.
fn dynamic_parts(main: &Path, dynamic: &str) -> [PathBuf; 2] {
    let folder = main.parent().unwrap_or_else(|| Path::new("."));
    let said = folder.join(dynamic);
    let beside = said.file_name().map_or_else(PathBuf::new, |name| folder.join(name));
    [said, beside]
}

/// The value of an option, of the configuration, or none, and where it came from.
pub(super) fn setting_of(option: Option<u32>, config: Option<u32>) -> Option<(u32, Origin)> {
    option.map(|value| (value, Origin::Option)).or(config.map(|value| (value, Origin::Config)))
}

/// A file's text, as far as a configuration is long.
pub(super) fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a text sets anything that every configuration of a server sets.
fn is_configuration(text: &str) -> bool {
    const KEYS: [&str; 6] =
        ["tickTime", "syncLimit", "initLimit", "dataDir", "clientPort", "dynamicConfigFile"];
    let is_of_one = |line| match line {
        ConfigLine::Server(_) => true,
        ConfigLine::Other(line) => {
            setting(line).is_some_and(|(key, _)| KEYS.contains(&key) || key.starts_with("server."))
        }
        ConfigLine::Group { .. } | ConfigLine::Weight { .. } | ConfigLine::Version(_) => false,
    };
    ConfigText(text.as_bytes()).lines().any(is_of_one)
}

/// A line of Java's properties: the key ends at `=`, `:` or white space.
fn setting(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    if line.starts_with(['#', '!']) {
        return None;
    }
    let end = line.find(|c: char| c == '=' || c == ':' || c.is_whitespace())?;
    let (key, value) = line.split_at_checked(end)?;
    let value = value.trim_start();
    let value = value.strip_prefix(['=', ':']).unwrap_or(value);
    Some((key, value.trim()))
}

/// A number of a setting, in the range that the options have too: no product of two is beyond what spans hold.
fn number(key: &str, value: &str, line: usize, most: u32) -> Result<u32, String> {
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("setting {line}: {key} must be a number from 1 to {most}, not '{value}'")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::proto::Sid;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    #[test]
    fn a_plain_file_gives_limits_servers_and_ports() {
        let text = "# tickTime=9\r\ntickTime = 2000\r\ninitLimit:10\nsyncLimit 5\nclientPort=2181\n\
                    server.1=zk1.example:2888:3888\nserver.2=10.0.0.2:12888:13888:observer;2181\n";
        let folder = folder(&[("zoo.cfg", text)]);
        let config = Config::load(&folder.path().join("zoo.cfg")).unwrap();
        assert_eq!((config.tick_ms, config.init_limit, config.sync_limit), (Some(2000), Some(10), Some(5)));
        let named = |sid, name: &str, address: Option<&str>| NamedServer {
            sid: Sid(sid),
            name: name.to_owned(),
            address: address.map(|address| address.parse().unwrap()),
        };
        let expected = [named(1, "zk1.example", None), named(2, "server.2", Some("10.0.0.2"))];
        assert_eq!(config.servers, expected);
        assert_eq!(config.quorum_ports, [2888, 12888].into());
        assert_eq!(config.election_ports, [3888, 13888].into());
        assert!(config.names(&ServerChoice::read("ZK1.example")));
        assert!(config.names(&ServerChoice::read("server.1")));
        assert!(!config.names(&ServerChoice::read("zk9")));
        let address: IpAddr = "10.0.0.2".parse().unwrap();
        assert_eq!(config.addresses(&ServerChoice::read("2")), [Address::from(address)]);
    }

    #[test]
    fn several_addresses_are_one_server_each_time() {
        let folder = folder(&[("zoo.cfg", "server.3=10.0.0.3:2888:3888|zk3:2889:3889|10.1.0.3:2888:3888\n")]);
        let config = Config::load(&folder.path().join("zoo.cfg")).unwrap();
        let shown: Vec<_> =
            config.servers.iter().map(|server| (server.name.as_str(), server.address)).collect();
        let address = |text: &str| Some(text.parse().unwrap());
        assert_eq!(shown, [("zk3", address("10.0.0.3")), ("zk3", address("10.1.0.3"))]);
        assert_eq!(config.quorum_ports, [2888, 2889].into());
    }

    #[test]
    fn the_dynamic_part_is_followed_even_when_both_were_copied_away() {
        for dynamic in
            ["zoo.cfg.dynamic.100", "/nowhere/conf/zoo.cfg.dynamic.100", "../x/zoo.cfg.dynamic.100"]
        {
            let main = format!("tickTime=1000\ndynamicConfigFile={dynamic}\n");
            let folder = folder(&[
                ("zoo.cfg", &main),
                ("zoo.cfg.dynamic.100", "server.7=a:2888:3888:participant;2181"),
            ]);
            let config = Config::load(&folder.path().join("zoo.cfg")).unwrap();
            assert_eq!(config.servers.len(), 1, "{dynamic}");
            assert_eq!(config.warnings, Vec::<String>::new());
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let missing = Config::load(Path::new("/nowhere/zoo.cfg")).unwrap_err();
        assert!(format!("{missing:?}").contains("/nowhere/zoo.cfg"));
        let folder = folder(&[
            ("bad.cfg", "tickTime=fast\n"),
            ("odd.cfg", "server.1=nothing\ndynamicConfigFile=gone.cfg\n"),
        ]);
        let bad = Config::load(&folder.path().join("bad.cfg")).unwrap_err();
        assert!(format!("{bad:?}").contains("tickTime must be a number from 1 to 3600000, not 'fast'"));
        for line in
            ["tickTime=0", "tickTime=3600001", "syncLimit=4294967295", "initLimit=1000001", "tickTime=-1"]
        {
            assert!(Config::default().fill(line).is_err(), "{line}");
        }
        for text in ["", "these are notes\n", "\0\u{1}\u{2}", "key=value\n"] {
            let folder = self::folder(&[("notes.txt", text)]);
            let notes = Config::load(&folder.path().join("notes.txt")).unwrap_err();
            assert!(format!("{notes:?}").contains("not a zoo.cfg"), "{text:?}");
        }
        let odd = Config::load(&folder.path().join("odd.cfg")).unwrap();
        assert_eq!(odd.warnings.len(), 2, "{:?}", odd.warnings);
    }
}
