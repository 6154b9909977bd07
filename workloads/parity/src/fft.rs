//! Codes whose parity is made by a Fourier transform: the data are values of a polynomial, the parity its values
//! elsewhere. The same parity follows from a matrix; the transform takes a number of products that grows with
//! `n log n` where the matrix takes `n^2`, so that it wins where there are many shards of both kinds.

use crate::field::{self, PRODUCTS};
use crate::kernel::Kernel;
use crate::matrix::Matrix;
use crate::simd;
use crate::transform::{Factors, Transform};

/// The fewest points of a transform.
const FEWEST: usize = 8;
/// The most.
const MOST: usize = 64;

/// How many points a transform for this shape has; none where it would be too large.
pub(crate) fn points(data: usize, parity: usize) -> Option<usize> {
    let points = data.max(parity).max(FEWEST).checked_next_power_of_two()?;
    (points <= MOST).then_some(points)
}

/// The matrix that makes the same parity: what each shard's value adds to the polynomial's value at another point.
/// The data's points are the first ones, and those beyond the data have the value zero.
pub(crate) fn matrix(data: usize, parity: usize, points: usize) -> Matrix {
    let number = |at: usize| u8::try_from(at).expect("a transform has at most 128 points");
    let product = |a: u8, b: u8| PRODUCTS[usize::from(a)][usize::from(b)];
    Matrix::of(parity, data, |row, column| {
        let (here, own) = (number(points + row), number(column));
        (0..points).map(number).filter(|other| *other != own).fold(1, |share, other| {
            let below = field::inverse(own ^ other).expect("the points differ");
            product(share, product(here ^ other, below))
        })
    })
}

/// A transform made ready for a kernel.
#[derive(Clone, Debug)]
pub(crate) struct Fft {
    kernel: Kernel,
    points: usize,
    factors: Factors,
    /// What makes the parity of shards that are shorter than a vector.
    short: Transform,
}

impl Fft {
    /// Makes it ready; none where this processor lacks the kernel, where that is the tables, or the shape is too large.
    pub(crate) fn new(data: usize, parity: usize, kernel: Kernel) -> Option<Fft> {
        if kernel == Kernel::Scalar || !kernel.available() {
            return None;
        }
        let points = points(data, parity)?;
        let skews = skews(points).into_iter();
        let factors = match kernel {
            Kernel::Gfni256 | Kernel::Gfni512 => Factors::Affine(skews.map(field::affine).collect()),
            _ => Factors::Nibbles(skews.map(field::nibbles).collect()),
        };
        let short = Transform::new(matrix(data, parity, points), Kernel::Scalar)?;
        Some(Fft { kernel, points, factors, short })
    }

    /// The matrix that makes the same parity.
    pub(crate) fn matrix(&self) -> &Matrix {
        self.short.matrix()
    }

    /// Makes the parity. There are as many inputs and outputs as the matrix has columns and rows.
    pub(crate) fn sum(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        assert_eq!((inputs.len(), outputs.len()), (self.matrix().columns(), self.matrix().rows()), "the shape");
        if inputs[0].len() < simd::LONGEST_VECTOR {
            return self.short.sum(inputs, outputs);
        }
        simd::fft(self.kernel, &self.factors, self.points, inputs, outputs);
    }
}

/// The factors of all butterflies, in the order in which the passes take them.
fn skews(points: usize) -> Vec<u8> {
    let number = |at: usize| u8::try_from(at).expect("a transform has at most 128 points");
    let high = points / FEWEST;
    let mut skews = Vec::new();
    for group in 0..high {
        for layer in 0..3 {
            let blocks = (0..FEWEST).step_by(2 << layer);
            skews.extend(blocks.map(|block| skew(layer, number(group * FEWEST + block))));
        }
    }
    let layers = high.ilog2();
    for layer in 0..layers {
        skews.extend((0..high).step_by(2 << layer).map(|block| skew(3 + layer, number(block * FEWEST))));
    }
    for layer in (0..layers).rev() {
        skews.extend((0..high).step_by(2 << layer).map(|block| skew(3 + layer, number(points + block * FEWEST))));
    }
    for group in 0..high {
        for layer in (0..3).rev() {
            let blocks = (0..FEWEST).step_by(2 << layer);
            skews.extend(blocks.map(|block| skew(layer, number(points + group * FEWEST + block))));
        }
    }
    skews
}

/// The factor of a butterfly whose block begins at a point: the polynomial that is zero at all points below the
/// layer's height, there, scaled so that it is one at that height.
fn skew(layer: u32, point: u8) -> u8 {
    let height = 1u8 << layer;
    let vanishing = |at: u8| (0..height).fold(1, |product, below| field::mul(product, at ^ below));
    let scale = field::inverse(vanishing(height)).expect("the height is no zero of it");
    field::mul(vanishing(point), scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transform_has_as_many_points_as_it_takes() {
        assert_eq!([points(1, 1), points(8, 8), points(9, 2), points(3, 17)], [Some(8), Some(8), Some(16), Some(32)]);
        assert_eq!([points(64, 64), points(65, 1), points(1, usize::MAX)], [Some(64), None, None]);
    }

    #[test]
    fn there_is_a_factor_for_every_block() {
        for points in [8, 16, 32, 64] {
            assert_eq!(skews(points).len(), 2 * (points / 8 * 7 + points / 8 - 1));
        }
    }

    #[test]
    fn the_matrix_gives_the_values_of_a_polynomial() {
        // Of degree two, so that five points are more than enough, but the matrix takes eight.
        let polynomial = |x: u8| 5 ^ field::mul(7, x) ^ field::mul(9, field::mul(x, x));
        let matrix = matrix(8, 3, 8);
        let data: Vec<u8> = (0..8).map(polynomial).collect();
        for row in 0..3 {
            let value =
                matrix.row(row).iter().zip(&data).fold(0, |sum, (factor, byte)| sum ^ field::mul(*factor, *byte));
            assert_eq!(value, polynomial(8 + u8::try_from(row).unwrap()));
        }
    }
}
