//! Makes bytes that came off the wire, or from a file's name, safe to show.
//!
//! A terminal obeys control characters and escape sequences, and bidirectional controls change what a
//! reader takes a line to say. Here all of them become visible: `\n`, `\t`, `\\`, `\u{1b}`, and `\xff`
//! for a byte that is not UTF-8. What comes out is one line and can be told from what it stands for.

use std::borrow::Cow;
use std::fmt::Write;

/// A text, safe to show.
#[must_use]
pub fn text(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c != '\\' && !is_unsafe(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    push(&mut out, text);
    Cow::Owned(out)
}

/// Bytes, safe to show; those that are not UTF-8 as `\xff`.
#[must_use]
pub fn bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(whole) = std::str::from_utf8(bytes) {
        return text(whole);
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        push(&mut out, chunk.valid());
        for byte in chunk.invalid() {
            // A String takes everything.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

/// JSON text in which the unsafe characters that JSON allows are escaped too, as `\u202e`. They can
/// only stand inside strings, so it means the same as before.
#[must_use]
pub fn json(json: &str) -> Cow<'_, str> {
    let must_go = |c: char| c != '\n' && is_unsafe(c);
    // All of it is looked at, many bytes at once.
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    if json.bytes().fold(true, |all, byte| all & is_plain(byte)) || !json.chars().any(must_go) {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if must_go(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn push(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if is_unsafe(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
}

/// Whether a terminal or a reader could be led astray: controls, line separators, and the characters
/// of Unicode's class Cf, which are not seen and change what is.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0001}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_stays_as_it_is() {
        assert!(matches!(text("/app/käse 漢字"), Cow::Borrowed("/app/käse 漢字")));
        assert!(matches!(bytes(b"/a/b"), Cow::Borrowed("/a/b")));
        assert!(matches!(json("{\n  \"a\": \"é\"\n}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_terminal_gets_nothing_to_obey() {
        assert_eq!(text("\x1b[2J\x07"), "\\u{1b}[2J\\u{7}");
        assert_eq!(text("\u{9b}31m\u{7f}"), "\\u{9b}31m\\u{7f}");
        assert_eq!(text("a\r\nb\tc"), "a\\r\\nb\\tc");
        assert_eq!(bytes(b"a\xff\x1b\xc3"), "a\\xff\\u{1b}\\xc3");
    }

    #[test]
    fn a_reader_is_not_led_astray() {
        assert_eq!(text("abc\u{202e}fed"), "abc\\u{202e}fed");
        assert_eq!(text("\u{2066}\u{2069}\u{200f}\u{e0041}"), "\\u{2066}\\u{2069}\\u{200f}\\u{e0041}");
        assert_eq!(text("\\u{202e}"), "\\\\u{202e}", "an escape can be told from what it stands for");
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = "x\u{7f}\u{9b}\u{202e}\u{e0041}\u{1b}";
        let plain = serde_json::to_string(value).unwrap_or_default();
        let safe = json(&plain);
        assert!(safe.is_ascii(), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).ok().as_deref(), Some(value));
    }
}
