//! Every row of the table leaves what it should, and what it should not leave is found out.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use erasure::WORKLOAD;
use erasure::server::{self, COMMAND, KEYS};
use fixtures::Tally;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use technique::{Absent, Lap, Site, Variant};

/// A site with a source of a few files, and nothing in the target yet.
fn site(dir: &Path, row: &str) -> Site {
    let (source, target) = (dir.join("source"), dir.join(row));
    fs::create_dir_all(source.join("below")).unwrap();
    fs::create_dir_all(&target).unwrap();
    for (name, length) in [("a\nb", 1u32), ("below/c", 70_001), ("d", 0), ("e", 3_000_007)] {
        let bytes: Vec<u8> = (0..length).map(|at| (at.wrapping_mul(2_654_435_761) >> 11).to_le_bytes()[0]).collect();
        fs::write(source.join(name), bytes).unwrap();
    }
    let tally = Tally { files: 4, bytes: 3_070_009, ..Tally::default() };
    Site::new(source, target, dir.join("kept"), tally)
}

/// Runs a row; says what came out otherwise than it should, or that the row is absent.
fn run(variant: &Variant, site: &Site) -> Option<Vec<String>> {
    let mut ready = match variant.technique.prepare(site) {
        Ok(ready) => ready,
        Err(error) if error.is::<Absent>() => {
            technique::absent::skip(
                if variant.name.contains("-s3-") { "s3" } else { "ramdisk" },
                &format!("{}: {error}", variant.name),
            );
            return None;
        }
        Err(error) => panic!("{}: {error:#}", variant.name),
    };
    let mut lap = Lap::start(true);
    ready.work(&mut lap).unwrap();
    assert!(!lap.stop().phases.is_empty(), "{} marks nothing", variant.name);
    ready.settle(site).unwrap();
    let requests = ready.counted().into_iter().find(|(name, _)| *name == "requests");
    assert_eq!(requests.is_some_and(|(_, count)| count >= 6 * 4), variant.name.contains("-s3-"), "{}", variant.name);
    Some(differences(variant, site))
}

fn differences(variant: &Variant, site: &Site) -> Vec<String> {
    let expected = (WORKLOAD.expected)(site).unwrap();
    expected.differences(&(WORKLOAD.outcome)(site).unwrap(), variant.technique.promises())
}

/// Set where this program is to serve, and not to test.
const SERVES: &str = "ASSAY_TEST_SERVES";

/// From now on rows that need an S3 server start this program.
fn server_is_this_program() {
    COMMAND.get_or_init(|| {
        let program = std::env::current_exe().unwrap();
        let words = ["env".into(), format!("{SERVES}=1").into(), program.into()];
        words.into_iter().chain(["--exact", "serve_when_asked", "--nocapture"].map(Into::into)).collect()
    });
}

/// What [`COMMAND`] starts.
#[test]
fn serve_when_asked() {
    if std::env::var_os(SERVES).is_some() {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let start = |errand: &server::Errand| s3_server::Server::start(&errand.root, at, KEYS, errand.delay);
        server::serve(start, |server| (server.endpoint(), server.requests())).unwrap();
    }
}

#[test]
fn every_row_leaves_what_it_should() {
    server_is_this_program();
    let dir = tempfile::tempdir().unwrap();
    for variant in WORKLOAD.variants {
        let site = site(dir.path(), variant.name);
        if let Some(differences) = run(variant, &site) {
            assert_eq!(differences, [""; 0], "{}", variant.name);
        }
    }
}

type Spoil = fn(&Path);

#[test]
fn what_a_row_should_not_leave_is_found_out() {
    server_is_this_program();
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&str, Spoil); 11] = [
        ("put-stripes", |target| fs::remove_file(target.join("t05/000003")).unwrap()),
        ("put-in-memory", |target| fs::write(target.join("temp/left"), "x").unwrap()),
        ("put-hedged", |target| fs::write(target.join("t00/.000001.part"), "x").unwrap()),
        ("put-to-memory", |target| fs::remove_file(target.join("t02/000003")).unwrap()),
        // One that lives: what died there lacks already, and no row promises two shards less.
        ("put-dying-target", |target| fs::remove_file(target.join("t00/000003")).unwrap()),
        ("put-temp-files", |target| {
            let path = target.join("t04/000001");
            let mut bytes = fs::read(&path).unwrap();
            bytes[500] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("get-stripes", |target| fs::write(target.join("objects/000003"), "other bytes").unwrap()),
        ("get-degraded", |target| fs::remove_file(target.join("objects/000000")).unwrap()),
        ("put-s3-stripes", |target| fs::remove_file(target.join("t03/000001")).unwrap()),
        ("put-s3-in-memory", |target| fs::write(target.join(".upload-1.part-1"), "left").unwrap()),
        ("put-compressed", |target| {
            for index in 0..3 {
                fs::remove_file(target.join(format!("t0{index}/000002"))).unwrap();
            }
        }),
    ];
    for (name, spoil) in cases {
        let variant = WORKLOAD.variant(name).unwrap();
        let site = site(dir.path(), name);
        assert_eq!(run(variant, &site).unwrap(), [""; 0], "{name}");
        spoil(&site.target);
        assert!(!differences(variant, &site).is_empty(), "{name}: it is not found out");
    }
}

#[test]
fn names_are_unique() {
    for (at, variant) in WORKLOAD.variants.iter().enumerate() {
        assert!(WORKLOAD.variants[..at].iter().all(|other| other.name != variant.name), "{}", variant.name);
    }
    for name in WORKLOAD.ladder.iter().chain(&WORKLOAD.floor) {
        assert!(WORKLOAD.variant(name).is_some(), "{name}");
    }
}
