// One sample: its question and verdict, the program beside its values, the plan.
function topLine(row) {
  const go = (text, label, by) => {
    const button = make("button", "", text);
    button.type = "button";
    button.setAttribute("aria-label", label);
    button.addEventListener("click", () => choose(chosen + by));
    return button;
  };
  const back = make("button", "", "‹ List");
  back.type = "button";
  back.id = "back";
  back.addEventListener("click", () => { byId("samples").classList.remove("one"); drawList(); });
  return make("div", "top", back, make("div", "quiet", [row.id, row.dataset, row.family].filter(Boolean).join(" · ")), go("‹", "previous sample", -1), go("›", "next sample", 1));
}

const WHY = {
  presupposition: "because nothing fits a description", "missing evidence": "because evidence is missing",
  budget: "because the calls that were allowed ran out", "more answers than may be": "because several answers are likely",
  "no answer is usual enough": "because no answer is usual enough", "not sure enough": "because it is not sure enough", "out of domain": "because the picture is not of the models' world",
};

function verdict(row, sample) {
  const line = make("p", "verdict"), signs = {right: "✓", wrong: "✗", error: "!", abstained: "–", unjudged: ""};
  const said = {error: "error", abstained: "abstained"}[row.state] || show(row.answer);
  line.append(make("b", row.state, `${signs[row.state]} ${said}`.trim()));
  if (row.state === "error") line.append(make("span", "error", sample.error || ""));
  if (row.state === "abstained" && sample.why) line.append(make("span", "abstained", WHY[sample.why] || show(sample.why)));
  if (typeof sample.guess_right === "boolean") line.append(make("span", "quiet", `its guess ${show(sample.withheld ?? row.answer)} would be ${sample.guess_right ? "right" : "wrong"}`));
  if (Array.isArray(sample.answer_set)) line.append(make("span", "quiet", sample.answer_set.length
    ? `set of ${count(sample.answer_set.length)}: ${sample.answer_set.map((a, k) => `${show(a)} (${((sample.answer_chances || [])[k] || 0).toFixed(2)})`).join(", ")}` : "no answer is in its set"));
  if (sample.verified) line.append(make("span", "quiet", `put to the test: ${percent(sample.verified.probability)} sure`
    + (sample.verified.instead_of === undefined ? "" : `, instead of object ${show(sample.verified.instead_of)}`)));
  if (sample.tests) line.append(make("span", sample.tests.failed ? "error" : "quiet", `${count(sample.tests.passed)} of ${count(sample.tests.passed + sample.tests.failed)} tests of the program passed`));
  if (Array.isArray(sample.changed) && sample.changed.length) line.append(make("span", "quiet", `with ${sample.changed.map(show).join(", ")}; before it was ${show(sample.before)}`));
  if (row.state !== "right" && row.expected !== null && row.expected !== undefined) line.append(make("span", "", `right is ${show(row.expected)}`));
  const extra = [row.state === "abstained" ? "" : sureOf(sample), sample.value !== undefined ? `value ${show(sample.value)}` : "",
    (sample.regions || []).length ? `from ${count(sample.regions.length)} ${sample.regions.length > 1 ? "regions" : "region"}, dashed in the picture` : "",
    typeof sample.iou === "number" ? `${notation ? "IoU" : "overlap"} ${sample.iou.toFixed(2)}` : ""].filter(Boolean).join(" · ");
  if (extra) line.append(make("span", "quiet", extra));
  if (sample.judge) line.append(make("span", "quiet", `judge: ${sample.judge.right === true ? "right" : sample.judge.right === false ? "wrong" : show(sample.judge.verdict)}`));
  if (sample.beside && sample.beside.outcome) line.append(make("span", "quiet", besideOf(sample.beside)));
  for (const [kind, asked] of Object.entries(sample.variants || {})) {
    if (asked && typeof asked.question === "string") line.append(make("span", "quiet", variantOf(kind, asked)));
  }
  if (sample.blame && sample.blame.blame) line.append(make("span", "quiet", `to blame: ${sample.blame.blame}`));
  return line;
}

function besideOf(beside) { // what the model that was asked beside says
  const said = beside.outcome === "answered" ? show(beside.answer) : show(beside.outcome);
  const stands = beside.agrees === true ? " (the same)" : beside.agrees === false ? " (another)" : "";
  return `${show(beside.model)}, asked directly: ${said}${stands}`;
}

function variantOf(kind, asked) {
  const stands = asked.holds === true ? "as it should be" : asked.holds === false ? "which does not go with it" : "";
  const said = asked.answer === null || asked.answer === undefined ? "no answer" : show(asked.answer);
  return `${kind}: “${asked.question}” ${said}${stands ? `, ${stands}` : ""}`;
}

function alerts(sample) { // what a reader must know before believing the answer
  const texts = [];
  for (const text of sample.presuppositions || []) texts.push(`Nothing in the picture fits: ${sourceOf(show(text))}`);
  for (const text of sample.ambiguous || []) texts.push(`Several objects fit: ${sourceOf(show(text))}`);
  if (sample.out_of_domain) texts.push(`Out of domain: ${show(sample.out_of_domain)}`);
  if (sample.tie) texts.push("A tie: another answer is just as likely.");
  if (sample.settled === false) texts.push("Not settled: with more calls the answer could be another.");
  for (const [why, n] of Object.entries(sample.oracle_failures || {})) texts.push(`${count(n)} calls failed: ${why}`);
  for (const text of [...(sample.notes || []), ...(sample.program_notes || []), ...(sample.oracle_remarks || [])]) texts.push(show(text));
  return texts.length ? make("ul", "alerts", ...texts.map((text) => make("li", "", text))) : null;
}

Object.assign(View.prototype, {
  value(name, source, step) {
    const shown = valueOf(step);
    const node = make("div", "value", make("span", "t", name, " ", shown ? make("span", "v", shown) : null));
    if (step.scores) { node.append(this.strip(step.scores)); this.scored(node, step.scores, () => name); }
    return node;
  },

  variable(bound) {
    const node = make("div", "value", make("span", "t", `${bound.name} = `, make("span", "v", show(bound.value))));
    if (!(bound.boxes || []).length) return node;
    node.classList.add("scored");
    node.tabIndex = 0;
    for (const on of ["mouseenter", "focus"]) node.addEventListener(on, () => this.outline(bound.boxes));
    for (const off of ["mouseleave", "blur"]) node.addEventListener(off, () => this.outline(this.sample.regions));
    return node;
  },

  program() {
    const {row, sample} = this;
    if (!row.program) return null;
    const text = row.program.split("\n"), list = make("ol", text.length > 1 ? "" : "single");
    text.forEach((line, k) => {
      const values = make("div", "values"), seen = new Set();
      for (const bound of (sample.lines || []).filter((b) => b.line === k + 1)) values.append(this.value(`${bound.name} =`, bound.name, bound));
      for (const bound of (sample.variables || []).filter((v) => v.line === k + 1)) values.append(this.variable(bound));
      const steps = (sample.trace || []).filter((s) => (s.line || 1) === k + 1);
      const several = new Set(steps.map((s) => s.source)).size > 1;
      for (const step of steps) {
        const label = step.line && !notation && !several ? "this line gives" : sourceOf(step.source);
        if (!seen.has(step.source)) values.append(this.value(label, step.source, step));
        seen.add(step.source);
      }
      list.append(make("li", "", make("pre", "", line || " "), values.children.length ? values : null));
    });
    const written = sample.program_source ? ` (${sample.program_source})` : "";
    return make("div", "panel code", make("h2", "", "Program" + written + ", with the values that it found"), list);
  },

  plan() {
    const nodes = planOf(this.sample.plan || []);
    if (!nodes.length) return null;
    const tree = make("div", "tree");
    for (const node of nodes) {
      const best = node.best ? ` (with the best ${node.best.join(", ")})` : "";
      const text = node.cells && node.known < node.cells ? `${node.known} of ${node.cells} asked` : valueOf(node);
      const line = make("div", node.depth ? "node" : "node first", make("span", "t", nodeOf(node) + (notation ? "" : best), " ", text ? make("span", "v", text) : null));
      line.style.paddingLeft = 6 + node.depth * 10 + "px";
      line.title = [node.text, node.question, node.cells ? `${node.known} of ${node.cells} asked` : ""].filter(Boolean).join(" · ");
      if (node.scores) { line.append(this.strip(node.scores)); this.scored(line, node.scores, () => nodeOf(node)); }
      tree.append(line);
    }
    return make("div", "panel", make("h2", "", "What was looked for, part by part: a square an object"), tree);
  },
});
