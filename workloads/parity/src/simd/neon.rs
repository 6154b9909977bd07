//! The vectors of 64-bit Arm processors.

use super::butterflies::transform;
use super::strips::{Lane, run};
use super::{Manner, group};
use crate::kernel::Kernel;
use std::arch::aarch64::{uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vqtbl1q_u8, vshrq_n_u8, vst1q_u8};

/// Sums with half-byte tables, 16 bytes at a time.
///
/// # Safety
/// As for [`run`].
#[target_feature(enable = "neon")]
pub(super) unsafe fn neon(factors: &[[u8; 32]], manner: Manner, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    // SAFETY: the caller's promise is the same, and this function is compiled for the lane's instructions.
    unsafe { run::<Table128>(factors, manner, inputs, outputs) }
}

/// Transforms with half-byte tables, 16 bytes at a time.
///
/// # Safety
/// As for [`transform`].
#[target_feature(enable = "neon")]
pub(super) unsafe fn neon_fft(factors: &[[u8; 32]], points: usize, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    // SAFETY: the caller's promise is the same, and this function is compiled for the lane's instructions.
    unsafe { transform::<Table128>(factors, points, inputs, outputs) }
}

/// Half-byte tables, 16 bytes at a time.
struct Table128;

// SAFETY: the callers of a lane's functions have seen that the processor has its instructions, and that the places
// they name may be read or written for as many bytes as the lane has.
impl Lane for Table128 {
    type Vector = uint8x16_t;
    type Input = [uint8x16_t; 2];
    type Stored = [u8; 32];
    type Factor = [uint8x16_t; 2];
    const BYTES: usize = 16;
    const GROUP: usize = group(Kernel::Neon);

    #[inline(always)]
    unsafe fn zero() -> uint8x16_t {
        // SAFETY: see above.
        unsafe { vdupq_n_u8(0) }
    }

    #[inline(always)]
    unsafe fn read(from: *const u8) -> uint8x16_t {
        // SAFETY: see above.
        unsafe { vld1q_u8(from) }
    }

    #[inline(always)]
    unsafe fn split(bytes: uint8x16_t) -> [uint8x16_t; 2] {
        // SAFETY: see above.
        unsafe { [vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8::<4>(bytes)] }
    }

    #[inline(always)]
    unsafe fn xor(one: uint8x16_t, other: uint8x16_t) -> uint8x16_t {
        // SAFETY: see above.
        unsafe { veorq_u8(one, other) }
    }

    #[inline(always)]
    unsafe fn factor(from: *const [u8; 32]) -> [uint8x16_t; 2] {
        // SAFETY: see above.
        unsafe { [vld1q_u8(from.cast()), vld1q_u8(from.cast::<u8>().add(16))] }
    }

    #[inline(always)]
    unsafe fn times(input: [uint8x16_t; 2], factor: [uint8x16_t; 2]) -> uint8x16_t {
        // SAFETY: see above.
        unsafe { veorq_u8(vqtbl1q_u8(factor[0], input[0]), vqtbl1q_u8(factor[1], input[1])) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, sum: uint8x16_t) {
        // SAFETY: see above.
        unsafe { vst1q_u8(to, sum) }
    }

    #[inline(always)]
    unsafe fn stream(to: *mut u8, sum: uint8x16_t) {
        // SAFETY: see above. There is no intrinsic for stores past the caches here.
        unsafe { Self::store(to, sum) }
    }

    #[inline(always)]
    unsafe fn fence() {}
}
