//! What several tests share.

/// Bytes that no packer shortens, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| draw()).collect()
}
