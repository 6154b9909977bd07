//! Every row of the table on a small tree made by hand: it comes back whole, or not at all.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use fixtures::Tally;
use proptest::prelude::*;
use restore::{Form, Layout, WORKLOAD};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use technique::{Absent, Lap, Promise, Site, Variant};

/// A place with a source to restore from and an empty target.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn with(files: &[(&[u8], Vec<u8>, u32)]) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::create_dir(&source).unwrap();
        for (name, bytes, mode) in files {
            let path = source.join(OsStr::from_bytes(name));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_600_000_000 + bytes.len() as u64, 5);
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }
        Place { dir }
    }

    fn environment() -> Place {
        let noise = |len: usize| -> Vec<u8> {
            let mut state = u32::try_from(len).unwrap();
            let mut draw = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            };
            (0..len).map(|_| draw()).collect()
        };
        let text =
            |len: usize| b"def restore(self, path):\n    return path\n".iter().copied().cycle().take(len).collect();
        let place = Place::with(&[
            (b"empty.py", vec![], 0o644),
            (b"one", vec![7], 0o600),
            (b"pkg/__init__.py", text(5_000), 0o644),
            (b"pkg/copy.py", text(5_000), 0o644),
            (b"pkg/other mode.py", text(5_000), 0o755),
            (b"pkg/sub/deep/er/a\nb\xff\"'.py", text(777), 0o444),
            (b"pkg/lib.so", noise(700_000), 0o755),
            (b"pkg/again.so", noise(700_000), 0o755),
            (b"pkg/exact.bin", noise(256 << 10), 0o644),
            (b"pkg/long.txt", text(600_000), 0o640),
            (b"private/key", noise(100), 0o400),
            (b"zz/empty", vec![], 0o644),
        ]);
        let source = place.source();
        fs::create_dir_all(source.join("void/within")).unwrap();
        symlink("pkg/lib.so", source.join("link")).unwrap();
        symlink("/nowhere/at all", source.join("pkg/dangling")).unwrap();
        fs::set_permissions(source.join("private"), fs::Permissions::from_mode(0o500)).unwrap();
        fs::set_permissions(source.join("pkg/sub"), fs::Permissions::from_mode(0o1777)).unwrap();
        place
    }

    fn source(&self) -> PathBuf {
        self.dir.path().join("source")
    }

    /// A fresh target for that row; what was kept stays.
    fn site(&self, row: &str) -> Site {
        let target = self.dir.path().join(format!("target-{row}"));
        fs::create_dir(&target).unwrap();
        Site::new(self.source(), target, self.dir.path().join("kept"), Tally::default())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // So that an ordinary user can remove it.
        for dir in fs::read_dir(self.dir.path()).unwrap().flatten() {
            let _ = fs::set_permissions(dir.path().join("private"), fs::Permissions::from_mode(0o700));
        }
    }
}

/// Runs a row; none where it cannot run here.
fn run(variant: &Variant, site: &Site, looking: bool) -> Option<anyhow::Result<technique::Times>> {
    let mut prepared = match variant.technique.prepare(site) {
        Ok(prepared) => prepared,
        Err(error) if error.is::<Absent>() => {
            technique::absent::skip(variant.name, &error.to_string());
            return None;
        }
        Err(error) => panic!("{}: {error:#}", variant.name),
    };
    let mut lap = Lap::start(looking);
    let worked = prepared.work(&mut lap).map(|()| lap.stop());
    Some(worked.and_then(|times| prepared.settle(site).map(|()| times)))
}

fn row(name: &str) -> &'static Variant {
    WORKLOAD.variant(name).unwrap()
}

#[test]
fn every_row_brings_the_tree_back() {
    let place = Place::environment();
    for variant in WORKLOAD.variants {
        let site = place.site(variant.name);
        let Some(times) = run(variant, &site, true) else { continue };
        times.unwrap_or_else(|error| panic!("{}: {error:#}", variant.name));
        let (expected, got) = ((WORKLOAD.expected)(&site).unwrap(), (WORKLOAD.outcome)(&site).unwrap());
        let differences = expected.differences(&got, variant.technique.promises());
        assert!(differences.is_empty(), "{}: {differences:#?}", variant.name);
        assert!(!got.is_empty());
    }
}

#[test]
fn hard_links_are_made_only_where_promises_say_so_and_all_agrees() {
    let place = Place::environment();
    let site = place.site("hardlinks");
    run(row("hardlinks"), &site, false).unwrap().unwrap();
    let inode = |name: &str| fs::metadata(site.target.join(name)).unwrap().ino();
    assert_eq!(inode("pkg/__init__.py"), inode("pkg/copy.py"));
    assert_eq!(inode("pkg/lib.so"), inode("pkg/again.so"));
    assert_ne!(inode("pkg/copy.py"), inode("pkg/other mode.py"), "a mode belongs to the inode");
    assert!(!row("hardlinks").technique.promises().has(Promise::Independent));
    let site = place.site("best");
    run(row("best"), &site, false).unwrap().unwrap();
    assert_eq!(fs::metadata(site.target.join("pkg/copy.py")).unwrap().nlink(), 1);
}

/// Flips one byte in the middle of every object, or of the pack, one after the other.
#[test]
fn damage_is_named_and_never_restored() {
    for name in [
        "gzip",
        "zstd",
        "whole",
        "workers",
        "best",
        "best-atomic",
        "only-pack",
        "only-uring",
        "only-prefetch",
        "only-stream-and-writers",
        "stream",
        "best-uring",
        "best-mapped",
        "pack",
        "sealed",
        "all-but-sealed",
        "best-fast-5",
        "best-64k-dictionary",
        "best-not-packed",
    ] {
        let place = Place::environment();
        let variant = row(name);
        let Some(first) = run(variant, &place.site("first"), false) else { continue };
        first.unwrap();
        let store = stored(&place);
        let whole: Vec<PathBuf> = files_below(&store).into_iter().filter(|path| !path.ends_with("catalogue")).collect();
        assert!(!whole.is_empty());
        for (number, object) in whole.iter().enumerate() {
            let good = fs::read(object).unwrap();
            if good.is_empty() {
                // No bit of it can be flipped.
                continue;
            }
            let mut bad = good.clone();
            let middle = bad.len() / 2;
            bad[middle] ^= 0x10;
            fs::write(object, &bad).unwrap();
            let site = place.site(&number.to_string());
            let told = run(variant, &site, false).unwrap().err().map(|error| format!("{error:#}"));
            fs::write(object, &good).unwrap();
            // Within a pack some bits mean nothing, such as those of a frame's unused descriptor; then all came back.
            let Some(told) = told else {
                let expected = (WORKLOAD.expected)(&site).unwrap();
                let got = (WORKLOAD.outcome)(&site).unwrap();
                assert!(expected.differences(&got, variant.technique.promises()).is_empty(), "{name}: {object:?}");
                continue;
            };
            assert!(told.contains("is not restored: its contents in the store"), "{name}: {told}");
            only_whole_files(&place.source(), &site.target);
        }
    }
}

#[test]
fn a_truncated_or_missing_object_is_named() {
    let place = Place::environment();
    for name in ["gzip", "whole"] {
        run(row(name), &place.site(&format!("{name}-first")), false).unwrap().unwrap();
        let store = place.dir.path().join("kept").join(form_of(name));
        let object = files_below(&store).into_iter().find(|path| !path.ends_with("catalogue")).unwrap();
        let good = fs::read(&object).unwrap();
        fs::write(&object, &good[..good.len() - 1]).unwrap();
        let told = format!("{:#}", run(row(name), &place.site(&format!("{name}-cut")), false).unwrap().unwrap_err());
        assert!(told.contains("is not restored"), "{told}");
        fs::remove_file(&object).unwrap();
        let told = format!("{:#}", run(row(name), &place.site(&format!("{name}-gone")), false).unwrap().unwrap_err());
        assert!(told.contains("is not restored") && told.contains("No such file"), "{told}");
        fs::write(&object, &good).unwrap();
        let mut longer = good.clone();
        longer.push(0);
        fs::write(&object, &longer).unwrap();
    }
}

#[test]
fn a_damaged_catalogue_is_refused_before_anything_is_made() {
    let place = Place::environment();
    run(row("best"), &place.site("first"), false).unwrap().unwrap();
    let catalogue = stored(&place).join("catalogue");
    let mut bytes = fs::read(&catalogue).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&catalogue, bytes).unwrap();
    let site = place.site("second");
    let told = format!("{:#}", run(row("best"), &site, false).unwrap().unwrap_err());
    assert!(told.contains("catalogue") && told.contains("cannot be used"), "{told}");
    assert_eq!(fs::read_dir(&site.target).unwrap().count(), 0);
}

#[test]
fn a_name_that_is_taken_is_not_overwritten_by_direct_rows() {
    let place = Place::environment();
    let site = place.site("best");
    fs::write(site.target.join("one"), "mine").unwrap();
    let told = format!("{:#}", run(row("best"), &site, false).unwrap().unwrap_err());
    assert!(told.contains("one"), "{told}");
    assert_eq!(fs::read_to_string(site.target.join("one")).unwrap(), "mine");
}

/// A tmpfs of one mebibyte, where root may mount one.
#[test]
fn a_full_disk_is_told_and_leaves_no_half_file() {
    let place = Place::environment();
    for name in ["gzip", "zstd", "best", "best-atomic"] {
        let site = place.site(&format!("full-{name}"));
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(&site.target)
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            return technique::absent::skip("root", "only root may mount a small tmpfs");
        }
        let told = run(row(name), &site, false).unwrap().map(|_| ()).map_err(|error| format!("{error:#}"));
        let checked = std::panic::catch_unwind(|| only_whole_files(&place.source(), &site.target));
        let unmounted = std::process::Command::new("umount").arg(&site.target).status().unwrap();
        assert!(unmounted.success());
        checked.unwrap();
        let told = told.unwrap_err();
        assert!(told.contains("No space left") && told.contains("--scratch"), "{name}: {told}");
    }
}

#[test]
fn one_worker_names_nearly_all_of_its_time() {
    let place = Place::environment();
    let times = run(row("zstd"), &place.site("zstd"), true).unwrap().unwrap();
    let sum: f64 = times.phases.iter().map(|phase| phase.wall_ns).sum();
    assert!((sum / times.wall.as_nanos() as f64 - 1.0).abs() < 0.01);
}

fn form_of(name: &str) -> &'static str {
    match name {
        "gzip" => "loose-gzip-6-sha256",
        _ => "loose-zstd-3-sha256",
    }
}

/// The one store that was kept.
fn stored(place: &Place) -> PathBuf {
    let kept: Vec<_> = fs::read_dir(place.dir.path().join("kept")).unwrap().flatten().collect();
    assert_eq!(kept.len(), 1);
    kept[0].path()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap().flatten() {
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    files
}

/// What stands under a final name is whole.
fn only_whole_files(source: &Path, target: &Path) {
    for path in files_below(target) {
        let below = path.strip_prefix(target).unwrap();
        if path.is_symlink() || path.extension().is_some_and(|extension| extension == "part") {
            continue;
        }
        assert_eq!(fs::read(&path).unwrap(), fs::read(source.join(below)).unwrap(), "{}", below.display());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// restore ∘ pack = id, for any files and any block size.
    #[test]
    fn what_is_packed_is_restored(
        files in prop::collection::btree_map("[a-c]{1,2}(/[d-f]{1,2}){0,2}\\.x", (0usize..5000, 0u8..3), 0..20),
        block in 1usize..6000,
    ) {
        let files: Vec<(Vec<u8>, Vec<u8>)> = files
            .into_iter()
            .map(|(name, (len, seed))| {
                let bytes = (0..len).map(|at| seed.wrapping_add(u8::try_from(at * at % 251).unwrap())).collect();
                (name.into_bytes(), bytes)
            })
            .collect();
        let listed: Vec<(&[u8], Vec<u8>, u32)> =
            files.iter().map(|(name, bytes)| (name.as_slice(), bytes.clone(), 0o644)).collect();
        let place = Place::with(&listed);
        let best = restore::best();
        for layout in [Layout::Loose, Layout::Pack { block }, Layout::Sealed { block }] {
            let technique: &'static restore::Restore = Box::leak(Box::new(restore::Restore { layout, ..best }));
            let variant = technique::variant("packed", technique, "a block size of chance");
            let site = place.site(&technique.form().to_string());
            run(&variant, &site, false).unwrap().unwrap();
            let (expected, got) = ((WORKLOAD.expected)(&site).unwrap(), (WORKLOAD.outcome)(&site).unwrap());
            prop_assert!(expected.differences(&got, variant.technique.promises()).is_empty());
            let form: Form = technique.form();
            prop_assert!(site.kept().join(form.to_string()).exists());
        }
    }
}
