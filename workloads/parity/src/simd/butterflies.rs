//! Parity by an additive Fourier transform, a column of vectors at a time: from the values that are the data to the
//! polynomial, and from that to its values elsewhere. All but a few of the sums stay in registers.
//!
//! The points are the numbers of GF(2^8) themselves, the basis is that of Lin, Chung and Han ("Novel polynomial basis
//! and its application to Reed-Solomon erasure codes", 2014). A butterfly of a layer of height `h` takes what lies `h`
//! apart; layers below 8 are done by eights that lie together, the others by what lies 8 apart. So there are three
//! passes: eights towards the polynomial; all higher layers, there and back; eights towards the values.

use super::strips::Lane;
use std::mem::MaybeUninit;

/// How many values the first and the last pass take at once.
const EIGHT: usize = 8;
/// The most points of a transform.
const MOST: usize = 64;

/// Makes parity of data, by a transform of 8, 16, 32 or 64 points.
///
/// # Safety
/// The processor has the lane's instructions. There are no more inputs and no more outputs than points, and at least
/// one input; all have one length of at least `L::BYTES`. The factors are those of [`crate::fft`] for that many points,
/// in its order.
#[inline(always)]
pub(super) unsafe fn transform<L: Lane>(
    factors: &[L::Stored],
    points: usize,
    inputs: &[&[u8]],
    outputs: &mut [&mut [u8]],
) {
    // SAFETY: the caller's promise is the same.
    unsafe {
        match points {
            8 => columns::<L, 1>(factors, inputs, outputs),
            16 => columns::<L, 2>(factors, inputs, outputs),
            32 => columns::<L, 4>(factors, inputs, outputs),
            _ => columns::<L, 8>(factors, inputs, outputs),
        }
    }
}

/// Makes all columns of parity.
///
/// # Safety
/// As for [`transform`]; there are `EIGHT * HIGH` points.
#[inline(always)]
unsafe fn columns<L: Lane, const HIGH: usize>(factors: &[L::Stored], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    let length = inputs[0].len();
    let mut at = 0;
    // SAFETY: each column ends within all slices, and the last, which overlaps what is done, begins within them.
    unsafe {
        while at + L::BYTES <= length {
            column::<L, HIGH>(factors.as_ptr(), inputs, outputs, at);
            at += L::BYTES;
        }
        if at < length {
            column::<L, HIGH>(factors.as_ptr(), inputs, outputs, length - L::BYTES);
        }
    }
}

/// Makes one column of parity.
///
/// # Safety
/// As for [`columns`]; a vector at `at` lies within every slice.
#[inline(always)]
unsafe fn column<L: Lane, const HIGH: usize>(
    mut factors: *const L::Stored,
    inputs: &[&[u8]],
    outputs: &mut [&mut [u8]],
    at: usize,
) {
    let mut between = [const { MaybeUninit::<L::Vector>::uninit() }; MOST];
    // SAFETY: the caller has seen to all that is read and written outside. The first pass writes all of `between` that
    // the others read. Factors are read in the order in which they are laid out.
    unsafe {
        let mut groups = inputs.chunks(EIGHT);
        for group in 0..HIGH {
            let mut values = [L::zero(); EIGHT];
            // A full group is the common one, and takes no question for each input.
            match groups.next().unwrap_or_default().as_array::<EIGHT>() {
                Some(inputs) => {
                    for (value, input) in values.iter_mut().zip(inputs) {
                        *value = L::read(input.as_ptr().add(at));
                    }
                }
                None => {
                    for (value, input) in values.iter_mut().zip(inputs.iter().skip(group * EIGHT)) {
                        *value = L::read(input.as_ptr().add(at));
                    }
                }
            }
            inverse::<L, EIGHT>(&mut values, factors);
            factors = factors.add(EIGHT - 1);
            for (place, value) in between[group * EIGHT..][..EIGHT].iter_mut().zip(&values) {
                place.write(*value);
            }
        }
        for low in 0..EIGHT {
            let mut values = [L::zero(); HIGH];
            for (high, value) in values.iter_mut().enumerate() {
                *value = between[high * EIGHT + low].assume_init();
            }
            inverse::<L, HIGH>(&mut values, factors);
            forward::<L, HIGH>(&mut values, factors.add(HIGH - 1));
            for (high, value) in values.iter().enumerate() {
                between[high * EIGHT + low].write(*value);
            }
        }
        factors = factors.add(2 * (HIGH - 1));
        for (group, outputs) in outputs.chunks_mut(EIGHT).enumerate() {
            let mut values = [L::zero(); EIGHT];
            for (value, place) in values.iter_mut().zip(&between[group * EIGHT..][..EIGHT]) {
                *value = place.assume_init();
            }
            forward::<L, EIGHT>(&mut values, factors);
            factors = factors.add(EIGHT - 1);
            match outputs.as_mut_array::<EIGHT>() {
                Some(outputs) => {
                    for (output, value) in outputs.iter_mut().zip(&values) {
                        L::store(output.as_mut_ptr().add(at), *value);
                    }
                }
                None => {
                    for (output, value) in outputs.iter_mut().zip(&values) {
                        L::store(output.as_mut_ptr().add(at), *value);
                    }
                }
            }
        }
    }
}

/// From values towards the polynomial, from the lowest layer to the highest.
///
/// # Safety
/// The processor has the lane's instructions, and there are `SIZE - 1` factors.
#[inline(always)]
unsafe fn inverse<L: Lane, const SIZE: usize>(values: &mut [L::Vector; SIZE], mut factors: *const L::Stored) {
    let mut height = 1;
    while height < SIZE {
        for block in (0..SIZE).step_by(2 * height) {
            // SAFETY: the caller's promise.
            unsafe {
                let factor = L::factor(factors);
                factors = factors.add(1);
                for at in block..block + height {
                    values[at + height] = L::xor(values[at + height], values[at]);
                    values[at] = L::xor(values[at], L::times(L::split(values[at + height]), factor));
                }
            }
        }
        height *= 2;
    }
}

/// From the polynomial towards values, from the highest layer to the lowest.
///
/// # Safety
/// The processor has the lane's instructions, and there are `SIZE - 1` factors.
#[inline(always)]
unsafe fn forward<L: Lane, const SIZE: usize>(values: &mut [L::Vector; SIZE], mut factors: *const L::Stored) {
    let mut height = SIZE / 2;
    while height > 0 {
        for block in (0..SIZE).step_by(2 * height) {
            // SAFETY: the caller's promise.
            unsafe {
                let factor = L::factor(factors);
                factors = factors.add(1);
                for at in block..block + height {
                    values[at] = L::xor(values[at], L::times(L::split(values[at + height]), factor));
                    values[at + height] = L::xor(values[at + height], values[at]);
                }
            }
        }
        height /= 2;
    }
}
