//! The vectors of Intel's and AMD's processors.

use super::butterflies::transform;
use super::strips::{Lane, run};
use super::{Manner, group};
use crate::kernel::Kernel;
use std::arch::x86_64::{
    __m128i, __m256i, __m512i, _mm_and_si128, _mm_loadu_si128, _mm_set1_epi8, _mm_setzero_si128, _mm_sfence,
    _mm_shuffle_epi8, _mm_srli_epi64, _mm_storeu_si128, _mm_stream_si128, _mm_xor_si128, _mm256_and_si256,
    _mm256_broadcastsi128_si256, _mm256_gf2p8affine_epi64_epi8, _mm256_loadu_si256, _mm256_set1_epi8,
    _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_stream_si256, _mm256_xor_si256, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_storeu_si512, _mm512_stream_si512, _mm512_xor_si512,
};

/// A function that is compiled for some instructions and sums with the lane that needs them.
macro_rules! kernels {
    ($($name:ident $fft:ident $lane:ident $stored:ty, $features:literal;)*) => {$(
        /// Sums with this lane.
        ///
        /// # Safety
        /// As for [`run`].
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $name(factors: &[$stored], manner: Manner, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
            // SAFETY: the caller's promise is the same, and this function is compiled for the lane's instructions.
            unsafe { run::<$lane>(factors, manner, inputs, outputs) }
        }

        /// Transforms with this lane.
        ///
        /// # Safety
        /// As for [`transform`].
        #[target_feature(enable = $features)]
        pub(super) unsafe fn $fft(factors: &[$stored], points: usize, inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
            // SAFETY: the caller's promise is the same, and this function is compiled for the lane's instructions.
            unsafe { transform::<$lane>(factors, points, inputs, outputs) }
        }
    )*};
}

kernels! {
    ssse3 ssse3_fft Shuffle128 [u8; 32], "ssse3";
    avx2 avx2_fft Shuffle256 [u8; 32], "avx2";
    gfni256 gfni256_fft Affine256  u64,      "gfni,avx2";
    gfni512 gfni512_fft Affine512  u64,      "gfni,avx512f,avx512bw";
}

/// Half-byte tables, 16 bytes at a time.
struct Shuffle128;
/// Half-byte tables, 32 bytes at a time.
struct Shuffle256;
/// Bit matrices, 32 bytes at a time.
struct Affine256;
/// Bit matrices, 64 bytes at a time.
struct Affine512;

// SAFETY (all four): the callers of a lane's functions have seen that the processor has its instructions, and that the
// places they name may be read or written for as many bytes as the lane has.
impl Lane for Shuffle128 {
    type Vector = __m128i;
    type Input = [__m128i; 2];
    type Stored = [u8; 32];
    type Factor = [__m128i; 2];
    const BYTES: usize = 16;
    const GROUP: usize = group(Kernel::Ssse3);

    #[inline(always)]
    unsafe fn zero() -> __m128i {
        // SAFETY: see above.
        unsafe { _mm_setzero_si128() }
    }

    #[inline(always)]
    unsafe fn read(from: *const u8) -> __m128i {
        // SAFETY: see above.
        unsafe { _mm_loadu_si128(from.cast()) }
    }

    #[inline(always)]
    unsafe fn split(bytes: __m128i) -> [__m128i; 2] {
        // SAFETY: see above.
        unsafe {
            let low = _mm_set1_epi8(15);
            [_mm_and_si128(bytes, low), _mm_and_si128(_mm_srli_epi64::<4>(bytes), low)]
        }
    }

    #[inline(always)]
    unsafe fn xor(one: __m128i, other: __m128i) -> __m128i {
        // SAFETY: see above.
        unsafe { _mm_xor_si128(one, other) }
    }

    #[inline(always)]
    unsafe fn factor(from: *const [u8; 32]) -> [__m128i; 2] {
        // SAFETY: see above.
        unsafe { [_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.cast::<__m128i>().add(1))] }
    }

    #[inline(always)]
    unsafe fn times(input: [__m128i; 2], factor: [__m128i; 2]) -> __m128i {
        // SAFETY: see above.
        unsafe { _mm_xor_si128(_mm_shuffle_epi8(factor[0], input[0]), _mm_shuffle_epi8(factor[1], input[1])) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, sum: __m128i) {
        // SAFETY: see above.
        unsafe { _mm_storeu_si128(to.cast(), sum) }
    }

    #[inline(always)]
    unsafe fn stream(to: *mut u8, sum: __m128i) {
        // SAFETY: see above; the place is aligned to 16 bytes.
        unsafe { _mm_stream_si128(to.cast(), sum) }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: see above.
        unsafe { _mm_sfence() }
    }
}

impl Lane for Shuffle256 {
    type Vector = __m256i;
    type Input = [__m256i; 2];
    type Stored = [u8; 32];
    type Factor = [__m256i; 2];
    const BYTES: usize = 32;
    const GROUP: usize = group(Kernel::Avx2);

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn read(from: *const u8) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn split(bytes: __m256i) -> [__m256i; 2] {
        // SAFETY: see above.
        unsafe {
            let low = _mm256_set1_epi8(15);
            [_mm256_and_si256(bytes, low), _mm256_and_si256(_mm256_srli_epi64::<4>(bytes), low)]
        }
    }

    #[inline(always)]
    unsafe fn xor(one: __m256i, other: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_xor_si256(one, other) }
    }

    #[inline(always)]
    unsafe fn factor(from: *const [u8; 32]) -> [__m256i; 2] {
        // SAFETY: see above.
        unsafe {
            let (low, high) = (_mm_loadu_si128(from.cast()), _mm_loadu_si128(from.cast::<__m128i>().add(1)));
            [_mm256_broadcastsi128_si256(low), _mm256_broadcastsi128_si256(high)]
        }
    }

    #[inline(always)]
    unsafe fn times(input: [__m256i; 2], factor: [__m256i; 2]) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_xor_si256(_mm256_shuffle_epi8(factor[0], input[0]), _mm256_shuffle_epi8(factor[1], input[1])) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, sum: __m256i) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_si256(to.cast(), sum) }
    }

    #[inline(always)]
    unsafe fn stream(to: *mut u8, sum: __m256i) {
        // SAFETY: see above; the place is aligned to 32 bytes.
        unsafe { _mm256_stream_si256(to.cast(), sum) }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: see above.
        unsafe { _mm_sfence() }
    }
}

impl Lane for Affine256 {
    type Vector = __m256i;
    type Input = __m256i;
    type Stored = u64;
    type Factor = __m256i;
    const BYTES: usize = 32;
    const GROUP: usize = group(Kernel::Gfni256);

    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_setzero_si256() }
    }

    #[inline(always)]
    unsafe fn read(from: *const u8) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn split(bytes: __m256i) -> __m256i {
        bytes
    }

    #[inline(always)]
    unsafe fn xor(one: __m256i, other: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_xor_si256(one, other) }
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_set1_epi64x((*from).cast_signed()) }
    }

    #[inline(always)]
    unsafe fn times(input: __m256i, factor: __m256i) -> __m256i {
        // SAFETY: see above.
        unsafe { _mm256_gf2p8affine_epi64_epi8::<0>(input, factor) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, sum: __m256i) {
        // SAFETY: see above.
        unsafe { _mm256_storeu_si256(to.cast(), sum) }
    }

    #[inline(always)]
    unsafe fn stream(to: *mut u8, sum: __m256i) {
        // SAFETY: see above; the place is aligned to 32 bytes.
        unsafe { _mm256_stream_si256(to.cast(), sum) }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: see above.
        unsafe { _mm_sfence() }
    }
}

impl Lane for Affine512 {
    type Vector = __m512i;
    type Input = __m512i;
    type Stored = u64;
    type Factor = __m512i;
    const BYTES: usize = 64;
    const GROUP: usize = group(Kernel::Gfni512);

    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn read(from: *const u8) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn split(bytes: __m512i) -> __m512i {
        bytes
    }

    #[inline(always)]
    unsafe fn xor(one: __m512i, other: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_xor_si512(one, other) }
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_set1_epi64((*from).cast_signed()) }
    }

    #[inline(always)]
    unsafe fn times(input: __m512i, factor: __m512i) -> __m512i {
        // SAFETY: see above.
        unsafe { _mm512_gf2p8affine_epi64_epi8::<0>(input, factor) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, sum: __m512i) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(to.cast(), sum) }
    }

    #[inline(always)]
    unsafe fn stream(to: *mut u8, sum: __m512i) {
        // SAFETY: see above; the place is aligned to 64 bytes.
        unsafe { _mm512_stream_si512(to.cast(), sum) }
    }

    #[inline(always)]
    unsafe fn fence() {
        // SAFETY: see above.
        unsafe { _mm_sfence() }
    }
}

/// Adds up all bytes by vectors of 64.
///
/// # Safety
/// The processor has avx512f.
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn fold512(bytes: &[u8]) -> u8 {
    super::fold_by_lanes(bytes)
}

/// Adds up all bytes by vectors of 32.
///
/// # Safety
/// The processor has avx2.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn fold256(bytes: &[u8]) -> u8 {
    super::fold_by_lanes(bytes)
}
