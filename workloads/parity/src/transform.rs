//! A matrix made ready for a kernel: outputs are sums of products of inputs, byte by byte.

use crate::field::{self, PRODUCTS};
use crate::kernel::Kernel;
use crate::matrix::Matrix;
use crate::simd;

/// How outputs reach memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stores {
    /// Through the caches: right for what is soon read again.
    #[default]
    Cached,
    /// Past the caches, where the kernel and the outputs' alignment (to 64 bytes) allow: a line is then not read
    /// before it is written.
    Streamed,
}

/// A matrix with its factors laid out as a kernel wants them.
#[derive(Clone, Debug)]
pub struct Transform {
    kernel: Kernel,
    stores: Stores,
    matrix: Matrix,
    /// Whether its first row and its first column are ones, which take no product.
    ones: bool,
    factors: Factors,
}

/// The factors in the order in which a kernel meets them: outputs by groups, in a group input by input.
#[derive(Clone, Debug)]
pub(crate) enum Factors {
    /// The matrix itself serves.
    None,
    /// Two tables of 16 each.
    Nibbles(Vec<[u8; 32]>),
    /// A bit matrix each.
    Affine(Vec<u64>),
}

/// The most bytes that the scalar kernel sums before it turns to the next output: inputs stay in the first cache.
const BLOCK: usize = 1 << 10;

impl Transform {
    /// Makes a matrix ready; none where this processor lacks the kernel.
    pub fn new(matrix: Matrix, kernel: Kernel) -> Option<Transform> {
        if !kernel.available() {
            return None;
        }
        let factors = match kernel {
            Kernel::Scalar => Factors::None,
            Kernel::Ssse3 | Kernel::Avx2 | Kernel::Neon => Factors::Nibbles(laid_out(&matrix, kernel, field::nibbles)),
            Kernel::Gfni256 | Kernel::Gfni512 => Factors::Affine(laid_out(&matrix, kernel, field::affine)),
        };
        Some(Transform { kernel, stores: Stores::Cached, ones: matrix.begins_with_ones(), matrix, factors })
    }

    /// The same with another way of storing.
    #[must_use]
    pub fn storing(self, stores: Stores) -> Transform {
        Transform { stores, ..self }
    }

    /// The matrix.
    pub fn matrix(&self) -> &Matrix {
        &self.matrix
    }

    /// Writes to each output the sum of all inputs, each multiplied with its factor.
    ///
    /// # Panics
    /// Where there are not as many inputs as columns and outputs as rows, or not all are of one length.
    pub fn apply<I: AsRef<[u8]>, O: AsMut<[u8]>>(&self, inputs: &[I], outputs: &mut [O]) {
        let inputs: Vec<&[u8]> = inputs.iter().map(AsRef::as_ref).collect();
        let mut outputs: Vec<&mut [u8]> = outputs.iter_mut().map(AsMut::as_mut).collect();
        self.sum(&inputs, &mut outputs);
    }

    /// [`apply`](Transform::apply) on slices, which allocates nothing.
    pub fn sum(&self, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        assert_eq!(inputs.len(), self.matrix.columns(), "one input a column");
        assert_eq!(outputs.len(), self.matrix.rows(), "one output a row");
        let Some(length) = outputs.first().map(|output| output.len()) else { return };
        assert!(inputs.iter().all(|input| input.len() == length), "inputs as long as outputs");
        assert!(outputs.iter().all(|output| output.len() == length), "outputs of one length");
        // What is shorter than a vector of any kernel is not worth one.
        if length < simd::LONGEST_VECTOR || matches!(self.factors, Factors::None) {
            return scalar(&self.matrix, inputs, outputs);
        }
        simd::sum(self.kernel, &self.factors, (self.stores, self.ones), inputs, outputs);
    }
}

/// Each factor in the form that a kernel wants, in its order.
fn laid_out<T>(matrix: &Matrix, kernel: Kernel, form: impl Fn(u8) -> T) -> Vec<T> {
    let rows: Vec<usize> = (0..matrix.rows()).collect();
    let mut factors = Vec::with_capacity(matrix.rows() * matrix.columns());
    for group in rows.chunks(simd::group(kernel)) {
        for column in 0..matrix.columns() {
            factors.extend(group.iter().map(|row| form(matrix.row(*row)[column])));
        }
    }
    factors
}

/// The yardstick: a table of products for each factor.
fn scalar(matrix: &Matrix, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    for (row, output) in outputs.iter_mut().enumerate() {
        for (at, block) in (0..).step_by(BLOCK).zip(output.chunks_mut(BLOCK)) {
            block.fill(0);
            for (factor, input) in matrix.row(row).iter().zip(inputs) {
                let products = &PRODUCTS[usize::from(*factor)];
                for (sum, byte) in block.iter_mut().zip(&input[at..]) {
                    *sum ^= products[usize::from(*byte)];
                }
            }
        }
    }
}
