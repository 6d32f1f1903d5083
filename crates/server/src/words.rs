//! How spans of time, ids and texts of others are written for people. Not here: what is written for programs.

use std::{fmt::Write, time::Duration};

use tradewind_events::{Currency, Id, Money};

/// As long as a UUID is.
const UUID_CHARS: usize = 36;

/// So many of its last characters stay: the first ones of ids that were minted together are the same.
const ID_CHARS_SHORT: usize = 7;

/// From so many of a unit on, the lesser unit does not matter.
const UNITS_MAX: u64 = 10;

/// A span in one or two units: `12 ms`, `1.2 s`, `15 min`, `2 h 5 min`, `3 d 4 h`.
pub fn span(span: Duration) -> String {
    let (millis, seconds) = (span.as_millis(), span.as_secs());
    let two = |major: u64, unit: &str, minor: u64, lesser: &str| {
        if minor == 0 || major >= UNITS_MAX {
            format!("{major} {unit}")
        } else {
            format!("{major} {unit} {minor} {lesser}")
        }
    };
    match seconds {
        0 => format!("{millis} ms"),
        1..10 if span.subsec_millis() >= 100 => format!("{seconds}.{} s", span.subsec_millis() / 100),
        1..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// An id where its end is enough to tell it from its neighbours: `…9c41d2e`. One that is no UUID stays as it is.
pub fn short(id: &Id) -> String {
    let text = id.as_str();
    let is_uuid = text.len() == UUID_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if is_uuid { format!("…{}", &text[UUID_CHARS - ID_CHARS_SHORT..]) } else { text.to_owned() }
}

/// An amount: `24.99 EUR`.
pub fn money(amount_minor: i64, currency: Currency) -> String {
    Money { amount_minor, currency }.to_string()
}

/// So many of something: `1 unit`, `3 units`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A text of others on one line, without what a terminal would obey.
pub fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\r' | '\t' => cleaned.push(' '),
            _ if char.is_control() || turns_text(char) => {
                // Writing to a string does not fail.
                let _written = write!(cleaned, "{}", char.escape_unicode());
            }
            char => cleaned.push(char),
        }
    }
    cleaned
}

/// Characters that make a terminal show what follows in another order.
const fn turns_text(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use tradewind_events::id;

    use super::*;

    #[test]
    fn a_span_is_told_in_the_units_that_matter() {
        let shown = |millis| span(Duration::from_millis(millis));
        for (millis, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (8_000, "8 s"),
            (59_999, "59 s"),
            (90_000, "1 min 30 s"),
            (930_000, "15 min"),
            (3_600_000, "1 h"),
            (7_500_000, "2 h 5 min"),
            (273_600_000, "3 d 4 h"),
        ] {
            assert_eq!(shown(millis), text);
        }
    }

    #[test]
    fn a_uuid_keeps_its_end_and_another_id_all_of_it() {
        let other = id("an-order-of-another-system-2026-0001");
        assert_eq!(short(&other), other.as_str());
        assert_eq!(short(&id("019aa5c2-7a31-7cc2-9a13-3a51f0c0ffee")), "…0c0ffee");
    }

    #[test]
    fn what_others_have_written_cannot_command_a_terminal() {
        assert_eq!(clean("red \u{1b}[31m\r\nnow \u{202e}back"), "red \\u{1b}[31m  now \\u{202e}back");
        assert_eq!(clean("grün, 緑"), "grün, 緑");
    }
}
