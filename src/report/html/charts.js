"use strict";
// Charts of the links' numbers over time, drawn by uPlot. Links of the same two servers share a row of charts.
const DEADLINES = { leader_read: "leader waits for any word", learner_read: "learner waits for any word", ack: "leader waits for an ACK",
  init: "synchronization" };
const COLORS = ["#0b7fd4", "#d9480f", "#2b8a3e", "#9c36b5", "#c2255c", "#5c940d", "#1098ad", "#a07000"];
const series = report.series ?? null;
const N = series ? series.intervals : 0;
const width = series ? series.width_ms / 1000 : 1;
const seriesFrom = series ? seconds(series.from) : 0;
/** The middle of each interval. */
const xs = Array.from({ length: N }, (_, index) => seriesFrom + (index + 0.5) * width);
const links = new Map(report.links.map((link) => [link.id, link]));

/** The links of each two servers, the one with the longest waits first. */
function pairsOf() {
  const pairs = new Map();
  for (const own of series ? series.links : []) {
    const link = links.get(own.link);
    if (!link) continue;
    const key = `${host(link.learner)} ${host(link.leader)}`;
    if (!pairs.has(key)) pairs.set(key, { learner: host(link.learner), leader: host(link.leader), own: [] });
    pairs.get(key).own.push({ link, numbers: own });
  }
  const all = [...pairs.values()];
  for (const pair of all) {
    pair.shares = Object.keys(DEADLINES).map((deadline) => broken(joined(pair, (own, link) => {
      const limit = link.headroom[deadline].limit_ms;
      return own.waits_ms[deadline].map((wait) => (wait === null ? undefined : (100 * wait) / limit));
    })));
    pair.share = xs.map((_, index) => most(pair.shares.map((share) => share[index])));
    pair.worst = most(pair.share) ?? 0;
  }
  return all.sort((one, other) => other.worst - one.worst);
}
/** The largest of values some of which may be missing; `null` where all are. */
function most(values) {
  let found = null;
  for (const value of values) if (value !== null && value !== undefined && (found === null || value > found)) found = value;
  return found;
}
/** One array over all intervals, of the arrays of all links of a pair. `null` is where there was no link, and breaks the line. */
function joined(pair, values, add = false) {
  const all = new Array(N).fill(null);
  for (const { numbers, link } of pair.own) {
    values(numbers, link).forEach((value, index) => {
      const at = numbers.first + index;
      const before = all[at];
      if (value === null) value = undefined;
      if (before === null || before === undefined) all[at] = value;
      else if (value !== undefined) all[at] = add ? before + value : Math.max(before, value);
    });
  }
  return all;
}
/** Breaks a line where nothing came for longer than PINGs are apart: what lies between was not measured. */
function broken(values) {
  const longest = Math.ceil((1.5 * report.settings.tick_ms) / 1000 / width) + 1;
  let from = 0;
  values.forEach((value, index) => {
    if (value === undefined) return;
    if (index - from > longest) values.fill(null, from, index);
    from = index + 1;
  });
  return values;
}
const perSecond = (values) => values.map((value) => value / width);
const sum = (both) => both.to_leader.map((value, index) => value + both.to_learner[index]);

/** Shares of a deadline: what is far above it need not be told apart. */
const SHARE = { line: 100, least: 110, most: 250 };
const charts = [];
let isSynced = false;
const theme = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const round = (value, unit) => (value === null || value === undefined ? "–" : `${value >= 100 ? Math.round(value) : Number(value.toPrecision(3))}${unit}`);

/** Bands for incidents, and a line at a value. */
function decorate(u, line) {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const incident of report.incidents) {
    const from = u.valToPos(seconds(incident.start), "x", true);
    const to = u.valToPos(maybe(incident.end) ?? end, "x", true);
    ctx.fillStyle = theme("--red-back");
    ctx.fillRect(from, bbox.top, Math.max(to - from, 2), bbox.height);
  }
  if (line !== undefined) {
    const y = Math.round(u.valToPos(line, "y", true));
    ctx.strokeStyle = theme("--red");
    ctx.lineWidth = 2 * devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}
/** A mark at the top where a line leaves the chart. */
function markAbove(u, most) {
  const { ctx, bbox } = u;
  const half = 4 * devicePixelRatio;
  ctx.save();
  u.series.slice(1).forEach((one, index) => {
    if (!one.show) return;
    ctx.fillStyle = COLORS[index % COLORS.length];
    let last = -Infinity;
    u.data[index + 1].forEach((value, at) => {
      if (!(value > most)) return;
      const x = u.valToPos(u.data[0][at], "x", true);
      if (x < bbox.left || x > bbox.left + bbox.width || x - last < 2 * half) return;
      last = x;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x - half, bbox.top + 2 * half);
      ctx.lineTo(x + half, bbox.top + 2 * half);
      ctx.fill();
    });
  });
  ctx.restore();
}
/** A chart that is drawn once it comes into sight. */
function chart(into, what, unit, lines, about = {}) {
  const isCut = about.most !== undefined && lines.some(([, values]) => most(values) > about.most);
  const said = isCut ? `${what.replace(/\.$/, "")}. ▲ at the top: more than ${about.most}${unit}.` : what;
  const place = element("div", { class: "chart" }, element("p", { class: "what", text: said }));
  into.append(place);
  const draw = () => {
    const soft = theme("--soft");
    const grid = { stroke: theme("--line"), width: 1 };
    const y = about.log ? { distr: 3, log: 10 } : { range: (_, low, high) => [0, Math.min(Math.max(high ?? 0, about.least ?? 1) * 1.08, about.most ?? Infinity)] };
    const made = lines.map(([label, , more], index) => ({
      label, stroke: COLORS[index % COLORS.length], width: 1.5, points: { show: false },
      value: (_, value) => round(value, unit), ...more,
    }));
    // The pixels between the left edge and the plot are those of the timeline's names.
    const axis = { stroke: soft, grid, ticks: grid, font: "12px system-ui, sans-serif" };
    const options = {
      width: Math.max(into.clientWidth, 300), height: about.height ?? 120, padding: [6, MARGIN, 0, 0], pxAlign: 0,
      scales: { x: { time: false, range: () => [view.from, view.to] }, y },
      axes: [
        { ...axis, size: 26, splits: (u, _, from, to) => ticks(from, to, Math.max(2, Math.floor(u.bbox.width / devicePixelRatio / 110))),
          values: (u, at) => at.map((one) => tickText(one, step(view.to - view.from, Math.max(2, Math.floor(u.bbox.width / devicePixelRatio / 110))), false)) },
        { ...axis, size: GUTTER, values: (_, at) => at.map((one) => (one === null ? null : round(one, unit))) },
      ],
      series: [{ label: "time", value: (_, at) => (at === null ? "–" : clock(at - width / 2, width < 1 ? 1 : 0)) }, ...made],
      cursor: { y: false, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, sync: { key: "time", setSeries: false } },
      legend: { live: true },
      hooks: {
        drawClear: [(u) => decorate(u, about.line)],
        draw: isCut ? [(u) => markAbove(u, about.most)] : [],
        setCursor: [(u) => {
          if (isSynced || u.cursor.left === undefined) return;
          isSynced = true;
          point(u.cursor.left < 0 ? null : u.posToVal(u.cursor.left, "x"));
          isSynced = false;
        }],
        setSelect: [(u) => {
          if (u.select.width < 4) return;
          const [from, to] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          show(from, to);
        }],
      },
    };
    const plot = new uPlot(options, [xs, ...lines.map(([, values]) => values)], place);
    plot.over.addEventListener("dblclick", () => show(...FULL));
    plot.over.addEventListener("click", (event) => {
      const at = plot.posToVal(event.clientX - plot.over.getBoundingClientRect().left, "x");
      const hit = incidentAt(at);
      if (hit) choose(hit.id, false);
    });
    return plot;
  };
  charts.push({ place, into, draw, plot: null, isNear: false, isStale: false });
}
function render(one) {
  if (one.plot === null) one.plot = one.draw();
  else if (one.isStale) one.plot.setScale("x", { min: view.from, max: view.to });
  one.isStale = false;
}
/** The colours or the width have changed. */
function drawChartsAnew() {
  for (const one of charts.filter((one) => one.plot !== null)) {
    one.plot.destroy();
    one.plot = one.draw();
  }
}
/** Positive values alone can be shown on a logarithmic axis. */
const positive = (values) => values.map((value) => (value === null || value === undefined ? value : Math.max(value, 0.001)));
const trips = (kind, value) => (own) => own[kind][value].map((us) => (us === null ? null : us / 1000));

function setUpCharts() {
  const into = byId("charts");
  if (!series || N === 0) return;
  const pairs = pairsOf();
  if (pairs.length === 0) return;
  into.append(element("h2", { text: "Longest wait of each link, as a share of its deadline" }));
  const shown = pairs.slice(0, COLORS.length);
  const overview = element("div", {});
  into.append(overview);
  chart(overview, `100 % is the limit at which ZooKeeper drops the link. Intervals of ${duration(series.width_ms)}.`, " %",
    shown.map((pair) => [`${nameOf(pair.learner)} to ${nameOf(pair.leader)}`, pair.share]), { ...SHARE, height: 190 });
  into.append(element("h2", { text: "Each link" }));
  for (const pair of pairs) {
    const numbers = pair.own.map((own) => own.link.id);
    const title = element("h3", {}, element("span", { text: `${nameOf(pair.learner)} to its leader ${nameOf(pair.leader)}` }),
      element("span", { class: "soft", text: `${count(numbers.length, "link", "links")}: ${numbers.slice(0, 12).map((id) => "#" + id).join(" ")}${numbers.length > 12 ? " …" : ""}` }),
      element("span", { class: "soft", text: `longest wait ${Math.round(pair.worst)} % of its deadline` }));
    const row = element("div", { class: "pair" }, title);
    into.append(row);
    const waits = Object.values(DEADLINES).map((label, index) => [label, pair.shares[index]]).filter(([, values]) => most(values) !== null);
    chart(row, "Longest wait, share of its deadline", " %", waits, SHARE);
    const kinds = [["PING", "ping"], ["ACK of a PROPOSAL", "ack"], ["COMMIT of a PROPOSAL", "commit"]];
    const lines = kinds.flatMap(([label, kind], index) => ["p50_us", "p99_us", "max_us"].map((value, level) => [
      `${label} ${["p50", "p99", "max"][level]}`, broken(positive(joined(pair, trips(kind, value)))),
      { stroke: COLORS[index], width: [2, 1.2, 0.8][level], dash: [[], [5, 3], [2, 3]][level], show: kind !== "commit" }]));
    const present = lines.filter(([, values]) => most(values) !== null);
    if (present.length > 0) chart(row, "Round trips (logarithmic; a click on a name shows or hides it)", " ms", present, { log: true, height: 150 });
    const steps = { paths: uPlot.paths.stepped({ align: 1 }) };
    chart(row, "PROPOSALs a second", "/s", [["PROPOSALs", joined(pair, (own) => perSecond(own.proposals), true), { ...steps, stroke: COLORS[0], fill: COLORS[0] + "22" }]], { height: 90 });
    const again = joined(pair, (own) => sum(own.retransmits), true);
    const missing = joined(pair, (own) => sum(own.missing_bytes), true);
    const losses = [["segments retransmitted", again, { ...steps, stroke: COLORS[1], fill: COLORS[1] + "33" }]];
    if (most(again) > 0) chart(row, "Retransmissions", "", losses, { height: 90 });
    const lacks = [["bytes", missing, { ...steps, stroke: COLORS[3], fill: COLORS[3] + "33" }]];
    if (most(missing) > 0) chart(row, "Bytes that the capture lacks", "", lacks, { height: 90 });
    if (!(most(again) > 0 || most(missing) > 0)) row.append(element("p", { class: "soft", text: "Nothing was retransmitted, and the capture lacks no byte." }));
  }
  if (series.rest) into.append(element("p", { class: "soft", text: "Further links are only in the JSON, in sum (series.rest)." }));
  const seen = new IntersectionObserver((all) => {
    for (const entry of all) {
      const one = charts.find((one) => one.place === entry.target);
      one.isNear = entry.isIntersecting;
      if (one.isNear) render(one);
    }
  }, { rootMargin: "600px" });
  for (const one of charts) seen.observe(one.place);
  listeners.push(() => {
    for (const one of charts) {
      one.isStale = true;
      if (one.isNear) render(one);
    }
  });
  followers.push((at) => {
    const first = charts.find((one) => one.plot !== null)?.plot;
    if (!first) return;
    isSynced = true;
    first.setCursor({ left: at === null ? -10 : first.valToPos(at, "x"), top: 5 });
    isSynced = false;
  });
  addEventListener("beforeprint", () => charts.forEach(render));
}
