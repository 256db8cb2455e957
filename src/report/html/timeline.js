"use strict";
// The timeline: a lane per server, bands for incidents, and the window that all charts share.
const GUTTER = 110;
const MARGIN = 16;
const LANE = 24;
const TOP = 56;
const view = { from: start, to: end, chosen: null, cursor: null };
const listeners = [];
/** Called with the time that the pointer is at in the timeline, or `null`. */
const followers = [];
const padded = (end - start) * 0.01;
const FULL = [start - padded, end + padded];

let isDue = false;
/** Shows a window of time, everywhere. */
function show(from, to) {
  const width = Math.max(to - from, 0.01);
  const whole = FULL[1] - FULL[0];
  if (width >= whole) [view.from, view.to] = FULL;
  else {
    view.from = Math.min(Math.max(from, FULL[0]), FULL[1] - width);
    view.to = view.from + width;
  }
  redraw();
}
function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    drawTimeline();
    for (const listener of listeners) listener();
  });
}
function zoomBy(factor, around = (view.from + view.to) / 2) {
  show(around - (around - view.from) * factor, around + (view.to - around) * factor);
}
function panBy(share) {
  const by = (view.to - view.from) * share;
  show(view.from + by, view.to + by);
}
/** The time at a point of the page, given something that spans the window. */
function timeAt(clientX, box) {
  const share = (clientX - box.left - GUTTER) / Math.max(box.width - GUTTER - MARGIN, 1);
  return view.from + Math.min(Math.max(share, 0), 1) * (view.to - view.from);
}

const tip = byId("tip");
function tell(event, text) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 14, innerWidth - box.width - 8);
  const top = event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${Math.max(top, 4)}px`;
}
const untell = () => (tip.hidden = true);
function telling(made, text) {
  made.addEventListener("pointermove", (event) => { tell(event, typeof text === "function" ? text() : text); });
  made.addEventListener("pointerleave", untell);
  return made;
}

/** Steps that people count in, in seconds: about `most` of them in a window. */
function step(width, most) {
  const steps = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600,
    7200, 10800, 21600, 43200, 86400];
  return steps.find((one) => width / one <= most) ?? Math.ceil(width / most / 86400) * 86400;
}
/** Times to write below an axis, in the chosen zone's round hours. */
function ticks(from, to, most) {
  const by = step(to - from, most);
  const of = parts(from);
  const midnight = Math.floor(from) - Number(of.hour) * 3600 - Number(of.minute) * 60 - Number(of.second);
  const made = [];
  for (let at = midnight + Math.ceil((from - midnight) / by) * by; at <= to && made.length < 200; at += by) made.push(at);
  return made;
}
function tickText(at, by, isFirst) {
  const digits = by >= 1 ? 0 : by >= 0.1 ? 1 : by >= 0.01 ? 2 : 3;
  const text = by >= 86400 ? day(at) : by >= 60 ? clock(at, 0).slice(0, 5) : clock(at + 1e-6, digits);
  return isFirst && by < 86400 ? `${day(at).slice(5)} ${text}` : text;
}

const ROLES = { leader: "leading", follower: "following", observer: "observing", looking: "looking for a leader" };
/** Beyond so many servers, only those that did something have a lane. */
const MAX_LANES = 32;
/** Where the label of the last incident ends. */
let labelled = 0;
const lanes = everyone.filter((server) => everyone.length <= MAX_LANES || server.roles.length > 0 || report.links.some((link) =>
  host(link.leader) === server.address || host(link.learner) === server.address));

function drawTimeline() {
  labelled = 0;
  const svg = byId("timeline");
  const width = Math.max(svg.clientWidth || 900, 300);
  const height = TOP + lanes.length * LANE + 22;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  const inner = width - GUTTER - MARGIN;
  const x = (at) => GUTTER + ((at - view.from) / (view.to - view.from)) * inner;
  const clipped = (from, to) => {
    const [left, right] = [Math.max(x(from), GUTTER), Math.min(x(to), GUTTER + inner)];
    return right < GUTTER || left > GUTTER + inner ? null : [left, Math.max(right - left, 1.5)];
  };
  const inside = (at) => at >= view.from && at <= view.to;
  const made = [];
  const add = (...about) => { const one = shape(...about); made.push(one); return one; };
  const bottom = TOP + lanes.length * LANE;

  drawAxis(add, x, inner, bottom);
  lanes.forEach((server, index) => drawLane(add, server, TOP + index * LANE, clipped));
  for (const gap of report.coverage.gaps) {
    const box = clipped(seconds(gap.from), seconds(gap.to));
    const text = `The capture ${gap.host ? `at ${nameOf(gap.host)} ` : ""}lacks this stretch.`;
    if (box) telling(add("rect", { class: "gap", x: box[0], y: TOP, width: box[1], height: lanes.length * LANE }), text);
  }
  for (const outage of report.outages) drawOutage(add, outage, clipped);
  for (const incident of report.incidents) drawIncident(add, incident, clipped, bottom);
  drawMarks(add, x, inside);
  svg.replaceChildren(...made, overlay);
  drawOverlay();
  const shown = `${moment(view.from, 1)} to ${day(view.from) === day(view.to) ? clock(view.to, 1) : moment(view.to, 1)} ${zoneName()}`;
  byId("window").textContent = `${shown} (${duration((view.to - view.from) * 1000)})`;
}
/** What follows the pointer. All else stays as it is, so that it can be clicked. */
const overlay = shape("g", {});
function drawOverlay() {
  const width = Math.max(byId("timeline").clientWidth || 900, 300) - GUTTER - MARGIN;
  const x = (at) => GUTTER + ((at - view.from) / (view.to - view.from)) * width;
  const bottom = TOP + lanes.length * LANE;
  const made = [];
  if (view.cursor !== null && view.cursor >= view.from && view.cursor <= view.to) {
    made.push(shape("line", { class: "crosshair", x1: x(view.cursor), x2: x(view.cursor), y1: 14, y2: bottom }));
  }
  if (drag && drag.moved) {
    const [from, to] = [Math.min(drag.from, drag.to), Math.max(drag.from, drag.to)];
    made.push(shape("rect", { class: "drag", x: x(from), y: 14, width: Math.max(x(to) - x(from), 1), height: bottom - 14 }));
  }
  overlay.replaceChildren(...made);
}
/** The pointer is at a time; `null` where it is nowhere. */
function point(at) {
  view.cursor = at;
  drawOverlay();
}
function drawAxis(add, x, inner, bottom) {
  const most = Math.max(2, Math.floor(inner / 110));
  const by = step(view.to - view.from, most);
  ticks(view.from, view.to, most).forEach((at, index) => {
    add("line", { class: "grid", x1: x(at), x2: x(at), y1: TOP - 2, y2: bottom + 4 });
    add("text", { class: "soft", x: x(at), y: bottom + 17, "text-anchor": "middle" }, tickText(at, by, index === 0));
  });
}
function drawLane(add, server, y, clipped) {
  const label = nameOf(server.address);
  const shownName = label.length > 15 ? `${label.slice(0, 14)}…` : label;
  telling(add("text", { class: "name", x: GUTTER - 8, y: y + 16, "text-anchor": "end" }, shownName), named(server.address));
  const all = clipped(start, end);
  if (all) add("rect", { class: "away", x: all[0], y: y + 4, width: all[1], height: LANE - 8, rx: 2 });
  for (const span of server.roles) {
    const [from, to] = [seconds(span.from), maybe(span.to) ?? end];
    const box = clipped(from, to);
    if (!box) continue;
    const text = () => `${named(server.address)}: ${ROLES[span.role] ?? span.role}\n${clock(from)} to ${span.to ? clock(to) : "the capture's end"} (${duration((to - from) * 1000)})`;
    telling(add("rect", { class: span.role, x: box[0], y: y + 4, width: box[1], height: LANE - 8, rx: 2 }), text);
  }
}
function drawOutage(add, outage, clipped) {
  const [from, to] = [seconds(outage.start), maybe(outage.end) ?? end];
  const box = clipped(from, to);
  if (!box) return;
  const kind = outage.kind === "no_leader" ? "no leader" : "a leader, but no quorum committed";
  const text = () => `No write was committed for ${duration(outage.duration_ms)}: ${kind}\n${clock(from)} to ${outage.end ? clock(to) : "the capture's end"}${outage.certain ? "" : "\nNot certain: a link that could show commits was out of sight."}`;
  telling(add("rect", { class: `outage${outage.certain ? "" : " doubt"}`, x: box[0], y: TOP - 11, width: box[1], height: 8, rx: 2 }), text);
}
function drawIncident(add, incident, clipped, bottom) {
  const [from, to] = [seconds(incident.start), maybe(incident.end) ?? end];
  const box = clipped(from, to);
  if (!box) return;
  const chosen = view.chosen === incident.id ? " chosen" : "";
  const text = () => `#${incident.id} ${inZone(incident.summary, from)}`;
  const pick = (one) => {
    telling(one, text);
    one.addEventListener("click", (event) => { event.stopPropagation(); if (!wasDragged) choose(incident.id); });
  };
  const band = add("rect", { class: `band${chosen}`, x: box[0], y: 14, width: box[1], height: bottom - 14 });
  band.dataset.incident = incident.id;
  // The band lets the pointer through to the lanes; above them it tells what it is.
  pick(add("rect", { class: "handle", x: box[0], y: 14, width: Math.max(box[1], 8), height: 16 }));
  for (const address of culprits(incident.suspect)) {
    const index = lanes.findIndex((server) => server.address === address);
    if (index >= 0) pick(add("rect", { class: "culprit", x: box[0], y: TOP + index * LANE + 2, width: Math.max(box[1], 3), height: LANE - 4, rx: 3 }));
  }
  const text2 = box[1] > 150 ? `#${incident.id} ${culprits(incident.suspect).map(nameOf).join(" – ") || "not decided"}` : `#${incident.id}`;
  // Where incidents overlap, a label goes behind the one before it; where there is no room, it is left out.
  const at = Math.max(box[0] + 3, labelled);
  const width = 7.5 * text2.length;
  if (at !== box[0] + 3 && at + width > box[0] + box[1]) return;
  labelled = at + width + 6;
  add("text", { class: "label", x: at, y: 26 }, text2);
}
function drawMarks(add, x, inside) {
  const lane = (address) => lanes.findIndex((server) => server.address === address);
  for (const election of report.elections) {
    const at = seconds(election.start);
    if (!inside(at)) continue;
    const won = election.leader_sid === null ? "" : `\nserver.${election.leader_sid} led, epoch ${election.epoch ?? "?"}`;
    const text = () => `Election from ${clock(at)}, ${election.votes} votes${won}\nlooking: ${election.by.map(nameOf).join(", ")}`;
    const y = TOP - 22;
    telling(add("path", { class: "election", d: `M${x(at)} ${y - 7}l6 7l-6 7l-6-7z` }), text);
  }
  for (const link of report.links) {
    const index = lane(host(link.learner));
    if (index < 0) continue;
    const y = TOP + index * LANE + LANE / 2;
    const [opened, closed] = [maybe(link.opened), maybe(link.closed)];
    const ends = `${nameOf(host(link.learner))} to its leader ${nameOf(host(link.leader))}`;
    if (closed !== null && inside(closed)) {
      const by = link.closed_by === null ? "" : ` by ${nameOf(host(link.closed_by === "leader" ? link.leader : link.learner))}`;
      const text = () => `Link ${link.id}, ${ends}, closed${by} (${link.close ?? "?"})\n${clock(closed)}`;
      telling(add("path", { class: "closed", d: `M${x(closed) - 4} ${y - 4}l8 8m0-8l-8 8` }), text);
    }
    if (!link.picked_up && opened !== null && inside(opened)) {
      const text = () => `Link ${link.id}, ${ends}, opened${link.sync ? `: ${link.sync}` : ""}\n${clock(opened)}`;
      telling(add("circle", { class: "opened", cx: x(opened), cy: y, r: 4 }), text);
    }
  }
}

let drag = null;
let wasDragged = false;
function setUpTimeline() {
  const svg = byId("timeline");
  const box = () => svg.getBoundingClientRect();
  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    wasDragged = false;
    const at = timeAt(event.clientX, box());
    drag = { from: at, to: at, x: event.clientX, moved: false };
  });
  addEventListener("pointermove", (event) => {
    if (!drag) return;
    drag.to = timeAt(event.clientX, box());
    drag.moved = drag.moved || Math.abs(event.clientX - drag.x) > 5;
    if (drag.moved) drawOverlay();
  });
  addEventListener("pointerup", () => {
    if (!drag) return;
    const done = drag;
    drag = null;
    wasDragged = done.moved;
    drawOverlay();
    if (done.moved) show(Math.min(done.from, done.to), Math.max(done.from, done.to));
  });
  const follow = (at) => {
    point(at);
    for (const follower of followers) follower(at);
  };
  svg.addEventListener("pointermove", (event) => follow(timeAt(event.clientX, box())));
  svg.addEventListener("pointerleave", () => follow(null));
  svg.addEventListener("click", (event) => {
    const hit = wasDragged ? null : incidentAt(timeAt(event.clientX, box()));
    if (hit) choose(hit.id);
  });
  svg.addEventListener("dblclick", () => show(...FULL));
  wheels(svg);
}
/** The incident of a time: of several the shortest. */
function incidentAt(at) {
  const all = report.incidents.filter((one) => seconds(one.start) <= at && at <= (maybe(one.end) ?? end));
  return all.sort((one, other) => one.duration_ms - other.duration_ms)[0] ?? null;
}
/** The wheel zooms with Ctrl and moves with Shift; alone it scrolls the page. */
function wheels(over) {
  over.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY)) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) zoomBy(event.deltaY > 0 ? 1.25 : 0.8, timeAt(event.clientX, over.getBoundingClientRect()));
    else panBy((event.deltaX || event.deltaY) > 0 ? 0.1 : -0.1);
  }, { passive: false });
}
