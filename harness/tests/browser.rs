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

/// A report of the newest of many runs, with the page of all of them.
fn report_of_days(home: &Home) -> PathBuf {
    for run in sample::days() {
        let dir = home.path("home/runs").join(&run.header.id);
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("record.jsonl"), sample::record(&run)).unwrap();
    }
    let out = home.path("days");
    let output = home.run(&["report", "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
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
    for file in ["package.json", "package-lock.json", "checks.mjs", "looks.mjs"] {
        std::fs::copy(from.join(file), dir.join(file))?;
    }
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports/schemas"))? {
        let path = entry?.path();
        std::fs::copy(&path, dir.join(path.file_name().unwrap_or_default()))?;
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
    for name in ["same", "remainder", "many-rounds", "far", "one-row", "forty-rows", "broken", "verdicts"] {
        reports.push(report(&home, name, None));
    }
    let days = Home::new();
    reports.push(report_of_days(&days));
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
    alike(&first, &other);
    for (path, bytes) in files(&first) {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(home.path("").to_str().unwrap()), "{} names where it was made", path.display());
    }
}

/// All files below a directory, by their path in it.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
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
}

/// Two reports are the same, byte for byte.
fn alike(one: &Path, other: &Path) {
    let (one, other) = (files(one), files(other));
    assert!(one.len() > 8, "{}", one.len());
    for ((path, bytes), (_, others)) in one.iter().zip(&other) {
        assert!(bytes == others, "{} differs", path.display());
    }
    assert_eq!(one.len(), other.len());
}

/// The last command that a page shows, as a reader copies it.
fn command_of(page: &Path) -> String {
    let text = std::fs::read_to_string(page).unwrap();
    let shown = text.split_once("<pre id=\"cmd\"").unwrap().1.split_once("<code>").unwrap().1;
    let shown = shown.split_once("</code>").unwrap().0.lines().last().unwrap();
    shown.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// Types a command that a page shows into a shell.
fn typed(home: &Home, command: &str, at: &Path) {
    let program = Path::new(env!("CARGO_BIN_EXE_assay")).parent().unwrap().to_owned();
    let path =
        std::env::join_paths([program].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())));
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(at).env("PATH", path.unwrap()).env("ASSAY_HOME", home.path("home"));
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{command}: {}", text(&output.stderr));
}

#[test]
fn the_command_on_a_page_makes_it_again_byte_for_byte() {
    let home = Home::new();
    // A run of this home is named; one from elsewhere lies among the report's own data.
    let days = report_of_days(&home);
    let again = home.path("elsewhere");
    std::fs::create_dir(&again).unwrap();
    for page in ["index.html", "restore-python-small.html", "history.html"] {
        typed(&home, &command_of(&days.join(page)), &again);
        alike(&days, &again.join("review"));
    }
    let home = Home::new();
    let foreign = report(&home, "ordinary", None);
    let copy = home.path("copy");
    std::fs::create_dir(&copy).unwrap();
    std::fs::create_dir(copy.join("data")).unwrap();
    std::fs::copy(foreign.join("data/record.jsonl"), copy.join("data/record.jsonl")).unwrap();
    typed(&home, &command_of(&foreign.join("restore-python-small.html")), &copy);
    alike(&foreign, &copy.join("review"));
    let pictures = home.path("pictures");
    let record = home.path("ordinary.jsonl");
    let output = home.run(&["report", record.to_str().unwrap(), "--png", "--out", pictures.to_str().unwrap()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    std::fs::remove_dir_all(copy.join("review")).unwrap();
    typed(&home, &command_of(&pictures.join("index.html")), &copy);
    alike(&pictures, &copy.join("review"));
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
