//! The crates that rows stand beside make the parity that their row says, bring back any losses up to it, and refuse more.
//! ISA-L is held to the same where it is called: `src/coders/isal.rs`.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use parity::{Code, Family, Kernel};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use reed_solomon_erasure::galois_8::ReedSolomon;
use reed_solomon_simd::{decode, encode};

/// Data shards, how much parity, and an order in which shards are lost.
type Case = (Vec<Vec<u8>>, usize, Vec<usize>);

/// Shards are of an even length, for the crate reed-solomon-simd takes no other.
fn cases() -> impl Strategy<Value = Case> {
    (1..24usize, 1..24usize, 1..300usize).prop_flat_map(|(data, parity, half)| {
        let shard = prop::collection::vec(any::<u8>(), 2 * half);
        let order = Just((0..data + parity).collect::<Vec<_>>()).prop_shuffle();
        (prop::collection::vec(shard, data), Just(parity), order)
    })
}

fn for_each(check: impl Fn(&[Vec<u8>], usize, &[usize])) {
    let config = Config { cases: 64, failure_persistence: None, rng_seed: RngSeed::Fixed(11), ..Config::default() };
    let run = |(data, parity, order): Case| {
        check(&data, parity, &order);
        Ok(())
    };
    TestRunner::new(config).run(&cases(), run).unwrap();
}

#[test]
fn the_crate_reed_solomon_erasure_is_a_vandermonde_code() {
    // Its C is compiled for Haswell and does not ask the processor.
    if cfg!(target_arch = "x86_64") && !Kernel::Avx2.available() {
        return technique::absent::skip("processor", "reed-solomon-erasure needs avx2");
    }
    for_each(|data, parity, order| {
        let length = data[0].len();
        let peer = ReedSolomon::new(data.len(), parity).unwrap();
        let mut made = vec![vec![0; length]; parity];
        peer.encode_sep(data, &mut made).unwrap();
        let code = Code::new(data.len(), parity, Family::Vandermonde).unwrap().on(Kernel::Scalar).unwrap();
        let mut due = vec![vec![0; length]; parity];
        code.encode(data, &mut due).unwrap();
        assert!(made == due, "{}+{parity}: other parity than the tables make", data.len());
        let whole: Vec<Vec<u8>> = data.iter().cloned().chain(made).collect();
        for losses in [1, parity.div_ceil(2), parity] {
            let mut shards = without(&whole, &order[..losses]);
            peer.reconstruct(&mut shards).unwrap();
            assert!(shards.iter().flatten().eq(&whole), "{}+{parity} lost {:?}", data.len(), &order[..losses]);
        }
        let told = peer.reconstruct(&mut without(&whole, &order[..=parity])).unwrap_err();
        assert_eq!(told, reed_solomon_erasure::Error::TooFewShardsPresent);
    });
}

fn without(whole: &[Vec<u8>], lost: &[usize]) -> Vec<Option<Vec<u8>>> {
    whole.iter().enumerate().map(|(at, shard)| (!lost.contains(&at)).then(|| shard.clone())).collect()
}

#[test]
fn the_crate_reed_solomon_simd_brings_back_what_it_was_given() {
    for_each(|data, parity, order| {
        let made = encode(data.len(), parity, data).unwrap();
        assert_eq!(made.len(), parity);
        let told = |losses: usize| {
            let is_left = |at: &usize| !order[..losses].contains(at);
            let originals: Vec<(usize, &[u8])> =
                (0..data.len()).filter(is_left).map(|at| (at, data[at].as_slice())).collect();
            let recovery: Vec<(usize, &[u8])> =
                (0..parity).filter(|at| is_left(&(data.len() + at))).map(|at| (at, made[at].as_slice())).collect();
            decode(data.len(), parity, originals, recovery)
        };
        for losses in [1, parity.div_ceil(2), parity] {
            let lost: Vec<usize> = order[..losses].iter().copied().filter(|at| *at < data.len()).collect();
            let restored = told(losses).unwrap();
            assert_eq!(restored.len(), lost.len());
            assert!(lost.iter().all(|at| restored[at] == data[*at]), "{}+{parity} lost {lost:?}", data.len());
        }
        let too_many = told(parity + 1).unwrap_err();
        assert!(matches!(too_many, reed_solomon_simd::Error::NotEnoughShards { .. }), "{too_many}");
    });
}
