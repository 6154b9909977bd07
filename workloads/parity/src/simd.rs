//! Sums over GF(2^8) by vector instructions. All of this crate's own unsafe code stands here and below.
#![allow(unsafe_code, reason = "vector instructions read and write by pointer, and not every processor has them")]
#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the processor's instructions")]
#![allow(
    clippy::cast_ptr_alignment,
    reason = "loads and stores here take any alignment, but for those past the caches"
)]

mod butterflies;
#[cfg(target_arch = "aarch64")]
mod neon;
mod strips;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::kernel::Kernel;
use crate::transform::{Factors, Stores};

/// The bytes of the widest vector of any kernel: what is shorter is summed by the scalar kernel.
pub(crate) const LONGEST_VECTOR: usize = 64;

/// How many outputs a kernel sums at once, in registers.
pub(crate) const fn group(kernel: Kernel) -> usize {
    match kernel {
        Kernel::Scalar => 1,
        Kernel::Ssse3 | Kernel::Avx2 | Kernel::Gfni256 | Kernel::Neon => 4,
        Kernel::Gfni512 => 8,
    }
}

/// How sums are made: how they reach memory, and whether the first output and the first input take no products.
pub(crate) type Manner = (Stores, bool);

/// Writes to each output the sum of all inputs times their factors, which are laid out for this kernel.
///
/// The caller has seen to it that the kernel is available, that all slices have one length of at least
/// [`LONGEST_VECTOR`], and that there is a factor for each pair of an input and an output.
pub(crate) fn sum(kernel: Kernel, factors: &Factors, manner: Manner, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    let pairs = inputs.len() * outputs.len();
    let length = outputs.first().map_or(0, |output| output.len());
    assert!(kernel.available() && length >= LONGEST_VECTOR, "the scalar kernel is for what is left");
    assert!(inputs.iter().all(|input| input.len() == length), "inputs as long as outputs");
    assert!(outputs.iter().all(|output| output.len() == length), "outputs of one length");
    match (kernel, factors) {
        #[cfg(target_arch = "x86_64")]
        (Kernel::Ssse3, Factors::Nibbles(factors)) if factors.len() == pairs => {
            // SAFETY: the processor has ssse3; lengths and the number of factors were held against each other above.
            unsafe { x86::ssse3(factors, manner, inputs, outputs) }
        }
        #[cfg(target_arch = "x86_64")]
        (Kernel::Avx2, Factors::Nibbles(factors)) if factors.len() == pairs => {
            // SAFETY: as above, and the processor has avx2.
            unsafe { x86::avx2(factors, manner, inputs, outputs) }
        }
        #[cfg(target_arch = "x86_64")]
        (Kernel::Gfni256, Factors::Affine(factors)) if factors.len() == pairs => {
            // SAFETY: as above, and the processor has gfni and avx2.
            unsafe { x86::gfni256(factors, manner, inputs, outputs) }
        }
        #[cfg(target_arch = "x86_64")]
        (Kernel::Gfni512, Factors::Affine(factors)) if factors.len() == pairs => {
            // SAFETY: as above, and the processor has gfni, avx512f and avx512bw.
            unsafe { x86::gfni512(factors, manner, inputs, outputs) }
        }
        #[cfg(target_arch = "aarch64")]
        (Kernel::Neon, Factors::Nibbles(factors)) if factors.len() == pairs => {
            // SAFETY: as above, and the processor has neon.
            unsafe { neon::neon(factors, manner, inputs, outputs) }
        }
        _ => unreachable!("{kernel:?} has {pairs} pairs and other factors"),
    }
}

/// Makes the parity of data by a transform of so many points.
///
/// The caller has seen to the same as for [`sum`], but the factors are those of [`crate::fft`] for that many points.
pub(crate) fn fft(kernel: Kernel, factors: &Factors, points: usize, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    let length = inputs.first().map_or(0, |input| input.len());
    assert!(kernel.available() && length >= LONGEST_VECTOR, "the tables are for what is left");
    assert!(inputs.iter().all(|input| input.len() == length), "inputs of one length");
    assert!(outputs.iter().all(|output| output.len() == length), "outputs as long as inputs");
    assert!(matches!(points, 8 | 16 | 32 | 64), "the sizes that there are");
    assert!(inputs.len() <= points && outputs.len() <= points, "no more shards of a kind than points");
    let due = 2 * (points - 1);
    match (kernel, factors) {
        #[cfg(target_arch = "x86_64")]
        (Kernel::Ssse3, Factors::Nibbles(factors)) if factors.len() == due => {
            // SAFETY: the processor has ssse3; lengths, points and factors were held against each other above.
            unsafe { x86::ssse3_fft(factors, points, inputs, outputs) }
        }
        #[cfg(target_arch = "x86_64")]
        (Kernel::Avx2, Factors::Nibbles(factors)) if factors.len() == due => {
            // SAFETY: as above, and the processor has avx2.
            unsafe { x86::avx2_fft(factors, points, inputs, outputs) }
        }
        #[cfg(target_arch = "x86_64")]
        (Kernel::Gfni256, Factors::Affine(factors)) if factors.len() == due => {
            // SAFETY: as above, and the processor has gfni and avx2.
            unsafe { x86::gfni256_fft(factors, points, inputs, outputs) }
        }
        #[cfg(target_arch = "x86_64")]
        (Kernel::Gfni512, Factors::Affine(factors)) if factors.len() == due => {
            // SAFETY: as above, and the processor has gfni, avx512f and avx512bw.
            unsafe { x86::gfni512_fft(factors, points, inputs, outputs) }
        }
        #[cfg(target_arch = "aarch64")]
        (Kernel::Neon, Factors::Nibbles(factors)) if factors.len() == due => {
            // SAFETY: as above, and the processor has neon.
            unsafe { neon::neon_fft(factors, points, inputs, outputs) }
        }
        _ => unreachable!("{kernel:?} has {points} points and other factors"),
    }
}

/// All bytes added up, with the widest loads that this processor has: what reading memory takes.
pub(crate) fn fold(bytes: &[u8]) -> u8 {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has avx512f.
        return unsafe { x86::fold512(bytes) };
    } else if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has avx2.
        return unsafe { x86::fold256(bytes) };
    }
    fold_by_lanes(bytes)
}

/// The same in plain code, which the compiler turns into the vectors of the function that it stands in.
#[inline(always)]
fn fold_by_lanes(bytes: &[u8]) -> u8 {
    let (chunks, rest) = bytes.as_chunks::<512>();
    let mut sums = [0u64; 64];
    for chunk in chunks {
        let (words, _) = chunk.as_chunks::<8>();
        for (sum, word) in sums.iter_mut().zip(words) {
            *sum ^= u64::from_ne_bytes(*word);
        }
    }
    let sum = sums.iter().fold(0, |all, sum| all ^ sum).to_ne_bytes();
    sum.iter().chain(rest).fold(0, |all, byte| all ^ byte)
}
