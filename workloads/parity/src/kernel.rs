//! Kernels: with which instructions of the processor sums over GF(2^8) are made. Chosen when the program runs.

/// One way of making sums of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// A table of products for each factor, a byte at a time: the yardstick, and what runs everywhere.
    Scalar,
    /// Two tables of 16 looked up by a shuffle of 16 bytes.
    Ssse3,
    /// The same, 32 bytes at a time.
    Avx2,
    /// Multiplication as one instruction, 32 bytes at a time.
    Gfni256,
    /// The same, 64 bytes at a time.
    Gfni512,
    /// Two tables of 16 looked up 16 bytes at a time, on 64-bit Arm.
    Neon,
}

impl Kernel {
    /// Every kernel, the simplest first.
    pub const ALL: [Kernel; 6] =
        [Kernel::Scalar, Kernel::Ssse3, Kernel::Avx2, Kernel::Gfni256, Kernel::Gfni512, Kernel::Neon];

    /// The widest that this processor has.
    pub fn best() -> Kernel {
        Kernel::ALL.into_iter().rfind(|kernel| kernel.available()).unwrap_or(Kernel::Scalar)
    }

    /// Whether this processor has what it needs.
    pub fn available(self) -> bool {
        match self {
            Kernel::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Kernel::Ssse3 => is_x86_feature_detected!("ssse3"),
            #[cfg(target_arch = "x86_64")]
            Kernel::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Kernel::Gfni256 => is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Kernel::Gfni512 => {
                is_x86_feature_detected!("gfni")
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
            }
            #[cfg(target_arch = "aarch64")]
            Kernel::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[allow(unreachable_patterns, reason = "which kernels are left depends on the target")]
            _ => false,
        }
    }

    /// The instructions that it needs, as a processor lists them.
    pub fn needs(self) -> &'static str {
        match self {
            Kernel::Scalar => "nothing",
            Kernel::Ssse3 => "ssse3",
            Kernel::Avx2 => "avx2",
            Kernel::Gfni256 => "gfni and avx2",
            Kernel::Gfni512 => "gfni, avx512f and avx512bw",
            Kernel::Neon => "an Arm processor's neon",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_kernel_is_there() {
        assert!(Kernel::best().available());
        assert!(Kernel::Scalar.available());
    }

    #[test]
    fn no_processor_has_both_families() {
        assert!(!(Kernel::Ssse3.available() && Kernel::Neon.available()));
    }
}
