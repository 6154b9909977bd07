//! Packing: which blocks are compressed.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use std::io::{Error, Result};

/// zlib's own default.
const LEVEL: u32 = 6;
/// How many bytes the test looks at.
const SAMPLE: usize = 256;
/// Of so many bytes that are chosen by chance, 162 differ on average; program text has about 50.
const TOO_MANY_DIFFERENT: usize = 120;

/// Which blocks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Packing {
    /// Every block.
    Always,
    /// Those of writes that are at least this long.
    FromLength(usize),
    /// None.
    Never,
    /// Those of which a look at some of their bytes says that it will help.
    IfItLooksUseful,
}

impl Packing {
    /// The packed form of a block, where that is wanted and shorter. `written` is how many bytes the write had.
    pub(crate) fn pack(self, plain: &[u8], written: usize) -> Result<Option<Vec<u8>>> {
        let wanted = match self {
            Packing::Always => true,
            Packing::FromLength(least) => written >= least,
            Packing::Never => false,
            Packing::IfItLooksUseful => looks_compressible(plain),
        };
        if !wanted || plain.is_empty() {
            return Ok(None);
        }
        // A new context for each block: that is what zlib's compress() does.
        let mut packed = Vec::with_capacity(plain.len());
        let status =
            Compress::new(Compression::new(LEVEL), true).compress_vec(plain, &mut packed, FlushCompress::Finish)?;
        // What does not end within its own length has not become shorter.
        Ok((status == Status::StreamEnd && packed.len() < plain.len()).then_some(packed))
    }
}

/// Unpacks a block.
pub(crate) fn unpack(packed: &[u8], len: usize) -> Result<Vec<u8>> {
    let mut plain = Vec::with_capacity(len);
    let status = Decompress::new(true).decompress_vec(packed, &mut plain, FlushDecompress::Finish)?;
    if status != Status::StreamEnd || plain.len() != len {
        return Err(Error::other(format!("a block should unpack to {len} bytes, and gave {}", plain.len())));
    }
    Ok(plain)
}

/// Whether bytes from all over the block are few different ones.
fn looks_compressible(plain: &[u8]) -> bool {
    if plain.len() < SAMPLE {
        return true;
    }
    let mut seen = [false; 256];
    for byte in plain.iter().step_by(plain.len() / SAMPLE).take(SAMPLE) {
        seen[usize::from(*byte)] = true;
    }
    seen.iter().filter(|seen| **seen).count() < TOO_MANY_DIFFERENT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1u64;
        let next = |state: &mut u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        };
        (0..len).map(|_| next(&mut state)).collect()
    }

    #[test]
    fn what_is_packed_unpacks() {
        let text = b"fn main() {}\n".repeat(300);
        let packed = Packing::Always.pack(&text, 1).unwrap().unwrap();
        assert!(packed.len() < text.len() / 10);
        assert_eq!(unpack(&packed, text.len()).unwrap(), text);
        assert!(unpack(&packed, text.len() + 1).is_err());
        assert!(unpack(&packed[..packed.len() - 1], text.len()).is_err());
    }

    #[test]
    fn noise_is_kept_as_it_is() {
        assert_eq!(Packing::Always.pack(&noise(4096), 4096).unwrap(), None);
    }

    #[test]
    fn a_look_tells_noise_from_text() {
        assert!(!looks_compressible(&noise(4096)));
        assert!(looks_compressible(&b"for each in all: print(each)\n".repeat(142)));
        assert!(looks_compressible(&[0; 4096]));
    }

    #[test]
    fn a_bound_is_a_bound_on_the_write() {
        let text = [b'x'; 4096];
        for (least, written, packs) in [(4096, 4096, true), (4097, 4096, false), (4096, 4095, false)] {
            let packed = Packing::FromLength(least).pack(&text, written).unwrap();
            assert_eq!(packed.is_some(), packs, "{least} {written}");
        }
    }
}
