//! The page's file: its hashes, and that nothing of a report can leave its script element.

use super::*;
use crate::findings::sample;
use crate::report::clock::{Digits, WallClock};
use jiff::tz::TimeZone;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::Path;

fn page(report: &Report) -> String {
    let style = Style {
        clock: WallClock { zone: TimeZone::get("Europe/Berlin").unwrap(), digits: Digits::Six },
        is_coloured: true,
        warn_at_percent: 50,
        is_verbose: false,
        selection: crate::findings::selection::Selection::default(),
    };
    let mut out = Vec::new();
    write(report, &style, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn embedded(page: &str, id: &str) -> Value {
    let begin = format!("<script type=\"application/json\" id=\"{id}\">");
    let rest = page.split_once(&begin).unwrap().1;
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * place)) as usize & 63];
            out.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

#[test]
fn the_hashes_are_those_of_what_the_page_has() {
    let hashes: Vec<_> = STYLES.iter().chain(&SCRIPTS).map(|text| base64(&Sha256::digest(text))).collect();
    if std::env::var_os("QSCOPE_BLESS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/html/hashes.rs");
        let kept = std::fs::read_to_string(&path).unwrap();
        let (head, _) = kept.split_once("= [\n").unwrap();
        let mut made = format!("{head}= [\n");
        hashes.iter().for_each(|hash| writeln!(made, "    \"{hash}\",").unwrap());
        std::fs::write(&path, format!("{made}];\n")).unwrap();
        return;
    }
    assert_eq!(hashes, HASHES, "QSCOPE_BLESS=1 writes them anew");
    for part in STYLES.iter().chain(&SCRIPTS) {
        assert!(!part.contains("</s"), "an element would end early");
    }
}

#[test]
fn the_embedded_report_is_the_report() {
    let report = sample::report();
    let page = page(&report);
    let mut json = Vec::new();
    json::write(&report, &mut json).unwrap();
    assert_eq!(embedded(&page, "report"), serde_json::from_slice::<Value>(&json).unwrap());
    assert!(page.contains("uPlot 1.6.32\n\nThe MIT License") && SCRIPTS[0].contains("(v1.6.32)"));
    let settings = embedded(&page, "settings");
    assert_eq!(settings["zone"], "Europe/Berlin");
    let text = settings["text"].as_str().unwrap();
    assert!(text.contains("STOOD STILL") && text.contains(" UTC") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn names_and_paths_do_not_leave_their_script() {
    let evil = "</script><script>document.title='x'</script><!--\u{2028}<img src=x onerror=alert(1)>";
    let mut report = sample::report();
    report.servers.iter_mut().for_each(|server| server.name = Some(evil.to_owned()));
    report.input.files.iter_mut().for_each(|file| file.path = format!("/tmp/{evil}"));
    let page = page(&report);
    assert_eq!(page.matches("</script>").count(), 2 + SCRIPTS.len(), "an element ends early");
    assert!(!page.contains("<!--") && !page.contains("<img") && !page.contains('\u{2028}'));
    assert_eq!(embedded(&page, "report")["servers"][0]["name"], evil);
}

#[test]
fn nothing_is_fetched() {
    let page = page(&sample::report());
    assert!(page.contains("content=\"default-src 'none'; script-src 'sha256-"));
    let own: Vec<_> = STYLES.iter().chain(&SCRIPTS[1..]).copied().chain([BODY]).collect();
    for word in
        ["src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "innerHTML", "eval("]
    {
        assert!(own.iter().all(|part| !part.contains(word)), "{word}");
    }
}
