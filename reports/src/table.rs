//! Tables for a terminal: no borders, numbers to the right, columns dropped from the right where the width ends.

use unicode_width::UnicodeWidthStr;

/// A table under construction.
#[derive(Clone, Debug)]
pub struct Table {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    /// Lines over the whole width, each before the row of that number.
    sections: Vec<(usize, String)>,
    may_go: Vec<(usize, usize)>,
}

/// Where a column's cells stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

impl Table {
    /// A table with these columns.
    pub fn new(heads: &[(&str, Align)]) -> Table {
        let heads = heads.iter().map(|(head, align)| ((*head).to_owned(), *align)).collect();
        Table { heads, rows: Vec::new(), sections: Vec::new(), may_go: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| printable(&cell)).collect();
        row.resize(self.heads.len(), String::new());
        self.rows.push(row);
    }

    /// Begins a section: a line over the whole width, before the rows that follow.
    pub fn section(&mut self, text: &str) {
        self.sections.push((self.rows.len(), printable(text)));
    }

    /// Says that these columns may go first where the width ends, the first of them first.
    #[must_use]
    pub fn may_go(mut self, heads: &[&str]) -> Table {
        for (order, wanted) in heads.iter().enumerate() {
            for (at, (head, _)) in self.heads.iter().enumerate() {
                if head == wanted && !self.may_go.iter().any(|(_, column)| *column == at) {
                    self.may_go.push((order, at));
                }
            }
        }
        self
    }

    /// The text, no line wider than `width`. Words in the last column are wrapped where that leaves room for them;
    /// then columns go, and a last line says how many. At least the first two stay.
    pub fn render(&self, width: usize) -> String {
        let widths: Vec<usize> = (0..self.heads.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
                cells.max(self.heads[column].0.width())
            })
            .collect();
        let shown = self.fitting(&widths, width);
        let last = *shown.last().expect("two columns stay");
        let before: usize = shown.iter().filter(|column| **column != last).map(|column| widths[*column] + 2).sum();
        let room = width.saturating_sub(before);
        let heads: Vec<&str> = self.heads.iter().map(|(head, _)| head.as_str()).collect();
        let mut text = self.line(&heads, &shown, &widths, width);
        for (at, row) in self.rows.iter().enumerate() {
            for (_, section) in self.sections.iter().filter(|(before, _)| *before == at) {
                text += &(clip(section, width) + "\n");
            }
            let mut cells: Vec<&str> = row.iter().map(String::as_str).collect();
            let wrapped = if self.wraps(last) { wrap(&row[last], room, 0) } else { row[last].clone() };
            let mut lines = wrapped.lines();
            cells[last] = lines.next().unwrap_or("");
            text += &self.line(&cells, &shown, &widths, width);
            for more in lines {
                text += &clip(&format!("{}{more}", " ".repeat(before)), width);
                text.push('\n');
            }
        }
        let gone = self.heads.len() - shown.len();
        if gone > 0 {
            let plural = if gone == 1 { "column" } else { "columns" };
            text += &clip(&format!("({gone} {plural} more on a wider terminal, COLUMNS=160, or --json)"), width);
            text.push('\n');
        }
        text
    }

    /// Whether a column is the last one and of words: such a one takes what room there is.
    fn wraps(&self, column: usize) -> bool {
        column + 1 == self.heads.len() && self.heads[column].1 == Align::Left
    }

    /// The columns that fit, in their order.
    fn fitting(&self, widths: &[usize], width: usize) -> Vec<usize> {
        const WRAPPED: usize = 24;
        let mut shown: Vec<usize> = (0..widths.len()).collect();
        let mut first_to_go = self.may_go.clone();
        first_to_go.sort_unstable();
        let mut first_to_go = first_to_go.into_iter().map(|(_, column)| column);
        loop {
            let need =
                |column: &usize| if self.wraps(*column) { widths[*column].min(WRAPPED) } else { widths[*column] };
            let used: usize = shown.iter().map(need).sum::<usize>() + 2 * (shown.len() - 1);
            if used <= width || shown.len() <= 2 {
                return shown;
            }
            let go = first_to_go.next().filter(|column| shown.contains(column));
            let go = go.unwrap_or(*shown.last().expect("two columns stay"));
            shown.retain(|column| *column != go);
        }
    }

    fn line(&self, cells: &[&str], shown: &[usize], widths: &[usize], width: usize) -> String {
        let mut line = String::new();
        for (place, column) in shown.iter().enumerate() {
            let cell = cells[*column];
            let pad = " ".repeat(widths[*column].saturating_sub(cell.width()));
            if place > 0 {
                line += "  ";
            }
            match self.heads[*column].1 {
                Align::Left => line += &format!("{cell}{pad}"),
                Align::Right => line += &format!("{pad}{cell}"),
            }
        }
        let mut line = clip(line.trim_end(), width);
        line.push('\n');
        line
    }
}

/// Text that is cut where the width ends, with a mark that it was cut.
pub fn clip(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut clipped = String::new();
    for letter in text.chars() {
        if format!("{clipped}{letter}").width() + 1 > width {
            break;
        }
        clipped.push(letter);
    }
    clipped.push('…');
    clipped
}

/// Text broken into lines no wider than `width`, later lines indented by `indent`.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.trim().is_empty() && line.width() + 1 + word.width() > width {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        } else {
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}

/// Control characters would break the table or the terminal, and a name could hold them.
pub fn printable(text: &str) -> String {
    let shown =
        |letter: char| if letter.is_control() { letter.escape_default().to_string() } else { letter.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&[("NAME", Align::Left), ("µs/FILE", Align::Right), ("VERDICT", Align::Left)]);
        table.row(["gzip".into(), "211.6".into(), "baseline".into()]);
        table.row(["a\nb".into(), "9.0".into(), "faster".into()]);
        table
    }

    #[test]
    fn numbers_stand_to_the_right_and_no_line_ends_in_blanks() {
        let text = table().render(80);
        assert_eq!(text, "NAME  µs/FILE  VERDICT\ngzip    211.6  baseline\na\\nb      9.0  faster\n");
    }

    #[test]
    fn columns_go_where_there_is_no_room_and_no_line_is_too_wide() {
        for width in [10, 14, 20, 22, 40] {
            for line in table().render(width).lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
        assert!(!table().render(20).contains("VERDICT"));
        assert!(table().render(60).contains("VERDICT"));
        let narrow = table().may_go(&["µs/FILE"]).render(20);
        assert!(narrow.contains("VERDICT") && !narrow.contains("µs/FILE"), "{narrow}");
        assert!(narrow.ends_with("…\n"), "what is left out is said, as far as there is room: {narrow}");
    }

    #[test]
    fn a_section_stands_over_the_rows_that_follow() {
        let mut table = Table::new(&[("NAME", Align::Left), ("µs/FILE", Align::Right)]);
        table.section("these");
        table.row(["gzip".into(), "211.6".into()]);
        table.section("those, which are told at length");
        table.row(["tar".into(), "9.0".into()]);
        let text = table.render(20);
        assert_eq!(text, "NAME  µs/FILE\nthese\ngzip    211.6\nthose, which are to…\ntar       9.0\n");
    }

    #[test]
    fn words_in_the_last_column_are_wrapped() {
        let mut table = Table::new(&[("WHAT", Align::Left), ("STATE", Align::Left), ("HOW", Align::Left)]);
        table.row(["tar".into(), "ok".into(), "for the rows of restore that are peers".into()]);
        let text = table.render(40);
        assert_eq!(text, "WHAT  STATE  HOW\ntar   ok     for the rows of restore\n             that are peers\n");
    }

    #[test]
    fn long_text_is_wrapped_and_indented() {
        assert_eq!(wrap("note: one two three", 10, 2), "note: one\n  two\n  three");
    }
}
