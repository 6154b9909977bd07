//! A kernel that is none: it speaks to the server over a pair of sockets, so that what the server answers is tested
//! where there is no /dev/fuse and no root.

use crate::core::Core;
use crate::filesystem::Mounted;
use crate::knobs::{Held, Knobs, LEAST, PLAIN, Privileges, Transport};
use fuser::{Config, Session, SessionACL};
use std::os::unix::net::UnixDatagram;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

// What the kernel calls its requests (include/uapi/linux/fuse.h).
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const MKNOD: u32 = 8;
const UNLINK: u32 = 10;
const OPEN: u32 = 14;
const READ: u32 = 15;
const WRITE: u32 = 16;
const RELEASE: u32 = 18;
const FSYNC: u32 = 20;
const GETXATTR: u32 = 22;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const CREATE: u32 = 35;
const DESTROY: u32 = 38;

const ENOENT: i32 = 2;
const EEXIST: i32 = 17;
const ENOSPC: i32 = 28;
const ENOSYS: i32 = 38;
const ENODATA: i32 = 61;

const ROOT: u64 = 1;
const REGULAR: u32 = 0o100_644;

/// All that a request's body is made of.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    fn u32(mut self, number: u32) -> Body {
        self.0.extend(number.to_ne_bytes());
        self
    }
    fn u64(mut self, number: u64) -> Body {
        self.0.extend(number.to_ne_bytes());
        self
    }
    fn name(mut self, name: &str) -> Body {
        self.0.extend(name.as_bytes());
        self.0.push(0);
        self
    }
    fn bytes(mut self, bytes: &[u8]) -> Body {
        self.0.extend(bytes);
        self
    }
}

fn body() -> Body {
    Body::default()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

struct Kernel {
    socket: UnixDatagram,
    unique: u64,
    core: Arc<Core>,
    server: Option<JoinHandle<anyhow::Result<()>>>,
    _dir: tempfile::TempDir,
    /// What the server wants, as it answered INIT.
    wants: u64,
}

impl Kernel {
    fn new(knobs: &Knobs) -> Kernel {
        let dir = tempfile::tempdir().unwrap();
        let core = Arc::new(Core::new(*knobs, dir.path()).unwrap());
        let (socket, theirs) = UnixDatagram::pair().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let own = Arc::clone(&core);
        let server = std::thread::spawn(move || {
            let lent = theirs.try_clone()?;
            let mounted = Mounted::new(Arc::clone(&own));
            let session = Session::from_fd(mounted, theirs.into(), SessionACL::All, Config::default())?;
            match own.knobs.transport {
                Transport::Bare => crate::bare::serve(&own, lent),
                _ => Ok(session.run()?),
            }
        });
        let mut kernel = Kernel { socket, unique: 0, core, server: Some(server), _dir: dir, wants: 0 };
        // Protocol 7.45 and everything on offer.
        let init = body().u32(7).u32(45).u32(128 << 10).u32(u32::MAX).u32(u32::MAX).bytes(&[0; 44]);
        let answer = kernel.ask(INIT, 0, init).unwrap();
        assert_eq!(u32_at(&answer, 0), 7);
        kernel.wants = u64::from(u32_at(&answer, 12)) | u64::from(u32_at(&answer, 32)) << 32;
        assert_eq!(u32_at(&answer, 20), knobs.max_write);
        kernel
    }

    fn send(&mut self, opcode: u32, node: u64, body: &Body) {
        self.unique += 1;
        let len = u32::try_from(40 + body.0.len()).unwrap();
        let head = self::body().u32(len).u32(opcode).u64(self.unique).u64(node).u32(0).u32(0).u32(1).u32(0);
        assert_eq!(self.socket.send(&head.bytes(&body.0).0).unwrap(), len as usize);
    }

    /// Sends a request and hears the answer, or the error.
    #[expect(clippy::needless_pass_by_value, reason = "each body is made for one request")]
    fn ask(&mut self, opcode: u32, node: u64, body: Body) -> Result<Vec<u8>, i32> {
        self.send(opcode, node, &body);
        let mut answer = vec![0; 1 << 17];
        let len = self.socket.recv(&mut answer).unwrap();
        answer.truncate(len);
        assert_eq!((u32_at(&answer, 0) as usize, u64_at(&answer, 8)), (len, self.unique));
        match u32_at(&answer, 4).cast_signed() {
            0 => Ok(answer.split_off(16)),
            error => Err(-error),
        }
    }

    fn look_up(&mut self, name: &str) -> Result<u64, i32> {
        self.ask(LOOKUP, ROOT, body().name(name)).map(|answer| u64_at(&answer, 0))
    }

    fn write(&mut self, node: u64, at: u64, bytes: &[u8]) -> Result<u32, i32> {
        let size = u32::try_from(bytes.len()).unwrap();
        let head = body().u64(0).u64(at).u32(size).u32(0).u64(0).u32(1).u32(0);
        self.ask(WRITE, node, head.bytes(bytes)).map(|answer| u32_at(&answer, 0))
    }

    fn read(&mut self, node: u64, at: u64, size: u32) -> Result<Vec<u8>, i32> {
        self.ask(READ, node, body().u64(0).u64(at).u32(size).u32(0).u64(0).u32(0).u32(0))
    }

    fn size(&mut self, node: u64) -> u64 {
        u64_at(&self.ask(GETATTR, node, body().u32(0).u32(0).u64(0)).unwrap(), 16 + 8)
    }

    fn end(&mut self) {
        self.send(DESTROY, 0, &body());
        self.server.take().unwrap().join().unwrap().unwrap();
    }
}

/// The same by each way that the device is read.
fn both(knobs: Knobs) -> [Knobs; 2] {
    [knobs, Knobs { transport: Transport::Bare, ..knobs }]
}

#[test]
fn a_file_is_made_written_read_and_closed() {
    let files = Knobs { store: Held::Files, ..PLAIN };
    let zlib = Knobs { store: Held::Blocks(blocks::ZLIB), ..PLAIN };
    let pages = Knobs { store: Held::Pages, ..PLAIN };
    for knobs in [PLAIN, files, zlib, pages].into_iter().flat_map(both) {
        let mut kernel = Kernel::new(&knobs);
        assert_eq!(kernel.look_up("a"), Err(ENOENT));
        let create = || body().u32(0o101).u32(REGULAR).u32(0o022).u32(0).name("a");
        let made = kernel.ask(CREATE, ROOT, create()).unwrap();
        let node = u64_at(&made, 0);
        assert_eq!((u64_at(&made, 40), u32_at(&made, 100)), (node, REGULAR), "number and mode");
        assert_eq!(kernel.ask(CREATE, ROOT, create()), Err(EEXIST));
        assert_eq!(kernel.ask(GETXATTR, node, body().u32(0).u32(0).name("security.capability")), Err(ENODATA));
        let text = b"four KiB of it, ".repeat(256);
        assert_eq!(kernel.write(node, 0, &text), Ok(4096));
        assert_eq!(kernel.write(node, 8000, b"and more"), Ok(8));
        assert_eq!((kernel.size(node), kernel.look_up("a")), (8008, Ok(node)));
        let mut wanted = text.clone();
        wanted.resize(8000, 0);
        wanted.extend(b"and more");
        assert_eq!(kernel.read(node, 0, 1 << 16).unwrap(), wanted);
        assert_eq!(kernel.read(node, 4090, 8).unwrap(), wanted[4090..4098]);
        assert_eq!(kernel.read(node, 9000, 8).unwrap(), b"");
        assert_eq!(kernel.ask(FLUSH, node, body().u64(0).u64(0).u64(0)), Ok(vec![]));
        assert_eq!(kernel.ask(FSYNC, node, body().u64(0).u64(0)), Ok(vec![]));
        assert_eq!(kernel.ask(RELEASE, node, body().u64(0).u64(0).u64(0)), Ok(vec![]));
        kernel.end();
    }
}

#[test]
fn what_a_knob_refuses_is_refused_so_that_the_kernel_learns_it() {
    for knobs in both(LEAST) {
        let mut kernel = Kernel::new(&knobs);
        // NO_OPEN_SUPPORT and NO_OPENDIR_SUPPORT: without them the kernel would take the refusals for failures.
        assert_eq!(kernel.wants & (1 << 17 | 1 << 24), 1 << 17 | 1 << 24);
        assert_eq!(kernel.ask(CREATE, ROOT, body().u32(0o101).u32(REGULAR).u32(0).u32(0).name("a")), Err(ENOSYS));
        assert_eq!(kernel.look_up("a"), Err(ENOENT), "a refused request has done nothing");
        let node = u64_at(&kernel.ask(MKNOD, ROOT, body().u32(REGULAR).u32(0).u32(0).u32(0).name("a")).unwrap(), 0);
        assert_eq!(kernel.ask(OPEN, node, body().u32(0).u32(0)), Err(ENOSYS));
        assert_eq!(kernel.ask(FLUSH, node, body().u64(0).u64(0).u64(0)), Err(ENOSYS));
        assert_eq!(kernel.ask(GETXATTR, node, body().u32(0).u32(0).name("security.capability")), Err(ENOSYS));
        assert_eq!(kernel.write(node, 0, b"x"), Ok(1));
        kernel.end();
    }
    for (knobs, flag, wanted) in [
        (Knobs { privileges: Privileges::Dropped, ..LEAST }, 28, true),
        (LEAST, 28, false),
        (Knobs { data: crate::Data::Writeback, ..LEAST }, 16, true),
        (LEAST, 16, false),
        (Knobs { data: crate::Data::Passthrough, store: Held::Files, ..PLAIN }, 37, true),
    ] {
        let mut kernel = Kernel::new(&knobs);
        assert_eq!(kernel.wants >> flag & 1 == 1, wanted, "flag {flag}");
        kernel.end();
    }
}

#[test]
fn a_file_without_a_name_stays_until_the_kernel_forgets_it() {
    for knobs in both(LEAST) {
        let mut kernel = Kernel::new(&knobs);
        let node = u64_at(&kernel.ask(MKNOD, ROOT, body().u32(REGULAR).u32(0).u32(0).u32(0).name("a")).unwrap(), 0);
        assert_eq!((kernel.look_up("a"), kernel.write(node, 0, b"still here")), (Ok(node), Ok(10)));
        assert_eq!(kernel.ask(UNLINK, ROOT, body().name("a")), Ok(vec![]));
        assert_eq!((kernel.look_up("a"), kernel.read(node, 0, 99)), (Err(ENOENT), Ok(b"still here".to_vec())));
        // Told of it twice, it forgets it in two steps; nobody answers.
        kernel.send(FORGET, node, &body().u64(1));
        assert_eq!(kernel.size(node), 10);
        kernel.send(FORGET, node, &body().u64(1));
        assert_eq!(kernel.ask(GETATTR, node, body().u32(0).u32(0).u64(0)), Err(ENOENT));
        assert_eq!(kernel.core.store.len(node), 0, "and its bytes are gone");
        kernel.end();
    }
}

#[test]
fn a_full_store_says_so_and_requests_are_counted() {
    for knobs in both(Knobs { capacity: Some(5000), ..LEAST }) {
        let mut kernel = Kernel::new(&knobs);
        let node = u64_at(&kernel.ask(MKNOD, ROOT, body().u32(REGULAR).u32(0).u32(0).u32(0).name("a")).unwrap(), 0);
        assert_eq!(kernel.write(node, 0, &[1; 4096]), Ok(4096));
        assert_eq!(kernel.write(node, 4096, &[1; 4096]), Err(ENOSPC));
        assert_eq!((kernel.size(node), kernel.write(node, 4096, &[1; 904])), (4096, Ok(904)));
        kernel.end();
        let told = kernel.core.watch.tell().requests;
        assert_eq!((told["requests.mknod"], told["requests.write"], told["requests.getattr"]), (1, 3, 1));
    }
}

/// What a library answers and what is answered by hand are the same bytes, whatever is asked.
#[test]
fn by_hand_each_request_is_answered_as_the_library_answers_it() {
    let long = "n".repeat(256);
    let at = |node: u64| move |opcode: u32, body: Body| (opcode, node, body);
    let (root, file, dir) = (at(ROOT), at(2), at(3));
    let script = || {
        vec![
            root(MKNOD, body().u32(REGULAR).u32(0).u32(0).u32(0).name("file")),
            root(9, body().u32(0o755).u32(0).name("dir")),
            root(LOOKUP, body().name("file")),
            root(LOOKUP, body().name(&long)),
            root(6, body().name("link").name("file")),
            at(4)(5, body()),
            file(5, body()),
            dir(13, body().u64(2).name("hard")),
            dir(13, body().u64(2).name("hard")),
            file(WRITE, body().u64(0).u64(3).u32(5).u32(0).u64(0).u32(1).u32(0).bytes(b"bytes")),
            file(READ, body().u64(0).u64(0).u32(4096).u32(0).u64(0).u32(0).u32(0)),
            file(43, body().u64(0).u64(0).u64(100).u32(0).u32(0)),
            file(43, body().u64(0).u64(0).u64(100).u32(2).u32(0)),
            file(43, body().u64(0).u64(4).u64(2).u32(3).u32(0)),
            file(READ, body().u64(0).u64(0).u32(4096).u32(0).u64(0).u32(0).u32(0)),
            file(46, body().u64(0).u64(0).u32(0).u32(0)),
            file(21, body().u32(5).u32(0).name("user.a").bytes(b"value")),
            file(21, body().u32(5).u32(1).name("user.a").bytes(b"value")),
            file(GETXATTR, body().u32(0).u32(0).name("user.a")),
            file(GETXATTR, body().u32(3).u32(0).name("user.a")),
            file(GETXATTR, body().u32(64).u32(0).name("user.a")),
            file(23, body().u32(64).u32(0)),
            file(24, body().name("user.a")),
            file(24, body().name("user.a")),
            root(17, body()),
            root(27, body().u32(0).u32(0)),
            root(28, body().u64(0).u64(0).u32(4096).u32(0).u64(0).u32(0).u32(0)),
            root(28, body().u64(0).u64(0).u32(40).u32(0).u64(0).u32(0).u32(0)),
            root(29, body().u64(0).u64(0).u64(0)),
            root(30, body().u64(0).u64(0)),
            root(34, body().u32(4).u32(0)),
            root(CREATE, body().u32(0o101).u32(REGULAR).u32(0).u32(0).name("made")),
            file(OPEN, body().u32(0).u32(0)),
            root(12, body().u64(3).name("made").name("moved")),
            root(45, body().u64(3).u32(1).u32(0).name("file").name("moved")),
            root(45, body().u64(3).u32(0).u32(0).name("file").name("hard")),
            root(UNLINK, body().name("dir")),
            root(11, body().name("dir")),
            root(11, body().name("file")),
            dir(UNLINK, body().name("moved")),
            file(4, body().u32(8).u32(0).u64(0).u64(2).bytes(&[0; 64])),
            file(
                4,
                body()
                    .u32(1 << 4 | 1 << 5 | 1)
                    .u32(0)
                    .u64(0)
                    .u64(0)
                    .u64(0)
                    .u64(7)
                    .u64(8)
                    .u64(0)
                    .u32(1)
                    .u32(2)
                    .u32(0)
                    .u32(0o640)
                    .u32(0)
                    .u32(0)
                    .u32(0)
                    .u32(0),
            ),
            at(99)(GETATTR, body().u32(0).u32(0).u64(0)),
            // To be interrupted, a map of blocks, and what no kernel asks.
            root(36, body().u64(1)),
            root(37, body().u64(0).u32(0).u32(0)),
            root(4000, body()),
        ]
    };
    let [library, hand] = both(PLAIN).map(|knobs| {
        let mut kernel = Kernel::new(&knobs);
        let told: Vec<_> = script().into_iter().map(|(opcode, node, body)| kernel.ask(opcode, node, body)).collect();
        // Many are forgotten at once; nobody answers, and the next answer is the next question's.
        kernel.send(42, 0, &body().u32(2).u32(0).u64(2).u64(1).u64(5).u64(1));
        assert!(kernel.ask(GETATTR, ROOT, body().u32(0).u32(0).u64(0)).is_ok());
        kernel.end();
        assert_eq!(kernel.core.watch.tell().requests["requests.forget"], 2);
        told
    });
    for (step, (library, hand)) in library.into_iter().zip(hand).enumerate() {
        let (opcode, node, _) = &script()[step];
        let about = format!("step {step}: request {opcode} of {node}");
        match (library, hand) {
            (Ok(library), Ok(hand)) => assert_eq!(timeless(library), timeless(hand), "{about}"),
            (library, hand) => assert_eq!(library, hand, "{about}"),
        }
    }
}

/// An answer without the times of a node in it, which differ from run to run. Where the node lies, the length tells.
fn timeless(mut answer: Vec<u8>) -> Vec<u8> {
    let node = match answer.len() {
        128 | 144 => 40,
        104 => 16,
        _ => return answer,
    };
    answer[node + 24..node + 60].fill(0);
    answer
}
