// Two runs side by side: a sample in both, and which scores moved between them.
let turn = 0, current = null;
const drawCharts = () => {};

async function drawSample(row) {
  const mine = ++turn, place = byId("sample");
  if (!row) { place.replaceChildren(); return; }
  if (byId("samples").hidden) return;
  const both = await details(row.at);
  if (mine !== turn) return; // another one was chosen meanwhile
  const sides = [both.a, both.b].map((sample) => new View({...row, ...sample.row}, sample));
  const columns = sides.map((view, k) => make("div", "", make("h2", "", facts.names[k]), verdict(view.row, view.sample), view.picture()));
  const more = sides.map((view) => make("div", "", ...[alerts(view.sample), panelTalk(view.sample), view.program(), panelDispute(view.sample), view.plan(), panelFlip(view.row, view.sample, view), panelCalls(view.sample), panelCost(view.sample)].filter(Boolean)));
  const moved = panelMoved(sides);
  place.replaceChildren(topLine(row), make("div", "question", row.question || "(no question)"), make("div", "sides both", ...columns), ...[moved].filter(Boolean), make("div", "sides", ...more));
  place.scrollTop = 0;
  for (const view of sides) { view.place(); view.paint(null); }
}

// The questions whose scores moved most from the first run to the second.
function panelMoved([a, b]) {
  const before = new Map((a.sample.plan || []).filter((n) => n.question && n.scores).map((n) => [n.text, n]));
  const moves = [];
  for (const node of (b.sample.plan || []).filter((n) => n.question && n.scores)) {
    const old = before.get(node.text);
    if (!old || old.scores.length !== node.scores.length) continue;
    before.delete(node.text); // a question that a plan asks twice is said once
    node.scores.forEach((score, i) => {
      if (typeof score === "number" && typeof old.scores[i] === "number" && Math.abs(score - old.scores[i]) >= .005) moves.push({node, i, from: old.scores[i], to: score});
    });
  }
  if (!moves.length) return null;
  moves.sort((x, y) => (Math.sign(x.from - .5) === Math.sign(x.to - .5)) - (Math.sign(y.from - .5) === Math.sign(y.to - .5)) || Math.abs(y.to - y.from) - Math.abs(x.to - x.from));
  const list = make("ul", "changes");
  for (const {node, i, from, to} of moves.slice(0, 8)) {
    const best = node.best ? `, with the best ${node.best.join(", ")}` : "", words = `${nodeOf(node)}  object ${i}${best}`;
    const item = make("li", "scored", make("span", "", words), make("span", "", `${from.toFixed(2)} → ${to.toFixed(2)}`));
    item.tabIndex = 0;
    const on = () => [[a, from], [b, to]].forEach(([view, score]) => view.paint({scores: (view.sample.boxes || []).map((_, k) => k === i ? score : null), name: () => words}, [i]));
    const off = () => [a, b].forEach((view) => view.paint(null));
    for (const [name, act] of [["mouseenter", on], ["focus", on], ["mouseleave", off], ["blur", off]]) item.addEventListener(name, act);
    list.append(item);
  }
  const left = moves.length > 8 ? make("div", "note", `and ${count(moves.length - 8)} more scores`) : null;
  const panel = make("div", "panel both", make("h2", "", "Scores that moved most; those that crossed one half come first"), list, left);
  return panel;
}
