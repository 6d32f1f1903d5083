//! What is printed on: how wide it is, the colours that mean something, and how far work has come. Colours and progress
//! reach a terminal only; `NO_COLOR` is obeyed.

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use terminal_size::terminal_size_of;
use unicode_width::UnicodeWidthStr;

/// Headings.
pub const HEAD: Style = Style::new().bold();
/// What matters less.
pub const DIM: Style = Style::new().dimmed();
/// What went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What goes on, or may need somebody.
pub const OPEN: Style = AnsiColor::Yellow.on_default();
/// What went wrong.
pub const BAD: Style = AnsiColor::Red.on_default();

/// How far work of a known length has come, on standard error. The template is one of `indicatif`.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    ProgressBar::new(length).with_style(progress(template))
}

/// That work goes on whose length nobody knows, on standard error. The template is one of `indicatif`.
pub fn spinner(template: &str) -> ProgressBar {
    ProgressBar::new_spinner().with_style(progress(template))
}

fn progress(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Text within a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Columns of the terminal; `None` where output goes elsewhere, and lines may be as long as they are.
pub fn width() -> Option<usize> {
    terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

/// Columns that a text takes.
pub fn columns(text: &str) -> usize {
    text.width()
}

/// The text in lines of at most so many columns, broken between words; a word that is longer is broken itself.
pub fn wrapped(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    if columns(text) <= width {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split(' ').flat_map(|word| pieces(word, width)) {
        let last = lines.last_mut().filter(|line| line.is_empty() || columns(line) + 1 + columns(word) <= width);
        match last {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// A sentence, broken for the screen.
pub fn paragraph(text: &str) -> String {
    let mut text = wrapped(text, width().unwrap_or(usize::MAX)).join("\n");
    text.push('\n');
    text
}

/// A word in pieces of at most so many columns; a character that is wider alone is a piece.
fn pieces(word: &str, width: usize) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), word);
    while columns(rest) > width {
        let (mut end, mut taken) = (0, 0);
        for (place, char) in rest.char_indices() {
            let next = place + char.len_utf8();
            taken += columns(&rest[place..next]);
            if taken > width && end > 0 {
                break;
            }
            end = next;
        }
        pieces.push(&rest[..end]);
        rest = &rest[end..];
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(rest);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_long_words_within() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a_very_long_word b", 6), ["a_very", "_long_", "word b"]);
        assert_eq!(wrapped("", 6), [""]);
        assert_eq!(wrapped("緑茶 緑", 4), ["緑茶", "緑"]);
        assert_eq!(wrapped("緑", 1), ["緑"]);
    }
}
