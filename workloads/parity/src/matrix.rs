//! Matrices over GF(2^8): which sums of the data each shard is, and how to undo them.

use crate::fft;
use crate::field::{self, PRODUCTS};

/// Where the factors of a code come from. Each choice makes other parity; both survive the loss of any `parity` shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Family {
    /// One over the sum of a row's and a column's number: what ISA-L's `gf_gen_cauchy1_matrix` makes.
    Cauchy,
    /// The same, each column and then each row divided so that the first parity is a plain sum and the first data shard
    /// goes into every parity as it is: of `k * m` products `k + m - 1` are none.
    Ones,
    /// Powers of the row's number, multiplied so that the data stands unchanged on top: what Backblaze's code, its
    /// Go port and `reed-solomon-erasure` make.
    Vandermonde,
    /// Values of a polynomial at further points: what a Fourier transform makes in `n log n` steps. For at most 64
    /// shards of each kind.
    Fourier,
}

/// A matrix over GF(2^8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    columns: usize,
    cells: Vec<u8>,
}

impl Matrix {
    /// A matrix whose cell at a row and a column is what `cell` says.
    pub fn of(rows: usize, columns: usize, cell: impl Fn(usize, usize) -> u8) -> Matrix {
        let cells = (0..rows * columns).map(|at| cell(at / columns, at % columns)).collect();
        Matrix { columns, cells }
    }

    /// The matrix that makes all shards of the data: its upper part leaves the data as it is. There are at most 256.
    pub(crate) fn generator(family: Family, data: usize, parity: usize) -> Matrix {
        let number = |at: usize| u8::try_from(at).expect("a code has at most 256 shards");
        let identity = |row: usize, column: usize| u8::from(row == column);
        match family {
            Family::Cauchy => Matrix::of(data + parity, data, |row, column| {
                if row < data {
                    return identity(row, column);
                }
                // Rows are numbered above all columns, so that no sum is zero.
                field::inverse(number(row) ^ number(column)).unwrap_or(0)
            }),
            Family::Ones => {
                let cell = |row: usize, column: usize| number(data + row) ^ number(column);
                Matrix::of(data + parity, data, |row, column| {
                    let Some(row) = row.checked_sub(data) else { return identity(row, column) };
                    // Dividing a row or a column leaves every square part of Cauchy's matrix as it was: not singular.
                    let above = field::mul(cell(0, column), cell(row, 0));
                    let below = field::inverse(field::mul(cell(row, column), cell(0, 0))).unwrap_or(0);
                    field::mul(above, below)
                })
            }
            Family::Vandermonde => {
                let powers = Matrix::of(data + parity, data, |row, column| {
                    (0..column).fold(1, |power, _| field::mul(power, number(row)))
                });
                let top: Vec<usize> = (0..data).collect();
                let undo = powers.rows_of(&top).inverse().expect("its rows are powers of different numbers");
                powers.times(&undo)
            }
            Family::Fourier => {
                let points = fft::points(data, parity).expect("the caller knows how many shards a transform takes");
                let lower = fft::matrix(data, parity, points);
                Matrix::of(data + parity, data, |row, column| {
                    if row < data { identity(row, column) } else { lower.row(row - data)[column] }
                })
            }
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.cells.len() / self.columns.max(1)
    }

    /// How many columns there are.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Whether the first row and the first column are ones.
    pub(crate) fn begins_with_ones(&self) -> bool {
        let row = self.rows() > 0 && self.row(0).iter().all(|cell| *cell == 1);
        row && self.cells.iter().step_by(self.columns.max(1)).all(|cell| *cell == 1)
    }

    /// One row.
    pub fn row(&self, row: usize) -> &[u8] {
        &self.cells[row * self.columns..][..self.columns]
    }

    /// A matrix of some of the rows, in that order.
    #[must_use]
    pub fn rows_of(&self, rows: &[usize]) -> Matrix {
        Matrix { columns: self.columns, cells: rows.iter().flat_map(|row| self.row(*row)).copied().collect() }
    }

    /// The product with another, which has as many rows as this has columns.
    #[must_use]
    pub fn times(&self, other: &Matrix) -> Matrix {
        Matrix::of(self.rows(), other.columns, |row, column| {
            let products = self.row(row).iter().enumerate();
            products.fold(0, |sum, (at, cell)| sum ^ PRODUCTS[usize::from(*cell)][usize::from(other.row(at)[column])])
        })
    }

    /// The square matrix that undoes this one, where there is any.
    pub fn inverse(&self) -> Option<Matrix> {
        let size = self.rows();
        if size != self.columns {
            return None;
        }
        // Gauss and Jordan: what turns this into the identity turns the identity into the inverse.
        let mut wide = Matrix::of(size, 2 * size, |row, column| {
            if column < size { self.row(row)[column] } else { u8::from(column - size == row) }
        });
        for at in 0..size {
            let pivot = (at..size).find(|row| wide.row(*row)[at] != 0)?;
            wide.swap(at, pivot);
            let scale = field::inverse(wide.row(at)[at])?;
            for cell in wide.row_mut(at) {
                *cell = PRODUCTS[usize::from(scale)][usize::from(*cell)];
            }
            let clean = wide.row(at).to_vec();
            for row in (0..size).filter(|row| *row != at) {
                let products = &PRODUCTS[usize::from(wide.row(row)[at])];
                for (cell, take) in wide.row_mut(row).iter_mut().zip(&clean) {
                    *cell ^= products[usize::from(*take)];
                }
            }
        }
        Some(Matrix::of(size, size, |row, column| wide.row(row)[size + column]))
    }

    fn row_mut(&mut self, row: usize) -> &mut [u8] {
        &mut self.cells[row * self.columns..][..self.columns]
    }

    fn swap(&mut self, one: usize, other: usize) {
        for column in 0..self.columns {
            self.cells.swap(one * self.columns + column, other * self.columns + column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_times_its_inverse_is_the_identity() {
        let square = Matrix::generator(Family::Cauchy, 9, 9).rows_of(&[9, 1, 12, 3, 4, 10, 6, 17, 8]);
        let identity = Matrix::of(9, 9, |row, column| u8::from(row == column));
        assert_eq!(square.times(&square.inverse().unwrap()), identity);
        assert_eq!(square.inverse().unwrap().times(&square), identity);
    }

    #[test]
    fn a_matrix_with_equal_rows_has_no_inverse() {
        assert_eq!(Matrix::of(3, 3, |_, column| u8::try_from(column).unwrap() + 1).inverse(), None);
        assert_eq!(Matrix::of(2, 3, |_, _| 1).inverse(), None);
    }

    #[test]
    fn the_cauchy_matrix_is_that_of_isal() {
        // gf_gen_cauchy1_matrix(a, 6, 4), its two lower rows.
        let generator = Matrix::generator(Family::Cauchy, 4, 2);
        assert_eq!(generator.row(4), [71, 167, 122, 186]);
        assert_eq!(generator.row(5), [167, 71, 186, 122]);
        assert_eq!(generator.row(2), [0, 0, 1, 0]);
    }

    #[test]
    fn the_vandermonde_matrix_is_that_of_backblaze() {
        // buildMatrix(4, 6) of the Java original and the Go port.
        let generator = Matrix::generator(Family::Vandermonde, 4, 2);
        assert_eq!(generator.row(4), [27, 28, 18, 20]);
        assert_eq!(generator.row(5), [28, 27, 20, 18]);
        assert_eq!(generator.row(3), [0, 0, 0, 1]);
    }

    #[test]
    fn the_matrix_of_ones_has_them_where_it_should() {
        for (data, parity) in [(1, 1), (4, 2), (10, 4), (200, 56)] {
            let lower: Vec<usize> = (data..data + parity).collect();
            let ones = Matrix::generator(Family::Ones, data, parity).rows_of(&lower);
            assert!(ones.begins_with_ones());
            let others = (1..parity).flat_map(|row| ones.row(row)[1..].iter());
            assert!(others.clone().all(|cell| *cell > 1), "{data}+{parity}: a one more would be two equal rows");
        }
        assert!(!Matrix::generator(Family::Cauchy, 4, 2).rows_of(&[4, 5]).begins_with_ones());
    }

    #[test]
    fn any_rows_of_a_small_generator_can_be_undone() {
        for family in [Family::Cauchy, Family::Ones, Family::Vandermonde, Family::Fourier] {
            let (data, parity) = (4, 4);
            let generator = Matrix::generator(family, data, parity);
            for mask in 0u32..1 << (data + parity) {
                let rows: Vec<usize> = (0..data + parity).filter(|row| mask >> row & 1 == 1).collect();
                if rows.len() == data {
                    assert!(generator.rows_of(&rows).inverse().is_some(), "{family:?} {rows:?}");
                }
            }
        }
    }
}
