//! Rows in aligned columns, for a screen of some width. Where there is no room, the last column is broken into lines; where
//! there is little, it stands below its row.

use std::fmt::{self, Write};

use anstyle::Style;

use super::screen::{DIM, HEAD, columns, wrapped};

/// Between columns.
const GAP: usize = 2;

/// Less room than this is not worth a column.
const LAST_COLUMNS_MIN: usize = 24;

/// How far the last column stands from the left, when it stands below.
const INDENT: usize = 4;

/// Rows under headings. The last column takes what is left of the width.
pub struct Table {
    heads: Vec<&'static str>,
    rights: Vec<usize>,
    rows: Vec<Row>,
}

enum Row {
    Cells(Vec<Cell>),
    /// A line across all columns.
    Line(String),
}

/// A text with how it looks.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Table {
    pub fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rights: Vec::new(), rows: Vec::new() }
    }

    /// Numbers stand to the right in this column.
    #[must_use]
    pub fn right(mut self, column: usize) -> Self {
        self.rights.push(column);
        self
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(Row::Cells(cells.into_iter().collect()));
    }

    pub fn line(&mut self, text: impl Into<String>) {
        self.rows.push(Row::Line(text.into()));
    }

    /// The table for a screen so wide; without a width no line is broken.
    pub fn shown(&self, width: Option<usize>) -> String {
        let widths = self.widths();
        let (last, fixed) = widths.split_last().map_or((0, &widths[..0]), |(last, fixed)| (*last, fixed));
        let before = fixed.iter().map(|width| width + GAP).sum::<usize>();
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(before));
        let below = room < last.min(LAST_COLUMNS_MIN);
        let layout = Layout { fixed, before, room, below, width, rights: &self.rights };
        let mut text = String::new();
        // Writing to a string does not fail.
        let _written = self.write(&layout, &mut text);
        text
    }

    /// The columns that each column needs.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|head| columns(head)).collect();
        for row in &self.rows {
            let Row::Cells(cells) = row else { continue };
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = columns(&cell.text).max(*width);
            }
        }
        widths
    }

    fn write(&self, layout: &Layout<'_>, out: &mut String) -> fmt::Result {
        let heads = self.heads.iter().map(|head| Cell::from(*head).style(HEAD)).collect::<Vec<_>>();
        if self.heads.iter().any(|head| !head.is_empty()) {
            let shown = if layout.below { &heads[..heads.len().saturating_sub(1)] } else { &heads };
            layout.cells(shown, self.heads.len(), out)?;
        }
        for row in &self.rows {
            match row {
                Row::Cells(cells) => layout.cells(cells, self.heads.len(), out)?,
                Row::Line(line) => writeln!(out, "{line}")?,
            }
        }
        Ok(())
    }
}

/// How the columns share a width.
struct Layout<'a> {
    fixed: &'a [usize],
    /// What stands before the last column.
    before: usize,
    /// What is left for it.
    room: usize,
    /// It stands below its row.
    below: bool,
    width: Option<usize>,
    rights: &'a [usize],
}

impl Layout<'_> {
    fn cells(&self, cells: &[Cell], count: usize, out: &mut String) -> fmt::Result {
        let mut line = String::new();
        for (nth, (cell, width)) in cells.iter().zip(self.fixed).enumerate() {
            let padding = " ".repeat(width.saturating_sub(columns(&cell.text)));
            let gap = " ".repeat(GAP);
            if self.rights.contains(&nth) {
                write!(line, "{padding}{cell}{gap}")?;
            } else {
                write!(line, "{cell}{padding}{gap}")?;
            }
        }
        let Some(last) = cells.get(count - 1).filter(|last| !last.text.is_empty()) else {
            return writeln!(out, "{}", line.trim_end());
        };
        if self.below {
            writeln!(out, "{}", line.trim_end())?;
            let room = self.width.unwrap_or(usize::MAX).saturating_sub(INDENT);
            let style = if last.style == Style::new() { DIM } else { last.style };
            return last.lines(room).iter().try_for_each(|text| writeln!(out, "{:INDENT$}{style}{text}{style:#}", ""));
        }
        let style = last.style;
        for (nth, text) in last.lines(self.room).iter().enumerate() {
            if nth > 0 {
                line = " ".repeat(self.before);
            }
            writeln!(out, "{line}{style}{text}{style:#}")?;
        }
        Ok(())
    }
}

impl Cell {
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    fn lines(&self, width: usize) -> Vec<String> {
        if columns(&self.text) <= width { vec![self.text.clone()] } else { wrapped(&self.text, width) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: crate::words::clean(&text.into()), style: Style::new() }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{style}{}{style:#}", self.text, style = self.style)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["ID", "N", "WHY"]).right(1);
        table.row(["a".into(), "1".into(), "short".into()]);
        table.row(["abcdef".into(), "100".into(), "a reason that needs some more room".into()]);
        table
    }

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_aligned_and_no_line_is_broken_without_need() {
        let shown = plain(&table().shown(None));
        assert_eq!(shown, "ID        N  WHY\na         1  short\nabcdef  100  a reason that needs some more room\n");
        assert_eq!(plain(&table().shown(Some(200))), shown);
    }

    #[test]
    fn the_last_column_is_broken_where_there_is_little_room_and_stands_below_where_there_is_less() {
        let broken = plain(&table().shown(Some(38)));
        assert_eq!(
            broken,
            "ID        N  WHY\na         1  short\nabcdef  100  a reason that needs some\n             more room\n"
        );
        let below = plain(&table().shown(Some(30)));
        assert_eq!(
            below,
            "ID        N\na         1\n    short\nabcdef  100\n    a reason that needs some\n    more room\n"
        );
    }
}
