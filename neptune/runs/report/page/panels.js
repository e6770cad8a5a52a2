// The panels beside a sample's plan: what would flip the answer, what it cost, what the model was asked, word by word.
function panelFlip(row, sample, view) {
  const flip = sample.flip;
  if (!flip) return null;
  const list = make("dl", "facts");
  const add = (name, ...text) => list.append(make("dt", "", name), make("dd", "", ...text));
  if (sample.kind === "truth" && typeof sample.probability === "number") add("Margin", `${Math.abs(sample.probability - .5).toFixed(3)} from one half`);
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
  const changes = make("ul", "changes");
  for (const c of flip.changes) {
    const words = asked(c.question, c.objects.map(String));
    const item = make("li", "", make("span", "", words), make("span", "", `${c.score.toFixed(2)} → ${c.to.toFixed(2)}`));
    const scores = (sample.boxes || []).map((_, i) => c.objects.includes(i) ? c.score : null);
    changes.append(view.scored(item, scores, () => words, c.objects));
  }
  const more = flip.changed > flip.changes.length ? make("div", "note", `and ${flip.changed - flip.changes.length} more scores`) : null;
  return make("div", "panel", make("h2", "", "The smallest change that flips the answer"), list, flip.changes.length ? changes : null, more);
}

// Programs of one question that differ: the smallest made scene on which they do, drawn, and what each says of it.
function panelDispute(sample) {
  const dispute = sample.dispute;
  if (!dispute || !Array.isArray(dispute.programs) || dispute.programs.length < 2) return null;
  const words = show(dispute.scene);
  const panel = make("div", "panel dispute", make("h2", "", "Where the programs differ: the smallest made scene that parts them"));
  if (typeof dispute.drawing === "string" && dispute.drawing.startsWith("<svg ")) {
    const img = make("img");
    img.alt = words;
    img.src = `data:image/svg+xml,${encodeURIComponent(dispute.drawing)}`; // as an image it can run nothing, and load nothing
    panel.append(make("figure", "", img, make("figcaption", "", `${words}. Seen from above, the front below; metal has a white rim.`)));
  } else panel.append(make("p", "note", words));
  const list = make("dl", "facts");
  for (const said of dispute.programs) if (said) list.append(make("dt", "", make("b", "", show(said.says))), make("dd", "", make("code", "", show(said.program))));
  panel.append(list);
  return panel;
}

function panelCost(sample) {
  const usage = sample.usage || {}, list = make("dl", "facts");
  const add = (name, text) => list.append(make("dt", "", name), make("dd", "", text));
  add("Calls", `${count(usage.oracle_calls || 0)} asked · ${count(usage.cache_hits || 0)} known before · ${count(sample.skipped || 0)} skipped`);
  if (usage.oracle_rounds) add("Rounds", count(usage.oracle_rounds));
  const times = ["plan_ms", "execute_ms", "oracle_ms"].filter((n) => usage[n]).map((n) => `${n.replace("_ms", "")} ${usage[n].toFixed(0)} ms`);
  if (times.length) add("Time", `${times.join(" · ")}${sample.seconds ? ` · in all ${(1000 * sample.seconds).toFixed(0)} ms` : ""}`);
  if (usage.oracle_prompt_tokens) add("Tokens", `${count(usage.oracle_prompt_tokens)} read, ${count(usage.oracle_completion_tokens || 0)} written`);
  if (usage.oracle_cost) add("Money", usage.oracle_cost.toFixed(5));
  return make("div", "panel", make("h2", "", "Cost"), list);
}

function panelCalls(sample) {
  const calls = sample.calls || [];
  if (!calls.length) return null;
  const panel = make("div", "panel", make("h2", "", "What the model was sent and what it said, word by word"));
  for (const call of calls) {
    const inside = make("details", "call", make("summary", "", asked(call.question, call.objects.map(String))));
    inside.addEventListener("toggle", () => { // made when it is looked at: there may be many
      if (inside.children.length > 1) return;
      inside.append(make("div", "note", call.picture ? `sent: a picture (${call.picture}) and these words` : "sent"), make("pre", "", call.prompt));
      for (const reply of call.replies) inside.append(make("div", "note", "raw reply"), make("pre", "", reply));
      if (!call.replies.length) inside.append(make("div", "note", "no reply"));
    });
    panel.append(inside);
  }
  if (sample.calls_left_out) panel.append(make("div", "note", `and ${count(sample.calls_left_out)} more in exchanges.jsonl beside this page`));
  return panel;
}

function balance(halves, panels) { // panels into two columns: each into the shorter one, so that no column ends early
  const columns = [make("div", "left"), make("div", "right-half")];
  halves.replaceChildren(...columns);
  const narrow = getComputedStyle(halves).gridTemplateColumns.split(" ").length < 2;
  for (const panel of panels.filter(Boolean)) {
    const [left, right] = columns.map((c) => c.lastElementChild ? c.lastElementChild.offsetTop + c.lastElementChild.offsetHeight : 0);
    columns[narrow || left <= right ? 0 : 1].append(panel);
  }
  // The picture stays in sight beside a long plan.
  columns[0].classList.toggle("stick", !narrow && columns[0].lastElementChild.getBoundingClientRect().bottom - columns[0].getBoundingClientRect().top < byId("sample").clientHeight);
}

// A conversation: its turns, with what came of each, the pictures that were shown, where time and money went.
function shot(p) {
  const img = make("img");
  img.alt = show(p.name);
  img.loading = "lazy";
  if (pictures[p.at]) img.src = pictures[p.at];
  const words = [p.size ? p.size.join(" × ") : "", ...(p.history || [])].filter(Boolean).join(" → ");
  const opened = make("details", "shot", make("summary", "", img));
  return make("figure", "", opened, make("figcaption", "", make("code", "", show(p.name)), " ", words));
}

function turnOf(t, k) {
  const seconds = t.seconds || {}, spent = t.spent || {}, money = spent.code_gen_cost ? ` · money ${spent.code_gen_cost.toFixed(5)}` : "";
  const cost = `model ${(seconds.model || 0).toFixed(2)} s · program ${(seconds.program || 0).toFixed(2)} s · ${count(spent.prompt_tokens || 0)} + ${count(spent.completion_tokens || 0)} tokens${money}${t.oracle_calls ? ` · ${count(t.oracle_calls)} oracle calls` : ""}`;
  const node = make("div", "turn", make("h2", "", `Turn ${k + 1}`, make("span", "quiet", cost)));
  if (t.kind === "code") node.append(make("pre", "", show(t.read)));
  else if (t.kind === "answer") node.append(make("p", "", "Answer: ", make("b", "", show(t.read))));
  else node.append(make("pre", "error", show(t.read)));
  const values = make("dl", "facts");
  for (const [name, value] of Object.entries(t.values || {})) values.append(make("dt", "", make("code", "", name)), make("dd", "", show(value)));
  if (values.children.length) node.append(values);
  if (t.text) node.append(make("pre", "", show(t.text)));
  if (t.error) node.append(make("pre", "error", show(t.error)));
  const shown = (Array.isArray(t.pictures) ? t.pictures : []).map(shot);
  if (shown.length) node.append(make("div", "shots", ...shown));
  return node;
}

function panelTalk(sample) {
  const talk = sample.conversation, turns = talk && Array.isArray(talk.turns) ? talk.turns : [];
  if (!turns.length) return null;
  const panel = make("div", "panel talk", make("h2", "", `The conversation: ${count(turns.length)} turns, ended: ${show(talk.end)}${talk.why ? ` (${talk.why})` : ""}`));
  const total = turns.reduce((sum, t) => sum + (t.seconds?.model || 0) + (t.seconds?.program || 0), 0) || 1, bar = make("div", "spent");
  for (const t of turns) for (const kind of ["model", "program"]) {
    const part = make("span", kind);
    part.style.width = `${100 * (t.seconds?.[kind] || 0) / total}%`;
    bar.append(part);
  }
  const money = talk.code_gen_cost ? ` · money ${talk.code_gen_cost.toFixed(5)}` : "";
  panel.append(bar, make("div", "note", `${(talk.seconds || 0).toFixed(2)} s, blue the model, the rest programs · ${count(talk.prompt_tokens || 0)} tokens read, ${count(talk.completion_tokens || 0)} written${money} · ${count(talk.oracle_calls || 0)} oracle calls`));
  const tools = (Array.isArray(talk.tools) ? talk.tools : []).map((t) => `${t.signature} in turn ${t.turn}${(t.used || []).length ? `, used in ${t.used.join(", ")}` : ""}`);
  if (tools.length) panel.append(make("div", "note", `tools made: ${tools.join("; ")}`));
  if (typeof sample.page === "string" && /^pages\/[\w-]+\.html$/.test(sample.page)) {
    const link = make("a", "", "the page of this conversation");
    link.href = sample.page;
    panel.append(make("div", "note", link));
  }
  panel.append(...turns.map(turnOf));
  return panel;
}
