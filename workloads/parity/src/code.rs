//! A code: so many data shards, so many parity shards, and the way back from any loss of as many as there is parity.

use crate::fft::{self, Fft};
use crate::kernel::Kernel;
use crate::matrix::{Family, Matrix};
use crate::transform::{Stores, Transform};

/// The most shards of a code: each has a number of its own in GF(2^8).
pub const MOST_SHARDS: usize = 256;

/// A systematic Reed-Solomon code: the data stands unchanged in the first shards.
///
/// ```
/// use parity::{Code, Family};
/// let code = Code::new(3, 2, Family::Cauchy)?;
/// let data = [*b"many", *b" sma", *b"ll f"];
/// let mut parity = [[0; 4]; 2];
/// code.encode(&data, &mut parity)?;
/// let mut shards = [None, Some(data[1].to_vec()), None, Some(parity[0].to_vec()), Some(parity[1].to_vec())];
/// code.reconstruct(&mut shards)?;
/// assert_eq!((shards[0].as_deref(), shards[2].as_deref()), (Some(&data[0][..]), Some(&data[2][..])));
/// # Ok::<(), parity::CodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Code {
    data: usize,
    parity: usize,
    kernel: Kernel,
    stores: Stores,
    family: Family,
    generator: Matrix,
    encoder: Encoder,
}

/// How parity is made.
#[derive(Clone, Debug)]
enum Encoder {
    /// By the lower part of the generator.
    Matrix(Transform),
    /// By a transform that comes to the same.
    Fourier(Fft),
}

/// Why a code cannot be, or cannot do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeError {
    /// There is no code of that shape.
    Shape {
        /// How many data shards were asked for.
        data: usize,
        /// How many parity shards.
        parity: usize,
    },
    /// This processor lacks the kernel.
    NoKernel(Kernel),
    /// Too many or too few shards were given.
    Count {
        /// How many were given.
        given: usize,
        /// How many there should be.
        needed: usize,
    },
    /// Not all shards have one length.
    Length {
        /// Which differs: its place in what was given.
        shard: usize,
        /// How long it is.
        length: usize,
        /// How long those before it are.
        others: usize,
    },
    /// More is lost than there is parity.
    TooFew {
        /// How many shards are left.
        present: usize,
        /// How many it takes.
        needed: usize,
    },
}

impl Code {
    /// A code of this shape, with the widest kernel that this processor has.
    pub fn new(data: usize, parity: usize, family: Family) -> Result<Code, CodeError> {
        if data == 0 || parity == 0 || data.saturating_add(parity) > MOST_SHARDS {
            return Err(CodeError::Shape { data, parity });
        }
        if family == Family::Fourier && fft::points(data, parity).is_none() {
            return Err(CodeError::Shape { data, parity });
        }
        let (kernel, stores) = (Kernel::best(), Stores::Cached);
        let generator = Matrix::generator(family, data, parity);
        let encoder = encoder(family, &generator, kernel, stores)?;
        Ok(Code { data, parity, kernel, stores, family, generator, encoder })
    }

    /// The same code with a kernel of the caller's choice.
    pub fn on(self, kernel: Kernel) -> Result<Code, CodeError> {
        let encoder = encoder(self.family, &self.generator, kernel, self.stores)?;
        Ok(Code { kernel, encoder, ..self })
    }

    /// The same code with another way of storing. A Fourier transform always stores through the caches.
    #[must_use]
    pub fn storing(self, stores: Stores) -> Code {
        let encoder = match self.encoder {
            Encoder::Matrix(transform) => Encoder::Matrix(transform.storing(stores)),
            fourier @ Encoder::Fourier(_) => fourier,
        };
        Code { stores, encoder, ..self }
    }

    /// How many data shards there are.
    pub fn data(&self) -> usize {
        self.data
    }

    /// How many parity shards there are, which is how many may be lost.
    pub fn parity(&self) -> usize {
        self.parity
    }

    /// How many shards there are in all.
    pub fn shards(&self) -> usize {
        self.data + self.parity
    }

    /// The kernel it runs on.
    pub fn kernel(&self) -> Kernel {
        self.kernel
    }

    /// The matrix that makes all shards of the data.
    pub fn generator(&self) -> &Matrix {
        &self.generator
    }

    /// Makes all parity shards of all data shards; all have one length, which may be zero.
    pub fn encode<D: AsRef<[u8]>, P: AsMut<[u8]>>(&self, data: &[D], parity: &mut [P]) -> Result<(), CodeError> {
        let data: Vec<&[u8]> = data.iter().map(AsRef::as_ref).collect();
        let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(AsMut::as_mut).collect();
        self.encode_slices(&data, &mut parity)
    }

    /// [`encode`](Code::encode) on slices, which allocates nothing.
    pub fn encode_slices(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), CodeError> {
        fits(data, self.data, parity, self.parity)?;
        match &self.encoder {
            Encoder::Matrix(transform) => transform.sum(data, parity),
            Encoder::Fourier(fft) => fft.sum(data, parity),
        }
        Ok(())
    }

    /// What it takes to make the shards `wanted` of those that are `present`, one word for each shard in order. It is
    /// made once for all stripes that lost the same shards.
    pub fn repair(&self, present: &[bool], wanted: &[usize]) -> Result<Repair, CodeError> {
        if present.len() != self.shards() {
            return Err(CodeError::Count { given: present.len(), needed: self.shards() });
        }
        if let Some(beyond) = wanted.iter().find(|shard| **shard >= self.shards()) {
            return Err(CodeError::Count { given: beyond + 1, needed: self.shards() });
        }
        let left = (0..self.shards()).filter(|shard| present[*shard]);
        let sources: Vec<usize> = left.take(self.data).collect();
        if sources.len() < self.data {
            return Err(CodeError::TooFew { present: sources.len(), needed: self.data });
        }
        let undo = self.generator.rows_of(&sources).inverse().expect("any rows of a generator can be undone");
        let matrix = self.generator.rows_of(wanted).times(&undo);
        Ok(Repair { sources, wanted: wanted.to_vec(), transform: transform(matrix, self.kernel, self.stores)? })
    }

    /// Makes every shard that is missing, data or parity.
    pub fn reconstruct(&self, shards: &mut [Option<Vec<u8>>]) -> Result<(), CodeError> {
        let present: Vec<bool> = shards.iter().map(Option::is_some).collect();
        let missing: Vec<usize> = (0..shards.len()).filter(|shard| !present[*shard]).collect();
        let repair = self.repair(&present, &missing)?;
        let given: Vec<&[u8]> = shards.iter().flatten().map(Vec::as_slice).collect();
        let length = one_length(given.iter().map(|shard| shard.len()))?;
        let sources: Vec<&[u8]> = repair.sources.iter().filter_map(|shard| shards[*shard].as_deref()).collect();
        let mut made = vec![vec![0; length]; missing.len()];
        repair.run(&sources, &mut made)?;
        for (shard, bytes) in missing.into_iter().zip(made) {
            shards[shard] = Some(bytes);
        }
        Ok(())
    }
}

/// The way back from one pattern of losses.
#[derive(Clone, Debug)]
pub struct Repair {
    sources: Vec<usize>,
    wanted: Vec<usize>,
    transform: Transform,
}

impl Repair {
    /// The shards that it reads, in the order in which it wants them; data comes first.
    pub fn sources(&self) -> &[usize] {
        &self.sources
    }

    /// The shards that it makes, in the order in which it makes them.
    pub fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    /// Makes the wanted shards of the sources.
    pub fn run<S: AsRef<[u8]>, W: AsMut<[u8]>>(&self, sources: &[S], wanted: &mut [W]) -> Result<(), CodeError> {
        let sources: Vec<&[u8]> = sources.iter().map(AsRef::as_ref).collect();
        let mut wanted: Vec<&mut [u8]> = wanted.iter_mut().map(AsMut::as_mut).collect();
        fits(&sources, self.sources.len(), &wanted, self.wanted.len())?;
        self.transform.sum(&sources, &mut wanted);
        Ok(())
    }
}

fn transform(matrix: Matrix, kernel: Kernel, stores: Stores) -> Result<Transform, CodeError> {
    let transform = Transform::new(matrix, kernel).ok_or(CodeError::NoKernel(kernel))?;
    Ok(transform.storing(stores))
}

fn encoder(family: Family, generator: &Matrix, kernel: Kernel, stores: Stores) -> Result<Encoder, CodeError> {
    let data = generator.columns();
    let lower: Vec<usize> = (data..generator.rows()).collect();
    if family == Family::Fourier
        && let Some(fft) = Fft::new(data, lower.len(), kernel)
    {
        return Ok(Encoder::Fourier(fft));
    }
    Ok(Encoder::Matrix(transform(generator.rows_of(&lower), kernel, stores)?))
}

/// Whether there are as many inputs and outputs as there should be, all of one length.
fn fits(inputs: &[&[u8]], columns: usize, outputs: &[&mut [u8]], rows: usize) -> Result<(), CodeError> {
    for (given, needed) in [(inputs.len(), columns), (outputs.len(), rows)] {
        if given != needed {
            return Err(CodeError::Count { given, needed });
        }
    }
    let lengths = inputs.iter().map(|input| input.len());
    one_length(lengths.chain(outputs.iter().map(|output| output.len())))?;
    Ok(())
}

/// The length that all have.
fn one_length(mut lengths: impl Iterator<Item = usize>) -> Result<usize, CodeError> {
    let others = lengths.next().unwrap_or(0);
    match lengths.enumerate().find(|(_, length)| *length != others) {
        Some((at, length)) => Err(CodeError::Length { shard: at + 1, length, others }),
        None => Ok(others),
    }
}

impl std::fmt::Display for CodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CodeError::Shape { data, parity } => write!(
                f,
                "no such code has {data} data and {parity} parity shards: there is at least one of each, at most \
                 {MOST_SHARDS} in all, and for a Fourier transform at most 64 of each"
            ),
            CodeError::NoKernel(kernel) => write!(f, "this processor lacks {}", kernel.needs()),
            CodeError::Count { given, needed } => write!(f, "{given} shards where there should be {needed}"),
            CodeError::Length { shard, length, others } => {
                write!(f, "shard {shard} of those given has {length} bytes, the others before it {others}")
            }
            CodeError::TooFew { present, needed } => {
                write!(f, "{present} shards are left, and it takes {needed}: more is lost than there is parity")
            }
        }
    }
}

impl std::error::Error for CodeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_cannot_be_are_refused() {
        for (data, parity) in [(0, 1), (1, 0), (200, 57), (usize::MAX, 2)] {
            let refused = Code::new(data, parity, Family::Cauchy).unwrap_err();
            assert_eq!(refused, CodeError::Shape { data, parity });
        }
        for family in [Family::Cauchy, Family::Ones, Family::Vandermonde] {
            assert_eq!(Code::new(200, 56, family).unwrap().shards(), 256);
        }
        assert_eq!(Code::new(65, 2, Family::Fourier).unwrap_err(), CodeError::Shape { data: 65, parity: 2 });
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let code = Code::new(3, 2, Family::Cauchy).unwrap();
        let told = code.encode(&[[0; 4]; 2], &mut [[0; 4]; 2]).unwrap_err();
        assert_eq!(told, CodeError::Count { given: 2, needed: 3 });
        let told = code.encode(&[vec![0; 4], vec![0; 4], vec![0; 5]], &mut [[0; 4]; 2]).unwrap_err();
        assert_eq!(told, CodeError::Length { shard: 2, length: 5, others: 4 });
        assert_eq!(code.repair(&[true; 4], &[]).unwrap_err(), CodeError::Count { given: 4, needed: 5 });
        assert_eq!(code.repair(&[true; 5], &[5]).unwrap_err(), CodeError::Count { given: 6, needed: 5 });
        let mut odd = [Some(vec![0; 2]), Some(vec![0; 2]), None, Some(vec![0; 2]), Some(vec![0; 3])];
        assert_eq!(code.reconstruct(&mut odd).unwrap_err(), CodeError::Length { shard: 3, length: 3, others: 2 });
        assert_eq!(odd[2], None);
    }

    #[test]
    fn a_kernel_that_is_not_there_is_refused() {
        let code = Code::new(3, 2, Family::Cauchy).unwrap();
        for kernel in Kernel::ALL {
            match code.clone().on(kernel) {
                Ok(on) => assert_eq!(on.kernel(), kernel),
                Err(told) => assert_eq!((told, kernel.available()), (CodeError::NoKernel(kernel), false)),
            }
        }
    }

    #[test]
    fn any_two_of_six_shards_come_back_and_three_do_not() {
        for family in [Family::Cauchy, Family::Ones, Family::Vandermonde, Family::Fourier] {
            let code = Code::new(4, 2, family).unwrap();
            let data: Vec<Vec<u8>> =
                (1..5u8).map(|seed| (0..100).map(|at| seed.wrapping_mul(at + 77)).collect()).collect();
            let mut parity = vec![vec![0; 100]; 2];
            code.encode(&data, &mut parity).unwrap();
            let whole: Vec<Vec<u8>> = data.into_iter().chain(parity).collect();
            for lost in 0u32..64 {
                let keep = |(shard, bytes): (usize, &Vec<u8>)| (lost >> shard & 1 == 0).then(|| bytes.clone());
                let mut shards: Vec<Option<Vec<u8>>> = whole.iter().enumerate().map(keep).collect();
                let before = shards.clone();
                match code.reconstruct(&mut shards) {
                    Ok(()) => {
                        assert!(lost.count_ones() <= 2);
                        assert!(shards.iter().flatten().eq(&whole), "{lost:06b}");
                    }
                    Err(told) => {
                        let present = 6 - lost.count_ones() as usize;
                        assert_eq!(told, CodeError::TooFew { present, needed: 4 });
                        assert!(present < 4);
                        assert_eq!(shards, before);
                    }
                }
            }
        }
    }
}
