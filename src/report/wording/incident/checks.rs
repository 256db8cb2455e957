//! What to look at next, by root: on which host, and at what there.

use super::IncidentWords;
use super::peer::is_of_peers;
use crate::address::Address;
use crate::findings::incident::Incident;
use crate::findings::{Cause, Suspect};

impl IncidentWords<'_> {
    /// What to look at next, a host or a path each: `check on zk5 (10.0.0.5): gc.log and safepoint log, ...`.
    #[must_use]
    pub fn checks(&self, incident: &Incident) -> Vec<String> {
        if is_of_peers(incident) {
            return self.peer_checks(incident);
        }
        match incident.suspect {
            Some(Suspect::Host(host) | Suspect::HostNetwork(host)) => {
                vec![format!("check on {}: {}", self.place(host), on_host(incident.root))]
            }
            Some(Suspect::Path(a, b) | Suspect::OneWay(a, b)) => vec![format!(
                "check between {} and {}: {}",
                self.place(a),
                self.place(b),
                self.on_path(incident.root, b)
            )],
            None => self.undecided(incident),
        }
    }

    /// Where nobody is blamed, both ends are looked at.
    fn undecided(&self, incident: &Incident) -> Vec<String> {
        let Some(link) = incident.links.iter().find_map(|id| self.link(*id)) else { return Vec::new() };
        vec![format!(
            "check on {} and {}: gc.log, iostat -x, ip -s link; a capture on both would decide",
            self.place(link.leader.address),
            self.place(link.learner.address)
        )]
    }

    /// A name and where that is.
    pub(super) fn place(&self, host: Address) -> String {
        let (name, address) = (self.name(host), host.to_string());
        if name == address { name } else { format!("{name} ({address})") }
    }

    pub(super) fn on_path(&self, root: Cause, to: Address) -> String {
        match root {
            Cause::NetworkMtu => format!("the MTU of every hop: ip link on both, ping -M do -s 1472 {to}"),
            Cause::NetworkLoss => {
                "ip -s link and ethtool -S on both, errors on the switch ports, nstat TcpRetransSegs"
                    .to_owned()
            }
            Cause::NetworkSlow => "load of the uplinks, tc -s qdisc and sar -n DEV on both".to_owned(),
            Cause::LinkReset => {
                "idle timeouts of firewalls and conntrack, load balancers, IPS; nft list ruleset on both"
                    .to_owned()
            }
            Cause::ConnectRefused => {
                format!("the address and election port of {to} in the zoo.cfg of the other (server.N), and a firewall on the way to it")
            }
            Cause::ElectionLinkDead => {
                "idle timeouts of firewalls and conntrack; tcpKeepAlive=true in zoo.cfg keeps the connection known"
                    .to_owned()
            }
            _ => "firewall rules (nft list ruleset) and routes on both, switch ports, ip -s link".to_owned(),
        }
    }
}

/// What to look at on a host.
const fn on_host(root: Cause) -> &'static str {
    match root {
        Cause::ProcessStalled => {
            "gc.log and safepoint log, swap (sar -W), throttling in cpu.stat, a paused VM or SIGSTOP"
        }
        Cause::DiskSlow => {
            "iostat -x, fsync warnings in zookeeper.log, what else writes to the disk of dataLogDir"
        }
        Cause::NetworkCut => {
            "whether it was up (last -x, dmesg), ip -s link, its switch port, firewall rules"
        }
        Cause::NetworkLoss => "ip -s link and ethtool -S, its switch port, cable and duplex",
        Cause::NetworkSlow => "sar -n DEV, tc -s qdisc, load of its uplink",
        Cause::NetworkMtu => "the MTU: ip link here and on the others, ping -M do -s 1472 to each",
        Cause::SyncSlow => {
            "the size of its snapshot, disk (iostat -x) and network throughput; is initLimit enough?"
        }
        Cause::ProcessEnded => {
            "dmesg for the OOM killer, journalctl -u zookeeper, hs_err_pid files, who restarted it"
        }
        Cause::LinkReset => "idle timeouts of firewalls and conntrack, load balancers, IPS; nft list ruleset",
        Cause::ConnectRefused => {
            "whether zookeeper runs (systemctl status zookeeper, zookeeper.log), ss -ltnp, server.N of its zoo.cfg"
        }
        Cause::ConnectUnanswered => {
            "whether it is up, firewall rules (nft list ruleset), its address in every server's zoo.cfg"
        }
        Cause::ElectionLinkDead => "idle timeouts of firewalls and conntrack, tcpKeepAlive in zoo.cfg",
        Cause::PacketTooLarge => {
            "jute.maxbuffer, the same on every server and above the size; who writes so large a znode"
        }
        Cause::SyncLoop => {
            "zookeeper.log from its joins on, the last exception before each close; its disk and heap"
        }
        Cause::SnapshotSlow | Cause::ElectionNeedless | Cause::Unknown => "gc.log, iostat -x, ip -s link",
    }
}
