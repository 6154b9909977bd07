//! Any spread does the work on each item once, and says what went wrong.
#![allow(clippy::unwrap_used, reason = "a test may fail here")]

use anyhow::{Result, bail, ensure};
use batching::Spread;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, ThreadId};
use technique::phase::{SETUP, WAIT, WRITE};
use technique::{Clock, Lap};

const SPREADS: [Spread; 12] = [
    Spread::OneByOne,
    Spread::Batches { items: 0 },
    Spread::Batches { items: 1 },
    Spread::Batches { items: 8 },
    Spread::UpTo { bytes: 0 },
    Spread::UpTo { bytes: 200 << 10 },
    Spread::Workers(0),
    Spread::Workers(1),
    Spread::Workers(3),
    Spread::Stealing(1),
    Spread::Stealing(2),
    Spread::Stealing(8),
];

fn is_threaded(spread: Spread) -> bool {
    matches!(spread, Spread::Workers(_) | Spread::Stealing(_))
}

/// Waits for what other workers do; an error where it never comes.
fn wait_until(seen: impl Fn() -> bool) -> Result<()> {
    for _ in 0..5_000_000 {
        if seen() {
            return Ok(());
        }
        thread::yield_now();
    }
    bail!("what was waited for never came")
}

/// How often each item was visited, and how that ended.
fn visits(spread: Spread, sizes: &[u64], fails: impl Fn(usize) -> bool + Sync) -> (Vec<usize>, Result<()>) {
    let visits: Vec<AtomicUsize> = sizes.iter().map(|_| AtomicUsize::new(0)).collect();
    let items: Vec<usize> = (0..sizes.len()).collect();
    let ended = spread.each(
        &items,
        |item| sizes[*item],
        &mut Lap::start(true),
        || Ok(()),
        |(), item, lap| {
            visits[*item].fetch_add(1, Ordering::Relaxed);
            lap.mark(WRITE);
            ensure!(!fails(*item), "{item}");
            Ok(())
        },
    );
    (visits.into_iter().map(AtomicUsize::into_inner).collect(), ended)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_item_is_visited_exactly_once(sizes in prop::collection::vec(0u64..1 << 21, 0..300), workers in 1usize..9) {
        for spread in SPREADS.into_iter().chain([Spread::Workers(workers), Spread::Stealing(workers)]) {
            let (visits, ended) = visits(spread, &sizes, |_| false);
            prop_assert!(ended.is_ok());
            prop_assert!(visits.iter().all(|visits| *visits == 1), "{:?}: {:?}", spread, visits);
        }
    }

    #[test]
    fn the_first_error_is_returned(sizes in prop::collection::vec(0u64..1 << 21, 1..100), odds in 1usize..20) {
        let fails = |item: usize| item % odds == odds - 1;
        for spread in SPREADS {
            let (visits, ended) = visits(spread, &sizes, fails);
            prop_assert!(visits.iter().all(|visits| *visits <= 1));
            // Of those that were visited and failed, the first.
            let first = (0..sizes.len()).find(|item| fails(*item) && visits[*item] == 1);
            prop_assert_eq!(ended.err().map(|error| error.to_string()), first.map(|item| item.to_string()));
            if let Some(first) = first && !is_threaded(spread) {
                prop_assert_eq!(visits.iter().sum::<usize>(), first + 1, "{:?} stops at once", spread);
            }
        }
    }
}

#[test]
fn an_error_stops_the_other_workers() {
    const ITEMS: usize = 200_000;
    for spread in [Spread::Workers(4), Spread::Stealing(4)] {
        let visited = AtomicUsize::new(0);
        let items: Vec<usize> = (0..ITEMS).collect();
        let work = |(): &mut (), item: &usize, _: &mut Lap| {
            visited.fetch_add(1, Ordering::Relaxed);
            thread::yield_now();
            ensure!(*item != 0, "the first one");
            Ok(())
        };
        let ended = spread.each(&items, |_| 1, &mut Lap::start(true), || Ok(()), work);
        assert_eq!(ended.unwrap_err().to_string(), "the first one");
        assert!(visited.into_inner() < ITEMS, "{spread:?}");
    }
}

#[test]
fn of_two_errors_at_once_that_of_the_first_item_is_told() {
    let failing = AtomicUsize::new(0);
    let work = |(): &mut (), item: &usize, _: &mut Lap| {
        failing.fetch_add(1, Ordering::Relaxed);
        wait_until(|| failing.load(Ordering::Relaxed) == 2)?;
        // The first item is the last to fail.
        if *item == 0 {
            (0..1000).for_each(|_| thread::yield_now());
        }
        bail!("{item}")
    };
    let ended = Spread::Workers(2).each(&[0, 1], |_| 1, &mut Lap::start(true), || Ok(()), work);
    assert_eq!(ended.unwrap_err().to_string(), "0");
}

#[test]
fn a_panic_is_an_error() {
    for spread in SPREADS {
        let items: Vec<usize> = (0..50).collect();
        let work = |(): &mut (), item: &usize, _: &mut Lap| {
            assert!(*item != 7, "seven is bad");
            Ok(())
        };
        let ended = spread.each(&items, |_| 1, &mut Lap::start(true), || Ok(()), work);
        assert_eq!(ended.unwrap_err().to_string(), "a worker panicked: seven is bad", "{spread:?}");
    }
}

#[test]
fn a_state_that_cannot_be_made_is_an_error() {
    for spread in SPREADS {
        let ended =
            spread.each(&[1, 2, 3], |_| 1, &mut Lap::start(true), || bail!("no room"), |(): &mut (), _, _| Ok(()));
        assert_eq!(ended.unwrap_err().to_string(), "no room", "{spread:?}");
    }
}

#[test]
fn each_worker_has_a_state_and_a_thread_of_its_own() {
    let here = thread::current().id();
    for spread in SPREADS {
        let made = AtomicUsize::new(0);
        let state = || {
            made.fetch_add(1, Ordering::Relaxed);
            Ok(thread::current().id())
        };
        let work = |maker: &mut ThreadId, _: &usize, _: &mut Lap| {
            ensure!(*maker == thread::current().id(), "a state was lent to another thread");
            ensure!((*maker == here) != is_threaded(spread), "{spread:?} works on the wrong thread");
            Ok(())
        };
        spread.each(&[0, 1, 2, 3], |_| 1, &mut Lap::start(true), state, work).unwrap();
        assert_eq!(made.into_inner(), spread.workers());
    }
}

/// One item outweighs all others, and lasts until they are done; the workers without a stretch must steal.
#[test]
fn beside_a_huge_item_all_workers_are_busy() {
    const WORKERS: usize = 8;
    let sizes: Vec<u64> = std::iter::once(1 << 30).chain([100; 1000]).collect();
    let (busy, small) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |is_new: &mut bool, item: &u64, _: &mut Lap| {
        if std::mem::take(is_new) {
            busy.fetch_add(1, Ordering::Relaxed);
            wait_until(|| busy.load(Ordering::Relaxed) == WORKERS)?;
        }
        if *item == 1 << 30 {
            return wait_until(|| small.load(Ordering::Relaxed) == 1000);
        }
        small.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    Spread::Stealing(WORKERS).each(&sizes, |item| *item, &mut Lap::start(true), || Ok(true), work).unwrap();
}

#[test]
fn all_time_of_workers_has_a_name() {
    for spread in SPREADS {
        let mut lap = Lap::on(Clock::ticking(), true);
        let work = |(): &mut (), _: &usize, lap: &mut Lap| {
            lap.mark(WRITE);
            Ok(())
        };
        spread.each(&[0, 1, 2, 3], |_| 1, &mut lap, || Ok(()), work).unwrap();
        let times = lap.stop();
        let marks = |phase| times.phases.iter().find(|time| time.phase == phase).map_or(0, |time| time.marks);
        let workers = spread.workers() as u64;
        assert_eq!((marks(WRITE), marks(SETUP)), (4, workers), "{spread:?}");
        assert_eq!(marks(WAIT), if is_threaded(spread) { workers + 1 } else { 0 }, "{spread:?}");
        assert_eq!(times.workers, spread.workers());
    }
}
