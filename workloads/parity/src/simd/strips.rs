//! The order of the work, the same for all kernels: blocks of columns that fit the first cache; in a block, groups of
//! outputs that fit the registers; in a group, strips of a few vectors, in which each input is read once.

use super::Manner;
use crate::transform::Stores;

/// The vectors of one kind of processor.
///
/// # Safety
/// Each function may be called only where the processor has the instructions of this lane, and must be inlined into
/// a function that is compiled for them.
pub(super) trait Lane {
    /// A register.
    type Vector: Copy;
    /// A register of input, taken apart as multiplication wants it.
    type Input: Copy;
    /// A factor as it lies in memory.
    type Stored;
    /// A factor in registers.
    type Factor: Copy;
    /// The bytes of a register.
    const BYTES: usize;
    /// The most outputs of a group.
    const GROUP: usize;

    /// Nothing.
    unsafe fn zero() -> Self::Vector;
    /// Reads a vector from a place of any alignment.
    unsafe fn read(from: *const u8) -> Self::Vector;
    /// Takes a vector apart for multiplication.
    unsafe fn split(vector: Self::Vector) -> Self::Input;
    /// The sum of two.
    unsafe fn xor(one: Self::Vector, other: Self::Vector) -> Self::Vector;
    /// Reads a factor.
    unsafe fn factor(from: *const Self::Stored) -> Self::Factor;
    /// The product of each byte with a factor.
    unsafe fn times(input: Self::Input, factor: Self::Factor) -> Self::Vector;
    /// Writes a vector to a place of any alignment.
    unsafe fn store(to: *mut u8, sum: Self::Vector);
    /// Writes a vector past the caches to a place that is a multiple of its size.
    unsafe fn stream(to: *mut u8, sum: Self::Vector);
    /// Waits until what went past the caches can be seen.
    unsafe fn fence();
}

/// The bytes of input that a block may have where several groups of outputs read it one after another.
const BLOCK: usize = 16 << 10;

/// Sums all inputs into all outputs. Where the matrix begins with ones, the first group of outputs makes use of it.
///
/// # Safety
/// The processor has the lane's instructions. All slices have one length of at least `L::BYTES`. There are as many
/// factors as pairs of an input and an output, laid out by groups of `L::GROUP`.
#[inline(always)]
pub(super) unsafe fn run<L: Lane>(
    factors: &[L::Stored],
    (stores, ones): Manner,
    inputs: &[&[u8]],
    outputs: &mut [&mut [u8]],
) {
    let length = outputs[0].len();
    // Miri knows no stores past the caches.
    let streams = stores == Stores::Streamed
        && !cfg!(miri)
        && outputs.iter().all(|output| output.as_ptr().addr() % L::BYTES == 0);
    let block = if outputs.len() <= L::GROUP {
        length
    } else {
        // A multiple of every strip, so that only the last block has a tail.
        (BLOCK / inputs.len().max(1)).next_multiple_of(L::BYTES * 8)
    };
    let mut from = 0;
    while from < length {
        let to = length.min(from + block);
        for (group, outputs) in outputs.chunks_mut(L::GROUP).enumerate() {
            let job = Job::<L> { factors: factors[group * L::GROUP * inputs.len()..].as_ptr(), inputs, from, to };
            // SAFETY: the job's columns lie within all slices, and its factors begin where the group's do.
            unsafe {
                match (streams, ones && group == 0) {
                    (true, _) => job.sized::<true, false>(outputs),
                    (false, true) => job.sized::<false, true>(outputs),
                    (false, false) => job.sized::<false, false>(outputs),
                }
            }
        }
        from = to;
    }
    if streams {
        // SAFETY: the processor has the lane's instructions.
        unsafe { L::fence() }
    }
}

/// A range of columns to be summed into one group of outputs.
struct Job<'a, L: Lane> {
    factors: *const L::Stored,
    inputs: &'a [&'a [u8]],
    from: usize,
    to: usize,
}

impl<L: Lane> Job<'_, L> {
    /// Sums with strips of four vectors where there are one or two outputs, and of two where there are more.
    ///
    /// # Safety
    /// As for [`Job::group`], for as many outputs as there are.
    #[inline(always)]
    unsafe fn sized<const STREAM: bool, const ONES: bool>(&self, outputs: &mut [&mut [u8]]) {
        // SAFETY: the caller's promise is the same.
        unsafe {
            match outputs.len() {
                1 => self.group::<1, 4, STREAM, ONES>(outputs),
                2 => self.group::<2, 4, STREAM, ONES>(outputs),
                3 => self.group::<3, 2, STREAM, ONES>(outputs),
                4 => self.group::<4, 2, STREAM, ONES>(outputs),
                5 => self.group::<5, 2, STREAM, ONES>(outputs),
                6 => self.group::<6, 2, STREAM, ONES>(outputs),
                7 => self.group::<7, 2, STREAM, ONES>(outputs),
                _ => self.group::<8, 2, STREAM, ONES>(outputs),
            }
        }
    }

    /// Sums strips of `WIDE` vectors, then single ones, then a last one that overlaps what is done already: sums do
    /// not depend on what stood in an output, so that making some twice does no harm.
    ///
    /// # Safety
    /// As for [`run`]; there are `OUT` outputs; `from` to `to` lies within every slice; where `STREAM`, outputs are
    /// aligned to a vector and `from` is a multiple of one.
    #[inline(always)]
    unsafe fn group<const OUT: usize, const WIDE: usize, const STREAM: bool, const ONES: bool>(
        &self,
        outputs: &mut [&mut [u8]],
    ) {
        let mut places = [std::ptr::null_mut(); OUT];
        for (place, output) in places.iter_mut().zip(outputs) {
            *place = output.as_mut_ptr();
        }
        let mut at = self.from;
        // SAFETY: every strip ends at or before `to`, and the last one begins no earlier than the slices do, for they
        // are at least one vector long.
        unsafe {
            while at + WIDE * L::BYTES <= self.to {
                self.strip::<OUT, WIDE, STREAM, ONES>(&places, at);
                at += WIDE * L::BYTES;
            }
            while at + L::BYTES <= self.to {
                self.strip::<OUT, 1, STREAM, ONES>(&places, at);
                at += L::BYTES;
            }
            if at < self.to {
                self.strip::<OUT, 1, false, ONES>(&places, self.to - L::BYTES);
            }
        }
    }

    /// Sums one strip: every input is read once, every sum stays in its register until it is complete. With `ONES` the
    /// first input goes into every sum as it is, and every input into the first.
    ///
    /// # Safety
    /// `at` and `WIDE` vectors from there lie within every slice; the rest as for [`Job::group`].
    #[inline(always)]
    unsafe fn strip<const OUT: usize, const WIDE: usize, const STREAM: bool, const ONES: bool>(
        &self,
        outputs: &[*mut u8; OUT],
        at: usize,
    ) {
        // SAFETY: the caller has seen to all that this reads and writes; factors are read for each input in turn,
        // `OUT` of them, which is how they are laid out.
        unsafe {
            let mut sums = [[L::zero(); WIDE]; OUT];
            let (mut factors, mut inputs) = (self.factors, self.inputs);
            if ONES && let Some((first, others)) = inputs.split_first() {
                for wide in 0..WIDE {
                    let input = L::read(first.as_ptr().add(at + wide * L::BYTES));
                    for sums in &mut sums {
                        sums[wide] = input;
                    }
                }
                (factors, inputs) = (factors.add(OUT), others);
            }
            let (pairs, last) = inputs.as_chunks::<2>();
            for [one, other] in pairs {
                let (one, other) = (one.as_ptr().add(at), other.as_ptr().add(at));
                let mut plain = [[L::read(one); WIDE], [L::read(other); WIDE]];
                let mut ones = [L::split(plain[0][0]); WIDE];
                let mut others = [L::split(plain[1][0]); WIDE];
                for wide in 1..WIDE {
                    plain[0][wide] = L::read(one.add(wide * L::BYTES));
                    plain[1][wide] = L::read(other.add(wide * L::BYTES));
                    ones[wide] = L::split(plain[0][wide]);
                    others[wide] = L::split(plain[1][wide]);
                }
                for (out, sums) in sums.iter_mut().enumerate() {
                    if ONES && out == 0 {
                        for (wide, sum) in sums.iter_mut().enumerate() {
                            *sum = L::xor(*sum, L::xor(plain[0][wide], plain[1][wide]));
                        }
                        continue;
                    }
                    let (this, that) = (L::factor(factors.add(out)), L::factor(factors.add(OUT + out)));
                    for (sum, (one, other)) in sums.iter_mut().zip(ones.into_iter().zip(others)) {
                        *sum = L::xor(*sum, L::xor(L::times(one, this), L::times(other, that)));
                    }
                }
                factors = factors.add(2 * OUT);
            }
            if let [one] = last {
                for wide in 0..WIDE {
                    let plain = L::read(one.as_ptr().add(at + wide * L::BYTES));
                    let input = L::split(plain);
                    for (out, sums) in sums.iter_mut().enumerate() {
                        if ONES && out == 0 {
                            sums[wide] = L::xor(sums[wide], plain);
                            continue;
                        }
                        sums[wide] = L::xor(sums[wide], L::times(input, L::factor(factors.add(out))));
                    }
                }
            }
            for (output, sums) in outputs.iter().zip(sums) {
                for (wide, sum) in sums.into_iter().enumerate() {
                    let place = output.add(at + wide * L::BYTES);
                    if STREAM { L::stream(place, sum) } else { L::store(place, sum) }
                }
            }
        }
    }
}
