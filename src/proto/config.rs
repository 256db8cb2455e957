//! The text of an ensemble's configuration: in NEWLEADER, in notifications, in reconfigurations, and (the
//! server lines) in `zoo.cfg` and its dynamic file.
//!
//! Lines joined by LF, in any order but for the version, which is last on the wire:
//!
//! ```text
//! server.1=10.0.0.1:2888:3888:participant;0.0.0.0:2181
//! server.2=[fe80::2]:2888:3888|10.1.0.2:2888:3888:observer
//! group.1=1:2:3
//! weight.1=1
//! version=500000000
//! ```
//!
//! Decoding never fails as a whole: an unreadable line is a [`ConfigLine::Other`]. Nothing is allocated.
//!
//! Source: `apache/zookeeper: zookeeper-server/.../server/quorum/QuorumPeer.java`, QuorumServer, and
//! `flexible/QuorumMaj.java`, `flexible/QuorumHierarchical.java`.

use super::id::Sid;

/// A configuration as text.
///
/// ```
/// use quorumscope::proto::config::ConfigText;
///
/// let text = ConfigText(b"server.1=zk1:2888:3888:participant;2181\nserver.2=zk2:2888:3888:observer\nversion=5");
/// let ids: Vec<_> = text.servers().map(|server| server.sid.0).collect();
/// assert_eq!((ids, text.version()), (vec![1, 2], Some(5)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigText<'a>(pub &'a [u8]);

impl<'a> ConfigText<'a> {
    /// Its lines, trimmed, without empty ones.
    pub fn lines(&self) -> impl Iterator<Item = ConfigLine<'a>> + use<'a> {
        self.0
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .map(ConfigLine::decode)
    }

    /// Its servers.
    pub fn servers(&self) -> impl Iterator<Item = ConfigServer<'a>> + use<'a> {
        self.lines().filter_map(|line| match line {
            ConfigLine::Server(server) => Some(server),
            _ => None,
        })
    }

    /// Its version, if a line says one.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.lines().find_map(|line| match line {
            ConfigLine::Version(version) => Some(version),
            _ => None,
        })
    }
}

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigLine<'a> {
    /// `server.<sid>=...`
    Server(ConfigServer<'a>),
    /// `group.<group>=<sid>:<sid>...`, hierarchical quorums.
    Group {
        /// The group's number.
        group: i64,
        /// Its members' sids, joined by colons.
        members: &'a str,
    },
    /// `weight.<sid>=<weight>`, hierarchical quorums.
    Weight {
        /// The member's sid.
        sid: Sid,
        /// How much its vote counts in its group.
        weight: i64,
    },
    /// `version=<hexadecimal>`
    Version(u64),
    /// Anything else: a comment, another setting of `zoo.cfg`, or an unreadable line.
    Other(&'a [u8]),
}

impl<'a> ConfigLine<'a> {
    /// Decodes a trimmed line.
    #[must_use]
    pub fn decode(line: &'a [u8]) -> Self {
        Self::read(line).unwrap_or(Self::Other(line))
    }

    fn read(line: &'a [u8]) -> Option<Self> {
        let (key, value) = std::str::from_utf8(line).ok()?.split_once('=')?;
        let (key, value) = (key.trim_end(), value.trim_start());
        if key == "version" {
            return u64::from_str_radix(value, 16).ok().map(Self::Version);
        }
        let (key, number) = key.split_once('.')?;
        let number = number.parse().ok()?;
        match key {
            "server" => ConfigServer::read(Sid(number), value).map(Self::Server),
            "group" => Some(Self::Group { group: number, members: value }),
            "weight" => Some(Self::Weight { sid: Sid(number), weight: value.parse().ok()? }),
            _ => None,
        }
    }
}

/// Whether a server votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LearnerType {
    /// A participant: it votes.
    #[default]
    Participant,
    /// An observer: it does not vote.
    Observer,
}

impl LearnerType {
    fn read(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("participant") {
            Some(Self::Participant)
        } else if word.eq_ignore_ascii_case("observer") {
            Some(Self::Observer)
        } else {
            None
        }
    }
}

/// One server of an ensemble:
/// `host:port[:port[:type]][|host:port:port...][;[host:]port[;[host:]port]]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigServer<'a> {
    /// Its sid.
    pub sid: Sid,
    /// Whether it votes.
    pub learner_type: LearnerType,
    /// Where clients reach it, if the line says so.
    pub client: Option<ClientAddress<'a>>,
    addresses: &'a str,
}

impl<'a> ConfigServer<'a> {
    fn read(sid: Sid, value: &'a str) -> Option<Self> {
        let (addresses, client) = match value.split_once(';') {
            Some((addresses, clients)) => (addresses.trim(), Some(clients)),
            None => (value, None),
        };
        // A secure client address may follow the plain one, which may be empty then.
        let client = match client.map(|clients| clients.split(';').next().unwrap_or_default().trim()) {
            None | Some("") => None,
            Some(client) => Some(ClientAddress::read(client)?),
        };
        let mut learner_type = LearnerType::default();
        for address in addresses.split('|') {
            if let (_, Some(said)) = ConfigAddress::read(address)? {
                learner_type = said;
            }
        }
        Some(Self { sid, learner_type, client, addresses })
    }

    /// Where other servers reach it; at least one address.
    pub fn addresses(&self) -> impl Iterator<Item = ConfigAddress<'a>> + use<'a> {
        self.addresses
            .split('|')
            .filter_map(|address| ConfigAddress::read(address).map(|(address, _)| address))
    }
}

/// The address and ports at which other servers reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigAddress<'a> {
    /// A host name or an address, without the brackets of IPv6.
    pub host: &'a str,
    /// The quorum port, 2888 by convention.
    pub quorum_port: u16,
    /// The election port, 3888 by convention; old files may lack it.
    pub election_port: Option<u16>,
}

impl<'a> ConfigAddress<'a> {
    /// `host:port[:port[:type]]`
    fn read(text: &'a str) -> Option<(Self, Option<LearnerType>)> {
        let (host, ports) = split_host(text.trim())?;
        let mut parts = ports?.split(':');
        let quorum_port = parts.next()?.parse().ok()?;
        let mut election_port = None;
        let mut learner_type = None;
        for part in parts {
            match (part.parse(), election_port, learner_type) {
                (Ok(port), None, None) => election_port = Some(port),
                (_, _, None) => learner_type = Some(LearnerType::read(part)?),
                _ => return None,
            }
        }
        Some((Self { host, quorum_port, election_port }, learner_type))
    }
}

/// The address and port at which clients reach a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress<'a> {
    /// A host name or an address; `None` stands for every address of the server.
    pub host: Option<&'a str>,
    /// The client port, 2181 by convention.
    pub port: u16,
}

impl<'a> ClientAddress<'a> {
    /// `[host:]port`
    fn read(text: &'a str) -> Option<Self> {
        if let Ok(port) = text.parse() {
            return Some(Self { host: None, port });
        }
        let (host, port) = split_host(text)?;
        Some(Self { host: Some(host), port: port?.parse().ok()? })
    }
}

/// A host, perhaps in brackets, and the text after the colon that follows it.
fn split_host(text: &str) -> Option<(&str, Option<&str>)> {
    let (host, rest) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            (host, rest.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, rest)) => (host, Some(rest)),
            None => (text, None),
        },
    };
    (!host.is_empty()).then_some((host, rest))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    fn only(text: &str) -> Option<ConfigServer<'_>> {
        ConfigText(text.as_bytes()).servers().next()
    }

    #[test]
    fn what_a_leader_sends_is_read() {
        let text = ConfigText(
            b"server.1=10.0.0.1:2888:3888:participant;0.0.0.0:2181\n\
              server.2=[fe80::2]:2888:3888|10.1.0.2:2889:3889:observer\n\
              group.1=1:2\nweight.2=0\nversion=500000000",
        );
        assert_eq!(text.version(), Some(0x5_0000_0000));
        let servers: Vec<_> = text.servers().collect();
        assert_eq!(servers.len(), 2);
        assert_eq!((servers[0].sid, servers[0].learner_type), (Sid(1), LearnerType::Participant));
        assert_eq!(servers[0].client, Some(ClientAddress { host: Some("0.0.0.0"), port: 2181 }));
        assert_eq!((servers[1].sid, servers[1].learner_type), (Sid(2), LearnerType::Observer));
        assert_eq!(servers[1].client, None);
        let at = |host, quorum_port, election_port| ConfigAddress { host, quorum_port, election_port };
        let expected = [at("fe80::2", 2888, Some(3888)), at("10.1.0.2", 2889, Some(3889))];
        assert_eq!(servers[1].addresses().collect::<Vec<_>>(), expected);
        let others: Vec<_> = text.lines().filter(|line| !matches!(line, ConfigLine::Server(_))).collect();
        let expected = [
            ConfigLine::Group { group: 1, members: "1:2" },
            ConfigLine::Weight { sid: Sid(2), weight: 0 },
            ConfigLine::Version(0x5_0000_0000),
        ];
        assert_eq!(others, expected);
    }

    #[test]
    fn what_people_write_is_read_too() {
        let server = only("# the ensemble\r\n\r\n server.7 = zk7:2888:3888 \r\n").unwrap();
        assert_eq!((server.sid, server.client), (Sid(7), None));
        assert_eq!(server.addresses().next().unwrap().host, "zk7");
        assert_eq!(only("server.1=a:2888").unwrap().addresses().next().unwrap().election_port, None);
        let client = only("server.1=a:2888:3888:OBSERVER;2181").unwrap();
        assert_eq!(client.client, Some(ClientAddress { host: None, port: 2181 }));
        assert_eq!(client.learner_type, LearnerType::Observer);
        let secure = only("server.1=a:2888:3888;[::1]:2181;b:2281").unwrap();
        assert_eq!(secure.client, Some(ClientAddress { host: Some("::1"), port: 2181 }));
        assert_eq!(only("server.1=a:2888:3888;;b:2281").unwrap().client, None);
    }

    #[test]
    fn a_line_that_cannot_be_read_is_kept_as_it_is() {
        let lines = [
            "tickTime=2000",
            "server.x=a:1:2",
            "server.1=",
            "server.1=a",
            "server.1=a:99999:1",
            "server.1=:1:2",
            "server.1=a:1:2:leader",
            "server.1=a:1:2:observer:observer",
            "server.1=[::1:1:2",
            "server.1=a:1:2|",
            "server.1=a:1:2;b",
            "version=xyz",
            "weight.1=heavy",
            "server.1",
            "=",
            "serverless.1=a:1:2",
        ];
        for line in lines {
            assert_eq!(ConfigLine::decode(line.as_bytes()), ConfigLine::Other(line.as_bytes()), "{line}");
        }
        assert_eq!(ConfigLine::decode(b"server.1=\xff:1:2"), ConfigLine::Other(b"server.1=\xff:1:2"));
        assert_eq!(ConfigText(b"").version(), None);
    }
}
