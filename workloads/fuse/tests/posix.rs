//! Other people's test suites for file systems, on tmpfs and on our mounts: `just posix`. What a mount fails and tmpfs
//! passes stands in `POSIX.md`, with the reason; what stands there and passes must go.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The kernel's own, and rows of ours: in memory, a mirror, what the kernel gathers, what it writes by itself, without
/// what can be left out. Rings run where they are switched on, or `ASSAY_ALLOW_SYSTEM_SETTINGS=1` allows to.
const ROWS: [&str; 8] =
    ["tmpfs", "plain", "plain-files", "writeback-plain", "plain-passthrough", "rings-plain-free", "lean", "least"];
/// Rows whose bytes go other ways: for the suite that reads and writes.
const OTHER_WAYS: [&str; 10] = [
    "ext4",
    "bare",
    "bare-yields",
    "rings",
    "writeback",
    "direct",
    "passthrough",
    "one-file",
    "blocks-zlib",
    "blocks-short-term",
];
/// Each thing that fsx knows, many times. Where nothing can be mapped, maps are left out.
const EXERCISE: &str = "[weights]\nclose_open = 2\nread = 10\nwrite = 10\ntruncate = 5\nfsync = 1\n\
                        fdatasync = 1\nposix_fallocate = 3\npunch_hole = 3\nsendfile = 3\nposix_fadvise = 2\n\
                        copy_file_range = 3\n";
const MAPS: &str = "mapread = 10\nmapwrite = 10\ninvalidate = 1\n";
const NO_MAPS: &str = "mapread = 0\nmapwrite = 0\ninvalidate = 0\n";
const OPERATIONS: &str = "10000";
/// Times of files move with the kernel's tick, which may be 4 ms: what is shorter, native file systems fail too.
const CONFIG: &str = "[features]\nutimensat = {}\nutime_now = {}\nrename_ctime = {}\nposix_fallocate = {}\n\n[settings]\nnaptime = 0.03\nallow_remount = false\n\n[dummy_auth]\nentries = [\n  \
                      [\"nobody\", \"nogroup\"],\n  [\"daemon\", \"daemon\"],\n  [\"bin\", \"bin\"],\n]\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tool(name: &str) -> PathBuf {
    let tool = root().join("target/tools/bin").join(name);
    assert!(tool.exists(), "{} is not there: `just posix` installs it", tool.display());
    tool
}

/// Runs a program in a row; none where the row cannot be mounted here.
fn run(row: &str, program: &Path, arguments: &[&str]) -> Option<Output> {
    let output = Command::new(env!("CARGO_BIN_EXE_fuse-row")).arg(row).arg(program).args(arguments).output().unwrap();
    if output.status.code() == Some(4) {
        technique::absent::skip("fuse", String::from_utf8_lossy(&output.stderr).trim());
        return None;
    }
    Some(output)
}

/// How each test of pjdfstest ended: `ok`, `FAILED` or `skipped`. A test is a line of two words; what it has to say
/// follows on others.
fn endings(text: &str) -> BTreeMap<String, &'static str> {
    let ending = |line: &str| {
        let (name, how) = line.split_once(char::is_whitespace)?;
        let how = ["ok", "FAILED", "skipped"].into_iter().find(|known| *known == how.trim())?;
        name.contains("::").then(|| (name.to_owned(), how))
    };
    text.lines().filter_map(ending).collect()
}

/// The exceptions that `POSIX.md` lists: rows of a table whose first cell is a test, and the second the rows that fail it.
fn exceptions() -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("POSIX.md")).unwrap();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    cells
        .map(|(test, rest)| {
            let rows = rest.split(" | ").next().unwrap();
            (test.to_owned(), rows.split(", ").map(str::to_owned).collect())
        })
        .collect()
}

#[test]
#[ignore = "slow, and needs a suite of others: `just posix`"]
fn our_mounts_pass_what_tmpfs_passes_but_for_what_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("pjdfstest.toml");
    std::fs::write(&config, CONFIG).unwrap();
    let pjdfstest = tool("pjdfstest");
    let listed = exceptions();
    let mut native: BTreeMap<String, &str> = BTreeMap::new();
    let mut wrong = Vec::new();
    eprintln!("| row | passed | failed | skipped |\n|---|---|---|---|");
    for row in ROWS {
        let Some(output) = run(row, &pjdfstest, &["-c", config.to_str().unwrap(), "-p", "{mount}"]) else { continue };
        let endings = endings(&String::from_utf8_lossy(&output.stdout));
        assert!(endings.len() > 300, "{row}: {}", String::from_utf8_lossy(&output.stderr));
        let count = |how: &str| endings.values().filter(|ending| **ending == how).count();
        eprintln!("| {row} | {} | {} | {} |", count("ok"), count("FAILED"), count("skipped"));
        if row == "tmpfs" {
            native = endings;
            continue;
        }
        for (test, ending) in &endings {
            let fails = *ending != "ok" && native.get(test) == Some(&"ok");
            let is_listed = listed.get(test).is_some_and(|rows| rows.iter().any(|one| one == row || one == "all"));
            match (fails, is_listed) {
                (true, false) => wrong.push(format!("{row} fails {test}, and POSIX.md does not list it")),
                (false, true) => wrong.push(format!("{row} passes {test}, and POSIX.md lists it as an exception")),
                _ => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "slow, and needs a suite of others: `just posix`"]
fn random_reads_and_writes_find_what_was_written() {
    let fsx = tool("fsx");
    let dir = tempfile::tempdir().unwrap();
    let artifacts = dir.path().to_str().unwrap();
    let mut wrong = Vec::new();
    eprintln!("| row | fsx, {OPERATIONS} operations of every kind, seeds 7 and 8 |\n|---|---|");
    for row in ROWS.into_iter().chain(OTHER_WAYS) {
        // Past the page cache there is nothing to map: the row does not promise it.
        let maps = if row == "direct" { NO_MAPS } else { MAPS };
        let config = dir.path().join("fsx.toml");
        std::fs::write(&config, format!("{EXERCISE}{maps}")).unwrap();
        let config = config.to_str().unwrap();
        let mut told = "clean";
        for seed in ["7", "8"] {
            let words = ["-f", config, "-P", artifacts, "-S", seed, "-N", OPERATIONS, "{mount}/file"];
            let Some(output) = run(row, &fsx, &words) else {
                told = "cannot be mounted here";
                break;
            };
            if !output.status.success() {
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                let last: Vec<&str> = said.lines().rev().take(30).collect();
                wrong.push(format!("{row}, seed {seed}:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n")));
                told = "FAILED";
            }
        }
        eprintln!("| {row} | {told} |");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn endings_are_read_from_what_the_suite_prints() {
    let text = "chmod::a        ok\nchmod::b\t\tFAILED\n\tassertion ok\n  9: pjdfstest::tests::b ok\nc::d   skipped\n\
                Summary: 1 failed\n";
    let told = endings(text);
    let told: Vec<_> = told.iter().map(|(name, ending)| (name.as_str(), *ending)).collect();
    assert_eq!(told, [("c::d", "skipped"), ("chmod::a", "ok"), ("chmod::b", "FAILED")]);
}
