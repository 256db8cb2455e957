//! What a file is packed with, told by its first bytes, and the bytes inside.
//!
//! Everything that can be unpacked is delivered before an error is: a file whose end is missing
//! gives all that its start holds.

use std::io::{self, BufRead, BufReader, Chain, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

use super::Compression;

/// How much of a packed file is read at once.
const PACKED_BYTES: usize = 64 * 1024;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The longest magic there is.
const MAGIC_LEN: usize = 4;

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
    Gzip(Gzip),
}

impl Unpacker {
    /// Looks at the first bytes of `source`; `count` grows by every byte read from it.
    pub(super) fn new(source: Box<dyn Read + Send>, count: Arc<AtomicU64>) -> io::Result<Self> {
        let mut source = Counted { source, count };
        let mut start = Vec::with_capacity(MAGIC_LEN);
        source.by_ref().take(MAGIC_LEN as u64).read_to_end(&mut start)?;
        let gzip = start.starts_with(&GZIP_MAGIC);
        let input = Cursor::new(start).chain(source);
        Ok(Self(if gzip { Packing::Gzip(Gzip::new(input)) } else { Packing::Plain(input) }))
    }

    /// How the file is packed.
    pub(super) fn compression(&self) -> Compression {
        match self.0 {
            Packing::Plain(_) => Compression::None,
            Packing::Gzip(_) => Compression::Gzip,
        }
    }
}

impl Read for Unpacker {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Packing::Plain(input) => input.read(buffer),
            Packing::Gzip(gzip) => gzip.read(buffer),
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
            Some(_) => return Err(io::Error::new(io::ErrorKind::InvalidData, "garbage after the gzip data")),
            None if zeros == 0 => return Ok(None),
            None => input.consume(zeros),
        }
    }
}

/// The same error, in words that say what is wrong with the file.
fn gzip_error(error: &io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::UnexpectedEof => "the gzip data end early".to_owned(),
        _ => format!("gzip: {error}"),
    };
    io::Error::new(error.kind(), text)
}
