//! README's questions over many runs, asked of a real directory of runs by `DuckDB`, and held against what the tables
//! say.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Home, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use technique::absent::skip;

/// Asks each question, and prints its answers as JSON.
const SCRIPT: &str = "
import duckdb, json, sys
print(json.dumps([duckdb.sql(query).fetchall() for query in json.load(sys.stdin)]))
";

/// A Python that has `DuckDB`; made once, below the target directory, where walk's tests find the same.
fn python() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools/duckdb");
    let python = home.join("bin/python");
    let run = |program: &Path, words: &[&str]| {
        let output = Command::new(program).args(words).output().map_err(|error| error.to_string())?;
        if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
    };
    if run(&python, &["-c", "import duckdb"]).is_err() {
        std::fs::create_dir_all(home.parent().unwrap()).map_err(|error| error.to_string())?;
        run(Path::new("python3"), &["-m", "venv", home.to_str().unwrap()])?;
        run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "duckdb>=1,<2"])?;
    }
    Ok(python)
}

/// The questions that README asks.
fn questions() -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    readme.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_questions_of_the_readme_get_the_answers_of_the_tables() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return skip("duckdb", &format!("it cannot be installed: {why}")),
    };
    let home = Home::new();
    let mut ratios = BTreeMap::new();
    for (words, fake) in [("restore/zstd", "kernel=6.1"), ("restore/best", "kernel=6.9")] {
        let output = home
            .assay()
            .args([
                "run",
                words,
                "--on",
                "tiny",
                "--rounds",
                "3",
                "--wait",
                "0s",
                "--json",
                "--scratch",
                &home.scratch(),
            ])
            .env("ASSAY_FAKE_MACHINE", fake)
            .output()
            .unwrap();
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        for row in said["workloads"][0]["rows"].as_array().unwrap() {
            if let Some(over) = row["over_baseline"]["mid"].as_f64() {
                ratios.insert((said["machine"]["kernel"].to_string(), row["name"].to_string()), over);
            }
        }
    }
    assert!(ratios.len() >= 3, "{ratios:?}");
    let file = home.path("runs.parquet");
    let words = ["export", "--parquet", file.to_str().unwrap()];
    let (code, said) = home.json(&words);
    assert_eq!((code, said["runs"].as_u64()), (0, Some(2)), "{said}");
    assert_eq!(home.json(&words).0, 2, "a file that is there is not overwritten");

    let mut questions = questions();
    assert_eq!(questions.len(), 3);
    questions.push("SELECT count(*), count(calls), count(plan_digest), min(faked) FROM 'runs.parquet'".into());
    questions.push("SELECT DISTINCT machine, kernel FROM 'runs.parquet'".into());
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .current_dir(home.dir.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    serde_json::to_writer(child.stdin.take().unwrap(), &questions).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answers: Value = serde_json::from_slice(&output.stdout).unwrap();

    let kernels: BTreeMap<String, String> =
        answers[4].as_array().unwrap().iter().map(|line| (line[0].to_string(), line[1].to_string())).collect();
    let asked: BTreeMap<(String, String), f64> = answers[0]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| ((kernels[&line[0].to_string()].clone(), line[4].to_string()), line[5].as_f64().unwrap()))
        .collect();
    assert_eq!(asked.keys().collect::<Vec<_>>(), ratios.keys().collect::<Vec<_>>());
    for (row, told) in &ratios {
        assert!((asked[row] / told - 1.0).abs() < 1e-9, "{row:?}: {told} and {}", asked[row]);
    }
    assert_eq!(answers[1].as_array().unwrap().len(), 2, "one fastest row for each kernel: {}", answers[1]);
    let all = &answers[3][0];
    assert_eq!((all[0].as_u64(), all[2].as_u64(), all[3].as_bool()), (said["samples"].as_u64(), Some(0), Some(true)));
    assert!(all[1].as_u64() < all[0].as_u64(), "what was not counted is null, and not nought: {all}");
}
