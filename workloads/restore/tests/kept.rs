//! Stores as people keep them: what was packed comes back, and whatever is damaged is named.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use codecs::{Codec, Hash};
use restore::{Form, Layout, Restore, Store, WORKLOAD, Watch, named};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use technique::tree;

const FORMS: [Form; 10] = [
    Form { layout: Layout::Loose, codec: Codec::Gzip { level: 6 }, hash: Hash::Sha256 },
    Form { layout: Layout::Loose, codec: Codec::Plain, hash: Hash::Blake3 },
    Form { layout: Layout::Pack { block: 1000 }, codec: Codec::Zstd { level: 3 }, hash: Hash::Blake3 },
    Form { layout: Layout::Pack { block: 256 << 10 }, codec: Codec::Zstd { level: 3 }, hash: Hash::Blake3 },
    Form { layout: Layout::Trained, codec: Codec::Zstd { level: 3 }, hash: Hash::Blake3 },
    Form { layout: Layout::Sealed { block: 1000 }, codec: Codec::Lz4, hash: Hash::Blake3 },
    Form { layout: Layout::Sealed { block: 256 << 10 }, codec: Codec::Plain, hash: Hash::Blake3 },
    Form { layout: Layout::Primed { block: 1000 }, codec: Codec::Zstd { level: 3 }, hash: Hash::Blake3 },
    Form { layout: Layout::Pack { block: 2000 }, codec: Codec::Zstd { level: -5 }, hash: Hash::Sha256 },
    Form { layout: Layout::Stream, codec: Codec::Gzip { level: 6 }, hash: Hash::Blake3 },
];

/// Names to contents: small ones that share a block, copies, nothing at all, and one that fills several blocks.
fn source(dir: &Path) -> PathBuf {
    let source = dir.join("source");
    fs::create_dir_all(source.join("pkg/sub")).unwrap();
    fs::create_dir(source.join("bare")).unwrap();
    let text =
        |len: usize, with: u8| (0..len).map(|at| with.wrapping_add(at.to_le_bytes()[0] % 31)).collect::<Vec<u8>>();
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("a.py", text(300, 1)),
        ("b.py", text(301, 2)),
        ("pkg/copy.py", text(300, 1)),
        ("pkg/sub/c.py", text(999, 3)),
        ("pkg/long.bin", (0..5_000_u32).flat_map(u32::to_le_bytes).collect()),
    ] {
        fs::write(source.join(name), bytes).unwrap();
    }
    symlink("a.py", source.join("pkg/link")).unwrap();
    source
}

/// The row that reads stores of that form, with its other knobs from the best row.
fn row_for(form: Form) -> Restore {
    Restore { layout: form.layout, codec: form.codec, hash: form.hash, ..*named("best").unwrap() }
}

#[test]
fn a_form_is_found_by_its_name() {
    for form in FORMS {
        assert_eq!(Form::named(&form.to_string()), Some(form));
    }
    for row in WORKLOAD.variants {
        if let Some(row) = named(row.name) {
            assert_eq!(Form::named(&row.form().to_string()), Some(row.form()));
        }
    }
    for wrong in [
        "",
        "pack",
        "pack-zstd-3-blake3",
        "sealed-lz4-blake3",
        "primed--256k-lz4-blake3",
        "pack-0k-zstd-3-blake3",
        "pack-9x-plain-sha256",
        "loose-gzip-10-sha256",
    ] {
        assert_eq!(Form::named(wrong), None, "{wrong}");
    }
}

#[test]
fn what_was_packed_comes_back() {
    for form in FORMS {
        let dir = tempfile::tempdir().unwrap();
        let source = source(dir.path());
        let store = Store::pack(form, &source, &dir.path().join("store"), &Watch::default()).unwrap();
        assert_eq!((store.form(), store.tally().files, store.tally().links), (form, 6, 1));
        let watch = Arc::new(Watch::default());
        assert_eq!(store.verify(&watch).unwrap(), []);
        assert_eq!(watch.done(), store.to_verify());
        let target = dir.path().join("target");
        fs::create_dir(&target).unwrap();
        let (by, watch) = (row_for(form), Arc::new(Watch::default()));
        store.restore(&by, &target, &watch).unwrap();
        assert_eq!(watch.done(), store.to_restore(&by));
        let (was, is) = (tree::outcome(&source).unwrap(), tree::outcome(&target).unwrap());
        assert_eq!(was.differences(&is, technique::Promises::NONE), Vec::<String>::new());
    }
}

#[test]
fn one_file_comes_back_alone() {
    for form in FORMS {
        let dir = tempfile::tempdir().unwrap();
        let source = source(dir.path());
        let path = dir.path().join("store");
        let store = Store::pack(form, &source, &path, &Watch::default()).unwrap();
        for (at, name) in ["empty", "pkg/copy.py", "pkg/sub/c.py", "pkg/long.bin"].into_iter().enumerate() {
            let to = dir.path().join(format!("to{at}"));
            assert!(store.fetch(Path::new(name), &to).unwrap(), "{form}: {name}");
            assert_eq!(fs::read(&to).unwrap(), fs::read(source.join(name)).unwrap(), "{form}: {name}");
            let (was, is) = (fs::metadata(source.join(name)).unwrap(), fs::metadata(&to).unwrap());
            assert_eq!((was.modified().unwrap(), was.permissions()), (is.modified().unwrap(), is.permissions()));
            assert!(store.fetch(Path::new(name), &to).is_err(), "nothing is overwritten");
        }
        let to = dir.path().join("none");
        for name in ["no/such", "pkg", "pkg/link", "../source/empty"] {
            assert!(!store.fetch(Path::new(name), &to).unwrap(), "{name}");
        }
        // The largest file of a store is never its catalogue here, and holds bytes of the longest content.
        let largest = places(&path).into_iter().map(|(file, _)| file).max_by_key(|file| file.metadata().unwrap().len());
        let largest = largest.unwrap();
        fs::write(&largest, vec![0x5a; usize::try_from(fs::metadata(&largest).unwrap().len()).unwrap()]).unwrap();
        let told = format!("{:#}", store.fetch(Path::new("pkg/long.bin"), &to).unwrap_err());
        assert!(told.contains("pkg/long.bin") && told.contains("damaged"), "{form}: {told}");
        assert!(!to.exists());
    }
}

/// Flips one byte at many places of every file of a store. Verifying names exactly the files that a restore then lacks
/// or refuses, and a restore never brings back a wrong byte.
#[test]
fn damage_is_named_and_never_restored() {
    for form in FORMS {
        let dir = tempfile::tempdir().unwrap();
        let source = source(dir.path());
        let path = dir.path().join("store");
        Store::pack(form, &source, &path, &Watch::default()).unwrap();
        for (file, at) in places(&path) {
            let whole = fs::read(&file).unwrap();
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            fs::write(&file, &flipped).unwrap();
            let target = tempfile::tempdir_in(dir.path()).unwrap();
            let found = Store::open(&path).map(|store| {
                let restored = store.restore(&row_for(form), target.path(), &Arc::new(Watch::default()));
                (store.verify(&Watch::default()).unwrap(), restored)
            });
            match found {
                Err(error) => assert!(format!("{error:#}").contains("catalogue"), "{error:#}"),
                Ok((damages, Err(_))) => {
                    assert!(!damages.is_empty(), "{form}: {} at {at}", file.display());
                    for name in damages.iter().flat_map(|damage| &damage.files) {
                        let restored = fs::read(target.path().join(name));
                        let source = fs::read(source.join(name)).unwrap();
                        assert!(
                            restored.map_or(true, |bytes| bytes.is_empty() || bytes == source),
                            "{}",
                            name.display()
                        );
                    }
                }
                // A bit that no decoder looks at, such as one of gzip's header.
                Ok((damages, Ok(()))) => {
                    assert_eq!(damages, [], "{form}: {} at {at}", file.display());
                    let (was, is) = (tree::outcome(&source).unwrap(), tree::outcome(target.path()).unwrap());
                    assert_eq!(was.differences(&is, technique::Promises::NONE), Vec::<String>::new());
                }
            }
            fs::write(&file, &whole).unwrap();
        }
    }
}

/// Every seventh byte or so of every file of the store.
fn places(store: &Path) -> Vec<(PathBuf, usize)> {
    let mut places = Vec::new();
    let mut open = vec![store.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(dir).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else {
                let len = usize::try_from(entry.metadata().unwrap().len()).unwrap();
                places.extend((0..len).step_by(len / 12 + 1).map(|at| (entry.path(), at)));
            }
        }
    }
    places.sort();
    assert!(places.len() > 10);
    places
}

#[test]
fn a_row_is_chosen_by_trying_and_what_was_tried_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let source = source(dir.path());
    let place = dir.path().join("tried");
    for (form, has) in [(named("best").unwrap().form(), true), (FORMS[0], false)] {
        let store = Store::pack(form, &source, &dir.path().join(form.to_string()), &Watch::default()).unwrap();
        let chosen = store.choose(&place).unwrap();
        assert_eq!(chosen.is_some(), has);
        let Some((chosen, tried)) = chosen else { continue };
        assert_eq!(named(chosen.row).unwrap().form(), form);
        assert!(chosen.why.contains("best-alone took"), "{}", chosen.why);
        assert!(place.is_dir());
        drop(tried);
        assert!(!place.exists());
    }
}

#[test]
fn what_is_called_off_stops() {
    let dir = tempfile::tempdir().unwrap();
    let source = source(dir.path());
    let watch = Watch::default();
    watch.stop();
    let packed = Store::pack(FORMS[3], &source, &dir.path().join("none"), &watch);
    assert!(format!("{:#}", packed.err().unwrap()).contains("called off"));
    let store = Store::pack(FORMS[3], &source, &dir.path().join("store"), &Watch::default()).unwrap();
    let target = dir.path().join("target");
    fs::create_dir(&target).unwrap();
    assert!(store.restore(&row_for(FORMS[3]), &target, &Arc::new(watch)).is_err());
}
