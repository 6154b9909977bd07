//! Absence: what cannot run here says why. Absent is not zero, and not a failure, unless it was promised to be there.

/// Why something cannot run here, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absent {
    /// What is missing.
    pub why: String,
    /// What to do about it.
    pub mend: String,
}

impl Absent {
    /// The error that `prepare` answers.
    pub fn because(why: impl Into<String>, mend: impl Into<String>) -> anyhow::Error {
        Absent { why: why.into(), mend: mend.into() }.into()
    }
}

impl std::fmt::Display for Absent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.why, self.mend)
    }
}

impl std::error::Error for Absent {}

/// Whether `ASSAY_REQUIRE`, a list with commas, promises that this is there.
pub fn required(need: &str) -> bool {
    std::env::var("ASSAY_REQUIRE").is_ok_and(|list| list.split(',').any(|one| one.trim() == need))
}

/// Skips a test aloud, or fails it where what it needs was promised to be there.
pub fn skip(need: &str, why: &str) {
    assert!(!required(need), "ASSAY_REQUIRE promises {need}, but: {why}");
    eprintln!("skipped for want of {need}: {why}");
}
