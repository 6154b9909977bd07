//! Rows that are there for one step of a ladder: that step alone on the baseline, or the whole ladder without it. They
//! say what a step is worth, and are no way to do the job that anybody would choose. Their names tell, and this is the
//! one place that knows how.

/// Rows of this prefix take one step of a ladder alone, on the baseline.
const ALONE: &str = "only-";
/// Rows of this prefix leave one step out of the whole ladder.
const LEFT_OUT: &str = "all-but-";

/// Whether a row is there for one step of a ladder.
///
/// ```
/// use reports::one_step;
/// assert!(one_step::is_asked_by(&one_step::alone("zstd")) && one_step::is_asked_by(&one_step::left_out("zstd")));
/// assert!(!one_step::is_asked_by("zstd"));
/// ```
pub fn is_asked_by(row: &str) -> bool {
    row.starts_with(ALONE) || row.starts_with(LEFT_OUT)
}

/// The row that takes that step alone.
pub fn alone(step: &str) -> String {
    format!("{ALONE}{step}")
}

/// The row that takes every step but that one.
pub fn left_out(step: &str) -> String {
    format!("{LEFT_OUT}{step}")
}
