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
  for (const name of ["family", "dataset", "sort", "doubt", "calls"]) byId(name).value = wish[name] ?? "";
  filter();
  view("samples");
}

function theme(name) {
  if (name) document.documentElement.dataset.theme = name;
  try { if (name) localStorage.setItem("neptune-theme", name); } catch { /* storage may be barred: then it is not kept */ }
}

function otherTheme() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  theme(dark ? "light" : "dark");
}

function nextWrong() {
  for (let k = 1; k <= matching.length; k++) {
    const at = (chosen + k) % matching.length;
    if (matching[at].state !== "right") { choose(at); return; }
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
    "/": () => byId("search").focus(), f: () => byId("family").focus(),
    s: () => view(samples ? "summary" : "samples"), t: otherTheme, "?": () => byId("help").showModal(),
  };
  if (/^[1-6]$/.test(event.key) && states[event.key - 1]) actions[event.key] = () => states[event.key - 1].click();
  const action = actions[event.key];
  if (!action) return;
  if (!samples) {
    if (["ArrowDown", "ArrowUp", "PageDown", "PageUp", "Home", "End"].includes(event.key)) return;
    if (!["s", "t", "?"].includes(event.key)) view("samples");
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
    byId("status").textContent = more.done ? "NePTune Reasoner · the run is done" : `NePTune Reasoner · running: ${count(rows.length)} of ${count(more.results.n)}`;
    if (more.done && !more.index.id.length) return;
  } catch {
    byId("status").textContent = "NePTune Reasoner · the run's server is gone";
    return;
  }
  setTimeout(poll, 1000);
}

async function start() {
  addRows(await unpack(byId("index").textContent));
  stored = rows.length;
  pictures = await unpack(byId("pictures").textContent);
  let kept = null;
  try { kept = localStorage.getItem("neptune-theme"); } catch { /* as above */ }
  if (kept) theme(kept);
  byId("to-summary").addEventListener("click", () => view("summary"));
  byId("to-samples").addEventListener("click", () => view("samples"));
  byId("theme").addEventListener("click", otherTheme);
  byId("ask-help").addEventListener("click", () => byId("help").showModal());
  byId("filters").addEventListener("submit", (e) => e.preventDefault());
  for (const name of ["search", "doubt", "calls"]) byId(name).addEventListener("input", () => filter());
  for (const name of ["family", "dataset", "sort"]) byId(name).addEventListener("change", () => filter());
  byId("list").addEventListener("scroll", drawList, {passive: true});
  addEventListener("resize", drawList);
  addEventListener("keydown", key);
  drawCharts();
  filter();
  const wanted = decodeURIComponent(location.hash.slice(1)), at = wanted ? matching.findIndex((r) => r.id === wanted) : -1;
  if (at >= 0) chosen = at;
  if (at >= 0 || rows.length === 1 && !facts.live) view("samples"); // of a single answer there is nothing to sum up
  document.documentElement.dataset.ready = "true";
  if (facts.live) poll();
}

start();
