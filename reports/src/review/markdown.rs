//! The overview as Markdown, for a pull request: the first sentence, a line a workload, what holds and what does not;
//! the rest is folded away.

use super::overview::{Overview, Told};
use super::words::{count, percent};

/// So many statements of a kind stand open; the others are folded away.
const OPEN: usize = 6;

/// The summary. `link` is where the pages lie, if anywhere: the path or address of the index.
pub fn markdown(overview: &Overview, link: Option<&str>) -> String {
    let mut text = format!("### {}\n\n", escaped(&overview.sentence));
    text += "| workload | answer | trust |\n|---|---|---|\n";
    for page in &overview.pages {
        let cells = [page.name(), page.sentence.clone(), page.trust.clone()].map(|cell| escaped(&cell));
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text += &section("What holds", &overview.holds);
    text += &section("What does not", &overview.fails);
    text += &section("Where to look next", &overview.next);
    text += "\n<details><summary>Claims by document</summary>\n\n| document | claims | and |\n|---|---|---|\n";
    for document in &overview.documents {
        let cells = [&document.source, &document.value, &document.line].map(|cell| escaped(cell));
        text += &format!("| {} |\n", cells.join(" | "));
    }
    if let Some(foretelling) = &overview.foretelling {
        text += &format!(
            "\nOf {}, {} within the bounds of what was measured; the middle one is off by {}, {} most, by {}.\n",
            count(foretelling.of, "prediction"),
            foretelling.within,
            percent(foretelling.median),
            escaped(&foretelling.worst_of),
            percent(foretelling.worst)
        );
    }
    text += "\n</details>\n";
    if let Some(link) = link {
        // A space or a bracket would end the address.
        let link = link.replace(' ', "%20").replace('(', "%28").replace(')', "%29").replace(['\n', '<', '>'], "");
        text += &format!("\n[The pages]({link})\n");
    }
    text
}

fn section(head: &str, told: &[Told]) -> String {
    let line = |told: &Told| format!("- **{}** {}: {}\n", escaped(&told.of), escaped(&told.word), escaped(&told.told));
    let (open, folded) = told.split_at(told.len().min(OPEN));
    let mut text = format!("\n#### {head}\n\n");
    if told.is_empty() {
        text += "Nothing.\n";
    }
    text.extend(open.iter().map(line));
    if !folded.is_empty() {
        text += &format!("\n<details><summary>{} more</summary>\n\n", folded.len());
        text.extend(folded.iter().map(line));
        text += "\n</details>\n";
    }
    text
}

/// Text in which nothing is Markdown or HTML any more.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        match letter {
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '&' => out += "&amp;",
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '~' | '@' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::overview::tests::made;
    use super::*;

    #[test]
    fn the_summary_has_the_sentence_a_table_and_what_holds() {
        let text = markdown(&made(), Some("review/index page.html"));
        let expected = "\
### Of the claims that could be judged over 2 workloads, 1 of 2 hold. Look next at restore on python-small: write is 95 % of zstd, so at most 21.0 times without it.

| workload | answer | trust |
|---|---|---|
| restore on python-small | zstd is 1.19 times as fast as gzip (95 %: 1.19 to 1.19): 100 µs a file before, 84.0 now. | pass |
| walk on walk-tree | two is 2.00 times as fast as one (95 %: 2.00 to 2.00): 100 µs a file before, 50.0 now. | pass |

#### What holds

- **x-02** held: Writing is less than half \\| of &lt;it&gt;. Measured 80 % (95 %: 80 to 80), claimed at most 90 %.

#### What does not

- **x-01** overstated: It is five times as fast. Measured 1.19 times as fast (95 %: 1.19 to 1.19), claimed 5 times as fast. Foretold 1.19 times (95 %: 1.19 to 1.19).
";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.ends_with("\n</details>\n\n[The pages](review/index%20page.html)\n"), "{text}");
        assert!(text.contains("| x.md | 1 of 2 hold | 1 overstated |"), "{text}");
    }

    #[test]
    fn much_is_folded_away_and_nothing_hostile_gets_through() {
        let mut overview = made();
        let hostile = "<script>alert(1)</script> ]]> [x](y) **b** `c` a|b\nnext @all";
        let told = Told { of: hostile.into(), word: "held".into(), told: hostile.into() };
        overview.holds = vec![told; OPEN + 2];
        let text = markdown(&overview, None);
        assert!(text.contains("<summary>2 more</summary>") && !text.contains("<script>"), "{text}");
        assert!(!text.contains("](y)") || text.contains("\\](y)"), "{text}");
        assert!(text.contains("a\\|b next \\@all") && !text.contains("[The pages]"), "{text}");
        overview.fails.clear();
        assert!(markdown(&overview, None).contains("#### What does not\n\nNothing.\n"));
    }
}
