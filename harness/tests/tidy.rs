//! The house rules that a compiler does not know: who imports whom, where `unsafe` stands, what lies at the top.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

const PARTS: &[&str] = &["codecs", "syscalls", "batching", "buffers", "parity", "blocks"];
/// What is neither: doors to the world outside, for jobs.
const TOOLS: &[&str] = &["s3", "s3-server"];
const JOBS: &[&str] = &["restore", "walk", "erasure", "fuse"];

/// Modules that may hold unsafe code; ARCHITECTURE.md lists the same.
const UNSAFE: &[&str] = &[
    "workloads/technique/src/clock.rs",
    "workloads/syscalls/src/uring.rs",
    "workloads/syscalls/src/mapped.rs",
    "workloads/fuse/src/rings/kernel.rs",
    "workloads/parity/src/simd.rs",
    "workloads/parity/src/coders/isal.rs",
    "workloads/walk/src/ring.rs",
    "workloads/walk/src/write_ring.rs",
    "workloads/walk/src/bulk/kernel.rs",
    "workloads/walk/src/mapped.rs",
    "harness/src/probes/alloc.rs",
];

/// What lies at the top beside dot-files.
const TOP: &[&str] = &[
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "fixtures",
    "harness",
    "justfile",
    "reports",
    "workloads",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Which of our crates each of our crates needs, tests aside.
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    packages
        .iter()
        .map(|package| {
            let needs = package["dependencies"].as_array().unwrap().iter().filter(|needed| needed["kind"].is_null());
            let needs = needs.map(|needed| needed["name"].as_str().unwrap()).filter(|name| ours.contains(name));
            (package["name"].as_str().unwrap().to_owned(), needs.map(str::to_owned).collect())
        })
        .collect()
}

#[test]
fn who_may_know_whom() {
    for (name, needs) in imports() {
        let allowed: Vec<&str> = match name.as_str() {
            "fixtures" | "reports" => vec![],
            "technique" => vec!["fixtures"],
            tool if TOOLS.contains(&tool) => vec![],
            part if PARTS.contains(&part) => vec!["technique", "fixtures"],
            job if JOBS.contains(&job) => [&["technique", "fixtures", "s3"], PARTS].concat(),
            "harness" => [&["technique", "fixtures", "reports"], TOOLS, PARTS, JOBS].concat(),
            other => panic!("{other} has no place in the plan: ARCHITECTURE.md and this test name every crate"),
        };
        for needed in &needs {
            assert!(allowed.contains(&needed.as_str()), "{name} may not import {needed}");
        }
    }
}

#[test]
fn unsafe_stands_only_where_it_is_listed() {
    let mut found = BTreeSet::new();
    for path in sources(&root()) {
        let text = std::fs::read_to_string(&path).unwrap();
        let below = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        // Spelt so that this file does not find itself.
        if text.contains(concat!("allow(unsafe", "_code")) || text.contains(concat!("expect(unsafe", "_code")) {
            found.insert(below);
        }
    }
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), {
        let mut listed = UNSAFE.to_vec();
        listed.sort_unstable();
        listed
    });
    let plan = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for module in UNSAFE {
        assert!(plan.contains(module), "ARCHITECTURE.md does not list {module}");
    }
}

#[test]
fn nothing_else_lies_at_the_top() {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(output) = output.ok().filter(|output| output.status.success()) else {
        return technique::absent::skip("git", "this is no git checkout");
    };
    let listed = String::from_utf8(output.stdout).unwrap();
    let top: BTreeSet<&str> = listed.split('\0').filter_map(|path| path.split('/').next()).collect();
    for name in top.iter().filter(|name| !name.is_empty() && !name.starts_with('.')) {
        assert!(TOP.contains(name), "{name} does not belong at the top");
    }
    for name in TOP {
        assert!(top.contains(name), "{name} is missing at the top");
    }
}

#[test]
fn every_crate_keeps_the_lints() {
    for path in manifests(&root()) {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("[lints]\nworkspace = true"), "{} does not keep the lints", path.display());
        assert!(text.contains("license.workspace = true"), "{} names no licence", path.display());
    }
}

fn manifests(root: &Path) -> Vec<PathBuf> {
    let crates = [root.join("fixtures"), root.join("harness"), root.join("reports")];
    let workloads = std::fs::read_dir(root.join("workloads")).unwrap().map(|entry| entry.unwrap().path());
    crates.into_iter().chain(workloads).map(|dir| dir.join("Cargo.toml")).collect()
}

fn sources(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = manifests(root).iter().map(|path| path.parent().unwrap().to_owned()).collect();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
