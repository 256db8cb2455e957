//! IP addresses in one compact form for both families, so that comparing flow keys is cheap.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address as 16 bytes; IPv4 in the mapped form `::ffff:a.b.c.d`, and shown as IPv4.
///
/// ```
/// use quorumscope::address::{Address, Endpoint};
/// use std::net::Ipv4Addr;
///
/// let address = Address::from(Ipv4Addr::new(10, 0, 0, 7));
/// assert_eq!(address, Address::v4(0x0a00_0007));
/// assert_eq!(Endpoint { address, port: 2888 }.to_string(), "10.0.0.7:2888");
/// assert_eq!(Endpoint { address: Address::v6(1), port: 3888 }.to_string(), "[::1]:3888");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(u128);

impl Address {
    /// An IPv4 address from its number.
    #[must_use]
    pub const fn v4(number: u32) -> Self {
        Self(0xffff_0000_0000 | number as u128)
    }

    /// An IPv6 address from its number.
    #[must_use]
    pub const fn v6(number: u128) -> Self {
        Self(number)
    }

    /// The 128 bits.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The address as the standard library has it.
    #[must_use]
    pub const fn ip(self) -> IpAddr {
        Ipv6Addr::from_bits(self.0).to_canonical()
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => ip.into(),
            IpAddr::V6(ip) => Self(ip.to_bits()),
        }
    }
}

impl From<Ipv4Addr> for Address {
    fn from(ip: Ipv4Addr) -> Self {
        Self::v4(ip.to_bits())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ip(), f)
    }
}

/// An address and a TCP port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host.
    pub address: Address,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    /// Writes `a.b.c.d:port`, or `[v6]:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.ip() {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.port),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_are_shown_as_they_are_written() {
        let four = Endpoint { address: Address::from(Ipv4Addr::new(10, 0, 0, 7)), port: 2888 };
        assert_eq!(four.to_string(), "10.0.0.7:2888");
        let six = Endpoint { address: Address::v6(1), port: 3888 };
        assert_eq!(six.to_string(), "[::1]:3888");
    }
}
