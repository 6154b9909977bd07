//! The same stacks for other people's viewers.

use super::Thread;
use super::draw::Stacks;
use super::names::KERNEL_MARK;
use anyhow::Result;
use fxprof_processed_profile::{
    CategoryColor, CpuDelta, Frame, FrameFlags, FrameInfo, Profile, ReferenceTimestamp, SamplingInterval, Timestamp,
    WeightType,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// For <https://www.speedscope.app>: one sampled profile, weights in nanoseconds.
pub fn speedscope(root: &str, stacks: &Stacks) -> Value {
    let mut frames: Vec<Value> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut samples = Vec::new();
    for stack in stacks.keys() {
        let sample: Vec<usize> = stack
            .split(';')
            .map(|name| {
                *known.entry(name).or_insert_with(|| {
                    frames.push(json!({"name": name}));
                    frames.len() - 1
                })
            })
            .collect();
        samples.push(sample);
    }
    json!({
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": root,
        "activeProfileIndex": 0,
        "exporter": concat!("assay ", env!("CARGO_PKG_VERSION")),
        "shared": {"frames": frames},
        "profiles": [{
            "type": "sampled",
            "name": root,
            "unit": "nanoseconds",
            "startValue": 0,
            "endValue": stacks.values().sum::<u64>(),
            "samples": samples,
            "weights": stacks.values().collect::<Vec<_>>(),
        }],
    })
}

/// For <https://profiler.firefox.com>: a stack is a sample whose weight is in microseconds.
pub fn firefox(root: &str, stacks: &Stacks) -> Result<Value> {
    let start = Timestamp::from_nanos_since_reference(0);
    let every = SamplingInterval::from_nanos(super::watch::PERIOD_NS);
    let mut profile = Profile::new(root, ReferenceTimestamp::from_millis_since_unix_epoch(0.0), every);
    let user = profile.add_category("User", CategoryColor::Green);
    let kernel = profile.add_category("Kernel", CategoryColor::Orange);
    let process = profile.add_process(root, 1, start);
    let thread = profile.add_thread(process, 1, start, true);
    profile.set_thread_name(thread, "a sample is a microsecond");
    profile.set_thread_samples_weight_type(thread, WeightType::Samples);
    let mut at_ns = 0;
    for (stack, ns) in stacks {
        let mut handle = None;
        for name in stack.split(';') {
            let category = if name.ends_with(KERNEL_MARK) { kernel } else { user };
            let label = Frame::Label(profile.intern_string(name));
            let info = FrameInfo { frame: label, category_pair: category.into(), flags: FrameFlags::empty() };
            let frame = profile.intern_frame(thread, info);
            handle = Some(profile.intern_stack(thread, handle, frame));
        }
        let weight = i32::try_from(ns / 1000).unwrap_or(i32::MAX);
        let delta = CpuDelta::from(Duration::from_nanos(*ns));
        profile.add_sample(thread, Timestamp::from_nanos_since_reference(at_ns), handle, delta, weight);
        at_ns += ns;
    }
    Ok(serde_json::to_value(&profile)?)
}

/// For <https://ui.perfetto.dev> and `chrome://tracing`: the phases of each thread of one run on a time line.
pub fn time_line(root: &str, threads: &[Thread]) -> Value {
    let mut events = vec![json!({"ph": "M", "pid": 1, "tid": 0, "name": "process_name", "args": {"name": root}})];
    for (at, thread) in threads.iter().enumerate() {
        let name = if at == 0 { "measured".to_owned() } else { format!("worker {}", at - 1) };
        // Strands that one thread carried one after the other still get a line each.
        let tid = at + 1;
        let args = json!({"name": format!("{name} (thread {})", thread.thread)});
        events.push(json!({"ph": "M", "pid": 1, "tid": tid, "name": "thread_name", "args": args}));
        for (from, to, phase) in &thread.stretches {
            let us = |ns: u64| ns as f64 / 1000.0;
            events.push(json!({
                "ph": "X", "pid": 1, "tid": tid, "name": phase, "cat": "phase", "ts": us(*from), "dur": us(to - from),
            }));
        }
    }
    json!({"displayTimeUnit": "ns", "traceEvents": events})
}
