//! Reasons to ignore a frame.

/// Why a frame is ignored. The report shows the count of each reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IgnoreReason {
    /// Not IP: ARP, LLDP, an 802.3 length field.
    NotIp,
    /// Not TCP: UDP, ICMP, ESP.
    NotTcp,
    /// A fragment of an IP packet, the first or a later one.
    Fragment,
    /// The snaplen, or the capture's end, cut the headers that are needed.
    CutHeader,
    /// An IP header that contradicts itself.
    BadIpHeader,
    /// A TCP header that contradicts itself or its IP packet.
    BadTcpHeader,
    /// The IP header claims more bytes than the frame had on the wire.
    LengthContradiction,
    /// More tunnels inside each other than are opened.
    TooDeep,
    /// The capture does not say when it saw the frame.
    NoTime,
    /// The capture's link type is none of those known here.
    UnknownLinkType,
    /// A duplicate of a frame from another file or interface.
    Duplicate,
    /// TCP, but neither on a quorum nor on an election port.
    OtherPort,
    /// Outside the times asked for.
    OutsideTime,
}

impl IgnoreReason {
    /// All reasons, in the order they are shown.
    pub const ALL: [Self; 13] = [
        Self::NotIp,
        Self::NotTcp,
        Self::Fragment,
        Self::CutHeader,
        Self::BadIpHeader,
        Self::BadTcpHeader,
        Self::LengthContradiction,
        Self::TooDeep,
        Self::NoTime,
        Self::UnknownLinkType,
        Self::Duplicate,
        Self::OtherPort,
        Self::OutsideTime,
    ];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// Its index in [`Self::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name in reports; stable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotIp => "not_ip",
            Self::NotTcp => "not_tcp",
            Self::Fragment => "fragment",
            Self::CutHeader => "cut_header",
            Self::BadIpHeader => "bad_ip_header",
            Self::BadTcpHeader => "bad_tcp_header",
            Self::LengthContradiction => "length_contradiction",
            Self::TooDeep => "too_deep",
            Self::NoTime => "no_time",
            Self::UnknownLinkType => "unknown_link_type",
            Self::Duplicate => "duplicate",
            Self::OtherPort => "other_port",
            Self::OutsideTime => "outside_time",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_index() {
        for (at, reason) in IgnoreReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), at, "{}", reason.name());
        }
    }
}
