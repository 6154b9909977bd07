//! The yardstick of all rows: what a run left in memory, by its digest, against what the fixture's bytes should give.

use crate::carried::Carried;
use crate::code::Code;
use crate::kernel::Kernel;
use crate::matrix::Family;
use crate::stripe::{self, Shape, payload};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use technique::{Outcome, Promise, Site};

/// What a run says of itself: what it made, and of how much.
#[derive(Debug, Serialize, Deserialize)]
struct Left {
    shape: Shape,
    stripes: usize,
    made: Made,
}

/// What a run made of its last stripe.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Made {
    /// Parity, and data that was rebuilt from it.
    Parity {
        /// The matrix, where it is one that the tables know too.
        family: Option<Family>,
        /// The word for all data shards.
        data: String,
        /// The word for all parity shards.
        parity: String,
    },
    /// A copy of the data, or data that was packed and unpacked: the word for it.
    Data(String),
    /// All bytes of the data, added up without carry.
    Sum(u8),
    /// The hash of each data shard, in order.
    Hashes(Carried, Vec<[u8; 32]>),
}

/// One word for some shards.
pub(crate) fn word(shards: &[&[u8]]) -> String {
    let mut hasher = blake3::Hasher::new();
    for shard in shards {
        hasher.update(shard);
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Writes down what a run made.
pub(crate) fn leave(site: &Site, shape: Shape, stripes: usize, made: Made) -> Result<()> {
    let place = place(site);
    std::fs::write(&place, serde_json::to_vec(&Left { shape, stripes, made })?)
        .with_context(|| format!("writing {}", place.display()))
}

/// What every run should have done.
pub(crate) fn expected(site: &Site) -> Outcome {
    state(stripe::bytes(&site.tally), RIGHT.to_owned(), true)
}

/// What the run has done.
pub(crate) fn outcome(site: &Site) -> Result<Outcome> {
    let place = place(site);
    let read = || format!("reading {}", place.display());
    let left: Left = serde_json::from_slice(&std::fs::read(&place).with_context(read)?).with_context(read)?;
    let data = payload(site, left.shape.stripe())?;
    let shards: Vec<&[u8]> = data.chunks_exact(left.shape.shard).collect();
    let bytes = (left.stripes * left.shape.stripe()) as u64;
    let is_recovered = matches!(&left.made, Made::Parity { data, .. } if *data == word(&shards));
    Ok(state(bytes, told(&left, &shards)?, is_recovered))
}

const RIGHT: &str = "what it should be";

fn state(bytes: u64, result: String, is_recovered: bool) -> Outcome {
    let mut outcome = Outcome::default();
    outcome.state(b"stripes", "bytes", bytes.to_string());
    outcome.state(b"stripes", "result", result);
    // A copy, a sum and a hash are right, and bring back nothing that is lost.
    let recovered = if is_recovered { "made again" } else { "not made again" };
    outcome.state_if(Promise::Recoverable, b"stripes", "lost shards", recovered);
    outcome
}

/// What there is to say of the result.
fn told(left: &Left, shards: &[&[u8]]) -> Result<String> {
    let wrong = match &left.made {
        Made::Parity { data, .. } if *data != word(shards) => Some("other data than was lost"),
        Made::Parity { family: Some(family), parity, .. } if *parity != due(left.shape, *family, shards)? => {
            Some("other parity than the tables make")
        }
        Made::Data(data) if *data != word(shards) => Some("another copy than the data"),
        Made::Sum(sum) if *sum != shards.concat().iter().fold(0, |sum, byte| sum ^ byte) => Some("another sum"),
        Made::Hashes(carried, hashes) if !shards.iter().map(|shard| carried.hash(shard)).eq(hashes.iter().copied()) => {
            Some("other hashes")
        }
        _ => None,
    };
    Ok(wrong.unwrap_or(RIGHT).to_owned())
}

/// The word for the parity that the tables make.
fn due(shape: Shape, family: Family, data: &[&[u8]]) -> Result<String> {
    let mut parity = vec![vec![0; shape.shard]; shape.parity];
    Code::new(shape.data, shape.parity, family)?.on(Kernel::Scalar)?.encode(data, &mut parity)?;
    Ok(word(&parity.iter().map(Vec::as_slice).collect::<Vec<_>>()))
}

fn place(site: &Site) -> PathBuf {
    site.target.join("made.json")
}
