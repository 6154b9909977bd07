//! A put that keeps to a bound on its memory.

use crate::format::Id;
use crate::put::{Plan, Way};
use crate::store::Refused;
use anyhow::Result;

/// The same plan within so many bytes of memory, of which its targets take so many: fewer stripes in flight, then
/// shorter blocks.
pub fn within(plan: &Plan, length: u64, most: u64, targets: u64) -> Result<Plan> {
    let mut fitting = plan.clone();
    let needs = |plan: &Plan| targets + plan.memory(&plan.object(Id([0; 16]), length));
    while needs(&fitting) > most {
        let Some(way) = fewer(&fitting.way) else { break };
        fitting.way = way;
    }
    while needs(&fitting) > most && fitting.block > 4 << 10 && !matches!(fitting.way, Way::Memory { .. }) {
        fitting.block /= 2;
    }
    let needed = needs(&fitting);
    if needed > most {
        let told = format!("it takes {needed} bytes of memory, and at most {most} may be used");
        return Err(Refused::Nonsense(told).into());
    }
    Ok(fitting)
}

/// The same way with a stripe less in flight.
fn fewer(way: &Way) -> Option<Way> {
    match *way {
        Way::Workers(workers) if workers > 1 => Some(Way::Workers(workers - 1)),
        Way::Stripes { depth, writers } if depth > 2 => Some(Way::Stripes { depth: depth - 1, writers }),
        Way::Workers(_) | Way::Stripes { .. } => Some(Way::OneStripe),
        _ => None,
    }
}
