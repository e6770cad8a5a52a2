// One sample: the picture with its boxes, the program and its plan with their values, what it cost, what would flip it.
let turn = 0;

async function drawSample(row) {
  const mine = ++turn, place = byId("sample");
  if (!row) { place.replaceChildren(); return; }
  if (byId("samples").hidden) return;
  const sample = await details(row.at);
  if (mine !== turn) return; // another one was chosen meanwhile
  const view = new View(row, sample);
  place.replaceChildren(make("div", "quiet", [row.id, row.dataset, row.family].filter(Boolean).join(" · ")),
    make("div", "question", row.question || "(no question)"), verdict(row, sample),
    make("div", "halves",
      make("div", "left", view.picture(), facesFlip(row, sample, view), facesCost(sample)),
      make("div", "right-half", view.program(), view.plan())));
  place.scrollTop = 0;
  view.paint(null);
}

function verdict(row, sample) {
  const line = make("p", "verdict"), signs = {right: "✓", wrong: "✗", error: "!", abstained: "–", unjudged: ""};
  line.append(make("b", row.state, `${signs[row.state]} ${row.state === "error" ? "" : row.state === "abstained" ? "abstained" : show(row.answer)}`.trim()));
  if (row.state === "error") line.append(make("span", "error", sample.error));
  if (row.state !== "right" && row.expected !== null && row.expected !== undefined) line.append(make("span", "", `expected ${show(row.expected)}`));
  const p = typeof sample.probability === "number" ? `p = ${sample.probability.toFixed(3)}`
    : sample.bounds ? `p in [${sample.bounds.map((b) => b.toFixed(3)).join(", ")}]` : "";
  const extra = [p, sample.tie ? "a tie" : "", sample.settled === false ? "not settled" : "", sample.value !== undefined ? `value ${show(sample.value)}` : "",
    typeof sample.iou === "number" ? `IoU ${sample.iou.toFixed(2)}` : ""].filter(Boolean).join(" · ");
  if (extra) line.append(make("span", "quiet", extra));
  if (sample.judge) line.append(make("span", "quiet", `judge: ${sample.judge.right === true ? "right" : sample.judge.right === false ? "wrong" : show(sample.judge.verdict)}`));
  if (sample.blame && sample.blame.blame) line.append(make("span", "quiet", `to blame: ${sample.blame.blame}`));
  return line;
}

class View {
  constructor(row, sample) {
    this.row = row;
    this.sample = sample;
    this.marked = new Set(sample.objects || []);
    const step = sample.scores ? null : (sample.trace || []).findLast((s) => s.scores);
    const node = sample.scores || step ? null : (sample.plan || []).find((s) => s.scores);
    this.rest = sample.scores ? {scores: sample.scores, name: "the answer"} : step ? {scores: step.scores, name: plainSource(step.source)}
      : node ? {scores: node.scores, name: node.text} : {scores: null, name: ""};
    this.strips = [];
  }

  picture() {
    const {sample, row} = this, frame = make("div", "picture"), source = pictures[row.picture];
    const size = sample.size || [480, 320];
    if (source) {
      const img = make("img");
      img.loading = "lazy";
      img.decoding = "async";
      img.alt = "The picture of the question";
      [img.width, img.height] = size;
      img.src = source;
      frame.append(img);
    } else {
      frame.style.aspectRatio = size.join("/");
    }
    this.groups = [];
    if (sample.boxes) {
      const svg = draw("svg", {viewBox: `0 0 ${size[0]} ${size[1]}`, preserveAspectRatio: "none", id: "boxes", role: "img", "aria-label": `${sample.boxes.length} boxes`});
      sample.boxes.forEach(([x0, y0, x1, y1], i) => {
        const rect = draw("rect", {x: x0, y: y0, width: x1 - x0, height: y1 - y0, rx: 2});
        const label = draw("text", {x: x0 + 2, y: Math.max(y0 - 3, size[0] / 40), "font-size": size[0] / 40});
        const group = draw("g", {"data-object": i}, rect, label);
        group.addEventListener("mouseenter", () => this.point(i));
        group.addEventListener("mouseleave", () => this.point(null));
        this.groups.push(group);
        svg.append(group);
      });
      frame.append(svg);
    }
    this.caption = make("b");
    const ramp = make("i");
    ramp.style.background = `linear-gradient(90deg, ${[0, .25, .5, .75, 1].map(color).join(",")})`;
    return make("div", "", frame, make("div", "under", this.caption, make("span", "ramp", "0", ramp, "1")));
  }

  paint(shown, objects) { // shown: {scores, name}, or null for what the answer rests on
    const now = shown || this.rest, only = objects && new Set(objects);
    this.groups.forEach((group, i) => {
      const score = now.scores ? now.scores[i] : undefined, known = typeof score === "number";
      const strong = only ? only.has(i) : this.marked.has(i);
      const stroke = known ? color(score) : strong ? color(1) : "#a8adb6", [rect, label] = group.children;
      rect.setAttribute("stroke", stroke);
      rect.setAttribute("stroke-width", strong ? 3.5 : known && score > .5 ? 2.5 : 1.5);
      rect.setAttribute("stroke-dasharray", now.scores && !known ? "4 3" : "none");
      rect.setAttribute("stroke-opacity", known ? .4 + .6 * score : .9);
      label.style.fill = known ? `color-mix(in srgb, ${stroke} 60%, white)` : "#fff";
      label.textContent = known ? `${i} · ${score.toFixed(2)}` : i;
    });
    this.caption.textContent = now.name || "";
  }

  point(i) { // an object of the picture: mark its scores in the plan
    for (const strip of this.strips) [...strip.children].forEach((cell, k) => cell.classList.toggle("at", k === i));
  }

  scored(node, scores, name, objects) {
    node.classList.add("scored");
    node.tabIndex = 0;
    const on = () => this.paint({scores, name}, objects), off = () => this.paint(null);
    node.addEventListener("mouseenter", on);
    node.addEventListener("mouseleave", off);
    node.addEventListener("focus", on);
    node.addEventListener("blur", off);
    return node;
  }

  strip(scores) {
    const strip = make("span", "strip");
    if (scores.length <= 24) {
      for (const s of scores) {
        const cell = make("i");
        if (typeof s === "number") cell.style.background = color(s);
        strip.append(cell);
      }
      this.strips.push(strip);
    }
    return strip;
  }

  value(name, source, step) {
    const node = make("div", "value", make("span", "t", name));
    node.title = source;
    if (step.scores) { node.append(this.strip(step.scores)); this.scored(node, step.scores, name); }
    const shown = valueOf(step);
    if (shown) node.append(make("span", "v", shown));
    return node;
  }

  program() {
    const {row, sample} = this;
    if (!row.program) return null;
    const list = make("ol"), text = row.program.split("\n");
    text.forEach((line, k) => {
      const values = make("div", "values"), seen = new Set();
      for (const bound of (sample.lines || []).filter((b) => b.line === k + 1)) values.append(this.value(`${bound.name} =`, bound.name, bound));
      for (const step of (sample.trace || []).filter((s) => (s.line || 1) === k + 1)) {
        if (!seen.has(step.source)) values.append(this.value(step.line ? "→" : plainSource(step.source), step.source, step));
        seen.add(step.source);
      }
      list.append(make("li", "", make("pre", "", line || " "), values.children.length ? values : null));
    });
    const written = sample.program_source ? ` (${sample.program_source})` : "";
    return make("div", "panel code", make("h2", "", "Program" + written + ", with the values that it found"), list,
      ...[...(sample.presuppositions || []).map((p) => "Nothing matches: " + p), ...(sample.notes || [])].map((n) => make("div", "note", n)));
  }

  plan() {
    const nodes = this.sample.plan || [];
    if (!nodes.length) return null;
    const tree = make("div", "tree");
    for (const node of nodes) {
      const line = make("div", node.depth ? "node" : "node first", make("span", "t", node.text));
      line.style.paddingLeft = 6 + node.depth * 15 + "px";
      line.title = [node.question, node.best ? `for each ${node.over}, the best ${node.best.join(", ")}` : "",
        node.cells ? `${node.known} of ${node.cells} cells known` : ""].filter(Boolean).join(" · ") || node.text;
      if (node.scores) { line.append(this.strip(node.scores)); this.scored(line, node.scores, node.question || node.text); }
      const text = node.cells && node.known < node.cells ? `${node.known}/${node.cells}` : valueOf(node);
      line.append(make("span", "v", text || ""));
      tree.append(line);
    }
    return make("div", "panel", make("h2", "", "Plan: each part's score for each object"), tree);
  }
}

function valueOf(step) {
  if (typeof step.n === "number") return String(step.n);
  if (typeof step.p === "number") return step.p.toFixed(3);
  if (step.bounds) return step.bounds.map((b) => b.toFixed(2)).join("–");
  return step.value === undefined ? "" : String(step.value);
}

const plainSource = (source) => source.replace(/@(\d+)/g, (_, d) => "xyzwuvst"[d] || "@" + d);

function facesFlip(row, sample, view) {
  const flip = sample.flip;
  if (!flip) return null;
  const facts = make("dl", "facts");
  const add = (name, ...text) => facts.append(make("dt", "", name), make("dd", "", ...text));
  if (sample.kind === "truth" && typeof sample.probability === "number") add("Margin", `${Math.abs(sample.probability - .5).toFixed(3)} (p − ½)`);
  if (sample.kind === "object" && (sample.scores || []).length > 1) {
    const [first, second] = [...sample.scores].sort((a, b) => b - a);
    add("Margin", `${(first - second).toFixed(3)} before the next object`);
  }
  if (flip.at_least >= 1) add("Flips", "by no change of scores at all");
  else {
    const exact = typeof flip.at_most === "number" && flip.at_most - flip.at_least < .005;
    add("Flips", exact ? `when scores move by ${flip.at_most.toFixed(3)}` : typeof flip.at_most === "number"
      ? `when scores move by ${flip.at_most.toFixed(3)}; surely not below ${flip.at_least.toFixed(3)}` : `not below a move of ${flip.at_least.toFixed(3)}`);
    if (flip.changes.length) add("It becomes", make("b", "", show(flip.answer)));
  }
  const list = make("ul", "changes");
  for (const c of flip.changes) {
    const item = make("li", "", make("span", "", c.objects.length ? `${c.question} ${c.objects.join(", ")}` : c.question),
      make("span", "", `${c.score.toFixed(2)} → ${c.to.toFixed(2)}`));
    const scores = (sample.boxes || []).map((_, i) => c.objects.includes(i) ? c.score : null);
    list.append(view.scored(item, scores, c.question, c.objects));
  }
  const more = flip.changed > flip.changes.length ? make("div", "note", `and ${flip.changed - flip.changes.length} more scores`) : null;
  return make("div", "panel", make("h2", "", "The smallest change that flips the answer"), facts, flip.changes.length ? list : null, more);
}

function facesCost(sample) {
  const usage = sample.usage || {}, list = make("dl", "facts");
  const add = (name, text) => list.append(make("dt", "", name), make("dd", "", text));
  add("Calls", `${count(usage.oracle_calls || 0)} asked · ${count(usage.cache_hits || 0)} known before · ${count(sample.skipped || 0)} skipped`);
  if (usage.oracle_rounds) add("Rounds", count(usage.oracle_rounds));
  const times = ["plan_ms", "execute_ms", "oracle_ms"].filter((n) => usage[n]).map((n) => `${n.replace("_ms", "")} ${usage[n].toFixed(0)} ms`);
  if (times.length) add("Time", `${times.join(" · ")}${sample.seconds ? ` · in all ${(1000 * sample.seconds).toFixed(0)} ms` : ""}`);
  if (usage.oracle_prompt_tokens) add("Tokens", `${count(usage.oracle_prompt_tokens)} + ${count(usage.oracle_completion_tokens || 0)}`);
  if (usage.oracle_cost) add("Money", usage.oracle_cost.toFixed(5));
  return make("div", "panel", make("h2", "", "Cost"), list);
}
