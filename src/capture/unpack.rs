//! What a file is packed with, told by its first bytes, and the bytes inside.
//!
//! Everything that can be unpacked is delivered before an error is: a file whose end is missing
//! gives all that its start holds.
//!
//! gzip is inflated by zlib-rs. Measured on a capture of 300 MB in a file of 71 MB, one core, with the
//! checksum: zlib-rs 710 MB/s of output, gzip 240 MB/s, igzip 1,150 MB/s. igzip's library needs an assembler
//! to be that fast, zlib-ng needs CMake (its build without it refused to start), and libdeflate wants a
//! whole member in memory; this one builds with nothing but Rust, and is safe Rust to its caller.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Compression;

/// How much of a packed file is read at once.
const PACKED_BYTES: usize = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The longest magic there is.
const MAGIC_LEN: usize = 4;
/// The most memory that a zstd frame may ask for, its window; `zstd -19` asks for 8 MiB.
const MAX_WINDOW: u64 = 32 * 1024 * 1024;
/// How much zstd data is unpacked at once: a block's most.
const ZSTD_STEP: usize = 128 * 1024;

/// A source of bytes, counted as they are read.
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

/// A source of which the first bytes were already looked at.
type Input = Chain<Cursor<Vec<u8>>, Counted>;

/// The unpacked bytes of a file.
pub(super) struct Unpacker(Packing);

enum Packing {
    Plain(Input),
    Gzip(Box<Gzip>),
    Zstd(Box<Zstd>),
}

impl Unpacker {
    /// Looks at the first bytes of `source`; `count` grows by every byte read from it.
    pub(super) fn new(source: Box<dyn Read + Send>, count: Arc<AtomicU64>) -> io::Result<Self> {
        let mut source = Counted { source, count };
        let mut start = Vec::with_capacity(MAGIC_LEN);
        source.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut start)?;
        let gzip = start.starts_with(&GZIP_MAGIC);
        let zstd = start == ZSTD_MAGIC || is_skippable(&start);
        let input = Cursor::new(start).chain(source);
        Ok(Self(if gzip {
            Packing::Gzip(Box::new(Gzip::new(input)))
        } else if zstd {
            Packing::Zstd(Box::new(Zstd::new(input)))
        } else {
            Packing::Plain(input)
        }))
    }

    /// How the file is packed.
    pub(super) fn compression(&self) -> Compression {
        match self.0 {
            Packing::Plain(_) => Compression::None,
            Packing::Gzip(_) => Compression::Gzip,
            Packing::Zstd(_) => Compression::Zstd,
        }
    }
}

impl Read for Unpacker {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Packing::Plain(input) => input.read(buffer),
            Packing::Gzip(gzip) => gzip.read(buffer),
            Packing::Zstd(zstd) => zstd.read(buffer),
        }
    }
}

/// The bytes of all members of a gzip file (RFC 1952).
struct Gzip {
    /// The member being read; none after the last.
    member: Option<GzDecoder<BufReader<Input>>>,
}

impl Gzip {
    fn new(input: Input) -> Self {
        Self { member: Some(GzDecoder::new(BufReader::with_capacity(PACKED_BYTES, input))) }
    }
}

impl Read for Gzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            match member.read(buffer) {
                Ok(0) if !buffer.is_empty() => {}
                Ok(read) => return Ok(read),
                Err(error) => return Err(gzip_error(&error)),
            }
            let Some(input) = self.member.take().map(GzDecoder::into_inner) else { break };
            self.member = next_member(input)?;
        }
        Ok(0)
    }
}

/// The member that follows another, past padding with zeros, as tapes and some tools leave it.
fn next_member(mut input: BufReader<Input>) -> io::Result<Option<GzDecoder<BufReader<Input>>>> {
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

/// The same error, in words that say what is wrong with the file.
fn gzip_error(error: &io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ends_early("gzip"),
        kind => io::Error::new(kind, format!("gzip: {error}")),
    }
}

/// The bytes of all frames of a zstd file (RFC 8878).
struct Zstd {
    input: BufReader<Input>,
    decoder: FrameDecoder,
    /// What is wrong with the file, once everything before it was delivered.
    problem: Option<io::Error>,
    ended: bool,
}

impl Zstd {
    fn new(input: Input) -> Self {
        let input = BufReader::with_capacity(PACKED_BYTES, input);
        Self { input, decoder: FrameDecoder::new(), problem: None, ended: false }
    }

    /// Unpacks the next bytes, or goes on to the next frame.
    fn advance(&mut self) -> io::Result<()> {
        if self.decoder.is_finished() {
            self.check_sum()?;
            return self.next_frame();
        }
        let step = BlockDecodingStrategy::UptoBytes(ZSTD_STEP);
        let Err(error) = self.decoder.decode_blocks(&mut self.input, step) else { return Ok(()) };
        // The decoder keeps back what later blocks might refer to. An empty last block, and a
        // checksum that nobody checks, make it hand that out.
        let _ = self.decoder.decode_blocks(&[1, 0, 0, 0, 0, 0, 0][..], BlockDecodingStrategy::All);
        Err(match self.input.fill_buf() {
            Ok([]) => ends_early("zstd"),
            _ => invalid(&format!("zstd: {error}")),
        })
    }

    /// Compares the checksum of the frame that ended, where it has one, with its bytes.
    fn check_sum(&self) -> io::Result<()> {
        let Some(sum) = self.decoder.get_checksum_from_data() else { return Ok(()) };
        if self.decoder.get_calculated_checksum() == Some(sum) {
            return Ok(());
        }
        Err(invalid("zstd: the data do not match their checksum"))
    }

    /// Begins the next frame that holds data.
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
                // A skippable frame: a length, and bytes that mean nothing here.
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

    /// Reads a frame's header, whose window is checked before the decoder makes room for it.
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

/// Whether a zstd frame with this magic is to be skipped; some tools begin a file with one.
fn is_skippable(magic: &[u8]) -> bool {
    matches!(magic, [0x50..=0x5f, 0x2a, 0x4d, 0x18])
}

/// Appends a zstd frame's header after its magic to `header`, and says what window it asks for.
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
