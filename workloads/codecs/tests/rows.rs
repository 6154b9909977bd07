//! Every row does its work on a small tree, and leaves behind what is expected.

use anyhow::Result;
use codecs::WORKLOAD;
use std::path::Path;
use technique::{Lap, Site};

fn site(dir: &Path) -> Result<Site> {
    let (source, target) = (dir.join("source"), dir.join("target"));
    std::fs::create_dir_all(source.join("pkg"))?;
    std::fs::create_dir(&target)?;
    // Noise from a linear congruence: no codec makes it smaller.
    let noise = |seed: u64| {
        let step = |state: u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::iter::successors(Some(seed), move |state| Some(step(*state))).map(|state| state.to_be_bytes()[0])
    };
    let files: [(&str, Vec<u8>); 5] = [
        ("empty", Vec::new()),
        ("one", vec![b'x']),
        ("long.py", b"def area(self):\n    return self.width * self.height\n".repeat(6000)),
        ("noise", noise(1).take(300 << 10).collect()),
        ("pkg/odd \t\nname", b"a name with all that a receipt must bear".to_vec()),
    ];
    for (path, bytes) in files {
        std::fs::write(source.join(path), bytes)?;
    }
    for n in 0..200 {
        let text =
            format!("import os\nimport sys\n\nclass Module{n}:\n    value = {}\n    def get(self): ...\n", n * n);
        std::fs::write(source.join(format!("pkg/module{n}.py")), text)?;
    }
    std::os::unix::fs::symlink("one", source.join("link"))?;
    let (_, tally) = fixtures::tree::digest(&source)?;
    Ok(Site::new(source, target, dir.join("kept"), tally))
}

#[test]
fn every_row_decodes_what_is_expected() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path()).unwrap();
    let expected = (WORKLOAD.expected)(&site).unwrap();
    assert_eq!(expected.len() as u64, site.tally.files);
    for variant in WORKLOAD.variants {
        let mut ready = variant.technique.prepare(&site).unwrap();
        for _ in 0..2 {
            let mut lap = Lap::start(true);
            ready.work(&mut lap).unwrap();
            let phases: Vec<_> = lap.stop().phases.iter().map(|time| time.phase.name()).collect();
            assert!(phases.starts_with(&["set up", "decode", "hash"]), "{}: {phases:?}", variant.name);
        }
        ready.settle(&site).unwrap();
        let got = (WORKLOAD.outcome)(&site).unwrap();
        assert_eq!(expected.differences(&got, variant.technique.promises()), [""; 0], "{}", variant.name);
        std::fs::remove_file(site.target.join("receipts")).unwrap();
    }
}

#[test]
fn the_rows_that_the_table_names_are_there() {
    assert_eq!(WORKLOAD.baseline().name, "gzip-6");
    assert!(WORKLOAD.variant(WORKLOAD.floor.unwrap()).is_some());
}

#[test]
fn a_damaged_payload_is_an_error_that_names_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let site = site(dir.path()).unwrap();
    for name in [
        "gzip-6",
        "gzip-6-miniz",
        "gzip-6-libdeflate",
        "plain",
        "zstd-3",
        "zstd-3-stream",
        "zstd-3-sha256",
        "zstd-fast-5",
        "lz4",
    ] {
        let variant = WORKLOAD.variant(name).unwrap();
        drop(variant.technique.prepare(&site).unwrap());
        // The last byte that is kept belongs to the last file.
        for kept in std::fs::read_dir(site.kept()).unwrap().map(|entry| entry.unwrap().path()) {
            let mut bytes = std::fs::read(&kept).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&kept, bytes).unwrap();
        }
        let error = variant.technique.prepare(&site).unwrap().work(&mut Lap::start(false)).unwrap_err();
        assert!(format!("{error:#}").contains("odd \t\nname"), "{name}: {error:#}");
        std::fs::remove_dir_all(site.kept()).unwrap();
    }
}
