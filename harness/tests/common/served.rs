//! An S3 server for a test: `assay serve-s3` on a directory of the test's home, killed with the test.

use super::Home;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};

pub struct Server {
    child: Child,
    pub port: u16,
}

impl Server {
    /// Serves `served` of that home; port 0 is one that is free.
    pub fn start(home: &Home, buckets: &[&str], port: u16, more: &[&str]) -> Server {
        let dir = home.path("served");
        std::fs::create_dir_all(&dir).unwrap();
        let mut command = home.assay();
        command.arg("serve-s3").arg(dir).args(["--port", &port.to_string()]).args(more);
        command.arg("--bucket").args(buckets);
        let mut child = as_somebody(&mut command).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split(' ').next());
        let port = port.and_then(|port| port.parse().ok()).unwrap_or_else(|| panic!("{line}"));
        Server { child, port }
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it as Ctrl-C does.
    pub fn stop(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn as_somebody(command: &mut Command) -> &mut Command {
    command.env("AWS_ACCESS_KEY_ID", "somebody").env("AWS_SECRET_ACCESS_KEY", "who-may-do-that")
}
