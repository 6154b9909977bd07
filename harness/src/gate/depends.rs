//! What the numbers of a gate depend on besides the code of this project: then another machine says that it has no
//! baseline, instead of failing or passing.

use crate::catalogue::{WORKLOADS, crate_of};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const LOCK: &str = include_str!("../../../Cargo.lock");

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

/// Architecture, compiler, profile, and a digest of the versions of all crates that the workloads are made of.
pub fn depends() -> Result<BTreeMap<String, String>> {
    let crates = crates()?;
    let digest = blake3::hash(crates.join("\n").as_bytes()).to_hex();
    Ok([
        ("arch", std::env::consts::ARCH.to_owned()),
        ("rustc", env!("ASSAY_RUSTC").to_owned()),
        ("profile", env!("ASSAY_PROFILE").to_owned()),
        ("crates", format!("{} of digest {}", crates.len(), &digest[..12])),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into())
}

/// The crates of others that the workloads need, directly or not, each with its version.
fn crates() -> Result<Vec<String>> {
    let lock: Lock = toml::from_str(LOCK).context("reading the lock file of this build")?;
    // A dependency is `name`, or `name version` where there are several.
    let find = |word: &str| {
        let (name, version) = word.split_once(' ').map_or((word, None), |(name, version)| (name, Some(version)));
        lock.package.iter().find(|one| one.name == name && version.is_none_or(|version| one.version == version))
    };
    let workloads = WORKLOADS.iter().map(|workload| crate_of(workload));
    let mut left: Vec<&str> = workloads.chain(["technique", "fixtures"]).collect();
    let mut seen = BTreeSet::new();
    let mut crates = BTreeSet::new();
    while let Some(word) = left.pop() {
        if !seen.insert(word) {
            continue;
        }
        let package = find(word).with_context(|| format!("the lock file has no package {word}"))?;
        if package.source.is_some() {
            crates.insert(format!("{} {}", package.name, package.version));
        }
        left.extend(package.dependencies.iter().map(String::as_str));
    }
    Ok(crates.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_crates_of_the_workloads_are_found_and_those_of_the_page_are_not() {
        let crates = crates().unwrap();
        let has = |name: &str| crates.iter().any(|one| one.starts_with(&format!("{name} ")));
        assert!(has("zstd-sys") && has("zlib-rs") && has("rustix"), "{crates:?}");
        assert!(!has("clap") && !has("inferno") && !has("technique"), "{crates:?}");
    }
}
