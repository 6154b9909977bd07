//! Keeping the kernel's tracepoints in place while several children count one after the other.
//!
//! The last counter on a tracepoint that closes takes the tracepoint away, and the kernel then waits until no processor
//! can still be in it: some 40 ms for each of a hundred. A process that keeps one idle counter open on each makes
//! closing cheap for the others. It must be gone before a clock runs: a tracepoint that is in place makes every system
//! call on the machine a little dearer.

use super::calls::Counters;
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};

/// The argument by which this program is asked to hold.
pub const COMMAND: &str = "hold";

/// A process that keeps the tracepoints in place.
pub struct Holder {
    child: Child,
    // Its input: when that ends, it lets go.
    input: Option<ChildStdin>,
}

impl Holder {
    /// Starts it, and waits until it holds. Where there is nothing to hold it ends by itself.
    pub fn start() -> Result<Holder> {
        Holder::start_as(Command::new(std::env::current_exe().context("finding this program")?))
    }

    /// The same, of another program, which is `assay`.
    pub fn start_as(mut program: Command) -> Result<Holder> {
        let mut child = program
            .arg(COMMAND)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("starting the process that holds tracepoints")?;
        let input = child.stdin.take();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut String::new()).context("waiting for the tracepoints")?;
        }
        Ok(Holder { child, input })
    }

    /// Tells it to let go; the kernel takes a few seconds over that, and nobody need wait.
    pub fn let_go(&mut self) {
        self.input = None;
    }

    /// Waits until it let go, so that no system call pays for a tracepoint any more.
    pub fn wait(mut self) -> Result<()> {
        self.let_go();
        self.child.wait().context("waiting until the tracepoints are gone")?;
        Ok(())
    }
}

/// The process itself: holds until its input ends.
pub fn hold() -> Result<()> {
    let held = Counters::open();
    let mut output = std::io::stdout();
    writeln!(output, "{}", if held.is_ok() { "held" } else { "nothing to hold" })?;
    output.flush()?;
    if held.is_ok() {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    }
    Ok(())
}
