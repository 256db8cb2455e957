//! What a file is that is no capture, by its first bytes, and what makes a capture of it.

/// Enough of a file's start to recognize each kind: a tar archive says so behind its first member's name, and text
/// should be a few lines of it.
pub(crate) const START_LEN: usize = 512;
/// The header of an ERF record with its time, type, flags and lengths (Endace, ERF types reference).
const ERF_HEADER_LEN: usize = 16;
/// 2000-01-01: no ERF capture is older, and few other files have such a number there.
const ERF_FIRST_SECOND: u32 = 946_684_800;
/// The types of ERF records that are in use.
const ERF_TYPES: std::ops::RangeInclusive<u8> = 1..=48;

/// A kind of file: where its signature lies, the signature, what it is, and what to do with it.
struct FileKind {
    at: usize,
    signature: &'static [u8],
    name: &'static str,
    advice: &'static str,
}

const fn kind(signature: &'static [u8], name: &'static str, advice: &'static str) -> FileKind {
    FileKind { at: 0, signature, name, advice }
}

const CONVERT: &str = "convert it with Wireshark's 'editcap -F pcap FILE OUT.pcap'";

const KINDS: [FileKind; 8] = [
    kind(b"\x02\x21\x4c\x18", "packed by an old lz4", "unpack it with 'lz4 -d FILE'"),
    kind(b"\x1f\x9d", "packed by compress", "unpack it with 'uncompress FILE'"),
    kind(b"PK\x03\x04", "a zip archive", "unpack it with 'unzip FILE'"),
    kind(b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it with '7z x FILE'"),
    FileKind { at: 257, signature: b"ustar", name: "a tar archive", advice: "unpack it with 'tar -xf FILE'" },
    kind(b"GMBU", "a Network Monitor capture", CONVERT),
    kind(b"RTSS", "a Network Monitor capture", CONVERT),
    kind(b"TRSNIFF data", "a Sniffer capture", CONVERT),
];

/// What a file with this start is, as a sentence that says what to do; it is no capture that is read.
pub(crate) fn reason(start: &[u8]) -> String {
    let is_it = |kind: &&FileKind| start.get(kind.at..).is_some_and(|rest| rest.starts_with(kind.signature));
    if let Some(FileKind { name, advice, .. }) = KINDS.iter().find(is_it) {
        return format!("not a capture file but {name}: {advice}");
    }
    if is_erf(start) {
        return format!("not a capture file but an ERF capture, by its looks: {CONVERT}");
    }
    if is_text(start) {
        return "not a capture file but text: 'tcpdump -w FILE' writes a capture, and --log takes a server's log"
            .to_owned();
    }
    "not a capture file: pcap, pcapng and snoop are read, plain or packed; 'file FILE' says what this is"
        .to_owned()
}

/// Whether it begins with a record of ERF, which has no signature: a time, a type and a length that make sense.
fn is_erf(start: &[u8]) -> bool {
    let Some((seconds, len)) = erf_record(start) else { return false };
    match start.get(len..) {
        // The next record, where it is there, begins no earlier.
        Some(next) if next.len() >= ERF_HEADER_LEN => erf_record(next).is_some_and(|(at, _)| at >= seconds),
        _ => true,
    }
}

/// The second and the length of an ERF record.
fn erf_record(start: &[u8]) -> Option<(u32, usize)> {
    let header = start.first_chunk::<ERF_HEADER_LEN>()?;
    let [_, _, _, _, a, b, c, d, kind, _, len_high, len_low, ..] = *header;
    let seconds = u32::from_le_bytes([a, b, c, d]);
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    let makes_sense =
        seconds >= ERF_FIRST_SECOND && ERF_TYPES.contains(&(kind & 0x7f)) && len >= ERF_HEADER_LEN;
    makes_sense.then_some((seconds, len))
}

fn is_text(start: &[u8]) -> bool {
    let start = start.get(..START_LEN).unwrap_or(start);
    let is_of_text = |byte: &u8| *byte >= b' ' && *byte != 0x7f || matches!(byte, b'\t' | b'\n' | b'\r');
    !start.is_empty() && start.iter().all(is_of_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erf(seconds: u32, kind: u8, len: u16) -> Vec<u8> {
        let mut record = [&[0; 4][..], &seconds.to_le_bytes(), &[kind, 4], &len.to_be_bytes()].concat();
        record.resize(usize::from(len), 0);
        record
    }

    #[test]
    fn what_people_give_by_mistake_is_named() {
        let mut tar = [0; START_LEN];
        tar[257..262].copy_from_slice(b"ustar");
        for (start, name) in [
            (&b"PK\x03\x04\x14\0"[..], "a zip archive: unpack it with 'unzip FILE'"),
            (&tar, "a tar archive"),
            (b"GMBU\x01\x02", "a Network Monitor capture"),
            (b"2026-11-21 08:02:42,493 [myid:5] - WARN\n", "text"),
            (&erf(1_795_000_000, 2, 90), "an ERF capture"),
            (&[erf(1_795_000_000, 2, 90), erf(1_795_000_000, 2, 90)].concat(), "an ERF capture"),
        ] {
            let said = reason(start);
            assert!(said.contains(name), "{said}");
        }
    }

    #[test]
    fn the_rest_is_not_named() {
        let odd = [erf(1_795_000_000, 2, 90), erf(7, 2, 90)].concat();
        for start in [&[0; 4_096][..], b"", &odd, &erf(1_795_000_000, 0, 90), &erf(1_795_000_000, 2, 9)] {
            assert!(reason(start).starts_with("not a capture file: "), "{start:?}");
        }
    }
}
