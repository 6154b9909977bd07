//! GF(2^8): the numbers that parity is computed in. A byte is a polynomial over bits, modulo 0x11d, which is what
//! ISA-L and nearly all others use; so multiplication by a constant is linear in the bits of the other factor.

/// The polynomial that products are reduced by.
pub const POLYNOMIAL: u16 = 0x11d;

/// Every product: row `a` is the table of `a` times something.
pub static PRODUCTS: [[u8; 256]; 256] = products();

/// The product of two numbers.
pub const fn mul(a: u8, b: u8) -> u8 {
    let (mut a, mut b, mut sum) = (a as u16, b, 0u16);
    while b != 0 {
        if b & 1 == 1 {
            sum ^= a;
        }
        a <<= 1;
        if a & 0x100 != 0 {
            a ^= POLYNOMIAL;
        }
        b >>= 1;
    }
    sum.to_le_bytes()[0]
}

/// What gives one when multiplied with `a`. Zero has none.
pub fn inverse(a: u8) -> Option<u8> {
    let one = PRODUCTS[usize::from(a)].iter().position(|product| *product == 1)?;
    u8::try_from(one).ok()
}

/// Multiplication by `factor` as the bit matrix that GFNI's affine instruction takes: byte `7 - i` holds what bit `i`
/// of the product depends on.
pub const fn affine(factor: u8) -> u64 {
    let mut rows = [0u8; 8];
    let mut bit = 0;
    while bit < 8 {
        let product = mul(factor, 1 << bit);
        let mut row = 0;
        while row < 8 {
            rows[7 - row] |= ((product >> row) & 1) << bit;
            row += 1;
        }
        bit += 1;
    }
    u64::from_le_bytes(rows)
}

/// Multiplication by `factor` as two tables of 16, for the low and the high half of a byte: what a byte shuffle looks
/// up.
pub const fn nibbles(factor: u8) -> [u8; 32] {
    let mut tables = [0; 32];
    let mut half = 0;
    while half < 16 {
        tables[half as usize] = mul(factor, half);
        tables[16 + half as usize] = mul(factor, half << 4);
        half += 1;
    }
    tables
}

#[expect(clippy::large_stack_arrays, reason = "it is made when the crate is compiled")]
const fn products() -> [[u8; 256]; 256] {
    let mut table = [[0; 256]; 256];
    let mut a = 1;
    while a < 256 {
        // A row is linear: each entry is the one without its lowest bit, plus that bit's product.
        let mut b = 1usize;
        while b < 256 {
            let lowest = b & b.wrapping_neg();
            #[expect(clippy::cast_possible_truncation, reason = "both are below 256, and try_from is not const")]
            let single = mul(a as u8, lowest as u8);
            table[a][b] = table[a][b ^ lowest] ^ single;
            b += 1;
        }
        a += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the affine instruction does to one byte, by its manual.
    fn affine_of(matrix: u64, byte: u8) -> u8 {
        let rows = matrix.to_le_bytes();
        (0..8).map(|bit| ((rows[7 - bit] & byte).count_ones() & 1) << bit).sum::<u32>().try_into().unwrap()
    }

    #[test]
    fn products_follow_the_laws_of_a_field() {
        for a in 0..=255u8 {
            assert_eq!((mul(a, 1), mul(a, 0)), (a, 0));
            for b in 0..=255u8 {
                assert_eq!(PRODUCTS[usize::from(a)][usize::from(b)], mul(a, b));
                assert_eq!(mul(a, b), mul(b, a));
                assert_eq!(mul(a, b ^ 0x53), mul(a, b) ^ mul(a, 0x53));
            }
        }
    }

    #[test]
    fn the_polynomial_is_the_one_that_others_use() {
        assert_eq!((mul(0x80, 2), mul(2, 0x8e), mul(0xb6, 0x53)), (0x1d, 1, 0xee));
    }

    #[test]
    fn every_number_but_zero_has_an_inverse() {
        assert_eq!(inverse(0), None);
        for a in 1..=255 {
            assert_eq!(mul(a, inverse(a).unwrap()), 1, "{a}");
        }
    }

    #[test]
    fn bit_matrices_and_half_tables_multiply() {
        for factor in 0..=255 {
            let (matrix, tables) = (affine(factor), nibbles(factor));
            for byte in 0..=255u8 {
                let product = mul(factor, byte);
                assert_eq!(affine_of(matrix, byte), product, "{factor} times {byte}");
                assert_eq!(tables[usize::from(byte & 15)] ^ tables[16 + usize::from(byte >> 4)], product);
            }
        }
    }
}
