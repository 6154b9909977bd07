//! Tables for a terminal: no borders, numbers to the right, columns dropped from the right where the width ends.

use unicode_width::UnicodeWidthStr;

/// A table under construction.
#[derive(Clone, Debug)]
pub struct Table {
    heads: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
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
        Table { heads: heads.iter().map(|(head, align)| ((*head).to_owned(), *align)).collect(), rows: Vec::new() }
    }

    /// Adds a row; missing cells are empty.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let mut row: Vec<String> = cells.into_iter().map(|cell| one_line(&cell)).collect();
        row.resize(self.heads.len(), String::new());
        self.rows.push(row);
    }

    /// The text, no line wider than `width`. At least the first two columns stay.
    pub fn render(&self, width: usize) -> String {
        let widths: Vec<usize> = (0..self.heads.len())
            .map(|column| {
                let cells = self.rows.iter().map(|row| row[column].width()).max().unwrap_or(0);
                cells.max(self.heads[column].0.width())
            })
            .collect();
        let mut shown = 0;
        let mut used = 0;
        for (column, wide) in widths.iter().enumerate() {
            used += wide + if column > 0 { 2 } else { 0 };
            if used > width && column >= 2 {
                break;
            }
            shown = column + 1;
        }
        let heads: Vec<&str> = self.heads.iter().map(|(head, _)| head.as_str()).collect();
        let mut text = self.line(&heads[..shown], &widths, width);
        for row in &self.rows {
            let cells: Vec<&str> = row[..shown].iter().map(String::as_str).collect();
            text += &self.line(&cells, &widths, width);
        }
        text
    }

    fn line(&self, cells: &[&str], widths: &[usize], width: usize) -> String {
        let mut line = String::new();
        for (column, cell) in cells.iter().enumerate() {
            let pad = " ".repeat(widths[column].saturating_sub(cell.width()));
            if column > 0 {
                line += "  ";
            }
            match self.heads[column].1 {
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

/// Control characters and line ends would break the table, and a name could hold them.
fn one_line(cell: &str) -> String {
    cell.chars()
        .flat_map(|letter| if letter.is_control() { letter.escape_default().collect::<Vec<_>>() } else { vec![letter] })
        .collect()
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
    fn columns_are_dropped_from_the_right_and_never_wrapped() {
        for width in [10, 14, 20, 22, 40] {
            for line in table().render(width).lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
        assert!(!table().render(20).contains("VERDICT"));
    }

    #[test]
    fn long_text_is_wrapped_and_indented() {
        assert_eq!(wrap("note: one two three", 10, 2), "note: one\n  two\n  three");
    }
}
