//! A captured frame, the same from every source: files, pipes, an interface.

use crate::time::Timestamp;

/// The kind of bytes a frame begins with. Numbers are those of the capture formats' registry of
/// link types.
///
/// ```
/// use quorumscope::frame::LinkType;
///
/// assert_eq!(LinkType::from_number(1), LinkType::Ethernet);
/// assert_eq!(LinkType::from_number(276).number(), 276);
/// assert_eq!(LinkType::from_number(147), LinkType::Other(147));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// Ethernet, any number of VLAN tags (1).
    Ethernet,
    /// Raw IPv4 or IPv6 (101, and 12, 14, 228, 229).
    RawIp,
    /// BSD loopback: a 4-byte family in either byte order (0, 108).
    Loopback,
    /// Linux cooked capture (113).
    LinuxSll,
    /// Linux cooked capture, version 2 (276).
    LinuxSll2,
    /// PPP, with or without HDLC's address and control bytes (9, 50).
    Ppp,
    /// A PPPoE session without Ethernet before it (51).
    PppEther,
    /// PPP behind a byte that says in which direction (204).
    PppWithDirection,
    /// Cisco's HDLC (104).
    CiscoHdlc,
    /// Netfilter's log: attributes, one of which is an IP packet (239).
    Nflog,
    /// IP over `InfiniBand` (242).
    IpOverInfiniBand,
    /// Ethernet behind a header of Hilscher's netANALYZER (240).
    Netanalyzer,
    /// The same, with the preamble (241).
    NetanalyzerTransparent,
    /// Any other number.
    Other(u32),
}

impl LinkType {
    /// The link type of a number from a capture file.
    #[must_use]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            9 | 50 => Self::Ppp,
            51 => Self::PppEther,
            104 => Self::CiscoHdlc,
            113 => Self::LinuxSll,
            204 => Self::PppWithDirection,
            239 => Self::Nflog,
            240 => Self::Netanalyzer,
            241 => Self::NetanalyzerTransparent,
            242 => Self::IpOverInfiniBand,
            276 => Self::LinuxSll2,
            other => Self::Other(other),
        }
    }

    /// The number that capture files have for it.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Loopback => 0,
            Self::Ethernet => 1,
            Self::RawIp => 101,
            Self::LinuxSll => 113,
            Self::LinuxSll2 => 276,
            Self::Ppp => 9,
            Self::PppEther => 51,
            Self::PppWithDirection => 204,
            Self::CiscoHdlc => 104,
            Self::Nflog => 239,
            Self::IpOverInfiniBand => 242,
            Self::Netanalyzer => 240,
            Self::NetanalyzerTransparent => 241,
            Self::Other(other) => other,
        }
    }

    /// The name tcpdump gives it, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ethernet => "ethernet",
            Self::RawIp => "raw",
            Self::Loopback => "null",
            Self::LinuxSll => "linux_sll",
            Self::LinuxSll2 => "linux_sll2",
            Self::Ppp => "ppp",
            Self::PppEther => "ppp_ether",
            Self::PppWithDirection => "ppp_with_dir",
            Self::CiscoHdlc => "c_hdlc",
            Self::Nflog => "nflog",
            Self::IpOverInfiniBand => "ipoib",
            Self::Netanalyzer => "netanalyzer",
            Self::NetanalyzerTransparent => "netanalyzer_transparent",
            Self::Other(_) => "other",
        }
    }
}

/// Identifies a frame: a file of the input and the frame's number in it, from 1, as Wireshark shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameRef {
    /// Index into the input's list of files.
    pub file: u32,
    /// The frame's number in that file, from 1.
    pub number: u32,
}

/// One frame. The bytes are borrowed from the batch that holds it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Time of capture.
    pub at: Timestamp,
    /// The link layer of its first bytes.
    pub link: LinkType,
    /// Its length on the wire; at least `data.len()` in a sound capture.
    pub orig_len: u32,
    /// The captured bytes.
    pub data: &'a [u8],
    /// Its file and number.
    pub id: FrameRef,
}
