//! A table in plain text: columns as wide as their widest cell, Chinese characters counted as two.

use crate::words::Words;

/// Widest cell that is shown whole, columns; longer ones end in an ellipsis.
const CELL_COLUMNS_MAX: usize = 48;

pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table whose headings are `column.NAME` of the catalogue.
    pub(super) fn new(words: &Words, columns: &[&str]) -> Self {
        Self { rows: vec![columns.iter().map(|column| words.term("column", column)).collect()] }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|cell| shortened(&cell)).collect());
    }

    /// The table; a column that is empty in every row is left out.
    pub(super) fn text(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let wide = |column: usize| self.rows.iter().map(|row| width(&row[column])).max().unwrap_or(0);
        let shown: Vec<(usize, usize)> = (0..columns)
            .filter(|column| self.rows.len() == 1 || self.rows.iter().skip(1).any(|row| !row[*column].is_empty()))
            .map(|column| (column, wide(column)))
            .collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, wide) in &shown {
                line.push_str(&row[*column]);
                line.push_str(&" ".repeat(wide - width(&row[*column]) + 2));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn shortened(cell: &str) -> String {
    if width(cell) <= CELL_COLUMNS_MAX {
        return cell.to_owned();
    }
    let mut used = 0;
    let mut out: String = cell
        .chars()
        .take_while(|found| {
            used += columns(*found);
            used < CELL_COLUMNS_MAX
        })
        .collect();
    out.push('…');
    out
}

/// Columns a text takes on a terminal.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// East Asian wide and fullwidth blocks take two columns, combining marks none (the blocks this program meets, after UAX #11).
fn columns(found: char) -> usize {
    match found as u32 {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0x33ff
        | 0x3400..=0x4dbf
        | 0x4e00..=0x9fff
        | 0xa000..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::Lang;

    #[test]
    fn columns_line_up_when_chinese_and_latin_mix() {
        let mut table = Table::new(&Words::of(Lang::En), &["name", "id"]);
        table.row(["临溪县公安局".to_owned(), "7c1e0a11".to_owned()]);
        table.row(["Lake".to_owned(), "3f9a".to_owned()]);
        let text = table.text();
        let starts: Vec<usize> = text
            .lines()
            .zip(["ID", "7c1e0a11", "3f9a"])
            .map(|(line, cell)| width(&line[..line.find(cell).expect("the cell is there")]))
            .collect();
        assert_eq!(starts, [14, 14, 14], "{text}");
    }

    #[test]
    fn a_long_cell_ends_in_an_ellipsis_and_fits() {
        let cell = shortened(&"案".repeat(60));
        assert!(cell.ends_with('…') && width(&cell) <= CELL_COLUMNS_MAX, "{cell}");
        assert_eq!(shortened("short"), "short");
    }
}
