//! Decode: each payload whole, from memory to memory, and its hash verified.

use crate::codec::{Decoder, Decoding};
use crate::hash::{Digest, Hash};
use crate::payloads::{self, Payloads};
use anyhow::{Context, Result};
use technique::phase::{DECODE, HASH, SETUP};
use technique::{Lap, Promise, Promises, Site, Technique};

/// Decodes each payload whole.
pub(crate) struct Decode {
    /// The way to unpack.
    pub(crate) decoding: Decoding,
    /// Whether the payloads were packed with a dictionary trained on them.
    pub(crate) dictionary: bool,
    /// What verifies them.
    pub(crate) hash: Hash,
}

/// Payloads in memory, a decoder, and room for the longest file.
pub(crate) struct Ready {
    pub(crate) payloads: Payloads,
    pub(crate) decoder: Decoder,
    pub(crate) buffer: Vec<u8>,
    pub(crate) digests: Vec<Digest>,
}

impl Decode {
    pub(crate) fn ready(&self, site: &Site) -> Result<Ready> {
        let payloads = Payloads::of(site, self.decoding.codec, self.dictionary)?;
        let decoder = self.decoding.decoder(payloads.dictionary())?;
        // Filled with something, so that every page is there: this part is about codecs, not about page faults.
        let buffer = vec![0xa5; payloads.longest()];
        let digests = Vec::with_capacity(payloads.len());
        Ok(Ready { payloads, decoder, buffer, digests })
    }
}

impl Technique for Decode {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        self.ready(site)
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let Ready { payloads, decoder, buffer, digests } = ready;
        digests.clear();
        for payload in payloads.iter() {
            decoder.refresh()?;
            lap.mark(SETUP);
            let plain = &mut buffer[..payload.plain_len];
            decoder.decode(payload.packed, plain).with_context(|| payload.path.display().to_string())?;
            lap.mark(DECODE);
            let digest = self.hash.of(plain);
            payload.verify(self.hash, digest)?;
            digests.push(digest);
            lap.mark(HASH);
        }
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        payloads::settle(&ready.payloads, self.hash, &ready.digests, site)
    }

    fn repeats(&self) -> bool {
        true
    }

    fn promises(&self) -> Promises {
        Promises::NONE.with(Promise::Verified)
    }
}
