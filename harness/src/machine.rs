//! The machine's fingerprint: what a reader must know before believing a number.

use crate::scratch::mount_of;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use technique::Clock;

/// Everything about this machine, this build and this scratch place that moves a number.
pub fn fingerprint(scratch: &Path) -> BTreeMap<String, String> {
    let mut machine = BTreeMap::new();
    let mut note = |key: &str, value: String| {
        machine.insert(key.to_owned(), value);
    };
    note("cpu", cpu());
    note("cpus", std::thread::available_parallelism().map_or("unknown".into(), |cpus| cpus.to_string()));
    note("memory", memory());
    note("kernel", read("/proc/sys/kernel/osrelease"));
    note("mitigations", mitigations());
    note("governor", read_or("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "absent"));
    note("hypervisor", if cpu_flags().contains(" hypervisor") { "yes".into() } else { "no".into() });
    note("clocksource", read("/sys/devices/system/clocksource/clocksource0/current_clocksource"));
    note("stopwatch", Clock::best().name().to_owned());
    note("huge pages", read("/sys/kernel/mm/transparent_hugepage/enabled"));
    note("load", load());
    if let Some(mount) = mount_of(scratch) {
        note("filesystem", mount.filesystem);
        note("mount options", mount.options);
        note("journal", journal(&mount.device));
    }
    note("disk", disk(scratch));
    note("descriptors", descriptors());
    note("rustc", env!("ASSAY_RUSTC").to_owned());
    note("profile", env!("ASSAY_PROFILE").to_owned());
    note("assay", env!("CARGO_PKG_VERSION").to_owned());
    note("commit", commit());
    note("crates", codec_crates());
    if let Ok(fake) = std::env::var(FAKE) {
        faked(&mut machine, &fake);
    }
    machine
}

/// For tests alone: `kernel=6.99,filesystem=xfs` makes this machine say so.
const FAKE: &str = "ASSAY_FAKE_MACHINE";

/// Puts other words into some fields, and says so in one of its own: no reader takes such a machine for a real one.
fn faked(machine: &mut BTreeMap<String, String>, fake: &str) {
    let fields: Vec<(&str, &str)> = fake.split(',').filter_map(|field| field.split_once('=')).collect();
    let names: Vec<&str> = fields.iter().map(|(key, _)| *key).collect();
    machine.insert(reports::fleet::machine::FAKED.to_owned(), format!("faked: {}", names.join(", ")));
    for (key, value) in fields {
        machine.insert(key.to_owned(), value.to_owned());
    }
}

/// The load average of the last minutes.
pub fn load() -> String {
    read("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn read(path: &str) -> String {
    read_or(path, "unknown")
}

fn read_or(path: &str, otherwise: &str) -> String {
    std::fs::read_to_string(path).map_or(otherwise.to_owned(), |text| text.trim().to_owned())
}

fn cpu_field(field: &str) -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn cpu() -> String {
    let of = |field: &str| cpu_field(field).unwrap_or_else(|| "?".into());
    match cpu_field("model name") {
        Some(name) => {
            format!("{name} (family {}, model {}, stepping {})", of("cpu family"), of("model\t"), of("stepping"))
        }
        None => std::env::consts::ARCH.to_owned(),
    }
}

fn cpu_flags() -> String {
    format!(" {} ", cpu_field("flags").or_else(|| cpu_field("Features")).unwrap_or_default())
}

fn memory() -> String {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: Option<f64> = total.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    kib.map_or("unknown".to_owned(), |kib| format!("{:.1} GiB", kib / f64::from(1 << 20)))
}

/// Mitigations set the price of a system call.
fn mitigations() -> String {
    let mut active = Vec::new();
    for entry in std::fs::read_dir("/sys/devices/system/cpu/vulnerabilities").into_iter().flatten().flatten() {
        let says = std::fs::read_to_string(entry.path()).unwrap_or_default();
        if !says.starts_with("Not affected") {
            active.push(format!("{}: {}", entry.file_name().display(), says.trim()));
        }
    }
    active.sort();
    if active.is_empty() { "none needed".to_owned() } else { active.join("; ") }
}

/// Without a journal, ext4 makes creating a file several times dearer after a tree was removed.
fn journal(device: &str) -> String {
    let name = device.trim_start_matches("/dev/");
    match std::fs::read_to_string(format!("/sys/fs/ext4/{name}/journal_task")) {
        Ok(task) if task.trim() == "<none>" => "none".to_owned(),
        Ok(_) => "yes".to_owned(),
        Err(_) => "not of ext4".to_owned(),
    }
}

/// What the file system lies on. The disk of a virtual machine says of itself what its host lets it say.
fn disk(scratch: &Path) -> String {
    let Some(place) = scratch.ancestors().find_map(|path| rustix::fs::stat(path).ok()) else {
        return "unknown".to_owned();
    };
    let node = format!("/sys/dev/block/{}:{}", rustix::fs::major(place.st_dev), rustix::fs::minor(place.st_dev));
    let Ok(node) = Path::new(&node).canonicalize() else {
        return "none below this file system".to_owned();
    };
    // A partition lies below its disk.
    let disk = if node.join("partition").exists() { node.parent().unwrap_or(&node) } else { &node };
    let field = |name: &str| read_or(&disk.join(name).display().to_string(), "");
    let mut said = vec![disk.file_name().map_or_else(String::new, |name| name.display().to_string())];
    said.extend(Some(field("device/model")).filter(|model| !model.is_empty()));
    said.extend(field("size").parse().ok().map(|sectors: f64| format!("{:.0} GiB", sectors / f64::from(1 << 21))));
    said.push(if field("queue/rotational") == "1" { "rotates, as it says" } else { "does not rotate" }.to_owned());
    let scheduler = field("queue/scheduler");
    let chosen = scheduler.split_once('[').and_then(|(_, rest)| rest.split_once(']'));
    said.extend(chosen.map(|(chosen, _)| format!("scheduler {chosen}")));
    said.join(", ")
}

fn descriptors() -> String {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current.map_or("unlimited".to_owned(), |limit| limit.to_string())
}

/// The commit of the checkout that the binary was built in, and whether it has changes.
fn commit() -> String {
    let Some(checkout) = crate::home::build_directory().and_then(|target| target.parent().map(Path::to_owned)) else {
        return "unknown: not run from a checkout".to_owned();
    };
    let git = |arguments: &[&str]| {
        let output = Command::new("git").arg("-C").arg(&checkout).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "--short=12", "HEAD"]), git(&["status", "--porcelain"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit} with changes"),
        _ => "unknown: no git checkout".to_owned(),
    }
}

/// The versions of the crates that do the heavy work, from the lock file of the build.
fn codec_crates() -> String {
    const LOCK: &str = include_str!("../../Cargo.lock");
    const NAMES: [&str; 9] =
        ["zstd", "zstd-sys", "flate2", "zlib-rs", "miniz_oxide", "libdeflater", "libdeflate-sys", "blake3", "sha2"];
    let mut lines = LOCK.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let name = line.strip_prefix("name = \"").map(|rest| rest.trim_end_matches('"'));
        if let Some(name) = name.filter(|name| NAMES.contains(name)) {
            let version = lines.next().and_then(|line| line.strip_prefix("version = \"")).unwrap_or("?");
            found.push(format!("{name} {}", version.trim_end_matches('"')));
        }
    }
    found.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_names_what_moves_a_number() {
        let machine = fingerprint(Path::new("/dev/shm"));
        for key in [
            "cpu",
            "cpus",
            "memory",
            "kernel",
            "filesystem",
            "mount options",
            "disk",
            "rustc",
            "commit",
            "crates",
            "load",
        ] {
            assert!(machine.get(key).is_some_and(|value| !value.is_empty()), "{key}");
        }
        assert!(machine["crates"].contains("zstd 0."), "{}", machine["crates"]);
        assert!(machine["rustc"].starts_with("rustc "), "{}", machine["rustc"]);
    }

    #[test]
    fn a_faked_machine_says_that_it_is() {
        let mut machine = BTreeMap::from([("kernel".to_owned(), "6.1".to_owned())]);
        faked(&mut machine, "kernel=6.99,cpu=x");
        let said = ["kernel", "cpu", "fingerprint"].map(|key| machine[key].as_str());
        assert_eq!(said, ["6.99", "x", "faked: kernel, cpu"]);
    }
}
