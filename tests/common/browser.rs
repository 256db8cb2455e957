//! A headless Chromium, spoken to over a pipe: the DevTools protocol, as far as the tests need it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use tempfile::TempDir;

/// Names under which it is installed.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// Messages that are waited through for an answer; far more than any page here causes.
const MAX_MESSAGES: usize = 100_000;

/// The browser's command; `None` where there is none, which is said loudly.
pub(crate) fn installed() -> Option<&'static str> {
    let is_there = |name: &&&str| {
        Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
    };
    let found = NAMES.iter().find(is_there).copied();
    if found.is_none() {
        eprintln!("!!! SKIPPED: chromium is not installed");
    }
    found
}

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u64,
    session: Option<String>,
    /// Events so far: method and parameters.
    pub(crate) events: Vec<(String, Value)>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it, with an empty page of this size.
    pub(crate) fn start(command: &str, width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The protocol is spoken over the files 3 and 4; a shell puts them there.
        let script = format!(
            "exec {command} --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
             --disable-extensions --disable-background-networking --disable-component-update --hide-scrollbars \
             --remote-debugging-pipe --user-data-dir=\"$1\" about:blank 3<&0 4>&1 0</dev/null 1>/dev/null 2>&1"
        );
        let mut child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(profile.path())
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { child, to, from, next: 0, session: None, events: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let about = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", about);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.call("Emulation.setDeviceMetricsOverride", size);
        browser
    }

    /// Opens a file and waits until its script has drawn the page.
    pub(crate) fn open(&mut self, path: &Path) {
        let url = format!("file://{}", encoded(path));
        let loaded = self.count("Page.loadEventFired");
        let went = self.call("Page.navigate", json!({ "url": url }));
        assert!(went["errorText"].is_null(), "{went}");
        self.wait_for("Page.loadEventFired", loaded + 1);
        assert_eq!(self.eval("document.documentElement.dataset.ready"), "true", "{:?}", self.errors());
        self.settle();
    }

    /// The value of an expression; a promise is waited for.
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let about = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", about);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits for two frames to be drawn.
    pub(crate) fn settle(&mut self) {
        self.eval("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    /// Moves the pointer to the middle of the first element that a selector finds.
    pub(crate) fn hover(&mut self, selector: &str) -> (f64, f64) {
        let found = self.eval(&format!(
            "(() => {{ const one = document.querySelector({}); one.scrollIntoView({{ block: 'center' }}); \
             const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        ));
        let at = (found[0].as_f64().unwrap(), found[1].as_f64().unwrap());
        self.settle();
        self.mouse("mouseMoved", at, "none");
        self.settle();
        at
    }

    /// Clicks there.
    pub(crate) fn click(&mut self, selector: &str) {
        let at = self.hover(selector);
        self.mouse("mousePressed", at, "left");
        self.mouse("mouseReleased", at, "left");
        self.settle();
    }

    /// Presses a key.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.call(
                "Input.dispatchKeyEvent",
                json!({ "type": kind, "key": key, "text": if key.len() == 1 { key } else { "" } }),
            );
        }
        self.settle();
    }

    fn mouse(&mut self, kind: &str, (x, y): (f64, f64), button: &str) {
        let about = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": u8::from(button == "left") });
        self.call("Input.dispatchMouseEvent", about);
    }

    /// What the console was told as errors: by the page, by the browser, by exceptions.
    pub(crate) fn errors(&self) -> Vec<String> {
        let is_error = |(method, about): &&(String, Value)| match method.as_str() {
            "Runtime.exceptionThrown" => true,
            "Runtime.consoleAPICalled" => about["type"] == "error" || about["type"] == "assert",
            "Log.entryAdded" => about["entry"]["level"] == "error",
            _ => false,
        };
        self.events.iter().filter(is_error).map(|(method, about)| format!("{method} {about}")).collect()
    }

    /// Addresses that were asked for.
    pub(crate) fn requests(&self) -> Vec<String> {
        let sent = self.events.iter().filter(|(method, _)| method == "Network.requestWillBeSent");
        sent.map(|(_, about)| about["request"]["url"].as_str().unwrap_or("?").to_owned()).collect()
    }

    fn count(&self, method: &str) -> usize {
        self.events.iter().filter(|(known, _)| known == method).count()
    }

    /// Waits until there were so many events of a kind.
    fn wait_for(&mut self, method: &str, number: usize) {
        for _ in 0..MAX_MESSAGES {
            if self.count(method) >= number {
                return;
            }
            self.receive();
        }
        panic!("no {method}");
    }

    /// Calls a method and waits for its answer.
    pub(crate) fn call(&mut self, method: &str, about: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": about });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.to.flush().unwrap();
        for _ in 0..MAX_MESSAGES {
            let answer = self.receive();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
        panic!("{method} has no answer");
    }

    /// The next message; events are kept.
    fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.from.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser is gone");
        let message: Value = serde_json::from_slice(&bytes).unwrap();
        if let Some(method) = message["method"].as_str() {
            self.events.push((method.to_owned(), message["params"].clone()));
        }
        message
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let close = json!({ "id": self.next + 1, "method": "Browser.close" });
        let _ = self.to.write_all(format!("{close}\0").as_bytes());
        if thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.from.read_to_end(&mut Vec::new());
        let _ = self.child.wait();
    }
}

/// A path as a URL has it.
fn encoded(path: &Path) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
    let bytes = path.to_str().unwrap().as_bytes().iter();
    bytes
        .map(|byte| if is_plain(byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
