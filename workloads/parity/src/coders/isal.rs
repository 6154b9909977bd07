//! ISA-L, Intel's library, loaded when a row asks for it: Debian's `libisal.so.2`, or the one that `ASSAY_ISAL` names.
//! Nothing of it is needed to build.
#![allow(unsafe_code, reason = "a library in C is called by its header's word alone")]

use super::Coder;
use crate::matrix::{Family, Matrix};
use crate::stripe::{Shape, Stripe};
use anyhow::{Context, Result};
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
        let undo = self.generator.rows_of(&kept).inverse().context("ISA-L's matrix cannot be undone")?;
        let decoder = tables(self.init_tables, &undo.rows_of(&wanted))?;
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
