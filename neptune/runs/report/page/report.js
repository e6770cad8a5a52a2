// The report of one run: a sample's page, and the charts of the summary.
let turn = 0, current = null;

async function drawSample(row) {
  const mine = ++turn, place = byId("sample");
  if (!row) { place.replaceChildren(); return; }
  if (byId("samples").hidden) return;
  let sample;
  try { sample = await details(row.at); } catch (error) {
    if (mine === turn) place.replaceChildren(topLine(row), make("p", "note", error.message));
    return;
  }
  if (mine !== turn) return; // another one was chosen meanwhile
  const view = new View(row, sample), halves = make("div", "halves");
  place.replaceChildren(topLine(row), make("div", "question", row.question || "(no question)"), verdict(row, sample), ...[alerts(sample)].filter(Boolean), halves);
  const shown = view.picture();
  current = {halves, panels: [shown, panelTalk(sample), view.program(), panelDispute(sample), view.plan(), panelFlip(row, sample, view), panelCalls(sample), panelCost(sample)]};
  balance(current.halves, current.panels);
  place.scrollTop = 0;
  view.place();
  view.paint(null);
}

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
  const n = {}, faults = {};
  for (const row of rows) {
    n[row.state] = (n[row.state] || 0) + 1;
    for (const fault of row.faults || []) faults[fault] = (faults[fault] || 0) + 1;
  }
  const svg = draw("svg", {viewBox: "0 0 300 22", width: "100%", role: "img", "aria-label": "Outcomes"});
  const legend = make("div", "legend"), kinds = make("div", "legend");
  const link = (place, wish, ...inside) => {
    const button = make("button", "", ...inside);
    button.type = "button";
    button.addEventListener("click", () => open(wish));
    place.append(button);
  };
  let x = 0;
  for (const state of STATES.filter((s) => n[s])) {
    const width = 300 * n[state] / rows.length;
    svg.append(draw("rect", {class: state, x, y: 2, width: Math.max(width - 1, .5), height: 18, rx: 2}));
    x += width;
    link(legend, {state}, make("i", "dot " + state), `${state} ${count(n[state])}`);
  }
  for (const [fault, k] of Object.entries(faults).sort((a, b) => b[1] - a[1]).slice(0, 12)) link(kinds, {fault}, `${fault} ${count(k)}`);
  return panel("Outcomes, and kinds of error", svg, legend, kinds);
}

function chartFamilies() {
  if (facts.results.accuracy === null) return null; // no right answer is known
  const groups = Object.entries(facts.results.by_family || {}).sort((a, b) => b[1].n - a[1].n || a[0].localeCompare(b[0]));
  const table = make("div", "families");
  for (const [name, c] of groups) {
    const track = make("span", "track"), bar = make("i"), whisker = make("u");
    bar.style.width = 100 * (c.accuracy || 0) + "%";
    track.append(bar);
    if (c.interval) {
      [whisker.style.left, whisker.style.width] = [100 * c.interval[0] + "%", 100 * (c.interval[1] - c.interval[0]) + "%"];
      track.append(whisker);
    }
    const button = make("button", "", make("span", "name", name), track, make("b", "number", percent(c.accuracy)),
      make("span", "quiet number range", range(c.interval)), make("span", "quiet number", `of ${count(c.n)}`));
    button.type = "button";
    button.title = "Show them";
    button.addEventListener("click", () => open({family: name}));
    table.append(button);
  }
  return panel("Accuracy by family, with 95 % Clopper–Pearson intervals over pictures", table);
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
  return panel(title, svg, make("div", "note", note));
}

function chartDoubt() {
  const edges = [0, .01, .05, .1, .2, .3, .4, .5], n = edges.map(() => 0);
  let without = 0;
  for (const row of rows) {
    if (row.doubt === null || row.doubt === undefined) without += 1;
    else n[edges.findLastIndex((e) => row.doubt >= e)] += 1;
  }
  return bars("How doubtful the answers are, from 0", n, edges.map((e) => String(e).replace(/^0\./, ".") + "+"),
    without ? `${count(without)} answers without a probability` : "doubt is 1 less the probability of the answer", (k) => open({doubt: edges[k], sort: "doubt"}));
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
  const body = make("tbody");
  bins.forEach((b, k) => {
    if (!b.n) return;
    const p = b.p / b.n, a = b.right / b.n;
    svg.append(draw("line", {class: "whisker", x1: X(p), x2: X(p), y1: Y(p), y2: Y(a), opacity: .5}),
      draw("circle", {class: "bar", cx: X(p), cy: Y(a), r: 3 + 9 * Math.sqrt(b.n / all)}));
    body.append(make("tr", "", make("td", "", `${10 * k}–${10 * k + 10} % sure`), make("td", "number", percent(p)), make("td", "number", percent(a)), make("td", "number", count(b.n))));
  });
  const head = make("thead", "", make("tr", "", ...["", "said", "was right", "answers"].map((t, k) => make("th", k ? "number" : "", t))));
  return panel("Can the probabilities be believed? Share right by how sure", svg, make("table", "tight", head, body),
    make("div", "note", `expected calibration error ${error.toFixed(3)}, ${count(all)} answers`));
}

function chartRisk() {
  const found = facts.results.risk_coverage;
  if (!found || !Array.isArray(found.points) || !found.points.length) return null;
  const top = Math.max(.05, ...found.points.map((p) => p[1])), X = (c) => 40 + 246 * c, Y = (r) => 168 - 150 * r / top;
  const svg = draw("svg", {viewBox: "0 0 300 196", width: "100%", role: "img", "aria-label": `Risk by coverage; ${percent(found.points.at(-1)[1])} wrong of all`});
  for (const t of [0, .5, 1]) {
    svg.append(draw("line", {class: "axis", x1: X(0), x2: X(1), y1: Y(t * top), y2: Y(t * top)}), draw("text", {x: 36, y: Y(t * top) + 4, "text-anchor": "end"}, percent(t * top)),
      draw("text", {x: X(t), y: 182, "text-anchor": "middle"}, percent(t)));
  }
  const line = found.points.map(([c, r]) => `${X(c).toFixed(1)},${Y(r).toFixed(1)}`).join(" ");
  svg.append(draw("polyline", {class: "whisker", points: line, fill: "none", "stroke-width": 2}));
  return panel("How much is wrong, by the share that is answered", svg,
    make("div", "note", `the surest first, ${count(found.n)} answers; mean risk ${found.area.toFixed(3)}`));
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
  return known ? bars("How far scores must move to flip the answer", n, edges.map((e) => String(e).replace(/^0\./, ".") + "+"), `found for ${count(known)} answers`,
    () => open({sort: "flip"})) : null;
}

function drawCharts() {
  const total = rows.map((r) => r.calls || 0), families = chartFamilies(), beside = [chartOutcomes(), chartCalibration(), chartRisk()].filter(Boolean);
  const rest = [chartDoubt(), histogram("Oracle calls a question, from", total, `${count(total.reduce((a, b) => a + b, 0))} in all`, (k) => open({calls: k, sort: "calls"})), chartFlip()].filter(Boolean);
  const place = byId("charts");
  place.classList.toggle("even", !families);
  if (!families) { place.replaceChildren(); byId("more-charts").replaceChildren(...beside, ...rest); return; }
  const groups = Object.keys(facts.results.by_family).length, room = groups <= 9 ? 3 : groups <= 14 ? 2 : 0; // charts that fit under them
  const left = make("div", "stack", families, room ? make("div", "line", ...rest.splice(0, room)) : null);
  place.replaceChildren(left, make("div", "stack", ...beside));
  byId("more-charts").replaceChildren(...rest);
}

function drawTiles() {
  const r = facts.results, given = r.answered;
  const texts = {accuracy: percent(r.accuracy), n: count(r.n), interval: range(r.interval), errors: count(r.errors), abstained: count(r.abstained),
    answered: percent(r.accuracy_answered), given: count(given), unanswered: count(r.unanswered),
    calls: count(r.usage.oracle_calls || 0), hits: count(r.usage.cache_hits || 0), seconds: count(r.seconds) + " s"};
  for (const name in texts) byId("t-" + name).textContent = texts[name];
}
