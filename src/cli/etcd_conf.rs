//! What a configuration of etcd says: its intervals, and its members' names and ports.
//!
//! etcd takes it as a YAML file, as flags or from its environment, and so does this: whatever sets one of its options
//! in one of these ways is read, be it a systemd unit, a pod's manifest or a compose file. What is not about
//! intervals or members is passed over.
//!
//! Source: `etcd-io/etcd: server/embed/config.go` (names, defaults, `Validate`), `server/etcdmain/config.go`.

use super::exit::Failure;
use crate::address::Address;
use crate::track::raft::facts::PeerOptions;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

/// The longest election timeout (`maxElectionMs`).
const MAX_ELECTION_MS: u32 = 50_000;
/// The election timeout is at least five heartbeats (`Config.Validate`).
const LEAST_RATIO: u32 = 5;
/// What etcd takes where only the other one is set.
const DEFAULT: (u32, u32) = (100, 1_000);
/// Members of an initial cluster; etcd's documentation advises seven.
const MAX_NAMES: usize = 1_024;
/// The longest name that is shown.
const MAX_NAME: usize = 255;

/// Options by which a configuration of etcd is known, the first six of which are read.
const OPTIONS: [&str; 13] = [
    "heartbeat-interval",
    "election-timeout",
    "name",
    "initial-cluster",
    "initial-advertise-peer-urls",
    "listen-peer-urls",
    "data-dir",
    "listen-client-urls",
    "advertise-client-urls",
    "initial-cluster-state",
    "initial-cluster-token",
    "snapshot-count",
    "quota-backend-bytes",
];

/// What a configuration of etcd says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct EtcdConf {
    /// The intervals, and the members' names.
    pub(super) peers: PeerOptions,
    /// Ports on which members listen to each other.
    pub(super) ports: BTreeSet<u16>,
    /// What is odd about it, though it could be used.
    pub(super) warnings: Vec<String>,
}

impl EtcdConf {
    /// Reads a file.
    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let wrong = |what: String| Failure::wrong(format!("--etcd-conf {}: {what}", path.display()));
        let text = super::config::read(path).map_err(|error| wrong(error.to_string()))?;
        Self::of(&text).map_err(wrong)
    }

    /// What a text says.
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let options = options(text);
        // A name alone is in many a file that is none of etcd's.
        if !options.keys().any(|option| *option != "name") {
            return Err(
                "not a configuration of etcd: no YAML file, flags or environment with heartbeat-interval, \
                        election-timeout, initial-cluster, listen-peer-urls or data-dir"
                    .to_owned(),
            );
        }
        let mut conf = Self::default();
        conf.intervals(&options)?;
        conf.members(&options);
        Ok(conf)
    }

    fn intervals(&mut self, options: &BTreeMap<&'static str, String>) -> Result<(), String> {
        let most_beat = MAX_ELECTION_MS / LEAST_RATIO;
        let heartbeat = self.number(options, "heartbeat-interval", most_beat)?;
        let election = self.number(options, "election-timeout", MAX_ELECTION_MS)?;
        let beat = heartbeat.unwrap_or(DEFAULT.0);
        // The default of what is not set holds where nothing else does.
        if let Some(election) = election.or(heartbeat.map(|_| DEFAULT.1))
            && election < beat * LEAST_RATIO
        {
            let what = format!(
                "an election-timeout of {election} ms with heartbeats every {beat} ms: etcd wants five heartbeats \
                 at least"
            );
            match (heartbeat, election_is_set(options)) {
                // The other one may be set elsewhere.
                (Some(_), true) => return Err(what),
                _ => self.warnings.push(what),
            }
        }
        self.peers.heartbeat_ms = heartbeat;
        self.peers.election_ms = election;
        Ok(())
    }

    /// A number of milliseconds, in etcd's range.
    fn number(
        &mut self,
        options: &BTreeMap<&'static str, String>,
        option: &str,
        most: u32,
    ) -> Result<Option<u32>, String> {
        let Some(value) = options.get(option) else { return Ok(None) };
        if value.contains('$') {
            self.warnings.push(format!("{option} is set by '{}', which is not known here", short(value)));
            return Ok(None);
        }
        match value.parse() {
            Ok(number) if (1..=most).contains(&number) => Ok(Some(number)),
            _ => Err(format!(
                "{option} must be a number of milliseconds from 1 to {most}, not '{}'",
                short(value)
            )),
        }
    }

    fn members(&mut self, options: &BTreeMap<&'static str, String>) {
        let of = |option: &str| options.get(option).map_or("", String::as_str);
        let own = ["initial-advertise-peer-urls", "listen-peer-urls"].map(of);
        let own = own.iter().flat_map(|urls| urls.split(',')).map(|url| (of("name"), url));
        let cluster = of("initial-cluster").split(',').filter_map(|member| member.split_once('='));
        let mut unknown = BTreeSet::new();
        for (name, url) in cluster.chain(own).take(MAX_NAMES) {
            let (name, url) = (name.trim(), url.trim());
            let Some((host, port)) = host_and_port(url) else { continue };
            self.ports.insert(port);
            if name.is_empty() || name.len() > MAX_NAME || name.contains('$') {
                continue;
            }
            match host.parse::<IpAddr>() {
                Ok(ip) if ip.is_unspecified() => {}
                Ok(ip) => {
                    self.peers.names.entry(Address::from(ip)).or_insert_with(|| name.to_owned());
                }
                Err(_) => {
                    unknown.insert(short(name));
                }
            }
        }
        if !unknown.is_empty() {
            let names = unknown.into_iter().take(8).collect::<Vec<_>>().join(", ");
            self.warnings.push(format!(
                "its peer URLs have host names, no addresses: which member is {names} is not known"
            ));
        }
    }
}

fn election_is_set(options: &BTreeMap<&'static str, String>) -> bool {
    options.contains_key("election-timeout")
}

/// The host and the port of a peer URL: `http://10.0.0.1:2380`, `https://[fd00::1]:2380`.
fn host_and_port(url: &str) -> Option<(&str, u16)> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some((host, port.parse().ok().filter(|port| *port > 0)?))
}

/// The options that a text sets, each at its first place.
fn options(text: &str) -> BTreeMap<&'static str, String> {
    let mut options = BTreeMap::new();
    if let Ok(serde_json::Value::Object(json)) = serde_json::from_str(text) {
        for (key, value) in &json {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            add(&mut options, known(key), value);
        }
        return options;
    }
    for (key, value) in yaml(text) {
        add(&mut options, known(&key), value);
    }
    let mut waiting = None;
    for word in words(text) {
        if let Some(option) = waiting.take()
            && !word.starts_with('-')
        {
            add(&mut options, Some(option), word);
            continue;
        }
        let (key, value) = match word.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        match (flag(&key).and_then(known), value) {
            (option, Some(value)) => add(&mut options, option.or_else(|| variable(&key)), value),
            (option, None) => waiting = option,
        }
    }
    options
}

fn add(options: &mut BTreeMap<&'static str, String>, option: Option<&'static str>, value: String) {
    if let Some(option) = option {
        options.entry(option).or_insert(value);
    }
}

/// etcd's own name of an option.
fn known(key: &str) -> Option<&'static str> {
    OPTIONS.into_iter().find(|option| *option == key)
}

/// `--name` and `-name`, as Go takes flags.
fn flag(word: &str) -> Option<&str> {
    word.strip_prefix("--").or_else(|| word.strip_prefix('-'))
}

/// The option that a variable sets: `ETCD_HEARTBEAT_INTERVAL`.
fn variable(word: &str) -> Option<&'static str> {
    let name = word.strip_prefix("ETCD_")?;
    OPTIONS.into_iter().find(|option| {
        let letters = option.bytes().map(|byte| if byte == b'-' { b'_' } else { byte.to_ascii_uppercase() });
        letters.eq(name.bytes())
    })
}

/// `key: value` at the beginning of a line; and variables so set anywhere, as compose files do.
fn yaml(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_folded = false;
    for line in text.lines() {
        let bare = line.trim();
        let is_indented = line.starts_with([' ', '\t']);
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        if is_indented && is_folded {
            // A value that goes on: `>-`, or a plain one.
            if let Some((_, value)) = found.last_mut() {
                value.push_str(bare);
            }
            continue;
        }
        is_folded = false;
        let Some((key, value)) = bare.split_once(':') else { continue };
        let key = unquoted(key.trim());
        let option = variable(key).or_else(|| known(key).filter(|_| !is_indented));
        let is_value = value.is_empty() || value.starts_with([' ', '\t']);
        if let Some(option) = option.filter(|_| is_value) {
            let value = scalar(value);
            is_folded = !is_indented && value.is_empty();
            found.push((option.to_owned(), value));
        }
    }
    found
}

/// A scalar of YAML in one line: without quotes and comment. Of one that follows in the next lines nothing.
fn scalar(text: &str) -> String {
    let text = text.trim();
    if let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let rest = text.get(1..).unwrap_or_default();
        return rest.split(quote).next().unwrap_or_default().to_owned();
    }
    let bare = text.split(" #").next().unwrap_or_default().trim();
    if bare.starts_with(['>', '|']) { String::new() } else { bare.to_owned() }
}

fn unquoted(text: &str) -> &str {
    let within = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

/// The words of a shell's line, a unit or a list: quotes and commas around them go, and lines that say nothing.
fn words(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let mut words = Vec::new();
    for line in lines {
        let mut word = String::new();
        let mut quote = None;
        for letter in line.chars().chain([' ']) {
            match quote {
                Some(open) if letter == open => quote = None,
                None if matches!(letter, '"' | '\'') => quote = Some(letter),
                None if letter.is_whitespace() || matches!(letter, '[' | ']') && word.is_empty() => {
                    let whole = std::mem::take(&mut word);
                    let bare = whole.trim_end_matches([',', ']', '\\']);
                    let bare = bare.strip_prefix("Environment=").unwrap_or(bare);
                    if !matches!(bare, "" | "-" | "export") {
                        words.push(bare.to_owned());
                    }
                }
                _ => word.push(letter),
            }
        }
    }
    words
}

/// What is repeated of a value: it may be anything, and of any length.
fn short(value: &str) -> String {
    value.chars().take(40).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    const CLUSTER: &str = "zk1=http://10.0.0.1:2380,zk2=https://10.0.0.2:12380";

    fn of(text: &str) -> EtcdConf {
        EtcdConf::of(text).unwrap_or_else(|what| panic!("{text}: {what}"))
    }

    fn names(conf: &EtcdConf) -> Vec<(String, &str)> {
        conf.peers.names.iter().map(|(address, name)| (address.to_string(), name.as_str())).collect()
    }

    #[test]
    fn each_form_says_the_same() {
        let yaml = format!(
            "# etcd\nname: 'zk1'\nheartbeat-interval: 250 # ms\nelection-timeout: \"2500\"\ninitial-cluster: {CLUSTER}\n\
             peer-transport-security:\n  name: no\n  heartbeat-interval: 7\n"
        );
        let folded = format!(
            "heartbeat-interval: 250\nelection-timeout: 2500\ninitial-cluster: >-\n  {}\n",
            CLUSTER.replace(',', ",\n  ")
        );
        let json = format!(
            r#"{{"name": "zk1", "heartbeat-interval": 250, "election-timeout": "2500", "initial-cluster": "{CLUSTER}"}}"#
        );
        let unit = format!(
            "[Service]\nExecStart=/usr/bin/etcd --name zk1 \\\n  --heartbeat-interval=250 -election-timeout 2500 \\\n  \
             --initial-cluster '{CLUSTER}'\n"
        );
        let environment = format!(
            "# ETCD_HEARTBEAT_INTERVAL=\"1\"\nETCD_NAME=zk1\nexport ETCD_HEARTBEAT_INTERVAL=\"250\"\n\
             ETCD_ELECTION_TIMEOUT='2500'\nETCD_INITIAL_CLUSTER=\"{CLUSTER}\"\n"
        );
        let in_unit = format!(
            "Environment=\"ETCD_HEARTBEAT_INTERVAL=250\" ETCD_ELECTION_TIMEOUT=2500\nEnvironment=ETCD_INITIAL_CLUSTER={CLUSTER}\n"
        );
        let manifest = format!(
            "spec:\n  containers:\n  - command:\n    - etcd\n    - --heartbeat-interval=250\n    - --election-timeout\n    \
             - \"2500\"\n    - --initial-cluster={CLUSTER}\n"
        );
        let array = format!(
            "command: [\"etcd\", \"--heartbeat-interval=250\", \"--election-timeout\", \"2500\", \"--initial-cluster={CLUSTER}\"]\n"
        );
        let compose = format!(
            "services:\n  a:\n    environment:\n      ETCD_HEARTBEAT_INTERVAL: 250\n      ETCD_ELECTION_TIMEOUT: '2500'\n      \
             ETCD_INITIAL_CLUSTER: {CLUSTER}\n"
        );
        for text in [yaml, folded, json, unit, environment, in_unit, manifest, array, compose] {
            let conf = of(&text);
            let PeerOptions { heartbeat_ms, election_ms, .. } = conf.peers;
            assert_eq!((heartbeat_ms, election_ms), (Some(250), Some(2500)), "{text}");
            let conf = of(&text.replace('\n', "\r\n"));
            let expected = [("10.0.0.1".to_owned(), "zk1"), ("10.0.0.2".to_owned(), "zk2")];
            assert_eq!(names(&conf), expected, "{text}");
            assert_eq!(conf.ports, [2380, 12_380].into(), "{text}");
            assert_eq!(conf.warnings, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_member_alone_names_itself() {
        let conf = of("name: zk3\nlisten-peer-urls: http://0.0.0.0:2380\n\
                       initial-advertise-peer-urls: http://[fd00::3]:2380\n");
        assert_eq!(names(&conf), [("fd00::3".to_owned(), "zk3")]);
        assert_eq!((conf.peers.heartbeat_ms, conf.peers.election_ms), (None, None));
    }

    #[test]
    fn values_have_ranges() {
        for (text, what) in [
            ("heartbeat-interval: 0\n", "from 1 to 10000, not '0'"),
            ("heartbeat-interval: 100ms\n", "not '100ms'"),
            ("--election-timeout=50001", "from 1 to 50000, not '50001'"),
            ("ETCD_ELECTION_TIMEOUT=-5", "not '-5'"),
            ("ETCD_ELECTION_TIMEOUT=99999999999999999999", "election-timeout must be"),
            ("heartbeat-interval: 100\nelection-timeout: 499\n", "five heartbeats at least"),
            ("name: zk1\n", "not a configuration of etcd"),
            ("tickTime=2000\nserver.1=a:2888:3888\n", "not a configuration of etcd"),
            ("\0\u{1}\u{2}", "not a configuration of etcd"),
            ("", "not a configuration of etcd"),
        ] {
            let error = EtcdConf::of(text).unwrap_err();
            assert!(error.contains(what), "{text:?}: {error}");
        }
    }

    #[test]
    fn what_is_set_elsewhere_is_not_made_up() {
        let conf = of("ExecStart=etcd --name=${NAME} --heartbeat-interval=${BEAT} \
                       --initial-cluster=a=http://etcd-0.etcd:2380,b=http://10.0.0.2:2380");
        assert_eq!(conf.peers.heartbeat_ms, None);
        assert_eq!(names(&conf), [("10.0.0.2".to_owned(), "b")]);
        assert_eq!(conf.warnings.len(), 2, "{:?}", conf.warnings);
        let conf = of("heartbeat-interval: 500\n");
        assert_eq!((conf.peers.heartbeat_ms, conf.warnings.len()), (Some(500), 1));
    }
}
