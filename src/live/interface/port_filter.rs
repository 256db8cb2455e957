//! Compiles a filter for TCP ports to classic BPF, for `SO_ATTACH_FILTER` (McCanne and Jacobson, "The BSD
//! Packet Filter", 1993; `linux/filter.h`).
//!
//! It accepts what it cannot decide: fragments, VLAN tags, IPv6 extension headers before TCP or before another one.

/// One instruction: `struct sock_filter` of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) jt: u8,
    pub(super) jf: u8,
    pub(super) k: u32,
}

/// What frames begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// An Ethernet header.
    Ethernet,
    /// An IP header.
    Ip,
}

/// Ports compared at most: a jump reaches 255 instructions. With more, all TCP is let through.
const MAX_PORTS: usize = 55;

const LD_HALF: u16 = 0x28;
const LD_BYTE: u16 = 0x30;
const LD_HALF_INDEXED: u16 = 0x48;
/// Loads four times the low half of a byte: the length of an IPv4 header.
const LDX_HEADER_LEN: u16 = 0xb1;
const AND: u16 = 0x54;
const JUMP_EQUAL: u16 = 0x15;
const JUMP_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

const ETHERTYPE_IPV4: u32 = 0x0800;
const ETHERTYPE_IPV6: u32 = 0x86dd;
const ETHERTYPES_VLAN: [u32; 4] = [0x8100, 0x88a8, 0x9100, 0x9200];
const TCP: u32 = 6;
/// Hop-by-hop options, routing, fragment, authentication, destination options (RFC 8200, section 4; RFC 4302). Each
/// begins with the number of the next header.
const IPV6_EXTENSIONS: [u32; 5] = [0, 43, 44, 51, 60];
/// The offset of a fragment, in the third half of an IPv4 header's words.
const FRAGMENT_OFFSET: u32 = 0x1fff;

/// Where a comparison goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Next,
    Accept,
    Reject,
    Ipv6,
    Ipv6Extension,
    Ipv6Ports,
}

/// Instructions whose jumps have no distance yet.
#[derive(Default)]
struct Assembly {
    steps: Vec<(u16, Target, Target, u32)>,
    ipv6: usize,
    ipv6_extension: usize,
    ipv6_ports: usize,
}

impl Assembly {
    fn step(&mut self, code: u16, k: u32) {
        self.steps.push((code, Target::Next, Target::Next, k));
    }

    fn compare(&mut self, code: u16, k: u32, then: Target, otherwise: Target) {
        self.steps.push((code, then, otherwise, k));
    }

    /// Accepts where source or destination port is one of these, else rejects. `code` loads a half at an offset.
    fn ports(&mut self, code: u16, source: u32, ports: &[u16]) {
        for offset in [source, source + 2] {
            self.step(code, offset);
            for port in ports {
                self.compare(JUMP_EQUAL, u32::from(*port), Target::Accept, Target::Next);
            }
        }
        self.step(RETURN, 0);
    }

    /// Accepts, of IPv6, TCP with one of these ports, and what an extension header keeps from being decided.
    fn ipv6(&mut self, ip: u32, ports: &[u16]) {
        self.ipv6 = self.steps.len();
        self.step(LD_BYTE, ip + 6);
        self.compare(JUMP_EQUAL, TCP, Target::Ipv6Ports, Target::Next);
        for extension in IPV6_EXTENSIONS {
            self.compare(JUMP_EQUAL, extension, Target::Ipv6Extension, Target::Next);
        }
        self.step(RETURN, 0);
        self.ipv6_extension = self.steps.len();
        self.step(LD_BYTE, ip + 40);
        for next in IPV6_EXTENSIONS.into_iter().chain([TCP]) {
            self.compare(JUMP_EQUAL, next, Target::Accept, Target::Next);
        }
        self.step(RETURN, 0);
        self.ipv6_ports = self.steps.len();
        self.ports(LD_HALF, ip + 40, ports);
    }

    fn finish(self, snaplen: u32) -> Vec<Instruction> {
        let reject = self.steps.len();
        let accept = reject + 1;
        let place = |at: usize, target| {
            let to = match target {
                Target::Next => at + 1,
                Target::Accept => accept,
                Target::Reject => reject,
                Target::Ipv6 => self.ipv6,
                Target::Ipv6Extension => self.ipv6_extension,
                Target::Ipv6Ports => self.ipv6_ports,
            };
            u8::try_from(to.saturating_sub(at + 1)).unwrap_or(u8::MAX)
        };
        let jumps = self.steps.iter().enumerate();
        let mut steps: Vec<_> = jumps
            .map(|(at, (code, then, otherwise, k))| Instruction {
                code: *code,
                jt: place(at, *then),
                jf: place(at, *otherwise),
                k: *k,
            })
            .collect();
        steps.push(Instruction { code: RETURN, jt: 0, jf: 0, k: 0 });
        steps.push(Instruction { code: RETURN, jt: 0, jf: 0, k: snaplen });
        steps
    }
}

/// The program that keeps `snaplen` bytes of each frame from or to one of these TCP ports.
pub(super) fn program(layout: Layout, ports: &[u16], snaplen: u32) -> Vec<Instruction> {
    if ports.is_empty() || ports.len() > MAX_PORTS {
        return vec![Instruction { code: RETURN, jt: 0, jf: 0, k: snaplen }];
    }
    let mut assembly = Assembly::default();
    let ip = match layout {
        Layout::Ethernet => {
            assembly.step(LD_HALF, 12);
            for vlan in ETHERTYPES_VLAN {
                assembly.compare(JUMP_EQUAL, vlan, Target::Accept, Target::Next);
            }
            assembly.compare(JUMP_EQUAL, ETHERTYPE_IPV6, Target::Ipv6, Target::Next);
            assembly.compare(JUMP_EQUAL, ETHERTYPE_IPV4, Target::Next, Target::Reject);
            14
        }
        Layout::Ip => {
            assembly.step(LD_BYTE, 0);
            assembly.step(AND, 0xf0);
            assembly.compare(JUMP_EQUAL, 0x60, Target::Ipv6, Target::Next);
            assembly.compare(JUMP_EQUAL, 0x40, Target::Next, Target::Reject);
            0
        }
    };
    assembly.step(LD_BYTE, ip + 9);
    assembly.compare(JUMP_EQUAL, TCP, Target::Next, Target::Reject);
    assembly.step(LD_HALF, ip + 6);
    assembly.compare(JUMP_ANY_BIT, FRAGMENT_OFFSET, Target::Accept, Target::Next);
    assembly.step(LDX_HEADER_LEN, ip);
    assembly.ports(LD_HALF_INDEXED, ip, ports);
    assembly.ipv6(ip, ports);
    assembly.finish(snaplen)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
    use super::*;

    /// What the program answers for a frame; a load behind its end rejects, as the kernel does.
    fn run(program: &[Instruction], frame: &[u8]) -> u32 {
        let byte = |at: u32| frame.get(at as usize).map(|byte| u32::from(*byte));
        let half = |at: u32| Some(byte(at)? << 8 | byte(at + 1)?);
        let (mut a, mut x, mut at) = (0, 0, 0);
        loop {
            let step = program[at];
            at += 1;
            let loaded = match step.code {
                LD_HALF => half(step.k),
                LD_BYTE => byte(step.k),
                LD_HALF_INDEXED => half(step.k + x),
                LDX_HEADER_LEN => byte(step.k).map(|byte| {
                    x = (byte & 15) * 4;
                    a
                }),
                AND => Some(a & step.k),
                JUMP_EQUAL | JUMP_ANY_BIT => {
                    let is_met = if step.code == JUMP_EQUAL { a == step.k } else { a & step.k != 0 };
                    at += usize::from(if is_met { step.jt } else { step.jf });
                    Some(a)
                }
                RETURN => return step.k,
                other => panic!("{other:#x}"),
            };
            let Some(loaded) = loaded else { return 0 };
            a = loaded;
        }
    }

    fn ipv4(header_words: u8, protocol: u8, fragment: u16, src: u16, dst: u16) -> Vec<u8> {
        let mut packet = vec![0; usize::from(header_words) * 4];
        packet[0] = 0x40 | header_words;
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet[9] = protocol;
        packet.extend(src.to_be_bytes());
        packet.extend(dst.to_be_bytes());
        packet
    }

    fn ipv6(next: u8, src: u16, dst: u16) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[6] = next;
        packet.extend(src.to_be_bytes());
        packet.extend(dst.to_be_bytes());
        packet
    }

    fn ethernet(ethertype: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend(ethertype.to_be_bytes());
        frame.extend(packet);
        frame
    }

    #[test]
    fn takes_the_ports_of_either_side_and_nothing_else() {
        let program = program(Layout::Ethernet, &[2888, 3888], 256);
        let takes = |frame: &[u8]| run(&program, frame);
        assert_eq!(takes(&ethernet(0x0800, &ipv4(5, 6, 0, 40_000, 2888))), 256);
        assert_eq!(takes(&ethernet(0x0800, &ipv4(8, 6, 0, 3888, 40_000))), 256, "IP options");
        assert_eq!(takes(&ethernet(0x0800, &ipv4(5, 6, 0, 40_000, 2181))), 0);
        assert_eq!(takes(&ethernet(0x0800, &ipv4(5, 17, 0, 40_000, 2888))), 0, "UDP");
        assert_eq!(takes(&ethernet(0x0800, &ipv4(5, 6, 0x2010, 1, 2))), 256, "a later fragment");
        assert_eq!(takes(&ethernet(0x86dd, &ipv6(6, 40_000, 3888))), 256);
        assert_eq!(takes(&ethernet(0x86dd, &ipv6(6, 40_000, 443))), 0);
        assert_eq!(takes(&ethernet(0x86dd, &ipv6(43, 0, 0))), 256, "an extension header, and another");
        assert_eq!(takes(&ethernet(0x86dd, &ipv6(44, 0x0600, 0))), 256, "a fragment of TCP");
        assert_eq!(takes(&ethernet(0x86dd, &ipv6(0, 0x3a00, 0))), 0, "who listens to which group");
        assert_eq!(takes(&ethernet(0x86dd, &ipv6(58, 40_000, 2888))), 0, "ICMP");
        assert_eq!(takes(&ethernet(0x86dd, &ipv6(17, 40_000, 2888))), 0, "UDP");
        assert_eq!(takes(&ethernet(0x8100, &[0; 40])), 256, "a VLAN tag");
        assert_eq!(takes(&ethernet(0x0806, &[0; 40])), 0, "ARP");
        assert_eq!(takes(&[0; 4]), 0, "a frame without a header");
    }

    #[test]
    fn raw_ip_has_no_ethernet_header() {
        let program = program(Layout::Ip, &[2888], 96);
        assert_eq!(run(&program, &ipv4(5, 6, 0, 40_000, 2888)), 96);
        assert_eq!(run(&program, &ipv6(6, 2888, 1)), 96);
        assert_eq!(run(&program, &ipv4(5, 6, 0, 1, 2)), 0);
        assert_eq!(run(&program, &[0; 40]), 0);
    }

    #[test]
    fn many_ports_stay_within_the_reach_of_a_jump() {
        let ports: Vec<u16> = (1..=55).collect();
        let program = program(Layout::Ethernet, &ports, 96);
        assert_eq!(run(&program, &ethernet(0x8100, &[0; 40])), 96, "the longest jump");
        for port in [1, 55] {
            assert_eq!(run(&program, &ethernet(0x0800, &ipv4(5, 6, 0, port, 9000))), 96);
            assert_eq!(run(&program, &ethernet(0x86dd, &ipv6(6, 9000, port))), 96);
        }
        assert_eq!(run(&program, &ethernet(0x86dd, &ipv6(6, 9000, 56))), 0);
        let ports: Vec<u16> = (1..=200).collect();
        assert_eq!(program_of_too_many(&ports), 1);
    }

    fn program_of_too_many(ports: &[u16]) -> usize {
        program(Layout::Ethernet, ports, 96).len()
    }
}
