//! Names the sources that a build was made of, so that rows of two builds are held against each other only where both
//! are of the same code.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    let mut hasher = DefaultHasher::new();
    for dir in ["src", "../buffers/src", "../technique/src", "../../fixtures/src"] {
        println!("cargo:rerun-if-changed={dir}");
        let mut files = files(Path::new(dir));
        files.sort();
        for file in files {
            file.hash(&mut hasher);
            std::fs::read(&file).unwrap_or_default().hash(&mut hasher);
        }
    }
    println!("cargo:rustc-env=WALK_SOURCES={:016x}", hasher.finish());
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
