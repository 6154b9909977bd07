//! A server from its starter's side: a process that serves one mount, and is gone when this is dropped.

use crate::knobs::{Knobs, Transport};
use crate::serve::{ANSWER, Errand, Order, unmount};
use crate::watch::Told;
use crate::{rings, settings};
use anyhow::{Context, Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use std::cell::Cell;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use technique::Absent;

/// The words of the command that serves, where it is not this program with the word `serve-fuse`: a test's.
pub static COMMAND: OnceLock<Vec<OsString>> = OnceLock::new();

/// A process that serves one mount.
#[derive(Debug)]
pub struct Server {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    mount: PathBuf,
    mounted: bool,
}

impl Server {
    /// Starts a server that mounts at `mount`, keeps what it keeps in `dir`, and stays on that processor. Both
    /// directories must be empty.
    pub fn start(knobs: &Knobs, mount: &Path, dir: &Path, processor: Option<usize>) -> Result<Server> {
        possible()?;
        if knobs.transport == Transport::Rings {
            rings::possible(knobs)?;
        }
        hide_mounts()?;
        let own = || -> Result<Vec<OsString>> {
            Ok(vec![std::env::current_exe().context("finding this program")?.into(), "serve-fuse".into()])
        };
        let words = COMMAND.get().cloned().map_or_else(own, Ok)?;
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the server")?;
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().context("its output is a pipe")?);
        let mut server = Server { child, orders, answers, mount: mount.to_owned(), mounted: true };
        let errand = Errand { knobs: *knobs, mount: mount.to_owned(), dir: dir.to_owned(), processor };
        server.say(&serde_json::to_string(&errand)?)?;
        server.hear().context("the server did not mount")?;
        settings::set(knobs, mount)?;
        Ok(server)
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// From now on it looks at its time.
    pub fn look(&mut self) -> Result<()> {
        self.order(&Order::Look).map(drop)
    }

    /// What it has seen of itself.
    pub fn tell(&mut self) -> Result<Told> {
        Ok(serde_json::from_str(&self.order(&Order::Tell)?)?)
    }

    /// Takes the mount away, which sends the server all that the kernel still holds for it.
    pub fn unmount(&mut self) -> Result<()> {
        if std::mem::take(&mut self.mounted) {
            umount2(&self.mount, MntFlags::empty()).with_context(|| format!("unmounting {}", self.mount.display()))?;
        }
        Ok(())
    }

    /// Takes the mount away, and writes all files into a directory, as the server's store holds them.
    pub fn dump(&mut self, into: &Path) -> Result<()> {
        self.unmount()?;
        match self.order(&Order::Dump(into.to_owned()))?.as_str() {
            "dumped" => Ok(()),
            why => bail!("writing out what the server holds {why}"),
        }
    }

    /// Kills it, as a fault would.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("killing the server")?;
        self.child.wait().context("waiting for the server's end")?;
        Ok(())
    }

    fn order(&mut self, order: &Order) -> Result<String> {
        self.say(&serde_json::to_string(order)?)?;
        self.hear()
    }

    fn say(&mut self, line: &str) -> Result<()> {
        let orders = self.orders.as_mut().context("the server has been dismissed")?;
        orders.write_all(format!("{line}\n").as_bytes()).context("the server does not listen any more")
    }

    fn hear(&mut self) -> Result<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.answers.read_line(&mut line).context("listening to the server")? == 0 {
                bail!("the server has gone; its reason stands above");
            }
            // A test's program says other things, and may not end its line.
            if let Some((_, answer)) = line.trim_end().split_once(ANSWER) {
                return Ok(answer.to_owned());
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.mounted {
            unmount(&self.mount);
        }
        // The end of its orders is its dismissal.
        self.orders = None;
        // It may be dead already.
        let _ = self.child.wait();
    }
}

/// Whether something can be mounted here.
pub fn possible() -> Result<()> {
    if !Path::new("/dev/fuse").exists() {
        return Err(Absent::because("there is no /dev/fuse", "modprobe fuse; in a container, --device /dev/fuse"));
    }
    may_mount()
}

/// Whether this process may mount anything.
pub(crate) fn may_mount() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Err(Absent::because("only root may mount", "run as root; in a container, --cap-add SYS_ADMIN"));
    }
    hide_mounts()
}

/// From now on what this thread and its heirs mount, only they see; it is gone when they are, however they end.
pub(crate) fn hide_mounts() -> Result<()> {
    thread_local! {
        static HIDDEN: Cell<bool> = const { Cell::new(false) };
    }
    if HIDDEN.get() {
        return Ok(());
    }
    let refused =
        |_| Absent::because("mounts cannot be hidden here", "run as root; in a container, --cap-add SYS_ADMIN");
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(refused)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).map_err(refused)?;
    HIDDEN.set(true);
    Ok(())
}
