//! Chance that repeats: numbers that look tossed, and are the same for the same seed on every machine.

/// A `SplitMix64` sequence (Steele, Lea & Flood 2014).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The sequence of that seed.
    pub fn seeded(seed: u64) -> Chance {
        Chance(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number from 0 up to and without 1.
    pub fn share(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A place in a list of so many; the list must not be empty.
    pub fn place(&mut self, count: usize) -> usize {
        // The product keeps the high bits, and favours no place by more than one in 2^64 / count.
        let place = (u128::from(self.bits()) * count as u128) >> 64;
        usize::try_from(place).expect("a place is smaller than the count")
    }

    /// Puts the values into an order in which each order is as likely as any other.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.place(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of seed 1234567, from the reference implementation (Vigna, prng.di.unimi.it/splitmix64.c).
    #[test]
    fn the_sequence_is_the_published_one() {
        let mut chance = Chance::seeded(1_234_567);
        let seen: Vec<u64> = (0..3).map(|_| chance.bits()).collect();
        assert_eq!(seen, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn a_shuffle_keeps_every_value_and_favours_no_place() {
        let mut chance = Chance::seeded(1);
        let mut first = [0u32; 4];
        for _ in 0..4000 {
            let mut values = [0, 1, 2, 3];
            chance.shuffle(&mut values);
            first[values[0]] += 1;
            values.sort_unstable();
            assert_eq!(values, [0, 1, 2, 3]);
        }
        assert!(first.iter().all(|count| (900..1100).contains(count)), "{first:?}");
    }
}
