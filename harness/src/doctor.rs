//! `assay doctor`: what this machine can and cannot measure, and how to mend each.

use crate::cli::{Said, width};
use crate::file_system::{self, Kind};
use crate::probes::{PROBES, Probe};
use crate::scratch::{default_place, filesystem, free};
use crate::{catalogue, flame, home, machine};
use anyhow::Result;
use reports::record::CALLS;
use reports::table::{Align, Table};
use serde_json::json;
use std::path::Path;
use technique::Clock;
use technique::lap::cost_of_mark_ns;
use technique::peer::find_program;

struct Finding {
    what: &'static str,
    state: &'static str,
    told: String,
}

fn finding(what: &'static str, works: bool, good: impl Into<String>, bad: impl Into<String>) -> Finding {
    Finding { what, state: if works { "ok" } else { "absent" }, told: if works { good.into() } else { bad.into() } }
}

/// Looks at everything that a run may want.
pub fn doctor() -> Result<Said> {
    let findings = findings();
    let mut table = Table::new(&[("WHAT", Align::Left), ("STATE", Align::Left), ("", Align::Left)]);
    for finding in &findings {
        table.row([finding.what.into(), finding.state.into(), finding.told.clone()]);
    }
    let documents: Vec<_> = findings
        .iter()
        .map(|finding| json!({"what": finding.what, "state": finding.state, "told": finding.told}))
        .collect();
    let text = table.render(width());
    Ok(Said::fine(
        "assay.doctor/1",
        text,
        json!({"findings": documents, "machine": machine::fingerprint(&home::home())}),
    ))
}

fn findings() -> Vec<Finding> {
    let root = rustix::process::geteuid().is_root();
    let release = env!("ASSAY_PROFILE") == "release";
    let mut findings = vec![
        finding(
            "build",
            release,
            "release",
            "a debug build: its numbers say nothing; cargo build --release, and run target/release/assay",
        ),
        stopwatch(),
        scratch(),
        finding(
            "cold cache (--cold)",
            root,
            "root may drop the page cache; on tmpfs nothing is cold, so name a --scratch on a disk",
            "only root may drop the page cache: run as root",
        ),
        quiet(),
        file_systems(root),
        finding(
            "slow source (--latency)",
            root && Path::new("/dev/fuse").exists(),
            "by /dev/fuse",
            "needs root and /dev/fuse: run as root; modprobe fuse",
        ),
    ];
    let peers = [
        ("tar", "apt-get install tar", "the peer rows of restore"),
        ("zstd", "apt-get install zstd", "restore/tar-zstd"),
        ("strace", "apt-get install strace", "the test that holds foretold system calls against the kernel's"),
        ("git", "apt-get install git", "naming the commit in records, and comparing with other revisions"),
        ("bindfs", "apt-get install bindfs", "the peer rows of fuse"),
        ("mergerfs", "apt-get install mergerfs", "the peer rows of fuse"),
        ("gocryptfs", "apt-get install gocryptfs", "the peer rows of fuse"),
        ("valgrind", "apt-get install valgrind", "instruction counts (just bench-instructions)"),
    ];
    for (program, mend, needed) in peers {
        let good = format!("for {needed}");
        let bad = format!("{mend}; needed for {needed}");
        findings.push(finding(program, find_program(program).is_some(), good, bad));
    }
    let others = ["pigz", "bsdtar", "unsquashfs", "unzip", "restic", "borg", "casync", "ostree", "uv", "pnpm"];
    let lacking: Vec<&str> = others.into_iter().filter(|program| find_program(program).is_none()).collect();
    findings.push(finding(
        "peers of restore",
        lacking.is_empty(),
        format!("{}; they run with --all, or where they are named", others.join(", ")),
        format!("just peers; not here: {}", lacking.join(", ")),
    ));
    findings.push(finding(
        "pressure",
        Path::new("/proc/pressure/cpu").exists(),
        "who waited for processors, disks and memory beside a run",
        "this kernel does not count it (CONFIG_PSI, or psi=1 at boot): records then lack it",
    ));
    findings.push(match fuse::possible() {
        Ok(()) => finding("mounts (fuse)", true, "for the rows of fuse; nobody else sees them", ""),
        Err(absent) => finding("mounts (fuse)", false, "", format!("{absent:#}; needed for the rows of fuse")),
    });
    findings.push(match std::fs::read_to_string(fuse::SWITCH).as_deref().map(str::trim) {
        Ok("Y" | "1") => finding("rings (fuse)", true, "FUSE over io_uring, for the rows `rings` of fuse", ""),
        Ok(_) => finding("rings (fuse)", false, "", "switched off: --allow-system-settings turns it on for a run"),
        Err(_) => finding("rings (fuse)", false, "", "this kernel has no FUSE over io_uring: Linux 6.14 or newer"),
    });
    findings.push(uring());
    findings.extend(PROBES.iter().map(instrument));
    findings.extend(flames());
    findings
}

/// An instrument of the counts pass.
fn instrument(probe: &Probe) -> Finding {
    match (probe.possible)() {
        Ok(()) => finding(probe.name, true, format!("counts {}", probe.counts.join(", ")), ""),
        Err(missing) => {
            let instead = if probe.counts == [CALLS] { "; ptrace stands in where it may, and is slow" } else { "" };
            finding(probe.name, false, "", format!("{missing}{instead}"))
        }
    }
}

/// The instruments of the flame pass.
fn flames() -> [Finding; 3] {
    let permitted = flame::show::permitted();
    let seen = flame::show::kernel_is_named();
    [
        finding("flame: cpu", true, "pprof, at most at the kernel's tick; user stacks", ""),
        match &permitted {
            Ok(()) => finding("flame: kernel, off, wall", true, "the kernel's events with call chains", ""),
            Err(why) => finding("flame: kernel, off, wall", false, "", format!("{why:#}")),
        },
        finding(
            "kernel's names",
            seen,
            "from /proc/kallsyms, for kernel frames",
            "hidden, so kernel frames have no names: run as root, or sysctl kernel.kptr_restrict=0 \
             kernel.perf_event_paranoid=1",
        ),
    ]
}

/// What `--fs` can make, and what a run could not give back.
fn file_systems(root: bool) -> Finding {
    const WHAT: &str = "file systems (--fs)";
    let left = file_system::left_behind();
    if !left.is_empty() {
        let told = format!("a run that still goes on, or a process that it left, keeps {}", left.join(", "));
        return Finding { what: WHAT, state: "note", told };
    }
    let (mut here, mut lacking) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        match kind.maker() {
            Ok(_) => here.push(kind.name()),
            Err(absent) => lacking.push(format!("{absent}")),
        }
    }
    if !root {
        return finding(WHAT, false, "", format!("only root may mount them: run as root ({})", here.join(", ")));
    }
    Finding {
        what: WHAT,
        state: if lacking.is_empty() { "ok" } else { "note" },
        told: [vec![here.join(", ")], lacking].concat().join("; "),
    }
}

fn stopwatch() -> Finding {
    let clock = Clock::best();
    let cost = cost_of_mark_ns();
    let told = match clock {
        Clock::Counter => format!("the processor's counter, {cost:.1} ns a mark"),
        _ => format!(
            "the kernel's clock, {cost:.1} ns a mark: its own clock source is not tsc, so the counter is not trusted"
        ),
    };
    Finding { what: "stopwatch", state: "ok", told }
}

fn scratch() -> Finding {
    let place = default_place(1 << 30);
    let room = free(&place).unwrap_or(0) >> 20;
    let told = format!("{} ({}, {room} MiB free); --scratch DIR names another", place.display(), filesystem(&place));
    finding("scratch place", room >= 1024, told.clone(), format!("{told}; python-env needs about 1,500 MiB"))
}

fn quiet() -> Finding {
    let load = machine::load();
    let busy = load.split(' ').next().and_then(|load| load.parse::<f64>().ok()).is_some_and(|load| load > 0.5);
    Finding {
        what: "quiet machine",
        state: if busy { "note" } else { "ok" },
        told: format!(
            "load {load}{}",
            if busy { ": something else runs; ratios stay paired, but intervals widen" } else { "" }
        ),
    }
}

/// The row itself knows whether the kernel lets it; a switch that is off is the common reason.
fn uring() -> Finding {
    let switch = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    let on = switch.as_ref().is_ok_and(|switch| switch.trim() == "0");
    let rows =
        catalogue::WORKLOADS.iter().flat_map(|workload| workload.variants).filter(|row| row.name.contains("uring"));
    let needed = format!("for {} rows", rows.count());
    let bad = match switch {
        Ok(switch) => {
            format!("kernel.io_uring_disabled is {}: sysctl kernel.io_uring_disabled=0; {needed}", switch.trim())
        }
        Err(_) if Path::new("/proc/sys/kernel").exists() => {
            format!("this kernel has no io_uring switch (older than 6.6, or without it); {needed}")
        }
        Err(error) => format!("cannot be asked: {error}; {needed}"),
    };
    finding("io_uring", on, needed, bad)
}
