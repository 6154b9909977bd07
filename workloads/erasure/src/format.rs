//! The format of a shard: a head that says whose it is, then block after block, each with its own hash.
//!
//! All numbers are little-endian. A head takes 64 bytes, and so does what stands before each block; a block's hash is
//! bound to the object, the shard and the place where it stands, so that neither rot nor a block of elsewhere passes.

use parity::Carried;
use std::fmt;

/// The bytes of a head, and of what stands before a block.
pub const HEAD: usize = 64;
/// How a shard begins.
const MAGIC: [u8; 8] = *b"ASSAYSHD";
/// The version that this program writes.
pub const VERSION: u16 = 1;

/// Which object, and which writing of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub [u8; 16]);

impl Id {
    /// An id that these bytes give, the same each time.
    pub fn of(bytes: &[u8]) -> Id {
        let mut id = [0; 16];
        id.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
        Id(id)
    }

    /// The id that is written so, as 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Id> {
        let hexadecimal = text.len() == 32 && text.bytes().all(|letter| letter.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| hexadecimal)?;
        Some(Id(number.to_be_bytes()))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What all shards of an object have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// Which object, and which writing of it.
    pub id: Id,
    /// Data shards.
    pub data: u16,
    /// Parity shards.
    pub parity: u16,
    /// The most bytes of a block: a stripe holds as many of them as there are data shards.
    pub block: u64,
    /// The object's bytes.
    pub length: u64,
    /// What each block carries.
    pub hash: Carried,
    /// Whether stripes may be packed.
    pub packed: bool,
}

impl Object {
    /// How many shards there are.
    pub fn shards(&self) -> usize {
        usize::from(self.data) + usize::from(self.parity)
    }

    /// The object's bytes in a whole stripe.
    pub fn stripe(&self) -> u64 {
        self.block * u64::from(self.data)
    }

    /// How many stripes there are.
    pub fn stripes(&self) -> u64 {
        self.length.div_ceil(self.stripe())
    }

    /// The object's bytes in that stripe.
    pub fn raw(&self, stripe: u64) -> u64 {
        self.length.saturating_sub(stripe * self.stripe()).min(self.stripe())
    }

    /// A shard's whole length, where nothing is packed.
    pub fn shard_bytes(&self) -> u64 {
        let blocks: u64 = match self.stripes() {
            0 => 0,
            all => (all - 1) * self.block + self.raw(all - 1).div_ceil(u64::from(self.data)),
        };
        HEAD as u64 * (1 + self.stripes()) + blocks
    }

    /// Where that stripe's block begins in each shard, where nothing is packed: with what stands before it.
    pub(crate) fn place_of(&self, stripe: u64) -> u64 {
        HEAD as u64 + stripe * (HEAD as u64 + self.block)
    }

    /// The head of one of its shards.
    pub fn head(&self, index: usize) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&MAGIC);
        head[8..10].copy_from_slice(&VERSION.to_le_bytes());
        head[10] = hash_number(self.hash);
        head[11] = u8::from(self.packed);
        head[12..14].copy_from_slice(&self.data.to_le_bytes());
        head[14..16].copy_from_slice(&self.parity.to_le_bytes());
        head[16..18].copy_from_slice(&u16::try_from(index).unwrap_or(u16::MAX).to_le_bytes());
        head[24..32].copy_from_slice(&self.block.to_le_bytes());
        head[32..40].copy_from_slice(&self.length.to_le_bytes());
        head[40..56].copy_from_slice(&self.id.0);
        let check = check(&[&head[..56]]);
        head[56..].copy_from_slice(&check);
        head
    }

    /// What a head says: the object, and the shard's number.
    pub fn parse(head: &[u8]) -> Result<(Object, usize), Fault> {
        let Some(head) = head.first_chunk::<HEAD>() else { return Err(Fault::Short) };
        if head[..8] != MAGIC {
            return Err(Fault::NoShard);
        }
        let version = u16::from_le_bytes([head[8], head[9]]);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        if head[56..] != check(&[&head[..56]]) {
            return Err(Fault::Head);
        }
        let short = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        let object = Object {
            id: Id(part(head, 40)),
            data: short(12),
            parity: short(14),
            block: u64::from_le_bytes(part(head, 24)),
            length: u64::from_le_bytes(part(head, 32)),
            hash: hash_of(head[10]).ok_or(Fault::Head)?,
            packed: head[11] != 0,
        };
        let index = usize::from(short(16));
        // The check is against chance only: whoever writes heads on purpose may write anything.
        let sound = (1..=256).contains(&object.shards())
            && object.data > 0
            && object.parity > 0
            && index < object.shards()
            && object.block.checked_mul(u64::from(object.data)).is_some_and(|stripe| stripe > 0);
        if sound { Ok((object, index)) } else { Err(Fault::Head) }
    }

    /// What stands before a block.
    pub fn block_head(&self, index: usize, stripe: Stripe, block: &[u8]) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(&stripe.number.to_le_bytes());
        head[8..16].copy_from_slice(&stripe.raw.to_le_bytes());
        head[16..24].copy_from_slice(&stripe.stored.to_le_bytes());
        head[24..56].copy_from_slice(&self.hash.hash(block));
        let bound = self.bound(index, &head);
        head[56..].copy_from_slice(&bound);
        head
    }

    /// Which stripe a block is of, if what stands before it is of this shard and of that place.
    pub fn parse_block(&self, index: usize, number: u64, head: &[u8; HEAD]) -> Result<Stripe, Fault> {
        let stripe = Stripe {
            number: u64::from_le_bytes(part(head, 0)),
            raw: u64::from_le_bytes(part(head, 8)),
            stored: u64::from_le_bytes(part(head, 16)),
        };
        let right = head[56..] == self.bound(index, head)
            && stripe.number == number
            && stripe.raw == self.raw(number)
            && stripe.stored <= stripe.raw
            && (self.packed || stripe.stored == stripe.raw);
        if right { Ok(stripe) } else { Err(Fault::Block(number)) }
    }

    /// Whether a block is what its head says.
    pub fn is_whole(&self, head: &[u8; HEAD], block: &[u8]) -> bool {
        head[24..56] == self.hash.hash(block)
    }

    fn bound(&self, index: usize, head: &[u8; HEAD]) -> [u8; 8] {
        check(&[&self.head(index), &head[..56]])
    }
}

/// One stripe of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stripe {
    /// Its number, from zero.
    pub number: u64,
    /// The object's bytes in it.
    pub raw: u64,
    /// As how many bytes they are stored: fewer, where they are packed.
    pub stored: u64,
}

impl Stripe {
    /// The bytes of each of its blocks; the last one is filled up with zeroes.
    pub fn block(&self, data: u16) -> u64 {
        self.stored.div_ceil(u64::from(data))
    }
}

/// What is wrong with a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is not there.
    Missing,
    /// It ends too early.
    Short,
    /// It goes on where it should end.
    Long,
    /// It is a file of something else.
    NoShard,
    /// It is of a version that this program does not know.
    Version(u16),
    /// Its head is damaged.
    Head,
    /// It is of another object, or of another writing of it.
    Foreign,
    /// It is a second copy of another shard of the object.
    Twice(usize),
    /// That block is damaged, or of elsewhere.
    Block(u64),
    /// That block is whole, and yet not what the others make.
    Apart(u64),
    /// It cannot be read: the kernel's number for why.
    Unreadable(i32),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Missing => f.write_str("is missing"),
            Fault::Short => f.write_str("ends too early"),
            Fault::Long => f.write_str("goes on where it should end"),
            Fault::NoShard => f.write_str("is no shard"),
            Fault::Version(version) => {
                write!(f, "is of version {version}, and this program knows version {VERSION}")
            }
            Fault::Head => f.write_str("has a damaged head"),
            Fault::Foreign => f.write_str("is of another object, or of another writing of it"),
            Fault::Twice(index) => write!(f, "is a second copy of shard {index}"),
            Fault::Block(number) => write!(f, "is damaged in block {number}"),
            Fault::Apart(number) => write!(f, "does not fit the others in block {number}"),
            Fault::Unreadable(number) => {
                write!(f, "cannot be read: {}", std::io::Error::from_raw_os_error(*number))
            }
        }
    }
}

impl std::error::Error for Fault {}

fn part<const N: usize>(head: &[u8; HEAD], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&head[at..at + N]);
    part
}

fn check(parts: &[&[u8]]) -> [u8; 8] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(part);
    }
    let mut check = [0; 8];
    check.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    check
}

const HASHES: [Carried; 4] = [Carried::Blake3, Carried::Crc32c, Carried::Xxh3, Carried::Sha256];

fn hash_number(hash: Carried) -> u8 {
    let at = HASHES.iter().position(|one| *one == hash).unwrap_or(0);
    u8::try_from(at).expect("there are four")
}

fn hash_of(number: u8) -> Option<Carried> {
    HASHES.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Object {
        let id = Id::of(b"one");
        Object { id, data: 4, parity: 2, block: 100, length: 1001, hash: Carried::Blake3, packed: false }
    }

    #[test]
    fn a_head_comes_back_and_any_flipped_bit_is_found() {
        let head = object().head(5);
        assert_eq!(Object::parse(&head).unwrap(), (object(), 5));
        assert_eq!(Object::parse(&head[..63]), Err(Fault::Short));
        for bit in 0..HEAD * 8 {
            let mut flipped = head;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Object::parse(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_head_that_makes_no_sense_is_refused() {
        for nonsense in [
            Object { data: 0, ..object() },
            Object { parity: 0, ..object() },
            Object { data: 255, ..object() },
            Object { block: 0, ..object() },
            Object { block: u64::MAX, ..object() },
        ] {
            assert_eq!(Object::parse(&nonsense.head(0)), Err(Fault::Head), "{nonsense:?}");
        }
        assert_eq!(Object::parse(&object().head(6)), Err(Fault::Head));
        assert_eq!(Object::parse(&[7; HEAD]), Err(Fault::NoShard));
        let mut later = object().head(0);
        later[8] = 9;
        assert_eq!(Object::parse(&later), Err(Fault::Version(9)));
    }

    #[test]
    fn a_block_is_bound_to_its_place() {
        let object = object();
        let stripe = Stripe { number: 1, raw: 400, stored: 400 };
        let head = object.block_head(3, stripe, &[9; 100]);
        assert_eq!(object.parse_block(3, 1, &head), Ok(stripe));
        assert!(object.is_whole(&head, &[9; 100]) && !object.is_whole(&head, &[8; 100]));
        assert_eq!(object.parse_block(2, 1, &head), Err(Fault::Block(1)));
        assert_eq!(object.parse_block(3, 0, &head), Err(Fault::Block(0)));
        let other = Object { id: Id::of(b"other"), ..object };
        assert_eq!(other.parse_block(3, 1, &head), Err(Fault::Block(1)));
    }

    #[test]
    fn stripes_fill_the_object() {
        for (length, stripes, bytes) in [(0, 0, 64), (1, 1, 129), (400, 1, 228), (401, 2, 293), (1001, 3, 507)] {
            let object = Object { length, ..object() };
            assert_eq!((object.stripes(), object.shard_bytes()), (stripes, bytes), "{length}");
            assert_eq!((0..stripes).map(|stripe| object.raw(stripe)).sum::<u64>(), length);
        }
        assert_eq!(Id::parse(&object().id.to_string()), Some(object().id));
        assert_eq!(Id::parse("xyz"), None);
    }
}
