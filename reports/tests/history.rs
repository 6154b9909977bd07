//! The page run after run: every point, every step with its words, and nothing that others put into it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod sample;

use reports::history::{Against, Asked, Course, History, Metric, histories};
use reports::page::history::{Making, drawn, page, sentence};
use reports::record::Run;

fn of(runs: &[Run]) -> Vec<History> {
    let metric = Metric::Wall(Against::Baseline);
    drawn(histories(runs, &Asked { workload: None, row: None, fixture: None, metric }))
}

fn page_of(runs: &[Run]) -> String {
    let metric = Metric::Wall(Against::Baseline);
    let making = Making { metric: &metric, command: "assay history --page h.html", index: None, file: None };
    page(&of(runs), &making)
}

#[test]
fn a_step_stands_where_it_happened_with_its_words() {
    let found = of(&sample::days());
    let [moved, flat] = &found[..] else { panic!("{found:?}") };
    let Some(Course::Steps { steps }) = &moved.course else { panic!("{:?}", moved.course) };
    assert_eq!((moved.row.as_str(), steps.len(), steps[0].at), ("zstd", 1, 8));
    assert_eq!((flat.row.as_str(), &flat.course), ("pooled", &Some(Course::Flat)));
    assert_eq!(sentence(&found), "1 of 2 rows moved over 14 runs: 1 for the worse");
    let page = page_of(&sample::days());
    let row = &page[page.find("data-row=\"restore/zstd\"").unwrap()..page.find("id=\"flat\"").unwrap()];
    assert_eq!((row.matches("<circle").count(), row.matches("class=\"chg\"").count()), (14, 1));
    assert!(row.contains(" c0ffee08</text>") && row.contains("(worse) from run 20261109-120000-abcd on"), "{row}");
    let flat = &page[page.find("id=\"flat\"").unwrap()..];
    assert!(!flat.contains("class=\"chg\"") && flat.contains("data-row=\"restore/pooled\""));
}

#[test]
fn a_few_runs_are_drawn_and_not_judged_and_two_are_not_drawn() {
    let days = sample::days();
    let few = page_of(&days[..3]);
    assert!(few.contains("None of 2 rows has the 8 runs") && few.contains("too few runs</span>"), "{few}");
    assert_eq!(few.matches("class=\"pt2\"").count(), 6);
    let moved = &few[few.find("<section id=\"moved\"").unwrap()..few.find("<section id=\"short\"").unwrap()];
    assert!(moved.contains("Nobody knows yet") && !moved.contains("None"), "{moved}");
    assert!(of(&days[..2]).is_empty());
}

#[test]
fn the_same_runs_give_the_same_page_in_any_order() {
    let mut days = sample::days();
    let first = page_of(&days);
    days.reverse();
    assert_eq!(first, page_of(&days));
}

#[test]
fn names_and_commits_are_shown_as_text() {
    let mut days = sample::days();
    for run in &mut days {
        run.header.machine.insert("commit".into(), "<script>alert(1)</script>".into());
        run.header.plan[0].variants[1].name = "<b onload=\"x\">".into();
        for sample in run.samples.iter_mut().filter(|sample| sample.variant == "zstd") {
            sample.variant = "<b onload=\"x\">".into();
        }
    }
    let page = page_of(&days);
    assert!(page.contains("&lt;b onload=&quot;x&quot;&gt;"), "the row is there");
    assert!(!page.contains("<script>alert") && !page.contains("<b onload") && !page.contains(" style=\""));
    assert_eq!(page.matches("<script>").count(), 1);
}
