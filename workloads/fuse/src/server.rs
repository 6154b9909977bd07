//! A server from its starter's side: a process that serves one mount, and is gone when this is dropped.

use crate::connection::Connection;
use crate::knobs::{Knobs, Transport};
use crate::serve::{ANSWER, Errand, Order, unmount};
use crate::watch::Told;
use crate::{bare, rings, settings};
use anyhow::{Context, Result, bail};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::CloneFlags;
use std::cell::Cell;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout};
use std::sync::OnceLock;
use std::time::Duration;
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
    /// What is cut where it does not end by itself.
    connection: Option<Connection>,
}

/// How long it may take to end: what it still has to store, it stores first.
const LOOKS: u32 = 4000;
const PAUSE: Duration = Duration::from_millis(5);

impl Server {
    /// Starts a server that mounts at `mount`, keeps what it keeps in `dir`, and stays on that processor. Both
    /// directories must be empty.
    pub fn start(knobs: &Knobs, mount: &Path, dir: &Path, processor: Option<usize>) -> Result<Server> {
        possible()?;
        match knobs.transport {
            Transport::Device if knobs.yields => {
                bail!("who gives the processor away answers by hand: transport `Bare`")
            }
            Transport::Device => {}
            Transport::Bare => bare::possible(knobs)?,
            Transport::Rings => rings::possible(knobs)?,
        }
        hide_mounts()?;
        let (child, orders, answers) = technique::servant::start(COMMAND.get(), "serve-fuse")?;
        let mut server = Server { child, orders, answers, mount: mount.to_owned(), mounted: true, connection: None };
        let errand = Errand { knobs: *knobs, mount: mount.to_owned(), dir: dir.to_owned(), processor };
        server.say(&serde_json::to_string(&errand)?)?;
        server.hear().context("the server did not mount")?;
        server.connection = Some(Connection::of(mount)?);
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

impl Server {
    /// Whether it ends by itself, in time.
    fn ends(&mut self) -> bool {
        for _ in 0..LOOKS {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            if stands_still(self.id()) {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
        false
    }
}

/// Whether a process was stopped, by its line in `/proc`: its name may hold anything, and ends at the last bracket.
fn stands_still(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with(['T', 't']))
}

impl Drop for Server {
    fn drop(&mut self) {
        // Another thread takes the mount away: what the server does not take keeps it waiting, and nothing ends that
        // but the server's own end.
        let mount = self.mounted.then(|| self.mount.clone());
        let taken = mount.map(|mount| std::thread::spawn(move || unmount(&mount)));
        // The end of its orders is its dismissal.
        self.orders = None;
        if !self.ends() {
            // It has gone wrong, or somebody has stopped it: whoever waits for it is let go.
            let _ = self.connection.map(Connection::cut);
            let _ = self.child.kill();
        }
        // It may be dead already, and then there is nothing to hear.
        let _ = self.child.wait();
        let _ = taken.map(std::thread::JoinHandle::join);
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

thread_local! {
    static HIDDEN: Cell<bool> = const { Cell::new(false) };
}

/// Whether what this thread mounts is hidden.
pub(crate) fn hidden() -> bool {
    HIDDEN.get()
}

/// From now on what this thread and its heirs mount, only they see; it is gone when they are, however they end.
pub(crate) fn hide_mounts() -> Result<()> {
    if hidden() {
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
