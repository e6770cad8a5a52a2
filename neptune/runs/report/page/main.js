// Views, keys, themes; and, while the run goes on, what its server sends.
function view(name) {
  byId("summary").hidden = name !== "summary";
  byId("samples").hidden = name !== "samples";
  byId("to-summary").setAttribute("aria-pressed", String(name === "summary"));
  byId("to-samples").setAttribute("aria-pressed", String(name === "samples"));
  if (name === "samples") { choose(chosen); byId("list").focus({preventScroll: true}); } else history.replaceState(null, "", location.pathname + location.search);
}

function open(wish) { // show the samples that fit
  outcome = wish.state || "";
  byId("search").value = "";
  for (const name of ["family", "dataset", "fault", "sort", "doubt", "calls"]) byId(name).value = wish[name] ?? "";
  filter();
  byId("samples").classList.remove("one");
  view("samples");
}

function otherWords() {
  notation = !notation;
  keep("notation", notation ? "yes" : "no");
  showWords();
  drawList();
  drawSample(matching[chosen]);
}

function showWords() {
  document.body.classList.toggle("notation", notation);
  byId("notation").setAttribute("aria-pressed", String(notation));
}

function nextWrong() {
  for (let k = 1; k <= matching.length; k++) {
    const at = (chosen + k) % matching.length;
    if (!["right", "same"].includes(matching[at].state)) { choose(at); return; }
  }
}

function key(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(input|select|textarea)$/i.test(event.target.tagName);
  if (event.key === "Escape" && typing) { event.target.blur(); byId("list").focus(); return; }
  if (typing || byId("help").open) return;
  const samples = !byId("samples").hidden, states = [...byId("states").children];
  const actions = {
    j: () => choose(chosen + 1), ArrowDown: () => choose(chosen + 1), k: () => choose(chosen - 1), ArrowUp: () => choose(chosen - 1),
    PageDown: () => choose(chosen + 10), PageUp: () => choose(chosen - 10), Home: () => choose(0), End: () => choose(matching.length - 1), n: nextWrong,
    "/": () => byId("search").focus(), f: () => byId("family").focus(), w: otherWords,
    s: () => view(samples ? "summary" : "samples"), t: otherTheme, "?": () => byId("help").showModal(),
    Escape: () => byId("samples").classList.remove("one"),
  };
  if (/^[1-6]$/.test(event.key) && states[event.key - 1]) actions[event.key] = () => states[event.key - 1].click();
  const action = actions[event.key];
  if (!action) return;
  if (!samples) {
    if (["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End"].includes(event.key)) return;
    if (!["s", "t", "?", "w"].includes(event.key)) view("samples");
  }
  event.preventDefault();
  action();
}

async function poll() {
  try {
    const answer = await fetch(`more?from=${rows.length}`), more = await answer.json();
    if (more.index.id.length) {
      addRows(more.index);
      fresh.push(...more.samples);
      pictures = more.pictures;
    }
    facts.results = more.results;
    drawTiles();
    if (more.index.id.length) { drawCharts(); filter(true); }
    byId("status").classList.add("news");
    byId("status").textContent = more.done ? "NePTune Reasoner · the run is done" : `NePTune Reasoner · running: ${count(rows.length)} of ${count(more.results.n)}`;
    if (more.done && !more.index.id.length) return;
  } catch {
    byId("status").textContent = "NePTune Reasoner · the run's server is gone";
    return;
  }
  setTimeout(poll, 1000);
}

async function readOn(asked) { // the rest of the index, which lies beside the page
  const status = byId("status"), said = status.textContent;
  // Only then: scripts that are added before would keep the page from being loaded until the last of them is there.
  if (document.readyState !== "complete") await new Promise((done) => addEventListener("load", () => setTimeout(done), {once: true}));
  for (let k = 1; k < facts.blocks; k++) {
    status.textContent = `NePTune Reasoner · reading: ${count(rows.length)} of ${count(facts.samples)}`;
    try {
      const block = await unpack(await beside(`index-${k}`));
      addRows(block.index);
      for (const picture of block.pictures) pictures.push(picture);
    } catch (error) {
      status.textContent = error.message;
      break;
    }
  }
  if (rows.length === facts.samples) status.textContent = said;
  drawCharts();
  filter(true);
  if (asked && byId("samples").hidden) goTo(asked);
  document.documentElement.dataset.whole = "true";
}

const wanted = () => decodeURIComponent(location.hash.slice(1));

function goTo(id) { // the sample that the address names
  const at = id ? matching.findIndex((r) => r.id === id) : -1;
  if (at < 0) return false;
  chosen = at;
  byId("samples").classList.add("one");
  view("samples");
  return true;
}

async function start() {
  const [index, places] = await Promise.all(["index", "pictures"].map((name) => unpack(byId(name).textContent)));
  addRows(index);
  pictures = places;
  stored = facts.samples || rows.length;
  startPage();
  notation = kept("notation") === "yes";
  showWords();
  byId("to-summary").addEventListener("click", () => view("summary"));
  byId("to-samples").addEventListener("click", () => view("samples"));
  byId("notation").addEventListener("click", otherWords);
  byId("ask-help").addEventListener("click", () => byId("help").showModal());
  byId("filters").addEventListener("submit", (e) => e.preventDefault());
  byId("csv").addEventListener("click", downloadCsv);
  byId("json").addEventListener("click", downloadJson);
  for (const name of ["search", "doubt", "calls"]) byId(name).addEventListener("input", () => filter());
  for (const name of ["family", "dataset", "fault", "sort"]) byId(name).addEventListener("change", () => filter());
  byId("list").addEventListener("scroll", drawList, {passive: true});
  addEventListener("resize", () => { drawList(); if (current) balance(current.halves, current.panels); });
  addEventListener("keydown", key);
  drawCharts();
  if (facts.first) outcome = facts.first;
  const asked = wanted(); // before another one is chosen
  filter();
  if (!goTo(asked) && rows.length === 1 && !facts.live) view("samples"); // of a single answer there is nothing to sum up
  if (rows.length === 1) byId("samples").classList.add("one");
  document.documentElement.dataset.ready = "true";
  if (facts.live) poll();
  if (facts.blocks > 1) readOn(asked);
}

start();
