//! A map by the number of a file. The numbers are the server's own, so no client can choose them such that they collide,
//! and a hash that withstands that would only cost.

use blocks::Ino;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by the number of a file.
pub(crate) type Numbered<T> = HashMap<Ino, T, BuildHasherDefault<Spread>>;

/// One multiplication, which spreads numbers that follow each other over all bits.
#[derive(Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::hash::{BuildHasher, Hash};

    fn spread(key: impl Hash) -> u64 {
        BuildHasherDefault::<Spread>::default().hash_one(key)
    }

    #[test]
    fn numbers_that_follow_each_other_differ_in_their_first_and_last_bits() {
        let ends = |of: fn(u64) -> u64| (1..=128u64).map(|number| of(spread(number))).collect::<HashSet<u64>>().len();
        assert_eq!(ends(|hash| hash & 0x7f), 128, "where one lies in a table");
        assert!(ends(|hash| hash >> 57) > 100, "and by what it is told from its neighbours");
        assert_ne!(spread(b"ab"), spread(b"ba"));
    }
}
