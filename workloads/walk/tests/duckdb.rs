//! `DuckDB` reads what the walk writes as Parquet, and answers as the tree itself does.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{Place, nasty};
use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use walk::{Format, Options, run};

/// Asks, and prints each answer as lines of fields with tabs between them.
const SCRIPT: &str = r#"
import duckdb, sys
table = f"read_parquet('{sys.argv[1]}')"
for title, query in [
    ("bytes by owner", f"SELECT uid, sum(size) FROM {table} GROUP BY uid ORDER BY uid"),
    ("largest directories", f"SELECT hex(directory), sum(size) AS bytes FROM {table} WHERE mode & 61440 = 32768 "
                            "GROUP BY directory ORDER BY bytes DESC, hex(directory) LIMIT 5"),
    ("all", f"SELECT hex(directory), hex(name), inode, size, mtime, mtime_ns, uid, gid, mode FROM {table} "
            "ORDER BY hex(directory), hex(name)"),
]:
    print(title)
    for row in duckdb.sql(query).fetchall():
        print("\t".join(str(field) for field in row))
"#;

/// A Python that has `DuckDB`; made once, below the target directory.
fn python() -> Result<PathBuf, String> {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("tools/duckdb");
    let python = home.join("bin/python");
    let run = |program: &Path, words: &[&str]| {
        let output = Command::new(program).args(words).output().map_err(|error| error.to_string())?;
        let told = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        if output.status.success() { Ok(()) } else { Err(told) }
    };
    if run(&python, &["-c", "import duckdb"]).is_err() {
        fs::create_dir_all(home.parent().unwrap()).map_err(|error| error.to_string())?;
        run(Path::new("python3"), &["-m", "venv", home.to_str().unwrap()])?;
        run(&python, &["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "duckdb>=1,<2"])?;
    }
    Ok(python)
}

/// One line of an answer.
fn line(fields: &[String]) -> String {
    fields.join("\t")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}

/// What stands in a tree, by the standard library alone: directory, name, and what the kernel says.
fn look(root: &Path, below: &[u8], found: &mut Vec<(Vec<u8>, Vec<u8>, fs::Metadata)>) {
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let (name, meta) = (entry.file_name().as_bytes().to_vec(), entry.metadata().unwrap());
        if meta.is_dir() {
            let path = if below.is_empty() { name.clone() } else { [below, b"/", &name].concat() };
            look(&entry.path(), &path, found);
        }
        found.push((below.to_vec(), name, meta));
    }
}

#[test]
fn duckdb_answers_what_the_tree_itself_says() {
    let python = match python() {
        Ok(python) => python,
        Err(why) => return technique::absent::skip("duckdb", &format!("it cannot be installed: {why}")),
    };
    let place = Place::new();
    nasty(&place.source());
    // Where we may give files away, there is more than one owner.
    for (nth, owner) in [(1, 1000), (2, 1000), (3, u32::MAX - 1)] {
        let file = place.source().join(format!("owned {nth}"));
        fs::write(&file, vec![b'x'; nth * 1000]).unwrap();
        let given = chown(&file, Some(owner), None);
        assert!(given.is_ok() || !rustix::process::geteuid().is_root());
    }
    let out = place.path().join("tree.parquet");
    let options = Options { format: Format::Parquet, threads: Some(2), sync: false, ..Options::default() };
    let report = run(&place.source(), &out, &options, &|_| ControlFlow::Continue(())).unwrap();

    let mut found = Vec::new();
    look(&place.source(), b"", &mut found);
    assert_eq!((report.entries, report.failed), (found.len() as u64, 0));
    let mut by_owner: BTreeMap<u32, u64> = BTreeMap::new();
    let mut by_directory: BTreeMap<String, u64> = BTreeMap::new();
    let mut all = Vec::new();
    for (directory, name, meta) in &found {
        *by_owner.entry(meta.uid()).or_default() += meta.len();
        if meta.is_file() {
            *by_directory.entry(hex(directory)).or_default() += meta.len();
        }
        all.push([
            hex(directory),
            hex(name),
            meta.ino().to_string(),
            meta.len().to_string(),
            meta.mtime().to_string(),
            meta.mtime_nsec().to_string(),
            meta.uid().to_string(),
            meta.gid().to_string(),
            meta.mode().to_string(),
        ]);
    }
    all.sort();
    let mut largest: Vec<(String, u64)> = by_directory.into_iter().collect();
    largest.sort_by(|(a_name, a), (b_name, b)| b.cmp(a).then(a_name.cmp(b_name)));
    let mut expected = vec!["bytes by owner".to_owned()];
    expected.extend(by_owner.iter().map(|(owner, bytes)| line(&[owner.to_string(), bytes.to_string()])));
    expected.push("largest directories".to_owned());
    expected.extend(largest.iter().take(5).map(|(directory, bytes)| line(&[directory.clone(), bytes.to_string()])));
    expected.push("all".to_owned());
    expected.extend(all.iter().map(|fields| line(fields)));

    let asked = Command::new(python).args(["-c", SCRIPT]).arg(&out).output().unwrap();
    assert!(asked.status.success(), "{}", String::from_utf8_lossy(&asked.stderr));
    let answers = String::from_utf8(asked.stdout).unwrap();
    assert_eq!(answers.lines().collect::<Vec<_>>(), expected);
    assert!(!rustix::process::geteuid().is_root() || by_owner.len() >= 3, "{by_owner:?}");
}
