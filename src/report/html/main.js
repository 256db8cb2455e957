"use strict";
// Incidents, their evidence, and what the reader can do.

/** Wireshark's display filter for the frames of evidence in one file. */
const frameFilter = (frames) => `frame.number in {${[...new Set(frames)].sort((a, b) => a - b).join(", ")}}`;
/** One for the quorum and election traffic of the incident's hosts, in its time. */
function timeFilter(incident) {
  const [from, to] = [seconds(incident.start) - 1, (maybe(incident.end) ?? end) + 1];
  const hosts = culprits(incident.suspect);
  const of = (address) => `${address.includes(":") ? "ipv6" : "ip"}.addr == ${address}`;
  const both = hosts.length === 2 ? `${of(hosts[0])} && ${of(hosts[1])} && ` : hosts.length === 1 ? `${of(hosts[0])} && ` : "";
  return `${both}frame.time_epoch >= ${from.toFixed(3)} && frame.time_epoch <= ${to.toFixed(3)}`;
}
async function copy(button, code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    // Without the right to the clipboard, as in some mail programs: it is selected, to be copied by hand.
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    button.textContent = "Selected";
  }
  setTimeout(() => (button.textContent = "Copy"), 2000);
}
function filterRow(label, text) {
  const code = element("code", { text });
  const button = element("button", { text: "Copy", on: { click: (event) => { event.stopPropagation(); copy(button, code); } } });
  return element("div", { class: "filter" }, element("span", { class: "soft", text: label }), code, button);
}
function evidence(incident) {
  const rows = incident.evidence.map((one) => element("tr", {},
    element("td", { class: "num", text: one.at ? clock(seconds(one.at), 6) : "" }),
    element("td", { class: "num", text: one.file === null || one.frame === null ? "" : `${short(one.file)}#${one.frame}` }),
    element("td", { text: one.what })));
  const files = new Map();
  for (const one of incident.evidence) {
    if (one.file === null || one.frame === null) continue;
    if (!files.has(one.file)) files.set(one.file, []);
    files.get(one.file).push(one.frame);
  }
  const head = element("tr", {}, ...["Time", "Frame", "What it shows"].map((text) => element("th", { text })));
  const table = rows.length > 0 ? element("table", {}, head, ...rows) : element("p", { class: "soft", text: "No frame stands for it." });
  const filters = [...files].map(([file, frames]) => filterRow(short(file), frameFilter(frames)));
  filters.push(filterRow("its hosts and time", timeFilter(incident)));
  const made = element("div", { class: "frames", on: { click: (event) => event.stopPropagation() } }, table,
    element("p", { class: "soft", text: "Display filters for Wireshark:" }), ...filters);
  return made;
}
/** Beyond so many incidents, only the worst and the chosen one are told in full. */
const BRIEF = 3;
function pair(list, label, text) {
  if (text) list.append(element("dt", { text: label }), element("dd", { text }));
}
function card(incident) {
  const [from, to] = [seconds(incident.start), maybe(incident.end)];
  const chosen = view.chosen === incident.id;
  const summary = inZone(incident.summary, from);
  const isWorst = report.incidents.length > 1 && worst.id === incident.id;
  const head = element("p", { class: "head" }, element("span", { text: `${report.incidents.length > 1 ? `#${incident.id} ` : ""}${summary}` }),
    element("span", { class: `badge ${incident.confidence}`, text: incident.confidence }),
    isWorst ? element("span", { class: "badge worst", text: "the worst" }) : null);
  const about = element("dl", {});
  const isBrief = report.incidents.length > BRIEF && !chosen && !isWorst;
  pair(about, "Who", who(incident));
  const ends = to === null ? "the capture's end" : day(from) === day(to) ? clock(to) : moment(to);
  pair(about, "When", `${moment(from)} to ${ends} ${zoneName()}, ${duration(incident.duration_ms)}${incident.count > 1 ? `, ${incident.count} times` : ""}`);
  pair(about, "Why", [CAUSES[incident.root] ?? incident.root, ...incident.why.map((one) => inZone(one, from))].join("; "));
  pair(about, "Then", inZone(incident.followed.join("; "), from));
  pair(about, "Next", incident.checks.join("\n"));
  const made = element("article", { class: `incident ${incident.confidence}${chosen ? " chosen" : ""}${isBrief ? " brief" : ""}`, tabindex: "0", "data-incident": incident.id,
    "aria-expanded": String(chosen),
    on: { click: () => choose(incident.id), keydown: (event) => { if (event.key === "Enter" && event.target === made) choose(incident.id); } } }, head);
  if (isBrief) return made;
  made.append(about);
  made.append(chosen ? evidence(incident) : element("p", { class: "soft", text: `Click: zoom to it, and ${count(incident.evidence.length, "frame", "frames")} of evidence` }));
  return made;
}
/** Zooms to an incident and shows its evidence; a second time, lets it go. */
function choose(id, zooms = true) {
  const incident = report.incidents.find((one) => one.id === id);
  view.chosen = view.chosen === id && zooms ? null : id;
  untell();
  drawIncidents();
  if (view.chosen === null) return show(...FULL);
  if (zooms) {
    const [from, to] = [seconds(incident.start), maybe(incident.end) ?? end];
    const around = Math.max((to - from) * 0.35, 1);
    show(from - around, to + around);
  } else redraw();
  document.querySelector(`article[data-incident="${id}"]`)?.scrollIntoView({ block: "nearest" });
}
function drawIncidents() {
  const into = byId("incidents");
  const made = report.incidents.map(card);
  const coverage = report.coverage;
  const lines = settings.text.split("\n");
  if (report.incidents.length === 0) {
    // The text form's own first words: they know what may be promised.
    const first = lines.slice(0, Math.max(lines.findIndex((line) => line.startsWith("SEEN ")), 1)).join(" ");
    made.push(element("p", { class: `notice${coverage.stalls === "full" && report.stalls.length === 0 ? " good" : ""}`, text: first }));
  } else if (coverage.stalls !== "full") {
    made.push(element("p", { class: "notice", text: "These captures do not show everything: there may have been more." }));
  }
  if (coverage.blind.length > 0) made.push(element("p", { class: "soft", text: `Not seen: ${coverage.blind.join("; ")}.` }));
  into.replaceChildren(...made);
}
function drawHeader() {
  const number = report.incidents.length;
  byId("title").textContent = number > 0 ? count(number, "incident", "incidents") : "quorumscope";
  document.title = number > 0 ? `${count(number, "incident", "incidents")}: ${day(start)} ${clock(start, 0)} – quorumscope` : "quorumscope report";
  const out = report.outages.reduce((total, outage) => total + outage.duration_ms, 0);
  const hosts = report.coverage.hosts.length;
  const scope = [`${moment(start, 0)} to ${day(start) === day(end) ? clock(end, 0) : moment(end, 0)} ${zoneName()}`,
    count(everyone.length, "server", "servers"), `seen from ${count(hosts, "host", "hosts")}`,
    out > 0 ? `no write was committed for ${duration(out)} in all` : ""];
  byId("scope").textContent = scope.filter((one) => one !== "").join(" · ");
}
function drawRest() {
  const problems = report.input.files.filter((file) => file.problem !== null);
  const rows = report.input.files.map((file) => element("tr", {}, element("td", { text: short(file.path) }),
    element("td", { class: "num", text: file.frames.toLocaleString("en") }),
    element("td", { class: "num", text: file.first ? `${moment(seconds(file.first), 1)} to ${clock(seconds(file.last), 1)}` : "" }),
    element("td", { text: file.problem ?? "" })));
  const head = element("tr", {}, ...["File", "Frames", "Times", "Problem"].map((text) => element("th", { text })));
  const files = element("details", {}, element("summary", { text: count(rows.length, "file", "files") }), element("table", {}, head, ...rows));
  if (problems.length > 0) files.setAttribute("open", "");
  byId("rest").replaceChildren(element("h2", { text: "The same as text" }),
    element("details", {}, element("summary", { text: "as qscope prints it, times in UTC" }), element("pre", { text: settings.text })),
    element("h2", { text: "What was read" }), files,
    element("p", { class: "soft", text: `qscope ${settings.version}. This page is the report for machines too: its JSON is in the script element "report". Charts by uPlot, MIT licence.` }));
}
function drawAll() {
  drawHeader();
  drawIncidents();
  drawRest();
  redraw();
}

function setUpZones() {
  const select = byId("zone");
  const fill = () => {
    const own = zones.map((one, index) => element("option", { value: String(index), text: one.name }));
    const others = element("optgroup", { label: "a server's" });
    for (const name of Intl.supportedValuesOf?.("timeZone") ?? []) others.append(element("option", { value: name, text: name }));
    select.replaceChildren(...own, others);
  };
  fill();
  const set = (index) => {
    zone = zones[index];
    select.value = String(index);
    drawAll();
    drawChartsAnew();
  };
  select.addEventListener("change", () => {
    const known = zones[Number(select.value)];
    if (known) return set(Number(select.value));
    const name = select.value;
    addZone(name, name);
    fill();
    set(zones.findIndex((one) => one.name === name));
  });
  return () => set((zones.indexOf(zone) + 1) % zones.length);
}
function toggleTheme() {
  const root = document.documentElement;
  const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.dataset.theme = isDark ? "light" : "dark";
  drawChartsAnew();
}
function chooseNext(by) {
  const all = report.incidents;
  if (all.length === 0) return;
  const now = all.findIndex((one) => one.id === view.chosen);
  const next = now < 0 ? (by > 0 ? 0 : all.length - 1) : (now + by + all.length) % all.length;
  if (all[next].id !== view.chosen) choose(all[next].id);
}
function setUpKeys(nextZone) {
  const keys = {
    n: () => chooseNext(1), p: () => chooseNext(-1), "+": () => zoomBy(0.6), "=": () => zoomBy(0.6), "-": () => zoomBy(1.6),
    ArrowLeft: () => panBy(-0.2), ArrowRight: () => panBy(0.2), 0: () => show(...FULL), z: nextZone, t: toggleTheme,
    "?": () => byId("keys").showModal(),
    Escape: () => { if (view.chosen !== null) choose(view.chosen); },
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches?.("select, input") || byId("keys").open) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  const buttons = { earlier: keys.ArrowLeft, later: keys.ArrowRight, closer: keys["+"], wider: keys["-"], all: keys[0], theme: toggleTheme, help: keys["?"] };
  for (const [id, act] of Object.entries(buttons)) byId(id).addEventListener("click", act);
}

[view.from, view.to] = FULL;
const nextZone = setUpZones();
setUpTimeline();
setUpKeys(nextZone);
setUpCharts();
drawAll();
let lastWidth = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === lastWidth) return;
  lastWidth = innerWidth;
  redraw();
  drawChartsAnew();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawChartsAnew);
addEventListener("beforeprint", drawTimeline);
document.documentElement.dataset.ready = "true";
