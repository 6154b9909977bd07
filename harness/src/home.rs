//! Where the lab's own things live: fixtures and records.

use std::path::PathBuf;
pub use technique::checkout::build_directory;

/// The lab's own directory: `$ASSAY_HOME`, or `assay/` in the build directory of a checkout, or the user's cache.
pub fn home() -> PathBuf {
    if let Some(home) = std::env::var_os("ASSAY_HOME").filter(|home| !home.is_empty()) {
        return PathBuf::from(home);
    }
    if let Some(target) = build_directory() {
        return target.join("assay");
    }
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|cache| !cache.is_empty()).map(PathBuf::from);
    cache
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("assay")
}

/// Made fixtures.
pub fn fixtures() -> PathBuf {
    home().join("fixtures")
}

/// Records, a directory a run.
pub fn runs() -> PathBuf {
    home().join("runs")
}
