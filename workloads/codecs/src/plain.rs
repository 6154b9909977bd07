//! Plain: payloads as they are. Unpacking is a copy, which is the floor under every codec.

use crate::codec::{Pack, Step, Unpack};
use anyhow::{Result, ensure};

/// Packs and unpacks by copying.
#[derive(Default)]
pub(crate) struct Copying {
    left: usize,
}

impl Pack for Copying {
    fn pack(&mut self, plain: &[u8]) -> Result<Vec<u8>> {
        Ok(plain.to_vec())
    }
}

impl Unpack for Copying {
    fn renew(&mut self) -> Result<()> {
        Ok(())
    }

    fn decode(&mut self, packed: &[u8], into: &mut [u8]) -> Result<()> {
        ensure!(packed.len() == into.len(), "the payload has {} bytes, should have {}", packed.len(), into.len());
        into.copy_from_slice(packed);
        Ok(())
    }

    fn begin(&mut self, plain_len: usize) -> Result<()> {
        self.left = plain_len;
        Ok(())
    }

    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step> {
        let copied = input.len().min(output.len()).min(self.left);
        output[..copied].copy_from_slice(&input[..copied]);
        self.left -= copied;
        Ok(Step { consumed: copied, produced: copied, done: self.left == 0 })
    }
}
