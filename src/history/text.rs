//! Text of others on one's own terminal.

use std::borrow::Cow;

use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// The text with all that could drive a terminal or hide something written out: control characters
/// but line feed and tab, and characters that change the direction of text or show nothing.
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().all(|char| char == '\n' || char == '\t' || !is_harmful(char)) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        match char {
            '\n' | '\t' => shown.push(char),
            _ if is_harmful(char) => shown.extend(char.escape_unicode()),
            _ => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

/// The same, on one line.
pub fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\t']) {
        return harmless(text);
    }
    Cow::Owned(harmless(text).replace('\n', "\\n").replace('\t', "\\t"))
}

fn is_harmful(char: char) -> bool {
    match char {
        ' '..='~' => false,
        _ => matches!(
            char.general_category(),
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::LineSeparator
                | GeneralCategory::ParagraphSeparator
        ),
    }
}

/// A number with commas between thousands.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A change of a number: always with its sign.
pub fn signed(number: i64) -> String {
    let plus = if number < 0 { "" } else { "+" };
    format!("{plus}{}", grouped(number))
}

/// A number of things: `1 memory`, `2 memories`.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_written_out() {
        assert_eq!(harmless("\u{1b}]0;gone\u{7}"), "\\u{1b}]0;gone\\u{7}");
        assert_eq!(harmless("a\rb\u{8}\u{9b}2J\u{7f}"), "a\\u{d}b\\u{8}\\u{9b}2J\\u{7f}");
        assert_eq!(harmless("\u{202e}evil\u{200b}"), "\\u{202e}evil\\u{200b}");
        assert!(matches!(harmless("é, 日本\n\tplain"), Cow::Borrowed(_)));
        assert_eq!(one_line("a\nb\u{1b}"), "a\\nb\\u{1b}");
    }

    #[test]
    fn numbers_are_grouped() {
        let shown = [0, 7, 999, 1000, 7285, 1_234_567, -5776].map(grouped);
        assert_eq!(shown, ["0", "7", "999", "1,000", "7,285", "1,234,567", "-5,776"]);
        assert_eq!([0, 5, -5776].map(signed), ["+0", "+5", "-5,776"]);
    }
}
