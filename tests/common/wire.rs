//! Sends frames over an interface, for what stands in for a network. It needs no libpcap.

use pnet_datalink::{Channel, Config, DataLinkSender};
use std::io;

/// An interface to send on.
pub(crate) struct Wire(Box<dyn DataLinkSender>);

/// Opens an interface, which wants root.
pub(crate) fn open(name: &str) -> Wire {
    let interfaces = pnet_datalink::interfaces();
    let interface = interfaces.iter().find(|interface| interface.name == name).unwrap();
    let config = Config { promiscuous: false, ..Config::default() };
    match pnet_datalink::channel(interface, config).unwrap() {
        Channel::Ethernet(sender, _) => Wire(sender),
        _ => unreachable!("only Ethernet was asked for"),
    }
}

impl Wire {
    /// Sends one frame, beginning with its Ethernet header.
    pub(crate) fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.0.send_to(frame, None).unwrap_or(Ok(()))
    }
}
