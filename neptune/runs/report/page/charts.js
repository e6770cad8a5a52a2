// The charts of the summary, from the index and the results.
function panel(title, ...inside) {
  return make("div", "panel", make("h2", "", title), ...inside);
}

function picked(node, label, action) {
  node.classList.add("click");
  node.setAttribute("tabindex", "0");
  node.setAttribute("role", "button");
  node.setAttribute("aria-label", label);
  node.append(draw("title", {}, label));
  node.addEventListener("click", action);
  node.addEventListener("keydown", (e) => { if (e.key === "Enter") action(); });
  return node;
}

function chartOutcomes() {
  const n = {};
  for (const row of rows) n[row.state] = (n[row.state] || 0) + 1;
  const svg = draw("svg", {viewBox: "0 0 300 22", width: "100%", role: "img", "aria-label": "Outcomes"});
  const legend = make("div", "legend");
  let x = 0;
  for (const state of STATES.filter((s) => n[s])) {
    const width = 300 * n[state] / rows.length;
    svg.append(draw("rect", {class: state, x, y: 2, width: Math.max(width - 1, .5), height: 18, rx: 2}));
    x += width;
    const button = make("button", "", make("i", "dot " + state), `${state} ${count(n[state])}`);
    button.type = "button";
    button.addEventListener("click", () => open({state}));
    legend.append(button);
  }
  return panel("Outcomes", svg, legend);
}

function chartFamilies() {
  if (facts.results.accuracy === null) return null; // no right answer is known
  const groups = Object.entries(facts.results.by_family || {}).sort((a, b) => b[1].n - a[1].n || a[0].localeCompare(b[0]));
  const height = 25, left = 172, wide = 276, svg = draw("svg", {
    viewBox: `0 0 620 ${groups.length * height + 24}`, width: "100%", role: "group", "aria-label": "Accuracy by family",
  });
  for (const t of [0, .25, .5, .75, 1]) {
    const x = left + wide * t;
    svg.append(draw("line", {class: "axis", x1: x, x2: x, y1: 0, y2: groups.length * height + 4}),
      draw("text", {x, y: groups.length * height + 18, "text-anchor": "middle"}, `${100 * t}%`));
  }
  groups.forEach(([name, c], k) => {
    const y = k * height, group = draw("g", {}), label = name.length > 32 ? name.slice(0, 31) + "…" : name;
    const range = c.interval ? `${(100 * c.interval[0]).toFixed(1)}–${(100 * c.interval[1]).toFixed(1)}` : "";
    group.append(draw("rect", {x: 0, y, width: 620, height, fill: "transparent"}),
      draw("text", {class: "strong", x: left - 10, y: y + 16, "text-anchor": "end"}, label),
      draw("rect", {class: "bar", x: left, y: y + 5, width: Math.max(wide * (c.accuracy || 0), 1), height: height - 11, rx: 3}));
    if (c.interval) {
      const [a, b] = c.interval.map((v) => left + wide * v), m = y + 4 + (height - 9) / 2;
      group.append(draw("path", {class: "whisker", fill: "none", d: `M${a},${m - 4}v8M${a},${m}H${b}M${b},${m - 4}v8`}));
    }
    group.append(draw("text", {class: "strong", x: left + wide + 12, y: y + 16}, percent(c.accuracy)),
      draw("text", {x: left + wide + 62, y: y + 16}, `${range}  n ${count(c.n)}`));
    svg.append(picked(group, `${name}: ${percent(c.accuracy)} of ${c.n}; show them`, () => open({family: name})));
  });
  const box = panel("Accuracy by family, with 95 % bootstrap intervals over pictures", make("div", "scroll", svg));
  box.classList.add("wide");
  return box;
}

function bars(title, values, labels, note, action) {
  const top = Math.max(1, ...values), step = 300 / values.length;
  const svg = draw("svg", {viewBox: "0 0 300 128", width: "100%", role: "group", "aria-label": title});
  values.forEach((v, k) => {
    const height = v ? Math.max(92 * v / top, 1.5) : 0, group = draw("g", {});
    group.append(draw("rect", {x: k * step, y: 0, width: step, height: 110, fill: "transparent"}),
      draw("rect", {class: "bar", x: k * step + 1.5, y: 110 - height, width: step - 3, height, rx: 2}));
    if (v) group.append(draw("text", {x: (k + .5) * step, y: 106 - height, "text-anchor": "middle"}, v >= 10000 ? Math.round(v / 1000) + "k" : v));
    group.append(draw("text", {x: (k + .5) * step, y: 123, "text-anchor": "middle"}, labels[k]));
    svg.append(v && action ? picked(group, `${labels[k]}: ${v}; show them`, () => action(k)) : group);
  });
  svg.append(draw("line", {class: "axis", x1: 0, x2: 300, y1: 110.5, y2: 110.5}));
  return panel(title, svg, note ? make("div", "note", note) : null);
}

function chartDoubt() {
  const edges = [0, .01, .05, .1, .2, .3, .4, .5], n = edges.map(() => 0);
  let without = 0;
  for (const row of rows) {
    if (row.doubt === null || row.doubt === undefined) without += 1;
    else n[edges.findLastIndex((e) => row.doubt >= e)] += 1;
  }
  return bars("Doubt: 1 − probability of the answer", n, edges.map((e) => "≥" + e),
    without ? `${count(without)} answers without a probability` : "", (k) => open({doubt: edges[k], sort: "doubt"}));
}

function chartCalibration() {
  const bins = Array.from({length: 10}, () => ({n: 0, p: 0, right: 0}));
  let all = 0;
  for (const row of rows) {
    if (row.doubt === null || row.doubt === undefined || !["right", "wrong"].includes(row.state)) continue;
    const p = 1 - row.doubt, bin = bins[Math.min(9, Math.floor(p * 10))];
    bin.n += 1; bin.p += p; bin.right += row.state === "right"; all += 1;
  }
  if (!all) return null;
  const error = bins.reduce((sum, b) => sum + (b.n ? Math.abs(b.p - b.right) : 0), 0) / all;
  const svg = draw("svg", {viewBox: "0 0 300 196", width: "100%", role: "img", "aria-label": `Calibration; expected error ${error.toFixed(3)}`});
  const X = (p) => 34 + 252 * p, Y = (a) => 168 - 156 * a;
  for (const t of [0, .5, 1]) {
    svg.append(draw("line", {class: "axis", x1: X(0), x2: X(1), y1: Y(t), y2: Y(t)}), draw("text", {x: 28, y: Y(t) + 4, "text-anchor": "end"}, t),
      draw("text", {x: X(t), y: 182, "text-anchor": "middle"}, t));
  }
  svg.append(draw("line", {class: "axis", x1: X(0), y1: Y(0), x2: X(1), y2: Y(1), "stroke-dasharray": "4 4", "stroke-width": 1.5}));
  for (const b of bins.filter((b) => b.n)) {
    const p = b.p / b.n, a = b.right / b.n;
    svg.append(draw("line", {class: "whisker", x1: X(p), x2: X(p), y1: Y(p), y2: Y(a), opacity: .5}),
      draw("circle", {class: "bar", cx: X(p), cy: Y(a), r: 3 + 9 * Math.sqrt(b.n / all)}, draw("title", {}, `p ${p.toFixed(3)}, right ${percent(a)} of ${b.n}`)));
  }
  return panel("Calibration: share right by probability", svg, make("div", "note", `expected calibration error ${error.toFixed(3)}, ${count(all)} answers`));
}

function histogram(title, values, note, action) {
  const top = Math.max(0, ...values);
  let width = 1;
  for (const step of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000]) if (width * 8 <= top) width = step;
  const n = Array(Math.min(9, Math.floor(top / width) + 1)).fill(0);
  for (const v of values) n[Math.min(n.length - 1, Math.floor(v / width))] += 1;
  return bars(title, n, n.map((_, k) => k === n.length - 1 && k * width + width <= top ? `${k * width}+` : k * width), note, (k) => action(k * width));
}

function chartFlip() {
  const edges = [0, .05, .1, .2, .3, .4, .5], n = edges.map(() => 0);
  let known = 0;
  for (const row of rows) if (typeof row.flip === "number") { known += 1; n[edges.findLastIndex((e) => row.flip >= e)] += 1; }
  return known ? bars("Largest single change of a score that flips the answer", n, edges.map((e) => "≥" + e), `found for ${count(known)} answers`,
    () => open({sort: "flip"})) : null;
}

function drawCharts() {
  const total = rows.map((r) => r.calls || 0);
  byId("charts").replaceChildren(...[
    chartFamilies(), chartOutcomes(), chartCalibration(), chartDoubt(),
    histogram("Oracle calls a question", total, `${count(total.reduce((a, b) => a + b, 0))} in all`, (k) => open({calls: k, sort: "calls"})),
    chartFlip(),
  ].filter(Boolean));
}

function drawTiles() {
  const r = facts.results, range = r.interval ? r.interval.map((v) => (100 * v).toFixed(1)).join("–") : "–";
  const texts = {accuracy: percent(r.accuracy), n: count(r.n), interval: range, errors: count(r.errors), abstained: count(r.abstained),
    calls: count(r.usage.oracle_calls || 0), hits: count(r.usage.cache_hits || 0), seconds: count(r.seconds) + " s"};
  for (const name in texts) byId("t-" + name).textContent = texts[name];
}
