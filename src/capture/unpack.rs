//! Decompression: recognizes the compression by a file's first bytes.
//!
//! Everything that can be decompressed is delivered before an error, so a truncated file yields all frames
//! before its end.
//!
//! All are decompressed by Rust alone: xz, bzip2 and LZ4 by crates that are kept for it.
//!
//! gzip is decompressed by zlib-rs. Measured on a capture of 300 MB (71 MB compressed), one core, with
//! checksum: zlib-rs 710 MB/s of output, gzip 240 MB/s, igzip 1,150 MB/s. igzip needs an assembler to build,
//! zlib-ng needs CMake, and libdeflate needs a whole member in memory; zlib-rs builds with Rust alone and has
//! a safe interface.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::GzDecoder;
use lz4_flex::frame::FrameDecoder as Lz4Decoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Compression;
use crate::pcapfile::Decoder;

/// Bytes read of a compressed file at a time.
const PACKED_BYTES: usize = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const XZ_MAGIC: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const BZIP2_MAGIC: [u8; 3] = *b"BZh";
const LZ4_MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
/// The length of the magics that are looked at before the rest of a file.
const MAGIC_LEN: usize = 4;
/// The length of the longest magic of a packing.
const START_LEN: usize = 6;
/// The most memory that a zstd frame may ask for, its window; `zstd -19` asks for 8 MiB.
const MAX_WINDOW: u64 = 32 * 1024 * 1024;
/// The same of an xz block, in KiB; `xz -9` asks for 64 MiB, as many as are unpacked at once for some.
const MAX_XZ_KIB: u32 = 66 * 1024;
/// How much zstd data is unpacked at once: a block's most.
const ZSTD_STEP: usize = 128 * 1024;

/// A reader that counts its bytes.
struct Counted {
    source: Box<dyn Read + Send>,
    count: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// A reader whose first bytes were already read.
type Packed = Chain<Cursor<Vec<u8>>, Counted>;

/// The decompressed bytes of a file.
pub(super) struct Unpacker(Packing);

enum Packing {
    Plain(Packed),
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
    Xz(Box<XzReader<BufReader<Packed>>>),
    Bzip2(Box<MultiBzDecoder<BufReader<Packed>>>),
    Lz4(Box<Lz4Decoder<BufReader<Packed>>>),
}

impl Unpacker {
    /// Recognizes the compression of `source`; `count` grows with every byte read from it.
    pub(super) fn new(source: Box<dyn Read + Send>, count: Arc<AtomicU64>) -> io::Result<Self> {
        let mut source = Counted { source, count };
        let mut start = Vec::with_capacity(MAGIC_LEN);
        source.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut start)?;
        let is_pcap = start.first_chunk::<MAGIC_LEN>().is_some_and(|magic| Decoder::sniff(magic).is_some());
        if !is_pcap {
            // What is no capture, and no pipe of one, may be waited for.
            source.by_ref().take((START_LEN - MAGIC_LEN) as u64).read_to_end(&mut start)?;
        }
        let packing = packing(&start);
        let input = Cursor::new(start).chain(source);
        let buffered = |input| BufReader::with_capacity(PACKED_BYTES, input);
        Ok(Self(match packing {
            Compression::None => Packing::Plain(input),
            Compression::Gzip => Packing::Gzip(Box::new(Gzip::new(input))),
            Compression::Zstd => Packing::Zstd(Box::new(Zstd::new(input))),
            Compression::Xz => {
                Packing::Xz(Box::new(XzReader::new_mem_limit(buffered(input), true, MAX_XZ_KIB)))
            }
            Compression::Bzip2 => Packing::Bzip2(Box::new(MultiBzDecoder::new(buffered(input)))),
            Compression::Lz4 => Packing::Lz4(Box::new(Lz4Decoder::new(buffered(input)))),
        }))
    }

    /// The file's compression.
    pub(super) fn compression(&self) -> Compression {
        match self.0 {
            Packing::Plain(_) => Compression::None,
            Packing::Gzip(_) => Compression::Gzip,
            Packing::Zstd(_) => Compression::Zstd,
            Packing::Xz(_) => Compression::Xz,
            Packing::Bzip2(_) => Compression::Bzip2,
            Packing::Lz4(_) => Compression::Lz4,
        }
    }
}

impl Read for Unpacker {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Packing::Plain(input) => input.read(buffer),
            Packing::Gzip(gzip) => gzip.read(buffer),
            Packing::Zstd(zstd) => zstd.read(buffer),
            Packing::Xz(xz) => xz.read(buffer).map_err(|error| named("xz", &error)),
            Packing::Bzip2(bzip2) => bzip2.read(buffer).map_err(|error| named("bzip2", &error)),
            Packing::Lz4(lz4) => read_lz4(lz4, buffer).map_err(|error| named("lz4", &error)),
        }
    }
}

/// What a file that begins like this is packed with.
fn packing(start: &[u8]) -> Compression {
    if start.starts_with(&GZIP_MAGIC) {
        Compression::Gzip
    } else if start.starts_with(&ZSTD_MAGIC) || start.get(..MAGIC_LEN).is_some_and(is_skippable) {
        Compression::Zstd
    } else if start.starts_with(&XZ_MAGIC) {
        Compression::Xz
    } else if start.starts_with(&BZIP2_MAGIC) {
        Compression::Bzip2
    } else if start.starts_with(&LZ4_MAGIC) {
        Compression::Lz4
    } else {
        Compression::None
    }
}

/// The next bytes of all frames of an LZ4 file.
fn read_lz4(lz4: &mut Lz4Decoder<BufReader<Packed>>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let read = lz4.read(buffer)?;
        if read > 0 || buffer.is_empty() || lz4.get_mut().fill_buf()?.is_empty() {
            return Ok(read);
        }
    }
}

/// The same error, in words that say what is wrong with the file.
fn named(packing: &str, error: &io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ends_early(packing),
        kind => io::Error::new(kind, format!("{packing}: {error}")),
    }
}

/// The bytes of all members of a gzip file (RFC 1952).
struct Gzip {
    /// The current member; none after the last.
    member: Option<GzDecoder<BufReader<Packed>>>,
}

impl Gzip {
    fn new(input: Packed) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::with_capacity(PACKED_BYTES, input))) }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buffer) {
                Ok(0) if !buffer.is_empty() => {}
                Ok(read) => return Ok(read),
                Err(error) => return Err(named("gzip", &error)),
            }
            let Some(input) = self.member.take().map(GzDecoder::into_inner) else { break };
            self.member = next_member(input)?;
        }
        Ok(0)
    }
}

/// The next member, after zero padding as tapes and some tools leave it.
fn next_member(mut input: BufReader<Packed>) -> io::Result<Option<GzDecoder<BufReader<Packed>>>> {
    loop {
        let rest = input.fill_buf()?;
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        match rest.get(zeros) {
            Some(byte) if *byte == GZIP_MAGIC[0] => {
                input.consume(zeros);
                return Ok(Some(GzDecoder::new(input)));
            }
            Some(_) => return Err(invalid("garbage after the gzip data")),
            None if zeros == 0 => return Ok(None),
            None => input.consume(zeros),
        }
    }
}

/// The bytes of all frames of a zstd file (RFC 8878).
struct Zstd {
    input: BufReader<Packed>,
    decoder: FrameDecoder,
    /// The error to report once everything before it is delivered.
    problem: Option<io::Error>,
    ended: bool,
}

impl Zstd {
    fn new(input: Packed) -> Self {
        let input = BufReader::with_capacity(PACKED_BYTES, input);
        Self { input, decoder: FrameDecoder::new(), problem: None, ended: false }
    }

    /// Decompresses the next bytes, or moves on to the next frame.
    fn advance(&mut self) -> io::Result<()> {
        if self.decoder.is_finished() {
            self.check_sum()?;
            return self.next_frame();
        }
        let step = BlockDecodingStrategy::UptoBytes(ZSTD_STEP);
        let Err(error) = self.decoder.decode_blocks(&mut self.input, step) else { return Ok(()) };
        // The decoder holds back what later blocks might refer to. An empty last block, with a checksum that
        // is not verified, makes it release that.
        let _ = self.decoder.decode_blocks(&[1, 0, 0, 0, 0, 0, 0][..], BlockDecodingStrategy::All);
        Err(match self.input.fill_buf() {
            Ok([]) => ends_early("zstd"),
            _ => invalid(&format!("zstd: {error}")),
        })
    }

    /// Verifies the checksum of the frame that ended, if it has one.
    fn check_sum(&self) -> io::Result<()> {
        let Some(sum) = self.decoder.get_checksum_from_data() else { return Ok(()) };
        if self.decoder.get_calculated_checksum() == Some(sum) {
            return Ok(());
        }
        Err(invalid("zstd: the data do not match their checksum"))
    }

    /// Starts the next frame with data.
    fn next_frame(&mut self) -> io::Result<()> {
        loop {
            if self.input.fill_buf()?.is_empty() {
                self.ended = true;
                return Ok(());
            }
            let mut magic = [0; MAGIC_LEN];
            self.input.read_exact(&mut magic).map_err(|_| invalid("garbage after the zstd data"))?;
            match magic {
                ZSTD_MAGIC => return self.begin_frame(),
                // A skippable frame: a length, and bytes to ignore.
                magic if is_skippable(&magic) => {
                    let mut len = [0; 4];
                    self.input.read_exact(&mut len).map_err(|_| ends_early("zstd"))?;
                    let len = u64::from(u32::from_le_bytes(len));
                    if io::copy(&mut self.input.by_ref().take(len), &mut io::sink())? < len {
                        return Err(ends_early("zstd"));
                    }
                }
                _ => return Err(invalid("garbage after the zstd data")),
            }
        }
    }

    /// Reads a frame's header, and checks its window before the decoder allocates it.
    fn begin_frame(&mut self) -> io::Result<()> {
        let mut header = ZSTD_MAGIC.to_vec();
        let window = read_window(&mut self.input, &mut header).map_err(|_| ends_early("zstd"))?;
        if window > MAX_WINDOW {
            return Err(invalid(&format!("zstd: needs {window} bytes of memory, the limit is {MAX_WINDOW}")));
        }
        self.decoder.init(&header[..]).map_err(|error| invalid(&format!("zstd: {error}")))
    }
}

impl Read for Zstd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 {
            if let Some(problem) = self.problem.take() {
                self.ended = true;
                return Err(problem);
            }
            if self.ended {
                return Ok(0);
            }
            self.problem = self.advance().err();
        }
        self.decoder.read(buffer)
    }
}

/// Whether this is the magic number of a skippable frame; some tools start a file with one.
fn is_skippable(magic: &[u8]) -> bool {
    matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// Appends a zstd frame's header, after its magic number, to `header`; returns the window it requests.
fn read_window(input: &mut impl Read, header: &mut Vec<u8>) -> io::Result<u64> {
    let mut take = |len: usize| -> io::Result<u64> {
        let mut bytes = [0; 8];
        input.read_exact(bytes.get_mut(..len).unwrap_or_default())?;
        header.extend(bytes.iter().take(len));
        Ok(u64::from_le_bytes(bytes))
    };
    let descriptor = take(1)?;
    let is_single = descriptor & 0x20 != 0;
    let window = if is_single { 0 } else { take(1)? };
    take(match descriptor & 3 {
        0 => 0,
        1 => 1,
        2 => 2,
        _ => 4,
    })?;
    let size = match (descriptor >> 6, is_single) {
        (0, false) => 0,
        (0, true) => take(1)?,
        (1, _) => take(2)?.saturating_add(256),
        (2, _) => take(4)?,
        _ => take(8)?,
    };
    if is_single {
        return Ok(size);
    }
    let base = 1 << (10 + (window >> 3));
    Ok(base + base / 8 * (window & 7))
}

fn ends_early(packing: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the {packing} data end early"))
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}
