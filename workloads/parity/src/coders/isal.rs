//! ISA-L, Intel's library, loaded when a row asks for it: Debian's `libisal.so.2`, or the one that `ASSAY_ISAL` names.
//! Nothing of it is needed to build.
#![allow(unsafe_code, reason = "a library in C is called by its header's word alone")]

use super::Coder;
use crate::matrix::{Family, Matrix};
use crate::stripe::{Shape, Stripe};
use anyhow::{Context, Result, ensure};
use libloading::Library;
use std::ffi::c_int;
use technique::phase::{ENCODE, REBUILD, SETUP};
use technique::{Absent, Lap};

/// Bytes of table for each factor.
const TABLE: usize = 32;

/// `void ec_init_tables(int k, int rows, unsigned char *a, unsigned char *gftbls)`.
type InitTables = unsafe extern "C" fn(c_int, c_int, *const u8, *mut u8);
/// `void ec_encode_data(int len, int k, int rows, unsigned char *gftbls, unsigned char **data, unsigned char **coding)`.
type EncodeData = unsafe extern "C" fn(c_int, c_int, c_int, *const u8, *const *const u8, *const *mut u8);
/// `void gf_gen_cauchy1_matrix(unsigned char *a, int m, int k)`.
type GenCauchy = unsafe extern "C" fn(*mut u8, c_int, c_int);

/// The library, a code of its own making, and the shape it is for.
pub(super) struct Isal {
    init_tables: InitTables,
    encode_data: EncodeData,
    generator: Matrix,
    encoder: Tables,
    shape: Shape,
    /// Last, for the functions above live in it.
    _library: Library,
}

/// Factors as the library wants them.
struct Tables {
    bytes: Vec<u8>,
    inputs: usize,
    outputs: usize,
}

impl Isal {
    pub(super) fn new(shape: Shape) -> Result<Isal> {
        let name = std::env::var_os("ASSAY_ISAL").unwrap_or_else(|| "libisal.so.2".into());
        // SAFETY: ISA-L's constructors set up nothing but its own tables. Who sets ASSAY_ISAL names what is run.
        let library = unsafe { Library::new(&name) }.map_err(|error| {
            Absent::because(
                format!("no ISA-L here: {}: {error}", name.display()),
                "apt-get install libisal2, or set ASSAY_ISAL to a file",
            )
        })?;
        // SAFETY: these are the types that the header erasure_code.h declares.
        let (init_tables, encode_data, gen_cauchy) = unsafe {
            let told = || format!("{} lacks a function of erasure_code.h", name.display());
            (
                *library.get::<InitTables>(b"ec_init_tables\0").with_context(told)?,
                *library.get::<EncodeData>(b"ec_encode_data\0").with_context(told)?,
                *library.get::<GenCauchy>(b"gf_gen_cauchy1_matrix\0").with_context(told)?,
            )
        };
        let shards = shape.data + shape.parity;
        let mut cells = vec![0; shards * shape.data];
        // SAFETY: it writes a matrix of `shards` rows and `shape.data` columns, for which there is room.
        unsafe { gen_cauchy(cells.as_mut_ptr(), int(shards)?, int(shape.data)?) }
        let generator = Matrix::of(shards, shape.data, |row, column| cells[row * shape.data + column]);
        let lower: Vec<usize> = (shape.data..shards).collect();
        let encoder = tables(init_tables, &generator.rows_of(&lower))?;
        Ok(Isal { init_tables, encode_data, generator, encoder, shape, _library: library })
    }

    /// Makes `wanted` shards of those that are kept, of which there must be as many as there is data.
    fn decoder(&self, kept: &[usize], wanted: &[usize]) -> Result<Tables> {
        let (kept_count, data) = (kept.len(), self.shape.data);
        ensure!(kept_count == data, "{kept_count} shards are kept, and ISA-L's code takes {data}");
        let undo = self.generator.rows_of(kept).inverse().context("ISA-L's matrix cannot be undone")?;
        tables(self.init_tables, &self.generator.rows_of(wanted).times(&undo))
    }

    /// Writes to each output the sum of the inputs.
    fn sum(&self, tables: &Tables, inputs: &[*const u8], outputs: &[*mut u8]) -> Result<()> {
        assert_eq!((inputs.len(), outputs.len()), (tables.inputs, tables.outputs), "what the tables are for");
        let (length, columns, rows) = (int(self.shape.shard)?, int(inputs.len())?, int(outputs.len())?);
        // SAFETY: the tables were made by this library, on this processor, for as many inputs and outputs; all point
        // at shards of this length, which `encode` and `rebuild` hold for as long as the call lasts.
        unsafe {
            (self.encode_data)(length, columns, rows, tables.bytes.as_ptr(), inputs.as_ptr(), outputs.as_ptr());
        }
        Ok(())
    }
}

impl Coder for Isal {
    fn family(&self) -> Option<Family> {
        Some(Family::Cauchy)
    }

    fn encode(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()> {
        let (data, mut parity) = stripe.split_last(self.shape.data);
        let (inputs, outputs) = pointers(&data, &mut parity);
        for _ in 0..times {
            self.sum(&self.encoder, &inputs, &outputs)?;
            lap.mark(ENCODE);
        }
        Ok(())
    }

    fn rebuild(&mut self, stripe: &mut Stripe, times: usize, lap: &mut Lap) -> Result<()> {
        let lost = self.shape.lost();
        let kept: Vec<usize> = (lost..lost + self.shape.data).collect();
        let wanted: Vec<usize> = (0..lost).collect();
        let decoder = self.decoder(&kept, &wanted)?;
        lap.mark(SETUP);
        let (mut wanted, kept) = stripe.split(lost);
        let (inputs, outputs) = pointers(&kept[..self.shape.data], &mut wanted);
        for _ in 0..times {
            self.sum(&decoder, &inputs, &outputs)?;
            lap.mark(REBUILD);
        }
        Ok(())
    }
}

fn tables(init: InitTables, matrix: &Matrix) -> Result<Tables> {
    let (outputs, inputs) = (matrix.rows(), matrix.columns());
    let cells: Vec<u8> = (0..outputs).flat_map(|row| matrix.row(row)).copied().collect();
    let mut bytes = vec![0; TABLE * inputs * outputs];
    // SAFETY: it reads a matrix of that many rows and columns, and writes 32 bytes for each cell.
    unsafe { init(int(inputs)?, int(outputs)?, cells.as_ptr(), bytes.as_mut_ptr()) }
    Ok(Tables { bytes, inputs, outputs })
}

fn pointers(inputs: &[&[u8]], outputs: &mut [&mut [u8]]) -> (Vec<*const u8>, Vec<*mut u8>) {
    (
        inputs.iter().map(|input| input.as_ptr()).collect(),
        outputs.iter_mut().map(|output| output.as_mut_ptr()).collect(),
    )
}

fn int(number: usize) -> Result<c_int> {
    c_int::try_from(number).context("more than ISA-L takes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;
    use crate::kernel::Kernel;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, RngSeed, TestRunner};

    /// Makes these shards of the others; says what they are.
    fn recovered(isal: &Isal, whole: &[Vec<u8>], lost: &[usize]) -> Result<Vec<Vec<u8>>> {
        let kept: Vec<usize> = (0..whole.len()).filter(|at| !lost.contains(at)).take(isal.shape.data).collect();
        let inputs: Vec<&[u8]> = kept.iter().map(|at| whole[*at].as_slice()).collect();
        let mut made = vec![vec![0xa5; isal.shape.shard]; lost.len()];
        let mut outputs: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
        let (inputs, outputs) = pointers(&inputs, &mut outputs);
        isal.sum(&isal.decoder(&kept, lost)?, &inputs, &outputs)?;
        Ok(made)
    }

    #[test]
    fn it_is_a_cauchy_code_and_brings_back_any_losses() {
        if let Err(error) = Isal::new(Shape { data: 4, parity: 2, shard: 64 }) {
            return technique::absent::skip("isal", &error.to_string());
        }
        let cases = (1..24usize, 1..24usize, 1..300usize).prop_flat_map(|(data, parity, shard)| {
            let order = Just((0..data + parity).collect::<Vec<_>>()).prop_shuffle();
            let bytes = prop::collection::vec(any::<u8>(), data * shard);
            (Just(Shape { data, parity, shard }), bytes, order)
        });
        let config = Config { cases: 64, failure_persistence: None, rng_seed: RngSeed::Fixed(13), ..Config::default() };
        let run = |(shape, bytes, order): (Shape, Vec<u8>, Vec<usize>)| {
            let mut isal = Isal::new(shape).unwrap();
            let mut stripe = Stripe::new(shape.data + shape.parity, shape.shard, &bytes);
            isal.encode(&mut stripe, 1, &mut Lap::start(false)).unwrap();
            let whole: Vec<Vec<u8>> = stripe.shards().into_iter().map(<[u8]>::to_vec).collect();
            let code = Code::new(shape.data, shape.parity, Family::Cauchy).unwrap().on(Kernel::Scalar).unwrap();
            let mut due = vec![vec![0; shape.shard]; shape.parity];
            code.encode(&whole[..shape.data], &mut due).unwrap();
            assert!(whole[shape.data..] == due, "{shape:?}: other parity than the tables make");
            for losses in [1, shape.parity.div_ceil(2), shape.parity] {
                let lost = &order[..losses];
                let due: Vec<Vec<u8>> = lost.iter().map(|at| whole[*at].clone()).collect();
                assert!(recovered(&isal, &whole, lost).unwrap() == due, "{shape:?} lost {lost:?}");
            }
            let told = recovered(&isal, &whole, &order[..=shape.parity]).unwrap_err().to_string();
            assert!(told.contains("are kept"), "{told}");
            Ok(())
        };
        TestRunner::new(config).run(&cases, run).unwrap();
    }
}
