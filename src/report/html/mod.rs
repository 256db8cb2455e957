//! The report as one page: a file that needs no network, for a browser.
//!
//! The report's JSON is embedded, so that the page is a file for machines too; a script draws it. Whatever came off
//! the wire or from a file's name reaches the page through that JSON and `textContent` alone. A Content-Security-Policy
//! lets nothing run but the scripts below, by their hashes, and nothing be fetched.

use super::json;
use super::text::{self, Style};
use crate::findings::Report;
use serde::Serialize;
use std::io::{self, Write};

mod hashes;

use hashes::HASHES;

/// Intervals of all links together that a page holds: an hour of seven servers, in less than a megabyte.
pub const MAX_INTERVALS: usize = 8_192;

const BODY: &str = include_str!("page.html");
/// That of uPlot, which goes where uPlot goes.
const LICENCE: &str = include_str!("vendor/uPlot.LICENSE");
/// The styles, in the order of their hashes, before those of [`SCRIPTS`].
const STYLES: [&str; 2] = [include_str!("vendor/uPlot.min.css"), include_str!("page.css")];
/// The scripts, in the order that they run in.
const SCRIPTS: [&str; 5] = [
    include_str!("vendor/uPlot.iife.min.js"),
    include_str!("model.js"),
    include_str!("timeline.js"),
    include_str!("charts.js"),
    include_str!("main.js"),
];

/// What the page knows beside the report.
#[derive(Serialize)]
struct PageSettings<'a> {
    version: &'static str,
    zone: Option<&'a str>,
    text: &'a str,
}

/// Writes the page of a report.
///
/// `style` is that of the text form, which the page shows too.
///
/// # Errors
/// What the writer says.
pub fn write(report: &Report, style: &Style, out: &mut impl Write) -> io::Result<()> {
    let mut words = Vec::new();
    text::write(report, &style.plain(), &mut words)?;
    let words = String::from_utf8_lossy(&words);
    let zone = style.clock.zone.iana_name();
    let settings = PageSettings { version: env!("CARGO_PKG_VERSION"), zone, text: &words };
    out.write_all(b"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")?;
    writeln!(out, "<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">", policy())?;
    out.write_all(b"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")?;
    out.write_all(b"<meta name=\"referrer\" content=\"no-referrer\">\n<title>quorumscope report</title>\n")?;
    for style in STYLES {
        writeln!(out, "<style>{style}</style>")?;
    }
    write!(out, "</head>\n<body>\n{BODY}")?;
    writeln!(out, "<template id=\"licence\">uPlot 1.6.32\n\n{LICENCE}</template>")?;
    out.write_all(b"<script type=\"application/json\" id=\"report\">")?;
    json::write_compact(report, &mut InScript(&mut *out))?;
    out.write_all(b"</script>\n<script type=\"application/json\" id=\"settings\">")?;
    json::write_value(&settings, &mut InScript(&mut *out))?;
    out.write_all(b"</script>\n")?;
    for script in SCRIPTS {
        writeln!(out, "<script>{script}</script>")?;
    }
    out.write_all(b"</body>\n</html>\n")
}

/// What the browser lets the page do.
fn policy() -> String {
    let (styles, scripts) = HASHES.split_at(STYLES.len());
    let list =
        |hashes: &[&str]| hashes.iter().map(|hash| format!("'sha256-{hash}'")).collect::<Vec<_>>().join(" ");
    format!(
        "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
        list(scripts),
        list(styles)
    )
}

/// JSON within a script element, which ends at the first `</script`: every `<` becomes `\u003c`. It can only stand
/// inside a string, so it means the same as before.
struct InScript<W>(W);

impl<W: Write> Write for InScript<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for (index, part) in bytes.split(|byte| *byte == b'<').enumerate() {
            if index > 0 {
                self.0.write_all(b"\\u003c")?;
            }
            self.0.write_all(part)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
