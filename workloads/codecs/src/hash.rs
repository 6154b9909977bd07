//! Hashes: what a payload is verified with.
//!
//! Both choose the widest instructions of the processor when they run: SHA-NI for SHA-256; SSE4.1, AVX2 or AVX-512
//! for BLAKE3, whose assembly is built by the C compiler that zstd and libdeflate need anyway.

use sha2::Digest as _;

/// A hash that verifies payloads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256, which the post-mortem's tool uses.
    Sha256,
    /// BLAKE3, which costs about a quarter of it.
    Blake3,
}

impl Hash {
    /// Every hash.
    pub const ALL: [Hash; 2] = [Hash::Sha256, Hash::Blake3];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Hash::Sha256 => "sha256",
            Hash::Blake3 => "blake3",
        }
    }

    /// The hash of that name.
    pub fn named(name: &str) -> Option<Hash> {
        Hash::ALL.into_iter().find(|hash| hash.name() == name)
    }

    /// The digest of bytes that are all there.
    pub fn of(self, bytes: &[u8]) -> Digest {
        match self {
            Hash::Sha256 => Digest(sha2::Sha256::digest(bytes).into()),
            Hash::Blake3 => Digest(blake3::hash(bytes).into()),
        }
    }

    /// Begins a digest of bytes that come in pieces.
    pub fn begin(self) -> Hashing {
        Hashing(match self {
            Hash::Sha256 => State::Sha256(sha2::Sha256::new()),
            Hash::Blake3 => State::Blake3(blake3::Hasher::new()),
        })
    }
}

/// A digest in the making, of bytes that come in pieces.
pub struct Hashing(State);

#[expect(clippy::large_enum_variant, reason = "a box would cost each payload a visit to the heap")]
enum State {
    Sha256(sha2::Sha256),
    Blake3(blake3::Hasher),
}

impl Hashing {
    /// Takes the next piece in.
    pub fn update(&mut self, piece: &[u8]) {
        match &mut self.0 {
            State::Sha256(state) => state.update(piece),
            State::Blake3(state) => {
                state.update(piece);
            }
        }
    }

    /// The digest of all pieces.
    pub fn finish(self) -> Digest {
        Digest(match self.0 {
            State::Sha256(state) => state.finalize().into(),
            State::Blake3(state) => state.finalize().into(),
        })
    }
}

/// What names a payload's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let blake3 = "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85";
        assert_eq!(Hash::Sha256.of(b"abc").to_string(), sha256);
        assert_eq!(Hash::Blake3.of(b"abc").to_string(), blake3);
    }

    #[test]
    fn pieces_have_the_digest_of_the_whole() {
        let bytes: Vec<u8> = (0..100_000u32).map(|n| n.to_le_bytes()[0]).collect();
        for hash in Hash::ALL {
            let mut hashing = hash.begin();
            bytes.chunks(777).for_each(|piece| hashing.update(piece));
            assert_eq!(hashing.finish(), hash.of(&bytes));
        }
    }

    #[test]
    fn every_hash_is_found_by_its_name() {
        for hash in Hash::ALL {
            assert_eq!(Hash::named(hash.name()), Some(hash));
        }
        assert_eq!(Hash::named("md5"), None);
    }
}
