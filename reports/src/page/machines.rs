//! Machine beside machine: each ratio and each claim with one interval for each place, what holds everywhere, what
//! holds only somewhere, and what turns a verdict round. Intervals stand side by side and are never pooled.

use super::claims::tone;
use super::mark::{Tone, axis, chip, grid, heads, hint, interval, name, noise, picture, region, verdict};
use super::scale::Scale;
use super::words::{percent, times, times_between};
use super::{data, document, question};
use crate::fleet::everywhere::{At, ClaimAt, Comes, Everywhere, Ratio, Turned};
use crate::fleet::machine::Machine;
use crate::review::RawFile;
use crate::stats::BAND;
use maud::{Markup, html};

/// What the page is made with.
#[derive(Clone, Debug)]
pub struct Making<'a> {
    /// The command that makes it again.
    pub command: &'a str,
    /// Where the page over all pages lies, from here.
    pub index: Option<&'a str>,
    /// The file that holds every number of it.
    pub file: Option<&'a RawFile>,
}

/// What is told of it in a line.
pub fn sentence(all: &Everywhere) -> String {
    let of = |comes: Comes| all.ratios.iter().filter(|ratio| ratio.comes == comes).count();
    format!(
        "Of {} ratios on {} machines {} are the same everywhere, {} are so only somewhere, {} turn round, and {} are \
         not decided anywhere",
        all.ratios.len(),
        all.machines.len(),
        of(Comes::Everywhere),
        of(Comes::Somewhere),
        of(Comes::TurnedRound),
        of(Comes::Nowhere)
    )
}

/// The page.
pub fn page(all: &Everywhere, making: &Making) -> String {
    let sections = [
        (
            Comes::TurnedRound,
            "turned",
            "Turned",
            "What turns a verdict round?",
            "Faster at one place and slower at another; named is what differs between the two that are most alike.",
        ),
        (
            Comes::Somewhere,
            "somewhere",
            "Somewhere",
            "What holds only somewhere?",
            "A verdict at some places, and at others another or none.",
        ),
        (Comes::Everywhere, "everywhere", "Everywhere", "What holds everywhere?", "The same verdict at every place."),
        (Comes::Nowhere, "open", "Not decided", "What is decided nowhere?", "More rounds are needed, at every place."),
    ];
    let of = |comes: Comes| -> Vec<&Ratio> { all.ratios.iter().filter(|ratio| ratio.comes == comes).collect() };
    let shown: Vec<_> =
        sections.into_iter().filter(|(comes, ..)| *comes != Comes::Nowhere || !of(*comes).is_empty()).collect();
    let mut nav = vec![("answer", "Answer"), ("machines", "Machines")];
    nav.extend(shown.iter().map(|(_, id, short, ..)| (*id, *short)));
    nav.extend((!all.claims.is_empty()).then_some(("claims", "Claims")));
    nav.push(("data", "Data"));
    let crumb = html! {
        @match making.index { Some(index) => a href=(index) { "Design review" }, None => "Design review" }
        span { "Machines" }
    };
    let body = html! {
        (answer(all))
        (question("machines", "Which machines are these?", &html! { "Told apart by what moves a number; shown is what is not the same on all." }, &machines(all)))
        @for (comes, id, _, asks, answer) in &shown {
            @let ratios = of(*comes);
            (question(id, asks, &html! { @if ratios.is_empty() { "Nothing." } @else { (answer) } }, &table(asks, &ratios, all)))
        }
        @if !all.claims.is_empty() {
            (question("claims", "Do the claims hold on each machine?", &html! { "Each judged on each machine alone, by the runs of that machine." }, &claims(all)))
        }
        (question("data", "Where are the raw data, and how is this made again?", &html! {
            "Each interval is of one run on one machine, paired by its rounds; no mean is taken over machines."
        }, &html! {
            @if let Some(file) = making.file { (data::files(&[file])) }
            (data::commands(&[making.command]))
        }))
    };
    let foot = html! { p { "assay " (env!("CARGO_PKG_VERSION")) } };
    document("Machine beside machine", &nav, &crumb, &body, &foot)
}

fn answer(all: &Everywhere) -> Markup {
    let of = |comes: Comes| all.ratios.iter().filter(|ratio| ratio.comes == comes).count();
    let cards = [
        ("machines", "Machines", all.machines.len()),
        ("turned", "Verdicts turned round", of(Comes::TurnedRound)),
        ("somewhere", "Only somewhere", of(Comes::Somewhere)),
        ("everywhere", "Everywhere", of(Comes::Everywhere)),
    ];
    let faked = all.machines.iter().filter(|machine| machine.faked().is_some()).count();
    html! {
        section id="answer" aria-labelledby="h-answer" class="hero" {
            h1 id="h-answer" { (sentence(all)) }
            p class="lede" {
                "A ratio is a row over its baseline, on one machine, in one run. "
                @if faked > 0 { "Some fingerprints were faked for a test: " (faked) ". What is said of those machines is said of none. " }
            }
            div class="cards" { @for (id, label, count) in cards {
                a class="card" href={ "#" (id) } { span class="k" { (label) } b { (count) } }
            } }
        }
    }
}

/// What a machine is called beside others: the fields that tell it from them.
fn label(machine: &Machine, all: &Everywhere) -> String {
    let fields: Vec<String> = all.differ_in.iter().map(|key| format!("{key} {}", machine.field(key))).collect();
    if fields.is_empty() { machine.name.clone() } else { fields.join(", ") }
}

fn machines(all: &Everywhere) -> Markup {
    region(
        "Machines",
        &html! {
            table class="num left open" {
                thead { tr { th scope="col" { "Machine" } @for key in &all.differ_in { th scope="col" { (key) } } th scope="col" { "Fingerprint" } } }
                tbody { @for machine in &all.machines {
                    tr {
                        th scope="row" { (name(&machine.words())) }
                        @for key in &all.differ_in { td { (name(machine.field(key))) } }
                        td {
                            code { (machine.name) }
                            @if let Some(faked) = machine.faked() { " " (chip(Tone::Warn, "faked")) span class="desc" { (name(faked)) } }
                        }
                    }
                } }
            }
        },
    )
}

fn table(caption: &str, ratios: &[&Ratio], all: &Everywhere) -> Markup {
    if ratios.is_empty() {
        return html! {};
    }
    let bounds = ratios.iter().flat_map(|ratio| &ratio.at).flat_map(|at| [at.over.low, at.over.high]);
    let scale = Scale::of_factors(bounds.chain([BAND]), 1000.0);
    let columns = [
        ("", html! { "Place" (hint("machine and file system")) }),
        (
            "pic f",
            html! { "Times as fast as the baseline" (hint(&format!("log scale; grey band = ±{}", percent(BAND - 1.0)))) (axis(&scale, "×")) },
        ),
        ("n", html! { "Ratio" (hint("paired by round")) }),
        ("vd", html! { "Verdict" }),
    ];
    region(
        caption,
        &html! {
            table class="rows t-machines" role="table" {
                caption class="sr" { (caption) }
                (heads(&columns))
                tbody role="rowgroup" { @for ratio in ratios {
                    tr role="row" class="told grp" data-row={ (ratio.workload) "/" (ratio.row) } {
                        td role="cell" colspan="4" {
                            b { (name(&ratio.workload)) "/" (name(&ratio.row)) }
                            " over " (name(&ratio.baseline)) " on " (name(&ratio.fixture)) ", " (name(&ratio.condition))
                            @if let Some(turned) = &ratio.turned {
                                p class="implied" { (by(turned)) }
                            }
                        }
                    }
                    @for at in &ratio.at { (place(at, ratio, &scale, all)) }
                } }
            }
        },
    )
}

fn place(at: &At, ratio: &Ratio, scale: &Scale, all: &Everywhere) -> Markup {
    let machine = &all.machines[at.machine];
    html! {
        tr role="row" class="at" {
            th role="rowheader" scope="row" class="lab" {
                (name(&label(machine, all)))
                span class="sr" { ": " (name(&ratio.workload)) "/" (name(&ratio.row)) }
                span class="desc" { (name(&at.filesystem)) @if machine.faked().is_some() { ", faked fingerprint" } ", run " (name(&at.run)) }
            }
            td role="cell" class="pic f" { (picture(32, scale, &html! {
                (noise(scale, BAND - 1.0)) (grid(scale)) (interval(scale, &at.over, 9, 14))
            })) }
            td role="cell" class="n" data-l="times as fast" { b { (times(at.over.mid)) } span class="ci" { (times_between(&at.over)) } }
            td role="cell" class="vd" { (verdict(at.verdict)) }
        }
    }
}

/// What differs between two places that contradict each other.
fn by(turned: &Turned) -> Markup {
    html! {
        @match turned.by.as_slice() {
            [] => "Nothing that is known differs between the two: measure again.",
            [(key, here, there)] => { "Turned round by " (key) ": " (name(here)) " against " (name(there)) },
            many => {
                "Between the two that are most alike differ "
                @for (at, (key, here, there)) in many.iter().enumerate() { @if at > 0 { "; " } (key) ": " (name(here)) " against " (name(there)) }
            },
        }
    }
}

fn claims(all: &Everywhere) -> Markup {
    let word = |claim: &ClaimAt| match claim.comes {
        Comes::TurnedRound => chip(Tone::Bad, "turned round"),
        Comes::Somewhere => chip(Tone::Warn, "not the same"),
        Comes::Everywhere => chip(Tone::Good, "the same"),
        Comes::Nowhere => chip(Tone::Flat, "not decided"),
    };
    region(
        "Claims on each machine",
        &html! {
            table class="rows t-machines" role="table" {
                caption class="sr" { "Claims, and what came of them on each machine" }
                (heads(&[
                    ("", html! { "Machine" }),
                    ("pic f", html! { "Measured" (hint("each claim on a scale of its own")) }),
                    ("n", html! { "Measured" }),
                    ("vd", html! { "Verdict" }),
                ]))
                tbody role="rowgroup" { @for claim in &all.claims {
                    @let scale = scale_of(claim);
                    tr role="row" class="told grp" id=(claim.id) {
                        td role="cell" colspan="4" {
                            b { (claim.id) } " " (name(&claim.says)) " Claimed: " (name(&claim.claimed)) ", " (claim.source) ". " (word(claim))
                            @if let Some(turned) = &claim.turned { p class="implied" { (by(turned)) } }
                        }
                    }
                    @for at in &claim.at {
                        @let machine = &all.machines[at.machine];
                        tr role="row" class="at" {
                            th role="rowheader" scope="row" class="lab" {
                                (name(&label(machine, all))) span class="sr" { ": " (claim.id) }
                                @if machine.faked().is_some() { span class="desc" { "faked fingerprint" } }
                            }
                            td role="cell" class="pic f" { (picture(32, &scale, &html! {
                                (grid(&scale))
                                @if let Some(measured) = &at.measured { (interval(&scale, measured, 9, 14)) }
                            })) }
                            td role="cell" class="n" data-l="measured" { @match &at.words { Some(words) => (words), None => span class="mut" { "not measured" } } }
                            td role="cell" class="vd" { (chip(tone(at.verdict), at.verdict.words())) }
                        }
                    }
                } }
            }
        },
    )
}

fn scale_of(claim: &ClaimAt) -> Scale {
    Scale::from_nought(claim.at.iter().filter_map(|at| at.measured).map(|bounds| bounds.high).fold(0.0, f64::max))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::everywhere::SCHEMA;
    use crate::summary::Bounds;

    fn machine(cpu: &str, faked: bool) -> Machine {
        let mut fields = vec![("cpu".to_owned(), cpu.to_owned())];
        fields.extend(faked.then(|| ("fingerprint".to_owned(), "faked: cpu".to_owned())));
        Machine { name: format!("name-{cpu}"), fields: fields.into_iter().collect() }
    }

    fn sample() -> Everywhere {
        let at = |machine, mid: f64, verdict| At {
            machine,
            filesystem: "ext4 <b>".into(),
            run: format!("run-{machine}"),
            over: Bounds { low: mid * 0.9, mid, high: mid * 1.1, confidence: 0.95 },
            verdict,
        };
        let ratio = |row: &str, comes, at: Vec<At>, turned| Ratio {
            workload: "restore".into(),
            row: row.into(),
            baseline: "gzip".into(),
            fixture: "tiny".into(),
            condition: "warm cache".into(),
            at,
            comes,
            turned,
        };
        let by = vec![("kernel".to_owned(), "6.1".to_owned(), "6.9".to_owned())];
        Everywhere {
            schema: SCHEMA,
            machines: vec![machine("a", false), machine("b", true)],
            differ_in: vec!["cpu"],
            ratios: vec![
                ratio(
                    "zstd",
                    Comes::TurnedRound,
                    vec![at(0, 2.0, "faster"), at(1, 0.5, "slower")],
                    Some(Turned { so: 0, otherwise: 1, by }),
                ),
                ratio("best", Comes::Everywhere, vec![at(0, 4.0, "faster"), at(1, 3.0, "faster")], None),
            ],
            claims: Vec::new(),
        }
    }

    #[test]
    fn each_machine_has_an_interval_of_its_own_and_none_is_pooled() {
        let page = page(&sample(), &Making { command: "assay report", index: Some("index.html"), file: None });
        assert_eq!(page.matches("class=\"civ\"").count(), 4, "one interval for each ratio and machine");
        for told in ["2.00×", "0.50×", "Turned round by kernel: ", "faked fingerprint", "ext4 &lt;b&gt;"] {
            assert!(page.contains(told), "{told}");
        }
        assert!(!page.contains("ext4 <b>"));
        assert!(page.find("id=\"turned\"").unwrap() < page.find("id=\"everywhere\"").unwrap());
        assert!(!page.contains("id=\"open\""), "a question that has no answer is not asked");
    }
}
