//! A server that goes where its client is: it looks now and then on which processor that runs, and moves there.

use rustix::thread::{CpuSet, sched_setaffinity};
use std::cell::Cell;

/// How many requests are answered between two looks: a look costs as much as several.
const EVERY: u32 = 16;
/// Which field of `/proc/PID/stat` after the name says where a process ran last.
const PROCESSOR: usize = 36;

thread_local! {
    /// Requests since the last look, and the processor that this thread stays on.
    static TURN: Cell<(u32, Option<usize>)> = const { Cell::new((0, None)) };
}

/// A request of that client has come.
pub(crate) fn follow(client: u32) {
    let (turn, stays_on) = TURN.get();
    if !turn.is_multiple_of(EVERY) {
        return TURN.set((turn.wrapping_add(1), stays_on));
    }
    let at = std::fs::read_to_string(format!("/proc/{client}/stat")).ok().and_then(|stat| processor(&stat));
    if at != stays_on
        && let Some(at) = at
    {
        let mut set = CpuSet::new();
        set.set(at);
        // Where it may not go it stays.
        let _ = sched_setaffinity(None, &set);
    }
    TURN.set((turn.wrapping_add(1), at.or(stays_on)));
}

/// Where a process ran last, by its line in `/proc`: its name may hold anything, and ends at the last bracket.
fn processor(stat: &str) -> Option<usize> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(PROCESSOR)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_process_ran_is_read_behind_its_name() {
        let stat = format!("12 (a) b (c) S {} 1 0", (4..=38).map(|at| at.to_string()).collect::<Vec<_>>().join(" "));
        assert_eq!(processor(&stat), Some(1));
        assert_eq!((processor(""), processor("12 (a) S 1")), (None, None));
        let own = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        assert!(processor(&own).is_some(), "{own}");
    }
}
