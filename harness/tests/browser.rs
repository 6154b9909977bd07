//! Pages as a reader sees them: `browser/checks.mjs` looks at reports of runs that break pages, in headless Chromium,
//! wide and narrow, light and dark, by keyboard and printed. The command makes them from records, as it always does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
#[path = "../../reports/tests/sample/mod.rs"]
mod sample;

use common::{Home, text};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use technique::absent::skip;

/// A report in a home of its own, from a record; with stacks where there are any.
fn report(home: &Home, name: &str, stacks: Option<(String, String)>) -> PathBuf {
    let (_, run) = sample::all().into_iter().find(|(other, _)| *other == name).unwrap();
    let record = home.path(&format!("{name}.jsonl"));
    std::fs::write(&record, sample::record(&run)).unwrap();
    let flames = home.path("home/flames");
    if let Some((before, now)) = stacks {
        let dir = flames.join("restore-gzip--restore-zstd-kernel");
        std::fs::create_dir_all(&dir).unwrap();
        let about = r#"{"row":"restore/zstd","against":"restore/gzip","fixture":"python-small","kind":"kernel"}"#;
        for (file, text) in [("about.json", about), ("before.folded", &before), ("after.folded", &now)] {
            std::fs::write(dir.join(file), text).unwrap();
        }
    } else if flames.exists() {
        std::fs::remove_dir_all(&flames).unwrap();
    }
    let out = home.path(name);
    let output = home.run(&["report", record.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    out
}

/// Chromium, under any of its names.
fn chromium() -> Option<PathBuf> {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let known = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let mut found = known.iter().flat_map(|name| dirs.iter().map(move |dir| dir.join(name)));
    named.or_else(|| found.find(|path| path.is_file()))
}

/// What the checks need from npm, as the lock file has it; kept between runs.
fn node_modules(dir: &Path) -> std::io::Result<Output> {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser");
    std::fs::create_dir_all(dir)?;
    for file in ["package.json", "package-lock.json", "checks.mjs"] {
        std::fs::copy(from.join(file), dir.join(file))?;
    }
    let lock = std::fs::read(dir.join("package-lock.json"))?;
    if std::fs::read(dir.join("installed.json")).is_ok_and(|installed| installed == lock) {
        return Command::new("node").arg("--version").output();
    }
    let output =
        Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(dir).output()?;
    if output.status.success() {
        std::fs::copy(dir.join("package-lock.json"), dir.join("installed.json"))?;
    }
    Ok(output)
}

#[test]
fn pages_hold_in_a_browser() {
    let Some(chromium) = chromium() else {
        return skip("browser", "no Chromium here: apt-get install chromium");
    };
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("browser");
    match node_modules(&dir) {
        Err(error) => return skip("browser", &format!("no node or npm here ({error}): apt-get install nodejs npm")),
        Ok(output) if !output.status.success() => return skip("browser", &format!("npm ci: {}", text(&output.stderr))),
        Ok(_) => {}
    }
    let home = Home::new();
    let mut reports = vec![report(&home, "ordinary", Some(sample::stacks()))];
    let (before, now) = sample::stacks();
    let hostile =
        sample::HOSTILE.map(|name| format!("run;decode;{} 5000000\n", name.replace([';', '\n'], " "))).concat();
    reports.push(report(&home, "hostile", Some((before + &hostile, now + &hostile))));
    for name in ["same", "remainder", "many-rounds", "one-row", "forty-rows", "broken"] {
        reports.push(report(&home, name, None));
    }
    let output =
        Command::new("node").arg("checks.mjs").arg(chromium).args(&reports).current_dir(&dir).output().unwrap();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains(" 0 failed"), "{}", text(&output.stdout));
}

#[test]
fn a_report_is_the_same_wherever_it_is_made() {
    let home = Home::new();
    let first = report(&home, "ordinary", Some(sample::stacks()));
    let record = home.path("ordinary.jsonl");
    let other = home.path("other");
    let mut command = home.assay();
    command.env("TZ", "Pacific/Chatham").env("LANG", "tr_TR.UTF-8").env("LC_ALL", "tr_TR.UTF-8").env("COLUMNS", "40");
    let output = command.arg("report").arg(&record).arg("--out").arg(&other).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let files = |dir: &Path| {
        let mut found = Vec::new();
        let mut open = vec![dir.to_owned()];
        while let Some(next) = open.pop() {
            for path in std::fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    open.push(path);
                } else {
                    found.push((path.strip_prefix(dir).unwrap().to_owned(), std::fs::read(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    };
    let (first, other) = (files(&first), files(&other));
    assert!(first.len() > 8, "{}", first.len());
    for ((path, bytes), (_, others)) in first.iter().zip(&other) {
        assert!(bytes == others, "{} differs", path.display());
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(home.path("").to_str().unwrap()), "{} names where it was made", path.display());
    }
    assert_eq!(first.len(), other.len());
}

#[test]
fn a_report_replaces_only_what_is_its_own() {
    let home = Home::new();
    let record = home.path("run.jsonl");
    std::fs::write(&record, sample::record(&sample::one_row())).unwrap();
    let (record, foreign) = (record.to_str().unwrap().to_owned(), home.path("foreign"));
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(foreign.join("index.html"), "mine").unwrap();
    let (code, document) = home.json(&["report", &record, "--out", foreign.to_str().unwrap()]);
    assert_eq!((code, document["exit"].as_u64()), (2, Some(2)));
    assert!(document["error"].as_str().unwrap().contains("assay report did not make it"), "{document}");
    assert_eq!(std::fs::read_to_string(foreign.join("index.html")).unwrap(), "mine");
    let out = home.path("out");
    let (code, document) = home.json(&["report", &record, "--out", out.to_str().unwrap(), "--png"]);
    assert_eq!((code, document["schema"].as_str()), (0, Some("assay.report/1")));
    assert!(document["sentence"].as_str().unwrap().contains("1 workload"), "{document}");
    for file in document["files"].as_array().unwrap() {
        let path = out.join(file["path"].as_str().unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), file["bytes"].as_u64().unwrap(), "{}", path.display());
    }
    assert!(out.join("slides/restore-python-small-faster.png").is_file());
    let (code, _) = home.json(&["report", &record, "--out", out.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(!out.join("slides/restore-python-small-faster.png").exists(), "what is not made again goes");
    let said = text(&home.run(&["report", &record, "--out", out.to_str().unwrap()]).stdout);
    assert!(!said.contains('\u{1b}') && said.contains("index.html") && said.contains("1 workload"), "{said}");
}
