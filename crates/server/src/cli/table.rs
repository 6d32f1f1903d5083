//! Rows in aligned columns, for a screen of some width. Where there is little room, the last column is broken into lines;
//! where there is less, it stands below its row, with those before it that have no room either.

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

    /// With the store of each row in front, where a gateway has told it.
    #[must_use]
    pub fn of_stores<'a>(mut self, stores: impl Iterator<Item = Option<&'a str>>) -> Self {
        let stores: Vec<Option<&str>> = stores.collect();
        if stores.iter().all(Option::is_none) {
            return self;
        }
        self.heads.insert(0, "STORE");
        self.rights.iter_mut().for_each(|column| *column += 1);
        let rows = self.rows.iter_mut().filter_map(|row| if let Row::Cells(cells) = row { Some(cells) } else { None });
        for (cells, store) in rows.zip(stores) {
            cells.insert(0, Cell::from(store.unwrap_or_default()));
        }
        self
    }

    /// The table for a screen so wide; without a width no line is broken.
    pub fn shown(&self, width: Option<usize>) -> String {
        let widths = self.widths();
        let count = widths.len().saturating_sub(1);
        let end_of = |columns: usize| widths[..columns].iter().map(|width| width + GAP).sum::<usize>();
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(end_of(count)));
        let layout = if room >= widths.last().map_or(0, |last| *last.min(&LAST_COLUMNS_MIN)) {
            Layout { widths: &widths, beside: count, last: Some((end_of(count), room)), width, table: self }
        } else {
            let fits = |columns: &usize| width.is_some_and(|width| end_of(*columns) <= width + GAP);
            let beside = (1..=count).rev().find(fits).unwrap_or(1);
            Layout { widths: &widths, beside, last: None, width, table: self }
        };
        let mut text = String::new();
        // Writing to a string does not fail.
        let _written = layout.write(&mut text);
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
}

/// How the columns share a width.
struct Layout<'a> {
    table: &'a Table,
    widths: &'a [usize],
    /// So many columns stand beside each other.
    beside: usize,
    /// Where the last column begins and how wide it is; `None` where it stands below its row, with those before it that
    /// have no room either.
    last: Option<(usize, usize)>,
    width: Option<usize>,
}

impl Layout<'_> {
    fn write(&self, out: &mut String) -> fmt::Result {
        let heads: Vec<_> = self.table.heads.iter().map(|head| Cell::from(*head).style(HEAD)).collect();
        if self.table.heads.iter().any(|head| !head.is_empty()) {
            self.cells(if self.last.is_some() { &heads } else { &heads[..self.beside] }, out)?;
        }
        for row in &self.table.rows {
            match row {
                Row::Cells(cells) => self.cells(cells, out)?,
                Row::Line(line) => writeln!(out, "{line}")?,
            }
        }
        Ok(())
    }

    fn cells(&self, cells: &[Cell], out: &mut String) -> fmt::Result {
        let mut line = String::new();
        for (nth, (cell, width)) in cells.iter().zip(self.widths).take(self.beside).enumerate() {
            let padding = " ".repeat(width.saturating_sub(columns(&cell.text)));
            let gap = " ".repeat(GAP);
            if self.table.rights.contains(&nth) {
                write!(line, "{padding}{cell}{gap}")?;
            } else {
                write!(line, "{cell}{padding}{gap}")?;
            }
        }
        let rest = cells.get(self.beside..).unwrap_or_default();
        let Some((begin, room)) = self.last else {
            writeln!(out, "{}", line.trim_end())?;
            return self.below(rest, out);
        };
        let Some(last) = rest.last().filter(|last| !last.text.is_empty()) else {
            return writeln!(out, "{}", line.trim_end());
        };
        let style = last.style;
        for (nth, text) in wrapped(&last.text, room).iter().enumerate() {
            if nth > 0 {
                line = " ".repeat(begin);
            }
            writeln!(out, "{line}{style}{text}{style:#}")?;
        }
        Ok(())
    }

    /// What has no room beside: each with its head, but for the last, which speaks for itself.
    fn below(&self, cells: &[Cell], out: &mut String) -> fmt::Result {
        let Some((last, named)) = cells.split_last() else { return Ok(()) };
        let heads = self.table.heads.get(self.beside..).unwrap_or_default();
        let named = heads.iter().zip(named).filter(|(_, cell)| !matches!(&*cell.text, "" | "-"));
        let mut parts: Vec<String> =
            named.map(|(head, cell)| format!("{} {}", head.to_lowercase(), cell.text).trim().to_owned()).collect();
        parts.extend((!last.text.is_empty()).then(|| last.text.clone()));
        let text = parts.join(", ");
        let room = self.width.unwrap_or(usize::MAX).saturating_sub(INDENT);
        let lines = wrapped(&text, room);
        lines
            .iter()
            .filter(|line| !line.is_empty())
            .try_for_each(|line| writeln!(out, "{:INDENT$}{DIM}{line}{DIM:#}", ""))
    }
}

impl Cell {
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
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
