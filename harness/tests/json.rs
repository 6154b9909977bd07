//! With `--json` every command prints one document and nothing else, whether it goes well or not.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Runs it; what it prints must be one document that says how it ended.
fn document(home: &Home, arguments: &[&str]) -> (i32, Value) {
    let output = home.assay().args(arguments).arg("--json").output().unwrap();
    let (said, code) = (text(&output.stdout), output.status.code().unwrap());
    let documents: Vec<Value> = serde_json::Deserializer::from_str(&said)
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}: {said}{}", text(&output.stderr)));
    let [document] = &documents[..] else { panic!("{arguments:?}: {} documents", documents.len()) };
    assert_eq!(document["exit"].as_i64(), Some(i64::from(code)), "{arguments:?}: {document}");
    assert_eq!(document["ok"].as_bool(), Some(code == 0), "{arguments:?}: {document}");
    assert!(document["schema"].as_str().unwrap().starts_with("assay."), "{arguments:?}: {document}");
    assert!(!output.stdout.contains(&0x1b), "{arguments:?}: an escape sequence");
    (code, document.clone())
}

/// The commands that the help names.
fn commands(home: &Home) -> BTreeSet<String> {
    let (code, help) = document(home, &["--help"]);
    assert_eq!((code, help["schema"].as_str()), (0, Some("assay.help/1")));
    let help = help["text"].as_str().unwrap();
    let listed = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned);
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_command_prints_one_document_when_it_goes_well_and_when_it_does_not() {
    let home = Home::new();
    let path = |name: &str| home.path(name).to_str().unwrap().to_owned();
    let (scratch, out, tree, store) = (home.scratch(), path("review"), path("tree"), path("store"));
    let (walked, nothing, path_of_nothing) = (path("walked"), path("nothing"), path("nothing-made"));
    std::fs::create_dir(&tree).unwrap();
    std::fs::write(home.path("tree/a"), "a").unwrap();
    let run = ["run", "restore/zstd", "--on", "tiny", "--rounds", "1", "--scratch", &scratch];
    let (plan, merged, parquet) = (path("plan.json"), path("merged"), path("runs.parquet"));
    let cases: [(i32, &[&str]); 30] = [
        (0, &["list"]),
        (0, &run),
        (0, &["plan", "restore/zstd", "--on", "tiny", "--shards", "1", "-o", &plan]),
        (6, &["merge", &merged, &tree]),
        (2, &["fleet", "slurm"]),
        (6, &["fleet", "status", &tree]),
        (0, &["export", "--parquet", &parquet]),
        (0, &["show"]),
        (2, &["compare", "restore/nothing", "restore/zstd"]),
        (6, &["gate", "exact", "--gates", &nothing]),
        (6, &["history"]),
        (0, &["report", "--out", &out]),
        (0, &["claims"]),
        (2, &["claims", "no-such-claim"]),
        (0, &["export", "--format", "csv"]),
        (6, &["export", "no-such-run", "--format", "csv"]),
        (0, &["explain", "restore/gzip"]),
        (2, &["flame", "restore/nothing"]),
        (0, &["fixture", "list"]),
        (0, &["store", "pack", &tree, "-o", &store]),
        (2, &["store", "restore", &store, &tree]),
        (0, &["walk", &tree, "-o", &walked]),
        (2, &["walk", &nothing, "-o", &path_of_nothing]),
        (6, &["shard", "get", "x", "--from", &nothing, "--out", &path_of_nothing]),
        (2, &["crossing", "restore/nothing", "restore/zstd"]),
        (2, &["serve-s3", &nothing]),
        (2, &["promises", "restore/nothing"]),
        (0, &["doctor"]),
        (0, &["--version"]),
        (2, &[]),
    ];
    for (code, arguments) in cases {
        let (ended, document) = document(&home, arguments);
        assert_eq!(ended, code, "{arguments:?}: {document}");
    }
    let tried: BTreeSet<String> =
        cases.iter().filter_map(|(_, words)| words.first()).map(|&word| word.to_owned()).collect();
    for command in commands(&home) {
        assert!(tried.contains(&command), "{command} is not among the cases");
        let (code, document) = document(&home, &[&command, "--no-such-option"]);
        assert_eq!((code, document["schema"].as_str()), (2, Some("assay.error/1")), "{command}");
        let (code, _) = self::document(&home, &[&command, "--help"]);
        assert_eq!(code, 0, "{command}");
    }
}
