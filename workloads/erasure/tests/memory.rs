//! However large an object is, streamed stripes take as little memory, on their way there and back.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use erasure::format::Id;
use erasure::get::{self, get_by};
use erasure::place::Places;
use erasure::put::{Plan, Put, Way, put};
use erasure::target::{Target, directories};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use technique::Lap;

/// The object's length, and the most that may be taken over the process's own.
const LENGTH: u64 = 1 << 30;
const MOST: u64 = 16 << 20;
/// As many as any machine starts.
const WORKERS: usize = 8;
const NAME: &str = "object";

/// Set where this program is to put or to get, and not to test.
const DOES: &str = "ASSAY_TEST_DOES";

/// The most memory that this process ever had.
fn peak() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<u64>().unwrap() << 10
}

fn do_it(what: &str, dir: &Path) {
    let plan = Plan { way: Way::Workers(WORKERS), ..Plan::streamed(4, 2) };
    let code = plan.code().unwrap();
    let directories = directories(dir, 6);
    let targets: Vec<&dyn Target> = directories.iter().map(|target| target as &dyn Target).collect();
    let mut lap = Lap::start(false);
    // What kernels and hashes make for themselves once is the process's own.
    let small = dir.join("small");
    fs::write(&small, [1; 5000]).unwrap();
    let there = |from: &Path, name: &str, lap: &mut Lap| {
        let file = File::open(from).unwrap();
        let object = plan.object(Id::of(name.as_bytes()), file.metadata().unwrap().len());
        let (plan, code, targets) = (&plan, &code, &targets);
        let job = Put { file: &file, object, name, targets, code, plan, budget: None, watch: &|_| true };
        assert_eq!(put(&job, lap).unwrap().temp_bytes, 0);
    };
    let back = |name: &str, lap: &mut Lap| {
        let mut out = File::create(dir.join("out")).unwrap();
        get_by(&targets, name, &get::Way::Stripes(3), &mut out, &|_| true, lap).unwrap();
    };
    there(&small, what, &mut lap);
    back(what, &mut lap);
    let before = peak();
    match what {
        "put" => there(&dir.join("source"), NAME, &mut lap),
        _ => back(NAME, &mut lap),
    }
    fs::write(dir.join(format!("{what} took")), (peak() - before).to_string()).unwrap();
}

#[test]
fn streamed_stripes_take_little_memory_at_any_length() {
    if let Some(what) = std::env::var_os(DOES) {
        return do_it(what.to_str().unwrap(), &std::env::current_dir().unwrap());
    }
    // Where it costs no disk, if there is such a place: shards and what comes back are no holes.
    let place = Places { use_ramdisk: true, named: None }.find(4 * LENGTH).unwrap();
    let dir = tempfile::tempdir_in(place).unwrap();
    for target in directories(dir.path(), 6) {
        fs::create_dir(target.0).unwrap();
    }
    File::create(dir.path().join("source")).unwrap().set_len(LENGTH).unwrap();
    for what in ["put", "get"] {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "streamed_stripes_take_little_memory_at_any_length", "--nocapture"]);
        assert!(child.env(DOES, what).current_dir(dir.path()).status().unwrap().success(), "{what}");
        let told = fs::read_to_string(dir.path().join(format!("{what} took"))).unwrap();
        let took: u64 = told.parse().unwrap();
        assert!((1 << 19..MOST).contains(&took), "{what} took {took} bytes");
    }
    assert_eq!(fs::metadata(dir.path().join("out")).unwrap().len(), LENGTH);
    let shard: PathBuf = directories(dir.path(), 6)[5].0.join(NAME);
    assert!(fs::metadata(shard).unwrap().len() > LENGTH / 4);
}
