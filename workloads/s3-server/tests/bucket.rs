//! The client against the server: whole objects, parts, ends that come too early, and servers that are not there.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use s3::{Access, Bucket, Failed, Keys, PART};
use s3_server::Server;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

const KEYS: (&str, &str) = ("somebody", "who-may-do-that");

fn start(root: &Path, port: u16) -> Server {
    Server::start(root, SocketAddr::from((Ipv4Addr::LOCALHOST, port)), KEYS, Duration::ZERO).unwrap()
}

struct Place {
    dir: tempfile::TempDir,
    server: Server,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("shards")).unwrap();
        let server = start(dir.path(), 0);
        Place { dir, server }
    }

    fn bucket(&self, url: &str) -> Bucket {
        bucket_at(&self.server.endpoint(), url, KEYS.1)
    }

    /// What is in the bucket, as the file system has it.
    fn files(&self) -> Vec<PathBuf> {
        let mut open = vec![self.dir.path().join("shards")];
        let mut files = Vec::new();
        while let Some(dir) = open.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { open.push(path) } else { files.push(path) }
            }
        }
        files
    }

    /// Parts that belong to no object.
    fn parts(&self) -> usize {
        let names = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().contains("upload")).count()
    }
}

fn bucket_at(endpoint: &str, url: &str, secret: &str) -> Bucket {
    let keys = Keys { access: KEYS.0.to_owned(), secret: secret.to_owned() };
    Bucket::open(url, &Access::Known { endpoint: endpoint.to_owned(), keys, signed: false }).unwrap()
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 7u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| draw()).collect()
}

#[test]
fn whole_objects_are_put_listed_got_and_removed() {
    let place = Place::new();
    for url in ["s3://shards", "s3://shards/some/prefix/"] {
        let bucket = place.bucket(url);
        assert_eq!((bucket.get("a").unwrap(), bucket.list().unwrap().0), (None, vec![]), "{url}");
        let names = [".a b.unfinished", "a", "a%20b", "grüße.manifest"];
        for name in names {
            bucket.put(name, name.as_bytes().to_vec()).unwrap();
            assert_eq!(bucket.get(name).unwrap().unwrap(), name.as_bytes());
        }
        let mut listed = bucket.list().unwrap().0;
        listed.sort();
        assert_eq!(listed, names, "{url}");
        bucket.put("a", b"again".to_vec()).unwrap();
        assert_eq!(bucket.get("a").unwrap().unwrap(), b"again");
        bucket.below("deeper").put("x", Vec::new()).unwrap();
        assert_eq!(bucket.list().unwrap().1, ["deeper"], "{url}");
        bucket.below("deeper").remove("x").unwrap();
        for name in names {
            bucket.remove(name).unwrap();
            bucket.remove(name).unwrap();
        }
    }
    assert_eq!(place.files(), [""; 0].map(PathBuf::from));
}

#[test]
fn an_upload_is_there_when_it_is_finished_and_not_before() {
    let place = Place::new();
    for behind in [false, true] {
        for length in [0, 1, PART - 1, PART, PART + 1, 2 * PART, 3 * PART - 5] {
            let mut bucket = place.bucket("s3://shards/p");
            bucket.behind = behind;
            let bytes = noise(length);
            let mut upload = bucket.upload("a", ".a.part");
            for piece in bytes.chunks(700_001) {
                upload.write(piece).unwrap();
            }
            assert!(bucket.download("a").unwrap().is_none(), "{length}");
            assert_eq!(bucket.get(".a.part").unwrap().is_some(), length > PART, "{length}");
            upload.finish().unwrap();
            assert!(bucket.get("a").unwrap().unwrap() == bytes, "{length}");
            assert_eq!((place.files().len(), place.parts()), (1, 0), "{length}");
            bucket.remove("a").unwrap();
        }
    }
}

#[test]
fn who_lets_go_of_an_upload_leaves_nothing() {
    let place = Place::new();
    let bucket = place.bucket("s3://shards");
    for length in [10, 2 * PART + 7] {
        for closed in [false, true] {
            let mut upload = bucket.upload("a", ".a.part");
            upload.write(&noise(length)).unwrap();
            if closed {
                upload.close().unwrap();
            }
            drop(upload);
            assert_eq!((place.files().len(), place.parts()), (0, 0), "{length}, closed: {closed}");
        }
    }
    // Who is killed cannot let go; what the note tells is thrown away later.
    let mut killed = bucket.upload("a", ".a.part");
    killed.write(&noise(2 * PART + 7)).unwrap();
    std::mem::forget(killed);
    assert!(place.parts() > 0);
    bucket.abort("a", ".a.part").unwrap();
    bucket.abort("a", ".a.part").unwrap();
    assert_eq!((place.files().len(), place.parts()), (0, 0));
}

#[test]
fn a_download_gives_what_is_asked_for_in_any_order() {
    let place = Place::new();
    let bucket = place.bucket("s3://shards");
    for length in [0, 5, 70_000, 1_000_003] {
        let bytes = noise(length);
        bucket.put("a", bytes.clone()).unwrap();
        let download = bucket.download("a").unwrap().unwrap();
        assert_eq!(download.length(), length as u64);
        let mut in_order = Vec::new();
        let mut piece = vec![0; 33_333];
        loop {
            let read = download.read_at(in_order.len() as u64, &mut piece).unwrap();
            in_order.extend_from_slice(&piece[..read]);
            if read < piece.len() {
                break;
            }
        }
        assert!(in_order == bytes, "{length}");
        for from in [length / 2, 0, length.saturating_sub(3), length, length + 9, 100] {
            let read = download.read_at(from as u64, &mut piece).unwrap();
            let there = bytes.get(from..).unwrap_or_default();
            assert_eq!(&piece[..read], &there[..there.len().min(piece.len())], "{from} of {length}");
        }
    }
}

#[test]
fn a_server_may_be_started_again_in_between() {
    let Place { dir, server } = Place::new();
    let (port, endpoint) = (server.address().port(), server.endpoint());
    let bucket = bucket_at(&endpoint, "s3://shards", KEYS.1);
    bucket.put("a", b"kept".to_vec()).unwrap();
    drop(server);
    let failed = bucket.get("a").unwrap_err();
    assert!(failed.what.contains(&format!("s3://shards at {endpoint}")), "{failed:?}");
    assert!(failed.mend.contains("AWS_ENDPOINT_URL"), "{failed:?}");
    let server = start(dir.path(), port);
    assert_eq!(bucket.get("a").unwrap().unwrap(), b"kept");
    drop(server);
}

#[test]
fn strangers_and_nonsense_are_told() {
    let place = Place::new();
    let failed = bucket_at(&place.server.endpoint(), "s3://shards", "another").get("a").unwrap_err();
    assert!(failed.mend.contains("AWS_SECRET_ACCESS_KEY"), "{failed:?}");
    let none: Failed = place.bucket("s3://no-such-bucket").put("a", Vec::new()).unwrap_err();
    assert!(none.what.contains("no-such-bucket"), "{none:?}");
    for url in ["s3://", "s3:///x", "/shards", "s4://x"] {
        assert!(Bucket::open(url, &Access::Environment).is_err(), "{url}");
    }
    assert!(
        Server::start(Path::new("/no/such/place"), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), KEYS, Duration::ZERO)
            .is_err()
    );
}

#[test]
fn requests_are_counted_and_answers_may_come_late() {
    let Place { dir, server } = Place::new();
    let bucket = bucket_at(&server.endpoint(), "s3://shards", KEYS.1);
    bucket.meet().unwrap();
    bucket.put("a", noise(10)).unwrap();
    assert_eq!(server.requests(), 2);
    drop(server);
    // Later than a client that does not wait that long: a clock that says how long it was would be one more.
    let delay = Duration::from_hours(1);
    let late = Server::start(dir.path(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), KEYS, delay).unwrap();
    let bucket = bucket_at(&late.endpoint(), "s3://shards", KEYS.1);
    let (told, answered) = std::sync::mpsc::channel();
    std::thread::spawn(move || told.send(bucket.get("a").is_ok()));
    assert!(answered.recv_timeout(Duration::from_millis(300)).is_err());
    assert_eq!(late.requests(), 1);
}
