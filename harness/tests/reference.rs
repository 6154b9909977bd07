//! The reference run of the repository: its pages are byte for byte what its records give, so that none goes stale.
//! `BLESS=1 cargo test -p harness --test reference` makes them anew; `just reference` measures anew as well.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use reports::page::MOST_BYTES;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// All that the repository holds of it, in bytes: a clone should not be heavy for it.
const MOST: usize = 3_000_000;

fn runs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/runs").canonicalize().unwrap()
}

/// What a report has and the repository has not: anybody makes it from the records, and the pages have its hashes.
fn is_left_out(path: &str) -> bool {
    path.starts_with("slides/") || ["samples.csv", "run.json", ".review.json"].iter().any(|end| path.ends_with(end))
}

fn is_page(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "html")
}

/// The report of the records that the page has beside it, as its own command makes it.
fn report(home: &Home, out: &Path) {
    let records = runs().join("page/data");
    let output = home.run(&["report", records.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// All files below a directory but those that are left out, by their path in it.
fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            let below = path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                open.push(path);
            } else if !is_left_out(&below) {
                found.insert(below, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn pages_are_what_their_records_give() {
    let home = Home::new();
    let page = runs().join("page");
    if std::env::var_os("BLESS").is_some() {
        report(&home, &page);
    }
    let made = home.path("page");
    report(&home, &made);
    let (held, made) = (files(&page), files(&made));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&held), names(&made), "BLESS=1 makes them anew");
    for (name, bytes) in &made {
        assert!(held[name] == *bytes, "{name} is not what the records give: BLESS=1 makes it anew, and read the diff");
    }
    assert!(made.keys().filter(|name| name.ends_with("record.jsonl")).count() >= 4, "{:?}", names(&made));
    assert!(made.keys().filter(|name| is_page(name)).count() >= 6, "{:?}", names(&made));
}

#[test]
fn it_is_light_and_names_nobody() {
    let held = files(&runs().join("page"));
    let weight: usize = held.values().map(Vec::len).sum();
    assert!(weight <= MOST, "{weight} bytes");
    // Short names of machines are words of their own.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim().to_owned()).filter(|host| host.len() > 8 && host != "localhost");
    // Where systems keep what belongs to one user.
    let homes = ["home", "root", "Users"].map(|parent| format!("/{parent}/"));
    let words: Vec<String> = homes.into_iter().chain(host).collect();
    for (name, bytes) in &held {
        assert!(!is_page(name) || bytes.len() <= MOST_BYTES, "{name}: {} bytes", bytes.len());
        let text = String::from_utf8_lossy(bytes);
        for word in &words {
            assert!(!text.contains(word), "{name} names {word}");
        }
    }
}

#[test]
fn what_is_left_out_is_left_out_of_git_too() {
    let ignored = std::fs::read_to_string(runs().join(".gitignore")).unwrap();
    let lines: Vec<&str> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        lines,
        ["/page/slides/", "/page/data/*.review.json", "/page/data/*/run.json", "/page/data/*/samples.csv"]
    );
}
