//! Frames on the control stream: `u32 BE length ‖ flag u8 ‖ body`, the length being that of the body.
//!
//! Pure: no sockets, no clock. The length is checked before anything is allocated, a compressed body must say how large it becomes
//! and is decoded in one pass into exactly that much, so neither a length nor a window can make us allocate more than one frame.

use std::cell::RefCell;

use thiserror::Error;

use super::limits::{COMPRESS_FROM_BYTES, FRAME_BYTES_MAX, ZSTD_LEVEL};

/// Bytes before the body.
pub(super) const HEADER_BYTES: usize = 5;
/// The body is the frame itself.
const FLAG_PLAIN: u8 = 0;
/// The body is one zstd frame.
const FLAG_ZSTD: u8 = 1;
/// The body is one byte, the reason why the sender closes the link. Nothing follows.
const FLAG_BYE: u8 = 2;
/// The body is the first piece of a stream; an empty one ends the stream. From `/accord/2` on.
const FLAG_BEGINS: u8 = 3;
/// The body is the next piece of a stream. From `/accord/2` on.
const FLAG_GOES_ON: u8 = 4;

/// Magic number of a zstd frame, RFC 8878 §3.1.1, little endian on the wire.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// Frame header descriptor, RFC 8878 §3.1.1.1.1: the window is the content, so its size is the content size.
const ZSTD_SINGLE_SEGMENT: u8 = 0x20;
/// Frame header descriptor: reserved bit and dictionary id, both unused here.
const ZSTD_UNWANTED: u8 = 0x0b;

/// What a partner put on the wire that no honest program puts there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Garbage {
    /// The header announces more than a frame may hold.
    #[error("frame of {length} bytes announced, {FRAME_BYTES_MAX} allowed")]
    Oversized {
        /// The announced length of the body, in bytes.
        length: u32,
    },
    /// The flag is none of this version.
    #[error("frame with unknown flag {0}")]
    UnknownFlag(u8),
    /// A goodbye is one byte.
    #[error("goodbye of {length} bytes, 1 expected")]
    MisshapenBye {
        /// The announced length of the body, in bytes.
        length: u32,
    },
    /// The body is not one whole zstd frame with a stated size within bounds.
    #[error("compressed frame that does not decode to its stated size within {FRAME_BYTES_MAX} bytes")]
    BadCompression,
    /// A second control stream on one connection.
    #[error("second control stream on one connection")]
    SecondStream,
}

/// A header that passed its checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Header {
    /// Nothing: the sender is alive.
    KeepAlive,
    /// So many bytes of frame.
    Plain(usize),
    /// So many bytes of compressed frame.
    Zstd(usize),
    /// So many bytes of a piece of a stream.
    Piece {
        /// Length of its body.
        length: usize,
        /// It is the first.
        begins: bool,
    },
    /// The stream is over.
    StreamEnds,
    /// One byte: why the sender closes.
    Bye,
}

/// Reads a header; pieces of streams exist only where that was agreed on.
///
/// # Errors
/// The length exceeds [`FRAME_BYTES_MAX`], the flag is unknown, or the two do not fit together.
pub(super) fn header(bytes: [u8; HEADER_BYTES], streams: bool) -> Result<Header, Garbage> {
    let [a, b, c, d, flag] = bytes;
    let length = u32::from_be_bytes([a, b, c, d]);
    let size = usize::try_from(length).ok().filter(|size| *size <= FRAME_BYTES_MAX).ok_or(Garbage::Oversized { length })?;
    match (flag, size) {
        (FLAG_PLAIN, 0) => Ok(Header::KeepAlive),
        (FLAG_PLAIN, _) => Ok(Header::Plain(size)),
        (FLAG_ZSTD, 0) => Err(Garbage::BadCompression),
        (FLAG_ZSTD, _) => Ok(Header::Zstd(size)),
        (FLAG_BYE, 1) => Ok(Header::Bye),
        (FLAG_BYE, _) => Err(Garbage::MisshapenBye { length }),
        (FLAG_BEGINS, 0) if streams => Ok(Header::StreamEnds),
        (FLAG_GOES_ON, 0) if streams => Err(Garbage::BadCompression),
        (FLAG_BEGINS | FLAG_GOES_ON, _) if streams => Ok(Header::Piece { length: size, begins: flag == FLAG_BEGINS }),
        (other, _) => Err(Garbage::UnknownFlag(other)),
    }
}

/// Writes a whole frame into `out`, compressed if that saves at least an eighth. `frame` holds at most [`FRAME_BYTES_MAX`] bytes.
pub(super) fn encode(frame: &[u8], out: &mut Vec<u8>) {
    if frame.len() >= COMPRESS_FROM_BYTES
        && let Some(body) = compress(frame)
    {
        put(FLAG_ZSTD, &body, out);
    } else {
        put(FLAG_PLAIN, frame, out);
    }
}

/// Writes a piece of a stream into `out`; an empty one that begins ends it.
pub(super) fn put_piece(begins: bool, body: &[u8], out: &mut Vec<u8>) {
    put(if begins { FLAG_BEGINS } else { FLAG_GOES_ON }, body, out);
}

/// Writes an empty frame into `out`.
pub(super) fn encode_keep_alive(out: &mut Vec<u8>) {
    put(FLAG_PLAIN, &[], out);
}

/// Writes a goodbye into `out`.
pub(super) fn encode_bye(reason: u8, out: &mut Vec<u8>) {
    put(FLAG_BYE, &[reason], out);
}

/// Decodes a compressed body.
///
/// # Errors
/// [`Garbage::BadCompression`] unless the body is exactly one zstd frame that states a size of 1 to [`FRAME_BYTES_MAX`] bytes, has no
/// window beyond its content and no dictionary, and decodes to that size.
pub(super) fn decompress(body: &[u8]) -> Result<Vec<u8>, Garbage> {
    let size = stated_size(body).ok_or(Garbage::BadCompression)?;
    let frame = DECOMPRESSOR.with_borrow_mut(|slot| {
        let decompressor = match slot {
            Some(decompressor) => decompressor,
            None => slot.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress(body, size)
    });
    frame.ok().filter(|frame| frame.len() == size).ok_or(Garbage::BadCompression)
}

/// The content size a single zstd frame spanning all of `body` states, if it is within bounds.
fn stated_size(body: &[u8]) -> Option<usize> {
    let descriptor = *body.get(4)?;
    if !body.starts_with(&ZSTD_MAGIC) || descriptor & ZSTD_SINGLE_SEGMENT == 0 || descriptor & ZSTD_UNWANTED != 0 {
        return None;
    }
    if zstd::zstd_safe::find_frame_compressed_size(body).ok()? != body.len() {
        return None;
    }
    let stated = zstd::zstd_safe::get_frame_content_size(body).ok()??;
    usize::try_from(stated).ok().filter(|size| (1..=FRAME_BYTES_MAX).contains(size))
}

fn compress(frame: &[u8]) -> Option<Vec<u8>> {
    let body = COMPRESSOR.with_borrow_mut(|slot| {
        let compressor = match slot {
            Some(compressor) => compressor,
            None => slot.insert(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
        };
        compressor.compress(frame)
    });
    body.ok().filter(|body| body.len() <= frame.len() - frame.len() / 8)
}

fn put(flag: u8, body: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(body.len()).expect("bodies hold at most FRAME_BYTES_MAX bytes");
    out.extend_from_slice(&length.to_be_bytes());
    out.push(flag);
    out.extend_from_slice(body);
}

thread_local! {
    // A compressor holds more than a megabyte: one for each worker thread, not one for each link.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader makes of the bytes a writer produced.
    fn read(wire: &[u8]) -> Result<Option<Vec<u8>>, Garbage> {
        let (head, body) = wire.split_first_chunk::<HEADER_BYTES>().expect("every frame has a header");
        match header(*head, false)? {
            Header::KeepAlive | Header::Bye | Header::StreamEnds | Header::Piece { .. } => Ok(None),
            Header::Plain(length) => Ok(Some(body[..length].to_vec())),
            Header::Zstd(length) => decompress(&body[..length]).map(Some),
        }
    }

    fn noise(length: usize) -> Vec<u8> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"noise");
        let mut out = vec![0; length];
        hasher.finalize_xof().fill(&mut out);
        out
    }

    #[test]
    fn frames_of_every_shape_read_back() {
        for frame in [vec![7], vec![0; 511], vec![0; 512], vec![0; FRAME_BYTES_MAX], noise(512), noise(FRAME_BYTES_MAX)] {
            let mut wire = Vec::new();
            encode(&frame, &mut wire);
            assert!(wire.len() <= frame.len() + HEADER_BYTES);
            assert_eq!(read(&wire), Ok(Some(frame)));
        }
    }

    #[test]
    fn the_wire_form_is_frozen() {
        let mut wire = Vec::new();
        encode(b"abc", &mut wire);
        encode_keep_alive(&mut wire);
        encode_bye(0x81, &mut wire);
        assert_eq!(hex::encode(wire), "00000003006162630000000000000000010281");
    }

    #[test]
    fn headers_outside_the_format_are_garbage() {
        let check = |bytes: [u8; 5], expect| {
            assert_eq!(header(bytes, true), Err(expect), "{bytes:?}");
            assert!(header(bytes, false).is_err());
        };
        check([0xff, 0xff, 0xff, 0xff, 0], Garbage::Oversized { length: u32::MAX });
        check([0, 4, 0, 1, 0], Garbage::Oversized { length: 256 * 1024 + 1 });
        check([0, 0, 0, 1, 5], Garbage::UnknownFlag(5));
        check([0, 0, 0, 0, 4], Garbage::BadCompression);
        assert_eq!(header([0, 0, 0, 1, 3], false), Err(Garbage::UnknownFlag(3)), "nobody agreed on streams");
        check([0, 0, 0, 0, 1], Garbage::BadCompression);
        check([0, 0, 0, 2, 2], Garbage::MisshapenBye { length: 2 });
        check([0, 0, 0, 0, 2], Garbage::MisshapenBye { length: 0 });
    }

    #[test]
    fn compressed_bodies_that_lie_are_garbage() {
        let honest = compress(&[5; 4096]).expect("4096 equal bytes compress");
        assert_eq!(decompress(&honest).map(|frame| frame.len()), Ok(4096));
        let check = |body: &[u8]| assert_eq!(decompress(body), Err(Garbage::BadCompression), "{}", hex::encode(body));
        check(&[]);
        check(&honest[..honest.len() - 1]);
        check(&[honest.clone(), vec![0]].concat());
        check(&[honest.clone(), honest.clone()].concat());
        // A skippable frame (RFC 8878 §3.1.2) behind the real one.
        check(&[honest.clone(), vec![0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]].concat());
        for at in 0..honest.len() {
            let mut bent = honest.clone();
            bent[at] ^= 0x40;
            if let Ok(frame) = decompress(&bent) {
                assert!(frame.len() <= FRAME_BYTES_MAX);
            }
        }
        // A bomb: 64 MiB of zeros in a few kilobytes.
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 19).expect("zeros compress");
        assert!(bomb.len() < FRAME_BYTES_MAX);
        check(&bomb);
        // One byte more than a frame may hold.
        check(&zstd::bulk::compress(&vec![0; FRAME_BYTES_MAX + 1], 3).expect("zeros compress"));
        // A stream does not state its size.
        let mut stream = zstd::stream::Encoder::new(Vec::new(), 3).expect("an encoder");
        std::io::Write::write_all(&mut stream, &[5; 4096]).expect("memory takes it");
        check(&stream.finish().expect("memory takes it"));
    }
}
