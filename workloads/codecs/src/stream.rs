//! Stream: each payload in pieces, so that no file needs more memory than a piece, and its hash verified.

use crate::codec::{Decoder, Step};
use crate::decode::{Decode, Ready};
use crate::hash::{Digest, Hash};
use crate::payloads::{self, Payload};
use anyhow::{Context, Result, ensure};
use technique::phase::{DECODE, HASH, SETUP};
use technique::{Lap, Promises, Site, Technique};

/// The size of a piece, in and out: that of the post-mortem's copy buffers.
const PIECE: usize = 256 << 10;

/// Decodes each payload in pieces.
pub(crate) struct Stream(pub(crate) Decode);

impl Technique for Stream {
    type Ready = Ready;

    fn prepare(&self, site: &Site) -> Result<Ready> {
        let mut ready = self.0.ready(site)?;
        ready.buffer.resize(PIECE, 0xa5);
        Ok(ready)
    }

    fn work(&self, ready: &mut Ready, lap: &mut Lap) -> Result<()> {
        let Ready { payloads, decoder, buffer, digests } = ready;
        let hash = self.0.hash;
        digests.clear();
        for payload in payloads.iter() {
            let digest = stream(payload, decoder, buffer, hash, lap);
            digests.push(digest.with_context(|| payload.path.display().to_string())?);
        }
        Ok(())
    }

    fn settle(&self, ready: &mut Ready, site: &Site) -> Result<()> {
        payloads::settle(&ready.payloads, self.0.hash, &ready.digests, site)
    }

    fn repeats(&self) -> bool {
        true
    }

    fn promises(&self) -> Promises {
        self.0.promises()
    }
}

fn stream(payload: Payload, decoder: &mut Decoder, room: &mut [u8], hash: Hash, lap: &mut Lap) -> Result<Digest> {
    decoder.begin(payload.plain_len)?;
    lap.mark(SETUP);
    let mut hashing = hash.begin();
    let mut rest = payload.packed;
    loop {
        let piece = &rest[..rest.len().min(PIECE)];
        let step = decoder.step(piece, room)?;
        lap.mark(DECODE);
        hashing.update(&room[..step.produced]);
        lap.mark(HASH);
        rest = &rest[step.consumed..];
        if step.done {
            break;
        }
        ensure!(step != STUCK, "the payload is cut short");
    }
    ensure!(rest.is_empty(), "{} bytes follow the payload", rest.len());
    let digest = hashing.finish();
    payload.verify(hash, digest)?;
    lap.mark(HASH);
    Ok(digest)
}

/// A step that wants more input.
const STUCK: Step = Step { consumed: 0, produced: 0, done: false };
