"use strict";
// The report, and words for what is in it. All text goes to the page through textContent.
const report = JSON.parse(document.getElementById("report").textContent);
const settings = JSON.parse(document.getElementById("settings").textContent);

const byId = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";

/** Seconds since 1970, of a time of the report. Milliseconds from Date, the digits behind them from the text. */
function seconds(text) {
  const digits = /\.(\d+)Z$/.exec(text);
  const whole = Date.parse(text.replace(/\.\d+Z$/, "Z")) / 1000;
  return whole + (digits ? Number("0." + digits[1]) : 0);
}
const maybe = (text) => (text === null || text === undefined ? null : seconds(text));

/** An element with a class, a text, and children. */
function element(name, about = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(about)) {
    if (key === "text") made.textContent = value;
    else if (key === "on") for (const [event, what] of Object.entries(value)) made.addEventListener(event, what);
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}
function shape(name, about, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(about)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

// The capture's ends. Where nothing was read, some second of 1970 will do.
const start = maybe(report.coverage.from) ?? maybe(report.input.first) ?? 0;
const end = Math.max(maybe(report.coverage.to) ?? maybe(report.input.last) ?? 1, start + 0.001);

/** ZooKeeper's servers, and etcd's members. */
const everyone = [...report.servers, ...(report.members ?? []).map((member) => ({ name: null, sid: null, ...member }))];
const servers = new Map(everyone.map((server) => [server.address, server]));
const host = (endpoint) => endpoint.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
function nameOf(address) {
  const server = servers.get(address);
  if (server && server.name) return server.name;
  return server && server.sid !== null ? `server.${server.sid}` : address;
}
/** Addresses that a suspect names: none, one or two. */
function culprits(suspect) {
  if (!suspect) return [];
  return suspect.path ?? [suspect.host ?? suspect.host_network];
}
const CAUSES = {
  process_stalled: "its process did not run", process_ended: "its process ended", disk_slow: "its disk was slow",
  network_cut: "nothing got through", network_loss: "packets were lost", network_slow: "the network was slow",
  network_mtu: "long packets vanished", link_reset: "the link was reset", sync_slow: "synchronization was too slow",
  unknown: "these captures do not decide",
};
function who(incident) {
  const suspect = incident.suspect;
  if (!suspect) return "not decided";
  if (suspect.host) return named(suspect.host);
  if (suspect.host_network) return `the network of ${named(suspect.host_network)}`;
  const [one, other] = suspect.path.map(named);
  if (suspect.direction === "both") return `the path between ${one} and ${other}`;
  const [from, to] = suspect.direction.split(">").map(named);
  return `the path from ${from} to ${to}`;
}
const named = (address) => (nameOf(address) === address ? address : `${nameOf(address)} (${address})`);

const outageOf = (incident) =>
  report.outages.filter((outage) => incident.outages.includes(outage.id)).reduce((sum, outage) => sum + outage.duration_ms, 0);
/** The incident that hurt most, by the same measure as the text form. */
const worst = report.incidents.reduce((most, one) => {
  const weight = (of) => [outageOf(of), of.links.length, of.duration_ms, seconds(of.start)];
  if (!most) return one;
  const [a, b] = [weight(one), weight(most)];
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 || a[at] > b[at] ? one : most;
}, null);

function duration(ms) {
  if (ms === null || ms === undefined) return "";
  if (ms < 1) return `${(ms * 1000).toFixed(0)} µs`;
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 120000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.round(ms / 60000);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
const count = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
const short = (path) => path.replace(/^.*\//, "");

// Time zones: UTC, the browser's, the one that was asked for, those of servers' logs, and any other.
const zones = [{ name: "UTC", zone: "UTC" }];
function addZone(name, zone, offset) {
  if (!zones.some((known) => known.name === name)) zones.push({ name, zone, offset });
}
addZone("local time", Intl.DateTimeFormat().resolvedOptions().timeZone);
if (settings.zone && settings.zone !== "UTC") addZone(settings.zone, settings.zone);
for (const log of report.input.logs ?? []) {
  if (typeof log.offset_s === "number") addZone(`${log.server ?? short(log.path)} (its log)`, "UTC", log.offset_s);
}
let zone = zones[0];
const formats = new Map();
function parts(at) {
  if (!formats.has(zone.zone)) {
    const about = { timeZone: zone.zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit",
      hour: "2-digit", minute: "2-digit", second: "2-digit" };
    formats.set(zone.zone, new Intl.DateTimeFormat("en-GB", about));
  }
  const whole = Math.floor(at + 1e-9) + (zone.offset ?? 0);
  return Object.fromEntries(formats.get(zone.zone).formatToParts(whole * 1000).map((part) => [part.type, part.value]));
}
function fraction(at, digits) {
  const scale = 10 ** digits;
  const rest = Math.floor((at - Math.floor(at + 1e-9)) * scale + 1e-4 * scale / 1e3);
  return digits === 0 ? "" : "." + String(Math.max(0, Math.min(rest, scale - 1))).padStart(digits, "0");
}
function clock(at, digits = 3) {
  const of = parts(at);
  return `${of.hour}:${of.minute}:${of.second}${fraction(at, digits)}`;
}
function day(at) {
  const of = parts(at);
  return `${of.year}-${of.month}-${of.day}`;
}
const moment = (at, digits = 3) => `${day(at)} ${clock(at, digits)}`;
const zoneName = () => (zone.name === "UTC" ? "UTC" : zone.name);

/** A sentence of the report with its times of day, which are UTC, in the chosen zone. */
function inZone(sentence, near) {
  if (zone.name === "UTC") return sentence;
  const date = new Date(near * 1000).toISOString().slice(0, 10);
  return sentence.replace(/(\d{4}-\d\d-\d\d )?\b(\d\d:\d\d:\d\d)(\.\d+)?\b/g, (text, dated, time, rest) => {
    let at = Date.parse(`${dated ? dated.trim() : date}T${time}Z`) / 1000;
    if (!dated && near - at > 43200) at += 86400;
    if (!dated && at - near > 43200) at -= 86400;
    return `${dated ? day(at) + " " : ""}${clock(at, 0)}${rest ?? ""}`;
  });
}
