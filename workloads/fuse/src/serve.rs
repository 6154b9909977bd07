//! The server's process: it mounts, answers the kernel, and does what its starter says line by line.
//!
//! It is a process of its own, as every file system in user space is: with a memory, a descriptor table and processor
//! time of its own, and its end is not its clients' end. When its starter is gone, however that came about, its input
//! ends, and it takes the mount away and goes.

use crate::bare;
use crate::core::Core;
use crate::filesystem::Mounted;
use crate::knobs::{Data, Knobs, Transport};
use crate::rings::Rings;
use anyhow::{Context, Result, bail};
use fuser::{Config, Session, SessionACL};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use rustix::fs::OFlags;
use rustix::thread::{CpuSet, sched_setaffinity};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

/// What the mount table calls our mounts; by it the next run knows them.
pub const SOURCE: &str = "assay-fuse";
/// What answers begin with: a process that serves may have other things to print.
pub(crate) const ANSWER: &str = "assay-fuse: ";

/// What a server is to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Errand {
    /// How it serves.
    pub(crate) knobs: Knobs,
    /// Where it mounts.
    pub(crate) mount: PathBuf,
    /// Where its store keeps things; an empty directory.
    pub(crate) dir: PathBuf,
    /// The processor that it stays on.
    pub(crate) processor: Option<usize>,
}

/// What a server is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// To look at its time from now on.
    Look,
    /// To tell what it has seen.
    Tell,
    /// To write all files, as its store holds them, into a directory.
    Dump(PathBuf),
}

/// Serves until the mount is gone and the input has ended. The first line of the input is the errand.
pub fn serve() -> Result<Infallible> {
    let mut first = String::new();
    if std::io::stdin().read_line(&mut first).context("reading the errand")? == 0 {
        bail!("no errand came");
    }
    let errand: Errand = serde_json::from_str(&first).context("reading the errand")?;
    if let Some(processor) = errand.processor {
        let mut set = CpuSet::new();
        set.set(processor);
        sched_setaffinity(None, &set).with_context(|| format!("staying on processor {processor}"))?;
    }
    grow_table(errand.knobs.room)?;
    let core = Arc::new(Core::new(errand.knobs, &errand.dir)?);
    let kernel = match mounted(&errand, &core) {
        Ok(mounted) => mounted,
        Err(error) => {
            unmount(&errand.mount);
            return Err(error);
        }
    };
    let (ended, told) = channel();
    let watched = Arc::clone(&core);
    std::thread::Builder::new().name("orders".into()).spawn(move || -> ! {
        let obeyed = obey(&watched, std::io::stdin().lines().map_while(std::result::Result::ok), &told);
        if let Err(error) = &obeyed {
            complain(error);
        }
        unmount(&errand.mount);
        // Whoever still holds a file open must not keep the server: its end cuts them off.
        std::process::exit(i32::from(obeyed.is_err()));
    })?;
    answer("mounted")?;
    kernel.answer(&core)?;
    // Whoever waits for the files finds all of them. The other thread ends the process, when it is dismissed.
    ended.send(()).context("nobody obeys any more")?;
    loop {
        std::thread::park();
    }
}

fn complain(error: &anyhow::Error) {
    // There is nobody else to tell.
    let _ = writeln!(std::io::stderr(), "{SOURCE}: {error:#}");
}

fn obey(core: &Core, lines: impl Iterator<Item = String>, ended: &Receiver<()>) -> Result<()> {
    for line in lines {
        match serde_json::from_str(&line).with_context(|| format!("an order that nobody knows: {line}"))? {
            Order::Look => {
                core.watch.look();
                answer("looking")?;
            }
            Order::Tell => answer(&serde_json::to_string(&core.watch.tell())?)?,
            Order::Dump(into) => {
                // The mount is gone, but its last requests may still be answered.
                if ended.recv().is_err() {
                    bail!("the server ended badly");
                }
                match core.dump(&into) {
                    Ok(()) => answer("dumped")?,
                    Err(error) => answer(&format!("failed: {error:#}"))?,
                }
            }
        }
    }
    Ok(())
}

fn answer(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{ANSWER}{text}\n").as_bytes())?;
    Ok(out.flush()?)
}

/// A descriptor table that grows while threads run stops them all for milliseconds: it may grow before.
fn grow_table(room: u32) -> Result<()> {
    if room > 0 {
        let least = i32::try_from(room).context("a table of that size")?;
        let stdin = std::io::stdin();
        let high = nix::fcntl::fcntl(&stdin, nix::fcntl::FcntlArg::F_DUPFD_CLOEXEC(least))
            .with_context(|| format!("making room for {room} descriptors: ulimit -n must be higher"))?;
        nix::unistd::close(high).context("closing the highest descriptor")?;
    }
    Ok(())
}

/// A kernel that has agreed on how it asks.
enum Kernel {
    Device(Session<Mounted>),
    Rings(Session<Mounted>, Rings),
    Bare(File),
}

impl Kernel {
    /// Answers it until the mount is gone.
    fn answer(self, core: &Core) -> Result<()> {
        let (session, rings) = match self {
            Kernel::Bare(device) => return bare::serve(core, &device),
            Kernel::Device(session) => (session, None),
            Kernel::Rings(session, rings) => (session, Some(rings)),
        };
        session.run().context("answering the kernel")?;
        if let Some(rings) = rings {
            rings.join();
        }
        Ok(())
    }
}

fn mounted(errand: &Errand, core: &Arc<Core>) -> Result<Kernel> {
    let knobs = &errand.knobs;
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    if knobs.spins || knobs.yields {
        options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    }
    let device = options.open("/dev/fuse").context("opening /dev/fuse")?;
    let mut text = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other", device.as_raw_fd());
    if knobs.default_permissions {
        text += ",default_permissions";
    }
    let flags = MsFlags::MS_NODEV;
    mount(Some(SOURCE), &errand.mount, Some("fuse.assay"), flags, Some(text.as_str()))
        .with_context(|| format!("mounting at {}", errand.mount.display()))?;
    let mut config = Config::default();
    config.n_threads = Some(knobs.threads);
    config.clone_fd = knobs.clone_fd;
    let lent = device.try_clone().context("lending the device")?;
    let session = Session::from_fd(Mounted::new(Arc::clone(core)), OwnedFd::from(device), SessionACL::All, config);
    let named = if knobs.data == Data::Passthrough { ": passthrough needs Linux 6.9 and root" } else { "" };
    let session = session.with_context(|| format!("agreeing with the kernel{named}"))?;
    Ok(match knobs.transport {
        Transport::Device => Kernel::Device(session),
        // Agreeing is all that the session was for.
        Transport::Bare => Kernel::Bare(lent),
        Transport::Rings => {
            let point = errand.mount.clone();
            let rings = Rings::start(core, &lent, move |error| {
                complain(error);
                unmount(&point);
                std::process::exit(1);
            })?;
            Kernel::Rings(session, rings)
        }
    })
}

/// Takes the mount away, whoever still uses it. It may be gone already.
pub(crate) fn unmount(mount: &Path) {
    let _ = umount2(mount, MntFlags::MNT_DETACH);
}
