//! Tracepoints for a test: where tracefs is not mounted, root mounts it in a name space that ends with the command.

use std::path::Path;
use std::process::Command;

const MOUNT: &str = "mount -t tracefs tracefs /sys/kernel/tracing && exec \"$@\"";

/// The words that go before a command which needs tracepoints; none where they cannot be had.
pub fn before() -> Option<Vec<String>> {
    let mounted = ["/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"];
    if mounted.iter().any(|place| std::fs::read_dir(Path::new(place)).is_ok()) {
        return Some(vec!["env".to_owned()]);
    }
    let words: Vec<String> = ["unshare", "--mount", "sh", "-c", MOUNT, "sh"].map(str::to_owned).into();
    let tried = Command::new(&words[0]).args(&words[1..]).arg("true").output();
    tried.is_ok_and(|output| output.status.success()).then_some(words)
}

/// A command that has tracepoints.
pub fn command(before: &[String], program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(&before[0]);
    command.args(&before[1..]).arg(program);
    command
}

pub const WHY: &str = "tracefs is not mounted, and cannot be mounted here: run as root";
