//! Where a checkout's build directory is.

use std::path::{Path, PathBuf};

/// What cargo leaves in a build directory. The tag is written only where cargo itself made the directory, the other
/// file by every build.
const LEFT_BY_CARGO: [&str; 2] = ["CACHEDIR.TAG", ".rustc_info.json"];

/// The build directory that this program lies in; none, where it was installed elsewhere.
pub fn build_directory() -> Option<PathBuf> {
    above(&std::env::current_exe().ok()?)
}

fn above(program: &Path) -> Option<PathBuf> {
    let built = |dir: &&Path| LEFT_BY_CARGO.iter().any(|name| dir.join(name).is_file());
    program.ancestors().skip(1).find(built).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_however_it_was_made() {
        for left in LEFT_BY_CARGO {
            let place = tempfile::tempdir().unwrap();
            let program = place.path().join("target/release/deps/assay");
            std::fs::create_dir_all(program.parent().unwrap()).unwrap();
            assert_eq!(above(&program), None);
            std::fs::write(place.path().join("target").join(left), "").unwrap();
            assert_eq!(above(&program), Some(place.path().join("target")));
        }
    }
}
