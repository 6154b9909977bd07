//! The command line as users and scripts meet it: every error says what and how to mend it, every exit code is right,
//! and nothing is lost or left behind.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, gone, text};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

/// Runs that fail: arguments, exit code, and what must be said.
#[test]
fn bad_words_get_a_clear_error_and_a_distinct_code() {
    let home = Home::new();
    let nonsense = home.path("nonsense.toml");
    std::fs::write(&nonsense, "name = \"x\"\nfiles = \"many\"\n").unwrap();
    let nonsense = nonsense.to_str().unwrap();
    let written = |name: &str, shipped: &str, change: &dyn Fn(String) -> String| {
        let (_, recipe) = fixtures::shipped().iter().find(|(one, _)| *one == shipped).unwrap();
        std::fs::write(home.path(name), change((*recipe).to_owned())).unwrap();
        home.path(name).to_str().unwrap().to_owned()
    };
    let vast = &*written("vast.toml", "object-1g", &|recipe| {
        let recipe = recipe.replace("files = 1\n", "files = 100\n").replace("1073741824", "1099511627776");
        let recipe = recipe.replace("\"object-1g\"", "\"vast\"");
        recipe.lines().filter(|line| !line.starts_with("digest")).collect::<Vec<_>>().join("\n")
    });
    let other = &*written("other.toml", "tiny", &|recipe| {
        let pinned = recipe.lines().find(|line| line.starts_with("digest")).unwrap().to_owned();
        recipe.replace(&pinned, &format!("digest = \"ab{}\"", "0".repeat(62))).replace("\"tiny\"", "\"other\"")
    });
    let cases: &[(&[&str], i32, &[&str])] = &[
        (&["run", "restor"], 2, &["no workload named \"restor\"", "did you mean \"restore\"", "assay list"]),
        (&["run", "restore/ztsd"], 2, &["no row of restore named \"ztsd\"", "did you mean \"zstd\""]),
        (&["explain", "restore/nothing-like-it"], 2, &["assay list restore"]),
        (&["explain", "restore"], 2, &["is a workload", "assay list restore"]),
        (&["run", "restore", "--on", "tny"], 2, &["tny", "tiny"]),
        (&["run", "restore", "--on", nonsense], 2, &["nonsense.toml", "files"]),
        (&["run", "restore", "--on", "/no/such/recipe.toml"], 2, &["/no/such/recipe.toml"]),
        (&["run", "restore", "--rounds", "0"], 2, &["--rounds"]),
        (&["run", "restore", "--rounds", "3", "--budget", "3s"], 2, &["--budget"]),
        (&["run", "restore", "--budget", "soon"], 2, &["60s, 5m or 1h"]),
        (&["run", "--peer", "mine=true"], 2, &["--peer needs one workload"]),
        (&["run", "restore", "--peer", "mine"], 2, &["NAME=COMMAND"]),
        (&["run", "restore", "--peer", "mine[speed]=true"], 2, &["no promise named \"speed\"", "times kept"]),
        (&["run", "restore", "--peer", "zstd=true"], 2, &["has a row named \"zstd\" already"]),
        (
            &["run", "restore", "--on", "tiny", "--scratch", "/proc/assay"],
            2,
            &["cannot make the scratch place", "--scratch"],
        ),
        (&["promises", "walk"], 2, &["their own tests hold them", "restore"]),
        (&["promises", "restore/ztsd"], 2, &["did you mean \"zstd\""]),
        (&["fixture", "make", vast], 4, &["the fixture vast takes up to", "MiB free; nothing was written"]),
        (&["run", "restore", "--on", other], 6, &["pins the digest", "ab0000", "write the second into"]),
        (&["show", "no-such-run"], 6, &["no run or record file", "runs lie in"]),
        (&["show"], 6, &["nothing was measured yet", "assay run"]),
        (&["fixture", "capture", "/no/such/dir"], 2, &["/no/such/dir"]),
        (&["fixture", "show", "nothing"], 2, &["nothing"]),
        (&["fixture", "make", "tiny@0"], 2, &["tiny@0", "above 0"]),
        (&["run", "walk", "--on", "tiny@0.5x"], 2, &["tiny@0.5x"]),
        (&["frobnicate"], 2, &["frobnicate"]),
    ];
    for (arguments, code, says) in cases {
        let output = home.run(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty(), "{arguments:?}: errors do not go to stdout");
        for words in *says {
            assert!(said.contains(words), "{arguments:?} should say {words:?}: {said}");
        }
        let (json_code, document) = home.json(arguments);
        assert_eq!(
            (json_code, document["ok"].as_bool(), document["exit"].as_i64()),
            (*code, Some(false), Some(i64::from(*code)))
        );
        assert_eq!(document["schema"], "assay.error/1");
    }
}

#[test]
fn every_command_has_a_json_document() {
    let home = Home::new();
    for (arguments, schema) in [
        (vec!["list"], "assay.list/1"),
        (vec!["list", "restore"], "assay.rows/1"),
        (vec!["doctor"], "assay.doctor/1"),
        (vec!["fixture", "list"], "assay.fixtures/1"),
        (vec!["fixture", "make", "tiny"], "assay.fixture/1"),
        (vec!["fixture", "show", "tiny@0.5"], "assay.recipe/1"),
    ] {
        let (code, document) = home.json(&arguments);
        assert_eq!((code, document["schema"].as_str(), document["ok"].as_bool()), (0, Some(schema), Some(true)));
        let output = home.run(&arguments);
        assert!(!output.stdout.contains(&0x1b), "piped output has no escape sequence");
    }
}

#[test]
fn explain_foretells_calls_and_promises() {
    let home = Home::new();
    let (code, document) = home.json(&["explain", "restore/gzip"]);
    assert_eq!(code, 0);
    let files = document["calls"]["files"].as_u64().unwrap();
    let calls = &document["calls"]["by_name"];
    // The seven steps of the post-mortem, a file: temp, write, close, rename, chmod, chtimes, remove; opening the
    // source comes on top, and so do the catalogue and the target.
    for (name, a_file) in
        [("renameat", 1), ("fchmodat", 1), ("utimensat", 1), ("unlinkat", 1), ("openat", 2), ("close", 2)]
    {
        let count = calls[name].as_u64().unwrap();
        assert!((files * a_file..=files * a_file + 20).contains(&count), "{name}: {count} for {files} files");
    }
    assert!(document["promises"].as_array().unwrap().iter().any(|promise| promise == "atomic"));
    assert_eq!(document["calls"]["fixture"], "tiny");
}

#[test]
fn a_fixture_is_scaled_where_that_is_asked_and_its_name_says_so() {
    let home = Home::new();
    let scratch = home.scratch();
    let words = ["run", "walk/best", "--on", "walk-tree@0.001", "--rounds", "1", "--wait", "0s", "--scratch", &scratch];
    let (code, document) = home.json(&words);
    assert_eq!(code, 0, "{document:#}");
    let summary = &document["workloads"][0];
    assert_eq!((&summary["fixture"], &summary["files"]), (&"walk-tree@0.001".into(), &400.into()), "{summary}");
}

#[test]
fn tables_fit_the_terminal() {
    let home = Home::new();
    let scratch = home.scratch();
    let arguments = ["run", "restore/zstd", "--on", "tiny", "--rounds", "4", "--scratch", &scratch];
    for columns in [40, 80, 200] {
        let output = home.assay().args(arguments).env("COLUMNS", columns.to_string()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        for line in
            text(&output.stdout).lines().filter(|line| !line.starts_with("record ") && !line.starts_with("next "))
        {
            assert!(line.chars().count() <= columns, "{columns} columns: {line:?}");
        }
    }
}

/// A walk reads the tree where it lies; a restore reads only what was made of it in the scratch place.
#[test]
fn a_walk_names_the_file_system_that_it_reads() {
    use harness::scratch::filesystem;
    let memory = Path::new("/dev/shm");
    let source = filesystem(Path::new(env!("CARGO_TARGET_TMPDIR")));
    if filesystem(memory) != "tmpfs" || source == "tmpfs" {
        return technique::absent::skip("two file systems", "/dev/shm and the fixtures lie on the same");
    }
    let home = Home::new();
    let scratch = memory.join(format!("assay-test-{}", std::process::id()));
    let words = ["run", "walk/best", "restore/best", "--on", "tiny", "--rounds", "1", "--wait", "0s", "--scratch"];
    let (code, document) = home.json(&[&words[..], &[scratch.to_str().unwrap()]].concat());
    assert_eq!(code, 0, "{document}");
    let plan = reports::read(&home.record()).unwrap().header.plan;
    let of = |workload: &str| plan.iter().find(|one| one.workload == workload).unwrap().condition.filesystem.clone();
    assert_eq!((of("walk"), of("restore")), (format!("from {source} to tmpfs"), "tmpfs".to_owned()));
}

#[test]
fn a_peer_is_held_to_what_it_promises_and_no_more() {
    let home = Home::new();
    let output = home
        .assay()
        .args(["run", "restore/zstd", "--on", "tiny", "--rounds", "1", "--scratch", &home.scratch(), "--json"])
        .args(["--peer", "bare=cp -r --no-preserve=timestamps {source}/. {target}"])
        .args(["--peer", "keeps[times,independent]=cp -a {source}/. {target}"])
        .args(["--peer", "lies[times]=cp -r --no-preserve=timestamps {source}/. {target}"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let without = document["workloads"][0]["without"].as_array().unwrap();
    assert_eq!(without.len(), 1, "{without:?}");
    assert_eq!(without[0]["name"], "lies");
    assert!(without[0]["why"].as_str().unwrap().contains("mtime"), "{without:?}");
    let run = reports::read(&home.record()).unwrap();
    let promised = |name: &str| {
        run.header.plan[0].variants.iter().find(|variant| variant.name == name).unwrap().promises.join(", ")
    };
    assert_eq!((promised("bare").as_str(), promised("keeps").as_str()), ("", "times kept, independent"));
}

#[test]
fn a_peer_that_crashes_hangs_or_errs_is_named_and_the_rest_goes_on() {
    let home = Home::new();
    let scratch = home.scratch();
    let output = home
        .assay()
        .args(["run", "restore/zstd", "--on", "tiny", "--rounds", "2", "--scratch", &scratch, "--limit", "10s"])
        .args(["--peer", "crashes=false", "--peer", "hangs=sleep 1000", "--peer", "errs=touch {target}/stray"])
        .args(["--peer", "copies=cp -a {source}/. {target}", "--json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let summary = &document["workloads"][0];
    let why = |name: &str| {
        let without = summary["without"].as_array().unwrap();
        without.iter().find(|one| one["name"] == name).map(|one| one["why"].as_str().unwrap().to_owned()).unwrap()
    };
    assert!(why("crashes").starts_with("crashed:") && why("crashes").contains("exit status: 1"), "{}", why("crashes"));
    assert!(why("hangs").starts_with("hung:") && why("hangs").contains("--limit"), "{}", why("hangs"));
    assert!(why("errs").starts_with("differs:") && why("errs").contains("more"), "{}", why("errs"));
    let rows: Vec<&str> = summary["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert!(rows.contains(&"gzip") && rows.contains(&"zstd") && rows.contains(&"copies"), "{rows:?}");
    assert!(gone(&scratch));
    assert!(!running("sleep 1000"), "the hung program was killed");
}

fn running(words: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        text(&line).trim_end_matches('\0').replace('\0', " ") == words
    })
}

#[test]
fn a_users_directory_is_never_scratch() {
    let home = Home::new();
    let mine = home.path("mine");
    std::fs::create_dir(&mine).unwrap();
    std::fs::write(mine.join("thesis"), "years of work").unwrap();
    let output =
        home.run(&["run", "restore/zstd", "--on", "tiny", "--rounds", "1", "--scratch", mine.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("not empty and not ours"));
    assert_eq!(std::fs::read_to_string(mine.join("thesis")).unwrap(), "years of work");
    assert_eq!(std::fs::read_dir(&mine).unwrap().count(), 1);
}

#[test]
fn an_unwritable_scratch_place_is_refused() {
    if rustix::process::geteuid().is_root() {
        // Root writes anywhere but where the kernel itself says no; that case stands among the bad words.
        return;
    }
    let home = Home::new();
    let place = home.path("locked");
    std::fs::create_dir(&place).unwrap();
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o500)).unwrap();
    let output = home.run(&["run", "restore/zstd", "--on", "tiny", "--scratch", place.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("cannot write to the scratch place"));
}

/// A run that goes on for a minute unless it is stopped.
fn long_run(home: &Home, scratch: &str) -> Child {
    let mut child = home
        .assay()
        .args(["run", "restore/zstd", "--on", "tiny", "--budget", "60s", "--scratch", scratch])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Until a few samples stand in the record.
    for _ in 0..600 {
        std::thread::sleep(Duration::from_millis(50));
        if samples(home) >= 5 {
            return child;
        }
    }
    child.kill().unwrap();
    panic!("no sample was written within half a minute: {:?}", child.wait());
}

fn samples(home: &Home) -> usize {
    let Ok(runs) = std::fs::read_dir(home.path("home/runs")) else { return 0 };
    let files = runs.flatten().map(|run| run.path().join("record.jsonl"));
    let texts = files.filter_map(|path| std::fs::read_to_string(path).ok());
    texts.map(|text| text.lines().filter(|line| line.contains("\"kind\":\"sample\"")).count()).sum()
}

fn send(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn control_c_keeps_what_was_measured_and_cleans_up() {
    let home = Home::new();
    let scratch = home.scratch();
    let child = long_run(&home, &scratch);
    send(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("where the time goes"), "the table of what was measured is printed");
    assert!(gone(&scratch));
    let run = reports::read(&home.record()).unwrap();
    assert_eq!(run.end.unwrap().how, "interrupted");
    assert!(run.samples.len() >= 5);
}

#[test]
fn a_killed_run_loses_one_sample_and_the_next_sweeps() {
    let home = Home::new();
    let scratch = home.scratch();
    let mut child = long_run(&home, &scratch);
    send(&child, Signal::KILL);
    child.wait().unwrap();
    let kept = samples(&home);
    let run = reports::read(&home.record()).unwrap();
    assert_eq!(run.samples.len(), kept, "every line that was written can be read");
    assert!(run.notes.iter().any(|note| note.contains("killed")));
    assert!(!gone(&scratch), "a killed run cannot clean up");
    std::fs::write(Path::new(&scratch).join("mine"), "a file that the user put there since").unwrap();
    let output = home.run(&["run", "restore/zstd", "--on", "tiny", "--rounds", "1", "--scratch", &scratch]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let left: Vec<_> = std::fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["mine"], "what the killed run left is swept, and nothing else");
}

#[test]
fn two_runs_do_not_share_a_scratch_place() {
    let home = Home::new();
    let scratch = home.scratch();
    let child = long_run(&home, &scratch);
    let output = home.run(&["run", "restore/zstd", "--on", "tiny", "--rounds", "1", "--scratch", &scratch]);
    send(&child, Signal::INT);
    child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("in use by another run"), "{}", text(&output.stderr));
}

#[test]
fn a_record_file_that_is_cut_or_damaged_is_told() {
    let home = Home::new();
    let scratch = home.scratch();
    let (code, _) = home.json(&["run", "restore/zstd", "--on", "tiny", "--rounds", "2", "--scratch", &scratch]);
    assert_eq!(code, 0);
    let record = std::fs::read_to_string(home.record()).unwrap();
    let cut = home.path("cut.jsonl");
    std::fs::write(&cut, &record[..record.len() - 20]).unwrap();
    let (code, document) = home.json(&["show", cut.to_str().unwrap()]);
    assert_eq!(code, 0, "what stands before the cut is shown");
    assert!(document["notes"].as_array().unwrap().iter().any(|note| note.as_str().unwrap().contains("cut short")));
    let damaged = home.path("damaged.jsonl");
    let lines: Vec<&str> = record.lines().collect();
    std::fs::write(&damaged, format!("{}\n{{\"kind\":\"sam\n{}\n", lines[0], lines[1])).unwrap();
    let (code, document) = home.json(&["show", damaged.to_str().unwrap()]);
    assert_eq!(code, 6);
    assert!(document["error"].as_str().unwrap().contains("damaged.jsonl:2"), "{document}");
    let other = home.path("other.jsonl");
    std::fs::write(&other, record.replacen("\"schema\":1", "\"schema\":99", 1)).unwrap();
    let (code, document) = home.json(&["show", other.to_str().unwrap()]);
    assert_eq!(code, 6);
    assert!(document["error"].as_str().unwrap().contains("schema 99"), "{document}");
}

#[test]
fn a_full_scratch_place_is_told_by_row() {
    let home = Home::new();
    let small = home.path("small");
    std::fs::create_dir(&small).unwrap();
    let mount = |arguments: &[&str]| {
        std::process::Command::new(arguments[0]).args(&arguments[1..]).arg(&small).status().is_ok_and(|s| s.success())
    };
    if !mount(&["mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs"]) {
        return technique::absent::skip("root", "only root may mount a small tmpfs");
    }
    // Room enough to begin, then not for a tree.
    let scratch = small.join("scratch");
    let filled = std::fs::write(small.join("filler"), vec![1u8; 20 << 20]);
    let child = filled.map(|()| {
        home.json(&["run", "restore/zstd", "--on", "tiny", "--rounds", "1", "--scratch", scratch.to_str().unwrap()])
    });
    let refused = home.json(&[
        "run",
        "restore/zstd",
        "--on",
        "python-env",
        "--rounds",
        "1",
        "--scratch",
        scratch.to_str().unwrap(),
    ]);
    assert!(mount(&["umount"]));
    assert_eq!(child.unwrap().0, 0);
    assert_eq!(refused.0, 4, "{}", refused.1);
    assert!(refused.1["error"].as_str().unwrap().contains("MiB free"), "{}", refused.1);
}

#[test]
fn progress_elsewhere_than_on_a_terminal_is_plain_lines() {
    let home = Home::new();
    let scratch = home.scratch();
    let arguments = ["run", "restore/zstd", "--on", "tiny", "--budget", "3s", "--scratch", &scratch];
    let output = home.run(&arguments);
    let said = text(&output.stderr);
    assert!(said.lines().any(|line| line.contains("measure") && line.contains("left")), "{said}");
    assert!(!output.stderr.contains(&0x1b) && !output.stderr.contains(&b'\r'));
    let quiet = home.assay().args(arguments).arg("--quiet").output().unwrap();
    assert!(quiet.stderr.is_empty(), "{}", text(&quiet.stderr));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new();
    let mut child = home.assay().args(["list"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(text(&output.stderr).is_empty(), "{}", text(&output.stderr));
    assert_eq!(output.status.code(), Some(0));
}
