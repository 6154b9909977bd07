//! Pages, byte by byte, and what no page may do. `BLESS=1 cargo test -p reports --test page` writes the golden files
//! anew: read the diff. What only a browser can see is tested by `harness/tests/browser.rs`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod sample;

use reports::claims;
use reports::page::{self, index, slides, summary};
use reports::review;
use sample::pages::{making, page_of, review_of};
use std::path::Path;

/// One element a line, so that a diff of a golden file can be read.
fn lines(page: &str) -> String {
    page.replace("><", ">\n<")
}

#[test]
fn pages_are_byte_for_byte_what_they_were() {
    for name in ["ordinary", "broken"] {
        let (_, run) = sample::all().into_iter().find(|(other, _)| *other == name).unwrap();
        let text = lines(&page_of(&run));
        // Style and script have files of their own.
        let style = text.find("<style>").unwrap()..text.find("</style>").unwrap();
        let text = text.replace(&text[style], "<style>");
        let script = text.rfind("<script>").unwrap()..text.rfind("</script>").unwrap();
        let text = text.replace(&text[script], "<script>");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/page-{name}.html"));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        let differs = text.lines().zip(golden.lines()).position(|(a, b)| a != b);
        assert!(
            text == golden,
            "{}:{}: BLESS=1 writes it anew\n{:?}",
            path.display(),
            differs.map_or(0, |line| line + 1),
            differs.and_then(|line| text.lines().nth(line))
        );
    }
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    for (name, run) in sample::all() {
        assert_eq!(page_of(&run), page_of(&run), "{name}");
        let review = review_of(&run);
        assert_eq!(slides::svgs(&review), slides::svgs(&review), "{name}");
    }
    let review = review_of(&sample::ordinary());
    assert_eq!(slides::pngs(&review), slides::pngs(&review));
}

#[test]
fn a_page_is_one_small_file_that_asks_for_nothing() {
    for (name, run) in sample::all() {
        let page = page_of(&run);
        assert!(page.len() <= page::MOST_BYTES, "{name}: {} bytes", page.len());
        for (attribute, from) in ["href=\"", "src=\"", "action=\""]
            .iter()
            .flat_map(|word| page.match_indices(word))
            .map(|(at, word)| (word, at))
        {
            let value = page[from + attribute.len()..].split('"').next().unwrap();
            let is_own =
                value.starts_with('#') || value == "data:," || value == "index.html" || value.starts_with("data/");
            assert!(is_own, "{name}: {value}");
        }
        assert!(
            !page.contains(" style=\"") && !page.contains(" onload=\"") && !page.contains("<script>alert"),
            "{name}"
        );
        assert!(!page.contains("NaN") && !page.contains("inf×"), "{name}");
        assert_eq!(page.matches("<script>").count(), 1, "{name}");
    }
}

#[test]
fn rows_for_one_step_of_the_ladder_are_folded_below_the_others() {
    let page = page_of(&sample::ordinary());
    for (table, end) in [("t-faster", "id=\"where\""), ("t-where", "id=\"ceilings\""), ("t-runs", "id=\"data\"")] {
        let from = page.find(&format!("<table class=\"rows {table}\"")).unwrap();
        let (first, folded) = page[from..from + page[from..].find(end).unwrap()].split_once("</table>").unwrap();
        let folded = &folded[folded.find("<details class=\"more steps\">").unwrap()..];
        for row in ["only-fewer-calls", "all-but-zstd"] {
            let row = format!("data-row=\"{row}\"");
            assert!(!first.contains(&row) && folded.contains(&row), "{table}: {row}");
        }
        assert!(first.contains("data-row=\"workers\"") && !folded.contains("data-row=\"workers\""), "{table}");
    }
    let told = &page[page.find("id=\"faster\"").unwrap()..page.find("<table class=\"rows t-faster\"").unwrap()];
    assert!(!told.contains("only-fewer-calls"), "{told}");
    assert!(!page_of(&sample::one_row()).contains("class=\"more steps\""), "nothing is folded where nothing is");
}

#[test]
fn the_row_that_the_page_is_about_is_never_folded_away() {
    let rows = [("gzip", 100.0), ("zstd", 60.0), ("all-but-zstd", 30.0)];
    let rows: Vec<sample::Row> = rows.iter().map(|(name, us)| sample::row(name, &[("decode", *us)])).collect();
    let review = review_of(&sample::run(&rows, &["gzip", "zstd"], 8, 3));
    assert_eq!(review.now.as_deref(), Some("all-but-zstd"));
    assert!(!page::page(&review, &making(&review)).contains("class=\"more steps\""));
}

#[test]
fn every_verdict_word_is_said_where_its_rule_says_so() {
    let review = review_of(&sample::verdicts());
    let page = page::page(&review, &making(&review));
    let word = |name: &str| review.summary.rows.iter().find(|row| row.name == name).unwrap().verdict.unwrap();
    let words = ["zstd", "sync", "again", "edge"].map(word);
    assert_eq!(words, ["faster", "slower", "no practical change", "not decided"]);
    for word in words {
        assert!(page.contains(&format!("</svg>{word}</span>")), "{word}");
    }
}

#[test]
fn where_no_curve_is_drawn_the_page_says_why() {
    let review = review_of(&sample::verdicts());
    let page = page::page(&review, &making(&review));
    let why = |name: &str| review.scaling.iter().find(|one| one.name == name).unwrap().why_not.clone().unwrap();
    for (name, told) in [("few", "3 points are too few"), ("wild", "% of what varies")] {
        let why = why(name);
        assert!(why.contains(told) && page.contains(&format!("No curve is drawn: {why}")), "{name}: {why}");
    }
    let threads = &page[page.find("id=\"threads\"").unwrap()..page.find("id=\"code\"").unwrap()];
    assert!(!threads.contains("Amdahl") && threads.contains(">ideal<"));
}

#[test]
fn two_identical_rows_are_never_called_faster() {
    let wrong = (0..100)
        .filter(|seed| {
            let review = review_of(&sample::twice_the_same(*seed));
            let again = review.summary.rows.iter().find(|row| row.name == "again").unwrap();
            matches!(again.verdict, Some("faster" | "slower"))
        })
        .count();
    assert!(wrong <= 1, "{wrong} of 100");
}

#[test]
fn time_without_a_name_is_told_first() {
    let review = review_of(&sample::remainder());
    let page = page::page(&review, &making(&review));
    let first = &page[..page.find("id=\"faster\"").unwrap()];
    assert!(first.contains("has no name"), "{}", review.answer.trust.line);
    assert!(page.contains("url(#hatch)"));
}

#[test]
fn names_are_shown_as_text_in_every_output() {
    let review = review_of(&sample::hostile());
    let text = summary::summary(std::slice::from_ref(&review));
    assert!(!text.contains("<script") && !text.contains("<b>"), "{text}");
    assert!(
        text.lines()
            .filter(|line| line.starts_with("| "))
            .all(|line| line.replace("\\|", "").matches('|').count() == 6)
    );
    for (name, svg) in slides::svgs(&review) {
        assert!(roxmltree::Document::parse(&svg).is_ok(), "{name}");
        assert!(!svg.contains("<script"));
    }
    let entry = index::Entry { review: &review, page: "a.html", beside: &[] };
    let overview = review::overview(std::slice::from_ref(&review), &review.claims, &claims::load_all().unwrap());
    let page = index::index(&[entry], &overview, None, None, &[], "assay report");
    assert!(!page.contains("<script>alert"));
}

#[test]
fn a_counter_that_no_row_has_is_a_reason_and_no_column() {
    let page = page_of(&sample::ordinary());
    let counts = &page[page.find("All else that was counted").unwrap()..];
    let (table, below) = counts.split_once("</table>").unwrap();
    assert!(table.contains(">allocations<") && !table.contains("instructions"), "{}", &table[..400]);
    let why = &below[..below.find("</ul>").unwrap()];
    assert!(why.contains("instructions") && why.contains("no hardware counters on this machine"), "{why}");
}

#[test]
fn the_page_over_all_pages_begins_with_a_factor_only_where_it_is_of_all_of_them() {
    let reviews = [review_of(&sample::ordinary()), review_of(&sample::verdicts())];
    let heading = |reviews: &[review::Review]| {
        let entries: Vec<_> =
            reviews.iter().map(|review| index::Entry { review, page: "a.html", beside: &[] }).collect();
        let overview = review::overview(reviews, &reviews[0].claims, &claims::load_all().unwrap());
        let page = index::index(&entries, &overview, None, None, &[], "assay report");
        let heading = page[page.find("<h1").unwrap()..page.find("</h1>").unwrap()].to_owned();
        (heading, overview)
    };
    let (alone, _) = heading(&reviews[..1]);
    assert!(alone.contains("× as fast"), "{alone}");
    let (all, overview) = heading(&reviews);
    let held = overview.claims.value.strip_suffix(" hold").unwrap();
    assert!(overview.claims.numbers["judged"] > 0.0 && all.contains(held) && !all.contains('×'), "{all}");
}

/// Nobody compares seventy bars; and of so many rows the page would be too large.
#[test]
fn of_many_rows_those_that_are_named_and_the_fastest_have_a_picture_and_all_have_numbers() {
    let rows: Vec<sample::Row> = (0..75)
        .map(|at| sample::row(&format!("row-{at:02}"), &[("decode", 20.0 + f64::from(at)), ("write", 9.0)]))
        .collect();
    let mut review = review_of(&sample::run(&rows, &["row-74", "row-60", "row-02"], 40, 3));
    review.summary.baseline = "row-74".into();
    let page = page::page(&review, &making(&review));
    assert!(page.len() <= 500_000, "{} bytes", page.len());
    let pictures = &page[page.find("rows t-where").unwrap()..page.find("All numbers").unwrap()];
    let numbers = &page[page.find("All numbers").unwrap()..page.find("id=\"ceilings\"").unwrap()];
    assert_eq!(pictures.matches("data-row=").count(), 16);
    for row in ["row-00", "row-10", "row-60", "row-74"] {
        assert!(pictures.contains(&format!("data-row=\"{row}\"")), "{row}");
    }
    assert!(!pictures.contains("row-50") && numbers.contains("row-50"));
}

/// What is too much for a page is told on it, and no time is lost.
#[test]
fn stacks_of_thousands_of_frames_do_not_make_a_page_too_large() {
    let rows: Vec<sample::Row> = (0..75)
        .map(|at| sample::row(&format!("row-{at:02}"), &[("decode", 20.0 + f64::from(at)), ("write", 9.0)]))
        .collect();
    let run = sample::run(&rows, &["row-74", "row-60", "row-02"], 10, 3);
    let stack = |at: u32| {
        format!("run;decode;a_function_{}::{}::{at} {}\n", "with_a_long_name".repeat(6), at % 9, 1_000_000 + at)
    };
    let stacks: Vec<String> = (0..4000).map(stack).collect();
    let stacks = stacks.concat();
    let folded = |row: &str| review::Folded { row: row.into(), text: stacks.clone(), runs: 1.0 };
    let stacks = review::Stacks { before: folded("row-74"), now: folded("row-00"), kind: "wall".into() };
    let review = review::of(&run, 0, &[], &claims::load_all().unwrap(), Some(&stacks));
    let page = page::page(&review, &making(&review));
    assert!(page.len() <= page::MOST_BYTES, "{} bytes", page.len());
    assert!(page.len() > page::MOST_BYTES / 2 && page.contains("smaller</text>"), "{} bytes", page.len());
    assert!(page.contains("The page has no room for more frames"));
}

#[test]
fn slides_are_pictures_that_others_can_read() {
    let review = review_of(&sample::ordinary());
    let svgs = slides::svgs(&review);
    let names: Vec<&str> = svgs.iter().map(|(name, _)| name.as_str()).collect();
    assert!(names.starts_with(&["faster", "where", "ladder", "scaling-1"]), "{names:?}");
    for (name, svg) in &svgs {
        let document = roxmltree::Document::parse(svg).unwrap();
        let text: String = document.descendants().filter_map(|node| node.text()).collect();
        assert!(text.contains("restore"), "{name}");
    }
    for (name, png) in slides::pngs(&review) {
        let mut reader = png::Decoder::new(std::io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.width, 1280, "{name}");
        let drawn = pixels.chunks(3).filter(|pixel| *pixel != [255, 255, 255]).count();
        assert!(drawn > 2000, "{name}: {drawn} pixels");
    }
}
