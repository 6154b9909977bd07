//! Who makes parity: a code, or one that has done so before anybody measures.

use crate::format::Object;
use crate::stripe::{Full, size};
use anyhow::{Context, Result};
use parity::Code;
use std::fs::File;
use std::sync::{Mutex, PoisonError};
use technique::Lap;

/// Makes the parity of stripes.
pub trait Encode: Sync {
    /// Makes the parity blocks of the stripe of that number, one behind the other, of its data blocks.
    fn encode(&self, number: u64, data: &[&[u8]], parity: &mut Vec<u8>) -> Result<()>;
}

impl Encode for Code {
    fn encode(&self, _number: u64, data: &[&[u8]], parity: &mut Vec<u8>) -> Result<()> {
        let block = data.first().map_or(0, |block| block.len());
        let mut blocks: Vec<&mut [u8]> = parity.chunks_exact_mut(block.max(1)).take(self.parity()).collect();
        Ok(Code::encode(self, data, &mut blocks)?)
    }
}

/// The parity of an object's stripes, made beforehand. Each may be taken once.
pub(crate) struct Beforehand(Vec<Mutex<Vec<u8>>>);

impl Beforehand {
    /// Makes all parity of an object that is not packed.
    pub(crate) fn make(code: &Code, file: &File, object: &Object) -> Result<Beforehand> {
        let mut made = Vec::with_capacity(size(object.stripes())?);
        let mut lap = Lap::start(false);
        for number in 0..object.stripes() {
            let mut full = Full::room(object)?;
            full.fill(file, object, number, None, &mut lap)?;
            full.encode(code, &mut lap)?;
            made.push(Mutex::new(full.into_parity()));
        }
        Ok(Beforehand(made))
    }
}

impl Encode for Beforehand {
    fn encode(&self, number: u64, _data: &[&[u8]], parity: &mut Vec<u8>) -> Result<()> {
        let made = self.0.get(size(number)?).context("there is parity for every stripe")?;
        *parity = std::mem::take(&mut *made.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }
}
