//! What the kernel keeps of a process anyway: its bytes, its time, its faults, its memory.

use super::{Instrument, Missing};
use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use reports::record::{Counted, Counts};

/// What [`times`] counts: the process and the children that it waited for.
pub(super) const TIMES: &[&str] = &["user_ns", "system_ns", "voluntary_switches", "involuntary_switches"];
/// What [`faults`] counts, of the same.
pub(super) const FAULTS: &[&str] = &["minor_faults", "major_faults"];
/// What [`bytes`] counts: bytes through calls like `read` and `write`, of the process and the children that it waited
/// for; what goes through a mapping or a ring is not among them. Then bytes that the disk gave and was given.
pub(super) const BYTES: &[&str] = &["bytes_read", "bytes_written", "disk_bytes_read", "disk_bytes_written"];
/// What [`peak`] counts: the most memory under the clock above what the ready process held.
pub(super) const PEAK: &[&str] = &["peak_bytes"];

/// Page faults of the children that were waited for; none without a child.
pub(super) fn faults_of_children() -> Result<i64> {
    Ok(getrusage(UsageWho::RUSAGE_CHILDREN)?.minor_page_faults())
}

/// A part of what the kernel tells of a process: these names, and the first of them in [`used`].
struct Usage {
    names: &'static [&'static str],
    from: usize,
    before: [i64; 6],
    after: [i64; 6],
}

/// Opens the instrument.
pub(super) fn times() -> Result<Box<dyn Instrument>, Missing> {
    Usage::open(TIMES, 0)
}

/// Opens the instrument.
pub(super) fn faults() -> Result<Box<dyn Instrument>, Missing> {
    Usage::open(FAULTS, TIMES.len())
}

impl Usage {
    fn open(names: &'static [&'static str], from: usize) -> Result<Box<dyn Instrument>, Missing> {
        used().map_err(|error| Missing::new(format!("getrusage is refused: {error}"), "nothing is known to help"))?;
        Ok(Box::new(Usage { names, from, before: [0; 6], after: [0; 6] }))
    }
}

fn used() -> Result<[i64; 6]> {
    let mut sum = [0; 6];
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        let one = [
            usage.user_time().num_nanoseconds(),
            usage.system_time().num_nanoseconds(),
            usage.voluntary_context_switches(),
            usage.involuntary_context_switches(),
            usage.minor_page_faults(),
            usage.major_page_faults(),
        ];
        for (sum, one) in sum.iter_mut().zip(one) {
            *sum += one;
        }
    }
    Ok(sum)
}

impl Instrument for Usage {
    fn start(&mut self) -> Result<()> {
        self.before = used()?;
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        self.after = used()?;
        Ok(())
    }

    fn read(&mut self, counts: &mut Counts) -> Result<()> {
        for (at, name) in (self.from..).zip(self.names) {
            let spent = u64::try_from(self.after[at] - self.before[at]).unwrap_or(0);
            counts.values.insert((*name).to_owned(), Counted::Present(spent));
        }
        Ok(())
    }
}

const IO: &str = "/proc/self/io";

struct Bytes {
    before: String,
    after: String,
}

/// Opens the instrument.
pub(super) fn bytes() -> Result<Box<dyn Instrument>, Missing> {
    std::fs::read_to_string(IO).map_err(|error| {
        Missing::new(format!("{IO} cannot be read: {error}"), "a kernel with CONFIG_TASK_IO_ACCOUNTING has it")
    })?;
    Ok(Box::new(Bytes { before: String::new(), after: String::new() }))
}

impl Instrument for Bytes {
    fn start(&mut self) -> Result<()> {
        self.before = std::fs::read_to_string(IO).context(IO)?;
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        self.after = std::fs::read_to_string(IO).context(IO)?;
        Ok(())
    }

    fn read(&mut self, counts: &mut Counts) -> Result<()> {
        for (name, field) in BYTES.iter().zip(["rchar", "wchar", "read_bytes", "write_bytes"]) {
            let grown = field_of(&self.after, field)?.saturating_sub(field_of(&self.before, field)?);
            // The first look was itself read, after it was made up: so much of what was read is this instrument's own.
            let own = if field == "rchar" { self.before.len() as u64 } else { 0 };
            counts.values.insert((*name).to_owned(), Counted::Present(grown.saturating_sub(own)));
        }
        Ok(())
    }
}

const STATUS: &str = "/proc/self/status";

struct Peak {
    before: u64,
    peak: u64,
}

/// Opens the instrument.
pub(super) fn peak() -> Result<Box<dyn Instrument>, Missing> {
    forget_peak().map_err(|error| {
        Missing::new(
            format!("the kernel does not forget an old peak of memory: {error:#}"),
            "a kernel with CONFIG_PROC_PAGE_MONITOR does, for the owner of the process",
        )
    })?;
    Ok(Box::new(Peak { before: 0, peak: 0 }))
}

fn forget_peak() -> Result<()> {
    std::fs::write("/proc/self/clear_refs", "5").context("/proc/self/clear_refs")
}

/// The most memory that this process has held; none where /proc does not tell.
pub(crate) fn peak_bytes() -> Option<u64> {
    resident("VmHWM").ok()
}

fn resident(field: &str) -> Result<u64> {
    Ok(field_of(&std::fs::read_to_string(STATUS).context(STATUS)?, field)? << 10)
}

impl Instrument for Peak {
    fn start(&mut self) -> Result<()> {
        forget_peak()?;
        self.before = resident("VmRSS")?;
        Ok(())
    }

    fn stop(&mut self) -> Result<()> {
        self.peak = resident("VmHWM")?;
        Ok(())
    }

    fn read(&mut self, counts: &mut Counts) -> Result<()> {
        counts.values.insert(PEAK[0].to_owned(), Counted::Present(self.peak.saturating_sub(self.before)));
        Ok(())
    }
}

/// The number in a line such as `rchar: 323934931` or `VmHWM:   1024 kB`.
fn field_of(text: &str, field: &str) -> Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.split_whitespace().next()?.parse().ok())
        .with_context(|| format!("/proc tells no {field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let text = "VmHWM:\t    1024 kB\nread_bytes: 7\ncancelled_write_bytes: 9\nwrite_bytes: 8\n";
        assert_eq!(field_of(text, "VmHWM").unwrap(), 1024);
        assert_eq!(field_of(text, "write_bytes").unwrap(), 8);
        assert!(field_of(text, "bytes").is_err());
    }

    #[test]
    fn what_is_read_and_written_is_counted_to_the_byte() {
        let mut instrument = bytes().unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        // Other tests of this process read and write too: a count that is exact once is exact.
        let exact = (0..1000).any(|_| {
            instrument.start().unwrap();
            std::fs::write(file.path(), [1; 12_345]).unwrap();
            std::fs::read(file.path()).unwrap();
            instrument.stop().unwrap();
            let mut counts = Counts::default();
            instrument.read(&mut counts).unwrap();
            let of = |name: &str| counts.values[name].present().copied();
            of("bytes_read") == Some(12_345) && of("bytes_written") == Some(12_345)
        });
        assert!(exact);
    }
}
