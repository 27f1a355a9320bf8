//! Strangers' text on its way to a terminal.

/// Whether a character only shows itself: no control character, and none that turns the direction
/// of the text around it.
pub fn is_harmless(c: char) -> bool {
    let turns =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !c.is_control() && !turns
}

/// Of a text what fits on a line or a few, without what could command a terminal.
pub fn line(text: &str, most: usize) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| is_harmless(*c))
        .take(most)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_command_a_terminal_is_left_out() {
        let text = "\u{1b}]0;title\u{7}\u{9b}2Jone\r\ntwo\u{202e}three\u{2066}\u{7f}\0 ä";
        assert_eq!(line(text, 100), "]0;title2Jone  twothree ä");
        assert_eq!(line(text, 5), "]0;ti");
    }
}
